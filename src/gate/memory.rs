//! Memory: the model's bytes are exact, peaks have a tolerance.

use std::cmp::Ordering;

use super::outcome::{Against, Figure, Finding, Verdict};
use super::words::direction;
use crate::config::Thresholds;
use crate::evidence::figures::{Figures, Peak};
use crate::evidence::quantity::{Bytes, Change, Quantity};
use crate::evidence::{CaseEvidence, Peaks};
use crate::store::baseline::BaselineCase;
use crate::text::format;

/// Exact, in either direction: an unrecorded improvement has to be recorded too. What is not recorded is compared with the base
/// revision's, of which fewer bytes are a plain improvement.
pub(super) fn model_bytes(evidence: &CaseEvidence, now: &Figures, recorded: Option<Bytes>) -> Finding {
    let of_base = evidence.base.map(|base| (base.model_bytes, Against::Base));
    let before = recorded.map(|bytes| (bytes, Against::Recorded)).or(of_base);
    let bytes = now.model_bytes;
    let exact = |bytes: Bytes| format::exact(bytes.0);
    let quantity = |bytes: Bytes| Some(Quantity::Memory(bytes));
    if !now.model_bytes_agree {
        let message = format!("the launches disagree on the model's bytes, which are exact: up to {}", exact(bytes));
        let against = before.map_or(Against::Recorded, |(_, against)| against);
        let finding = Finding::new(Figure::ModelBytes, against, Verdict::Regressed, message);
        return Finding {
            fails: true,
            ..finding.between(before.and_then(|(before, _)| quantity(before)), quantity(bytes))
        };
    }
    let Some((before, against)) = before else {
        let message = "no model bytes are recorded";
        return Finding::new(Figure::ModelBytes, Against::Recorded, Verdict::New, message)
            .between(None, quantity(bytes));
    };
    let is_recorded = against == Against::Recorded;
    let (as_before, whose) = match is_recorded {
        true => ("as recorded", "the recorded"),
        false => ("as at the base revision", "the base revision's"),
    };
    let difference = exact(Bytes(bytes.0.abs_diff(before.0)));
    let (verdict, words) = match bytes.cmp(&before) {
        Ordering::Equal => (Verdict::Unchanged, as_before.to_owned()),
        Ordering::Greater => (
            Verdict::Regressed,
            format!("{difference} more than {whose} {}; the figure is exact, so any difference fails", exact(before)),
        ),
        Ordering::Less if is_recorded => (
            Verdict::Improved,
            format!(
                "{difference} fewer than {whose} {}; the figure is exact, so an improvement must be recorded",
                exact(before)
            ),
        ),
        Ordering::Less => (Verdict::Improved, format!("{difference} fewer than {whose} {}", exact(before))),
    };
    let message = format!("the model's weights take {} bytes, {words}", exact(bytes));
    Finding {
        change: Some(Change::of_bytes(before, bytes)),
        fails: verdict == Verdict::Regressed || verdict == Verdict::Improved && is_recorded,
        ..Finding::new(Figure::ModelBytes, against, verdict, message).between(quantity(before), quantity(bytes))
    }
}

/// Both peaks of a case, against the base revision's beside it or else the baseline's; the other way round where this change
/// `accepts` a growth, which is in the baseline, and not at the base revision.
pub(super) fn peaks(
    evidence: &CaseEvidence,
    stored: Option<&BaselineCase>,
    accepts: bool,
    thresholds: &Thresholds,
) -> Vec<Finding> {
    let base = evidence.base.map(|base| base.peaks).unwrap_or_default();
    let Peaks { process, framework } = evidence.peaks;
    let of_base = |peak: Option<Peak>| peak.map(|peak| (peak.median, Against::Base));
    let of_baseline = |peak: Option<u64>| peak.map(|peak| (Bytes(peak), Against::Baseline));
    let before = |base: Option<Peak>, baseline: Option<u64>| match accepts {
        true => of_baseline(baseline).or(of_base(base)),
        false => of_base(base).or(of_baseline(baseline)),
    };
    let process_before = before(base.process, stored.and_then(|stored| stored.process_peak_bytes));
    let framework_before = before(base.framework, stored.and_then(|stored| stored.framework_peak_bytes));
    let pairs = [(Figure::ProcessPeak, process, process_before), (Figure::FrameworkPeak, framework, framework_before)];
    pairs.into_iter().filter_map(|(figure, now, before)| peak(figure, now, before, thresholds)).collect()
}

/// `None` where a framework keeps no peak, and kept none before.
fn peak(
    figure: Figure,
    now: Option<Peak>,
    before: Option<(Bytes, Against)>,
    thresholds: &Thresholds,
) -> Option<Finding> {
    let quantity = |bytes: Bytes| Some(Quantity::Memory(bytes));
    let (now, (before, against)) = match (now, before) {
        (Some(now), Some(before)) => (now, before),
        (Some(now), None) => {
            let finding = Finding::new(figure, Against::Baseline, Verdict::New, format!("no {figure} was recorded"));
            return Some(finding.between(None, quantity(now.median)));
        }
        (None, Some((before, against))) => {
            let whose = whose(against);
            let message = format!("its {figure} cannot be judged: the worker reports none, {whose} is {before}");
            return Some(Finding::new(figure, against, Verdict::NotJudged, message).between(quantity(before), None));
        }
        (None, None) if figure == Figure::ProcessPeak => {
            let message = format!("its {figure} is not gated: the worker reports none");
            return Some(Finding::new(figure, Against::Baseline, Verdict::NotGated, message));
        }
        (None, None) => return None,
    };
    Some(judged(figure, now, (before, against), thresholds))
}

fn judged(figure: Figure, now: Peak, (before, against): (Bytes, Against), thresholds: &Thresholds) -> Finding {
    let allowed =
        before.0 as f64 * thresholds.peak_tolerance_percent / 100.0 + thresholds.peak_tolerance_mib * 1024.0 * 1024.0;
    let growth = now.median.0 as f64 - before.0 as f64;
    let is_beyond = |bytes: Bytes| (bytes.0 as f64 - before.0 as f64).abs() > allowed;
    let verdict = match growth {
        growth if growth.abs() <= allowed => Verdict::Unchanged,
        // Launches that disagree are no proof, unless even the one nearest to the baseline is beyond the tolerance.
        growth if growth > 0.0 && now.least > before && is_beyond(now.least) => Verdict::Regressed,
        growth if growth < 0.0 && now.most < before && is_beyond(now.most) => Verdict::Improved,
        _ => Verdict::Inconclusive,
    };
    let change = Change::of_bytes(before, now.median);
    let mut message = format!(
        "its {figure} {} {} {} to {}: {} {}, {} the tolerance of {} ({}% + {} MiB)",
        direction(change),
        whose(against),
        before,
        now.median,
        format::mebibytes(growth.abs() as u64),
        if growth < 0.0 { "less" } else { "more" },
        if verdict == Verdict::Unchanged { "within" } else { "beyond" },
        format::mebibytes(allowed as u64),
        thresholds.peak_tolerance_percent,
        thresholds.peak_tolerance_mib
    );
    if verdict == Verdict::Inconclusive {
        message.push_str("; the launches disagree by more than the tolerance");
    }
    let quantity = |bytes: Bytes| Some(Quantity::Memory(bytes));
    Finding {
        change: Some(change),
        fails: verdict == Verdict::Regressed,
        ..Finding::new(figure, against, verdict, message).between(quantity(before), quantity(now.median))
    }
}

fn whose(against: Against) -> &'static str {
    if against == Against::Base { "the base revision's" } else { "the baseline's" }
}
