//! Where a pass's time goes, from a worker's timed parts. Pure.

use serde::Serialize;

use crate::protocol::{Profiled, Rates};
use crate::stats::median;
use crate::wan::work::{Part, PartKind, Work};

/// The parts of one case's forward pass.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Profile {
    /// The case's name.
    pub case: String,
    /// Passes of each kind.
    pub passes: usize,
    /// A pass as a step takes it: the median, in seconds.
    pub step_seconds: f64,
    /// The parts' sum: the median over the passes whose parts were timed, in seconds.
    pub sum_seconds: f64,
    /// Operations of the whole pass.
    pub flops: f64,
    /// The machine's rates in the same launch.
    pub rates: Option<Rates>,
    /// The parts in the order of computation.
    pub parts: Vec<PartMedian>,
}

/// One part.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct PartMedian {
    /// Which.
    pub part: Part,
    /// Its time: the median over the passes, in seconds.
    pub seconds: f64,
    /// Its operations; `None` for what computes no products.
    pub flops: Option<f64>,
}

/// The sum of all blocks' parts of one kind.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct KindTime {
    /// What they do.
    pub kind: PartKind,
    /// Whether they are in the blocks.
    pub in_blocks: bool,
    /// Their time, in seconds.
    pub seconds: f64,
    /// Their operations.
    pub flops: f64,
}

/// How far the parts' sum may be from the step before the profile says nothing of it.
pub const TRUSTED_DIFFERENCE: f64 = 0.1;

impl Profile {
    /// From what a worker `told`, whose parts' work is `works`.
    pub fn new(case: &str, told: &Profiled, works: &[(Part, Work)]) -> Self {
        let passes = told.step_seconds.len();
        let sums: Vec<f64> =
            (0..passes).map(|pass| told.parts.iter().filter_map(|part| part.seconds.get(pass)).sum()).collect();
        let flops_of = |part: Part| works.iter().find(|(other, _)| *other == part).map(|(_, work)| work.flops);
        let parts = told.parts.iter().map(|part| PartMedian {
            part: part.part,
            seconds: median(&part.seconds),
            flops: flops_of(part.part).filter(|flops| *flops > 0.0),
        });
        Self {
            case: case.to_owned(),
            passes,
            step_seconds: median(&told.step_seconds),
            sum_seconds: median(&sums),
            flops: works.iter().map(|(_, work)| work.flops).sum(),
            rates: told.rates,
            parts: parts.collect(),
        }
    }

    /// The parts' sum against the step, as a share: 0.04 where it is 4% more.
    pub fn difference(&self) -> f64 {
        self.sum_seconds / self.step_seconds - 1.0
    }

    /// The parts by kind, those of all blocks together, in the order of computation.
    pub fn by_kind(&self) -> Vec<KindTime> {
        let mut kinds: Vec<KindTime> = Vec::new();
        for PartMedian { part, seconds, flops } in &self.parts {
            let (kind, in_blocks) = (part.kind, part.block.is_some());
            let flops = flops.unwrap_or(0.0);
            match kinds.iter_mut().find(|other| (other.kind, other.in_blocks) == (kind, in_blocks)) {
                Some(sum) => {
                    sum.seconds += seconds;
                    sum.flops += flops;
                }
                None => kinds.push(KindTime { kind, in_blocks, seconds: *seconds, flops }),
            }
        }
        kinds
    }

    /// The kinds of parts that a block has, in order.
    pub fn block_kinds(&self) -> Vec<PartKind> {
        self.by_kind().iter().filter(|kind| kind.in_blocks).map(|kind| kind.kind).collect()
    }

    /// Each block's times, of `kinds` in their order; zero for what it does not have.
    pub fn blocks(&self, kinds: &[PartKind]) -> Vec<(usize, Vec<f64>)> {
        let mut blocks: Vec<usize> = self.parts.iter().filter_map(|part| part.part.block).collect();
        blocks.dedup();
        blocks.sort_unstable();
        blocks.dedup();
        let seconds = |block: usize, kind: PartKind| {
            let wanted = Part { block: Some(block), kind };
            self.parts.iter().find(|part| part.part == wanted).map_or(0.0, |part| part.seconds)
        };
        blocks.into_iter().map(|block| (block, kinds.iter().map(|kind| seconds(block, *kind)).collect())).collect()
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::protocol;

    /// Two blocks; their parts take 3 ms and 4 ms, the step 10 ms, the head 2 ms.
    pub(crate) fn profile() -> Profile {
        let part = |block, kind, seconds: [f64; 3]| protocol::PartTime {
            part: Part { block, kind },
            seconds: seconds.to_vec(),
        };
        let told = Profiled {
            step_seconds: vec![0.010, 0.011, 0.009],
            parts: vec![
                part(Some(0), PartKind::SelfAttention, [0.003, 0.003, 0.005]),
                part(Some(1), PartKind::SelfAttention, [0.004, 0.004, 0.004]),
                part(Some(1), PartKind::Norms, [0.001, 0.001, 0.001]),
                part(None, PartKind::Head, [0.002, 0.002, 0.002]),
            ],
            rates: Some(Rates { gemm_flops_per_second: 1e12, copy_bytes_per_second: 1e11 }),
        };
        let attention = Work { flops: 1.5e9, bytes: 0.0 };
        let works = [0, 1].map(|block| (Part { block: Some(block), kind: PartKind::SelfAttention }, attention));
        Profile::new("mlx/5f/none", &told, &works)
    }

    #[test]
    fn parts_are_medians_and_their_sum_stands_beside_the_step() {
        let profile = profile();
        assert_eq!((profile.step_seconds, profile.sum_seconds, profile.flops), (0.010, 0.010, 3e9));
        assert_eq!(profile.difference(), 0.0);
        let attention = profile.by_kind()[0];
        assert_eq!((attention.in_blocks, attention.seconds, attention.flops), (true, 0.007, 3e9));
        let kinds = profile.block_kinds();
        assert_eq!(kinds, [PartKind::SelfAttention, PartKind::Norms]);
        assert_eq!(profile.blocks(&kinds), [(0, vec![0.003, 0.0]), (1, vec![0.004, 0.001])]);
    }
}
