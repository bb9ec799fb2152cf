//! `wanbench report`: render saved results.

use wanbench::config::Config;
use wanbench::report::Demands;
use wanbench::store::record::RunRecord;

use crate::cli;
use crate::session::judged::{build, read_baselines, render};
use crate::session::status::{ExitStatus, Result};
use crate::session::terminal::Terminal;

/// Prints saved results, judged by today's baselines.
pub fn report(args: &cli::Report, terminal: &Terminal) -> Result<ExitStatus> {
    let config = Config::open(&args.sources.config)?;
    read_baselines(&args.sources.baselines)?;
    let report = build(RunRecord::open(&args.results)?, &args.results, &config, &args.sources, Demands::default())?;
    terminal.print(&render(&report, args.format, terminal))?;
    Ok(ExitStatus::Passed)
}
