//! Figures in their units.
//!
//! A [`Change`] follows one convention everywhere: positive is worse.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::text::format;

/// A time.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Seconds(pub f64);

/// A speedup: the reference's step time over the case's.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Ratio(pub f64);

/// A size in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Bytes(pub u64);

/// ‖output − expected‖ / ‖expected‖.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RelativeError(pub f64);

/// A figure of whichever kind; in JSON its bare number, in the unit that its figure has.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Quantity {
    /// A step time.
    Time(Seconds),
    /// A speedup over the reference.
    Speedup(Ratio),
    /// Weights, or a peak.
    Memory(Bytes),
    /// A difference of outputs.
    Error(RelativeError),
}

/// How much worse a figure is than another, as a share of it: 0.05 is 5% worse, −0.05 is 5% better.
///
/// A time is worse by the share that it is longer. A speedup is worse by the share that a step takes longer in proportion to
/// the reference's, so that a speedup that fell to half is a change of 1.0, as is a time that doubled.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd, Serialize)]
#[serde(transparent)]
pub struct Change(pub f64);

impl Change {
    /// The change whose log-ratio (worse over better) is `log`.
    pub fn from_log(log: f64) -> Self {
        Self(log.exp_m1())
    }

    /// The change of a size.
    pub fn of_bytes(before: Bytes, now: Bytes) -> Self {
        Self(now.0 as f64 / before.0 as f64 - 1.0)
    }

    /// ln(worse / better).
    pub fn log(self) -> f64 {
        self.0.ln_1p()
    }

    /// With half the width of its `interval`: `+5.1% ±0.8%`.
    pub fn with_half_width(self, interval: Option<(Self, Self)>) -> String {
        match interval {
            Some((low, high)) => format!("{self} ±{}", format::share((high.0 - low.0) / 2.0)),
            None => self.to_string(),
        }
    }

    /// Whether it is beyond a tolerance in percent, in either direction; a tolerance is a ratio, alike both ways.
    pub fn is_beyond(self, tolerance_percent: f64) -> bool {
        self.log().abs() > (tolerance_percent / 100.0).ln_1p()
    }
}

impl fmt::Display for Seconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format::seconds(self.0))
    }
}

impl fmt::Display for Ratio {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format::speedup(self.0))
    }
}

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format::mebibytes(self.0))
    }
}

impl fmt::Display for RelativeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("{:.1e}", self.0))
    }
}

impl fmt::Display for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Time(time) => time.fmt(f),
            Self::Speedup(speedup) => speedup.fmt(f),
            Self::Memory(bytes) => bytes.fmt(f),
            Self::Error(error) => error.fmt(f),
        }
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format::percent(self.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tolerance_is_alike_both_ways_and_positive_is_worse() {
        assert!(Change(0.021).is_beyond(2.0) && !Change(0.0199).is_beyond(2.0));
        assert!(Change(1.0 / 1.021 - 1.0).is_beyond(2.0) && !Change(1.0 / 1.0199 - 1.0).is_beyond(2.0));
        assert!((Change::from_log(2f64.ln()).0 - 1.0).abs() < 1e-12);
        assert_eq!(Change::of_bytes(Bytes(100), Bytes(150)), Change(0.5));
    }

    #[test]
    fn figures_are_written_in_their_units() {
        let figures = [
            Quantity::Time(Seconds(0.0298)),
            Quantity::Speedup(Ratio(2.464)),
            Quantity::Memory(Bytes(95 << 20)),
            Quantity::Error(RelativeError(1.24e-5)),
        ];
        assert_eq!(figures.map(|figure| figure.to_string()), ["29.8 ms", "2.46x", "95MB", "1.2e-5"]);
        assert_eq!(Change(-0.0512).to_string(), "−5.1%");
        assert_eq!(serde_json::to_string(&figures).unwrap(), "[0.0298,2.464,99614720,0.0000124]");
    }
}
