//! `wanbench run`: measure and save.

use anyhow::Result;
use wanbench::config::Config;
use wanbench::report::Demands;

use crate::cli;
use crate::session::judged;
use crate::session::measure::{Measuring, measure};
use crate::session::status::ExitStatus;
use crate::session::terminal::Terminal;

/// Measures, saves, prints the report; 3 if a case failed, or was skipped that should not have been.
pub fn run(args: &cli::Measure, terminal: &Terminal) -> Result<ExitStatus> {
    let config = Config::open(&args.sources.config)?;
    judged::read_baselines(&args.sources.baselines)?;
    let Some(record) = measure(&Measuring::plain(args, &config), terminal)? else { return Ok(ExitStatus::Pass) };
    let report = judged::build(record, &args.json, &config, &args.sources, Demands::default())?;
    terminal.print(&judged::text(&report, terminal))?;
    judged::save_markdown(&report, args.markdown.as_deref())?;
    terminal.say(&format!("results saved in {}", args.json.display()));
    Ok(if report.comparison.has_gaps() { ExitStatus::CannotMeasure } else { ExitStatus::Pass })
}
