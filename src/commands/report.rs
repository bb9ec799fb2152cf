//! `wanbench report`: render saved results.

use crate::cli;
use crate::session::judged;
use crate::session::status::{ExitStatus, Result};
use crate::session::terminal::Terminal;

/// Prints saved results, judged by today's baselines.
pub fn report(args: &cli::Report, terminal: &Terminal) -> Result<ExitStatus> {
    judged::print(&judged::saved(&args.results, &args.sources)?, args.format, terminal)?;
    Ok(ExitStatus::Passed)
}
