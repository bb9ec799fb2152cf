//! What a program prints that is run to its end, in a group that ends with this process.

use std::io::{self, Read};
use std::process::{Command, Output, Stdio};
use std::thread;

use super::{Group, Leftovers};

/// Runs `command` without input to its end: all that it printed, and its status. What it left running is left alone.
///
/// # Errors
/// The operating system's reason for which it cannot be started or read from.
pub fn output(command: &mut Command) -> io::Result<Output> {
    output_with(command, Stdio::null())
}

/// The same with `input`, such as a file.
///
/// # Errors
/// As of [`output`].
pub fn output_with(command: &mut Command, input: impl Into<Stdio>) -> io::Result<Output> {
    command.stdin(input).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut group = Group::spawn(command, Leftovers::Kept)?;
    let (stdout, stderr) = (group.child.stdout.take(), group.child.stderr.take());
    // Both at once: a full pipe would stop it.
    let reading = thread::Builder::new().spawn(move || read(stdout))?;
    let stderr = read(stderr)?;
    let stdout = reading.join().unwrap_or_else(|_| Err(io::Error::other("its output could not be read")))?;
    Ok(Output { status: group.finish()?, stdout, stderr })
}

fn read(pipe: Option<impl Read>) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    pipe.map_or(Ok(0), |mut pipe| pipe.read_to_end(&mut bytes))?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_streams_are_read_whole_and_the_status_told() {
        let script = "head -c 300000 /dev/zero >&2; head -c 200000 /dev/zero; exit 3";
        let output = output(Command::new("sh").args(["-c", script])).unwrap();
        assert_eq!((output.status.code(), output.stdout.len(), output.stderr.len()), (Some(3), 200_000, 300_000));
        assert!(super::output(&mut Command::new("wanbench-has-no-such-command")).is_err());
    }
}
