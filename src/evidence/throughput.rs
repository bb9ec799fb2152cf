//! How fast a step's work is done, beside what the machine could do, which distinguishes a slow program from a slow machine. Pure.

use serde::Serialize;

use crate::protocol::Rates;
use crate::stats::median_of_all;
use crate::store::record::Measured;
use crate::wan::work::Work;

/// A step's work over its time.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Throughput {
    /// Floating-point operations a second.
    pub flops_per_second: f64,
    /// Bytes a second that must at least move.
    pub bytes_per_second: f64,
    /// How much of the machine's own rates that is; `None` where a launch measured none.
    pub shares: Option<Shares>,
}

/// Shares of the machine's own rates: 0.5 for half.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Shares {
    /// Of the operations a second of a large matrix product.
    pub gemm: f64,
    /// Of the bytes a second of a large copy.
    pub copy: f64,
}

impl Throughput {
    /// That of steps that take `step_seconds` for `work`; the shares are medians over `launches`, each by its own
    /// rates: a machine that was slow for a launch was so for both.
    pub fn of(work: Work, step_seconds: f64, launches: &[&Measured]) -> Self {
        let shares = || launches.iter().map(|launch| Shares::of(work, launch));
        let gemm = median_of_all(shares().map(|shares| Some(shares?.gemm)));
        let copy = median_of_all(shares().map(|shares| Some(shares?.copy)));
        Self {
            flops_per_second: work.flops / step_seconds,
            bytes_per_second: work.bytes / step_seconds,
            shares: gemm.zip(copy).map(|(gemm, copy)| Shares { gemm, copy }),
        }
    }
}

impl Shares {
    fn of(work: Work, launch: &Measured) -> Option<Self> {
        let (step_seconds, rates) = (launch.median_step_seconds(), launch.rates?);
        Some(Self {
            gemm: work.flops / step_seconds / rates.gemm_flops_per_second,
            copy: work.bytes / step_seconds / rates.copy_bytes_per_second,
        })
    }
}

/// Medians of the machine's rates over `launches`; `None` where one measured none.
pub fn rates(launches: &[&Measured]) -> Option<Rates> {
    let of_all = |rate: fn(Rates) -> f64| median_of_all(launches.iter().map(|launch| launch.rates.map(rate)));
    Some(Rates {
        gemm_flops_per_second: of_all(|rates| rates.gemm_flops_per_second)?,
        copy_bytes_per_second: of_all(|rates| rates.copy_bytes_per_second)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::measured;

    /// A launch of a step of so many seconds, on a machine of so many operations and bytes a second.
    fn launch(step_seconds: f64, rates: Option<(f64, f64)>) -> Measured {
        let rates = rates.map(|(gemm_flops_per_second, copy_bytes_per_second)| Rates {
            gemm_flops_per_second,
            copy_bytes_per_second,
        });
        Measured { rates, ..measured(step_seconds, 3, None) }
    }

    #[test]
    fn a_launch_is_held_against_its_own_rates() {
        let work = Work { flops: 60.0, bytes: 12.0 };
        // In the second the whole machine was half as fast: the program did not get worse.
        let launches =
            [launch(1.0, Some((100.0, 40.0))), launch(2.0, Some((50.0, 20.0))), launch(1.5, Some((80.0, 32.0)))];
        let launches: Vec<&Measured> = launches.iter().collect();
        let throughput = Throughput::of(work, 1.5, &launches);
        assert_eq!((throughput.flops_per_second, throughput.bytes_per_second), (40.0, 8.0));
        assert_eq!(throughput.shares, Some(Shares { gemm: 0.6, copy: 0.3 }));
        let medians = rates(&launches).unwrap();
        assert_eq!((medians.gemm_flops_per_second, medians.copy_bytes_per_second), (80.0, 32.0));
    }

    #[test]
    fn without_the_rates_of_every_launch_there_is_no_share() {
        let launches = [launch(1.0, Some((100.0, 40.0))), launch(1.0, None)];
        let launches: Vec<&Measured> = launches.iter().collect();
        assert_eq!(Throughput::of(Work { flops: 1.0, bytes: 1.0 }, 1.0, &launches).shares, None);
        assert_eq!(rates(&launches), None);
    }
}
