//! What is asked about the times of a run, and the answers.
//!
//! With a base revision beside it, a case is judged by its own step time: the machine's drift cancels there. Against the
//! committed baseline the speedup over the reference is the question, since drift cancels in it too, and then, with a wider
//! tolerance, the case's own step time, which a speedup hides where both sides moved alike or there is no reference.

use std::collections::{BTreeMap, BTreeSet};

use super::plan::Judge;
use super::speed::{Answer, Decision, NoChange, Question, answer};
use crate::config::{Look, Thresholds};
use crate::evidence::{CaseEvidence, Evidence};
use crate::stats::{mean, standard_deviation};
use crate::store::baseline::{Baseline, BaselineCase, RecordedRun};
use crate::store::record::{CaseRecord, RunRecord};

/// The answers to all questions about times, by the case's name.
pub(super) struct Answers {
    /// Its own step time beside the base revision's.
    pub beside_base: BTreeMap<String, Answer>,
    /// Its time in proportion to the reference's, against the baseline's.
    pub speedups: BTreeMap<String, Answer>,
    /// Its own step time against the baseline's.
    pub step_times: BTreeMap<String, Answer>,
}

impl Answers {
    pub fn of(judge: &Judge, evidence: &Evidence) -> Self {
        let (record, thresholds, baseline) = (judge.record, judge.thresholds, judge.baselines.machine);
        let beside_base = Questions::beside_base(record, evidence, thresholds);
        let speedups = Questions::speedups(record, evidence, baseline, thresholds);
        let step_times = Questions::step_times(record, evidence, baseline, thresholds);
        let looks = thresholds.looks(judge.plan.launches, record.blocks());
        // Whatever else is asked is one question at the end.
        let end = [Look { launches: record.blocks(), alpha: thresholds.alpha(), is_early: false }];
        let speedup_looks = if beside_base.names.is_empty() { &looks[..] } else { &end };
        Self {
            beside_base: beside_base.answers(&looks),
            speedups: speedups.answers(speedup_looks),
            step_times: step_times.answers(&end),
        }
    }

    /// Whether this change moved the case or its reference, as is decided beside the base revision.
    pub fn has_moved(&self, case: &CaseRecord) -> bool {
        let mut sides = [Some(&case.case.name), case.case.reference.as_ref()].into_iter().flatten();
        sides.any(|name| {
            let answer = self.beside_base.get(name);
            answer.is_some_and(|answer| matches!(answer.decision, Decision::Slower | Decision::Faster))
        })
    }
}

/// The workloads of a run on its way that need no further launches: it stands at a look, and every question about them is
/// decided. A workload about which nothing is asked yet goes on to the last launch, for a baseline.
pub fn settled(record: &RunRecord, baseline: Option<&Baseline>, thresholds: &Thresholds) -> BTreeSet<String> {
    let done = record.blocks();
    if !thresholds.is_look(record.launches, done) {
        return BTreeSet::new();
    }
    let evidence = Evidence::of(record);
    let step_times = Questions::beside_base(record, &evidence, thresholds);
    let asked = if step_times.names.is_empty() {
        Questions::speedups(record, &evidence, baseline, thresholds)
    } else {
        step_times
    };
    let answers = asked.answers(&thresholds.looks(record.launches, done));
    let is_open = |case: &&CaseRecord| match answers.get(&case.case.name) {
        Some(answer) => answer.decision == Decision::Open,
        None => is_asked(record, case),
    };
    let open: BTreeSet<&str> =
        record.cases.iter().filter(is_open).map(|case| case.case.workload.name.as_str()).collect();
    let all = record.cases.iter().map(|case| case.case.workload.name.as_str());
    all.filter(|workload| !open.contains(workload)).map(str::to_owned).collect()
}

/// Whether `case`, of which nothing is asked yet, is to go on. What failed or was skipped asks nothing more; neither
/// does a reference without a base beside it, nor a case whose reference was skipped.
fn is_asked(record: &RunRecord, case: &CaseRecord) -> bool {
    let reference = case.case.reference.as_ref().filter(|_| !case.case.is_reference());
    let is_skipped = |name: &String| record.case(name).is_some_and(|reference| reference.skipped.is_some());
    case.failure().is_none() && case.skipped.is_none() && reference.is_some_and(|name| !is_skipped(name))
}

/// Questions, with the names of the cases they are about.
struct Questions {
    names: Vec<String>,
    questions: Vec<Question>,
}

impl Questions {
    /// Each case's own step time against the base revision's.
    fn beside_base(record: &RunRecord, evidence: &Evidence, thresholds: &Thresholds) -> Self {
        Self::of(record, evidence, |_, evidence| {
            let values = evidence.against_base.clone();
            (!values.is_empty()).then(|| Question::beside_base(values, thresholds))
        })
    }

    /// Each case's time in proportion to its reference's, against the baseline's.
    fn speedups(record: &RunRecord, evidence: &Evidence, baseline: Option<&Baseline>, thresholds: &Thresholds) -> Self {
        Self::of(record, evidence, |case, evidence| {
            let stored = stored(baseline, case)?;
            let values = evidence.against_reference.clone();
            let latest = Some(-stored.speedup?.ln());
            let job = |job: &RecordedRun| {
                let deviation = job.deviation_log_speedup.map(|deviation| (deviation, job.launches));
                Some((-job.mean_log_speedup?, deviation))
            };
            (!values.is_empty()).then_some(Question {
                values,
                against: against(stored, latest, job, thresholds)?,
                tolerance: 1.0 + thresholds.speedup_tolerance_percent / 100.0,
            })
        })
    }

    /// Each case's own step time against the baseline's; not of an imported one, which no machine here measured.
    fn step_times(
        record: &RunRecord,
        evidence: &Evidence,
        baseline: Option<&Baseline>,
        thresholds: &Thresholds,
    ) -> Self {
        let baseline = baseline.filter(|baseline| baseline.imported.is_none());
        Self::of(record, evidence, |case, evidence| {
            let stored = stored(baseline, case)?;
            let job = |job: &RecordedRun| {
                let logs: Vec<f64> = job.launch_step_seconds.iter().map(|seconds| seconds.ln()).collect();
                let deviation = standard_deviation(&logs);
                (!logs.is_empty()).then(|| (mean(&logs), deviation.map(|deviation| (deviation, logs.len()))))
            };
            Some(Question {
                values: evidence.log_steps.clone(),
                against: against(stored, Some(stored.step_seconds?.ln()), job, thresholds)?,
                tolerance: 1.0 + thresholds.step_time_tolerance_percent / 100.0,
            })
        })
    }

    fn of(
        record: &RunRecord,
        evidence: &Evidence,
        question: impl Fn(&CaseRecord, &CaseEvidence) -> Option<Question>,
    ) -> Self {
        let asked = record.cases.iter().filter_map(|case| {
            let evidence = evidence.case(&case.case.name).filter(|evidence| evidence.figures.is_some())?;
            Some((case.case.name.clone(), question(case, evidence)?))
        });
        let (names, questions) = asked.unzip();
        Self { names, questions }
    }

    fn answers(&self, looks: &[Look]) -> BTreeMap<String, Answer> {
        self.names.iter().cloned().zip(answer(&self.questions, looks)).collect()
    }
}

/// What the baseline holds a value against: its jobs where they are enough, else its `latest` value. `job` gives a job's
/// mean, and its standard deviation over so many launches.
fn against(
    stored: &BaselineCase,
    latest: Option<f64>,
    job: impl Fn(&RecordedRun) -> Option<(f64, Option<(f64, usize)>)>,
    thresholds: &Thresholds,
) -> Option<NoChange> {
    let jobs: Vec<_> = stored.jobs.iter().filter_map(job).collect();
    if jobs.len() >= thresholds.calibrated_jobs.max(2) {
        return Some(NoChange::Jobs(jobs.iter().map(|(mean, _)| *mean).collect()));
    }
    let variance = jobs.last().and_then(|(_, deviation)| {
        let (deviation, launches) = (*deviation)?;
        let number = launches as f64;
        (launches >= 2).then_some((deviation.powi(2) / number, number - 1.0))
    });
    Some(NoChange::Level { mean: latest?, variance })
}

fn stored<'a>(baseline: Option<&'a Baseline>, case: &CaseRecord) -> Option<&'a BaselineCase> {
    baseline?.cases.get(&case.case.name).filter(|stored| stored.is_of(&case.case))
}
