//! What is asked about the times of a run, and the answers.
//!
//! With a base revision beside it, a case is judged by its own step time: the machine's drift cancels there. Against the
//! committed baseline the speedup over the reference is the question, since drift cancels in it too, and then, with a wider
//! tolerance, the case's own step time, which a speedup hides where both sides moved alike or there is no reference. Both
//! are asked again against the anchor, once the baseline has moved on from it.

use std::collections::{BTreeMap, BTreeSet};

use super::between::Between;
use super::level::{Level, log_speedups, log_steps};
use super::outcome::{Against, Figure};
use super::speed::{Answer, Decision, NoChange, Question, Recorded, answer};
use crate::config::{Look, Thresholds};
use crate::evidence::{CaseEvidence, Evidence};
use crate::store::baseline::{Baseline, BaselineCase};
use crate::store::record::{CaseRecord, RunRecord};

/// The answers to all questions about times, by the case's name.
pub(super) struct Answers {
    /// Its own step time beside the base revision's.
    pub beside_base: BTreeMap<String, Answer>,
    /// Its time in proportion to the reference's, and its own step time, against what is committed.
    committed: Vec<Compared>,
}

/// A question against what is committed.
struct Asked {
    case: String,
    figure: Figure,
    against: Against,
    values: Vec<f64>,
    recorded: Recorded,
    tolerance_percent: f64,
}

/// Such a question, answered.
pub(super) struct Compared {
    asked: Asked,
    /// The answer.
    pub answer: Answer,
}

impl Compared {
    /// What the figure is held against, as a logarithm; positive is slower.
    pub fn recorded(&self) -> Recorded {
        self.asked.recorded
    }

    /// The tolerance.
    pub fn tolerance_percent(&self) -> f64 {
        self.asked.tolerance_percent
    }
}

impl Answers {
    /// The answers of a run that plans so many `launches`, after the last of them that was made.
    pub fn of(
        record: &RunRecord,
        evidence: &Evidence,
        baseline: Option<&Baseline>,
        thresholds: &Thresholds,
        launches: usize,
    ) -> Self {
        Self::at(record, evidence, baseline, thresholds, launches, false)
    }

    /// The same of a run that is on its way, where `is_early`. What is committed is asked about once, at the end: before
    /// it, only what is clearly unchanged has an answer.
    fn at(
        record: &RunRecord,
        evidence: &Evidence,
        baseline: Option<&Baseline>,
        thresholds: &Thresholds,
        launches: usize,
        is_early: bool,
    ) -> Self {
        let (names, questions) = beside_base(record, evidence, thresholds).into_iter().unzip::<_, _, Vec<_>, Vec<_>>();
        let answers = answer(&questions, &thresholds.looks(launches, record.blocks()));
        let end = Look { launches: record.blocks(), alpha: thresholds.alpha(), is_early };
        let committed =
            baseline.map_or_else(Vec::new, |baseline| Committed { evidence, baseline, thresholds }.questions(record));
        Self { beside_base: names.into_iter().zip(answers).collect(), committed: compared(committed, end) }
    }

    /// The answer about `figure` of `case` against what is committed, if it was asked.
    pub fn compared(&self, case: &str, figure: Figure, against: Against) -> Option<&Compared> {
        self.about(case).find(|it| (it.asked.figure, it.asked.against) == (figure, against))
    }

    /// Whether this change made the case slower or faster, as is decided beside the base revision.
    pub fn has_moved(&self, case: &str, decision: Decision) -> bool {
        self.beside_base.get(case).is_some_and(|answer| answer.decision == decision)
    }

    /// Whether the speedup is decided to have changed: then the reference's own time does not hide what the case's did.
    pub fn is_told_by_speedup(&self, case: &str, against: Against) -> bool {
        let compared = self.compared(case, Figure::Speedup, against);
        compared.is_some_and(|it| matches!(it.answer.decision, Decision::Slower | Decision::Faster))
    }

    /// Whether further launches are needed for `case`, at a look of the run on its way.
    fn is_open(&self, record: &RunRecord, case: &CaseRecord) -> bool {
        let name = &case.case.name;
        if !self.beside_base.is_empty() {
            let answer = self.beside_base.get(name);
            return answer.map_or_else(|| is_asked(record, case), |answer| answer.decision == Decision::Open);
        }
        match self.about(name).next() {
            Some(_) => self.about(name).any(|it| it.answer.decision != Decision::Unchanged),
            None => is_asked(record, case),
        }
    }

    fn about(&self, case: &str) -> impl Iterator<Item = &Compared> {
        self.committed.iter().filter(move |it| it.asked.case == case)
    }
}

/// The workloads of a run on its way that need no further launches: it stands at a look, and every question about them is
/// decided. A workload about which nothing is asked yet goes on to the last launch, for a baseline.
pub fn settled(record: &RunRecord, baseline: Option<&Baseline>, thresholds: &Thresholds) -> BTreeSet<String> {
    if !thresholds.is_look(record.launches, record.blocks()) {
        return BTreeSet::new();
    }
    let answers = Answers::at(record, &Evidence::of(record), baseline, thresholds, record.launches, true);
    let is_open = |case: &&CaseRecord| answers.is_open(record, case);
    let open: BTreeSet<&str> =
        record.cases.iter().filter(is_open).map(|case| case.case.workload.name.as_str()).collect();
    let all = record.cases.iter().map(|case| case.case.workload.name.as_str());
    all.filter(|workload| !open.contains(workload)).map(str::to_owned).collect()
}

/// Whether `case`, of which nothing is asked yet, is to go on. What failed or was skipped asks nothing more; neither does
/// a reference to which other cases are compared, for they ask, nor a case whose reference was skipped.
fn is_asked(record: &RunRecord, case: &CaseRecord) -> bool {
    let name = &case.case.name;
    let has_others = |reference: &String| {
        record
            .cases
            .iter()
            .any(|other| other.case.name != *reference && other.case.reference.as_ref() == Some(reference))
    };
    let is_skipped = |name: &String| record.case(name).is_some_and(|reference| reference.skipped.is_some());
    let is_left_to_others = match &case.case.reference {
        Some(reference) if reference == name => has_others(reference),
        Some(reference) => is_skipped(reference),
        None => false,
    };
    case.failure().is_none() && case.skipped.is_none() && !is_left_to_others
}

/// Each case's own step time against the base revision's, by the case's name.
fn beside_base(record: &RunRecord, evidence: &Evidence, thresholds: &Thresholds) -> Vec<(String, Question)> {
    let asked = measured(record, evidence).filter(|(_, evidence)| !evidence.against_base.is_empty());
    let question = |evidence: &CaseEvidence| Question::beside_base(evidence.against_base.clone(), thresholds);
    asked.map(|(case, evidence)| (case.case.name.clone(), question(evidence))).collect()
}

/// The cases of which there are figures.
fn measured<'a>(
    record: &'a RunRecord,
    evidence: &'a Evidence,
) -> impl Iterator<Item = (&'a CaseRecord, &'a CaseEvidence)> {
    let cases = record.cases.iter().filter_map(|case| Some((case, evidence.case(&case.case.name)?)));
    cases.filter(|(_, evidence)| evidence.figures.is_some())
}

/// What is committed, and the run that is held against it.
struct Committed<'a> {
    evidence: &'a Evidence,
    baseline: &'a Baseline,
    thresholds: &'a Thresholds,
}

impl Committed<'_> {
    /// All of its questions, which share one error probability.
    fn questions(&self, record: &RunRecord) -> Vec<Asked> {
        let cases = || self.baseline.cases.values();
        let between = |logs: fn(&BaselineCase) -> Vec<f64>| {
            Between::of(cases().map(logs).collect::<Vec<_>>().iter().map(Vec::as_slice))
        };
        let (speedups, steps) = (between(log_speedups), between(log_steps));
        let of_case = |(case, evidence): (&CaseRecord, &CaseEvidence)| {
            let Some(stored) = self.baseline.case(&case.case) else { return Vec::new() };
            let name = &case.case.name;
            let speedup = self.about(name, Figure::Speedup, &evidence.against_reference, stored, speedups);
            // No machine here measured an imported step time.
            let is_measured = self.baseline.imported.is_none();
            let step = is_measured.then(|| self.about(name, Figure::StepTime, &evidence.log_steps, stored, steps));
            speedup.into_iter().chain(step.into_iter().flatten()).collect()
        };
        measured(record, self.evidence).flat_map(of_case).collect()
    }

    /// The questions about one figure of a case, by its `values`.
    fn about(&self, case: &str, figure: Figure, values: &[f64], stored: &BaselineCase, between: Between) -> Vec<Asked> {
        let gate = self.thresholds;
        let anchor = stored.anchor.as_ref();
        let (logs, latest, anchored, tolerance) = match figure {
            Figure::Speedup => {
                let log = |speedup: f64| -speedup.ln();
                let anchored = anchor.and_then(|anchor| anchor.speedup);
                (log_speedups(stored), stored.speedup.map(log), anchored.map(log), gate.speedup_tolerance_percent)
            }
            _ => {
                let anchored = anchor.and_then(|anchor| anchor.step_seconds);
                let latest = stored.step_seconds.map(f64::ln);
                (log_steps(stored), latest, anchored.map(f64::ln), gate.step_time_tolerance_percent)
            }
        };
        let level = Level::or_stored(&logs, latest, gate.level_shift());
        let anchored = anchored.zip(anchor.map(|anchor| anchor.jobs));
        // Where nothing was recorded since, both are one question.
        let anchored = anchored.filter(|(mean, _)| level.is_none_or(|level| (mean - level.0).abs() > SAME));
        let asked = |against, (mean, jobs), tolerance_percent| Asked {
            case: case.to_owned(),
            figure,
            against,
            values: values.to_vec(),
            recorded: Recorded { mean, jobs, between },
            tolerance_percent,
        };
        let baseline = level.map(|level| asked(Against::Baseline, level, tolerance));
        let anchor = anchored.map(|level| asked(Against::Anchor, level, gate.anchor_tolerance_percent));
        baseline.into_iter().chain(anchor).filter(|_| !values.is_empty()).collect()
    }
}

/// Levels whose logarithms are this near are one: a figure was written as a ratio, and read back.
const SAME: f64 = 1e-9;

fn compared(asked: Vec<Asked>, look: Look) -> Vec<Compared> {
    let question = |asked: &Asked| Question {
        values: asked.values.clone(),
        against: NoChange::Recorded(asked.recorded),
        tolerance: 1.0 + asked.tolerance_percent / 100.0,
    };
    let answers = answer(&asked.iter().map(question).collect::<Vec<_>>(), &[look]);
    asked.into_iter().zip(answers).map(|(asked, answer)| Compared { asked, answer }).collect()
}
