//! The Mann-Whitney U test.

use statrs::distribution::{ContinuousCDF, Normal};

/// Largest sample for which all arrangements are counted: without ties, and with.
const EXACT_LIMITS: [usize; 2] = [50, 25];

/// The two-sided p-value for two samples from the same distribution: exact for small samples, given their ties; else by
/// the normal distribution with the corrections for ties and continuity. 1 where either sample is empty.
///
/// Source: Mann & Whitney 1947; limits and corrections as in `MannWhitneyUTest` of aclements/go-moremath, which
/// benchstat uses.
pub fn p_value(a: &[f64], b: &[f64]) -> f64 {
    let (ranks, ties) = doubled_ranks(a, b);
    let rank_sum: usize = ranks[..a.len()].iter().sum();
    let limit = EXACT_LIMITS[usize::from(!ties.is_empty())];
    if a.len().max(b.len()) <= limit {
        let ways = ways(&ranks, a.len());
        let all: f64 = ways.iter().sum();
        let (below, above): (f64, f64) = (ways[..=rank_sum].iter().sum(), ways[rank_sum..].iter().sum());
        return (2.0 * below.min(above) / all).min(1.0);
    }
    let (n_a, n_b, n) = (a.len() as f64, b.len() as f64, ranks.len() as f64);
    let tied: f64 = ties.iter().map(|count| (count.pow(3) - count) as f64).sum();
    let variance = n_a * n_b / 12.0 * (n + 1.0 - tied / (n * (n - 1.0)));
    let distance = (rank_sum as f64 / 2.0 - n_a * (n + 1.0) / 2.0).abs() - 0.5;
    if distance <= 0.0 || variance <= 0.0 {
        return 1.0;
    }
    2.0 * Normal::standard().sf(distance / variance.sqrt())
}

/// For every sum that `chosen` of the doubled ranks may have, in how many ways they have it.
pub fn ways(doubled_ranks: &[usize], chosen: usize) -> Vec<f64> {
    let most: usize = doubled_ranks.iter().sum();
    let mut ways = vec![vec![0.0; most + 1]; chosen + 1];
    ways[0][0] = 1.0;
    for rank in doubled_ranks {
        for count in (1..=chosen).rev() {
            let (fewer, more) = ways.split_at_mut(count);
            let fewer = &fewer[count - 1];
            more[0][*rank..].iter_mut().zip(fewer).for_each(|(with, without)| *with += without);
        }
    }
    ways.swap_remove(chosen)
}

/// Twice the rank of every value, first `a`'s, and how many values share each rank that several have. Tied values have
/// the mean of their ranks, which doubled is a whole number.
fn doubled_ranks(a: &[f64], b: &[f64]) -> (Vec<usize>, Vec<usize>) {
    let values = [a, b].concat();
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|i, j| values[*i].total_cmp(&values[*j]));
    let mut ranks = vec![0; values.len()];
    let mut ties = Vec::new();
    let mut before = 0;
    for group in order.chunk_by(|i, j| values[*i] == values[*j]) {
        group.iter().for_each(|index| ranks[*index] = 2 * before + group.len() + 1);
        before += group.len();
        if group.len() > 1 {
            ties.push(group.len());
        }
    }
    (ranks, ties)
}
