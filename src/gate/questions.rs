//! What is asked about the times of a run, and the answers.
//!
//! With a base revision beside it, a case is judged by its own step time: the machine's drift cancels there. Against the
//! committed baseline the speedup over the reference is the question, since drift cancels in it too, and then, with a wider
//! tolerance, the case's own step time, which a speedup hides where both sides moved alike or there is no reference. Both
//! are asked again against the anchor, once the baseline has moved on from it.

use std::collections::{BTreeMap, BTreeSet};

use super::committed::{Committed, Compared};
use super::outcome::{Against, Figure};
use super::speed::{Answer, Decision, Question, answer};
use super::{limit, memory};
use crate::config::{Case, Look, PASS_ERROR, Thresholds};
use crate::evidence::pair::Pair;
use crate::evidence::quantity::Seconds;
use crate::evidence::{CaseEvidence, Evidence};
use crate::store::baseline::Baseline;
use crate::store::record::{CaseRecord, RunRecord};

/// The answers to all questions about times, by the case's name.
pub(super) struct Answers {
    /// Its own times beside the base revision's, each with the figure that it is about.
    pub beside_base: BTreeMap<String, BTreeMap<Figure, Answer>>,
    /// Its time in proportion to the reference's, and its own step time, against what is committed.
    committed: Vec<Compared>,
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
        let end = Look { launches: record.blocks(), alpha: thresholds.alpha(), pass_error: PASS_ERROR, is_early };
        let committed = baseline
            .map_or_else(Vec::new, |baseline| Committed { evidence, baseline, thresholds }.answers(record, end));
        Self { beside_base: beside_base(record, evidence, thresholds, launches), committed }
    }

    /// The answer about `figure` of `case` against what is committed, if it was asked.
    pub fn compared(&self, case: &str, figure: Figure, against: Against) -> Option<&Compared> {
        self.about(case).find(|it| it.is_about(figure, against))
    }

    /// Whether this change made the case slower or faster, as is decided beside the base revision.
    pub fn has_moved(&self, case: &str, decision: Decision) -> bool {
        let steps = [Figure::StepTime, Figure::MeanStep, Figure::SlowLaunches];
        let is_so = |answers: &BTreeMap<Figure, Answer>| {
            steps.iter().any(|figure| answers.get(figure).is_some_and(|answer| answer.decision == decision))
        };
        self.beside_base.get(case).is_some_and(is_so)
    }

    /// Whether the speedup is decided to have changed: then the reference's own time does not hide what the case's did.
    pub fn is_told_by_speedup(&self, case: &str, against: Against) -> bool {
        let compared = self.compared(case, Figure::Speedup, against);
        compared.is_some_and(|it| matches!(it.answer.decision, Decision::Slower | Decision::Faster))
    }

    /// Whether anything is asked about `case` that decides when it stops: beside a base revision, only what is asked there.
    fn asks_about(&self, case: &str) -> bool {
        self.beside_base.contains_key(case) || self.about(case).next().is_some()
    }

    /// Whether further launches are needed for `case`, which is asked about, at a look of the run on its way. One that fails needs
    /// none, whatever else is open about it, unless its failure `is_accepted`.
    fn is_open(&self, case: &str, is_accepted: bool) -> bool {
        if let Some(answers) = self.beside_base.get(case) {
            let has_failed = answers.values().any(|answer| answer.decision == Decision::Slower);
            return (is_accepted || !has_failed) && answers.values().any(|answer| answer.decision == Decision::Open);
        }
        self.about(case).any(|it| it.answer.decision == Decision::Open)
    }

    fn about(&self, case: &str) -> impl Iterator<Item = &Compared> {
        self.committed.iter().filter(move |it| it.case() == case)
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
    let evidence = Evidence::of(record);
    let answers = Answers::at(record, &evidence, baseline, thresholds, record.launches, true);
    let is_open = |case: &&CaseRecord| {
        let name = &case.case.name;
        let is_accepted = record.base.as_ref().is_some_and(|base| base.accepted.contains(name));
        let stored = baseline.and_then(|baseline| baseline.case(&case.case));
        let own = evidence.case(name).filter(|own| own.figures.is_some());
        let thresholds = thresholds.of_case(name);
        let is_beyond = own.is_some_and(|own| limit::is_open(&case.case, own, &thresholds));
        match answers.asks_about(name) {
            true if is_look => {
                let disagrees = own.is_some_and(|own| memory::is_open(own, stored, &thresholds));
                answers.is_open(name, is_accepted) || disagrees || is_beyond
            }
            true => true,
            false => is_beyond || !is_enough && is_wanted(record, case),
        }
    };
    let open: Vec<&Case> = record.cases.iter().filter(is_open).map(|it| &it.case).collect();
    // Beside a base revision nothing asks about a speedup but its floor.
    let has_floor = |open: &Case| thresholds.of_case(&open.name).speedup_floor.is_some();
    let asks_speedup = |open: &Case| answers.beside_base.is_empty() || has_floor(open);
    let is_needed = |case: &Case| {
        let is_over = |open: &&Case| open.reference.as_ref() == Some(&case.name) && asks_speedup(open);
        open.contains(&case) || open.iter().any(is_over)
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

/// The least time that somebody waits for, in seconds: a load or a switch that takes less on both sides is not asked about.
const LEAST_WAIT_SECONDS: f64 = 1.0;

/// The answers about each case's own times beside the base revision's, by the case's name and the figure, of a run that plans so many
/// `launches`.
fn beside_base(
    record: &RunRecord,
    evidence: &Evidence,
    thresholds: &Thresholds,
    launches: usize,
) -> BTreeMap<String, BTreeMap<Figure, Answer>> {
    let asked = evidence.measured(record).filter(|(_, evidence)| !evidence.beside_base.is_empty());
    let of_case = |(case, evidence): (&CaseRecord, &CaseEvidence)| {
        let name = case.case.name.clone();
        questions(evidence, &thresholds.of_case(&name))
            .into_iter()
            .map(move |(figure, question)| ((name.clone(), figure), question))
    };
    let (about, questions): (Vec<_>, Vec<_>) = asked.flat_map(of_case).unzip();
    let answers = answer(&questions, &thresholds.looks(launches, record.blocks()), thresholds.last_look(launches));
    let mut by_case: BTreeMap<String, BTreeMap<Figure, Answer>> = BTreeMap::new();
    for ((case, figure), answer) in about.into_iter().zip(answers) {
        by_case.entry(case).or_default().insert(figure, answer);
    }
    by_case
}

/// What is asked about one case beside the base revision.
fn questions(evidence: &CaseEvidence, thresholds: &Thresholds) -> Vec<(Figure, Question)> {
    let [step, mean_step, slow_launches] = Question::beside_base(&evidence.beside_base, thresholds);
    let steps = [(Figure::StepTime, step), (Figure::MeanStep, mean_step), (Figure::SlowLaunches, slow_launches)];
    steps.into_iter().chain(waits(evidence, thresholds)).collect()
}

/// The questions about what the user waits for before and between the steps.
fn waits(evidence: &CaseEvidence, thresholds: &Thresholds) -> Vec<(Figure, Question)> {
    let values = |of: fn(&Pair) -> Option<f64>| evidence.beside_base.iter().map(of).collect::<Option<Vec<f64>>>();
    let (base, head) = (evidence.base.as_ref(), evidence.figures.as_ref());
    let longest =
        |one: Option<Seconds>, other: Option<Seconds>| one.zip(other).map(|(one, other)| Seconds(one.0.max(other.0)));
    let switch = longest(base.and_then(|it| it.switch), head.and_then(|it| it.switch_seconds));
    let load = longest(base.map(|it| it.load), head.map(|it| it.load_seconds));
    let waits = [(Figure::Switch, switch, values(|pair| pair.switch)), (Figure::Load, load, values(|pair| pair.load))];
    let question = |(figure, longest, values): (Figure, Option<Seconds>, Option<Vec<f64>>)| {
        longest.filter(|longest| longest.0 >= LEAST_WAIT_SECONDS)?;
        Some((figure, Question::of_times(values?, Vec::new(), thresholds.whole_tolerance_percent)))
    };
    waits.into_iter().filter_map(question).collect()
}
