//! The order of the arms within blocks.

use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_pcg::Pcg64Mcg;

/// An order of `arms` for each of `blocks`, from a Williams design: over a whole design every arm stands in every place
/// equally often, and follows every other arm equally often, so that what one launch leaves behind (heat, caches)
/// falls on all alike. Rows and labels are shuffled by `seed`; with more blocks than rows the design repeats.
///
/// Source: Williams 1949, "Experimental designs balanced for the estimation of residual effects of treatments".
pub fn balanced(arms: usize, blocks: usize, seed: u64) -> Vec<Vec<usize>> {
    let mut rng = Pcg64Mcg::seed_from_u64(seed);
    let mut labels: Vec<usize> = (0..arms).collect();
    labels.shuffle(&mut rng);
    let mut rows = williams(arms);
    rows.shuffle(&mut rng);
    rows.iter().cycle().take(blocks).map(|row| row.iter().map(|arm| labels[*arm]).collect()).collect()
}

/// The rows 0, n−1, 1, n−2, … shifted by each of 0..n; for an odd n their mirror images as well.
fn williams(arms: usize) -> Vec<Vec<usize>> {
    let zigzag: Vec<usize> =
        (0..arms).map(|place| if place % 2 == 0 { place / 2 } else { arms - place.div_ceil(2) }).collect();
    let rows: Vec<Vec<usize>> =
        (0..arms).map(|shift| zigzag.iter().map(|arm| (arm + shift) % arms).collect()).collect();
    if arms.is_multiple_of(2) {
        return rows;
    }
    let mirrored = rows.iter().map(|row| row.iter().rev().copied().collect());
    rows.iter().cloned().chain(mirrored).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn places_and_neighbours_are_balanced() {
        for arms in 1..8usize {
            let rows = if arms.is_multiple_of(2) { arms } else { 2 * arms };
            let orders = balanced(arms, rows, 3);
            let mut places = BTreeMap::new();
            let mut neighbours = BTreeMap::new();
            for order in &orders {
                order.iter().enumerate().for_each(|place| *places.entry(place).or_insert(0) += 1);
                order.windows(2).for_each(|pair| *neighbours.entry((pair[0], pair[1])).or_insert(0) += 1);
            }
            assert_eq!(places.len(), arms * arms);
            assert!(places.values().all(|count| *count == rows / arms), "{arms}: {orders:?}");
            assert_eq!(neighbours.len(), arms * (arms - 1));
            assert!(neighbours.values().all(|count| *count == rows / arms), "{arms}: {orders:?}");
        }
    }

    #[test]
    fn a_seed_repeats_its_order() {
        assert_eq!(balanced(4, 9, 1), balanced(4, 9, 1));
        assert_ne!(balanced(4, 9, 1), balanced(4, 9, 2));
        assert_eq!(balanced(1, 2, 1), [[0], [0]]);
    }
}
