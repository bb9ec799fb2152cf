//! `wanbench run`: measure and save.

use anyhow::Result;
use wanbench::config::Config;
use wanbench::report::Demands;

use super::measure::{Measuring, measure};
use super::{ExitStatus, Terminal, report};
use crate::cli;

/// Measures, saves, prints the report; 3 if a case failed, or was skipped that should not have been.
pub fn run(args: &cli::Measure, terminal: &Terminal) -> Result<ExitStatus> {
    let config = Config::open(&args.sources.config)?;
    report::read_baselines(&args.sources.baselines)?;
    let Some(record) = measure(&Measuring::plain(args, &config), terminal)? else { return Ok(ExitStatus::Pass) };
    let report = report::build(record, &args.json, &config, &args.sources, Demands::default())?;
    terminal.print(&report::text(&report, terminal))?;
    report::save_markdown(&report, args.markdown.as_deref())?;
    terminal.say(&format!("results saved in {}", args.json.display()));
    Ok(if report.comparison.has_gaps() { ExitStatus::CannotMeasure } else { ExitStatus::Pass })
}
