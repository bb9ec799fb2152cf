//! `wanbench calibrate`: measure the machine's own noise, and propose tolerances that it supports.

use std::path::Path;

use wanbench::calibration::{self, Jobs, text};
use wanbench::config::Axes;
use wanbench::config::Config;
use wanbench::store::record::BaseRevision;

use crate::cli;
use crate::session::alone::alone;
use crate::session::interrupt;
use crate::session::measure::{check_replaceable, check_writable};
use crate::session::measurement::{Fitness, Measurement};
use crate::session::outputs;
use crate::session::selected::Selected;
use crate::session::status::{Error, ExitStatus, OrStatus, Result};
use crate::session::terminal::Terminal;

/// Jobs below which nothing can be said of what differs between them.
const LEAST_JOBS: usize = 2;

/// Measures A/A jobs, or reads saved ones, and prints what they tell; 3 if a job or a case is missing.
pub fn calibrate(args: &cli::Calibrate, terminal: &Terminal) -> Result<ExitStatus> {
    let config = Config::open(&args.config)?;
    if let Some(path) = &args.from {
        let jobs = Jobs::open(path)?;
        if jobs.records.len() < LEAST_JOBS {
            return Err(Error::usage(format!("--from {}: {}", path.display(), too_few(&jobs))));
        }
        return tell(&jobs, &config, terminal);
    }
    if args.effort.launches == Some(1) {
        return Err(Error::usage("--launches 1: at least 2 launches are needed to measure how launches differ"));
    }
    outputs::check_calibration(args)?;
    let jobs = measure_jobs(args, &config, terminal)?;
    if jobs.records.len() < LEAST_JOBS {
        return Err(Error::incomplete(format!("interrupted: {}", too_few(&jobs))));
    }
    let saved = jobs.save(&args.json).or_incomplete(|| format!("cannot save {}", args.json.display()));
    let status = tell(&jobs, &config, terminal)?;
    saved?;
    terminal.say(&format!("jobs saved in {}", args.json.display()));
    Ok(status)
}

/// Prints what `jobs` tell; 3 if a job or a case is missing, be they measured now or saved before.
fn tell(jobs: &Jobs, config: &Config, terminal: &Terminal) -> Result<ExitStatus> {
    let calibration = calibration::calibrate(jobs, &config.gate);
    terminal.print(&text::render(&calibration, terminal.columns()))?;
    let is_whole = jobs.records.len() == jobs.planned && calibration.left_out.is_empty();
    Ok(if is_whole { ExitStatus::Passed } else { ExitStatus::Incomplete })
}

fn too_few(jobs: &Jobs) -> String {
    format!("{} of {} jobs are complete, but a calibration needs {LEAST_JOBS}", jobs.records.len(), jobs.planned)
}

/// Measures job after job until all are done or the user interrupts; saved after every one, so that nothing is lost.
fn measure_jobs(args: &cli::Calibrate, config: &Config, terminal: &Terminal) -> Result<Jobs> {
    check_target(&args.json)?;
    let lock = alone(&args.alone, terminal)?;
    let interruptions = interrupt::heed();
    let selected = Selected::new(config, &args.selection, &Axes::default(), terminal)?;
    let mut jobs = Jobs::new(args.jobs.into());
    for number in 1..=args.jobs {
        terminal.say(&format!("job {number} of {}", args.jobs));
        let measurement = Measurement {
            config,
            selected: &selected,
            seed: args.selection.seed,
            effort: &args.effort,
            base_programs: Some(&selected.programs),
            base: Some(BaseRevision::new("the same programs".to_owned(), None)),
            ends_at_looks_by: None,
            // What is there later is this calibration's own load.
            fitness: if number == 1 { Fitness::Told } else { Fitness::Ignored },
            is_selection: false,
            profiles: false,
        };
        let record = measurement.measure(&lock, interruptions, terminal, |_| Ok(()), |_| {})?;
        if record.interrupted {
            break;
        }
        if let Some((case, failure)) = record.failures().next()
            && record.failures().count() == record.cases.len()
        {
            return Err(Error::incomplete(format!(
                "no case could be measured; {}: {}",
                case.case.name, failure.reason
            )));
        }
        jobs.records.push(record);
        // What a full disk refuses now it may take after the next job; the measurements are still at hand.
        if let Err(error) = jobs.save(&args.json) {
            terminal.say_always(&format!("warning: cannot save {}: {error}", args.json.display()));
        }
    }
    Ok(jobs)
}

/// Refuses now what could not, or should not, be written after a job.
fn check_target(path: &Path) -> Result<()> {
    check_writable(path, "jobs")?;
    check_replaceable(path, "calibration", Jobs::is_in(path))
}
