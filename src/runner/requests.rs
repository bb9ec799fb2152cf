//! Requests that are answered once: a probe, a forward pass, a profile, the machine's rates, quantized weights.

use std::sync::atomic::AtomicBool;
use std::time::Duration;

use super::process::Program;
use super::session::{Session, out_of_order};
use crate::protocol::{
    self, DeviceChoice, Done, Event, Forward, Loaded, Loading, Probe, Profile, Profiled, Quantize, Rate, Rates, Ready,
    Request,
};
use crate::store::record::Failure;

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
        Event::Rated(rated) => session.expect_end().map(|()| rated.rates),
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
