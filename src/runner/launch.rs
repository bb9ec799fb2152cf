//! A launch: one fresh process that takes its timed steps when its turn comes.

use std::time::Duration;

use super::exchange::Exchange;
use super::interruptions::Interruptions;
use super::process::{Deadline, Program};
use crate::protocol::{Event, Loaded, Measure, Request, Step, Warmed};
use crate::store::record::{Failure, Measured};

/// A fresh process that measures one case: warmed up when it is there, then a step at a time, stopped in between.
pub struct RunningLaunch<'a> {
    exchange: Exchange<'a>,
    loaded: Loaded,
    warmed: Warmed,
    step_seconds: Vec<f64>,
    /// Whether each step has a wake pass before it.
    wakes: bool,
    wake_seconds: Vec<f64>,
    /// The step before which the second network takes over, if one does.
    switches_before: Option<usize>,
    switch_seconds: Option<f64>,
}

impl<'a> RunningLaunch<'a> {
    /// Starts `program` and waits until it is warmed up; `on_event` sees what it tells.
    pub fn start(
        program: &Program,
        request: &Measure,
        deadline: Deadline,
        interruptions: &'a Interruptions,
        on_event: &mut impl FnMut(&Event),
    ) -> Result<Self, Failure> {
        let mut exchange = Exchange::open(program, &Request::Measure(request.clone()), deadline, interruptions)?;
        let begun = exchange.loaded(&mut |loading| on_event(&Event::Loading(loading.clone()))).and_then(|loaded| {
            on_event(&Event::Loaded(loaded.clone()));
            let warmed = exchange.warmed()?;
            on_event(&Event::Warmed(warmed.clone()));
            Ok((loaded, warmed))
        });
        match begun {
            Ok((loaded, warmed)) => {
                exchange.worker.pause();
                let switches_before = request.second.as_ref().map(|second| second.from_step);
                Ok(Self {
                    exchange,
                    loaded,
                    warmed,
                    step_seconds: Vec::new(),
                    wakes: request.wake,
                    wake_seconds: Vec::new(),
                    switches_before,
                    switch_seconds: None,
                })
            }
            Err(reason) => exchange.end(Err(reason)),
        }
    }

    /// Gives it the whole time again: of a launch that goes on, each part has its own deadline.
    pub fn renew_deadline(&mut self) {
        self.exchange.worker.renew_deadline();
    }

    /// Lets it take one timed step, in seconds.
    pub fn step(&mut self) -> Result<f64, String> {
        self.exchange.worker.resume();
        let stepped = self.switch_and_step();
        self.exchange.worker.pause();
        let Step { seconds, wake_seconds, .. } = stepped?;
        match (self.wakes, wake_seconds) {
            (true, None) => return Err("made no wake pass, although `ready` said that it does".to_owned()),
            (false, Some(_)) => return Err("made a wake pass that was not asked for".to_owned()),
            _ => {}
        }
        self.step_seconds.push(seconds);
        self.wake_seconds.extend(wake_seconds);
        Ok(seconds)
    }

    fn switch_and_step(&mut self) -> Result<Step, String> {
        let index = self.step_seconds.len();
        self.exchange.take_turn()?;
        if self.switches_before == Some(index) {
            self.switch_seconds = Some(self.exchange.switched()?);
        }
        self.exchange.step(index)
    }

    /// Waits for its end, unless `reason` tells why it failed before; with the time that was spent on it.
    pub fn finish(mut self, reason: Option<String>) -> (Result<Measured, Failure>, Duration) {
        self.exchange.worker.resume();
        let done = reason.map_or_else(|| self.exchange.done(), Err);
        let measured = done.map(|done| Measured {
            device: self.exchange.ready.device.clone(),
            versions: self.exchange.ready.versions.clone(),
            model_bytes: self.loaded.model_bytes,
            startup_seconds: self.exchange.startup_seconds,
            load_seconds: self.loaded.seconds,
            quantize_seconds: self.loaded.quantize_seconds,
            load_peak_bytes: self.loaded.process_peak_bytes,
            warmup_seconds: self.warmed.seconds,
            step_seconds: self.step_seconds,
            wake_seconds: self.wake_seconds,
            switch_seconds: self.switch_seconds,
            rates: done.rates,
            framework_peak_bytes: done.framework_peak_bytes,
            process_peak_bytes: done.process_peak_bytes,
            output: done.output,
        });
        let waited = self.exchange.worker.waited();
        (self.exchange.end(measured), waited)
    }
}
