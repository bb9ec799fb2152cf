//! Has a case become slower? Every such question of a run together, look by look.

use super::interim::Interim;
pub use super::interim::MOST_LAUNCHES;
pub(crate) use super::interim::POWER;
pub use super::question::{Answer, Decision, Kind, NoChange, QUESTIONS_PER_CASE, Question, Recorded};
use crate::config::{Look, Thresholds};
use crate::stats::holm;

/// Answers all questions of a run, whose looks these are; each is settled at the first look that decides it. `planned` is the
/// last look that the run may have.
///
/// At every look Holm's procedure holds the probability of any false alarm over all questions to the look's alpha; over
/// all looks it is at most their sum. A question that is shown to be slower takes no further part in the correction: Holm's
/// bound holds as long as nothing was rejected wrongly, which is what it bounds.
pub fn answer(questions: &[Question], looks: &[Look], planned: Look) -> Vec<Answer> {
    let mut answers: Vec<Option<Answer>> = vec![None; questions.len()];
    for (number, look) in looks.iter().enumerate() {
        let interims: Vec<Interim> = questions.iter().map(|question| Interim::of(question, look.launches)).collect();
        // That few launches were slow so far says little of those to come, and what a part of a job is beyond the tolerance is decided
        // at the end: these are asked again as long as the case goes on.
        let is_settled = |(answer, question): (&Option<Answer>, &Question)| {
            let decision = answer.map(|answer| answer.decision);
            decision.filter(|decision| match decision {
                Decision::Unconfirmed => false,
                Decision::Unchanged => question.kind == Kind::Times,
                _ => true,
            })
        };
        let before: Vec<Option<Decision>> = answers.iter().zip(questions).map(is_settled).collect();
        let rejected = |p: fn(&Interim) -> f64, already: Decision| {
            let p_values = interims.iter().zip(&before).map(|(interim, before)| match before {
                None => p(interim),
                Some(before) if *before == already => 0.0,
                Some(_) => 1.0,
            });
            holm(&p_values.collect::<Vec<_>>(), look.alpha)
        };
        let slower = rejected(|interim| interim.p_slower, Decision::Slower);
        let faster = rejected(|interim| interim.p_faster, Decision::Faster);
        let is_last = number + 1 == looks.len();
        for index in 0..questions.len() {
            if before[index].is_some() {
                continue;
            }
            let decision = interims[index].decide(slower[index], faster[index], look);
            answers[index] = None;
            if decision != Decision::Open || is_last {
                let end = Look { alpha: planned.alpha / questions.len() as f64, ..planned };
                answers[index] = Some(interims[index].answer(decision, &end));
            }
        }
    }
    answers.into_iter().zip(questions).map(|(answer, question)| answer.unwrap_or_else(|| unasked(question))).collect()
}

/// The smallest slowdown of a step that a check of so many cases and launches finds beside a base revision with a probability of
/// 80%, as a log-ratio, where the log-ratios of its blocks have this standard deviation, by the tolerance of `[gate]` itself; `None` below two launches.
pub fn detectable(deviation: f64, launches: usize, cases: usize, gate: &Thresholds) -> Option<f64> {
    if launches < 2 {
        return None;
    }
    let look = gate.last_look(launches);
    let end = Look { alpha: look.alpha / (QUESTIONS_PER_CASE * cases.max(1)) as f64, ..look };
    Interim::expected(deviation, launches, gate.base_tolerance_percent).detectable(&end)
}

/// Without any look there is no evidence.
fn unasked(question: &Question) -> Answer {
    let look = Look { launches: 0, alpha: 1.0, pass_error: 1.0, is_early: false };
    Interim::of(question, 0).answer(Decision::Open, &look)
}
