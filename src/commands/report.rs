//! `wanbench report`: render saved results.

use crate::cli;
use crate::session::judged;
use crate::session::status::{ExitStatus, Result};
use crate::session::terminal::Terminal;

/// Prints saved results, judged by today's baselines.
pub fn report(args: &cli::Report, terminal: &Terminal) -> Result<ExitStatus> {
    let report = judged::saved(&args.results, &args.sources)?;
    terminal.print(&judged::render(&report, args.format, terminal))?;
    Ok(ExitStatus::Passed)
}
