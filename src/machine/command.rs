//! Asking the system's own tools: a command's output, or nothing.
//!
//! A command that is missing, fails, hangs or prints no text is the same as one that knows nothing.

use std::io::Read;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use crate::children::{Exit, Group, Leftovers};

/// How long a command may take.
const LIMIT: Duration = Duration::from_secs(5);

/// Standard output of `program` run with `arguments`, if it succeeds in time.
pub fn output(program: &str, arguments: &[&str]) -> Option<String> {
    output_within(program, arguments, LIMIT)
}

fn output_within(program: &str, arguments: &[&str], limit: Duration) -> Option<String> {
    let deadline = Instant::now() + limit;
    let mut command = Command::new(program);
    // The parsers know the untranslated words.
    command.args(arguments).env("LC_ALL", "C").stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut group = Group::spawn(&mut command, Leftovers::Kept).ok()?;
    // Dropping the group ends what still runs.
    read_until(&mut group.child, deadline).filter(|_| ends_well(&group, deadline))
}

/// Everything the child prints; `None` if it still prints at the deadline.
///
/// Reads in a thread: a pipe cannot be read with a time limit.
fn read_until(child: &mut Child, deadline: Instant) -> Option<String> {
    let mut stdout = child.stdout.take()?;
    let (sender, receiver) = mpsc::channel();
    let read = move || {
        let mut bytes = Vec::new();
        if stdout.read_to_end(&mut bytes).is_ok() {
            // Nobody listens any more after the deadline.
            let _ = sender.send(bytes);
        }
    };
    thread::Builder::new().spawn(read).ok()?;
    let bytes = receiver.recv_timeout(deadline.saturating_duration_since(Instant::now())).ok()?;
    String::from_utf8(bytes).ok()
}

fn ends_well(group: &Group, deadline: Instant) -> bool {
    let remaining = deadline.saturating_duration_since(Instant::now());
    matches!(group.wait(remaining, || false), Ok(Some(Exit::Status(0))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_command_that_succeeds_in_time_tells_something() {
        assert_eq!(output("printf", &["a b"]).as_deref(), Some("a b"));
        assert_eq!(output("wanbench-has-no-such-command", &[]), None);
        assert_eq!(output("sh", &["-c", "echo failed; exit 3"]), None);
    }

    #[test]
    fn a_command_that_hangs_is_ended() {
        for script in ["exec sleep 60", "exec >&-; exec sleep 60"] {
            let start = Instant::now();
            assert_eq!(output_within("sh", &["-c", script], Duration::from_millis(100)), None);
            assert!(start.elapsed() < Duration::from_secs(10), "{script}");
        }
    }
}
