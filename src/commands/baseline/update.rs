//! `wanbench baseline update`: this machine's figures from a run.

use std::path::{Path, PathBuf};

use wanbench::config::Config;
use wanbench::machine::Machine;
use wanbench::store::ReadError;
use wanbench::store::baseline::{Baseline, MODEL_MEMORY, ModelMemory};
use wanbench::store::record::{CaseRecord, RunRecord};

use super::change::{Change, apply};
use crate::cli;
use crate::session::measure::{Measured, Measuring, measure};
use crate::session::status::{Error, ExitStatus, Result};
use crate::session::terminal::Terminal;

/// Records results as this machine's baseline, after showing what changes and asking.
pub fn update(args: &cli::Update, terminal: &Terminal) -> Result<ExitStatus> {
    let sources = &args.measure.sources;
    check_can_ask("update", args.yes)?;
    let config = Config::open(&sources.config)?;
    let Measured { record, is_saved } = match &args.from {
        Some(path) => Measured { record: RunRecord::open(path)?, is_saved: true },
        None if cfg!(debug_assertions) => {
            return Err(Error::usage("a debug build measures nothing worth recording: use `make build`"));
        }
        None => {
            let asked = Measuring::plain(&args.measure, &config);
            let Some(measured) = measure(&asked, terminal)? else { return Ok(ExitStatus::Passed) };
            measured
        }
    };
    check_recordable(&record, args.machine.as_deref())?;
    check_known(&record, &config)?;
    let memory = ModelMemory::open(&sources.baselines)?;
    let (path, old) = stored(&sources.baselines, &record)?;
    let files = [
        Change::new(sources.baselines.join(MODEL_MEMORY), &memory.updated(&record))?,
        Change::new(path, &old.updated(&record, &config.gate))?,
    ];
    Ok(apply(&files, args.yes, terminal)?.if_saved(is_saved))
}

/// Refuses a command that asks where nobody answers.
pub(super) fn check_can_ask(command: &str, yes: bool) -> Result<()> {
    if !yes && in_ci() {
        return Err(Error::usage(format!("baseline {command} asks, and CI cannot answer: say --yes")));
    }
    Ok(())
}

/// Refuses results whose figures would mislead; `machine` names whose they are, where they are not this machine's.
pub(super) fn check_recordable(record: &RunRecord, machine: Option<&str>) -> Result<()> {
    match refusal(record, machine) {
        Some(reason) => Err(Error::usage(format!("these results cannot become a baseline: {reason}"))),
        None => Ok(()),
    }
}

/// Refuses cases that only flags made: the next check would miss them in the configuration.
fn check_known(record: &RunRecord, config: &Config) -> Result<()> {
    let known = config.known_cases();
    match record.cases.iter().find(|case| !known.contains(&case.case.name)) {
        Some(case) => Err(Error::usage(format!(
            "these results cannot become a baseline: no suite of the configuration has {}: write it into one, or record a \
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
    if let Some((case, failure)) = record.failures().next() {
        return Some(format!("{} failed: {}", case.case.name, failure.reason));
    }
    if record.interrupted {
        return Some("the run was interrupted: measure again".to_owned());
    }
    if record.cases.iter().all(|case| case.skipped.is_some()) {
        return Some("every case was skipped for want of memory".to_owned());
    }
    let is_short = |case: &CaseRecord| case.skipped.is_none() && case.launches.len() < 2;
    if let Some(reason) = record.ended_early.as_ref().filter(|_| record.cases.iter().any(is_short)) {
        return Some(format!("the run ended before its second launch: {reason}"));
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
