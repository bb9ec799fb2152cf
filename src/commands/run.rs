//! `wanbench run`: measure and save.

use wanbench::config::Config;
use wanbench::gate::{Demands, Plan, Verdict};

use crate::cli;
use crate::session::judged::{self, Judging};
use crate::session::measure::{MeasuredRun, Measuring, measure};
use crate::session::outputs;
use crate::session::status::{ExitStatus, Result};
use crate::session::terminal::Terminal;

/// Measures, saves, prints the report; 3 if a case failed, or was skipped that should not have been.
pub fn run(args: &cli::Measure, terminal: &Terminal) -> Result<ExitStatus> {
    let config = Config::open(&args.sources.config)?;
    outputs::check_measured(args, None)?;
    judged::read_baselines(&args.sources)?;
    let measured = measure(&Measuring::plain(args, &config), terminal)?;
    let Some(MeasuredRun { record, unsaved }) = measured else { return Ok(ExitStatus::Passed) };
    let plan = Plan::by_hand(&config, &record);
    let invocation = judged::invocation(&args.json, &args.sources, args.flags());
    let report =
        Judging::by_committed(&record, plan, Demands::default(), &config, &args.sources, invocation)?.report(record);
    let (is_recorded, gaps) = (unsaved.is_none(), report.outcome.gaps.len());
    let report = judged::save_report(report, unsaved, args.markdown.as_deref(), terminal);
    // What could not be saved is a further gap.
    let is_saved = report.outcome.gaps.len() == gaps;
    terminal.print(&judged::text(&report, terminal))?;
    if is_recorded {
        terminal.say(&format!("results saved in {}", args.json.display()));
    }
    let is_lost = |verdict| report.outcome.with_verdict(verdict).any(|case| case.is_gap);
    let is_whole = ![Verdict::Failed, Verdict::Skipped].into_iter().any(is_lost) && !report.outcome.is_all_skipped();
    let status = if is_whole { ExitStatus::Passed } else { ExitStatus::Incomplete };
    Ok(status.if_saved(is_saved))
}
