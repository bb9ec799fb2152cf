//! `wanbench compare`: judge one recorded run by another.

use wanbench::config::Config;
use wanbench::gate::{Demands, Plan};
use wanbench::report::Invocation;
use wanbench::store::baseline::{Baseline, ModelMemory};
use wanbench::store::record::RunRecord;

use crate::cli;
use crate::session::judged::{self, Judging};
use crate::session::status::{Error, ExitStatus, Result, status};
use crate::session::terminal::Terminal;

/// Judges the later run by the earlier one, as a check judges by a baseline, and prints the report; 1 on a regression.
pub fn compare(args: &cli::Compare, terminal: &Terminal) -> Result<ExitStatus> {
    let config = Config::open(&args.config)?;
    let (before, now) = (RunRecord::open(&args.before)?, RunRecord::open(&args.now)?);
    let names = [&before, &now].map(|record| record.machine.name(record.device));
    if !before.machine.agrees_with(&now.machine) || before.device != now.device {
        return Err(Error::usage(format!(
            "{} was measured on {}, {} on {}: only runs of the same machine and device can be compared",
            args.before.display(),
            names[0],
            args.now.display(),
            names[1]
        )));
    }
    // What either measured is asked for: a case that the later run lacks is left out.
    let mut plan = Plan { may_leave_out: false, ..Plan::of_record(&now) };
    let earlier = Plan::of_record(&before);
    plan.cases.extend(earlier.cases.into_iter().filter(|case| now.case(&case.name).is_none()));
    plan.known.extend(earlier.known);
    let thresholds = config.gate;
    let judging = Judging {
        plan,
        demands: Demands::default(),
        baseline: Some((
            args.before.clone(),
            Baseline::empty(before.machine.clone(), before.device).updated(&before, &thresholds),
        )),
        memory: ModelMemory::default().updated(&before),
        others: 0,
        thresholds,
        baseline_file: None,
        invocation: Invocation {
            program: std::env::args().next().unwrap_or_else(|| "wanbench".to_owned()),
            results_file: args.now.display().to_string(),
            ..Invocation::default()
        },
    };
    let report = judging.report(now);
    terminal.print(&judged::render(&report, args.format, terminal))?;
    Ok(status(report.standing()))
}
