//! `wanbench baseline`: update, show, diff, import.

use std::collections::BTreeMap;
use std::io::{self, BufRead, IsTerminal, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use similar::TextDiff;
use wanbench::baseline::{Baseline, MODEL_MEMORY, ModelMemory};
use wanbench::config::Config;
use wanbench::import;
use wanbench::machine::Machine;
use wanbench::protocol::DeviceKind;
use wanbench::record::RunRecord;
use wanbench::save;

use super::measure::{Measuring, measure};
use super::{ExitStatus, Terminal, UsageError};
use crate::cli;

/// Records results as this machine's baseline, after showing what changes and asking.
pub fn update(args: &cli::Update, terminal: &Terminal) -> Result<ExitStatus> {
    let sources = &args.measure.sources;
    if !args.yes && in_ci() {
        bail!(UsageError("baseline update asks, and CI cannot answer: say --yes".to_owned()));
    }
    let record = match &args.from {
        Some(path) => RunRecord::open(path)?,
        None if cfg!(debug_assertions) => {
            bail!(UsageError("a debug build measures nothing worth recording: use `make build`".to_owned()))
        }
        None => {
            let config = Config::open(&sources.config)?;
            let asked = Measuring::plain(&args.measure, &config);
            let Some(record) = measure(&asked, terminal)? else { return Ok(ExitStatus::Pass) };
            record
        }
    };
    if let Some(reason) = refusal(&record, args.machine.as_deref()) {
        bail!(UsageError(format!("these results cannot become a baseline: {reason}")));
    }
    let memory = ModelMemory::open(&sources.baselines)?;
    let path = Baseline::path(&sources.baselines, &record.machine, record.device);
    let old =
        if path.exists() { Baseline::open(&path)? } else { Baseline::empty(record.machine.clone(), record.device) };
    let files = [
        Change::new(sources.baselines.join(MODEL_MEMORY), &memory.updated(&record))?,
        Change::new(path, &old.updated(&record))?,
    ];
    apply(&files, args.yes, terminal)
}

/// Prints a baseline file.
pub fn show(args: &cli::Show, terminal: &Terminal) -> Result<ExitStatus> {
    let folder = &args.sources.baselines;
    let path = match &args.name {
        Some(name) if Path::new(name).exists() => PathBuf::from(name),
        Some(name) => folder.join(format!("{}.json", name.trim_end_matches(".json"))),
        None => {
            let machine = Machine::detect();
            let device = if machine.has_gpu() { DeviceKind::Gpu } else { DeviceKind::Cpu };
            let found = Baseline::find(folder, &machine, device)?.map(|(path, _)| path);
            found.with_context(|| {
                format!(
                    "{} has no baseline of this machine ({}); record one with `wanbench baseline update`",
                    folder.display(),
                    machine.name(device)
                )
            })?
        }
    };
    let text = std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    terminal.say(&format!("{}:", path.display()));
    terminal.print(&text)?;
    Ok(ExitStatus::Pass)
}

/// Prints the unified diff of two baseline files.
pub fn diff(args: &cli::Diff, terminal: &Terminal) -> Result<ExitStatus> {
    let read = |path: &Path| std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()));
    let (old, new) = (read(&args.old)?, read(&args.new)?);
    terminal.print(&unified(&old, &new, &args.old.display().to_string(), &args.new.display().to_string()))?;
    Ok(ExitStatus::Pass)
}

/// Turns a report in the seed's format into a baseline file.
pub fn import(args: &cli::Import, terminal: &Terminal) -> Result<ExitStatus> {
    let folder = &args.sources.baselines;
    let text =
        std::fs::read_to_string(&args.report).with_context(|| format!("cannot read {}", args.report.display()))?;
    let source = args.report.file_name().unwrap_or_default().to_string_lossy();
    let imported = import::import(&text, &source).map_err(|error| UsageError(error.to_string()))?;
    let path = Baseline::path(folder, &imported.baseline.machine, imported.baseline.device);
    if path.exists() && !args.replace {
        bail!(UsageError(format!("{} is there already; --replace overwrites it", path.display())));
    }
    for name in &imported.skipped {
        terminal.say(&format!("{name}: no figures in the report, so none in the baseline"));
    }
    if let Some(disagreement) = disagreement(&imported.model_mib, &ModelMemory::open(folder)?) {
        bail!(UsageError(format!("{}: {disagreement}", args.report.display())));
    }
    let change = Change::new(path, &imported.baseline)?;
    apply(&[change], true, terminal)
}

/// Where the report's model memory, in whole MiB, is not the recorded bytes: then it is of another model.
fn disagreement(model_mib: &BTreeMap<String, u64>, memory: &ModelMemory) -> Option<String> {
    model_mib.iter().find_map(|(name, mib)| {
        let bytes = *memory.models.get(name)?;
        let recorded = (bytes as f64 / f64::from(1 << 20)).round() as u64;
        (recorded != *mib)
            .then(|| format!("{name} takes {mib} MiB there, but {bytes} bytes are recorded: another model?"))
    })
}

/// Why `record` must not become a baseline, if so.
fn refusal(record: &RunRecord, machine: Option<&str>) -> Option<String> {
    let here = Machine::detect();
    let name = record.machine.name(record.device);
    if let Some((case, failure)) = record.failures().next() {
        return Some(format!("{} failed: {}", case.case.name, failure.reason));
    }
    if record.interrupted {
        return Some("the run was interrupted: measure again".to_owned());
    }
    if record.tool.debug_build {
        return Some("they come from a debug build: measure with a release build, `make build`".to_owned());
    }
    match machine {
        Some(machine) if machine != name => Some(format!("they are of {name}, not of {machine}")),
        None if record.machine != here => Some(format!(
            "they are of {name}, this machine is {}: if you mean to record that machine's baseline, say --machine {name}",
            here.name(record.device)
        )),
        _ => None,
    }
}

/// Whether a CI service runs this.
fn in_ci() -> bool {
    std::env::var("CI").is_ok_and(|value| !matches!(value.as_str(), "" | "0" | "false"))
}

/// A file's content before and after.
struct Change {
    path: PathBuf,
    old: String,
    new: String,
}

impl Change {
    fn new<T: serde::Serialize>(path: PathBuf, value: &T) -> Result<Self> {
        let old = match std::fs::read_to_string(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
            read => read.with_context(|| format!("cannot read {}", path.display()))?,
        };
        // Through a value, whose keys are sorted: a field moved in the source moves no line in a committed file.
        Ok(Self { path, old, new: serde_json::to_string_pretty(&serde_json::to_value(value)?)? + "\n" })
    }
}

/// Prints the differences, asks unless `yes`, writes.
fn apply(changes: &[Change], yes: bool, terminal: &Terminal) -> Result<ExitStatus> {
    let changed: Vec<&Change> = changes.iter().filter(|change| change.old != change.new).collect();
    for change in &changed {
        let name = change.path.display().to_string();
        terminal.print(&unified(&change.old, &change.new, &name, &name))?;
    }
    if changed.is_empty() {
        terminal.say("nothing changes");
        return Ok(ExitStatus::Pass);
    }
    if !yes && !confirmed()? {
        terminal.say("nothing was written");
        return Ok(ExitStatus::Pass);
    }
    for change in changed {
        save::atomically(&change.path, |out| out.write_all(change.new.as_bytes()))
            .with_context(|| format!("cannot write {}", change.path.display()))?;
        terminal.say(&format!("wrote {}: commit it", change.path.display()));
    }
    Ok(ExitStatus::Pass)
}

fn confirmed() -> Result<bool> {
    if !io::stdin().is_terminal() {
        bail!(UsageError("nobody is there to ask: say --yes to write these changes".to_owned()));
    }
    eprint!("Write these changes? [y/N] ");
    io::stderr().flush()?;
    let mut answer = String::new();
    io::stdin().lock().read_line(&mut answer)?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}

fn unified(old: &str, new: &str, old_name: &str, new_name: &str) -> String {
    TextDiff::from_lines(old, new).unified_diff().header(old_name, new_name).to_string()
}
