//! Taking the machine for oneself: one command at a time measures or loads it.

use wanbench::machine::{LockError, MeasuringLock};

use super::status::Result;
use super::terminal::Terminal;
use crate::cli::Alone;

/// The machine's lock; waits for it where that is asked for.
pub fn alone(asked: &Alone, terminal: &Terminal) -> Result<MeasuringLock> {
    match MeasuringLock::acquire() {
        Err(LockError::Held { holder, .. }) if asked.wait => {
            terminal.say(&format!("waiting until {holder} has finished measuring on this machine"));
            Ok(MeasuringLock::wait()?)
        }
        acquired => Ok(acquired?),
    }
}
