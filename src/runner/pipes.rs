//! The three pipes of a worker, read and written without ever blocking: the pipe is the buffer, so that a worker that prints
//! without end waits, and takes none of wanbench's memory.

use std::collections::VecDeque;
use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::process::{Child, ChildStderr, ChildStdin, ChildStdout};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::ioctl_fionbio;

/// Longest line that is read from a worker, in bytes; an event is far shorter.
const LONGEST_LINE: usize = 1 << 20;
/// Lines of standard error that are kept …
const TAIL_LINES: usize = 20;
/// … and bytes of each.
const TAIL_LINE: usize = 500;
/// Bytes that are read at a time.
const CHUNK: usize = 1 << 16;
/// Bytes that are read at most of what a dead worker left in a pipe: no pipe holds more, and whoever still writes to it is
/// none of ours.
const LONGEST_REST: usize = 1 << 20;

/// A worker's standard input, output and error.
#[derive(Debug)]
pub struct Pipes {
    stdin: Option<ChildStdin>,
    to_write: VecDeque<u8>,
    stdout: Option<ChildStdout>,
    lines: Lines,
    stderr: Option<ChildStderr>,
    tail: Tail,
}

impl Pipes {
    /// Takes the pipes of `child`.
    pub fn of(child: &mut Child) -> io::Result<Self> {
        let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        stdin.iter().try_for_each(|pipe| ioctl_fionbio(pipe, true))?;
        stdout.iter().try_for_each(|pipe| ioctl_fionbio(pipe, true))?;
        stderr.iter().try_for_each(|pipe| ioctl_fionbio(pipe, true))?;
        let (lines, tail) = (Lines::default(), Tail::default());
        Ok(Self { stdin, to_write: VecDeque::new(), stdout, lines, stderr, tail })
    }

    /// Sends a line, as soon as the worker reads.
    pub fn send(&mut self, line: &str) {
        self.to_write.extend(line.bytes().chain(*b"\n"));
    }

    /// The next whole line of its output that was read, or what is left where the output is closed.
    ///
    /// # Errors
    /// The line is longer than any event.
    pub fn line(&mut self) -> Result<Option<String>, String> {
        self.lines.next(self.stdout.is_none())
    }

    /// Whether its output is closed and read to the end.
    pub fn is_closed(&self) -> bool {
        self.stdout.is_none() && self.lines.0.is_empty()
    }

    /// Waits until something can be read or written, for `longest` at most, and does so.
    ///
    /// # Errors
    /// The operating system's reason.
    pub fn exchange(&mut self, longest: Duration) -> io::Result<()> {
        let mut ready = Vec::new();
        let (mut writes, mut reads) = (None, None);
        if let (Some(stdin), false) = (&self.stdin, self.to_write.is_empty()) {
            writes = Some(ready.len());
            ready.push(PollFd::from_borrowed_fd(stdin.as_fd(), PollFlags::OUT));
        }
        if let (Some(stdout), false) = (&self.stdout, self.lines.is_full()) {
            reads = Some(ready.len());
            ready.push(PollFd::from_borrowed_fd(stdout.as_fd(), PollFlags::IN));
        }
        let errors = self.stderr.as_ref().map(|stderr| {
            ready.push(PollFd::from_borrowed_fd(stderr.as_fd(), PollFlags::IN));
            ready.len() - 1
        });
        let timeout = Timespec { tv_sec: longest.as_secs() as _, tv_nsec: longest.subsec_nanos().into() };
        match poll(&mut ready, Some(&timeout)) {
            // A signal: whoever waits looks what it was.
            Err(rustix::io::Errno::INTR) => return Ok(()),
            polled => polled?,
        };
        let is_ready = |index: Option<usize>| index.is_some_and(|index| !ready[index].revents().is_empty());
        let (writes, reads, errors) = (is_ready(writes), is_ready(reads), is_ready(errors));
        if writes {
            self.write();
        }
        if reads {
            read_some(&mut self.stdout, |bytes| self.lines.0.extend_from_slice(bytes))?;
        }
        if errors {
            read_some(&mut self.stderr, |bytes| self.tail.push(bytes))?;
        }
        Ok(())
    }

    /// Reads what a dead worker left in its pipes, without waiting for those who still hold them, and closes them.
    pub fn close(&mut self) {
        self.stdin = None;
        let mut rest = 0;
        while rest < LONGEST_REST
            && matches!(read_some(&mut self.stdout, |bytes| self.lines.0.extend_from_slice(bytes)), Ok(1..))
        {
            rest += CHUNK;
        }
        self.stdout = None;
        self.read_errors();
        self.stderr = None;
    }

    /// The last lines of its standard error, of those that were read.
    pub fn tail(&self) -> Vec<String> {
        self.tail.lines()
    }

    /// Takes what is in the pipe of standard error now.
    fn read_errors(&mut self) {
        let mut rest = 0;
        while rest < LONGEST_REST && matches!(read_some(&mut self.stderr, |bytes| self.tail.push(bytes)), Ok(1..)) {
            rest += CHUNK;
        }
    }

    fn write(&mut self) {
        let Some(stdin) = &mut self.stdin else { return };
        match stdin.write(self.to_write.make_contiguous()) {
            Ok(written) => drop(self.to_write.drain(..written)),
            Err(error) if is_not_now(&error) => {}
            // It does not read any more: what becomes of it is told by its output's end.
            Err(_) => {
                self.stdin = None;
                self.to_write.clear();
            }
        }
    }
}

/// Reads once from `pipe` and closes it at its end; how many bytes there were, 0 for none at this moment.
fn read_some<P: Read>(pipe: &mut Option<P>, take: impl FnOnce(&[u8])) -> io::Result<usize> {
    let Some(open) = pipe else { return Ok(0) };
    let mut chunk = [0; CHUNK];
    match open.read(&mut chunk) {
        Ok(0) => {
            *pipe = None;
            Ok(0)
        }
        Ok(length) => {
            take(&chunk[..length]);
            Ok(length)
        }
        Err(error) if is_not_now(&error) => Ok(0),
        Err(error) => Err(error),
    }
}

fn is_not_now(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted)
}

/// What was read of an output and not yet asked for.
#[derive(Debug, Default)]
struct Lines(Vec<u8>);

impl Lines {
    /// Whether there is a line to be taken before more is read.
    fn is_full(&self) -> bool {
        self.0.len() >= LONGEST_LINE || self.0.contains(&b'\n')
    }

    fn next(&mut self, is_closed: bool) -> Result<Option<String>, String> {
        let end = match self.0.iter().position(|byte| *byte == b'\n') {
            Some(end) => end + 1,
            None if self.0.len() >= LONGEST_LINE => return Err("printed a line of over 1 MiB".to_owned()),
            None if is_closed && !self.0.is_empty() => self.0.len(),
            None => return Ok(None),
        };
        let line = String::from_utf8_lossy(&self.0[..end]).trim_end().to_owned();
        self.0.drain(..end);
        Ok(Some(line))
    }
}

/// The last lines of what was read.
#[derive(Debug, Default)]
struct Tail {
    lines: VecDeque<Vec<u8>>,
    current: Vec<u8>,
}

impl Tail {
    fn push(&mut self, bytes: &[u8]) {
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            let room = TAIL_LINE.saturating_sub(self.current.len());
            let text = piece.strip_suffix(b"\n").unwrap_or(piece);
            self.current.extend_from_slice(&text[..text.len().min(room)]);
            if piece.ends_with(b"\n") {
                self.lines.push_back(std::mem::take(&mut self.current));
            }
            if self.lines.len() > TAIL_LINES {
                self.lines.pop_front();
            }
        }
    }

    fn lines(&self) -> Vec<String> {
        let unfinished = (!self.current.is_empty()).then_some(&self.current);
        let lines: Vec<&Vec<u8>> = self.lines.iter().chain(unfinished).collect();
        let last = &lines[lines.len().saturating_sub(TAIL_LINES)..];
        last.iter().map(|line| String::from_utf8_lossy(line).trim_end().to_owned()).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::process::Stdio;

    use super::*;
    use crate::children::{Exit, Group, Leftovers};

    #[test]
    fn lines_come_whole_and_the_last_may_lack_its_end() {
        let mut lines = Lines(b"one\r\ntwo\nthr".to_vec());
        assert_eq!(lines.next(false), Ok(Some("one".to_owned())));
        assert_eq!(lines.next(false), Ok(Some("two".to_owned())));
        assert_eq!(lines.next(false), Ok(None));
        assert_eq!(lines.next(true), Ok(Some("thr".to_owned())));
        assert_eq!(lines.next(true), Ok(None));
        assert!(Lines(vec![b'x'; LONGEST_LINE]).next(false).is_err());
    }

    #[test]
    fn all_that_a_dead_worker_said_is_read_though_others_hold_its_output() {
        let script = "yes line | head -n 9000; sleep 1000 & echo last";
        let mut shell = std::process::Command::new("sh");
        shell.args(["-c", script]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut group = Group::spawn(&mut shell, Leftovers::Killed).unwrap();
        let mut pipes = Pipes::of(&mut group.child).unwrap();
        // A whole line is read and not yet taken while the rest still lies in the pipe.
        while !pipes.lines.is_full() {
            pipes.exchange(Duration::from_secs(60)).unwrap();
        }
        assert_eq!(group.wait(Duration::from_secs(60), || false).unwrap(), Some(Exit::Status(0)));
        pipes.close();
        let mut lines = Vec::new();
        while let Some(line) = pipes.line().unwrap() {
            lines.push(line);
        }
        assert_eq!((lines.len(), lines.last().map(String::as_str)), (9001, Some("last")));
    }

    #[test]
    fn the_tail_is_short_whatever_is_printed() {
        let mut tail = Tail::default();
        for line in 0..100 {
            tail.push(format!("{line} ").as_bytes());
            tail.push("é".repeat(1 << 16).as_bytes());
            tail.push(b"\n");
        }
        tail.push(b"the end");
        let lines = tail.lines();
        assert_eq!((lines.len(), lines.last().map(String::as_str)), (TAIL_LINES, Some("the end")));
        assert!(lines[0].starts_with("81 é") && lines.iter().all(|line| line.len() <= TAIL_LINE + 3), "{lines:?}");
    }
}
