//! Has a case become slower? Every such question of a run together, look by look.
//!
//! Values are log-ratios, so that faster and slower are alike; positive is slower.

use serde::Serialize;

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
    /// The mean of few earlier jobs, or of an imported table: how much jobs differ is unknown, so a change is significant
    /// only beyond the tolerance.
    Level {
        /// Mean of the values then.
        mean: f64,
        /// Variance of that mean, with its degrees of freedom; `None` where it is unknown.
        variance: Option<(f64, f64)>,
    },
    /// The means of enough earlier jobs: a new one must be beyond what one more such job would be.
    Jobs(Vec<f64>),
}

impl NoChange {
    /// The value that no change would give; 0 beside the base.
    pub(super) fn level(&self) -> f64 {
        match self {
            Self::SameBlocks => 0.0,
            Self::Level { mean, .. } => *mean,
            Self::Jobs(means) => mean(means),
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
    /// Where it lies with 95% confidence; `None` below two blocks.
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
    /// Not slower by more than the tolerance, as the interval shows.
    Unchanged,
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
            let is_whole_job_asked = matches!(questions[index].against, NoChange::Jobs(_));
            if look.is_early && (is_whole_job_asked || decision == Decision::Unchanged && !is_clear) {
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
    /// Standard error of the change, with its degrees of freedom; `None` where there is none.
    error: Option<(f64, f64)>,
    /// The part of the error's variance that more launches do not lessen.
    fixed_variance: f64,
    /// What a change must be beyond to be significant.
    null: f64,
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
        let (error, null) = match &question.against {
            NoChange::SameBlocks => (own, 0.0),
            NoChange::Level { variance, .. } => (own.map(|own| sum_of_variances(own, *variance)), limit),
            NoChange::Jobs(means) => (own.and_then(|own| prediction(means, own.0)), 0.0),
        };
        let change = if values.is_empty() { 0.0 } else { mean(values) - question.against.level() };
        let error = error.map(|(variance, degrees)| (variance.sqrt(), degrees));
        let p = |distance: f64| error.map_or(1.0, |error| p_value(distance, error));
        Self {
            launches: values.len(),
            change,
            deviation,
            error,
            fixed_variance: match (error, own) {
                (Some((error, _)), Some((own, _))) => (error.powi(2) - own).max(0.0),
                _ => 0.0,
            },
            null,
            limit,
            p_slower: p(change - null),
            p_faster: p(-change - null),
        }
    }

    fn decide(&self, slower: bool, faster: bool) -> Decision {
        let Some((_, high)) = self.interval() else { return Decision::Open };
        match self.change {
            change if slower && change > self.limit => Decision::Slower,
            change if faster && change < -self.limit => Decision::Faster,
            _ if high < self.limit => Decision::Unchanged,
            _ => Decision::Open,
        }
    }

    fn is_within_on_both_sides(&self) -> bool {
        self.interval().is_some_and(|(low, high)| low > -self.limit && high < self.limit)
    }

    fn interval(&self) -> Option<(f64, f64)> {
        let (error, degrees) = self.error?;
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
        let significant = self.null + t_quantile(1.0 - alpha, degrees) * error + of_power;
        Some(significant.max(self.limit + of_power))
    }

    /// The launches with which the present change would be decided, were it the true one.
    fn settling_launches(&self, alpha: f64) -> Option<usize> {
        let variance = self.deviation?.powi(2);
        let is_slower = self.change > self.limit;
        let (distance, probability) = match is_slower {
            true => (self.change - self.null, 1.0 - alpha),
            false => (self.limit - self.change, SIDE),
        };
        (self.launches + 1..=MOST_LAUNCHES).find(|launches| {
            let error = (variance / *launches as f64 + self.fixed_variance).sqrt();
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

/// The variance of a difference of two means, with Welch's degrees of freedom.
///
/// Source: Welch 1947, "The generalization of Student's problem when several different population variances are involved".
fn sum_of_variances(own: (f64, f64), other: Option<(f64, f64)>) -> (f64, f64) {
    let Some(other) = other.filter(|other| other.0 > 0.0) else { return own };
    let sum = own.0 + other.0;
    (sum, sum.powi(2) / (own.0.powi(2) / own.1 + other.0.powi(2) / other.1))
}

/// The variance of one more job's mean about the mean of `means`: s²·(1 + 1/m) with m − 1 degrees of freedom.
///
/// Never less than what the new job's own blocks say, in case the earlier ones happened to agree.
/// Source: Hahn & Meeker 1991, "Statistical Intervals", 4.7: prediction interval for one future observation.
fn prediction(means: &[f64], own_variance: f64) -> Option<(f64, f64)> {
    let between = standard_deviation(means)?.powi(2);
    let jobs = means.len() as f64;
    Some((between.max(own_variance) * (1.0 + 1.0 / jobs), jobs - 1.0))
}
