//! One request and its answers, checked against the protocol's order.

use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use super::failure;
use super::process::{Program, Worker};
use crate::protocol::{
    self, DeviceChoice, Done, Event, Failed, Forward, Loaded, Loading, Measure, Probe, Profile, Profiled, Quantize,
    Rate, Rates, Ready, Request, Turn, Warmed,
};
use crate::record::{Failure, Measured};

/// How long a worker may take to open its device.
const PROBE_TIMEOUT: Duration = Duration::from_secs(60);

/// Asks a worker for its device and versions.
pub fn probe(program: &Program, device: DeviceChoice) -> Result<Ready, Failure> {
    let request = Request::Probe(Probe { protocol: protocol::VERSION, device });
    let interrupted = AtomicBool::new(false);
    let mut session = Session::open(program, &request, PROBE_TIMEOUT, &interrupted)?;
    let ended = session.expect_end();
    let ready = session.ready.clone();
    session.end(ended.map(|()| ready))
}

/// Runs the network once; the output is where the job says.
pub fn forward(
    program: &Program,
    request: &Forward,
    timeout: Duration,
    interrupted: &AtomicBool,
) -> Result<(Ready, Loaded, Done), Failure> {
    let mut session = Session::open(program, &Request::Forward(request.clone()), timeout, interrupted)?;
    let answers = session.loaded(&mut |_| {}).and_then(|loaded| Ok((session.ready.clone(), loaded, session.done()?)));
    session.end(answers)
}

/// Has a pass's parts timed; `on_loading` sees how loading goes on.
pub fn profile(
    program: &Program,
    request: &Profile,
    timeout: Duration,
    interrupted: &AtomicBool,
    on_loading: &mut impl FnMut(&Loading),
) -> Result<(Ready, Loaded, Profiled), Failure> {
    let mut session = Session::open(program, &Request::Profile(request.clone()), timeout, interrupted)?;
    let answers = session.loaded(on_loading).and_then(|loaded| {
        let profiled = match session.next()? {
            Event::Profiled(profiled) => profiled,
            other => return Err(out_of_order("profiled", &other)),
        };
        session.expect_end()?;
        Ok((session.ready.clone(), loaded, profiled))
    });
    session.end(answers)
}

/// Has the machine's rates measured.
pub fn rate(program: &Program, request: &Rate, interrupted: &AtomicBool) -> Result<Rates, Failure> {
    let mut session = Session::open(program, &Request::Rate(request.clone()), PROBE_TIMEOUT, interrupted)?;
    let answers = session.next().and_then(|event| match event {
        Event::Rated(rated) => session.expect_end().and_then(|()| possible(rated.rates)),
        other => Err(out_of_order("rated", &other)),
    });
    session.end(answers)
}

/// Has weights saved quantized, where the request says; `on_loading` sees how loading goes on.
pub fn quantize(
    program: &Program,
    request: &Quantize,
    timeout: Duration,
    interrupted: &AtomicBool,
    on_loading: &mut impl FnMut(&Loading),
) -> Result<(Ready, Loaded, Done), Failure> {
    let mut session = Session::open(program, &Request::Quantize(request.clone()), timeout, interrupted)?;
    let answers = session.loaded(on_loading).and_then(|loaded| Ok((session.ready.clone(), loaded, session.done()?)));
    session.end(answers)
}

/// A fresh process that measures one case: warmed up when it is there, then a step at a time, stopped in between.
pub struct Launch<'a> {
    session: Session<'a>,
    loaded: Loaded,
    warmed: Warmed,
    step_seconds: Vec<f64>,
    /// The step before which the second network takes over, if one does.
    switches_before: Option<usize>,
    switch_seconds: Option<f64>,
}

impl<'a> Launch<'a> {
    /// Starts `program` and waits until it is warmed up; `on_event` sees what it tells.
    pub fn start(
        program: &Program,
        request: &Measure,
        timeout: Duration,
        interrupted: &'a AtomicBool,
        on_event: &mut impl FnMut(&Event),
    ) -> Result<Self, Failure> {
        let mut session = Session::open(program, &Request::Measure(request.clone()), timeout, interrupted)?;
        let begun = session.loaded(&mut |loading| on_event(&Event::Loading(loading.clone()))).and_then(|loaded| {
            on_event(&Event::Loaded(loaded.clone()));
            let warmed = session.warmed()?;
            on_event(&Event::Warmed(warmed.clone()));
            Ok((loaded, warmed))
        });
        match begun {
            Ok((loaded, warmed)) => {
                session.worker.pause();
                let switches_before = request.second.as_ref().map(|second| second.from_step);
                Ok(Self { session, loaded, warmed, step_seconds: Vec::new(), switches_before, switch_seconds: None })
            }
            Err(reason) => session.end(Err(reason)),
        }
    }

    /// Gives it the whole time again: of a launch that goes on, each part has its own deadline.
    pub fn renew_deadline(&mut self) {
        self.session.worker.renew_deadline();
    }

    /// Lets it take one timed step, in seconds.
    pub fn step(&mut self) -> Result<f64, String> {
        self.session.worker.resume();
        let stepped = self.switch_and_step();
        self.session.worker.pause();
        let seconds = stepped?;
        self.step_seconds.push(seconds);
        Ok(seconds)
    }

    fn switch_and_step(&mut self) -> Result<f64, String> {
        let index = self.step_seconds.len();
        self.session.take_turn()?;
        if self.switches_before == Some(index) {
            self.switch_seconds = Some(self.session.switched()?);
        }
        self.session.step(index)
    }

    /// Waits for its end, unless `reason` tells why it failed before; with the time that was spent on it.
    pub fn finish(mut self, reason: Option<String>) -> (Result<Measured, Failure>, Duration) {
        self.session.worker.resume();
        let done = reason.map_or_else(|| self.session.done(), Err);
        let measured = done.map(|done| Measured {
            device: self.session.ready.device.clone(),
            versions: self.session.ready.versions.clone(),
            model_bytes: self.loaded.model_bytes,
            startup_seconds: self.session.startup_seconds,
            load_seconds: self.loaded.seconds,
            quantize_seconds: self.loaded.quantize_seconds,
            load_peak_bytes: self.loaded.process_peak_bytes,
            warmup_seconds: self.warmed.seconds,
            step_seconds: self.step_seconds,
            switch_seconds: self.switch_seconds,
            rates: done.rates,
            framework_peak_bytes: done.framework_peak_bytes,
            process_peak_bytes: done.process_peak_bytes,
            output: done.output,
        });
        let waited = self.session.worker.waited();
        (self.session.end(measured), waited)
    }
}

/// A worker that said `ready`.
struct Session<'a> {
    worker: Worker,
    ready: Ready,
    startup_seconds: f64,
    interrupted: &'a AtomicBool,
}

impl<'a> Session<'a> {
    fn open(
        program: &Program,
        request: &Request,
        timeout: Duration,
        interrupted: &'a AtomicBool,
    ) -> Result<Self, Failure> {
        let start = Instant::now();
        let line = serde_json::to_string(request).map_err(|error| failure(error.to_string()))?;
        let mut worker = Worker::start(program, line, timeout).map_err(failure)?;
        match ready(&mut worker, request, interrupted) {
            Ok(ready) => Ok(Self { worker, ready, startup_seconds: start.elapsed().as_secs_f64(), interrupted }),
            Err(reason) => Err(Failure { reason, stderr_tail: worker.end() }),
        }
    }

    fn next(&mut self) -> Result<Event, String> {
        next_event(&mut self.worker, self.interrupted)
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

    fn loaded(&mut self, on_loading: &mut impl FnMut(&Loading)) -> Result<Loaded, String> {
        match self.after_loading(on_loading)? {
            Event::Loaded(loaded) => Ok(loaded),
            other => Err(out_of_order("loaded", &other)),
        }
    }

    fn warmed(&mut self) -> Result<Warmed, String> {
        match self.next()? {
            Event::Warmed(warmed) => Ok(warmed),
            other => Err(out_of_order("warmed", &other)),
        }
    }

    fn take_turn(&mut self) -> Result<(), String> {
        self.worker.send(serde_json::to_string(&Turn::Step).map_err(|error| error.to_string())?);
        Ok(())
    }

    fn switched(&mut self) -> Result<f64, String> {
        match self.after_loading(&mut |_| {})? {
            Event::Switched(switched) if switched.seconds.is_finite() && switched.seconds >= 0.0 => {
                Ok(switched.seconds)
            }
            other => Err(out_of_order("switched", &other)),
        }
    }

    fn step(&mut self, index: usize) -> Result<f64, String> {
        match self.next()? {
            Event::Step(step) if step.index != index => {
                Err(format!("reported step {} in place of {index}", step.index))
            }
            Event::Step(step) => positive(step.seconds),
            other => Err(out_of_order("step", &other)),
        }
    }

    fn done(&mut self) -> Result<Done, String> {
        let done = match self.next()? {
            Event::Done(done) => done,
            other => return Err(out_of_order("done", &other)),
        };
        done.rates.map(possible).transpose()?;
        self.expect_end()?;
        Ok(done)
    }

    fn expect_end(&mut self) -> Result<(), String> {
        if let Some(line) = self.worker.next_line(self.interrupted)? {
            return Err(format!("printed {:?} after its last event", excerpt(&line)));
        }
        self.worker.finish()
    }

    /// Ends the worker; a reason becomes a failure with what it said last.
    fn end<T>(self, answers: Result<T, String>) -> Result<T, Failure> {
        let stderr_tail = self.worker.end();
        answers.map_err(|reason| Failure { reason, stderr_tail })
    }
}

fn ready(worker: &mut Worker, request: &Request, interrupted: &AtomicBool) -> Result<Ready, String> {
    let first = next_event(worker, interrupted)?;
    let Event::Ready(ready) = first else { return Err(out_of_order("ready", &first)) };
    if ready.protocol != protocol::VERSION {
        return Err(format!("speaks protocol {}, this wanbench {}", ready.protocol, protocol::VERSION));
    }
    if !request.device().allows(ready.device.kind) {
        return Err(format!("runs on the {}, though it was asked for another device", ready.device.kind.name()));
    }
    Ok(ready)
}

fn next_event(worker: &mut Worker, interrupted: &AtomicBool) -> Result<Event, String> {
    let Some(line) = worker.next_line(interrupted)? else {
        return Err(match worker.finish() {
            Err(how) => how,
            Ok(()) => "exited without finishing".to_owned(),
        });
    };
    match serde_json::from_str(&line) {
        Ok(Event::Failed(Failed { message, .. })) => Err(message),
        Ok(event) => Ok(event),
        Err(error) => Err(format!("printed what is no event of the protocol: {:?} ({error})", excerpt(&line))),
    }
}

/// A time that can be true.
fn positive(seconds: f64) -> Result<f64, String> {
    if seconds.is_finite() && seconds > 0.0 { Ok(seconds) } else { Err(format!("reported a step of {seconds} s")) }
}

/// Rates that can be true.
fn possible(rates: Rates) -> Result<Rates, String> {
    let Rates { gemm_flops_per_second, copy_bytes_per_second } = rates;
    if [gemm_flops_per_second, copy_bytes_per_second].iter().all(|rate| rate.is_finite() && *rate > 0.0) {
        return Ok(rates);
    }
    Err(format!("reported rates of {gemm_flops_per_second} FLOP/s and {copy_bytes_per_second} B/s"))
}

fn out_of_order(expected: &str, event: &protocol::Event) -> String {
    let event = serde_json::to_string(event).unwrap_or_default();
    format!("sent {:?} where `{expected}` was due", excerpt(&event))
}

fn excerpt(line: &str) -> String {
    line.chars().take(120).collect()
}
