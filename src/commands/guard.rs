//! `wanbench guard`: what wanbench itself starts to end its workers, should it be killed.

use wanbench::children;

use crate::cli;
use crate::session::status::{ExitStatus, Result};

/// Waits until the wanbench that started it is gone, and kills what that left running.
pub fn guard(args: &cli::Guard) -> Result<ExitStatus> {
    children::stand_guard(std::io::stdin().lock(), &args.mark);
    Ok(ExitStatus::Passed)
}
