//! Which cases the network computes and fit into memory, and whether a block's processes fit side by side. Pure.

use std::collections::BTreeMap;

use super::Forecast;
use crate::config::Case;
use crate::store::record::Skipped;
use crate::text::format;

/// What of a run fits.
#[derive(Clone, Debug, PartialEq)]
pub struct Fit {
    /// The cases that fit, in their order.
    pub fitting: Vec<Case>,
    /// The names of the others, with the reason.
    pub skipped: BTreeMap<String, Skipped>,
    /// Whether the processes of a block may live at the same time.
    pub side_by_side: bool,
    /// What the reader of the figures should know of that.
    pub warning: Option<String>,
    /// Whether what lives beside the blocks fits too.
    pub has_room_beside: bool,
}

/// Fits cases into `has_bytes` of memory; where that is not known, all fit that the network computes.
///
/// A case brings as many processes into a block as the number beside it. What lives beside every block, the canary, holds
/// `beside_bytes`: no case is skipped for it, but a block's processes may have to run one after the other.
pub fn fit(cases: &[(Case, Forecast, usize)], beside_bytes: u64, has_bytes: Option<u64>, side_by_side: bool) -> Fit {
    let has_bytes = has_bytes.unwrap_or(u64::MAX);
    let skip = |forecast: &Forecast| match forecast.lacks {
        Some(lacks) => Some(Skipped::Layers { lacks }),
        None => {
            let needs_bytes = forecast.needs_bytes();
            (needs_bytes > has_bytes).then_some(Skipped::Memory { needs_bytes, has_bytes })
        }
    };
    let skipped = cases.iter().filter_map(|(case, forecast, _)| Some((case.name.clone(), skip(forecast)?)));
    let fitting: Vec<_> = cases.iter().filter(|(_, forecast, _)| skip(forecast).is_none()).collect();
    let mut blocks: BTreeMap<&str, u64> = BTreeMap::new();
    for (case, forecast, processes) in &fitting {
        *blocks.entry(&case.workload.name).or_insert(beside_bytes) += forecast.needs_bytes() * *processes as u64;
    }
    let largest = blocks.into_iter().max_by_key(|(_, bytes)| *bytes).filter(|(_, bytes)| *bytes > has_bytes);
    let warning = largest.filter(|_| side_by_side).map(|(workload, needs_bytes)| {
        format!(
            "the processes of a block run one after the other, which adds the machine's noise: side by side, those of \
             {workload} need {}, but only {} are available",
            format::gibibytes(needs_bytes),
            format::gibibytes(has_bytes)
        )
    });
    let largest_process = fitting.iter().map(|(_, forecast, _)| forecast.needs_bytes()).max().unwrap_or(0);
    Fit {
        has_room_beside: largest_process + beside_bytes <= has_bytes,
        fitting: fitting.iter().map(|(case, ..)| case.clone()).collect(),
        skipped: skipped.collect(),
        side_by_side: side_by_side && warning.is_none(),
        warning,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::plain_workload as workload;
    use crate::wan::work::Work;
    use crate::wan::{DType, Quant};

    const GIB: u64 = 1 << 30;

    fn cases() -> Vec<(Case, Forecast, usize)> {
        let case = |quant, gib, processes| {
            let forecast = Forecast {
                tokens: 1,
                work: Work::default(),
                model_bytes: 1,
                peak_bytes: gib * GIB,
                driver_bytes: 0,
                lacks: None,
            };
            (Case::new("mlx", workload(5), quant, DType::F32), forecast, processes)
        };
        vec![case(Quant::None, 71, 2), case(Quant::Int8, 20, 1), case(Quant::Nf4, 12, 1)]
    }

    #[test]
    fn what_needs_more_than_there_is_is_skipped() {
        let fit = fit(&cases(), 0, Some(36 * GIB), true);
        assert_eq!(fit.fitting.len(), 2);
        let skipped = Skipped::Memory { needs_bytes: 71 * GIB, has_bytes: 36 * GIB };
        assert_eq!(fit.skipped, BTreeMap::from([("mlx/5f/none".to_owned(), skipped)]));
        assert!(fit.side_by_side && fit.warning.is_none());
    }

    #[test]
    fn a_block_that_does_not_fit_side_by_side_runs_one_after_the_other() {
        let apart = fit(&cases(), 0, Some(100 * GIB), true);
        assert!(apart.skipped.is_empty() && !apart.side_by_side);
        assert!(apart.warning.unwrap().contains("need 174 GiB, but only 100 GiB"));
        assert_eq!(fit(&cases(), 0, Some(100 * GIB), false).warning, None);
        assert!(fit(&cases(), GIB, None, true).side_by_side);
        let beside = |gib| fit(&cases(), gib * GIB, Some(175 * GIB), true).side_by_side;
        assert!(beside(1) && !beside(2), "the canary is there too");
        let has_room = |gib| fit(&cases(), gib * GIB, Some(72 * GIB), true).has_room_beside;
        assert!(has_room(1) && !has_room(2));
    }
}
