//! One child and whatever it starts: a process group that is signalled and killed as a whole.

use std::io;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid};

use super::guard::{Guard, own_mark};
use super::mark::{VARIABLE, kill_marked};

/// How long a killed child may take to be gone: one that hangs in the system is left to it.
const LONGEST_END: Duration = Duration::from_millis(500);

/// A running child with its process group; dropping it kills the group.
#[derive(Debug)]
pub struct Group {
    /// The leader.
    pub child: Child,
    leader: Pid,
    mark: Option<String>,
    has_ended: bool,
}

/// What happens to a process that the child started and that left its group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Leftovers {
    /// It ends with the child: it would disturb what is measured next.
    Killed,
    /// It lives on, such as a compiler's cache that a build started.
    Kept,
}

/// How a child ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// With this status.
    Status(i32),
    /// By this signal.
    Signal(i32),
}

impl Group {
    /// Starts `command` in a group of its own.
    ///
    /// # Errors
    /// The operating system's reason; also where its guard cannot be started.
    pub fn spawn(command: &mut Command, leftovers: Leftovers) -> io::Result<Self> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        Guard::start()?;
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let mark = (leftovers == Leftovers::Killed).then(|| format!("{}.{number}", own_mark()));
        if let Some(mark) = &mark {
            command.env(VARIABLE, mark);
        }
        command.process_group(0);
        die_with_parent(command);
        let child = command.spawn()?;
        let leader = Pid::from_child(&child);
        Guard::tell(leader, true);
        Ok(Self { child, leader, mark, has_ended: false })
    }

    /// Signals all processes of the group.
    pub fn signal(&self, signal: Signal) {
        // The leader is reaped at the end only, so the number cannot belong to strangers. A group that is gone needs no
        // signal.
        if !self.has_ended {
            let _ = kill_process_group(self.leader, signal);
        }
    }

    /// How the leader ended; `None` while it runs. It is not reaped, so its number stays its own.
    pub fn exited(&self) -> io::Result<Option<Exit>> {
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        let status = waitid(WaitId::Pid(self.leader), options)?;
        Ok(status.and_then(|status| {
            let code = status.exit_status().map(Exit::Status);
            code.or_else(|| status.terminating_signal().map(Exit::Signal))
        }))
    }

    /// Waits for the leader's end; `None` if it still runs after `longest`, or if `is_over` says that nobody waits any more.
    pub fn wait(&self, longest: Duration, is_over: impl Fn() -> bool) -> io::Result<Option<Exit>> {
        let start = Instant::now();
        loop {
            let exited = self.exited()?;
            if exited.is_some() || start.elapsed() > longest || is_over() {
                return Ok(exited);
            }
            std::thread::sleep(Duration::from_millis(5).min(longest));
        }
    }

    /// Waits for the leader's own end, however long that takes, and leaves alone what it started.
    pub fn finish(mut self) -> io::Result<ExitStatus> {
        self.wait(Duration::MAX, || false)?;
        Guard::tell(self.leader, false);
        self.has_ended = true;
        self.child.wait()
    }

    /// Kills what is left of the group and, where leftovers are killed, of all that the child started.
    pub fn end(&mut self) {
        if self.has_ended {
            return;
        }
        self.signal(Signal::KILL);
        self.mark.iter().for_each(|mark| kill_marked(mark));
        let gone = self.wait(LONGEST_END, || false);
        Guard::tell(self.leader, false);
        self.has_ended = true;
        if matches!(gone, Ok(Some(_))) {
            // It is dead, so this does not wait.
            let _ = self.child.wait();
        }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.end();
    }
}

/// Has the system kill the child when the thread that starts it ends: where the guard was killed as well, the leaders at
/// least are gone.
#[cfg(target_os = "linux")]
fn die_with_parent(command: &mut Command) {
    let ask = || rustix::process::set_parent_process_death_signal(Some(Signal::KILL)).map_err(io::Error::from);
    // SAFETY: between fork and exec only this system call is made, which is safe there.
    unsafe { command.pre_exec(ask) };
}

/// No other system offers it.
#[cfg(not(target_os = "linux"))]
fn die_with_parent(_command: &mut Command) {}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Group {
        Group::spawn(Command::new("sh").args(["-c", script]), Leftovers::Killed).unwrap()
    }

    #[test]
    fn the_end_is_told_and_asked_again() {
        let group = shell("exit 7");
        let minute = Duration::from_secs(60);
        assert_eq!(group.wait(minute, || false).unwrap(), Some(Exit::Status(7)));
        assert_eq!(group.exited().unwrap(), Some(Exit::Status(7)));
        assert_eq!(shell("kill -9 $$").wait(minute, || false).unwrap(), Some(Exit::Signal(9)));
        assert_eq!(shell("sleep 1000").wait(minute, || true).unwrap(), None);
    }

    #[test]
    fn a_stopped_group_is_killed_with_its_children() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("sleeper");
        let mut group = shell(&format!("sleep 1000 & echo $! > {0}.new; mv {0}.new {0}; wait", path.display()));
        while !path.exists() {
            std::thread::yield_now();
        }
        let sleeper: i32 = std::fs::read_to_string(&path).unwrap().trim().parse().unwrap();
        group.signal(Signal::STOP);
        group.end();
        // The signal is sent; that the system carries it out may take a moment. One that was not sent would not come.
        let is_alive = || {
            let state = std::fs::read_to_string(format!("/proc/{sleeper}/stat"));
            state.is_ok_and(|state| !state.contains(") Z "))
        };
        let since = std::time::Instant::now();
        while is_alive() {
            assert!(since.elapsed().as_secs() < 60, "the sleeper runs");
            std::thread::yield_now();
        }
    }
}
