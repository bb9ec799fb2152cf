//! Recording: what a run's figures change in the baselines. Pure; the commands show it, ask and write.

use super::doubts::Doubts;
use crate::config::Thresholds;
use crate::evidence::figures::Figures;
use crate::evidence::{CaseEvidence, Evidence};
use crate::stats::{mean, standard_deviation};
use crate::store::baseline::{Acceptance, Baseline, BaselineCase, KEPT_RUNS, ModelMemory, RecordedRun, Shape};
use crate::store::record::{CaseRecord, RunRecord};

impl ModelMemory {
    /// These bytes with those of all cases that `record` measured.
    pub fn updated(&self, record: &RunRecord) -> Self {
        record.cases.iter().fold(self.clone(), |updated, case| updated.with(case))
    }

    /// These bytes with those that were measured of `case`.
    pub fn with(mut self, case: &CaseRecord) -> Self {
        if let Some((_, launch)) = case.measured().next() {
            self.models.insert(case.case.memory_key(), launch.model_bytes);
        }
        self
    }
}

impl Baseline {
    /// This baseline, in which the jobs of `record` remember that they were recorded in spite of `doubts`.
    pub fn forced(mut self, record: &RunRecord, doubts: &Doubts) -> Self {
        let reason: Vec<&str> = doubts.all().map(String::as_str).collect();
        let jobs = self.cases.values_mut().flat_map(|case| &mut case.jobs);
        for job in jobs.filter(|job| job.date == record.started && !reason.is_empty()) {
            job.forced = Some(reason.join("; "));
        }
        self
    }

    /// This baseline with what `record` measured; cases that it did not measure stay, with their acceptance.
    ///
    /// Measured figures end an import: the imported cases they do not replace are dropped.
    pub fn updated(&self, record: &RunRecord, thresholds: &Thresholds) -> Self {
        let mut updated = match &self.imported {
            Some(_) => Self::empty(record.machine.clone(), record.device),
            None => Self { machine: record.machine.clone(), ..self.clone() },
        };
        let evidence = Evidence::of(record);
        for case in &record.cases {
            let name = &case.case.name;
            let Some((evidence, figures)) = whole(&evidence, name) else { continue };
            let old = updated.cases.remove(name);
            updated.cases.insert(name.clone(), recorded(record, case, evidence, figures, old, thresholds));
        }
        updated
    }

    /// This baseline with what `record` measured of the case `name`, accepted; the other cases stay.
    ///
    /// The case's history begins anew: the jobs before the regression tell nothing about its new level. A case that
    /// `record` did not measure stays as it is.
    pub fn accepting(&self, record: &RunRecord, name: &str, acceptance: Acceptance, thresholds: &Thresholds) -> Self {
        let mut updated = Self { machine: record.machine.clone(), ..self.clone() };
        let evidence = Evidence::of(record);
        if let (Some(case), Some((evidence, figures))) = (record.case(name), whole(&evidence, name)) {
            let old = updated.cases.remove(name).map(|old| BaselineCase { jobs: Vec::new(), ..old });
            let recorded = recorded(record, case, evidence, figures, old, thresholds);
            let stored = BaselineCase { accepted: Some(acceptance), ..recorded };
            updated.cases.insert(name.to_owned(), stored);
        }
        updated
    }
}

/// The evidence on a case that was measured.
fn whole<'a>(evidence: &'a Evidence, name: &str) -> Option<(&'a CaseEvidence, &'a Figures)> {
    let evidence = evidence.case(name)?;
    Some((evidence, evidence.figures.as_ref()?))
}

/// What to remember of `case` after `old`; not accepted.
fn recorded(
    record: &RunRecord,
    case: &CaseRecord,
    evidence: &CaseEvidence,
    figures: &Figures,
    old: Option<BaselineCase>,
    thresholds: &Thresholds,
) -> BaselineCase {
    let old = old.filter(|old| old.is_of(&case.case));
    // Measured without its reference, a case keeps the speedup it had.
    let kept = old.as_ref().filter(|_| case.case.reference.is_none());
    let shape = kept.and_then(|old| old.shape.clone()).unwrap_or_else(|| Shape::of(&case.case));
    let kept_speedup = kept.and_then(|old| old.speedup);
    BaselineCase {
        frames: case.case.workload.frames,
        steps: case.case.workload.steps,
        shape: Some(shape),
        speedup: figures.speedup.map(|speedup| speedup.point).or(kept_speedup),
        step_seconds: Some(figures.step_seconds.0),
        framework_peak_bytes: figures.framework_peak_bytes.map(|peak| peak.0),
        process_peak_bytes: figures.process_peak_bytes.map(|peak| peak.0),
        jobs: continued(old.map_or_else(Vec::new, |old| old.jobs), job(record, case, evidence), thresholds),
        accepted: None,
    }
}

/// `jobs` and `newest`, as far as they are of one level and [`KEPT_RUNS`] allows.
///
/// The stored jobs tell how much jobs differ by chance. Jobs of two levels would pass the step between these for chance:
/// prediction limits as wide as the step, in which the next regression hides.
fn continued(mut jobs: Vec<RecordedRun>, newest: RecordedRun, thresholds: &Thresholds) -> Vec<RecordedRun> {
    // Recording one run twice is recording it once.
    jobs.retain(|job| job.date != newest.date);
    let levels: Vec<f64> = jobs.iter().filter_map(|job| job.mean_log_speedup).collect();
    // Without a job to compare with, the mean is no number, and nothing is beyond it.
    let shift = (thresholds.level_shift_percent / 100.0).ln_1p();
    if newest.mean_log_speedup.is_some_and(|level| (level - mean(&levels)).abs() > shift) {
        jobs.clear();
    }
    jobs.push(newest);
    jobs.drain(..jobs.len().saturating_sub(KEPT_RUNS));
    jobs
}

fn job(record: &RunRecord, case: &CaseRecord, evidence: &CaseEvidence) -> RecordedRun {
    RecordedRun {
        date: record.started,
        commit: record.tool.commit.clone(),
        versions: case.measured().next().map(|(_, launch)| launch.versions.clone()).unwrap_or_default(),
        launches: case.measured().count(),
        mean_log_speedup: evidence.mean_log_speedup(),
        deviation_log_speedup: standard_deviation(&evidence.against_reference),
        forced: None,
        launch_step_seconds: case.measured().map(|(_, launch)| launch.median_step_seconds()).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::baseline::Accepted;
    use crate::testing::Scenario;

    const CASE: &str = "mlx/41f/int8";

    fn job_count(baseline: &Baseline, name: &str) -> usize {
        baseline.cases[name].jobs.len()
    }

    /// A run `days` after the baseline's, in which [`CASE`] takes `factor` times as long.
    fn run(days: i64, factor: f64) -> RunRecord {
        let mut scenario = Scenario::new();
        scenario.slow_down(CASE, factor);
        let started = scenario.record.started + jiff::SignedDuration::from_hours(24 * days);
        RunRecord { started, ..scenario.record }
    }

    fn acceptance() -> Acceptance {
        Acceptance {
            reason: "a correct mask".to_owned(),
            date: "2026-03-01T00:00:00Z".parse().unwrap(),
            commit: None,
            change: Some(0.25),
            times: Default::default(),
            covers: Accepted::before_outputs(),
        }
    }

    #[test]
    fn accepting_changes_one_case_and_the_next_update_ends_it() {
        let before = Scenario::new().baseline.unwrap().updated(&run(1, 1.0), &Thresholds::default());
        assert_eq!(job_count(&before, CASE), 2);
        let accepted = before.accepting(&run(2, 1.25), CASE, acceptance(), &Thresholds::default());
        let case = &accepted.cases[CASE];
        assert_eq!((case.jobs.len(), &case.accepted), (1, &Some(acceptance())));
        let speedup = |baseline: &Baseline| baseline.cases[CASE].speedup.unwrap();
        assert!((speedup(&before) / speedup(&accepted) - 1.25).abs() < 1e-9);
        let others = |baseline: &Baseline| {
            let mut cases = baseline.cases.clone();
            cases.remove(CASE);
            cases
        };
        assert_eq!(others(&accepted), others(&before));

        let updated = accepted.updated(&run(3, 1.25), &Thresholds::default());
        assert_eq!((job_count(&updated, CASE), &updated.cases[CASE].accepted), (2, &None));
        let mut without = run(3, 1.25);
        without.cases.retain(|case| case.case.name != CASE);
        assert_eq!(accepted.updated(&without, &Thresholds::default()).cases[CASE], accepted.cases[CASE]);
    }

    #[test]
    fn a_skipped_case_keeps_what_was_recorded_of_it() {
        let before = Scenario::new().baseline.unwrap();
        let mut now = Scenario::new();
        now.skip(CASE, 71);
        let record = RunRecord { started: run(1, 1.0).started, ..now.record };
        let updated = before.updated(&record, &Thresholds::default());
        assert_eq!(updated.cases[CASE], before.cases[CASE]);
        assert_eq!(job_count(&updated, "mlx/41f/nf4"), 2);
        assert_eq!(
            before.accepting(&record, CASE, acceptance(), &Thresholds::default()).cases[CASE],
            before.cases[CASE]
        );
        let memory = ModelMemory::default().updated(&run(1, 1.0));
        assert_eq!(memory.updated(&record), memory);
    }

    #[test]
    fn a_level_shift_begins_the_history_anew() {
        let before = Scenario::new().baseline.unwrap().updated(&run(1, 1.0), &Thresholds::default());
        for (factor, jobs) in [(1.04, 3), (1.06, 1), (0.96, 3), (0.94, 1)] {
            let updated = before.updated(&run(2, factor), &Thresholds::default());
            assert_eq!(job_count(&updated, CASE), jobs, "{factor}");
            assert_eq!(job_count(&updated, "mlx/41f/nf4"), 3, "{factor}");
            // The reference has no speedup whose level could shift.
            assert_eq!(job_count(&updated, "torch/41f/none"), 3, "{factor}");
        }
    }

    #[test]
    fn a_baseline_without_acceptance_does_not_name_it() {
        let text = serde_json::to_string(&Scenario::new().baseline.unwrap()).unwrap();
        assert!(!text.contains("accepted"), "{text}");
        assert_eq!(serde_json::from_str::<Baseline>(&text).unwrap(), Scenario::new().baseline.unwrap());
    }
}
