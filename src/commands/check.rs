//! `wanbench check`: measure and judge.

use anyhow::Result;
use wanbench::config::Config;

use super::{ExitStatus, Terminal, measure, report};
use crate::cli;

/// Measures, saves, compares with the committed baselines, prints the report; 1 on a regression.
pub fn check(args: &cli::Check, terminal: &Terminal) -> Result<ExitStatus> {
    let measuring = &args.measure;
    let config = Config::open(&measuring.sources.config)?;
    // Unreadable baselines are told before minutes are spent on measuring.
    report::read_baselines(&measuring.sources.baselines)?;
    let Some(record) = measure::measure(measuring, &config, terminal)? else { return Ok(ExitStatus::Pass) };
    let report = report::build(record, &measuring.json, &config, &measuring.sources.baselines)?;
    report::save_markdown(&report, measuring.markdown.as_deref())?;
    terminal.print(&report::text(&report, terminal))?;
    let lacks_required = args.require_baseline && !report.comparison.has_machine_baseline;
    if lacks_required {
        terminal.say("--require-baseline: this machine has no baseline");
    }
    Ok(if report.comparison.fails() || lacks_required {
        ExitStatus::GateFailed
    } else if report.comparison.has_failures() {
        ExitStatus::CannotMeasure
    } else {
        ExitStatus::Pass
    })
}
