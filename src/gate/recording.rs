//! Recording: what a run's figures change in the baselines. Pure; the commands show it, ask and write.

use super::anchor;
use super::doubts::Doubts;
use super::level::{Level, log_speedups, log_steps};
use crate::config::Thresholds;
use crate::evidence::figures::Figures;
use crate::evidence::quantity::Change;
use crate::evidence::{CaseEvidence, Evidence};
use crate::stats::standard_deviation;
use crate::store::baseline::{Acceptance, Baseline, BaselineCase, KEPT_RUNS, ModelMemory, RecordedRun, Shape};
use crate::store::record::{CaseRecord, RunRecord};
use crate::text::format::{self, some_names};

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
            updated.cases.insert(name.to_owned(), anchor::accepted(recorded, acceptance, thresholds));
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
    let (jobs, anchor) = old.map_or_else(Default::default, |old| (old.jobs, old.anchor));
    let recorded = BaselineCase {
        frames: case.case.workload.frames,
        steps: case.case.workload.steps,
        shape: Some(shape),
        model: None,
        speedup: figures.speedup.map(|speedup| speedup.point).or(kept_speedup),
        step_seconds: Some(figures.step_seconds.0),
        framework_peak_bytes: figures.framework_peak_bytes.map(|peak| peak.0),
        process_peak_bytes: figures.process_peak_bytes.map(|peak| peak.0),
        jobs: continued(jobs, job(record, case, evidence)),
        anchor: None,
        accepted: None,
    };
    anchor::kept(recorded, anchor, thresholds)
}

/// `jobs` and `newest`, as far as [`KEPT_RUNS`] allows. Which of them are of one level is told when that is asked for.
fn continued(mut jobs: Vec<RecordedRun>, newest: RecordedRun) -> Vec<RecordedRun> {
    // Recording one run twice is recording it once.
    jobs.retain(|job| job.date != newest.date);
    jobs.push(newest);
    jobs.drain(..jobs.len().saturating_sub(KEPT_RUNS));
    jobs
}

/// What recording makes of each case's history from `old` to `new`, in sentences without their period: a job that is off
/// its level, a new level, and a job that was dropped.
pub fn notices(old: &Baseline, new: &Baseline, thresholds: &Thresholds) -> Vec<String> {
    let mut notices: Vec<(String, Vec<&str>)> = Vec::new();
    for (name, case) in &new.cases {
        let before = old.cases.get(name).filter(|before| before.jobs != case.jobs);
        for notice in before.into_iter().flat_map(|before| of_case(before, case, thresholds)) {
            match notices.iter_mut().find(|(same, _)| *same == notice) {
                Some((_, names)) => names.push(name),
                None => notices.push((notice, vec![name])),
            }
        }
    }
    notices.into_iter().map(|(notice, names)| format!("{}: {notice}", some_names(&names))).collect()
}

fn of_case(before: &BaselineCase, case: &BaselineCase, thresholds: &Thresholds) -> Vec<String> {
    let speedups = off_level("speedup", &log_speedups(case), thresholds);
    let steps = off_level("step time", &log_steps(case), thresholds);
    let dropped = before.jobs.first().filter(|first| !case.jobs.contains(first) && case.jobs.len() == KEPT_RUNS);
    let dropped = dropped
        .map(|job| format!("the oldest of its jobs, of {:.0}, was dropped: the last {KEPT_RUNS} are kept", job.date));
    speedups.into_iter().chain(steps).chain(dropped).collect()
}

/// What the newest of a history's jobs is to its level, where it does not belong to that of the jobs before it.
fn off_level(figure: &str, logs: &[f64], thresholds: &Thresholds) -> Option<String> {
    let shift = thresholds.level_shift();
    let (newest, earlier) = logs.split_last()?;
    let (level, before) = (Level::of(logs, shift)?, Level::of(earlier, shift)?);
    let jobs = |level: &Level| match level.members.len() {
        1 => "job".to_owned(),
        jobs => format!("{jobs} jobs"),
    };
    let off = |mean: f64| format::share(Change::from_log(mean - before.mean).0.abs());
    match (level.members.contains(&earlier.len()), level.members[0] == before.members[0]) {
        (true, true) => None,
        (true, false) => Some(format!(
            "two jobs in a row have a {figure} {} off the level of the {} before them: they begin a new level",
            off(level.mean),
            jobs(&before)
        )),
        (false, _) => Some(format!(
            "the {figure} is {} off the level of the {} before it: it is kept as an outlier, and a second one like it makes a new level",
            off(*newest),
            jobs(&before)
        )),
    }
}

fn job(record: &RunRecord, case: &CaseRecord, evidence: &CaseEvidence) -> RecordedRun {
    RecordedRun {
        date: record.started,
        commit: record.tool.commit.clone(),
        versions: case.measured().next().map(|(_, launch)| launch.versions.clone()).unwrap_or_default(),
        environment: record.tool.environment.clone(),
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

    /// The baseline of the scenario after a run on each day, in which [`CASE`] takes so many times as long.
    fn after(factors: &[f64]) -> Baseline {
        let runs = factors.iter().enumerate().map(|(day, factor)| run(day as i64 + 1, *factor));
        runs.fold(Scenario::new().baseline.unwrap(), |baseline, run| baseline.updated(&run, &Thresholds::default()))
    }

    /// What the last of such runs is told to have done.
    fn told(factors: &[f64]) -> Vec<String> {
        let before = after(&factors[..factors.len() - 1]);
        notices(&before, &after(factors), &Thresholds::default())
    }

    #[test]
    fn neither_an_outlier_nor_a_new_level_drops_a_job() {
        assert_eq!(told(&[1.0, 1.04]), [""; 0]);
        let outlier = "mlx/41f/int8: the speedup is 12.0% off the level of the 2 jobs before it: it is kept as an outlier, and a second one \
                       like it makes a new level";
        let told_outlier = told(&[1.0, 1.12]);
        assert_eq!((told_outlier.len(), told_outlier[0].as_str()), (2, outlier));
        assert!(told_outlier[1].starts_with("mlx/41f/int8: the step time is 12.0% off"), "{told_outlier:?}");
        assert_eq!(told(&[1.0, 1.12, 1.0]), [""; 0]);
        let shift = told(&[1.0, 1.12, 1.12]);
        assert!(
            shift[0].contains("two jobs in a row have a speedup 12.0% off the level of the 2 jobs before them"),
            "{shift:?}"
        );
        assert_eq!(job_count(&after(&[1.0, 1.12, 1.12]), CASE), 4);
    }

    #[test]
    fn the_oldest_job_beyond_those_that_are_kept_is_told() {
        assert_eq!(told(&[1.0; 9]), [""; 0]);
        let told = told(&[1.0; 10]);
        assert_eq!(told.len(), 1, "{told:?}");
        let expected = "the oldest of its jobs, of 2026-02-27T09:00:00Z, was dropped: the last 10 are kept";
        assert!(told[0].ends_with(expected), "{told:?}");
    }

    #[test]
    fn a_baseline_without_acceptance_does_not_name_it() {
        let text = serde_json::to_string(&Scenario::new().baseline.unwrap()).unwrap();
        assert!(!text.contains("accepted"), "{text}");
        assert_eq!(serde_json::from_str::<Baseline>(&text).unwrap(), Scenario::new().baseline.unwrap());
    }
}
