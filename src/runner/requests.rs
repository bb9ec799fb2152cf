//! Requests that are answered once: a probe, a forward pass, a profile, the machine's rates, quantized weights.

use std::time::Duration;

use super::exchange::{Exchange, out_of_order};
use super::interruptions::Interruptions;
use super::process::{Deadline, Program};
use crate::protocol::{
    self, DeviceChoice, Done, Event, Forward, Loaded, Loading, Probe, Profile, Profiled, Quantize, Rate, Rates, Ready,
    Request,
};
use crate::store::record::Failure;

/// How long a worker may take to open its device.
const PROBE: Deadline = Deadline {
    limit: Duration::from_secs(60),
    way_out: "it had nothing to do but open its device: run its command by hand to see what it waits for",
};

/// What a worker answered to a probe.
#[derive(Clone, Debug)]
pub struct Probed {
    /// Its device and versions.
    pub ready: Ready,
    /// The last lines of its standard error.
    pub said: Vec<String>,
}

/// Asks a worker for its device and versions.
pub fn probe(program: &Program, device: DeviceChoice) -> Result<Probed, Failure> {
    let request = Request::Probe(Probe { protocol: protocol::VERSION, device });
    let interruptions = Interruptions::new();
    let mut exchange = Exchange::open(program, &request, PROBE, &interruptions)?;
    let ended = exchange.expect_end();
    let (ready, said) = (exchange.ready.clone(), exchange.worker.said());
    exchange.end(ended.map(|()| Probed { ready, said }))
}

/// Runs the network once; the output is where the job says.
pub fn forward(
    program: &Program,
    request: &Forward,
    deadline: Deadline,
    interruptions: &Interruptions,
) -> Result<(Ready, Loaded, Done), Failure> {
    let mut exchange = Exchange::open(program, &Request::Forward(request.clone()), deadline, interruptions)?;
    let answers =
        exchange.loaded(&mut |_| {}).and_then(|loaded| Ok((exchange.ready.clone(), loaded, exchange.done()?)));
    exchange.end(answers)
}

/// Has a pass's parts timed; `on_loading` sees how loading goes on.
pub fn profile(
    program: &Program,
    request: &Profile,
    deadline: Deadline,
    interruptions: &Interruptions,
    on_loading: &mut impl FnMut(&Loading),
) -> Result<(Ready, Loaded, Profiled), Failure> {
    let mut exchange = Exchange::open(program, &Request::Profile(request.clone()), deadline, interruptions)?;
    let answers = exchange.loaded(on_loading).and_then(|loaded| {
        let profiled = exchange.profiled()?;
        Ok((exchange.ready.clone(), loaded, profiled))
    });
    exchange.end(answers)
}

/// Has the machine's rates measured.
pub fn rate(program: &Program, request: &Rate, interruptions: &Interruptions) -> Result<Rates, Failure> {
    let mut exchange = Exchange::open(program, &Request::Rate(request.clone()), PROBE, interruptions)?;
    let answers = exchange.next().and_then(|event| match event {
        Event::Rated(rated) => exchange.expect_end().map(|()| rated.rates),
        other => Err(out_of_order("rated", &other)),
    });
    exchange.end(answers)
}

/// Has weights saved quantized, where the request says; `on_loading` sees how loading goes on.
pub fn quantize(
    program: &Program,
    request: &Quantize,
    deadline: Deadline,
    interruptions: &Interruptions,
    on_loading: &mut impl FnMut(&Loading),
) -> Result<(Ready, Loaded, Done), Failure> {
    let mut exchange = Exchange::open(program, &Request::Quantize(request.clone()), deadline, interruptions)?;
    let answers = exchange.loaded(on_loading).and_then(|loaded| Ok((exchange.ready.clone(), loaded, exchange.done()?)));
    exchange.end(answers)
}
