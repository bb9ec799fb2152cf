//! How a pause before a step changes its time, with a wake pass and without: what wake passes are for, measured.

use std::thread::sleep;
use std::time::Duration;

use serde::Serialize;

use super::interruptions::Interruptions;
use super::process::{Deadline, Program};
use super::{Materials, RunningLaunch};
use crate::config::Case;
use crate::protocol::{self, DeviceChoice, Measure};
use crate::store::record::Failure;
use crate::wan::schedule;

/// Pauses in seconds, each before so many steps.
const PAUSES: [f64; 4] = [0.0, 0.05, 0.2, 1.2];
const STEPS: usize = 5;

/// How long one launch may take beside its pauses.
const DEADLINE: Duration = Duration::from_secs(600);

/// The steps after pauses of one length.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Paused {
    /// Whether each step had a wake pass before it.
    pub wakes: bool,
    /// The pause before each step, in seconds.
    pub pause_seconds: f64,
    /// The steps.
    pub step_seconds: Vec<f64>,
    /// The wake passes before them, where there are any.
    pub wake_seconds: Vec<f64>,
}

/// Two launches of `case`, without and with wake passes, that pause before their steps, by turns for each length. Their process is
/// stopped meanwhile, as one that waits for its turn.
pub fn pauses(
    program: &Program,
    materials: &Materials,
    case: &Case,
    device: DeviceChoice,
    interruptions: &Interruptions,
) -> Result<Vec<Paused>, Failure> {
    let launches = [false, true].map(|wakes| {
        let request = Measure {
            protocol: protocol::VERSION,
            job: materials.job(case, device, None),
            sigmas: schedule::sigmas(PAUSES.len() * STEPS, schedule::SHIFT),
            warmup_steps: 3,
            second: None,
            wake: wakes,
            extra_work: None,
        };
        let mut launch =
            RunningLaunch::start(program, &request, Deadline::of_launch(DEADLINE), interruptions, &mut |_| {})?;
        let stepped = PAUSES.iter().cycle().take(PAUSES.len() * STEPS).try_for_each(|pause| {
            sleep(Duration::from_secs_f64(*pause));
            launch.step().map(drop)
        });
        let measured = launch.finish(stepped.err()).0?;
        Ok(PAUSES.iter().enumerate().map(move |(index, pause_seconds)| Paused {
            wakes,
            pause_seconds: *pause_seconds,
            step_seconds: of_pause(&measured.step_seconds, index),
            wake_seconds: of_pause(&measured.wake_seconds, index),
        }))
    });
    let [without, with] = launches;
    Ok(without?.chain(with?).collect())
}

/// Of times that go round the pauses, those after the pause with the index `index`.
fn of_pause(seconds: &[f64], index: usize) -> Vec<f64> {
    seconds.iter().skip(index).step_by(PAUSES.len()).copied().collect()
}
