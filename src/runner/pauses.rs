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
}

/// Two launches of `case`, without and with wake passes, that pause before their steps. Their process is stopped meanwhile, as one
/// that waits for its turn.
pub fn pauses(
    program: &Program,
    materials: &Materials,
    case: &Case,
    device: DeviceChoice,
    interruptions: &Interruptions,
) -> Result<Vec<Paused>, Failure> {
    let mut all = Vec::new();
    for wakes in [false, true] {
        let request = Measure {
            protocol: protocol::VERSION,
            job: materials.job(case, device, None),
            sigmas: schedule::sigmas(PAUSES.len() * STEPS, schedule::SHIFT),
            warmup_steps: 3,
            second: None,
            wake: wakes,
            extra_work: None,
        };
        let deadline = Deadline::of_launch(DEADLINE);
        let mut launch = RunningLaunch::start(program, &request, deadline, interruptions, &mut |_| {})?;
        let mut reason = None;
        for pause_seconds in PAUSES {
            let steps = (0..STEPS).map(|_| {
                sleep(Duration::from_secs_f64(pause_seconds));
                launch.step()
            });
            match steps.collect::<Result<Vec<f64>, String>>() {
                Ok(step_seconds) => all.push(Paused { wakes, pause_seconds, step_seconds }),
                Err(why) => {
                    reason = Some(why);
                    break;
                }
            }
        }
        launch.finish(reason).0?;
    }
    Ok(all)
}
