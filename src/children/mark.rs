//! The mark in the environment of a worker and of all that it starts, by which a process is found that left its group.

/// The variable that holds the mark. A process inherits it from whoever started it.
pub const VARIABLE: &str = "WANBENCH_CHILD";

/// Kills the processes whose mark is `mark` or begins with it and a point, and waits until they are gone.
///
/// On Linux only: macOS does not show the environment of the system's own programs.
#[cfg(target_os = "linux")]
pub fn kill_marked(mark: &str) {
    use std::time::{Duration, Instant};

    use rustix::process::{Signal, kill_process};

    /// A process that cannot be killed, as in the middle of a broken disk's answer, is left to the system.
    const LONGEST: Duration = Duration::from_millis(500);
    let start = Instant::now();
    loop {
        let mut found = 0;
        // As they are found: one that goes on in a child of its own must not have the time for it. One that is gone
        // meanwhile needs no signal.
        for process in marked(mark) {
            let _ = kill_process(process, Signal::KILL);
            found += 1;
        }
        if found == 0 || start.elapsed() > LONGEST {
            return;
        }
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// See the other one.
#[cfg(not(target_os = "linux"))]
pub fn kill_marked(_mark: &str) {}

/// The processes of this user that carry `mark`, but for this one. A dead one has no environment any more.
#[cfg(target_os = "linux")]
fn marked(mark: &str) -> impl Iterator<Item = rustix::process::Pid> {
    let own = std::process::id();
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let numbers = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    numbers
        .filter(move |number| *number != own)
        .filter(move |number| {
            // Other users' processes cannot be read, and are none of ours.
            let environment = std::fs::read(format!("/proc/{number}/environ")).unwrap_or_default();
            carries(&environment, mark)
        })
        .filter_map(|number| rustix::process::Pid::from_raw(number.try_into().ok()?))
}

#[cfg(target_os = "linux")]
fn carries(environment: &[u8], mark: &str) -> bool {
    environment.split(|byte| *byte == 0).any(|entry| {
        let value = entry.strip_prefix(VARIABLE.as_bytes()).and_then(|rest| rest.strip_prefix(b"="));
        let rest = value.and_then(|value| value.strip_prefix(mark.as_bytes()));
        rest.is_some_and(|rest| rest.is_empty() || rest[0] == b'.')
    })
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn a_mark_is_a_whole_word_of_the_variable() {
        for (environment, is_marked) in [
            ("A=1\0WANBENCH_CHILD=7-3\0", true),
            ("WANBENCH_CHILD=7-3.12\0", true),
            ("WANBENCH_CHILD=7-31\0", false),
            ("OLD_WANBENCH_CHILD=7-3\0", false),
            ("A=WANBENCH_CHILD=7-3\0", false),
            ("", false),
        ] {
            assert_eq!(carries(environment.as_bytes(), "7-3"), is_marked, "{environment:?}");
        }
    }
}
