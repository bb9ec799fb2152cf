//! One worker process: read line by line under a deadline, stopped while others have their turn, killed whole.

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use rustix::process::Signal;

use super::interruptions::{Interruptions, SLICE, Stopwatch};
use super::pipes::Pipes;
use crate::children::{Exit, Group, Leftovers};
use crate::config::WEBHOOK_VARIABLES;
use crate::machine::environment;
use crate::text::escape::{cut, one_line};

/// How to start a worker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Program {
    /// Program and arguments.
    pub command: Vec<String>,
    /// Folder to start it in; `None` for a built-in worker, which does not depend on it.
    pub folder: Option<PathBuf>,
}

impl Program {
    /// The built-in worker of `backend`, which stands beside this program.
    pub fn built_in(backend: &str) -> Self {
        let own = std::env::current_exe().unwrap_or_default();
        let path = own.parent().unwrap_or(Path::new("")).join(format!("wanbench-{backend}"));
        Self { command: vec![path.display().to_string()], folder: None }
    }

    /// Whether wanbench built it, of this revision or another.
    pub fn is_built_in(&self) -> bool {
        self.folder.is_none()
    }
}

/// The token that GitHub Actions gives a job.
const TOKEN_VARIABLE: &str = "GITHUB_TOKEN";
/// How long a worker may take to exit after its last event.
const EXIT_TIMEOUT: Duration = Duration::from_secs(10);
/// How often a worker that closed its output is asked whether it has exited.
const EXIT_INTERVAL: Duration = Duration::from_millis(2);

/// Characters of a worker's last words that are kept.
const LONGEST_WORDS: usize = 400;

/// How long a worker may be waited for in all, and what can be done where that is too short.
#[derive(Clone, Copy, Debug)]
pub struct Deadline {
    /// Longest time; of a worker that takes turns, its own turns count.
    pub limit: Duration,
    /// The way out.
    pub way_out: &'static str,
}

impl Deadline {
    /// Of a launch that measures, as the suite says.
    pub fn of_launch(limit: Duration) -> Self {
        Self { limit, way_out: "raise launch_timeout_seconds if it needs longer" }
    }
}

/// Keeps from `command`, which runs what others wrote (a worker, a base revision's build), the token and the address of a webhook.
pub fn withhold_secrets(command: &mut Command) {
    command.env_remove(TOKEN_VARIABLE);
    let is_address = |name: &OsString| name.as_encoded_bytes().starts_with(WEBHOOK_VARIABLES.as_bytes());
    for (name, _) in std::env::vars_os().filter(|(name, _)| is_address(name)) {
        command.env_remove(name);
    }
}

/// A running worker; dropping it kills its process group.
pub struct Worker<'a> {
    group: Group,
    pipes: Pipes,
    stopwatch: Stopwatch,
    deadline: Deadline,
    interruptions: &'a Interruptions,
}

impl<'a> Worker<'a> {
    /// Starts `program` and sends `request`.
    pub fn start(
        program: &Program,
        request: &str,
        deadline: Deadline,
        interruptions: &'a Interruptions,
    ) -> Result<Self, String> {
        let (name, arguments) = program.command.split_first().ok_or("the command is empty")?;
        let mut command = Command::new(name);
        command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        withhold_secrets(&mut command);
        if program.is_built_in() {
            for name in environment::kept_from_built_in() {
                command.env_remove(name);
            }
        }
        if let Some(folder) = &program.folder {
            command.current_dir(folder);
        }
        // From before there is a process: whoever stops wanbench may do so as soon as there is one.
        let stopwatch = Stopwatch::start();
        let started = Group::spawn(&mut command, Leftovers::Killed);
        let mut group = started.map_err(|error| cannot_start(program, name, &error))?;
        let pipes = Pipes::of(&mut group.child).map_err(|error| format!("cannot read from `{name}`: {error}"))?;
        let mut worker = Self { group, pipes, stopwatch, deadline, interruptions };
        worker.send(request);
        Ok(worker)
    }

    /// Sends a line. A worker that died before it could read is told by its output's end, not here.
    pub fn send(&mut self, line: &str) {
        self.pipes.send(line);
    }

    /// Stops it until [`Self::resume`]: threads of a framework that spin while they wait would take processor time from
    /// whoever has the turn. (An idle PyTorch or MLX made its neighbour's steps up to 40% longer.)
    pub fn pause(&mut self) {
        self.group.signal(Signal::STOP);
    }

    /// Lets it go on after [`Self::pause`]. While others had their turn, its time did not run.
    pub fn resume(&mut self) {
        self.stopwatch.resume();
        self.group.signal(Signal::CONT);
    }

    /// Lets its time begin anew.
    pub fn renew_deadline(&mut self) {
        self.stopwatch.reset();
    }

    /// How long it was waited for.
    pub fn waited(&self) -> Duration {
        self.stopwatch.counted()
    }

    /// The next line, or `None` once the worker closed its output or exited.
    pub fn next_line(&mut self) -> Result<Option<String>, String> {
        loop {
            let Deadline { limit, way_out } = self.deadline;
            self.look(limit, || format!("did not finish within {} s and was killed; {way_out}", limit.as_secs_f64()))?;
            if let Some(line) = self.pipes.line()? {
                return Ok(Some(line));
            }
            if self.pipes.is_closed() {
                return Ok(None);
            }
            self.wait(SLICE)?;
            // Whoever it left behind may hold its output open.
            if self.exited()?.is_some() {
                self.pipes.close();
            }
        }
    }

    /// Waits for the worker's end; an error unless it exits with 0 in time and says nothing more.
    pub fn finish(&mut self) -> Result<(), String> {
        let limit = self.waited() + EXIT_TIMEOUT;
        loop {
            self.look(limit, || format!("did not exit within {} s of its last event", EXIT_TIMEOUT.as_secs()))?;
            let exited = self.exited()?;
            if exited.is_some() {
                self.pipes.close();
            }
            if let Some(line) = self.pipes.line()? {
                let line: String = line.chars().take(120).collect();
                return Err(format!("printed {line:?} after its last event"));
            }
            match exited {
                Some(Exit::Status(0)) => return Ok(()),
                Some(exit) => return Err(describe(exit)),
                None => self.wait(EXIT_INTERVAL)?,
            }
        }
    }

    /// The last lines of its standard error so far.
    pub fn said(&self) -> Vec<String> {
        self.pipes.tail()
    }

    /// The last of them that says something, on one line, so that it can be a part of a reason.
    pub fn last_words(&self) -> Option<String> {
        let said = self.said();
        let words = said.iter().rev().map(|line| one_line(line)).find(|line| !line.is_empty());
        words.map(|words| cut(&words, LONGEST_WORDS))
    }

    /// Kills it with all that it started, and returns the tail of its standard error.
    pub fn end(mut self) -> Vec<String> {
        self.group.end();
        self.pipes.close();
        self.said()
    }

    /// An error where the run is interrupted, or where the worker was waited for longer than `limit`.
    fn look(&mut self, limit: Duration, too_long: impl FnOnce() -> String) -> Result<(), String> {
        if self.interruptions.is_interrupted() {
            return Err("interrupted".to_owned());
        }
        match self.stopwatch.look(self.interruptions) > limit {
            true => Err(too_long()),
            false => Ok(()),
        }
    }

    fn wait(&mut self, longest: Duration) -> Result<(), String> {
        self.pipes.exchange(longest).map_err(|error| format!("its output cannot be read: {error}"))
    }

    fn exited(&self) -> Result<Option<Exit>, String> {
        self.group.exited().map_err(|error| format!("cannot be waited for: {error}"))
    }
}

fn cannot_start(program: &Program, name: &str, error: &io::Error) -> String {
    if error.kind() != io::ErrorKind::NotFound {
        return format!("cannot start `{name}`: {error}");
    }
    let path = program.folder.as_deref().unwrap_or(Path::new("")).join(name);
    match name.contains('/') && path.exists() {
        true => format!(
            "cannot start `{name}`, although the file is there: what its first line names after `#!`, or the system's loader that \
             it was built for, is missing"
        ),
        // Only a backend of the user's own has a folder.
        false if program.folder.is_some() && name.contains('=') => {
            format!(
                "there is no program `{name}`: for a variable begin the command with `env`, as in [\"env\", \"{name}\", …]"
            )
        }
        false if program.folder.is_some() => format!(
            "there is no program `{name}`: set `command` under [backends.NAME] to one that is on PATH, or by its path from the \
             configuration's folder"
        ),
        false => format!("there is no worker `{name}`: `make build` builds it, with DEVICE=cuda for an NVIDIA GPU"),
    }
}

fn describe(exit: Exit) -> String {
    match exit {
        Exit::Status(code) => format!("exited with status {code}"),
        Exit::Signal(9) => "was killed by signal 9, as happens when the system is out of memory".to_owned(),
        Exit::Signal(signal) => format!("was killed by signal {signal}"),
    }
}
