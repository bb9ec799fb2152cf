//! The smallest tolerances that the noise leaves room for, and the `[gate]` values that follow.

use super::{CaseNoise, Jobs};
use crate::config::Thresholds;
use crate::gate::speed::{POWER, QUESTIONS_PER_CASE};
use crate::protocol::DeviceKind;
use crate::stats::t_quantile;
use crate::store::record::RunRecord;
use crate::text::format;
use crate::text::wrap::wrap;

/// A tolerance beyond that gates nothing.
const MOST_PERCENT: f64 = 100.0;
/// Proposed values are multiples of this …
const GRAIN_PERCENT: f64 = 0.5;
/// … and never below this: a smaller change is not worth stopping anybody for.
const LEAST_PERCENT: f64 = 1.0;
/// Standard deviations of the difference of two jobs that a baseline's tolerance leaves to chance: beyond lies one
/// unchanged case in 740, and the gate's own interval comes on top.
const JOB_DEVIATIONS: f64 = 3.0;

/// Jobs below which a tolerance is not lowered: what they do not show may be chance.
const ENOUGH_JOBS: usize = 5;

/// Share of the canary's readings after which a block may start.
const CANARY_SHARE: f64 = 0.95;

/// The `[gate]` values that this machine supports, by the noisiest case, whatever it has of its own.
#[derive(Clone, Debug, PartialEq)]
pub struct Proposal {
    /// `base_tolerance_percent`.
    pub base_tolerance: Proposed,
    /// `speedup_tolerance_percent`.
    pub speedup_tolerance: Proposed,
    /// `canary_tolerance_gpu_percent` or `canary_tolerance_cpu_percent`; `None` where no canary was read.
    pub canary_tolerance: Option<(&'static str, Proposed)>,
}

/// One value.
#[derive(Clone, Debug, PartialEq)]
pub struct Proposed {
    /// In percent; `None` where the jobs support none.
    pub percent: Option<f64>,
    /// Where it comes from, in words.
    pub reason: String,
}

/// The smallest tolerance in percent of a step time against the base revision's, for `cases` cases whose noisiest has
/// the standard deviation `block` from block to block, at `launches` launches; `None` below two launches, and beyond 100%.
///
/// With a probability of 80% an unchanged case passes and a slowing of this size is significant at the last look:
/// (t_{1−α/2q} + t_{.8})·s/√K with q questions. To fail, its estimate must be beyond the tolerance besides.
pub fn smallest_tolerance_percent(block: f64, launches: usize, cases: usize, gate: &Thresholds) -> Option<f64> {
    if launches < 2 {
        return None;
    }
    let look = gate.last_look(launches);
    let error_of_case = (look.alpha / (QUESTIONS_PER_CASE * cases.max(1)) as f64).min(look.pass_error);
    let t = |probability| t_quantile(probability, (launches - 1) as f64);
    let error = block / (launches as f64).sqrt();
    // Two estimates share the error: speed.rs.
    let tolerance = (t(1.0 - error_of_case / 2.0) + t(POWER)) * error;
    Some(100.0 * tolerance.exp_m1()).filter(|percent| *percent <= MOST_PERCENT)
}

impl Proposal {
    /// From the noise of `cases` over `jobs`.
    pub(super) fn of(cases: &[CaseNoise], jobs: &Jobs, gate: &Thresholds) -> Self {
        Self {
            base_tolerance: base_tolerance(cases, jobs.launches(), gate),
            speedup_tolerance: speedup_tolerance(cases, gate),
            canary_tolerance: canary_tolerance(&jobs.records),
        }
    }

    /// A `[gate]` table to paste into config.toml, with where each value comes from in `width` columns.
    pub fn toml(&self, width: usize) -> String {
        let mut text = "[gate]\n".to_owned();
        let speeds =
            [("base_tolerance_percent", &self.base_tolerance), ("speedup_tolerance_percent", &self.speedup_tolerance)];
        let canary = self.canary_tolerance.iter().map(|(key, proposed)| (*key, proposed));
        for (key, proposed) in speeds.into_iter().chain(canary) {
            match proposed.percent {
                Some(percent) => {
                    text += &wrap(&proposed.reason, "# ", "# ", width);
                    text += &format!("{key} = {percent:.1}\n");
                }
                None => text += &wrap(&format!("{key}: {}", proposed.reason), "# ", "# ", width),
            }
        }
        text
    }
}

fn base_tolerance(cases: &[CaseNoise], launches: usize, gate: &Thresholds) -> Proposed {
    let Some((name, block)) = noisiest(cases, |case| case.noise.block) else {
        let reason = "no case has two blocks with both its head and its base, so nothing is known of it";
        return Proposed { percent: None, reason: reason.to_owned() };
    };
    let source = format!("the noisiest case, {name}, scatters by {:.2}% from block to block", 100.0 * block);
    let launches_text = format::launches(launches);
    match smallest_tolerance_percent(block, launches, cases.len(), gate) {
        Some(percent) => Proposed {
            percent: Some(rounded_up(percent)),
            reason: format!("{source}: {percent:.2}% is the smallest tolerance at {launches_text}"),
        },
        None => Proposed {
            percent: None,
            reason: format!("{source}: {launches_text} support no tolerance up to {MOST_PERCENT}%"),
        },
    }
}

fn speedup_tolerance(cases: &[CaseNoise], gate: &Thresholds) -> Proposed {
    let Some((name, deviation)) = noisiest(cases, |case| case.noise.speedup) else {
        let reason = "no case has a speedup in two jobs, so nothing is known of it";
        return Proposed { percent: None, reason: reason.to_owned() };
    };
    let percent = 100.0 * (JOB_DEVIATIONS * 2f64.sqrt() * deviation).exp_m1();
    let mut reason = format!(
        "the speedup of {name} scatters most from job to job, by {:.2}%; {percent:.2}% is {JOB_DEVIATIONS} standard \
         deviations of the difference of two such jobs",
        100.0 * deviation
    );
    if percent > MOST_PERCENT {
        let reason = format!("the speedup of {name} scatters by {:.0}% from job to job", 100.0 * deviation);
        return Proposed { percent: None, reason };
    }
    let with_speedup = cases.iter().filter(|case| case.noise.speedup.is_some());
    let jobs = with_speedup.map(|case| case.jobs).min().unwrap_or(0);
    let mut proposed = rounded_up(percent);
    if jobs < ENOUGH_JOBS && proposed < gate.speedup_tolerance_percent {
        proposed = gate.speedup_tolerance_percent;
        reason += &format!(
            "; {} are too few to lower the present {proposed}%: {ENOUGH_JOBS} would be enough",
            format::count(jobs, "job")
        );
    }
    Proposed { percent: Some(proposed), reason }
}

/// What 95 of 100 of the canary's readings are above its value at rest, at most; the last one, where that moved.
fn canary_tolerance(records: &[RunRecord]) -> Option<(&'static str, Proposed)> {
    let key = match records.first()?.device {
        DeviceKind::Gpu => "canary_tolerance_gpu_percent",
        DeviceKind::Cpu => "canary_tolerance_cpu_percent",
    };
    let canaries = records.iter().filter_map(|record| record.canary.as_ref());
    let changes = canaries
        .flat_map(|canary| canary.reading_seconds.iter().map(|seconds| 100.0 * (seconds / canary.cold_seconds - 1.0)));
    let mut changes: Vec<f64> = changes.filter(|change| change.is_finite()).collect();
    changes.sort_by(f64::total_cmp);
    let percent =
        *changes.get((CANARY_SHARE * changes.len() as f64).ceil() as usize - usize::from(!changes.is_empty()))?;
    let reason = format!(
        "{:.0}% of {} of the canary were at most {percent:.1}% above its value on the machine at rest",
        100.0 * CANARY_SHARE,
        format::count(changes.len(), "reading")
    );
    Some((key, Proposed { percent: Some(rounded_up(percent)), reason }))
}

/// The case for which `of` is largest, with that figure.
pub(super) fn noisiest(cases: &[CaseNoise], of: impl Fn(&CaseNoise) -> Option<f64>) -> Option<(&str, f64)> {
    let figures = cases.iter().filter_map(|case| Some((case.name.as_str(), of(case)?)));
    figures.max_by(|a, b| a.1.total_cmp(&b.1))
}

fn rounded_up(percent: f64) -> f64 {
    ((percent / GRAIN_PERCENT).ceil() * GRAIN_PERCENT).max(LEAST_PERCENT)
}
