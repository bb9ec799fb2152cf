//! `wanbench run`: measure and save.

use wanbench::config::Config;
use wanbench::report::Demands;

use crate::cli;
use crate::session::judged;
use crate::session::measure::{Measured, Measuring, measure};
use crate::session::status::{ExitStatus, Result};
use crate::session::terminal::Terminal;

/// Measures, saves, prints the report; 3 if a case failed, or was skipped that should not have been.
pub fn run(args: &cli::Measure, terminal: &Terminal) -> Result<ExitStatus> {
    let config = Config::open(&args.sources.config)?;
    judged::read_baselines(&args.sources.baselines)?;
    let measured = measure(&Measuring::plain(args, &config), terminal)?;
    let Some(Measured { record, is_saved }) = measured else { return Ok(ExitStatus::Passed) };
    let report = judged::build(record, &args.json, &config, &args.sources, Demands::default())?;
    terminal.print(&judged::text(&report, terminal))?;
    judged::save_markdown(&report, args.markdown.as_deref())?;
    if is_saved {
        terminal.say(&format!("results saved in {}", args.json.display()));
    }
    let status = if report.comparison.has_gaps() { ExitStatus::Incomplete } else { ExitStatus::Passed };
    Ok(status.if_saved(is_saved))
}
