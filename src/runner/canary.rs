//! The canary: a small fixed load whose time shows whether the machine is as it was at rest.

use super::interruptions::Interruptions;
use super::process::Deadline;
use super::{Materials, Program, RunningLaunch};
use crate::config::{Case, Workload};
use crate::protocol::{self, DeviceChoice, DeviceKind, Measure};
use crate::stats;
use crate::store::record::Failure;
use crate::wan::{DType, Experts, Quant, schedule};

/// Steps behind one reading, which is their median.
const STEPS_PER_READING: usize = 5;
/// Readings behind the cold value, which is their median too.
const COLD_READINGS: usize = 3;
/// Last readings before a block that tell another level, if they agree.
const LEVEL_READINGS: usize = 3;
/// Forward passes before the first reading.
const WARMUP_STEPS: u32 = 3;

/// What the canary runs, and how far its time may be off.
pub struct CanaryPlan<'a> {
    /// See [`canary_case`].
    pub case: &'a Case,
    /// The worker.
    pub program: &'a Program,
    /// How much slower than the cold value a block may start, in percent.
    pub tolerance_percent: f64,
    /// Whether each step has a wake pass before it.
    pub wakes: bool,
}

/// The canary's load on `backend`: a pass of the built-in model. On a CPU over one frame, tenths of a second. On a GPU over 41
/// frames: a shorter one takes no longer than the host needs to enqueue it, and then times the host. It is tens of
/// milliseconds of the GPU's work a reading on the fastest of them (a step takes 12 ms on an H100).
pub fn canary_case(backend: &str, device: DeviceKind) -> Case {
    let (frames, latent) = match device {
        DeviceKind::Gpu => (41, [12, 30, 52]),
        DeviceKind::Cpu => (1, [1, 16, 32]),
    };
    let workload = Workload {
        name: "(canary)".to_owned(),
        model: "synthetic".to_owned(),
        frames,
        steps: STEPS_PER_READING,
        latent,
        text_rows: 100,
        camera: false,
        experts: Experts::Low,
    };
    Case::new(backend, workload, Quant::None, DType::F32)
}

/// One process that lives as long as the run, stopped between readings: a fresh one each time could be unlucky as a whole,
/// which would be taken for the machine's doing.
pub struct RunningCanary<'a> {
    launch: RunningLaunch<'a>,
    /// Its step on the machine at rest: the median of the first readings, until the machine shows another level.
    cold_seconds: f64,
    tolerance_percent: f64,
}

/// One look at the canary.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Reading {
    /// Median of its steps.
    pub seconds: f64,
    /// How much longer that is than the cold value, as a share.
    pub change: f64,
    /// Whether a block may start.
    pub is_fit: bool,
}

impl<'a> RunningCanary<'a> {
    /// Starts it and takes its cold value; `readings` are the most that will follow.
    pub fn start(
        plan: &CanaryPlan,
        materials: &Materials,
        device: DeviceChoice,
        readings: usize,
        deadline: Deadline,
        interruptions: &'a Interruptions,
    ) -> Result<Self, Failure> {
        let steps = STEPS_PER_READING * (COLD_READINGS + readings);
        let request = Measure {
            protocol: protocol::VERSION,
            job: materials.job(plan.case, device, None),
            sigmas: schedule::sigmas(steps, schedule::SHIFT),
            warmup_steps: WARMUP_STEPS,
            second: None,
            wake: plan.wakes,
            extra_work: None,
        };
        let launch = RunningLaunch::start(plan.program, &request, deadline, interruptions, &mut |_| {})?;
        let mut canary = Self { launch, cold_seconds: 0.0, tolerance_percent: plan.tolerance_percent };
        let cold: Result<Vec<f64>, String> = (0..COLD_READINGS).map(|_| canary.median_step()).collect();
        match cold {
            Ok(cold) => Ok(Self { cold_seconds: stats::median(&cold), ..canary }),
            Err(reason) => Err(canary.end(reason)),
        }
    }

    /// Reads it. A reading far below the cold value becomes the cold value: the machine was not at rest before.
    pub fn read(&mut self) -> Result<Reading, String> {
        let seconds = self.median_step()?;
        let change = seconds / self.cold_seconds - 1.0;
        let tolerance = self.tolerance_percent / 100.0;
        if change < -tolerance {
            self.cold_seconds = seconds;
        }
        Ok(Reading { seconds, change, is_fit: change <= tolerance })
    }

    /// Makes the level of the last of these `readings`, in seconds, the cold value; false where they do not agree on one.
    pub fn settle(&mut self, readings: &[f64]) -> bool {
        let level = level(readings, self.tolerance_percent / 100.0);
        level.into_iter().for_each(|level| self.cold_seconds = level);
        level.is_some()
    }

    /// Its step on the machine at rest.
    pub fn cold_seconds(&self) -> f64 {
        self.cold_seconds
    }

    /// Ends it because of `reason`; with what it said last.
    pub fn end(self, reason: String) -> Failure {
        match self.launch.finish(Some(reason)).0 {
            Err(failure) => failure,
            Ok(_) => unreachable!("a launch that is ended for a reason gives no figures"),
        }
    }

    fn median_step(&mut self) -> Result<f64, String> {
        self.launch.renew_deadline();
        let steps: Result<Vec<f64>, String> = (0..STEPS_PER_READING).map(|_| self.launch.step()).collect();
        Ok(stats::median(&steps?))
    }
}

/// The median of the last readings, where they differ by no more than `tolerance`, a share: a machine that stays there has
/// changed for good (its clocks, its temperature), and one whose readings scatter is disturbed.
fn level(readings: &[f64], tolerance: f64) -> Option<f64> {
    let last = readings.last_chunk::<LEVEL_READINGS>()?;
    let least = last.iter().copied().fold(f64::INFINITY, f64::min);
    let most = last.iter().copied().fold(0.0, f64::max);
    (most <= least * (1.0 + tolerance)).then(|| stats::median(last))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_readings_tell_a_level_where_they_agree() {
        assert_eq!(level(&[0.5, 0.9, 0.012, 0.0122, 0.0121], 0.05), Some(0.0121));
        assert_eq!(level(&[0.012, 0.012, 0.012, 0.0127], 0.05), None);
        assert_eq!(level(&[0.012, 0.012], 0.05), None);
    }

    #[test]
    fn the_load_is_the_gpus_where_there_is_one() {
        let latent = |device| canary_case("torch", device).workload.latent;
        assert_eq!((latent(DeviceKind::Gpu), latent(DeviceKind::Cpu)), ([12, 30, 52], [1, 16, 32]));
    }
}
