//! Ctrl-C, SIGTERM and SIGHUP: they end every command within two seconds.
//!
//! A command that has something to save says so with [`heed`], and ends by itself. Every other one is ended at once: files
//! are written whole or not at all, and the guard ends the processes that it started.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use wanbench::runner::Interruptions;

use super::status::{ExitStatus, OrStatus, Result};
use super::terminal::Terminal;

/// How long a command may take to end by itself.
const GRACE: Duration = Duration::from_millis(1500);
/// How long the word of it may take.
const LONGEST_WORD: Duration = Duration::from_millis(200);
/// How often a second signal is looked for meanwhile.
const INTERVAL: Duration = Duration::from_millis(50);

static INTERRUPTIONS: Interruptions = Interruptions::new();
static IS_HEEDED: AtomicBool = AtomicBool::new(false);

/// What interrupts a command that ends by itself from now on.
pub fn heed() -> &'static Interruptions {
    IS_HEEDED.store(true, Ordering::Relaxed);
    &INTERRUPTIONS
}

/// Watches for the signals that end a command; for SIGHUP only if this process was not started to ignore it, as by `nohup`.
pub fn watch(terminal: Terminal) -> Result<()> {
    let failed = || "cannot watch for Ctrl-C";
    let signals = [SIGINT, SIGTERM, SIGHUP].into_iter().filter(|signal| *signal != SIGHUP || !is_ignored(SIGHUP));
    let mut signals = Signals::new(signals.collect::<Vec<_>>()).or_incomplete(failed)?;
    let watching = move || {
        if signals.forever().next().is_none() {
            return;
        }
        INTERRUPTIONS.interrupt();
        let mut left = if IS_HEEDED.load(Ordering::Relaxed) { GRACE } else { Duration::ZERO };
        while !left.is_zero() && signals.pending().next().is_none() {
            thread::sleep(INTERVAL);
            left = left.saturating_sub(INTERVAL);
        }
        say_soon(terminal);
        std::process::exit(ExitStatus::Incomplete as i32);
    };
    thread::Builder::new().name("signals".to_owned()).spawn(watching).map(drop).or_incomplete(failed)
}

/// Tells of the end, unless nobody reads: a full pipe is not waited for, nor is whoever writes into it just now.
fn say_soon(terminal: Terminal) {
    let (told, is_told) = mpsc::channel();
    let say = move || {
        terminal.say_always("wanbench: interrupted");
        told.send(())
    };
    if thread::Builder::new().spawn(say).is_ok() {
        let _ = is_told.recv_timeout(LONGEST_WORD);
    }
}

fn is_ignored(signal: i32) -> bool {
    // SAFETY: with no new action, sigaction only writes the present one, of which all zeros are a value.
    unsafe {
        let mut action = std::mem::zeroed::<libc::sigaction>();
        libc::sigaction(signal, std::ptr::null(), &mut action) == 0 && action.sa_sigaction == libc::SIG_IGN
    }
}
