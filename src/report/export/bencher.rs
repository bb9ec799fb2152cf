//! Bencher Metric Format, for `bencher run --adapter json`.
//!
//! The built-in measure `latency` is in nanoseconds; the other measures are named after their unit and created by Bencher when
//! they first appear.

use std::collections::BTreeMap;

use serde::Serialize;

use super::super::Report;
use super::exported::{FIGURES, measured, step_range};
use crate::evidence::figures::Figures;
use crate::gate::Judged;
use crate::text::escape;

/// Nanoseconds a second.
const NANOSECONDS: f64 = 1e9;

/// Longest name of a benchmark that Bencher takes, in characters.
const LONGEST_NAME: usize = 1024;

#[derive(Serialize)]
struct Metric {
    value: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    lower_value: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    upper_value: Option<f64>,
}

/// The figures of the measured cases, by case and measure.
///
/// # Panics
/// Never: all keys are strings.
pub fn render(report: &Report) -> String {
    let benchmarks: BTreeMap<String, _> =
        measured(report).map(|(case, now)| (name(case), metrics(report, case, now))).collect();
    escape::json_document(&benchmarks)
}

fn name(case: &Judged) -> String {
    case.name.chars().take(LONGEST_NAME).collect()
}

fn metrics(report: &Report, case: &Judged, now: &Figures) -> BTreeMap<String, Metric> {
    let measures = FIGURES.iter().filter_map(|figure| {
        let value = (figure.value)(now)?;
        Some(match figure.key {
            "step_seconds" => {
                let nanoseconds = |seconds: f64| seconds * NANOSECONDS;
                ("latency".to_owned(), metric(nanoseconds(value), step_range(report, case), nanoseconds))
            }
            "speedup_ratio" => (slug(figure.key), metric(value, now.speedup?.interval, |ratio| ratio)),
            key => (slug(key), metric(value, None, |value| value)),
        })
    });
    measures.collect()
}

fn metric(value: f64, bounds: Option<(f64, f64)>, in_unit: impl Fn(f64) -> f64) -> Metric {
    let (lower_value, upper_value) = bounds.map(|(lower, upper)| (in_unit(lower), in_unit(upper))).unzip();
    Metric { value, lower_value, upper_value }
}

/// A measure's name as Bencher writes it in an address.
fn slug(key: &str) -> String {
    key.replace('_', "-")
}
