//! Shares of runs, in words.

use wanbench::stats;

/// `3.2% (2.5–4.1)`.
pub fn share(count: usize, of: usize) -> String {
    let (low, high) = stats::wilson(count, of);
    format!("{}% ({}–{})", percent(count as f64 / of as f64), percent(low), percent(high))
}

/// A share in percent: with a decimal below 10, where it tells something.
pub fn percent(share: f64) -> String {
    if share < 0.0995 { format!("{:.1}", 100.0 * share) } else { format!("{:.0}", 100.0 * share) }
}
