//! What is asked about the times of a run, and the answers.
//!
//! With a base revision beside it, a case is judged by its own step time: the machine's drift cancels there. Against the
//! committed baseline the speedup over the reference is the question, since drift cancels in it too, and then, with a wider
//! tolerance, the case's own step time, which a speedup hides where both sides moved alike or there is no reference.

use std::collections::{BTreeMap, BTreeSet};

use super::outcome::Figure;
use super::speed::{Answer, Decision, Kind, NoChange, Question, answer};
use crate::config::{Case, Look, PASS_ERROR, Thresholds};
use crate::evidence::pair::Pair;
use crate::evidence::quantity::{Ratio, Seconds};
use crate::evidence::{BaseFigures, CaseEvidence, Evidence};
use crate::stats::{mean, standard_deviation};
use crate::store::baseline::{Baseline, BaselineCase, RecordedRun};
use crate::store::record::{CaseRecord, RunRecord};

/// The answers to all questions about times, by the case's name.
pub(super) struct Answers {
    /// Its own times beside the base revision's, each with the figure that it is about.
    pub beside_base: BTreeMap<String, BTreeMap<Figure, Answer>>,
    /// Its time in proportion to the reference's, against the baseline's.
    pub speedups: BTreeMap<String, Answer>,
    /// Its own step time against the baseline's.
    pub step_times: BTreeMap<String, Answer>,
}

impl Answers {
    /// The answers of a run that plans so many `launches`.
    pub fn of(
        record: &RunRecord,
        evidence: &Evidence,
        baseline: Option<&Baseline>,
        thresholds: &Thresholds,
        launches: usize,
    ) -> Self {
        let beside_base = Questions::beside_base(record, evidence, thresholds);
        let speedups = Questions::speedups(record, evidence, baseline, thresholds);
        let step_times = Questions::step_times(record, evidence, baseline, thresholds);
        let looks = thresholds.looks(launches, record.blocks());
        // Whatever else is asked is one question at the end.
        let all = Look { alpha: thresholds.alpha(), pass_error: PASS_ERROR, ..thresholds.last_look(launches) };
        let end = [Look { launches: record.blocks(), ..all }];
        let last = thresholds.last_look(launches);
        let (speedup_looks, speedup_last) = if beside_base.is_empty() { (&looks[..], last) } else { (&end[..], all) };
        let of_case =
            |answers: Vec<(Asked, Answer)>| answers.into_iter().map(|(asked, answer)| (asked.case, answer)).collect();
        let mut by_figure: BTreeMap<String, BTreeMap<Figure, Answer>> = BTreeMap::new();
        for (Asked { case, figure }, answer) in beside_base.answers(&looks, last) {
            by_figure.entry(case).or_default().insert(figure, answer);
        }
        Self {
            beside_base: by_figure,
            speedups: of_case(speedups.answers(speedup_looks, speedup_last)),
            step_times: of_case(step_times.answers(&end, all)),
        }
    }

    /// Whether this change made the case slower or faster, as is decided beside the base revision.
    pub fn has_moved(&self, case: &str, decision: Decision) -> bool {
        let is_so = |answer: &Answer| answer.decision == decision;
        self.beside_base.get(case).and_then(|answers| answers.get(&Figure::StepTime)).is_some_and(is_so)
    }

    /// Whether the speedup is decided to have changed: then the reference's own time does not hide what the case's did.
    pub fn is_told_by_speedup(&self, case: &str) -> bool {
        let answer = self.speedups.get(case);
        answer.is_some_and(|answer| matches!(answer.decision, Decision::Slower | Decision::Faster))
    }

    /// Whether anything is asked about `case` that decides when it stops: beside a base revision, only what is asked there.
    fn asks_about(&self, case: &str) -> bool {
        match self.beside_base.is_empty() {
            true => self.speedups.contains_key(case) || self.step_times.contains_key(case),
            false => self.beside_base.contains_key(case),
        }
    }

    /// Whether further launches are needed for `case`, which is asked about, at a look of the run on its way. A step time against
    /// the baseline is asked once: before the last launch, only its being unchanged settles it.
    fn is_open(&self, case: &str) -> bool {
        let is_open = |answer: &Answer| answer.decision == Decision::Open;
        if let Some(answers) = self.beside_base.get(case) {
            // A case that fails needs no further launches, whatever else is open about it.
            return answers.values().all(|answer| answer.decision != Decision::Slower) && answers.values().any(is_open);
        }
        let speedup = self.speedups.get(case);
        if speedup.is_some_and(is_open) || self.is_told_by_speedup(case) {
            return speedup.is_some_and(is_open);
        }
        self.step_times.get(case).is_some_and(|answer| answer.decision != Decision::Unchanged)
    }
}

/// The cases of a run on its way that need no further launches: it stands at a look, and every question about them is decided.
/// A reference goes on as long as a case is asked about its speedup over it; a case about which nothing is asked goes on until
/// it has `enough` launches for a baseline.
pub fn settled(
    record: &RunRecord,
    baseline: Option<&Baseline>,
    thresholds: &Thresholds,
    enough: usize,
) -> BTreeSet<String> {
    let (is_look, is_enough) = (thresholds.is_look(record.launches, record.blocks()), record.blocks() >= enough);
    if !is_look && !is_enough {
        return BTreeSet::new();
    }
    let answers = Answers::of(record, &Evidence::of(record), baseline, thresholds, record.launches);
    let is_open = |case: &&CaseRecord| match answers.asks_about(&case.case.name) {
        true => !is_look || answers.is_open(&case.case.name),
        false => !is_enough && is_wanted(record, case),
    };
    let open: Vec<&Case> = record.cases.iter().filter(is_open).map(|it| &it.case).collect();
    let is_needed = |case: &Case| {
        let is_over = |open: &&Case| open.reference.as_ref() == Some(&case.name);
        open.contains(&case) || answers.beside_base.is_empty() && open.iter().any(is_over)
    };
    let settled = record.cases.iter().filter(|case| !is_needed(&case.case));
    settled.map(|case| case.case.name.clone()).collect()
}

/// Whether `case`, about which nothing is asked, is to go on. What failed or was skipped asks nothing more; neither does
/// a reference to which other cases are compared, for they ask, nor a case whose reference was skipped.
fn is_wanted(record: &RunRecord, case: &CaseRecord) -> bool {
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

/// The least time that somebody waits for, in seconds: a load or a switch that the base revision does in less is not asked
/// about.
const LEAST_WAIT_SECONDS: f64 = 1.0;

/// Questions, with what each is about.
#[derive(Default)]
struct Questions {
    asked: Vec<Asked>,
    questions: Vec<Question>,
}

/// What a question is about.
#[derive(Clone)]
struct Asked {
    case: String,
    figure: Figure,
}

impl Questions {
    /// Each case's own times against the base revision's.
    fn beside_base(record: &RunRecord, evidence: &Evidence, thresholds: &Thresholds) -> Self {
        let mut all = Self::default();
        for (case, evidence) in measured(record, evidence).filter(|(_, evidence)| !evidence.beside_base.is_empty()) {
            let [step, mean_step, slow_launches] = Question::beside_base(&evidence.beside_base, thresholds);
            let waits = waits(evidence, thresholds);
            let steps =
                [(Figure::StepTime, step), (Figure::MeanStep, mean_step), (Figure::SlowLaunches, slow_launches)];
            for (figure, question) in steps.into_iter().chain(waits) {
                all.push(case, figure, question);
            }
        }
        all
    }

    /// Each case's time in proportion to its reference's, against the baseline's.
    fn speedups(record: &RunRecord, evidence: &Evidence, baseline: Option<&Baseline>, thresholds: &Thresholds) -> Self {
        Self::of(record, evidence, Figure::Speedup, |case, evidence| {
            let stored = baseline?.case(&case.case)?;
            let values = evidence.against_reference.clone();
            (!values.is_empty()).then_some(Question {
                values,
                launches: Vec::new(),
                kind: Kind::Times,
                against: against_speedup(stored, thresholds)?,
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
        Self::of(record, evidence, Figure::StepTime, |case, evidence| {
            let stored = baseline?.case(&case.case)?;
            let job = |job: &RecordedRun| {
                let logs: Vec<f64> = job.launch_step_seconds.iter().map(|seconds| seconds.ln()).collect();
                let deviation = standard_deviation(&logs);
                (!logs.is_empty()).then(|| (mean(&logs), deviation.map(|deviation| (deviation, logs.len()))))
            };
            Some(Question {
                values: evidence.log_steps.clone(),
                launches: Vec::new(),
                kind: Kind::Times,
                against: against(stored, Some(stored.step_seconds?.ln()), job, thresholds)?,
                tolerance: 1.0 + thresholds.step_time_tolerance_percent / 100.0,
            })
        })
    }

    fn of(
        record: &RunRecord,
        evidence: &Evidence,
        figure: Figure,
        question: impl Fn(&CaseRecord, &CaseEvidence) -> Option<Question>,
    ) -> Self {
        let mut all = Self::default();
        for (case, evidence) in measured(record, evidence) {
            question(case, evidence).into_iter().for_each(|question| all.push(case, figure, question));
        }
        all
    }

    fn push(&mut self, case: &CaseRecord, figure: Figure, question: Question) {
        self.asked.push(Asked { case: case.case.name.clone(), figure });
        self.questions.push(question);
    }

    fn is_empty(&self) -> bool {
        self.questions.is_empty()
    }

    fn answers(&self, looks: &[Look], last: Look) -> Vec<(Asked, Answer)> {
        self.asked.iter().cloned().zip(answer(&self.questions, looks, last)).collect()
    }
}

/// The cases that were measured, with their evidence.
fn measured<'a>(
    record: &'a RunRecord,
    evidence: &'a Evidence,
) -> impl Iterator<Item = (&'a CaseRecord, &'a CaseEvidence)> {
    let of_case = |case: &'a CaseRecord| Some((case, evidence.case(&case.case.name)?));
    record.cases.iter().filter_map(of_case).filter(|(_, evidence)| evidence.figures.is_some())
}

/// The questions about what the user waits for before and between the steps.
fn waits(evidence: &CaseEvidence, thresholds: &Thresholds) -> Vec<(Figure, Question)> {
    let values = |of: fn(&Pair) -> Option<f64>| evidence.beside_base.iter().map(of).collect::<Option<Vec<f64>>>();
    let base = |of: fn(&BaseFigures) -> Option<Seconds>| evidence.base.as_ref().and_then(of);
    let waits = [
        (Figure::Switch, base(|base| base.switch), values(|pair| pair.switch)),
        (Figure::Load, base(|base| Some(base.load)), values(|pair| pair.load)),
    ];
    let question = |(figure, before, values): (Figure, Option<Seconds>, Option<Vec<f64>>)| {
        before.filter(|before| before.0 >= LEAST_WAIT_SECONDS)?;
        Some((figure, Question::of_times(values?, Vec::new(), thresholds.whole_tolerance_percent)))
    };
    waits.into_iter().filter_map(question).collect()
}

/// What the baseline holds a speedup against, as ln(case / reference).
fn against_speedup(stored: &BaselineCase, thresholds: &Thresholds) -> Option<NoChange> {
    let job = |job: &RecordedRun| {
        let deviation = job.deviation_log_speedup.map(|deviation| (deviation, job.launches));
        Some((-job.mean_log_speedup?, deviation))
    };
    against(stored, Some(-stored.speedup?.ln()), job, thresholds)
}

/// The speedup that the baseline holds: the mean of its jobs where they are enough, else the latest.
pub(super) fn stored_speedup(stored: &BaselineCase, thresholds: &Thresholds) -> Option<Ratio> {
    against_speedup(stored, thresholds).map(|against| Ratio((-against.level()).exp()))
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
