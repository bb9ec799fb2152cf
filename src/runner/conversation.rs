//! One request and its answers, checked against the protocol's order.

use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use super::process::{Program, Worker};
use super::{Event, failure};
use crate::protocol::{self, DeviceChoice, Done, Failed, Forward, Loaded, Measure, Probe, Ready, Request, Warmed};
use crate::record::{Failure, Measured};

/// How long a worker may take to open its device.
const PROBE_TIMEOUT: Duration = Duration::from_secs(60);

/// Asks a worker for its device and versions.
pub fn probe(program: &Program, device: DeviceChoice) -> Result<Ready, Failure> {
    let request = Request::Probe(Probe { protocol: protocol::VERSION, device });
    let answers = converse(program, &request, PROBE_TIMEOUT, &AtomicBool::new(false), |_| {})?;
    Ok(answers.ready)
}

/// Runs the network once; the output is where the job says.
pub fn forward(
    program: &Program,
    request: &Forward,
    timeout: Duration,
    interrupted: &AtomicBool,
) -> Result<(Ready, Loaded, Done), Failure> {
    let answers = converse(program, &Request::Forward(request.clone()), timeout, interrupted, |_| {})?;
    let (loaded, done) = answers.loaded.zip(answers.done).ok_or_else(|| failure("skipped an event"))?;
    Ok((answers.ready, loaded, done))
}

/// Times the steps of one case in a fresh process.
pub fn launch(
    program: &Program,
    request: &Measure,
    timeout: Duration,
    interrupted: &AtomicBool,
    on_event: &mut impl FnMut(&Event),
) -> Result<Measured, Failure> {
    let case = request.job.case.as_str();
    let answers = converse(program, &Request::Measure(request.clone()), timeout, interrupted, |event| match event {
        protocol::Event::Loaded(_) => on_event(&Event::Loaded { case }),
        protocol::Event::Warmed(_) => on_event(&Event::Warmed { case }),
        protocol::Event::Step(step) => on_event(&Event::Step { case, index: step.index, seconds: step.seconds }),
        _ => {}
    })?;
    let rest = answers.loaded.zip(answers.warmed).zip(answers.done);
    let ((loaded, warmed), done) = rest.ok_or_else(|| failure("skipped an event"))?;
    Ok(Measured {
        device: answers.ready.device,
        versions: answers.ready.versions,
        model_bytes: loaded.model_bytes,
        startup_seconds: answers.startup_seconds,
        load_seconds: loaded.seconds,
        warmup_seconds: warmed.seconds,
        step_seconds: answers.step_seconds,
        framework_peak_bytes: done.framework_peak_bytes,
        process_peak_bytes: done.process_peak_bytes,
        output: done.output,
    })
}

/// All that a worker answered to one request.
struct Answers {
    ready: Ready,
    startup_seconds: f64,
    loaded: Option<Loaded>,
    warmed: Option<Warmed>,
    step_seconds: Vec<f64>,
    done: Option<Done>,
}

fn converse(
    program: &Program,
    request: &Request,
    timeout: Duration,
    interrupted: &AtomicBool,
    mut on_event: impl FnMut(&protocol::Event),
) -> Result<Answers, Failure> {
    let start = Instant::now();
    let line = serde_json::to_string(request).map_err(|error| failure(error.to_string()))?;
    let mut worker = Worker::start(program, &line, timeout).map_err(failure)?;
    let answers = collect(&mut worker, request, start, interrupted, &mut on_event);
    let stderr_tail = worker.end();
    answers.map_err(|reason| Failure { reason, stderr_tail })
}

fn collect(
    worker: &mut Worker,
    request: &Request,
    start: Instant,
    interrupted: &AtomicBool,
    on_event: &mut impl FnMut(&protocol::Event),
) -> Result<Answers, String> {
    let first = next_event(worker, interrupted)?;
    let protocol::Event::Ready(ready) = first else { return Err(out_of_order("ready", &first)) };
    if ready.protocol != protocol::VERSION {
        return Err(format!("speaks protocol {}, this wanbench {}", ready.protocol, protocol::VERSION));
    }
    if !request.device().allows(ready.device.kind) {
        return Err(format!("runs on the {}, though it was asked for another device", ready.device.kind.name()));
    }
    let startup_seconds = start.elapsed().as_secs_f64();
    let mut answers =
        Answers { ready, startup_seconds, loaded: None, warmed: None, step_seconds: Vec::new(), done: None };
    for expected in expected(request) {
        let event = next_event(worker, interrupted)?;
        match (expected, &event) {
            ("loaded", protocol::Event::Loaded(loaded)) => answers.loaded = Some(loaded.clone()),
            ("warmed", protocol::Event::Warmed(warmed)) => answers.warmed = Some(warmed.clone()),
            ("step", protocol::Event::Step(step)) => {
                if step.index != answers.step_seconds.len() {
                    return Err(format!("reported step {} in place of {}", step.index, answers.step_seconds.len()));
                }
                answers.step_seconds.push(positive(step.seconds)?);
            }
            ("done", protocol::Event::Done(done)) => answers.done = Some(done.clone()),
            _ => return Err(out_of_order(expected, &event)),
        }
        on_event(&event);
    }
    if let Some(line) = worker.next_line(interrupted)? {
        return Err(format!("printed {:?} after its last event", excerpt(&line)));
    }
    worker.finish()?;
    Ok(answers)
}

/// The events that answer `request` after `ready`, in order.
fn expected(request: &Request) -> Vec<&'static str> {
    match request {
        Request::Probe(_) => vec![],
        Request::Forward(_) => vec!["loaded", "done"],
        Request::Measure(measure) => {
            let mut events = vec!["loaded", "warmed"];
            events.resize(events.len() + measure.sigmas.len() - 1, "step");
            events.push("done");
            events
        }
    }
}

fn next_event(worker: &mut Worker, interrupted: &AtomicBool) -> Result<protocol::Event, String> {
    let Some(line) = worker.next_line(interrupted)? else {
        return Err(match worker.finish() {
            Err(how) => how,
            Ok(()) => "exited without finishing".to_owned(),
        });
    };
    match serde_json::from_str(&line) {
        Ok(protocol::Event::Failed(Failed { message, .. })) => Err(message),
        Ok(event) => Ok(event),
        Err(error) => Err(format!("printed what is no event of the protocol: {:?} ({error})", excerpt(&line))),
    }
}

/// A time that can be true.
fn positive(seconds: f64) -> Result<f64, String> {
    if seconds.is_finite() && seconds > 0.0 { Ok(seconds) } else { Err(format!("reported a step of {seconds} s")) }
}

fn out_of_order(expected: &str, event: &protocol::Event) -> String {
    let event = serde_json::to_string(event).unwrap_or_default();
    format!("sent {:?} where `{expected}` was due", excerpt(&event))
}

fn excerpt(line: &str) -> String {
    line.chars().take(120).collect()
}
