//! `wanbench compare`: judge one recorded run by another, or show two side by side.

use std::path::Path;

use wanbench::config::Config;
use wanbench::gate::doubts::Doubts;
use wanbench::gate::{Demands, Plan, Verdict};
use wanbench::report::Report;
use wanbench::report::side_by_side::{self, Side, SideBySide};
use wanbench::store::baseline::{Baseline, ModelMemory};
use wanbench::store::record::{RunRecord, Tool};

use crate::cli::{self, Format, Sources};
use crate::session::judged::{self, Judging};
use crate::session::status::{Error, ExitStatus, Result, status};
use crate::session::terminal::Terminal;

/// Judges the later run by the earlier one, or shows both.
pub fn compare(args: &cli::Compare, terminal: &Terminal) -> Result<ExitStatus> {
    if args.side_by_side { show(args, terminal) } else { judge(args, terminal) }
}

/// Prints both side by side; nothing is judged.
fn show(args: &cli::Compare, terminal: &Terminal) -> Result<ExitStatus> {
    let both = SideBySide { sides: [side(&args.before)?, side(&args.now)?] };
    terminal.print(&match args.format {
        Format::Text => side_by_side::text(&both, terminal.layout()),
        Format::Markdown => side_by_side::markdown(&both),
        Format::Json => side_by_side::json(&both),
    })?;
    Ok(ExitStatus::Passed)
}

/// Saved results, or else a baseline.
fn side(path: &Path) -> Result<Side> {
    let file = path.display().to_string();
    let unreadable = match RunRecord::open(path) {
        Ok(record) => return Ok(Side::of_record(file, &record)),
        Err(error) => error,
    };
    match Baseline::open(path) {
        Ok(baseline) => Ok(Side::of_baseline(file, &baseline)),
        Err(_) => Err(unreadable.into()),
    }
}

/// Judges the later run by the earlier one, as a check judges by a baseline, and prints the report; 1 on a regression.
fn judge(args: &cli::Compare, terminal: &Terminal) -> Result<ExitStatus> {
    let config = Config::open(&args.config)?;
    let (before, now) = (RunRecord::open(&args.before)?, RunRecord::open(&args.now)?);
    let names = [&before, &now].map(|record| record.machine.name(record.device));
    if !before.machine.agrees_with(&now.machine) || before.device != now.device {
        return Err(Error::usage(format!(
            "{} was measured on {}, {} on {}: only runs of the same machine and device can be judged by each other; show both with \
             --side-by-side",
            args.before.display(),
            names[0],
            args.now.display(),
            names[1]
        )));
    }
    // What either measured is asked for: a case that the later run lacks is left out.
    let outputs = Plan::of(&config, &now).outputs;
    let mut plan = Plan { may_leave_out: false, outputs, ..Plan::of_record(&now) };
    let earlier = Plan::of_record(&before);
    plan.cases.extend(earlier.cases.into_iter().filter(|case| now.case(&case.name).is_none()));
    plan.known.extend(earlier.known);
    let sources = Sources { config: args.config.clone(), baselines_given: None };
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
        invocation: judged::invocation(&args.now, &sources, judged::flags_of(&now)),
    };
    let report = lacking(&before, judging.report(now));
    judged::print(&report, args.format, terminal)?;
    Ok(status(report.standing()))
}

/// `report` where `before`, its measure, is no evidence: unfit, interrupted, ended early, without figures of a case that it
/// was to have, or about other cases.
fn lacking(before: &RunRecord, report: Report) -> Report {
    // What builds they are of concerns a baseline, and not two runs of one user's.
    let release = RunRecord { tool: Tool { debug_build: false, ..before.tool.clone() }, ..before.clone() };
    let doubts = Doubts::about(&release, &report.thresholds).run;
    let report = doubts
        .iter()
        .fold(report, |report, doubt| report.lacking(format!("the earlier results are no measure: {doubt}")));
    let mut measured = report.outcome.cases.iter().filter(|case| case.now.is_some());
    match measured.all(|case| case.verdict == Verdict::New) {
        true => report.lacking("no case of the two runs can be compared".to_owned()),
        false => report,
    }
}
