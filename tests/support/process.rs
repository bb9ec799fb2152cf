//! Processes that a test waits for.

use std::path::Path;
use std::time::{Duration, Instant};

use rustix::process::{Pid, test_kill_process};

/// Longest that a test waits for what must come.
const LONGEST: Duration = Duration::from_secs(60);

/// Whether a process runs; a zombie, which an init that reaps nobody leaves for ever, does not.
pub fn is_running(process: Pid) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", process.as_raw_nonzero()));
    let is_zombie = stat.is_ok_and(|stat| stat.contains(") Z "));
    test_kill_process(process).is_ok() && !is_zombie
}

/// The process number that another process writes to `path`, as soon as it is there.
pub fn wait_for_number(path: &Path) -> Pid {
    let mut number = None;
    wait_until(&path.display().to_string(), || {
        let text = std::fs::read_to_string(path).unwrap_or_default();
        number = text.trim().parse().ok().filter(|_| text.ends_with('\n'));
        number.is_some()
    });
    Pid::from_raw(number.unwrap()).unwrap()
}

/// Waits until `process` is gone.
pub fn wait_for_end(process: Pid) {
    wait_until(&format!("the end of process {process:?}"), || !is_running(process));
}

/// Waits for what must come.
pub fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + LONGEST;
    while !is_so() {
        assert!(Instant::now() < deadline, "{what} never came");
        std::thread::sleep(Duration::from_millis(5));
    }
}
