//! One worker process: started in a process group of its own, read line by line under a deadline, killed whole.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group};
use wait_timeout::ChildExt;

/// How to start a worker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Program {
    /// Program and arguments.
    pub command: Vec<String>,
    /// Folder to start it in; `None` for the current one.
    pub folder: Option<PathBuf>,
}

impl Program {
    /// The built-in worker of `backend`, which stands beside this program.
    pub fn built_in(backend: &str) -> Self {
        let own = std::env::current_exe().unwrap_or_default();
        let path = own.parent().unwrap_or(Path::new("")).join(format!("wanbench-{backend}"));
        Self { command: vec![path.display().to_string()], folder: None }
    }
}

/// The token that GitHub Actions gives a job. What others wrote (a worker, a base revision's build) does not get it.
pub const TOKEN_VARIABLE: &str = "GITHUB_TOKEN";
/// Lines of standard error that are kept.
const TAIL_LINES: usize = 20;
/// Longest line that is read from a worker, in bytes; an event is far shorter.
const LONGEST_LINE: u64 = 1 << 20;
/// How often an interrupt is looked for while a worker is silent.
const INTERRUPT_INTERVAL: Duration = Duration::from_millis(100);
/// How long a worker may take to exit after its last event, and its standard error to close.
const EXIT_TIMEOUT: Duration = Duration::from_secs(10);

/// A running worker; dropping it kills its process group.
pub struct Worker {
    child: Child,
    killed: bool,
    // A worker ends when its standard input closes; the thread that writes to it closes it once this is dropped.
    stdin: Sender<String>,
    lines: Receiver<Line>,
    stderr: Receiver<Vec<String>>,
    waited: Duration,
    timeout: Duration,
}

type Line = Result<String, String>;

impl Worker {
    /// Starts `program` and sends `request`; for all that it is waited for it has `timeout`.
    pub fn start(program: &Program, request: String, timeout: Duration) -> Result<Self, String> {
        let (name, arguments) = program.command.split_first().ok_or("the command is empty")?;
        let mut command = Command::new(name);
        command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0);
        command.env_remove(TOKEN_VARIABLE);
        if let Some(folder) = &program.folder {
            command.current_dir(folder);
        }
        let mut child = command.spawn().map_err(|error| match error.kind() {
            std::io::ErrorKind::NotFound => {
                format!("there is no worker `{name}`: `make build` builds the built-in workers; set the command of your own under [backends.NAME]")
            }
            _ => format!("cannot start `{name}`: {error}"),
        })?;
        let (line_sender, lines) = channel();
        let (tail_sender, stderr) = channel();
        let stdout = child.stdout.take();
        let errors = child.stderr.take();
        let stdin = child.stdin.take();
        let (stdin_sender, to_write) = channel();
        // In a thread: a worker that does not read would block the write, and the deadline must hold all the same.
        std::thread::spawn(move || stdin.into_iter().for_each(|stdin| write_lines(stdin, &to_write)));
        std::thread::spawn(move || stdout.into_iter().for_each(|stdout| read_lines(stdout, &line_sender)));
        std::thread::spawn(move || tail_sender.send(errors.map(read_tail).unwrap_or_default()));
        let mut worker =
            Self { child, killed: false, stdin: stdin_sender, lines, stderr, waited: Duration::ZERO, timeout };
        worker.send(request);
        Ok(worker)
    }

    /// Sends a line. A worker that died before it could read is told by its output's end, not here.
    pub fn send(&mut self, line: String) {
        let _ = self.stdin.send(line);
    }

    /// Stops it until [`Self::resume`]: threads of a framework that spin while they wait would take processor time from
    /// whoever has the turn. (An idle PyTorch or MLX made its neighbour's steps up to 40% longer.)
    ///
    /// If the tool dies meanwhile, the system hangs up on the stopped group, which ends it.
    pub fn pause(&self) {
        self.signal(Signal::STOP);
    }

    /// Lets it go on after [`Self::pause`].
    pub fn resume(&self) {
        self.signal(Signal::CONT);
    }

    /// Lets its time begin anew.
    pub fn renew_deadline(&mut self) {
        self.waited = Duration::ZERO;
    }

    /// How long it was waited for. While others have their turn, a worker's time does not run.
    pub fn waited(&self) -> Duration {
        self.waited
    }

    /// The next line, or `None` once the worker closed its output.
    pub fn next_line(&mut self, interrupted: &AtomicBool) -> Result<Option<String>, String> {
        let start = Instant::now();
        let line = self.wait_for_line(start + self.timeout.saturating_sub(self.waited), interrupted);
        self.waited += start.elapsed();
        line
    }

    fn wait_for_line(&self, deadline: Instant, interrupted: &AtomicBool) -> Result<Option<String>, String> {
        loop {
            if interrupted.load(Ordering::Relaxed) {
                return Err("interrupted".to_owned());
            }
            let left = deadline.saturating_duration_since(Instant::now());
            match self.lines.recv_timeout(left.min(INTERRUPT_INTERVAL)) {
                Ok(line) => return line.map(Some),
                Err(RecvTimeoutError::Disconnected) => return Ok(None),
                Err(RecvTimeoutError::Timeout) if left.is_zero() => {
                    return Err(format!(
                        "did not finish within {} s and was killed; raise launch_timeout_seconds if it needs longer",
                        self.timeout.as_secs_f64()
                    ));
                }
                Err(RecvTimeoutError::Timeout) => {}
            }
        }
    }

    /// Waits for the worker's end; an error unless it exits with 0 in time.
    pub fn finish(&mut self) -> Result<(), String> {
        let start = Instant::now();
        let exited = self.child.wait_timeout(EXIT_TIMEOUT);
        self.waited += start.elapsed();
        match exited {
            Ok(Some(status)) if status.success() => Ok(()),
            Ok(Some(status)) => Err(describe(status)),
            Ok(None) => Err(format!("did not exit within {} s of its last event", EXIT_TIMEOUT.as_secs())),
            Err(error) => Err(format!("cannot be waited for: {error}")),
        }
    }

    /// Kills what is left of the process group and returns the tail of its standard error.
    pub fn end(mut self) -> Vec<String> {
        self.kill();
        self.stderr.recv_timeout(EXIT_TIMEOUT).unwrap_or_default()
    }

    fn kill(&mut self) {
        if std::mem::replace(&mut self.killed, true) {
            return;
        }
        self.signal(Signal::KILL);
        let _ = self.child.wait();
    }

    fn signal(&self, signal: Signal) {
        // The group's leader is not yet reaped or was just now, so the number cannot belong to strangers' processes
        // unless a whole cycle of process numbers went by in between.
        if let Some(group) = Pid::from_raw(self.child.id() as i32) {
            // A group that is gone needs no signal.
            let _ = kill_process_group(group, signal);
        }
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.kill();
    }
}

fn describe(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("exited with status {code}"),
        (None, Some(9)) => "was killed by signal 9, as happens when the system is out of memory".to_owned(),
        (None, Some(signal)) => format!("was killed by signal {signal}"),
        (None, None) => "ended in an unknown way".to_owned(),
    }
}

/// Writes each line and keeps standard input open until the other end of `lines` is dropped.
fn write_lines(mut stdin: ChildStdin, lines: &Receiver<String>) {
    for line in lines {
        // As above: nobody has to know that a dead worker does not read.
        let _ = stdin.write_all(format!("{line}\n").as_bytes());
    }
}

fn read_lines(stdout: impl Read, sender: &Sender<Line>) {
    let mut reader = BufReader::new(stdout);
    loop {
        let mut bytes = Vec::new();
        let line = match reader.by_ref().take(LONGEST_LINE).read_until(b'\n', &mut bytes) {
            Ok(0) => return,
            Ok(_) if bytes.len() as u64 == LONGEST_LINE => Err("printed a line of over 1 MiB".to_owned()),
            Ok(_) => Ok(String::from_utf8_lossy(&bytes).trim_end().to_owned()),
            Err(error) => Err(format!("its output cannot be read: {error}")),
        };
        let last = line.is_err();
        if sender.send(line).is_err() || last {
            return;
        }
    }
}

/// Reads to the end, so that the worker never blocks on a full pipe, and keeps the last lines.
fn read_tail(stderr: impl Read) -> Vec<String> {
    let mut tail = VecDeque::new();
    let mut reader = BufReader::new(stderr);
    let mut bytes = Vec::new();
    while matches!(reader.by_ref().take(LONGEST_LINE).read_until(b'\n', &mut bytes), Ok(1..)) {
        tail.push_back(String::from_utf8_lossy(&bytes).trim_end().chars().take(500).collect());
        if tail.len() > TAIL_LINES {
            tail.pop_front();
        }
        bytes.clear();
    }
    tail.into()
}
