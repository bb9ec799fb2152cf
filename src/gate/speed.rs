//! Has a case become slower? Every such question of a run together, look by look.
//!
//! Values are log-ratios, so that faster and slower are alike; positive is slower.

use serde::Serialize;

use super::between::Between;
use crate::config::{Look, Thresholds};
use crate::stats::{holm, mean, standard_deviation, t_probability, t_quantile};

/// Confidence that an interval reaches, on either side.
pub(crate) const SIDE: f64 = 0.975;
/// Power that a detectable change is found with.
pub(crate) const POWER: f64 = 0.8;
/// More launches than that are no advice.
const MOST_LAUNCHES: usize = 200;

/// One question: the values that the blocks gave, and what they are held against.
#[derive(Clone, Debug, PartialEq)]
pub struct Question {
    /// A log-ratio for each block, in their order; positive is slower.
    pub values: Vec<f64>,
    /// What no change would look like.
    pub against: NoChange,
    /// Change that matters, as a ratio above 1: 1.02 for 2%.
    pub tolerance: f64,
}

impl Question {
    /// Whether a case got slower than the base revision beside it, by its `values` ln(head / base).
    pub fn beside_base(values: Vec<f64>, gate: &Thresholds) -> Self {
        Self { values, against: NoChange::SameBlocks, tolerance: 1.0 + gate.base_tolerance_percent / 100.0 }
    }
}

/// What no change would look like.
#[derive(Clone, Debug, PartialEq)]
pub enum NoChange {
    /// Zero: both sides were in every block.
    SameBlocks,
    /// What was recorded: a new job must be further off than jobs differ by chance.
    Recorded(Recorded),
}

/// The level of earlier jobs, or of an imported table.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Recorded {
    /// Mean of the values then.
    pub mean: f64,
    /// Jobs behind it; 0 for a table.
    pub jobs: usize,
    /// How much jobs differ.
    pub between: Between,
}

impl NoChange {
    /// The value that no change would give; 0 beside the base.
    pub(super) fn level(&self) -> f64 {
        match self {
            Self::SameBlocks => 0.0,
            Self::Recorded(recorded) => recorded.mean,
        }
    }
}

/// The answer to one question.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Answer {
    /// What is to be said.
    pub decision: Decision,
    /// Launches behind it.
    pub launches: usize,
    /// The change as a log-ratio; positive is slower.
    pub change: f64,
    /// Where it lies with 95% confidence, by the blocks' own scatter; `None` below two blocks.
    pub interval: Option<(f64, f64)>,
    /// The smallest slowdown that this many launches find with a probability of 80%, as a log-ratio.
    pub detectable: Option<f64>,
    /// Of an undecided question: the launches that would settle it, if some 200 do.
    pub settling_launches: Option<usize>,
}

/// What the evidence says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Decision {
    /// Slower by more than the tolerance, and by more than chance explains.
    Slower,
    /// Faster likewise.
    Faster,
    /// Not slower by more than the tolerance. Beside the base revision the interval shows it; of a job it is said of the job
    /// itself, which is known to within the tolerance.
    Unchanged,
    /// Slower than earlier jobs by more than the tolerance, but not by more than jobs differ by chance.
    Unconfirmed,
    /// Neither is shown.
    Open,
}

/// Answers all questions of a run, whose looks these are; each is settled at the first look that decides it.
///
/// At every look Holm's procedure holds the probability of any false alarm over all questions to the look's alpha; over
/// all looks it is at most their sum.
pub fn answer(questions: &[Question], looks: &[Look]) -> Vec<Answer> {
    let mut answers: Vec<Option<Answer>> = vec![None; questions.len()];
    for (number, look) in looks.iter().enumerate() {
        let interims: Vec<Interim> = questions.iter().map(|question| Interim::of(question, look.launches)).collect();
        let settled: Vec<bool> =
            answers.iter().map(|answer| answer.is_some_and(|answer| answer.decision != Decision::Open)).collect();
        // A decided question is not asked again, but it still counts in the correction.
        let rejected = |p: fn(&Interim) -> f64| {
            let p_values = interims.iter().zip(&settled).map(|(one, settled)| if *settled { 1.0 } else { p(one) });
            holm(&p_values.collect::<Vec<_>>(), look.alpha)
        };
        let (slower, faster) = (rejected(|one| one.p_slower), rejected(|one| one.p_faster));
        let is_last = number + 1 == looks.len();
        for index in 0..questions.len() {
            if settled[index] {
                continue;
            }
            let mut decision = interims[index].decide(slower[index], faster[index]);
            // Early passes must be clear on both sides. Earlier jobs tell how whole jobs differ: a part of one differs more.
            let is_clear = interims[index].is_within_on_both_sides();
            let is_early_answer = match questions[index].against {
                NoChange::SameBlocks => decision != Decision::Unchanged || is_clear,
                NoChange::Recorded(_) => decision == Decision::Unchanged && is_clear,
            };
            if look.is_early && !is_early_answer {
                decision = Decision::Open;
            }
            let alpha = look.alpha / questions.len() as f64;
            if decision != Decision::Open || is_last {
                answers[index] = Some(interims[index].answer(decision, alpha));
            }
        }
    }
    answers.into_iter().zip(questions).map(|(answer, question)| answer.unwrap_or_else(|| unasked(question))).collect()
}

/// Without any look there is no evidence.
fn unasked(question: &Question) -> Answer {
    Interim::of(question, 0).answer(Decision::Open, 1.0)
}

/// How a question stands after its first blocks.
struct Interim {
    launches: usize,
    /// Mean of the values less what they are held against; 0 without any.
    change: f64,
    /// Standard deviation of the values; `None` below two.
    deviation: Option<f64>,
    /// Standard error of the values' mean, with its degrees of freedom; `None` where there is none.
    own: Option<(f64, f64)>,
    /// That of the change: as much, or what jobs differ by.
    error: Option<(f64, f64)>,
    /// Whether it is a job against earlier ones.
    is_job: bool,
    /// What a change must be beyond to matter.
    limit: f64,
    p_slower: f64,
    p_faster: f64,
}

impl Interim {
    fn of(question: &Question, launches: usize) -> Self {
        let values = &question.values[..question.values.len().min(launches)];
        let limit = question.tolerance.ln();
        let deviation = standard_deviation(values).filter(|deviation| deviation.is_finite());
        let own = deviation.map(|deviation| (deviation.powi(2) / values.len() as f64, (values.len() - 1) as f64));
        let error = match &question.against {
            NoChange::SameBlocks => own,
            NoChange::Recorded(Recorded { jobs, between, .. }) => own.map(|own| between.of_difference(own, *jobs)),
        };
        let change = if values.is_empty() { 0.0 } else { mean(values) - question.against.level() };
        let root = |(variance, degrees): (f64, f64)| (variance.sqrt(), degrees);
        let (own, error) = (own.map(root), error.map(root));
        let p = |distance: f64| error.map_or(1.0, |error| p_value(distance, error));
        Self {
            launches: values.len(),
            change,
            deviation,
            own,
            error,
            is_job: question.against != NoChange::SameBlocks,
            limit,
            p_slower: p(change),
            p_faster: p(-change),
        }
    }

    fn decide(&self, slower: bool, faster: bool) -> Decision {
        let Some((low, high)) = self.interval() else { return Decision::Open };
        let is_known = (high - low) / 2.0 < self.limit;
        match self.change {
            change if slower && change > self.limit => Decision::Slower,
            change if faster && change < -self.limit => Decision::Faster,
            change if self.is_job && is_known && change > self.limit => Decision::Unconfirmed,
            _ if self.is_job && is_known || high < self.limit => Decision::Unchanged,
            _ => Decision::Open,
        }
    }

    fn is_within_on_both_sides(&self) -> bool {
        self.interval().is_some_and(|(low, high)| low > -self.limit && high < self.limit)
    }

    /// By the values' own scatter: how much jobs differ is not in it.
    fn interval(&self) -> Option<(f64, f64)> {
        let (error, degrees) = self.own?;
        let half = if error > 0.0 { t_quantile(SIDE, degrees) * error } else { 0.0 };
        Some((self.change - half, self.change + half))
    }

    fn answer(&self, decision: Decision, alpha: f64) -> Answer {
        Answer {
            decision,
            launches: self.launches,
            change: self.change,
            interval: self.interval(),
            detectable: self.detectable(alpha),
            settling_launches: (decision == Decision::Open).then(|| self.settling_launches(alpha)).flatten(),
        }
    }

    /// A change that is significant with the power, and whose estimate is beyond the tolerance with the power.
    fn detectable(&self, alpha: f64) -> Option<f64> {
        let (error, degrees) = self.error?;
        let of_power = t_quantile(POWER, degrees) * error;
        let significant = t_quantile(1.0 - alpha, degrees) * error + of_power;
        Some(significant.max(self.limit + of_power))
    }

    /// The launches with which the present change would be decided, were it the true one.
    fn settling_launches(&self, alpha: f64) -> Option<usize> {
        let deviation = self.deviation?;
        let (distance, probability) = match self.change {
            _ if self.is_job => (self.limit, SIDE),
            change if change > self.limit => (change, 1.0 - alpha),
            change => (self.limit - change, SIDE),
        };
        (self.launches + 1..=MOST_LAUNCHES).find(|launches| {
            let error = deviation / (*launches as f64).sqrt();
            t_quantile(probability, (*launches - 1) as f64) * error < distance
        })
    }
}

/// The probability of a t statistic beyond `distance / error`; without any spread it is 0 or 1.
pub(super) fn p_value(distance: f64, (error, degrees): (f64, f64)) -> f64 {
    match () {
        () if error > 0.0 => t_probability(-distance / error, degrees),
        () if distance > 0.0 => 0.0,
        () => 1.0,
    }
}
