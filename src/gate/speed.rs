//! Has a case become slower? Every such question of a run together, look by look.
//!
//! Values are log-ratios, so that faster and slower are alike; positive is slower. A change is shown by the mean of the values
//! or by their trimmed mean, which one disturbed launch does not move; each gets half of the error that is allowed.

use serde::Serialize;

use super::between::Between;
use crate::config::{Look, Thresholds};
use crate::evidence::modes::{LEAST_GAP, Modes};
use crate::evidence::pair::Pair;
use crate::stats::{fisher_more, holm, mean, t_probability, t_quantile, trimmed_mean};

/// Confidence that an interval reaches, on either side.
const SIDE: f64 = 0.975;
/// Power that a detectable change is found with, and probability that the advised launches decide.
pub(crate) const POWER: f64 = 0.8;
/// Questions about every case beside the base revision: [`Question::beside_base`].
pub const QUESTIONS_PER_CASE: usize = 3;
/// More launches than that are no advice.
const MOST_LAUNCHES: usize = 200;
/// Values from which on there is a trimmed mean, and the share of them that it leaves out on either side, as its reciprocal.
const LEAST_TRIMMED: usize = 7;
const TRIMMED_RECIPROCAL: usize = 5;
/// A difference of slow launches that is this improbable without a change is no evidence that nothing changed: at the last
/// look, and at one on the way, where more launches may tell.
const SUSPICIOUS: f64 = 0.05;
const SUSPICIOUS_EARLY: f64 = 0.25;

/// One question: the values that the blocks gave, and what they are held against.
#[derive(Clone, Debug, PartialEq)]
pub struct Question {
    /// A log-ratio for each block, in their order; positive is slower.
    pub values: Vec<f64>,
    /// ln of both launches' times of each block, where only launches of the same mode are compared; else empty.
    pub launches: Vec<[f64; 2]>,
    /// What the values are.
    pub kind: Kind,
    /// What no change would look like.
    pub against: NoChange,
    /// Change that matters, as a ratio above 1: 1.02 for 2%.
    pub tolerance: f64,
}

/// What a question's values are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Log-ratios of times.
    Times,
    /// None: the question is whether more of the launches are slow as a whole.
    SlowLaunches,
}

impl Question {
    /// Whether times got slower: `values` in general, within the modes of `launches` where these are given.
    pub fn of_times(values: Vec<f64>, launches: Vec<[f64; 2]>, tolerance_percent: f64) -> Self {
        let tolerance = 1.0 + tolerance_percent / 100.0;
        Self { values, launches, kind: Kind::Times, against: NoChange::SameBlocks, tolerance }
    }

    /// What is asked of every case's steps beside the base revision: whether a step got slower, whether the mean step did, and
    /// whether more of the launches are slow as a whole.
    pub fn beside_base(pairs: &[Pair], gate: &Thresholds) -> [Self; QUESTIONS_PER_CASE] {
        let launches: Vec<[f64; 2]> = pairs.iter().map(|pair| pair.launches).collect();
        let times = |value: fn(&Pair) -> f64, tolerance_percent| {
            Self::of_times(pairs.iter().map(value).collect(), launches.clone(), tolerance_percent)
        };
        [
            times(|pair| pair.step, gate.base_tolerance_percent),
            times(|pair| pair.mean_step, gate.whole_tolerance_percent),
            Self { kind: Kind::SlowLaunches, ..times(|_| 0.0, gate.base_tolerance_percent) },
        ]
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
    /// The smallest slowdown that the planned last look finds with a probability of 80%, as a log-ratio.
    pub detectable: Option<f64>,
    /// Of an undecided question: the launches of a new run of this question alone that would decide it with a probability of
    /// 80%, if some 200 do.
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
    /// Not slower by more than the tolerance. Beside the base revision that is shown; of a job it is said of the job itself, which is
    /// known to within the tolerance.
    Unchanged,
    /// Slower than earlier jobs by more than the tolerance, but not by more than jobs differ by chance.
    Unconfirmed,
    /// Neither is shown.
    Open,
}

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
        // That few launches were slow so far says little of those to come: it is asked again as long as the case goes on.
        let is_settled = |(answer, question): (&Option<Answer>, &Question)| {
            let decision = answer.map(|answer| answer.decision);
            decision.filter(|decision| question.kind == Kind::Times || *decision != Decision::Unchanged)
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
/// 80%, as a log-ratio, where the log-ratios of its blocks have this standard deviation; `None` below two launches.
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

/// How a question stands after its first blocks.
struct Interim {
    launches: usize,
    /// Means of the values less what they are held against, each with its own error: the mean, and the trimmed mean where there
    /// are enough values. Empty below two values.
    estimates: Vec<Estimate>,
    /// The same change as that of a whole job against earlier ones, which differ by chance too.
    job: Option<Estimate>,
    /// What a change must be beyond to matter.
    limit: f64,
    p_slower: f64,
    p_faster: f64,
    kind: Kind,
    /// The change where there is no error yet: that of a single value, or 0.
    first: f64,
}

/// A mean and how sure it is.
#[derive(Clone, Copy)]
struct Estimate {
    change: f64,
    error: f64,
    degrees: f64,
}

impl Interim {
    fn of(question: &Question, launches: usize) -> Self {
        let launches = question.values.len().min(launches);
        let modes = question.launches.get(..launches).and_then(Modes::of);
        match (question.kind, modes) {
            (Kind::SlowLaunches, modes) => Self::of_slow_launches(question, launches, modes.as_ref()),
            (Kind::Times, modes) => {
                let is_compared = |block: &usize| modes.as_ref().is_none_or(|modes| modes.is_same(*block));
                let blocks = (0..launches).filter(is_compared);
                let values: Vec<f64> = blocks.map(|block| question.values[block]).collect();
                Self::of_times(question, launches, &values)
            }
        }
    }

    fn of_times(question: &Question, launches: usize, values: &[f64]) -> Self {
        let level = match &question.against {
            NoChange::SameBlocks => 0.0,
            NoChange::Recorded(recorded) => recorded.mean,
        };
        let mut interim = Self {
            launches,
            estimates: Estimate::all(values, level),
            job: None,
            limit: question.tolerance.ln(),
            p_slower: 1.0,
            p_faster: 1.0,
            kind: Kind::Times,
            first: if values.is_empty() { 0.0 } else { mean(values) - level },
        };
        if let NoChange::Recorded(recorded) = &question.against {
            interim.job = interim.best().map(|own| recorded.job(own));
        }
        interim.p_slower = interim.significance(|change| change);
        interim.p_faster = interim.significance(|change| -change);
        interim
    }

    /// The change is what a launch takes longer on average by the slow ones alone.
    fn of_slow_launches(question: &Question, launches: usize, modes: Option<&Modes>) -> Self {
        let [head, base] = modes.map_or([0, 0], Modes::slow).map(|slow| (slow, launches));
        let cost = |(slow, of): (usize, usize)| {
            let share = slow as f64 / of.max(1) as f64;
            (share * modes.map_or(0.0, |modes| modes.ratio - 1.0)).ln_1p()
        };
        Self {
            launches,
            estimates: Vec::new(),
            job: None,
            limit: question.tolerance.ln(),
            p_slower: fisher_more(head, base),
            p_faster: fisher_more(base, head),
            kind: Kind::SlowLaunches,
            first: cost(head) - cost(base),
        }
    }

    /// The probability of a change this large without one.
    fn significance(&self, signed: impl Fn(f64) -> f64) -> f64 {
        match self.job {
            Some(job) => p_value(signed(job.change), (job.error, job.degrees)),
            None => self.p_value(|estimate| signed(estimate.change)),
        }
    }

    /// The probability of a distance this large without one, by the estimate that shows it best; that there are two to choose
    /// from is paid for.
    fn p_value(&self, distance: impl Fn(&Estimate) -> f64) -> f64 {
        let p_values = self.estimates.iter().map(|it| p_value(distance(it), (it.error, it.degrees)));
        let least = p_values.fold(1.0, f64::min);
        (least * self.estimates.len().max(1) as f64).min(1.0)
    }

    fn decide(&self, slower: bool, faster: bool, look: &Look) -> Decision {
        let change = self.change();
        // Of so few launches, all of head's may be in one mode and all of base's in the other.
        let may_be_modes =
            look.is_early && self.launches < LEAST_TRIMMED && change.abs() >= LEAST_GAP.ln() && self.job.is_none();
        match (self.kind, self.job) {
            // Earlier jobs tell how whole jobs differ: a part of one differs more.
            (_, Some(_)) if look.is_early => self.of_part_of_a_job(),
            _ if may_be_modes => Decision::Open,
            _ if slower && change > self.limit => Decision::Slower,
            _ if faster && change < -self.limit => Decision::Faster,
            (Kind::Times, Some(_)) if self.is_known() && change > self.limit => Decision::Unconfirmed,
            (Kind::Times, Some(_)) if self.is_known() => Decision::Unchanged,
            (Kind::Times, None) if self.passes(look) => Decision::Unchanged,
            (Kind::Times, _) => Decision::Open,
            (Kind::SlowLaunches, _) => {
                let is_suspicious = match look.is_early {
                    true => self.p_slower.min(self.p_faster) <= SUSPICIOUS_EARLY,
                    false => self.p_slower <= SUSPICIOUS,
                };
                if is_suspicious { Decision::Open } else { Decision::Unchanged }
            }
        }
    }

    /// What a job on its way may say already: that it is clearly as the earlier ones are.
    fn of_part_of_a_job(&self) -> Decision {
        let is_within = self.interval().is_some_and(|(low, high)| low > -self.limit && high < self.limit);
        if is_within { Decision::Unchanged } else { Decision::Open }
    }

    /// Whether this job's own change is known to within the tolerance.
    fn is_known(&self) -> bool {
        self.interval().is_some_and(|(low, high)| (high - low) / 2.0 < self.limit)
    }

    /// Whether a slowdown by more than the tolerance is ruled out; at an early look, a speedup too.
    fn passes(&self, look: &Look) -> bool {
        let is_not_slower = self.p_value(|it| self.limit - it.change) <= look.pass_error;
        let is_not_faster = || self.p_value(|it| self.limit + it.change) <= look.pass_error;
        !self.estimates.is_empty() && is_not_slower && (!look.is_early || is_not_faster())
    }

    /// The estimate with the narrowest interval.
    fn best(&self) -> Option<&Estimate> {
        let width = |estimate: &&Estimate| self.quantile(SIDE, estimate.degrees) * estimate.error;
        self.estimates.iter().min_by(|one, other| width(one).total_cmp(&width(other)))
    }

    fn change(&self) -> f64 {
        self.best().map_or(self.first, |best| best.change)
    }

    /// The t quantile that the error beyond `probability`, shared by the estimates, leaves to each of them.
    fn quantile(&self, probability: f64, degrees: f64) -> f64 {
        t_quantile(1.0 - (1.0 - probability) / self.estimates.len().max(1) as f64, degrees)
    }

    fn interval(&self) -> Option<(f64, f64)> {
        let best = self.best()?;
        let half = if best.error > 0.0 { self.quantile(SIDE, best.degrees) * best.error } else { 0.0 };
        Some((best.change - half, best.change + half))
    }

    /// The answer; `end` is the planned last look, whose errors are this question's.
    fn answer(&self, decision: Decision, end: &Look) -> Answer {
        Answer {
            decision,
            launches: self.launches,
            change: self.change(),
            interval: self.interval(),
            detectable: self.detectable(end),
            settling_launches: (decision == Decision::Open).then(|| self.settling_launches(end)).flatten(),
        }
    }

    /// The own error of the change after so many launches, with its degrees of freedom.
    fn error_after(&self, launches: usize) -> Option<(f64, f64)> {
        let best = self.best()?;
        let gained = launches as f64 - self.launches as f64;
        Some((best.error * (self.launches as f64 / launches as f64).sqrt(), (best.degrees + gained).max(1.0)))
    }

    /// A change that is significant with the power, and whose estimate is beyond the tolerance with the power.
    fn detectable(&self, end: &Look) -> Option<f64> {
        let (error, degrees, quantile) = match self.job {
            Some(job) => (job.error, job.degrees, t_quantile(1.0 - end.alpha, job.degrees)),
            None => {
                let (error, degrees) = self.error_after(end.launches.max(self.launches))?;
                (error, degrees, self.quantile(1.0 - end.alpha, degrees))
            }
        };
        let of_power = t_quantile(POWER, degrees) * error;
        Some((quantile * error + of_power).max(self.limit + of_power))
    }

    /// A question beside the base revision of which only the standard deviation of its values is expected.
    fn expected(deviation: f64, launches: usize, tolerance_percent: f64) -> Self {
        let error = deviation / (launches as f64).sqrt();
        let estimate = Estimate { change: 0.0, error, degrees: (launches - 1) as f64 };
        Self {
            launches,
            estimates: vec![estimate; if launches < LEAST_TRIMMED { 1 } else { 2 }],
            job: None,
            limit: (tolerance_percent / 100.0).ln_1p(),
            p_slower: 1.0,
            p_faster: 1.0,
            kind: Kind::Times,
            first: 0.0,
        }
    }

    /// The launches of a new run that decides with the power, by what this one says of the change and of the noise. A job is
    /// decided where it is known to within the tolerance.
    fn settling_launches(&self, end: &Look) -> Option<usize> {
        let best = self.best()?;
        let rising =
            std::iter::successors(Some(self.launches.max(2)), |launches| Some(launches + launches.div_ceil(20)));
        rising.take_while(|launches| *launches <= MOST_LAUNCHES).find(|launches| {
            let Some((error, degrees)) = self.error_after(*launches) else { return false };
            if self.job.is_some() {
                return self.quantile(SIDE, degrees) * error < self.limit;
            }
            let spread = error.hypot(best.error);
            let reaches = |distance: f64| match spread > 0.0 {
                true => t_probability(distance / spread, best.degrees),
                false => f64::from(distance > 0.0),
            };
            let shown = (self.quantile(1.0 - end.alpha, degrees) * error).max(self.limit);
            let within = self.limit - self.quantile(1.0 - end.pass_error, degrees) * error;
            let decided = reaches(best.change - shown) + reaches(-best.change - shown) + reaches(within - best.change);
            decided >= POWER
        })
    }
}

impl Recorded {
    /// The change of a job whose own estimate this is, as one of jobs.
    fn job(&self, own: &Estimate) -> Estimate {
        let (variance, degrees) = self.between.of_difference((own.error.powi(2), own.degrees), self.jobs);
        Estimate { change: own.change, error: variance.sqrt(), degrees }
    }
}

impl Estimate {
    /// The mean of `values` less `level` and, where there are enough, their trimmed mean; none below two values.
    fn all(values: &[f64], level: f64) -> Vec<Self> {
        let trimmed = if values.len() < LEAST_TRIMMED { 0 } else { values.len() / TRIMMED_RECIPROCAL };
        let estimates = [Some(0), Some(trimmed).filter(|trimmed| *trimmed > 0)].into_iter().flatten();
        let estimate = |trimmed| {
            let (mean, error, degrees) = trimmed_mean(values, trimmed)?;
            error.is_finite().then_some(Self { change: mean - level, error, degrees })
        };
        estimates.filter_map(estimate).collect()
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
