//! How much jobs on one machine differ by chance, which no single run can tell: from what was recorded, and from a prior while
//! little was.
//!
//! The prior and the other constants were chosen together by simulation, so that at a standard deviation of up to 2%
//! between jobs at most 1% of runs raise a false alarm, at 3% at most 2%, and ten changes of 1% each are still found by
//! their sum: tests/drift.rs holds them to it.

/// What is thought of a machine of which nothing was recorded: jobs differ with this standard deviation of the logarithm …
const PRIOR_DEVIATION: f64 = 0.019;
/// … which counts as much as so many differences of two jobs …
const PRIOR_DIFFERENCES: f64 = 4.0;
/// … and is known about as well as with so many degrees of freedom: machines differ less than a variance from four
/// differences would.
const PRIOR_DEGREES: f64 = 8.0;
/// What two jobs in a row add at most, as a difference of logarithms: a shift of level is not how jobs differ. A job that
/// is further from both of its neighbours, on the same side, is an outlier and is left out.
const LARGEST_DIFFERENCE: f64 = 0.1;
/// Degrees of freedom that a difference adds. Those of independent normal jobs have about 2/3, by von Neumann et al.; those
/// of one run's cases share a part of what moves them, and what the prior knew is known no better.
const DEGREES_OF_A_DIFFERENCE: f64 = 0.4;

/// How much jobs differ.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Between {
    /// Variance of a job's mean about its level, as a logarithm.
    pub variance: f64,
    /// Degrees of freedom behind it.
    pub degrees: f64,
}

impl Between {
    /// From the jobs' means of several cases, each oldest first.
    ///
    /// Differences of successive jobs see neither a slow drift nor, but once, a shift of level.
    /// Source: von Neumann, Kent, Bellinson & Hart 1941, "The mean square successive difference".
    pub fn of<'a>(histories: impl IntoIterator<Item = &'a [f64]>) -> Self {
        let differences = histories.into_iter().flat_map(differences);
        let squares = differences.map(|difference| difference.abs().min(LARGEST_DIFFERENCE).powi(2) / 2.0);
        let prior = (PRIOR_DIFFERENCES * PRIOR_DEVIATION.powi(2), 0.0);
        let (sum, differences) = squares.fold(prior, |(sum, differences), square| (sum + square, differences + 1.0));
        Self {
            variance: sum / (PRIOR_DIFFERENCES + differences),
            degrees: PRIOR_DEGREES + DEGREES_OF_A_DIFFERENCE * differences,
        }
    }

    /// The standard deviation.
    pub fn deviation(self) -> f64 {
        self.variance.sqrt()
    }

    /// The variance of a new job's mean less that of `jobs` earlier ones, with its degrees of freedom. The new one scatters
    /// by no less than its own launches say, where jobs happened to agree: `own` is the variance of its mean, with its own
    /// degrees.
    pub(super) fn of_difference(self, own: (f64, f64), jobs: usize) -> (f64, f64) {
        let (new, degrees) =
            if own.0 > self.variance { (own.0, own.1.min(self.degrees)) } else { (self.variance, self.degrees) };
        (new + self.variance / jobs.max(1) as f64, degrees)
    }
}

/// The differences of successive jobs, without outliers.
fn differences(history: &[f64]) -> Vec<f64> {
    let is_outlier = |job: usize| {
        job.checked_sub(1).zip(history.get(job + 1)).is_some_and(|(before, after)| {
            let (from_before, to_after) = (history[job] - history[before], history[job] - after);
            from_before.abs().min(to_after.abs()) > LARGEST_DIFFERENCE && from_before * to_after > 0.0
        })
    };
    let jobs: Vec<f64> = (0..history.len()).filter(|job| !is_outlier(*job)).map(|job| history[job]).collect();
    jobs.windows(2).map(|pair| pair[1] - pair[0]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn deviation(histories: &[&[f64]]) -> f64 {
        Between::of(histories.iter().copied()).deviation()
    }

    #[test]
    fn before_any_two_jobs_there_is_the_prior_alone() {
        for histories in [&[][..], &[&[0.3][..], &[]]] {
            let Between { variance, degrees } = Between::of(histories.iter().copied());
            assert!((variance.sqrt() - PRIOR_DEVIATION).abs() < 1e-12 && degrees == PRIOR_DEGREES);
        }
    }

    #[test]
    fn jobs_of_all_cases_count_and_their_levels_do_not() {
        let quiet: &[f64] = &[0.0, 0.001, 0.0, 0.001, 0.0];
        let higher: Vec<f64> = quiet.iter().map(|value| 5.0 + value).collect();
        assert!(deviation(&[quiet]) < PRIOR_DEVIATION);
        assert!(deviation(&[quiet, &higher]) < deviation(&[quiet]));
        assert_eq!(Between::of([quiet, &higher]).degrees, PRIOR_DEGREES + 8.0 * DEGREES_OF_A_DIFFERENCE);
    }

    #[test]
    fn a_drift_a_shift_and_an_outlier_leave_it_near_what_it_was() {
        let drift: Vec<f64> = (0..10).map(|job| 0.01 * f64::from(job)).collect();
        assert!(deviation(&[&drift]) < PRIOR_DEVIATION, "its sample deviation is 3%");
        let mut shift = [0.0; 10];
        shift[5..].fill(1.0);
        let mut outlier = [0.0; 10];
        outlier[5] = 1.0;
        assert!(deviation(&[&shift]) < 0.025 && deviation(&[&outlier]) < PRIOR_DEVIATION);
        // Of the newest job nobody knows yet what it is.
        let newest = [0.0, 0.0, 0.0, 0.0, 1.0];
        assert!(deviation(&[&newest]) > PRIOR_DEVIATION);
    }

    #[test]
    fn a_run_that_scatters_more_than_jobs_do_counts_as_it_is() {
        let between = Between { variance: 4.0, degrees: 10.0 };
        assert_eq!(between.of_difference((1.0, 3.0), 2), (6.0, 10.0));
        assert_eq!(between.of_difference((9.0, 3.0), 2), (11.0, 3.0));
        assert_eq!(between.of_difference((1.0, 3.0), 0), (8.0, 10.0), "an imported table is as one job");
    }
}
