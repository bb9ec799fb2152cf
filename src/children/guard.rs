//! The guard: a small process that outlives wanbench, however that ends, and kills the groups that wanbench left.
//!
//! It reads a pipe of which wanbench alone holds the other end: one line for each group that begins or ends. When the pipe
//! closes, wanbench is gone. A stopped worker cannot notice that by itself, and the system hangs up on a stopped group only
//! where nothing else of its session lives.

use std::collections::BTreeSet;
use std::io::{self, BufRead, Write};
use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use rustix::process::{Pid, Signal, kill_process_group};

use super::mark::kill_marked;

/// The guard of this process, started with its first child.
#[derive(Debug)]
pub struct Guard {
    // Reaped by nobody: it lives as long as this process and longer.
    _child: Child,
    pipe: ChildStdin,
}

/// The subcommand of this program that [`stand_guard`]s.
static SUBCOMMAND: OnceLock<&str> = OnceLock::new();
static GUARD: Mutex<Option<Guard>> = Mutex::new(None);

/// Has the children of this process guarded from now on, by this program itself with the argument `subcommand`, which calls
/// [`stand_guard`]. Without that they end by [`Group`](super::Group)'s own means, which a killed process does not have.
pub fn enable(subcommand: &'static str) {
    // A second call has nothing to add.
    let _ = SUBCOMMAND.set(subcommand);
}

/// The mark of all children of this process.
pub(super) fn own_mark() -> &'static str {
    static MARK: OnceLock<String> = OnceLock::new();
    MARK.get_or_init(|| {
        // Process numbers come again; with the time they do not.
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        format!("{}-{}", std::process::id(), now.as_nanos())
    })
}

impl Guard {
    /// Starts the guard, if there is to be one and it was not started yet.
    ///
    /// # Errors
    /// It cannot be started: then no child must be, either.
    pub(super) fn start() -> io::Result<()> {
        let Some(subcommand) = SUBCOMMAND.get() else { return Ok(()) };
        let mut guard = GUARD.lock().unwrap_or_else(PoisonError::into_inner);
        if guard.is_none() {
            *guard = Some(Self::spawn(subcommand)?);
        }
        Ok(())
    }

    /// Tells the guard that a group has begun, or that its leader is about to be reaped.
    pub(super) fn tell(group: Pid, has_begun: bool) {
        if let Some(guard) = GUARD.lock().unwrap_or_else(PoisonError::into_inner).as_mut() {
            let sign = if has_begun { '+' } else { '-' };
            // A guard that is gone cannot be told; the children end by other means.
            let _ = guard.pipe.write_all(format!("{sign}{}\n", group.as_raw_nonzero()).as_bytes());
        }
    }

    fn spawn(subcommand: &str) -> io::Result<Self> {
        let mut command = Command::new(std::env::current_exe()?);
        command.args([subcommand, own_mark()]).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        // A session of its own: what ends or hangs up on wanbench's does not reach it.
        // SAFETY: between fork and exec only this system call is made, which is safe there.
        unsafe { command.pre_exec(|| rustix::process::setsid().map(drop).map_err(io::Error::from)) };
        let mut child = command.spawn()?;
        let pipe = child.stdin.take().ok_or_else(|| io::Error::other("the guard has no standard input"))?;
        Ok(Self { _child: child, pipe })
    }
}

/// Reads the groups that begin and end from `told` until it closes, then kills those that are left, and all processes with
/// the mark `mark`.
pub fn stand_guard(told: impl BufRead, mark: &str) {
    let mut groups = BTreeSet::new();
    for line in told.lines().map_while(Result::ok) {
        let Some(group) = line.get(1..).and_then(|number| number.parse().ok()).and_then(Pid::from_raw) else {
            continue;
        };
        match line.as_bytes()[0] {
            b'+' => groups.insert(group.as_raw_nonzero()),
            _ => groups.remove(&group.as_raw_nonzero()),
        };
    }
    for group in groups.into_iter().filter_map(|number| Pid::from_raw(number.get())) {
        // One that is gone meanwhile needs no signal.
        let _ = kill_process_group(group, Signal::KILL);
    }
    kill_marked(mark);
}
