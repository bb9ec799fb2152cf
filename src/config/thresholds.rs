//! The `[gate]` table of config.toml: how much a figure may worsen, and how sure a verdict must be.

use serde::{Deserialize, Serialize};

use super::ceiling::Ceiling;
use super::overrides::Override;
use crate::protocol::DeviceKind;

/// The probability that a case passes that is slower than the base revision by its tolerance or more, over all looks.
pub const PASS_ERROR: f64 = 0.05;

/// Most launches of a case, and so the last look.
pub(super) const MOST_LAUNCHES: usize = 1_000;

/// Every threshold of a verdict, with its default.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Thresholds {
    /// How much slower a case may get than the base revision beside it, in percent, by the fastest quarter of its steps …
    pub base_tolerance_percent: f64,
    /// … and as a whole: its mean step, and what its user waits for before and between the steps.
    pub whole_tolerance_percent: f64,
    /// How much the speedup may fall against the committed baseline, in percent.
    pub speedup_tolerance_percent: f64,
    /// How much slower a case's own step may get than in the committed baseline, in percent: machines drift from job to job.
    pub step_time_tolerance_percent: f64,
    /// How much any figure may worsen against the anchor, which updates do not move, in percent.
    pub anchor_tolerance_percent: f64,
    /// Growth of a peak, in percent of the baseline …
    pub peak_tolerance_percent: f64,
    /// … plus this many MiB.
    pub peak_tolerance_mib: f64,
    /// Allowed difference of outputs, as a multiple of what quantization and dtype are known to cost.
    pub parity_tolerance_factor: f64,
    /// The control, which is one arm twice, may differ from itself by this share of the speed's tolerance.
    pub control_share: f64,
    /// How much slower the canary may be than on the machine at rest when a block begins, on a GPU, in percent: clocks that are
    /// not locked move it by some percent (two processes of the same step on an H100 differed by 4%) …
    pub canary_tolerance_gpu_percent: f64,
    /// … and on a CPU, which others may share.
    pub canary_tolerance_cpu_percent: f64,
    /// Launches after which the verdicts are looked at; the last look is at the last launch.
    pub looks: Vec<usize>,
    /// For each look, the probability of any false alarm over the whole matrix.
    pub look_alphas: Vec<f64>,
    /// A recorded job that is off the level of those before it by more than this is an outlier, and two in a row are a new
    /// level, in percent.
    pub level_shift_percent: f64,
    /// One side of a speedup alone has moved where its change is so many times the other's.
    pub attribution_factor: f64,
    /// Most milliseconds of a step, whatever it took before …
    #[serde(skip_serializing_if = "Option::is_none")]
    pub step_time_ceiling_ms: Option<f64>,
    /// … most seconds of loading …
    #[serde(skip_serializing_if = "Option::is_none")]
    pub load_ceiling_seconds: Option<f64>,
    /// … most MiB of the process …
    #[serde(skip_serializing_if = "Option::is_none")]
    pub process_peak_ceiling_mib: Option<f64>,
    /// … of the framework by its own account …
    #[serde(skip_serializing_if = "Option::is_none")]
    pub framework_peak_ceiling_mib: Option<f64>,
    /// … and of the weights.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model_ceiling_mib: Option<f64>,
    /// Least speedup over the reference.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub speedup_floor: Option<f64>,
    /// What some cases have in place of these: [`Thresholds::of_case`].
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub overrides: Vec<Override>,
}

impl Default for Thresholds {
    fn default() -> Self {
        Self {
            base_tolerance_percent: 2.0,
            whole_tolerance_percent: 5.0,
            speedup_tolerance_percent: 5.0,
            step_time_tolerance_percent: 10.0,
            anchor_tolerance_percent: 5.0,
            peak_tolerance_percent: 1.0,
            peak_tolerance_mib: 16.0,
            parity_tolerance_factor: 1.0,
            control_share: 0.5,
            canary_tolerance_gpu_percent: 5.0,
            canary_tolerance_cpu_percent: 25.0,
            looks: vec![4, 7, 10, 16, 24],
            look_alphas: vec![0.0002, 0.0008, 0.002, 0.003, 0.004],
            level_shift_percent: 5.0,
            attribution_factor: 3.0,
            step_time_ceiling_ms: None,
            load_ceiling_seconds: None,
            process_peak_ceiling_mib: None,
            framework_peak_ceiling_mib: None,
            model_ceiling_mib: None,
            speedup_floor: None,
            overrides: Vec::new(),
        }
    }
}

/// One look at the data of a run.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Look {
    /// Launches of each arm that are in it.
    pub launches: usize,
    /// Probability of any false alarm at this look.
    pub alpha: f64,
    /// Probability that a case passes at this look that is slower by the tolerance or more.
    pub pass_error: f64,
    /// Whether the run goes on after it where not all is clear.
    pub is_early: bool,
}

impl Thresholds {
    /// The thresholds that are looser where they are larger, by their keys.
    pub fn tolerances(&self) -> [(&'static str, f64); 10] {
        [
            ("base_tolerance_percent", self.base_tolerance_percent),
            ("whole_tolerance_percent", self.whole_tolerance_percent),
            ("speedup_tolerance_percent", self.speedup_tolerance_percent),
            ("step_time_tolerance_percent", self.step_time_tolerance_percent),
            ("anchor_tolerance_percent", self.anchor_tolerance_percent),
            ("peak_tolerance_percent", self.peak_tolerance_percent),
            ("peak_tolerance_mib", self.peak_tolerance_mib),
            ("parity_tolerance_factor", self.parity_tolerance_factor),
            ("canary_tolerance_gpu_percent", self.canary_tolerance_gpu_percent),
            ("canary_tolerance_cpu_percent", self.canary_tolerance_cpu_percent),
        ]
    }

    /// The limit that `ceiling` is set to, in the unit of its key; `None` where there is none.
    pub fn ceiling(&self, ceiling: Ceiling) -> Option<f64> {
        match ceiling {
            Ceiling::StepTime => self.step_time_ceiling_ms,
            Ceiling::Load => self.load_ceiling_seconds,
            Ceiling::Speedup => self.speedup_floor,
            Ceiling::Model => self.model_ceiling_mib,
            Ceiling::ProcessPeak => self.process_peak_ceiling_mib,
            Ceiling::FrameworkPeak => self.framework_peak_ceiling_mib,
        }
    }

    /// The key of a threshold that cannot be, and what is wrong with it.
    pub fn fault(&self) -> Option<(&'static str, String)> {
        let others = [
            ("control_share", self.control_share),
            ("level_shift_percent", self.level_shift_percent),
            ("attribution_factor", self.attribution_factor),
        ];
        let is_tolerance = |value: f64| value.is_finite() && value >= 0.0;
        if let Some((key, value)) = self.tolerances().into_iter().chain(others).find(|(_, value)| !is_tolerance(*value))
        {
            return Some((key, format!("is {value}: a finite number from 0 on is expected")));
        }
        let mut ceilings = Ceiling::ALL.into_iter().filter_map(|it| Some((it.key(), self.ceiling(it)?)));
        if let Some((key, value)) = ceilings.find(|(_, value)| !(value.is_finite() && *value > 0.0)) {
            return Some((key, format!("is {value}: a finite number above 0 is expected")));
        }
        let rises = self.looks.windows(2).all(|pair| pair[0] < pair[1]);
        let is_within =
            self.looks.first().is_some_and(|first| *first >= 2) && self.looks.last() <= Some(&MOST_LAUNCHES);
        if !rises || !is_within {
            return Some((
                "looks",
                format!("are {:?}: rising numbers from 2 to {MOST_LAUNCHES} are expected", self.looks),
            ));
        }
        if self.look_alphas.len() != self.looks.len() {
            return Some(("look_alphas", format!("must have one value for each of the {} looks", self.looks.len())));
        }
        let is_probability = |alpha: &f64| *alpha > 0.0 && *alpha < 0.5;
        let are_probabilities = self.look_alphas.iter().all(is_probability) && self.alpha() < 0.5;
        (!are_probabilities)
            .then(|| ("look_alphas", "must be probabilities above 0 that sum to less than 0.5".to_owned()))
    }

    /// The difference of two jobs, as a logarithm, from which on they are of different levels.
    pub fn level_shift(&self) -> f64 {
        (self.level_shift_percent / 100.0).ln_1p()
    }

    /// The looks of a run that planned `planned` launches and has done `done`.
    ///
    /// All alphas are spent whatever the number of launches: what the looks on the way leave over is the end's, be that
    /// the last launch or where the run ended early.
    pub fn looks(&self, planned: usize, done: usize) -> Vec<Look> {
        let mut looks = self.looks_on_the_way(planned);
        looks.retain(|look| look.launches <= done);
        if looks.last().is_none_or(|last| last.launches < done) {
            let spent: f64 = looks.iter().map(|look| look.alpha).sum();
            let pass_error = self.pass_error(planned);
            looks.push(Look { launches: done, alpha: self.alpha() - spent, pass_error, is_early: false });
        }
        looks
    }

    /// The last look of a run that goes on to all of its `planned` launches.
    pub fn last_look(&self, planned: usize) -> Look {
        let looks = self.looks(planned, planned);
        *looks.last().expect("the launches that are done are always looked at")
    }

    /// Whether a run that plans `planned` launches is looked at after `done`, to end early where all is clear.
    pub fn is_look(&self, planned: usize, done: usize) -> bool {
        self.looks_on_the_way(planned).iter().any(|look| look.launches == done)
    }

    /// The probability of any false alarm in a whole run.
    pub fn alpha(&self) -> f64 {
        self.look_alphas.iter().sum()
    }

    /// How much slower the canary may be when a block begins on `device`, in percent.
    pub fn canary_tolerance_percent(&self, device: DeviceKind) -> f64 {
        match device {
            DeviceKind::Gpu => self.canary_tolerance_gpu_percent,
            DeviceKind::Cpu => self.canary_tolerance_cpu_percent,
        }
    }

    fn looks_on_the_way(&self, planned: usize) -> Vec<Look> {
        // The last look is at the last launch, wherever that is: a run longer than planned for must have alpha left for it.
        let before_last = self.looks.len().saturating_sub(1);
        let looks = self.looks.iter().zip(&self.look_alphas).take(before_last).filter(|(look, _)| **look < planned);
        let pass_error = self.pass_error(planned);
        let look =
            |(launches, alpha): (&usize, &f64)| Look { launches: *launches, alpha: *alpha, pass_error, is_early: true };
        looks.map(look).collect()
    }

    /// Each look's share of [`PASS_ERROR`].
    fn pass_error(&self, planned: usize) -> f64 {
        let before_last = self.looks.iter().rev().skip(1).filter(|look| **look < planned).count();
        PASS_ERROR / (before_last + 1) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_alphas_are_spent_whatever_the_launches() {
        let gate = Thresholds::default();
        for (planned, done, launches) in [
            (10, 10, vec![4, 7, 10]),
            (10, 4, vec![4]),
            (10, 5, vec![4, 5]),
            (8, 8, vec![4, 7, 8]),
            (3, 3, vec![3]),
            (24, 24, vec![4, 7, 10, 16, 24]),
            (30, 30, vec![4, 7, 10, 16, 30]),
        ] {
            let looks = gate.looks(planned, done);
            assert_eq!(looks.iter().map(|look| look.launches).collect::<Vec<_>>(), launches);
            let spent: f64 = looks.iter().map(|look| look.alpha).sum();
            let all = if gate.is_look(planned, done) { 0.0002 } else { 0.01 };
            assert!((spent - all).abs() < 1e-12, "{planned} {done}: {spent}");
            assert!(looks.iter().all(|look| look.alpha > 0.0), "{planned} {done}");
            let passing: f64 = gate.looks(planned, planned).iter().map(|look| look.pass_error).sum();
            assert!((passing - PASS_ERROR).abs() < 1e-12, "{planned}: {passing}");
        }
        assert!(gate.is_look(10, 7) && !gate.is_look(7, 7) && !gate.is_look(10, 10));
    }
}
