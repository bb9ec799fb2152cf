//! Anchors: figures that stay while updates follow a slow change. Pure; what is judged by them is in `questions` and `memory`.

use super::level::{Level, log_speedups, log_steps};
use crate::config::Thresholds;
use crate::store::baseline::{Acceptance, Accepted, Anchor, Baseline, BaselineCase};

/// Why an anchor is where it is, unless somebody moved it.
const FIRST: &str = "first recorded";

impl Baseline {
    /// This baseline with the anchors of the cases that are `wanted` at their present level, for `reason`.
    ///
    /// A case without jobs, as in an imported table, has no level to move to and stays as it is.
    pub fn anchored(&self, wanted: impl Fn(&str) -> bool, reason: &str, thresholds: &Thresholds) -> Self {
        let mut anchored = self.clone();
        for (_, case) in anchored.cases.iter_mut().filter(|(name, _)| wanted(name)) {
            if let Some(anchor) = present(case, reason, thresholds) {
                case.anchor = Some(anchor);
            }
        }
        anchored
    }
}

/// `case` with its `old` anchor, and what that lacks from the present level: all of it where the case is first recorded.
pub(super) fn kept(case: BaselineCase, old: Option<Anchor>, thresholds: &Thresholds) -> BaselineCase {
    let first = present(&case, FIRST, thresholds);
    let anchor = match (old, first) {
        (Some(old), Some(first)) => Some(Anchor {
            speedup: old.speedup.or(first.speedup),
            step_seconds: old.step_seconds.or(first.step_seconds),
            process_peak_bytes: old.process_peak_bytes.or(first.process_peak_bytes),
            framework_peak_bytes: old.framework_peak_bytes.or(first.framework_peak_bytes),
            ..old
        }),
        (old, first) => old.or(first),
    };
    BaselineCase { anchor, ..case }
}

/// `case` as it is accepted: its anchor moves along in what the acceptance covers, for the same reason.
pub(super) fn accepted(case: BaselineCase, acceptance: Acceptance, thresholds: &Thresholds) -> BaselineCase {
    let moves = |accepted| acceptance.covers.contains(&accepted);
    let now = present(&case, &acceptance.reason, thresholds);
    let anchor = match (case.anchor.clone(), now) {
        (Some(old), Some(now)) if moves(Accepted::Speed) && moves(Accepted::Memory) => {
            Some(Anchor { speedup: now.speedup.or(old.speedup), ..now })
        }
        (Some(old), Some(now)) if moves(Accepted::Speed) => Some(Anchor {
            process_peak_bytes: old.process_peak_bytes,
            framework_peak_bytes: old.framework_peak_bytes,
            ..now
        }),
        // Its date and reason are those of the times, which stay.
        (Some(old), Some(now)) if moves(Accepted::Memory) => Some(Anchor {
            process_peak_bytes: now.process_peak_bytes,
            framework_peak_bytes: now.framework_peak_bytes,
            ..old
        }),
        (old, now) => old.or(now),
    };
    BaselineCase { anchor, accepted: Some(acceptance), ..case }
}

/// The present level of `case` as an anchor; `None` without a job.
fn present(case: &BaselineCase, reason: &str, thresholds: &Thresholds) -> Option<Anchor> {
    let latest = case.jobs.last()?;
    let speedup = Level::of(&log_speedups(case), thresholds.level_shift());
    let step = Level::of(&log_steps(case), thresholds.level_shift());
    let jobs = speedup.iter().chain(&step).map(|level| level.members.len()).min();
    Some(Anchor {
        date: latest.date,
        commit: latest.commit.clone(),
        reason: reason.to_owned(),
        jobs: jobs.unwrap_or(1),
        speedup: speedup.map(|level| (-level.mean).exp()).or(case.speedup),
        step_seconds: step.map(|level| level.mean.exp()).or(case.step_seconds),
        process_peak_bytes: case.process_peak_bytes,
        framework_peak_bytes: case.framework_peak_bytes,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::record::RunRecord;
    use crate::store::valid;
    use crate::testing::Scenario;

    const CASE: &str = "mlx/41f/int8";

    /// A run `days` after the baseline's, in which [`CASE`] takes `factor` times as long.
    fn run(days: i64, factor: f64) -> RunRecord {
        let mut scenario = Scenario::new();
        scenario.slow_down(CASE, factor);
        let started = scenario.record.started + jiff::SignedDuration::from_hours(24 * days);
        RunRecord { started, ..scenario.record }
    }

    fn anchor(baseline: &Baseline) -> Anchor {
        baseline.cases[CASE].anchor.clone().unwrap()
    }

    #[test]
    fn the_first_recording_sets_it_and_no_update_moves_it() {
        let first = Scenario::new().baseline.unwrap();
        let at_first = anchor(&first);
        assert_eq!((at_first.reason.as_str(), at_first.jobs), (FIRST, 1));
        assert_eq!(at_first.process_peak_bytes, first.cases[CASE].process_peak_bytes);
        let later = (1..=3).fold(first, |baseline, day| baseline.updated(&run(day, 1.03), &Thresholds::default()));
        assert_eq!(anchor(&later), at_first);
        assert_ne!(later.cases[CASE].speedup, at_first.speedup);
    }

    #[test]
    fn an_older_file_and_another_shape_get_one_and_a_figure_that_it_lacks_is_added() {
        let mut baseline = Scenario::new().baseline.unwrap();
        let first = anchor(&baseline);
        let case = baseline.cases.get_mut(CASE).unwrap();
        case.anchor = None;
        assert_eq!(anchor(&baseline.updated(&run(1, 1.0), &Thresholds::default())).jobs, 2, "all that there is");
        let case = baseline.cases.get_mut(CASE).unwrap();
        case.anchor = Some(Anchor { framework_peak_bytes: None, ..first.clone() });
        assert_eq!(anchor(&baseline.updated(&run(1, 1.03), &Thresholds::default())), first);
        baseline.cases.get_mut(CASE).unwrap().shape.as_mut().unwrap().latent = [1, 2, 2];
        let other = anchor(&baseline.updated(&run(1, 1.03), &Thresholds::default()));
        assert_eq!((other.reason.as_str(), other.date), (FIRST, run(1, 1.0).started));
    }

    #[test]
    fn it_is_moved_by_hand_to_the_present_level_of_the_cases_that_are_meant() {
        let before = Scenario::new().baseline.unwrap().updated(&run(1, 1.02), &Thresholds::default());
        let moved = before.anchored(|name| name == CASE, "a correct mask", &Thresholds::default());
        let (old, new) = (anchor(&before), anchor(&moved));
        assert_eq!((new.reason.as_str(), new.jobs, new.date), ("a correct mask", 2, run(1, 1.0).started));
        assert!((old.speedup.unwrap() / new.speedup.unwrap() - 1.02f64.sqrt()).abs() < 1e-9);
        let mut others = moved.clone();
        others.cases.insert(CASE.to_owned(), before.cases[CASE].clone());
        assert_eq!(others, before);
    }

    /// A file with these would be refused after it was written.
    #[test]
    fn an_anchor_of_jobs_at_the_limits_is_valid() {
        let mut baseline = Scenario::new().baseline.unwrap();
        for (log_speedup, seconds) in [(34.53877639, 5.0 * 86_400.0), (-34.53877639, 1e-9)] {
            let job = &mut baseline.cases.get_mut(CASE).unwrap().jobs[0];
            (job.mean_log_speedup, job.launch_step_seconds) = (Some(log_speedup), vec![seconds; 3]);
            assert_eq!(valid::baseline(&baseline), Ok(()));
            let moved = baseline.anchored(|name| name == CASE, "a correct mask", &Thresholds::default());
            assert_eq!(valid::baseline(&moved), Ok(()));
        }
    }

    #[test]
    fn an_acceptance_moves_it_in_what_it_covers() {
        let before = Scenario::new().baseline.unwrap();
        let mut now = run(1, 1.25);
        for case in now.cases.iter_mut().filter(|case| case.case.name == CASE) {
            for launch in &mut case.launches {
                let crate::store::record::Outcome::Measured(measured) = &mut launch.outcome else { continue };
                measured.process_peak_bytes = measured.process_peak_bytes.map(|bytes| 2 * bytes);
            }
        }
        let old = anchor(&before);
        for (covers, speed, memory) in [
            (vec![Accepted::Speed], true, false),
            (vec![Accepted::Memory], false, true),
            (vec![Accepted::Speed, Accepted::Memory], true, true),
            (vec![Accepted::Output], false, false),
        ] {
            let acceptance = Acceptance {
                reason: "a correct mask".to_owned(),
                date: now.started,
                commit: None,
                change: None,
                times: Default::default(),
                covers: covers.into_iter().collect(),
            };
            let new = anchor(&before.accepting(&now, CASE, acceptance, &Thresholds::default()));
            assert_eq!((new.speedup != old.speedup, new.step_seconds != old.step_seconds), (speed, speed));
            assert_eq!(new.process_peak_bytes != old.process_peak_bytes, memory);
            assert_eq!(new.reason == "a correct mask", speed);
        }
    }
}
