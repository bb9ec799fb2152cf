//! Which slowdowns a check will find beside a base revision.

use serde::Serialize;

use crate::config::Thresholds;
use crate::gate::speed::{MOST_LAUNCHES, detectable};

/// The slowdown that a suite should at least be able to find, in percent.
pub const AIM_PERCENT: f64 = 5.0;

/// Standard deviation of a block's log-ratio in percent where nothing is known of the machine: of processes side by side and
/// one after the other on two cores of a shared server, docs/detection.md. A machine without neighbours is quieter.
const ASSUMED_SIDE_BY_SIDE_PERCENT: f64 = 3.0;
const ASSUMED_ALONE_PERCENT: f64 = 7.0;

/// What a check of a suite can find.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Power {
    /// Standard deviation of a block's ln(head / base), in percent.
    pub noise_percent: f64,
    /// Whether that is assumed, rather than told.
    pub is_assumed: bool,
    /// The smallest slowdown that all launches find with a probability of 80%, in percent; `None` below two launches.
    pub detectable_percent: Option<f64>,
    /// The launches that find one of [`AIM_PERCENT`] with that probability; `None` where [`MOST_LAUNCHES`] do not.
    pub launches_for_aim: Option<usize>,
}

impl Power {
    /// Of a check of so many cases and launches; `noise_percent` is what is known of the machine.
    pub fn new(
        noise_percent: Option<f64>,
        is_side_by_side: bool,
        launches: usize,
        cases: usize,
        gate: &Thresholds,
    ) -> Self {
        let assumed = if is_side_by_side { ASSUMED_SIDE_BY_SIDE_PERCENT } else { ASSUMED_ALONE_PERCENT };
        let noise = noise_percent.unwrap_or(assumed);
        let finds = |launches| detectable(noise / 100.0, launches, cases, gate).map(|log| 100.0 * log.exp_m1());
        let reaches_aim = |launches: &usize| finds(*launches).is_some_and(|percent| percent <= AIM_PERCENT);
        Self {
            noise_percent: noise,
            is_assumed: noise_percent.is_none(),
            detectable_percent: finds(launches),
            launches_for_aim: (2..=MOST_LAUNCHES).find(reaches_aim),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_launches_and_less_noise_find_smaller_slowdowns() {
        let power = |noise, launches| Power::new(Some(noise), true, launches, 8, &Thresholds::default());
        let (few, many) = (power(2.0, 4), power(2.0, 24));
        assert!(few.detectable_percent > many.detectable_percent, "{few:?} {many:?}");
        assert_eq!(few.launches_for_aim, many.launches_for_aim);
        let launches = few.launches_for_aim.unwrap();
        assert!(power(2.0, launches).detectable_percent.unwrap() <= AIM_PERCENT);
        assert!(power(2.0, launches - 1).detectable_percent.unwrap() > AIM_PERCENT);
        assert_eq!((power(60.0, 24).launches_for_aim, power(2.0, 1).detectable_percent), (None, None));
        let assumed = |is_side_by_side| Power::new(None, is_side_by_side, 10, 8, &Thresholds::default()).noise_percent;
        assert_eq!([assumed(true), assumed(false)], [3.0, 7.0]);
    }
}
