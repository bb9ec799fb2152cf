//! `wanbench calibrate`: measure the machine's own noise, and propose tolerances that it supports.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use jiff::Timestamp;
use wanbench::calibration::{self, Jobs, text};
use wanbench::config::Config;
use wanbench::machine::{Machine, MeasuringLock};
use wanbench::record::{BaseRevision, ReadError, RunRecord};
use wanbench::report::progress::Progress;
use wanbench::runner::{self, Materials, Plan};
use wanbench::{cache, save};

use super::{ExitStatus, Terminal, UsageError, exactly, measure, programs};
use crate::cli;

/// Jobs below which nothing can be said of what differs between them.
const LEAST_JOBS: usize = 2;

/// Measures A/A jobs, or reads saved ones, and prints what they tell; 3 if a job or a case is missing.
pub fn calibrate(args: &cli::Calibrate, terminal: &Terminal) -> Result<ExitStatus> {
    let config = Config::open(&args.config)?;
    if let Some(path) = &args.from {
        let jobs = Jobs::open(path)?;
        if jobs.records.len() < LEAST_JOBS {
            bail!(UsageError(format!("--from {}: {}", path.display(), too_few(&jobs))));
        }
        terminal.print(&text::render(&calibration::calibrate(&jobs, &config.gate)))?;
        return Ok(ExitStatus::Pass);
    }
    let jobs = measure_jobs(args, &config, terminal)?;
    if jobs.records.len() < LEAST_JOBS {
        bail!("interrupted: {}", too_few(&jobs));
    }
    let calibration = calibration::calibrate(&jobs, &config.gate);
    terminal.print(&text::render(&calibration))?;
    terminal.say(&format!("jobs saved in {}", args.json.display()));
    let is_whole = jobs.records.len() == jobs.planned && calibration.left_out.is_empty();
    Ok(if is_whole { ExitStatus::Pass } else { ExitStatus::CannotMeasure })
}

fn too_few(jobs: &Jobs) -> String {
    format!("{} of {} jobs are whole, and a calibration needs {LEAST_JOBS}", jobs.records.len(), jobs.planned)
}

/// Measures job after job until all are done or the user interrupts; saved after every one, so that nothing is lost.
fn measure_jobs(args: &cli::Calibrate, config: &Config, terminal: &Terminal) -> Result<Jobs> {
    check_target(&args.json)?;
    let interrupted = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&interrupted);
    ctrlc::set_handler(move || flag.store(true, Ordering::Relaxed)).context("cannot watch for Ctrl-C")?;
    let mut jobs = Jobs::new(args.jobs.into());
    for number in 1..=args.jobs {
        terminal.say(&format!("job {number} of {}", args.jobs));
        let record = measure_job(args, config, &interrupted, terminal)?;
        if record.interrupted {
            break;
        }
        if let Some((case, failure)) = record.failures().next()
            && record.failures().count() == record.cases.len()
        {
            bail!("no case could be measured; {}: {}", case.case.name, failure.reason);
        }
        jobs.records.push(record);
        // What a full disk refuses now it may take after the next job; the measurements are still at hand.
        if let Err(error) = jobs.save(&args.json) {
            eprintln!("warning: cannot save {}: {error}", args.json.display());
        }
    }
    Ok(jobs)
}

/// Refuses now what could not, or should not, be written after a job.
fn check_target(path: &Path) -> Result<()> {
    if path.exists() && !path.is_file() {
        bail!(UsageError(format!("{} is no regular file, so no jobs are written there", path.display())));
    }
    save::probe(path).with_context(|| format!("cannot write {}", path.display()))?;
    match Jobs::open(path) {
        Err(ReadError::Malformed { .. }) => bail!(UsageError(format!(
            "--json {}: the file is there and holds no calibration; name another, or remove it",
            path.display()
        ))),
        _ => Ok(()),
    }
}

/// One A/A job, as `wanbench check --base` would measure it if base were head; `interrupted` in the record where it was.
fn measure_job(
    args: &cli::Calibrate,
    config: &Config,
    interrupted: &AtomicBool,
    terminal: &Terminal,
) -> Result<RunRecord> {
    let machine = Machine::detect();
    let programs = programs(config);
    let (suite, cases, device) = measure::select(config, &args.selection, &machine, &programs, terminal)?;
    let holder = format!("process {} since {:.0}", std::process::id(), Timestamp::now());
    let _lock = MeasuringLock::acquire(&cache::folder(), &holder)?;
    let materials = Materials::prepare(&cases, &config.models, &cache::folder(), args.selection.seed)?;
    let outputs = tempfile::tempdir().context("cannot make a temporary folder")?;
    let plan = Plan {
        cases: &cases,
        launches: args.launches.map_or(suite.launches, usize::from),
        warmup_steps: suite.warmup_steps,
        timeout: Duration::from_secs(suite.launch_timeout_seconds),
        device: exactly(device),
        seed: args.selection.seed,
        side_by_side: suite.side_by_side,
        programs: &programs,
        base_programs: Some(&programs),
        materials: &materials,
        outputs: outputs.path(),
    };
    let mut record = measure::header(suite, &plan, machine, device);
    record.base = Some(BaseRevision {
        name: "the same programs".to_owned(),
        commit: None,
        loosened: Vec::new(),
        accepted: Vec::new(),
    });
    let start = Instant::now();
    let arms = plan.all_arms();
    let names: Vec<_> = arms.iter().map(|arm| (arm.name(&plan), &plan.cases[arm.case])).collect();
    let mut progress = Progress::new(&names, plan.launches, terminal.progress_style());
    record.cases = runner::measure(&plan, interrupted, |event| progress.handle(event), |_| BTreeSet::new());
    progress.finish();
    record.wall_seconds = start.elapsed().as_secs_f64();
    record.interrupted = interrupted.load(Ordering::Relaxed);
    Ok(record)
}
