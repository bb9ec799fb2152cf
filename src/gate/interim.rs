//! How one question stands after its first blocks, and what it would take to answer it.
//!
//! A change is shown by the mean of the values or by their trimmed mean, which one disturbed launch does not move; each gets half
//! of the error that is allowed.

use super::question::{Answer, Decision, Kind, NoChange, Question, Recorded};
use crate::config::Look;
use crate::evidence::modes::{LEAST_GAP, Modes};
use crate::stats::{fisher_more, mean, p_value, t_probability, t_quantile, trimmed_mean};

/// Confidence that an interval reaches, on either side.
const SIDE: f64 = 0.975;
/// Power that a detectable change is found with, and probability that the advised launches decide.
pub(crate) const POWER: f64 = 0.8;
/// More launches than that are neither advice nor a plan.
pub const MOST_LAUNCHES: usize = 200;
/// Values from which on there is a trimmed mean, and the share of them that it leaves out on either side, as its reciprocal.
const LEAST_TRIMMED: usize = 7;
const TRIMMED_RECIPROCAL: usize = 5;
/// More slow launches in head that are this improbable without a change are no evidence that nothing changed.
const SUSPICIOUS: f64 = 0.25;

/// How a question stands after its first blocks.
pub(super) struct Interim {
    launches: usize,
    /// Means of the values less what they are held against, each with its own error: the mean, and the trimmed mean where there
    /// are enough values. Empty below two values.
    estimates: Vec<Estimate>,
    /// The same change as that of a whole job against earlier ones, which differ by chance too.
    job: Option<Estimate>,
    /// What a change must be beyond to matter.
    limit: f64,
    pub p_slower: f64,
    pub p_faster: f64,
    kind: Kind,
    /// The change where there is no error yet: that of a single value, or 0.
    first: f64,
    /// The slow launches of head and of base.
    slow: [usize; 2],
}

/// A mean and how sure it is.
#[derive(Clone, Copy)]
struct Estimate {
    change: f64,
    error: f64,
    degrees: f64,
}

impl Interim {
    /// After so many launches.
    pub fn of(question: &Question, launches: usize) -> Self {
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
            slow: [0, 0],
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
            slow: [head.0, base.0],
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

    /// What is to be said at `look`, where Holm's procedure found the case significantly slower, or faster.
    pub fn decide(&self, slower: bool, faster: bool, look: &Look) -> Decision {
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
            // On the way, any more slow launches in head are reason enough to go on.
            (Kind::SlowLaunches, _) if look.is_early && change != 0.0 => Decision::Open,
            (Kind::SlowLaunches, _) if change > self.limit && self.p_slower <= SUSPICIOUS => Decision::Open,
            (Kind::SlowLaunches, _) => Decision::Unchanged,
        }
    }

    /// What a job on its way may say already: that it is clearly as the earlier ones are, or clearly not. What the latter means is
    /// decided at the end, by how much jobs differ.
    fn of_part_of_a_job(&self) -> Decision {
        match self.interval() {
            Some((low, high)) if low > -self.limit && high < self.limit => Decision::Unchanged,
            Some((low, high)) if low > self.limit || high < -self.limit => Decision::Unconfirmed,
            _ => Decision::Open,
        }
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

    /// Where the change lies with 95% confidence, as log-ratios; `None` below two values.
    pub fn interval(&self) -> Option<(f64, f64)> {
        let best = self.best()?;
        let half = if best.error > 0.0 { self.quantile(SIDE, best.degrees) * best.error } else { 0.0 };
        Some((best.change - half, best.change + half))
    }

    /// The answer; `end` is the planned last look, whose errors are this question's.
    pub fn answer(&self, decision: Decision, end: &Look) -> Answer {
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
    pub fn detectable(&self, end: &Look) -> Option<f64> {
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
    pub fn expected(deviation: f64, launches: usize, tolerance_percent: f64) -> Self {
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
            slow: [0, 0],
        }
    }

    /// The launches of a new run that decides with the power, by what this one says of the change and of the noise. A job is
    /// decided where it is known to within the tolerance.
    fn settling_launches(&self, end: &Look) -> Option<usize> {
        let rising =
            std::iter::successors(Some(self.launches.max(2)), |launches| Some(launches + launches.div_ceil(20)));
        let mut rising = rising.take_while(|launches| *launches <= MOST_LAUNCHES);
        if self.kind == Kind::SlowLaunches {
            return rising.find(|launches| self.is_share_shown(*launches, end));
        }
        let best = self.best()?;
        rising.find(|launches| {
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

impl Interim {
    /// Whether so many launches, of which the same shares are slow, show that head has more of them.
    fn is_share_shown(&self, launches: usize, end: &Look) -> bool {
        let [head, base] = self.slow.map(|slow| (slow * launches / self.launches.max(1), launches));
        fisher_more(head, base) <= end.alpha
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
