//! Wanbench's own rule, `wanbench check --base`, on launches that are already there.

use wanbench::config::Thresholds;
use wanbench::evidence::figures::log_ratio;
use wanbench::gate::speed::{Question, answer};

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
    let questions: Vec<Question> = cases.iter().map(|case| Question::beside_base(log_ratios(case), gate)).collect();
    let planned = planned_launches(gate);
    let answers = answer(&questions, &gate.looks(planned, planned));
    answers.into_iter().map(|answer| CaseResult { decision: answer.decision, launches: answer.launches }).collect()
}

/// The launches of a run that goes on to the gate's last look.
pub fn planned_launches(gate: &Thresholds) -> usize {
    gate.looks.last().copied().unwrap_or(0)
}

/// ln(head / base) by block.
pub fn log_ratios(case: &Case) -> Vec<f64> {
    case.base.iter().zip(&case.head).map(|(base, head)| log_ratio(head, base)).collect()
}
