//! How figures are written: units, significant digits, signs.

use crate::stats::Estimate;

/// Names in a sentence; beyond so many the rest is counted.
const MOST_NAMES: usize = 3;

/// `a, b, c and 2 more`.
pub fn some_names(names: &[&str]) -> String {
    let rest = names.len().saturating_sub(MOST_NAMES);
    let named = names.iter().take(MOST_NAMES).copied().collect::<Vec<_>>().join(", ");
    if rest > 0 { format!("{named} and {rest} more") } else { named }
}

/// A time to three significant digits, in the unit that suits it: `1.53 s`, `74.3 ms`, `812 µs`.
pub fn seconds(value: f64) -> String {
    let (scaled, unit) = match value.abs() {
        // The bounds are where three digits would round up into the next unit.
        magnitude if magnitude >= 0.9995 => (value, "s"),
        magnitude if magnitude >= 0.000_999_5 => (value * 1e3, "ms"),
        magnitude if magnitude >= 0.000_000_999_5 => (value * 1e6, "µs"),
        _ => (value * 1e9, "ns"),
    };
    format!("{} {unit}", three_digits(scaled))
}

/// A difference of two times with its sign: `+480 µs`, `−1.53 ms`.
pub fn signed_seconds(difference: f64) -> String {
    let sign = if difference < 0.0 { '−' } else { '+' };
    format!("{sign}{}", seconds(difference.abs()))
}

/// A speedup: `2.49x`.
pub fn speedup(value: f64) -> String {
    let decimals = if value.abs() < 0.0995 { 3 } else { 2 };
    format!("{value:.decimals$}x")
}

/// A speedup with the half-width of its interval in percent: `2.49x ±1.2%`.
pub fn estimate(estimate: &Estimate) -> String {
    match estimate.interval {
        Some((low, high)) => format!("{} ±{}", speedup(estimate.point), share((high - low) / 2.0 / estimate.point)),
        None => speedup(estimate.point),
    }
}

/// A relative change with its sign: `+5.0%`, `−13.6%`; as a multiple where percents would be hard to read: `13.6×`.
pub fn percent(change: f64) -> String {
    match 1.0 + change {
        multiple if !multiple.is_finite() || multiple >= 11.0 => self::multiple(multiple),
        _ => {
            let text = format!("{:+.1}%", 100.0 * change);
            match text.as_str() {
                "-0.0%" | "+0.0%" => "0.0%".to_owned(),
                _ => text.replace('-', "−"),
            }
        }
    }
}

/// How many times as much: `1.04×`, `13.6×`.
pub fn multiple(multiple: f64) -> String {
    match multiple {
        multiple if !multiple.is_finite() || multiple >= 1e4 => ">10,000×".to_owned(),
        _ => format!("{}×", three_digits(multiple)),
    }
}

/// A share without a sign: `2.7%`; beyond ten times the whole its size says nothing more.
pub fn share(share: f64) -> String {
    if share.is_finite() && share <= 10.0 { format!("{:.1}%", 100.0 * share) } else { ">1000%".to_owned() }
}

/// Bytes in whole MiB, as the founding report writes them: `95MB`.
pub fn mebibytes(bytes: u64) -> String {
    format!("{}MB", (bytes as f64 / (1024.0 * 1024.0)).round())
}

/// Bytes in GiB: `71 GiB`, `2.0 GiB`, `0.1 GiB`.
pub fn gibibytes(bytes: u64) -> String {
    let gib = bytes as f64 / f64::from(1 << 30);
    let decimals = if gib >= 9.95 { 0 } else { 1 };
    format!("{gib:.decimals$} GiB")
}

/// Bytes in GiB where they make one, else in MiB: `71 GiB`, `95MB`.
pub fn memory(bytes: u64) -> String {
    if bytes >= 1 << 30 { gibibytes(bytes) } else { mebibytes(bytes) }
}

/// Floating-point operations in units of 10¹²: `0.082`, `823`.
pub fn teraflops(flops: f64) -> String {
    let tera = flops / 1e12;
    if tera < 0.995 { format!("{tera:.3}") } else { three_digits(tera) }
}

/// Floating-point operations a second: `0.29 TFLOP/s`, `18.4 TFLOP/s`.
pub fn flop_rate(flops_per_second: f64) -> String {
    format!("{} TFLOP/s", three_digits(flops_per_second / 1e12))
}

/// Bytes a second, in powers of ten as makers of memory count: `12.6 GB/s`.
pub fn byte_rate(bytes_per_second: f64) -> String {
    format!("{} GB/s", gigabytes(bytes_per_second))
}

/// Bytes in units of 10⁹, which a column's head names: `12.6`.
pub fn gigabytes(bytes: f64) -> String {
    three_digits(bytes / 1e9)
}

/// The memory that is needed and what there is: `needs 71 GiB, has 36 GiB`, in a unit that tells the two apart.
pub fn shortage(needs_bytes: u64, has_bytes: u64) -> String {
    let units: [fn(u64) -> String; 2] = [gibibytes, mebibytes];
    let telling = units.into_iter().find(|unit| unit(needs_bytes) != unit(has_bytes));
    let unit = telling.unwrap_or(|bytes| format!("{} bytes", exact(bytes)));
    format!("needs {}, has {}", unit(needs_bytes), unit(has_bytes))
}

/// Bytes to the byte, in groups of three: `99,164,288`.
pub fn exact(bytes: u64) -> String {
    let digits = bytes.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A wall time for people who wait: `48 s`, `3 min 20 s`, `1 h 05 min`.
pub fn duration(seconds: f64) -> String {
    let whole = seconds.max(0.0).round() as u64;
    match whole {
        0..60 => format!("{whole} s"),
        60..3600 => format!("{} min {:02} s", whole / 60, whole % 60),
        _ => format!("{} h {:02} min", whole / 3600, whole % 3600 / 60),
    }
}

/// A count with its noun: `1 case`, `3 cases`, `2 passes`.
pub fn count(number: usize, noun: &str) -> String {
    let plural = match number {
        1 => "",
        _ if noun.ends_with('s') || noun.ends_with("ch") => "es",
        _ => "s",
    };
    format!("{number} {noun}{plural}")
}

/// Launches: `1 launch`, `3 launches`.
pub fn launches(number: usize) -> String {
    count(number, "launch")
}

fn three_digits(value: f64) -> String {
    let decimals = match value.abs() {
        magnitude if magnitude >= 99.95 => 0,
        magnitude if magnitude >= 9.995 => 1,
        _ => 2,
    };
    format!("{value:.decimals$}")
}

/// A hash, or its beginning: two lower-case digits for each byte.
pub fn hexadecimal(bytes: impl AsRef<[u8]>) -> String {
    bytes.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_byte_has_two_digits() {
        assert_eq!(hexadecimal([0, 10, 255]), "000aff");
    }

    #[test]
    fn times_keep_three_digits_and_are_never_zero() {
        for (value, text) in [
            (1.5, "1.50 s"),
            (0.0743, "74.3 ms"),
            (0.99951, "1.00 s"),
            (0.000_812_3, "812 µs"),
            (123.4, "123 s"),
            (99.96, "100 s"),
            (4e-9, "4.00 ns"),
        ] {
            assert_eq!(seconds(value), text);
        }
    }

    #[test]
    fn waits_and_counts_read_like_prose() {
        assert_eq!([duration(48.4), duration(200.0), duration(3900.0)], ["48 s", "3 min 20 s", "1 h 05 min"]);
        assert_eq!([count(1, "case"), count(0, "case"), count(2, "pass")], ["1 case", "0 cases", "2 passes"]);
    }

    #[test]
    fn gigabytes_and_rates_have_the_digits_that_count() {
        let gib = |gib: f64| gibibytes((gib * f64::from(1 << 30)) as u64);
        assert_eq!([gib(70.7), gib(9.94), gib(9.96), gib(0.0923)], ["71 GiB", "9.9 GiB", "10 GiB", "0.1 GiB"]);
        assert_eq!([flop_rate(2.914e11), flop_rate(1.84e13)], ["0.29 TFLOP/s", "18.4 TFLOP/s"]);
        assert_eq!([byte_rate(1.2649e10), gigabytes(6.189e11)], ["12.6 GB/s", "619"]);
        assert_eq!([teraflops(5.64e10), teraflops(1.84e13)], ["0.056", "18.4"]);
    }

    #[test]
    fn a_shortage_shows_in_its_unit() {
        assert_eq!(shortage(71 << 30, 36 << 30), "needs 71 GiB, has 36 GiB");
        assert_eq!(shortage((36 << 30) + (300 << 20), 36 << 30), "needs 37164MB, has 36864MB");
        assert_eq!(shortage(1001, 1000), "needs 1,001 bytes, has 1,000 bytes");
    }

    #[test]
    fn changes_carry_a_sign_and_bytes_their_groups() {
        assert_eq!([percent(0.05), percent(-0.136), percent(-0.0001)], ["+5.0%", "−13.6%", "0.0%"]);
        assert_eq!(
            [percent(9.5), percent(12.586), percent(1e30), percent(f64::NAN)],
            ["+950.0%", "13.6×", ">10,000×", ">10,000×"]
        );
        assert_eq!(
            [share(0.027), share(9.9), share(3.1e24), share(f64::INFINITY)],
            ["2.7%", "990.0%", ">1000%", ">1000%"]
        );
        assert_eq!([exact(0), exact(999), exact(99_164_288)], ["0", "999", "99,164,288"]);
        assert_eq!([mebibytes(99_164_288), mebibytes(18_542_720)], ["95MB", "18MB"]);
    }
}
