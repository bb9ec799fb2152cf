//! `wanbench check`: measure and judge.

use anyhow::Result;
use wanbench::config::Config;
use wanbench::report::Standing;

use super::{ExitStatus, Terminal, measure, report};
use crate::cli;

/// Measures, saves, compares with the committed baselines, prints the report; 1 on a regression.
pub fn check(args: &cli::Check, terminal: &Terminal) -> Result<ExitStatus> {
    let measuring = &args.measure;
    let config = Config::open(&measuring.sources.config)?;
    // Unreadable baselines are told before minutes are spent on measuring.
    report::read_baselines(&measuring.sources.baselines)?;
    let Some(record) = measure::measure(measuring, &config, terminal)? else { return Ok(ExitStatus::Pass) };
    let report = report::build(record, &measuring.json, &config, &measuring.sources, args.require_baseline)?;
    terminal.print(&report::text(&report, terminal))?;
    report::save_markdown(&report, measuring.markdown.as_deref())?;
    Ok(match report.standing() {
        Standing::Failed => ExitStatus::GateFailed,
        Standing::NotMeasured => ExitStatus::CannotMeasure,
        Standing::Passed => ExitStatus::Pass,
    })
}
