//! The level that a case's recorded jobs stand at now, told from them when it is asked for. Pure.
//!
//! A job that is off the level is an outlier, and the level does without it. Two in a row, on the same side and near each
//! other, are a new level.

use crate::stats::mean;
use crate::store::baseline::BaselineCase;

/// Where a history stands.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Level {
    /// Mean of the jobs that belong to it, as a logarithm.
    pub mean: f64,
    /// Which jobs of the history these are, by their number; never none.
    pub members: Vec<usize>,
}

impl Level {
    /// The level of `values`, oldest first, of which those that differ by more than `shift` are of different levels; `None`
    /// without any.
    pub fn of(values: &[f64], shift: f64) -> Option<Self> {
        let mean_of = |members: &[usize]| mean(&members.iter().map(|job| values[*job]).collect::<Vec<_>>());
        let mut members = vec![0];
        for job in 1..values.len() {
            let off = |job: usize| values[job] - mean_of(&members);
            let is_outlier = |job: usize| off(job).abs() > shift;
            // An outlier does not belong to the level, so the last member tells whether the job before this one is one.
            let is_second = members.last() != Some(&(job - 1)) && is_outlier(job - 1);
            if !is_outlier(job) {
                members.push(job);
            } else if is_second && off(job) * off(job - 1) > 0.0 && (values[job] - values[job - 1]).abs() <= shift {
                members = vec![job - 1, job];
            }
        }
        (!values.is_empty()).then(|| Self { mean: mean_of(&members), members })
    }

    /// The level of a stored figure: its jobs', or that of a table without jobs.
    pub fn or_stored(values: &[f64], stored: Option<f64>, shift: f64) -> Option<(f64, usize)> {
        let of_jobs = Self::of(values, shift).map(|level| (level.mean, level.members.len()));
        of_jobs.or(stored.map(|mean| (mean, 0)))
    }
}

/// The jobs' means of ln(case / reference), oldest first.
pub(super) fn log_speedups(case: &BaselineCase) -> Vec<f64> {
    case.jobs.iter().filter_map(|job| Some(-job.mean_log_speedup?)).collect()
}

/// The jobs' means of ln(step time in seconds), oldest first.
pub(super) fn log_steps(case: &BaselineCase) -> Vec<f64> {
    let jobs = case.jobs.iter().map(|job| &job.launch_step_seconds).filter(|launches| !launches.is_empty());
    jobs.map(|launches| mean(&launches.iter().map(|seconds| seconds.ln()).collect::<Vec<_>>())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn assert_level(values: &[f64], members: &[usize]) {
        let level = Level::of(values, 0.05).unwrap();
        assert_eq!(level.members, members);
        let mean = members.iter().map(|job| values[*job]).sum::<f64>() / members.len() as f64;
        assert!((level.mean - mean).abs() < 1e-12);
    }

    #[test]
    fn all_jobs_near_each_other_are_of_one_level() {
        assert_eq!(Level::of(&[], 0.05), None);
        assert_level(&[1.0], &[0]);
        assert_level(&[1.0, 1.04, 1.03], &[0, 1, 2]);
    }

    #[test]
    fn one_outlier_is_left_out_wherever_it_is() {
        assert_level(&[0.0, 0.01, 0.12], &[0, 1]);
        assert_level(&[0.0, 0.12, 0.01], &[0, 2]);
        // The first one is known for an outlier once two others agree.
        assert_level(&[0.12, 0.0, 0.01], &[1, 2]);
        // Nor are two on different sides a level, nor two far from each other, nor two that are not in a row.
        assert_level(&[0.0, 0.12, -0.12], &[0]);
        assert_level(&[0.0, 0.12, 0.25], &[0]);
        assert_level(&[0.0, 0.12, 0.01, 0.12], &[0, 2]);
    }

    #[test]
    fn two_in_a_row_are_a_new_level() {
        assert_level(&[0.0, 0.01, 0.12, 0.11], &[2, 3]);
        assert_level(&[0.0, 0.01, -0.12, -0.11, -0.1], &[2, 3, 4]);
        assert_level(&[0.0, 0.12, 0.25, 0.24], &[2, 3]);
    }

    #[test]
    fn a_slow_drift_moves_the_level_along() {
        let drift: Vec<f64> = (0..7).map(|job| 0.01 * f64::from(job)).collect();
        assert_level(&drift, &[0, 1, 2, 3, 4, 5, 6]);
    }

    #[test]
    fn a_table_without_jobs_has_its_own_figure() {
        assert_eq!(Level::or_stored(&[], Some(0.5), 0.05), Some((0.5, 0)));
        assert_eq!(Level::or_stored(&[0.1, 0.3, 0.3], Some(0.5), 0.05), Some((0.3, 2)));
        assert_eq!(Level::or_stored(&[], None, 0.05), None);
    }
}
