//! Two launches of one block beside each other: head's and the base revision's.

use super::figures::log_time;
use crate::stats::mean;
use crate::store::record::Measured;

/// Two launches of one block; every ratio is ln(head / base).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pair {
    /// ln of head's and of base's time in seconds: the mean of the fastest quarter of a launch's steps.
    pub launches: [f64; 2],
    /// Of these times.
    pub step: f64,
    /// Of the mean steps: what all steps together take.
    pub mean_step: f64,
    /// Of the switches from the first network to the second; `None` where there is none.
    pub switch: Option<f64>,
    /// Of the loading times; `None` where nothing was loaded.
    pub load: Option<f64>,
}

impl Pair {
    /// Of the two launches' steps, in seconds.
    pub fn of_steps(head: &[f64], base: &[f64]) -> Self {
        let launches = [log_time(head), log_time(base)];
        Self {
            launches,
            step: launches[0] - launches[1],
            mean_step: mean(head).ln() - mean(base).ln(),
            switch: None,
            load: None,
        }
    }

    /// Of the two launches.
    pub fn of(head: &Measured, base: &Measured) -> Self {
        let switches = head.switch_seconds.zip(base.switch_seconds);
        Self {
            switch: switches.and_then(|(head, base)| ratio(head, base)),
            load: ratio(head.load_seconds, base.load_seconds),
            ..Self::of_steps(&head.step_seconds, &base.step_seconds)
        }
    }

    /// The same with head and base in each other's place.
    pub fn swapped(self) -> Self {
        Self {
            launches: [self.launches[1], self.launches[0]],
            step: -self.step,
            mean_step: -self.mean_step,
            switch: self.switch.map(|log| -log),
            load: self.load.map(|log| -log),
        }
    }
}

/// `None` where one of the two took no time.
fn ratio(head_seconds: f64, base_seconds: f64) -> Option<f64> {
    (head_seconds > 0.0 && base_seconds > 0.0).then(|| head_seconds.ln() - base_seconds.ln())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mean_step_shows_what_the_fastest_quarter_does_not() {
        let pair = Pair::of_steps(&[1.0, 3.0, 1.0, 3.0], &[1.0; 4]);
        assert_eq!((pair.step, pair.mean_step), (0.0, 2f64.ln()));
        assert_eq!(pair.swapped().mean_step, -(2f64.ln()));
        assert_eq!(pair.swapped().swapped(), pair);
    }
}
