//! From a saved record to a report: the baselines that it is judged by, and how the report is rendered.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use wanbench::config::{Config, Thresholds};
use wanbench::files::save;
use wanbench::gate;
use wanbench::report::{self, Demands, Report, Source};
use wanbench::store::baseline::{Baseline, ModelMemory};
use wanbench::store::record::RunRecord;

use super::status::UsageError;
use super::terminal::Terminal;
use crate::cli::{DEFAULT_BASELINES, Format, Sources};

/// Judges a record, saved in `results`, by the baselines of `sources`.
pub fn build(
    record: RunRecord,
    results: &Path,
    config: &Config,
    sources: &Sources,
    demands: Demands,
) -> Result<Report> {
    let folder = &sources.baselines;
    let judges = Judges {
        baseline: Baseline::find(folder, &record.machine, record.device)?,
        memory: ModelMemory::open(folder)?,
        known_cases: config.known_cases(),
        gate: config.gate.clone(),
    };
    let baseline_file = Baseline::path(folder, &record.machine, record.device);
    Ok(judges.judge(record, results, Some(&baseline_file), sources.flags(), demands))
}

/// What a record is judged by.
pub struct Judges {
    /// Figures of the machine, with their file.
    pub baseline: Option<(PathBuf, Baseline)>,
    /// Bytes of the models.
    pub memory: ModelMemory,
    /// The cases that there are: a baseline's other ones are missing.
    pub known_cases: BTreeSet<String>,
    /// The tolerances.
    pub gate: Thresholds,
}

impl Judges {
    /// The report on `record`, saved in `results`; an update, called with `flags`, would write `baseline_file`, if there
    /// is one to write.
    pub fn judge(
        self,
        record: RunRecord,
        results: &Path,
        baseline_file: Option<&Path>,
        flags: String,
        demands: Demands,
    ) -> Report {
        let baseline = self.baseline.as_ref().map(|(_, baseline)| baseline);
        let comparison = gate::compare(&record, baseline, &self.memory, &self.known_cases, &self.gate);
        Report {
            comparison,
            gate: self.gate,
            baseline: self.baseline.map(|(path, baseline)| Source::new(&path, &baseline)),
            baseline_file: baseline_file.map_or_else(String::new, |path| path.display().to_string()),
            is_comparison: baseline_file.is_none(),
            results_file: results.display().to_string(),
            demands,
            flags,
            program: std::env::args().next().unwrap_or_else(|| "wanbench".to_owned()),
            record,
        }
    }
}

/// Reads every baseline file, to find the unreadable one early; a folder that was named must be there.
pub fn read_baselines(folder: &Path) -> Result<()> {
    if folder != Path::new(DEFAULT_BASELINES) && !folder.is_dir() {
        bail!(UsageError(format!("--baselines {}: no such folder", folder.display())));
    }
    ModelMemory::open(folder)?;
    Baseline::all(folder)?;
    Ok(())
}

/// The report in a format.
pub fn render(report: &Report, format: Format, terminal: &Terminal) -> String {
    match format {
        Format::Text => text(report, terminal),
        Format::Markdown => report::markdown::render(report),
        Format::Json => report::json::render(report),
    }
}

/// The report for this terminal.
pub fn text(report: &Report, terminal: &Terminal) -> String {
    report::text::render(report, terminal.color(), terminal.columns())
}

/// Saves the report as Markdown where asked.
pub fn save_markdown(report: &Report, path: Option<&Path>) -> Result<()> {
    let Some(path) = path else { return Ok(()) };
    save::atomically(path, |out| out.write_all(report::markdown::render(report).as_bytes()))
        .with_context(|| format!("cannot write {}", path.display()))
}
