//! `wanbench history record`: one run for good.

use wanbench::history;

use crate::cli;
use crate::session::history::Place;
use crate::session::judged;
use crate::session::status::{ExitStatus, Result};
use crate::session::terminal::Terminal;

/// Adds saved results to the history, judged by today's configuration and baselines. How they are judged decides no exit status.
pub fn record(args: &cli::Record, terminal: &Terminal) -> Result<ExitStatus> {
    let place = Place::of(&args.place)?;
    let report = judged::saved(&args.from, &args.sources)?;
    let entry = history::entry(&report.record, &report.outcome, &report.doubts, args.label.as_deref());
    let message = format!("Run of {} on {}: {}", entry.suite, entry.machine, entry.started);
    place.add(&[entry], &message, args.push.as_deref(), terminal)?;
    Ok(ExitStatus::Passed)
}
