//! Wanbench's own rule, `wanbench check --base`, on launches that are already there.

use wanbench::config::Thresholds;
use wanbench::evidence::figures::log_ratio;
use wanbench::evidence::pair::Pair;
use wanbench::gate::speed::{Answer, QUESTIONS_PER_CASE, Question, answer};

pub use wanbench::gate::speed::Decision;

/// The launches of one case, block by block: each a list of its timed steps in seconds.
#[derive(Clone, Debug)]
pub struct Case {
    /// Of the base revision.
    pub base: Vec<Vec<f64>>,
    /// Of the head revision.
    pub head: Vec<Vec<f64>>,
}

/// What the rule says of a case.
#[derive(Clone, Copy, Debug)]
pub struct CaseResult {
    /// The decision.
    pub decision: Decision,
    /// The launches of each arm after which it fell.
    pub launches: usize,
}

/// Judges all cases of one run, each of which has [`planned_launches`] blocks.
pub fn engine(cases: &[Case], gate: &Thresholds) -> Vec<CaseResult> {
    let mut pairs: Vec<Vec<Pair>> = cases.iter().map(pairs).collect();
    let results = |pairs: &[Vec<Pair>]| -> Vec<CaseResult> {
        answers(pairs, gate).chunks(QUESTIONS_PER_CASE).map(CaseResult::of).collect()
    };
    // A case that is decided is not launched again: nothing that comes later is asked about it.
    let first = results(&pairs);
    for (pairs, result) in pairs.iter_mut().zip(first) {
        pairs.truncate(result.launches);
    }
    results(&pairs)
}

/// The answers to all questions about cases of these blocks, case by case.
pub fn answers(pairs: &[Vec<Pair>], gate: &Thresholds) -> Vec<Answer> {
    let questions: Vec<Question> = pairs.iter().flat_map(|pairs| Question::beside_base(pairs, gate)).collect();
    let planned = planned_launches(gate);
    answer(&questions, &gate.looks(planned, planned), gate.last_look(planned))
}

/// The blocks of a case, as the gate sees them.
pub fn pairs(case: &Case) -> Vec<Pair> {
    case.head.iter().zip(&case.base).map(|(head, base)| Pair::of_steps(head, base)).collect()
}

impl CaseResult {
    /// A case is slower as soon as one of its questions says so, and stops there; else it stops when all of them are decided.
    fn of(answers: &[Answer]) -> Self {
        let slower = answers.iter().filter(|answer| answer.decision == Decision::Slower);
        if let Some(first) = slower.min_by_key(|answer| answer.launches) {
            return Self { decision: Decision::Slower, launches: first.launches };
        }
        let open = answers.iter().find(|answer| answer.decision == Decision::Open);
        // Whether launches are slow as a whole is asked as long as the case goes on, and does not keep it going.
        let times = &answers[..answers.len() - usize::from(open.is_none())];
        let launches = times.iter().map(|answer| answer.launches).max().unwrap_or(0);
        Self { decision: open.map_or(answers[0].decision, |open| open.decision), launches }
    }
}

/// The launches of a run that goes on to the gate's last look.
pub fn planned_launches(gate: &Thresholds) -> usize {
    gate.looks.last().copied().unwrap_or(0)
}

/// ln(head / base) by block.
pub fn log_ratios(case: &Case) -> Vec<f64> {
    case.base.iter().zip(&case.head).map(|(base, head)| log_ratio(head, base)).collect()
}
