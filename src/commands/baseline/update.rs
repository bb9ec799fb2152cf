//! `wanbench baseline update`: this machine's figures from a run.

use std::path::{Path, PathBuf};

use wanbench::config::Config;
use wanbench::gate::doubts::Doubts;
use wanbench::gate::recording::notices;
use wanbench::machine::Machine;
use wanbench::store::ReadError;
use wanbench::store::baseline::{Baseline, MODEL_MEMORY, ModelMemory};
use wanbench::store::record::RunRecord;

use super::change::{Change, apply, lock};
use crate::cli;
use crate::session::measure::{MeasuredRun, Measuring, measure};
use crate::session::outputs;
use crate::session::status::{Error, ExitStatus, Result};
use crate::session::terminal::Terminal;

/// Records results as this machine's baseline, after showing what changes and asking.
pub fn update(args: &cli::Update, terminal: &Terminal) -> Result<ExitStatus> {
    let sources = &args.measure.sources;
    check_can_ask("update", args.yes)?;
    let config = Config::open(&sources.config)?;
    let MeasuredRun { record, unsaved } = match &args.from {
        Some(path) => MeasuredRun { record: RunRecord::open(path)?, unsaved: None },
        None if cfg!(debug_assertions) => {
            return Err(Error::usage("a debug build cannot record a baseline: use a release build (`make build`)"));
        }
        None => {
            outputs::check_measured(&args.measure, None)?;
            let asked = Measuring::plain(&args.measure, &config);
            let Some(measured) = measure(&asked, terminal)? else { return Ok(ExitStatus::Passed) };
            measured
        }
    };
    let doubts = Doubts::about(&record, &config.gate);
    check_recordable(&record, args.machine.as_deref())?;
    check_doubts(doubts.all(), args.force)?;
    check_known(&record, &config)?;
    let folder = sources.baselines();
    let locked = lock(&folder, terminal)?;
    let memory = ModelMemory::open(&folder)?;
    let (path, old) = stored(&folder, &record)?;
    let updated = old.updated(&record, &config.gate);
    for notice in notices(&old, &updated, &config.gate) {
        terminal.say(&notice);
    }
    let files = [
        Change::of_models(folder.join(MODEL_MEMORY), &memory.updated(&record))?,
        Change::of_machine(path, &updated.forced(&record, &doubts))?,
    ];
    Ok(apply(&locked, &files, args.yes, terminal)?.if_saved(unsaved.is_none()))
}

/// Refuses a command that asks where nobody answers.
pub(super) fn check_can_ask(command: &str, yes: bool) -> Result<()> {
    if !yes && in_ci() {
        return Err(Error::usage(format!(
            "baseline {command} asks for confirmation, which CI cannot give: pass --yes"
        )));
    }
    Ok(())
}

/// Refuses results without figures, and those of another machine than the user means; `machine` names whose they are, where
/// they are not this machine's.
pub(super) fn check_recordable(record: &RunRecord, machine: Option<&str>) -> Result<()> {
    match refusal(record, machine) {
        Some(reason) => Err(Error::usage(format!("these results cannot become a baseline: {reason}"))),
        None => Ok(()),
    }
}

/// Refuses results that would mislead as a baseline, unless the user insists.
pub(super) fn check_doubts<'a>(doubts: impl Iterator<Item = &'a String>, is_forced: bool) -> Result<()> {
    let doubts: Vec<&str> = doubts.map(String::as_str).collect();
    match doubts.is_empty() || is_forced {
        true => Ok(()),
        false => Err(Error::usage(format!(
            "these results cannot become a baseline: {}; pass --force to record them anyway, with this reason",
            doubts.join("; ")
        ))),
    }
}

/// Refuses cases that only flags made: the next check would miss them in the configuration.
fn check_known(record: &RunRecord, config: &Config) -> Result<()> {
    let known = config.known_cases();
    match record.cases.iter().find(|case| !known.contains(&case.case.name)) {
        Some(case) => Err(Error::usage(format!(
            "these results cannot become a baseline: no suite of the configuration has {}: add it to one, or record a \
             run without --frames, --quant, --dtype and --expert",
            case.case.name
        ))),
        None => Ok(()),
    }
}

/// The baseline file of the machine that `record` is of and what it holds, which is nothing where there is none.
pub(super) fn stored(folder: &Path, record: &RunRecord) -> Result<(PathBuf, Baseline), ReadError> {
    let path = Baseline::path(folder, &record.machine, record.device);
    let old =
        if path.exists() { Baseline::open(&path)? } else { Baseline::empty(record.machine.clone(), record.device) };
    Ok((path, old))
}

/// Why `record` must not become a baseline, if so.
fn refusal(record: &RunRecord, machine: Option<&str>) -> Option<String> {
    let here = Machine::detect();
    let name = record.machine.name(record.device);
    if record.cases.is_empty() || record.cases.iter().all(|case| case.measured().next().is_none()) {
        return Some("nothing was measured".to_owned());
    }
    match machine {
        Some(machine) if machine != name => Some(format!("they were measured on {name}, not on {machine}")),
        None if record.machine != here => Some(format!(
            "they were measured on {name}, and this machine is {}: to record that machine's baseline, pass --machine {name}",
            here.name(record.device)
        )),
        _ => None,
    }
}

/// Whether a CI service runs this.
fn in_ci() -> bool {
    std::env::var("CI").is_ok_and(|value| !matches!(value.as_str(), "" | "0" | "false"))
}
