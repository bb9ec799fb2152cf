//! Where a pass's time goes: passes as a step takes them and passes whose parts are timed, alternating.

use std::collections::BTreeMap;
use std::sync::mpsc::Receiver;

use anyhow::{Context, Result, ensure};

use super::clock::now;
use super::steps::pass;
use super::wire::Wire;
use super::{Backend, loading, rates};
use crate::protocol::{Event, PartTime, Profile, Profiled, Step, Turn, Warmed};
use crate::wan::work::Part;

/// Measures and tells `profiled`.
pub fn profile<B: Backend>(backend: &mut B, request: &Profile, turns: &Receiver<Turn>, wire: &mut Wire) -> Result<()> {
    ensure!(request.passes > 0, "a profile needs at least one pass");
    loading::load(backend, &request.job, &[request.t], None, 0.0, wire)?;
    let mut warmed_seconds = 0.0;
    for _ in 0..request.warmup_steps {
        warmed_seconds += pass(backend, 0)?;
        by_parts(backend)?;
    }
    if request.in_turns {
        wire.send(&Event::Warmed(Warmed { seconds: warmed_seconds }))?;
    }
    let mut step_seconds = Vec::new();
    let mut parts: Vec<PartTime> = Vec::new();
    for index in 0..request.passes {
        if request.in_turns {
            turns.recv().context("no turn came for the next pass")?;
        }
        if request.wake {
            pass(backend, 0)?;
        }
        let seconds = pass(backend, 0)?;
        step_seconds.push(seconds);
        let pass = by_parts(backend)?;
        if parts.is_empty() {
            parts = pass.iter().map(|(part, _)| PartTime { part: *part, seconds: Vec::new() }).collect();
        }
        ensure!(pass.len() == parts.len(), "a pass has {} parts, another {}", pass.len(), parts.len());
        for (all, (_, seconds)) in parts.iter_mut().zip(pass) {
            all.seconds.push(seconds);
        }
        if request.in_turns {
            wire.send(&Event::Step(Step { index, seconds, wake_seconds: None }))?;
        }
    }
    // Two that are compared in turns have the same machine's.
    let rates = (!request.in_turns).then(|| rates::rates(backend, request.job.dtype)).transpose()?;
    wire.send(&Event::Profiled(Profiled { step_seconds, parts, rates }))
}

/// Seconds of each part of a pass, in the order in which they first end. What ends in pieces, such as a block's norms, is
/// one part.
fn by_parts<B: Backend>(backend: &mut B) -> Result<Vec<(Part, f64)>> {
    let mut parts: Vec<(Part, f64)> = Vec::new();
    let mut places: BTreeMap<Part, usize> = BTreeMap::new();
    let mut last = now();
    backend.forward_by_parts(0, &mut |part| {
        let end = now();
        let seconds = (end - last).as_secs_f64();
        last = end;
        let place = *places.entry(part).or_insert(parts.len());
        match parts.get_mut(place) {
            Some((_, sum)) => *sum += seconds,
            None => parts.push((part, seconds)),
        }
    })?;
    Ok(parts)
}
