//! The way to the tool and back: one request, turns, events.

use std::fs::File;
use std::io::{self, BufRead, Write};
use std::sync::mpsc::{Receiver, channel};

use anyhow::{Context, Result, ensure};

use super::leave;
use crate::protocol::{self, Event, Request, Turn};

/// The way to the tool: the original standard output.
pub struct Wire(File);

impl Wire {
    /// Keeps standard output for events and sends whatever libraries print there to standard error.
    pub fn take_stdout() -> io::Result<Self> {
        let wire = rustix::io::fcntl_dupfd_cloexec(rustix::stdio::stdout(), 3)?;
        rustix::stdio::dup2_stdout(rustix::stdio::stderr())?;
        Ok(Self(File::from(wire)))
    }

    /// Writes events to `file`.
    #[cfg(test)]
    pub fn to(file: File) -> Self {
        Self(file)
    }

    /// Writes one event as one line in one write.
    pub fn send(&mut self, event: &Event) -> Result<()> {
        let mut line = serde_json::to_string(event)?;
        line.push('\n');
        self.0.write_all(line.as_bytes()).context("wanbench has ended")
    }
}

/// Reads the request, then watches standard input for turns: a worker whose tool is gone ends at once.
pub fn read_request() -> Result<(Request, Receiver<Turn>)> {
    let mut line = String::new();
    io::stdin().lock().read_line(&mut line).context("cannot read the request")?;
    let (sender, turns) = channel();
    let watch = move || {
        // Ends when the tool closes the pipe, by will or by dying, or writes what is no turn.
        for line in io::stdin().lock().lines().map_while(Result::ok) {
            let Ok(turn) = serde_json::from_str(&line) else { break };
            // Nobody waits for turns after the last step.
            let _ = sender.send(turn);
        }
        leave(3);
    };
    std::thread::Builder::new().spawn(watch).context("cannot start a thread that watches for turns")?;
    let value: serde_json::Value = serde_json::from_str(&line).context("the request is not JSON")?;
    let version = value.get("protocol").and_then(serde_json::Value::as_u64);
    ensure!(
        version == Some(protocol::VERSION.into()),
        "the request speaks protocol {version:?}, this worker {}: build wanbench and its workers from the same revision",
        protocol::VERSION
    );
    let request = serde_json::from_value(value).map_err(|error| Malformed(error.to_string()))?;
    Ok((request, turns))
}

/// The error of a request that is of another form.
#[derive(Debug, thiserror::Error)]
#[error("the request is malformed: {0}")]
pub struct Malformed(String);
