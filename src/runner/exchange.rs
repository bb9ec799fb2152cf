//! A worker's answers, checked one by one against the protocol's order.

use std::time::Instant;

use super::failure;
use super::interruptions::Interruptions;
use super::process::{Deadline, Program, Worker};
use crate::protocol::{self, Done, Event, Failed, Loaded, Loading, Profiled, Ready, Request, Step, Turn, Warmed};
use crate::store::record::Failure;
use crate::store::valid;
use crate::text::escape::cut;

/// Characters of a worker's own reason that are kept.
const LONGEST_REASON: usize = 2000;

/// The exchange with a worker that said `ready`, see docs/protocol.md.
pub struct Exchange<'a> {
    /// The process.
    pub worker: Worker<'a>,
    /// What it said first.
    pub ready: Ready,
    /// From its start until it said that.
    pub startup_seconds: f64,
}

impl<'a> Exchange<'a> {
    pub fn open(
        program: &Program,
        request: &Request,
        deadline: Deadline,
        interruptions: &'a Interruptions,
    ) -> Result<Self, Failure> {
        let start = Instant::now();
        let line = serde_json::to_string(request).map_err(|error| failure(error.to_string()))?;
        let mut worker = Worker::start(program, &line, deadline, interruptions).map_err(failure)?;
        match ready(&mut worker, request) {
            Ok(ready) => Ok(Self { worker, ready, startup_seconds: start.elapsed().as_secs_f64() }),
            Err(reason) => Err(Failure { reason, stderr_tail: worker.end() }),
        }
    }

    pub fn next(&mut self) -> Result<Event, String> {
        next_event(&mut self.worker)
    }

    /// The next event that is not about loading.
    fn after_loading(&mut self, on_loading: &mut impl FnMut(&Loading)) -> Result<Event, String> {
        loop {
            match self.next()? {
                Event::Loading(loading) => on_loading(&loading),
                other => return Ok(other),
            }
        }
    }

    pub fn loaded(&mut self, on_loading: &mut impl FnMut(&Loading)) -> Result<Loaded, String> {
        match self.after_loading(on_loading)? {
            Event::Loaded(loaded) => Ok(loaded),
            other => Err(out_of_order("loaded", &other)),
        }
    }

    pub fn warmed(&mut self) -> Result<Warmed, String> {
        match self.next()? {
            Event::Warmed(warmed) => Ok(warmed),
            other => Err(out_of_order("warmed", &other)),
        }
    }

    pub fn take_turn(&mut self) -> Result<(), String> {
        self.worker.send(&serde_json::to_string(&Turn::Step).map_err(|error| error.to_string())?);
        Ok(())
    }

    pub fn switched(&mut self) -> Result<f64, String> {
        match self.after_loading(&mut |_| {})? {
            Event::Switched(switched) => Ok(switched.seconds),
            other => Err(out_of_order("switched", &other)),
        }
    }

    pub fn step(&mut self, index: usize) -> Result<Step, String> {
        match self.next()? {
            Event::Step(step) if step.index != index => {
                Err(format!("reported step {} in place of {index}", step.index))
            }
            Event::Step(step) => Ok(step),
            other => Err(out_of_order("step", &other)),
        }
    }

    pub fn done(&mut self) -> Result<Done, String> {
        let done = match self.next()? {
            Event::Done(done) => done,
            other => return Err(out_of_order("done", &other)),
        };
        self.expect_end()?;
        Ok(done)
    }

    pub fn profiled(&mut self) -> Result<Profiled, String> {
        let profiled = match self.next()? {
            Event::Profiled(profiled) => profiled,
            other => return Err(out_of_order("profiled", &other)),
        };
        self.expect_end()?;
        Ok(profiled)
    }

    pub fn expect_end(&mut self) -> Result<(), String> {
        self.worker.finish()
    }

    /// Ends the worker; a reason becomes a failure with what it said last.
    pub fn end<T>(self, answers: Result<T, String>) -> Result<T, Failure> {
        let stderr_tail = self.worker.end();
        answers.map_err(|reason| Failure { reason, stderr_tail })
    }
}

fn ready(worker: &mut Worker, request: &Request) -> Result<Ready, String> {
    let first = next_event(worker)?;
    let Event::Ready(ready) = first else { return Err(out_of_order("ready", &first)) };
    if ready.protocol != protocol::VERSION {
        return Err(format!("speaks protocol {}, this wanbench {}", ready.protocol, protocol::VERSION));
    }
    if !request.device().allows(ready.device.kind) {
        return Err(format!("runs on the {}, although another device was requested", ready.device.kind.name()));
    }
    Ok(ready)
}

fn next_event(worker: &mut Worker) -> Result<Event, String> {
    let Some(line) = worker.next_line()? else { return Err(unexplained_end(worker)) };
    match serde_json::from_str(&line) {
        Ok(Event::Failed(Failed { message, .. })) => Err(cut(&message, LONGEST_REASON)),
        Ok(event) => match valid::event(&event) {
            Ok(()) => Ok(event),
            Err(reason) => Err(format!("reported an impossible figure: {reason}")),
        },
        Err(error) => {
            Err(format!("printed a line that is not an event of the protocol: {:?} ({error})", excerpt(&line)))
        }
    }
}

/// Why a worker ended without an event that tells it: how it ended, and its last words, such as the system loader's or its
/// framework's.
fn unexplained_end(worker: &mut Worker) -> String {
    let how = match worker.finish() {
        Err(how) => how,
        Ok(()) => "exited without finishing".to_owned(),
    };
    match worker.last_words() {
        Some(words) => format!("{how}; its last words: {words}"),
        None => how,
    }
}

pub fn out_of_order(expected: &str, event: &protocol::Event) -> String {
    let event = serde_json::to_string(event).unwrap_or_default();
    format!("sent {:?} where `{expected}` was due", excerpt(&event))
}

fn excerpt(line: &str) -> String {
    line.chars().take(120).collect()
}
