//! A Mac that does not fall asleep: one that does during a run is measured asleep.

use std::process::{Command, Stdio};

use crate::children::{Group, Leftovers};

/// While it lives, the Mac it is on does not sleep for being idle. Nothing elsewhere: servers do not sleep.
#[derive(Debug)]
pub struct Awake {
    /// Ended when it is dropped.
    _process: Option<Group>,
}

impl Awake {
    /// Holds this machine awake, if it is a Mac; where that fails, nothing is held.
    pub fn hold() -> Self {
        match cfg!(target_os = "macos") {
            true => Self::by("/usr/bin/caffeinate", &ARGUMENTS),
            false => Self { _process: None },
        }
    }

    fn by(program: &str, arguments: &[&str]) -> Self {
        let mut command = Command::new(program);
        command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        Self { _process: Group::spawn(&mut command, Leftovers::Kept).ok() }
    }
}

/// Neither the system nor its disks sleep for being idle; the display may. Source: caffeinate(8).
const ARGUMENTS: [&str; 2] = ["-i", "-m"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_holds_it_awake_lives_as_long_as_this_does() {
        let awake = Awake::by("sleep", &["600"]);
        let process = i32::try_from(awake._process.as_ref().unwrap().child.id()).unwrap();
        let process = rustix::process::Pid::from_raw(process).unwrap();
        assert!(rustix::process::test_kill_process(process).is_ok());
        drop(awake);
        assert!(rustix::process::test_kill_process(process).is_err());
    }

    #[test]
    fn a_tool_that_is_missing_is_no_failure() {
        assert!(Awake::by("wanbench-has-no-such-command", &[])._process.is_none());
    }
}
