//! `wanbench baseline import`: a report in the founding report's format as a baseline.

use std::collections::BTreeMap;

use wanbench::files::read::{self, Limit};
use wanbench::store::baseline::{Baseline, ModelMemory};
use wanbench::store::import::{self, Size};

use super::change::{Change, apply, lock};
use crate::cli;
use crate::session::status::{Error, ExitStatus, OrStatus, Result};
use crate::session::terminal::Terminal;

/// Turns a report in the founding report's format into a baseline file.
pub fn import(args: &cli::Import, terminal: &Terminal) -> Result<ExitStatus> {
    let folder = &args.sources.baselines();
    let text = read::text(&args.report, Limit::REPORT).or_usage(|| format!("cannot read {}", args.report.display()))?;
    let source = args.report.file_name().unwrap_or_default().to_string_lossy();
    let mut imported = import::import(&text, &source)?;
    if let Some(model) = &args.model {
        imported.rename_model(model);
    }
    let locked = lock(folder, terminal)?;
    let path = Baseline::path(folder, &imported.baseline.machine, imported.baseline.device);
    if path.exists() && !args.replace {
        return Err(Error::usage(format!("{} exists; pass --replace to overwrite it", path.display())));
    }
    for name in &imported.skipped {
        terminal.say(&format!("{name}: the report has no figures, so it is not in the baseline"));
    }
    for name in &imported.without_reference {
        terminal
            .say(&format!("{name}: the report has no figures of its reference, so its speedup is not in the baseline"));
    }
    if let Some(disagreement) = disagreement(&imported.model_bytes, &ModelMemory::open(folder)?) {
        return Err(Error::usage(format!("{}: {disagreement}", args.report.display())));
    }
    let change = Change::of_machine(path, &imported.baseline)?;
    apply(&locked, &[change], true, terminal)
}

/// Where the report's model memory, as it is rounded, is not the recorded bytes: then it is of another model.
fn disagreement(model_bytes: &BTreeMap<String, Size>, memory: &ModelMemory) -> Option<String> {
    model_bytes.iter().find_map(|(name, size)| {
        let bytes = *memory.models.get(name)?;
        (!size.can_be(bytes))
            .then(|| format!("{name} takes {size} in the report, but {bytes} bytes are recorded: is it another model?"))
    })
}
