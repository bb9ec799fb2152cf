//! A line of bars, one character high.

use crate::stats::mean;

/// From the lowest value to the highest.
const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// The least span between the lowest bar and the highest, as a log-ratio: noise is not to fill the line.
const LEAST_SPAN: f64 = 0.05;

/// `logs`, logarithms of a series' values, as at most `width` bars; of more values each bar is the mean of some.
pub(super) fn sparkline(logs: &[f64], width: usize) -> String {
    let bars = logs.len().min(width.max(1));
    let of_bar = |bar: usize| mean(&logs[bar * logs.len() / bars..(bar + 1) * logs.len() / bars]);
    let means: Vec<f64> = (0..bars).map(of_bar).collect();
    let (low, high) =
        (means.iter().copied().fold(f64::INFINITY, f64::min), means.iter().copied().fold(f64::MIN, f64::max));
    let span = (high - low).max(LEAST_SPAN);
    // A level line is in the middle of a bar, where noise does not carry it into the next one.
    let bottom = if span > high - low { f64::midpoint(low, high) - span * 3.5 / BARS.len() as f64 } else { low };
    let height = |value: f64| ((value - bottom) / span * BARS.len() as f64) as usize;
    means.into_iter().map(|value| BARS[height(value).min(BARS.len() - 1)]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lowest_and_the_highest_values_are_the_lowest_and_highest_bars() {
        assert_eq!(sparkline(&[0.0, 0.1, 0.2, 0.8], 10), "▁▂▃█");
        assert_eq!(sparkline(&[0.0, 0.0, 0.8, 0.8], 2), "▁█");
        assert_eq!(sparkline(&[0.0, 0.0, 0.8, 0.8], 3).chars().count(), 3);
    }

    #[test]
    fn noise_does_not_fill_the_line() {
        assert_eq!(sparkline(&[1.0, 1.002, 0.999], 10), "▄▄▄");
        assert_eq!(sparkline(&[3.0], 10), "▄");
        assert_eq!(sparkline(&[], 10), "");
    }
}
