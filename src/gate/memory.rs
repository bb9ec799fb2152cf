//! Memory: the model's bytes are exact, a process's peak has a tolerance.

use std::cmp::Ordering;

use super::{Finding, Metric, Verdict, direction, new_finding};
use crate::config::Thresholds;
use crate::evidence::figures::{Figures, PeakBytes};
use crate::text::format;

/// Exact, in either direction: an unrecorded saving wants a new baseline too.
pub(super) fn judge_model_bytes(figures: &Figures, baseline: Option<u64>) -> Finding {
    let now = figures.model_bytes;
    let Some(baseline) = baseline else {
        return new_finding(Metric::ModelBytes, now as f64, "no recorded model bytes");
    };
    let (verdict, message) = match now.cmp(&baseline) {
        _ if !figures.model_bytes_agree => (
            Verdict::Regressed,
            format!(
                "the launches disagree on the model's bytes, which are exact: up to {}, recorded are {}",
                format::exact(now),
                format::exact(baseline)
            ),
        ),
        Ordering::Equal => {
            (Verdict::Unchanged, format!("model weights take {} bytes, as recorded", format::exact(now)))
        }
        Ordering::Greater => (
            Verdict::Regressed,
            format!(
                "model weights take {} bytes, {} more than the recorded {}; the figure is exact, so any difference fails",
                format::exact(now),
                format::exact(now - baseline),
                format::exact(baseline)
            ),
        ),
        Ordering::Less => (
            Verdict::Improved,
            format!(
                "model weights take {} bytes, {} fewer than the recorded {}; the figure is exact, so a saving must be recorded",
                format::exact(now),
                format::exact(baseline - now),
                format::exact(baseline)
            ),
        ),
    };
    Finding {
        change: Some(now as f64 / baseline as f64 - 1.0),
        fails: verdict != Verdict::Unchanged,
        ..Finding::new(Metric::ModelBytes, Some(baseline as f64), Some(now as f64), verdict, message)
    }
}

/// A process's peak against `before`, the base revision's beside it or else the baseline's.
pub(super) fn judge_peak(now: &PeakBytes, before: Option<(u64, &str)>, gate: &Thresholds) -> Finding {
    let Some((baseline, whose)) = before else {
        return new_finding(Metric::PeakBytes, now.median as f64, "no baseline peak");
    };
    let allowed = baseline as f64 * gate.peak_tolerance_percent / 100.0 + gate.peak_tolerance_mib * 1024.0 * 1024.0;
    let change = now.median as f64 - baseline as f64;
    let beyond = |bytes: u64| (bytes as f64 - baseline as f64).abs() > allowed;
    let verdict = match change {
        change if change.abs() <= allowed => Verdict::Unchanged,
        // Launches that disagree are no proof, unless even the one nearest to the baseline is beyond the tolerance.
        change if change > 0.0 && now.least > baseline && beyond(now.least) => Verdict::Regressed,
        change if change < 0.0 && now.most < baseline && beyond(now.most) => Verdict::Improved,
        _ => Verdict::Inconclusive,
    };
    let mut message = format!(
        "the process's peak memory {} {whose} {} to {}: {} {}, {} the tolerance of {} ({}% + {} MiB)",
        direction(change),
        format::mebibytes(baseline),
        format::mebibytes(now.median),
        format::mebibytes(change.abs() as u64),
        if change < 0.0 { "less" } else { "more" },
        if verdict == Verdict::Unchanged { "within" } else { "beyond" },
        format::mebibytes(allowed as u64),
        gate.peak_tolerance_percent,
        gate.peak_tolerance_mib
    );
    if verdict == Verdict::Inconclusive {
        message.push_str("; the launches disagree by more than the tolerance");
    }
    Finding {
        change: Some(now.median as f64 / baseline as f64 - 1.0),
        fails: verdict == Verdict::Regressed,
        ..Finding::new(Metric::PeakBytes, Some(baseline as f64), Some(now.median as f64), verdict, message)
    }
}
