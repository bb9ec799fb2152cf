//! Memory: the model's bytes are exact, peaks have a tolerance.

use std::cmp::Ordering;

use super::outcome::{Against, Figure, Finding, Verdict};
use super::words::{SINCE_ANCHOR, anchor_of, direction};
use crate::config::Thresholds;
use crate::evidence::figures::{DevicePeak, Figures, Peak};
use crate::evidence::quantity::{Bytes, Change, Quantity};
use crate::evidence::{CaseEvidence, Peaks};
use crate::stats::sign_probability;
use crate::store::baseline::BaselineCase;
use crate::text::format;

/// Share of the launches that must be beyond the tolerance for a peak to have changed …
const MOST: (usize, usize) = (4, 5);
/// … or so improbable must it be that as many are, if it had not: more launches never need a larger share.
const SIGN_ALPHA: f64 = 0.01;

/// Exact, in either direction: an unrecorded improvement has to be recorded too. What is not recorded is compared with the base
/// revision's, of which fewer bytes are a plain improvement.
pub(super) fn model_bytes(evidence: &CaseEvidence, now: &Figures, recorded: Option<Bytes>) -> Finding {
    let of_base = evidence.base.as_ref().map(|base| (base.model_bytes, Against::Base));
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

/// Why the process's peak is shown only where the GPU has memory of its own: what grows there moves no page of the process, and
/// what the framework and the driver map into it is no change of this repository's.
const SHOWN_ONLY: &str = "; not gated, since the GPU has memory of its own, which is the framework peak";

/// Both peaks of a case, against the base revision's beside it or else the baseline's; the other way round where this change
/// `accepts` a growth, which is in the baseline, and not at the base revision.
pub(super) fn peaks(
    evidence: &CaseEvidence,
    stored: Option<&BaselineCase>,
    accepts: bool,
    thresholds: &Thresholds,
) -> Vec<Finding> {
    let base = evidence.base.as_ref().map(|base| &base.peaks);
    let of_base = |peak: Option<&Peak>| peak.map(|peak| (peak.median, Against::Base));
    let of_baseline = |peak: Option<u64>| peak.map(|peak| (Bytes(peak), Against::Baseline));
    let before = |base: Option<&Peak>, baseline: Option<u64>| match accepts {
        true => of_baseline(baseline).or(of_base(base)),
        false => of_base(base).or(of_baseline(baseline)),
    };
    let process_before =
        before(base.and_then(|it| it.process.as_ref()), stored.and_then(|stored| stored.process_peak_bytes));
    let framework_before =
        before(base.and_then(|it| it.framework.as_ref()), stored.and_then(|stored| stored.framework_peak_bytes));
    let Peaks { process, framework, device } = &evidence.peaks;
    let mut process = peak(Figure::ProcessPeak, process.as_ref(), process_before, *device, thresholds);
    if *device == DevicePeak::Framework {
        process.iter_mut().for_each(show_only);
    }
    let framework = peak(Figure::FrameworkPeak, framework.as_ref(), framework_before, *device, thresholds);
    process.into_iter().chain(framework).collect()
}

fn show_only(finding: &mut Finding) {
    (finding.verdict, finding.fails) = (Verdict::NotGated, false);
    finding.message.push_str(SHOWN_ONLY);
}

/// Whether the launches disagree about a peak, so that more of them may tell.
pub(super) fn is_open(evidence: &CaseEvidence, stored: Option<&BaselineCase>, thresholds: &Thresholds) -> bool {
    let findings = peaks(evidence, stored, false, thresholds);
    findings.iter().any(|finding| finding.verdict == Verdict::Inconclusive)
}

/// The peaks that are gated against the anchor, once the baseline has moved on from it. Beside a base revision they are told and do not
/// fail: the base revision's own peak tells what this change did.
pub(super) fn since_anchor(
    evidence: &CaseEvidence,
    stored: Option<&BaselineCase>,
    thresholds: &Thresholds,
) -> Vec<Finding> {
    let Some((stored, anchor)) = stored.and_then(|stored| Some((stored, stored.anchor.as_ref()?))) else {
        return Vec::new();
    };
    let Peaks { process, framework, device } = &evidence.peaks;
    let process = (Figure::ProcessPeak, process, anchor.process_peak_bytes, stored.process_peak_bytes);
    let framework = (Figure::FrameworkPeak, framework, anchor.framework_peak_bytes, stored.framework_peak_bytes);
    let of_figure = |(figure, now, before, recorded): (_, &Option<Peak>, Option<u64>, Option<u64>)| {
        let (now, before) = (now.as_ref()?, before.filter(|before| recorded != Some(*before))?);
        let allowance = Allowance { percent: thresholds.anchor_tolerance_percent, mib: thresholds.peak_tolerance_mib };
        let whose = format!("{}'s", anchor_of(anchor));
        let mut finding = judged(figure, now, (Bytes(before), Against::Anchor), &whose, allowance);
        finding.verdict = match finding.verdict {
            Verdict::Regressed if evidence.base.is_some() => Verdict::Drifted,
            Verdict::Inconclusive if evidence.base.is_some() => Verdict::NotGated,
            // No update records it: it is shown, and asks for nothing.
            Verdict::Improved => Verdict::NotGated,
            verdict => verdict,
        };
        finding.fails = finding.verdict == Verdict::Regressed;
        if finding.fails {
            finding.message.push_str(SINCE_ANCHOR);
        }
        Some(finding)
    };
    let process = (*device == DevicePeak::Process).then_some(process);
    process.into_iter().chain([framework]).filter_map(of_figure).collect()
}

/// `None` where a framework keeps no peak, and kept none before: unless it is the `device` peak, without which nothing is known
/// of the GPU's memory.
fn peak(
    figure: Figure,
    now: Option<&Peak>,
    before: Option<(Bytes, Against)>,
    device: DevicePeak,
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
        (None, None) if device == DevicePeak::Framework => {
            let message = format!(
                "its {figure} cannot be judged: the worker reports none, and nothing else tells what is held in the GPU's own memory"
            );
            return Some(Finding::new(figure, Against::Baseline, Verdict::NotJudged, message));
        }
        (None, None) => return None,
    };
    let allowance = Allowance { percent: thresholds.peak_tolerance_percent, mib: thresholds.peak_tolerance_mib };
    Some(judged(figure, now, (before, against), whose(against), allowance))
}

/// Whether so many launches of `all` that are beyond a limit show that the peak is.
pub(super) fn is_shown(beyond: usize, all: usize) -> bool {
    beyond * MOST.1 >= all * MOST.0 || sign_probability(beyond, all) <= SIGN_ALPHA
}

/// Whether they are so few that the peak is within it.
pub(super) fn is_rare(beyond: usize, all: usize) -> bool {
    (all - beyond) * MOST.1 >= all * MOST.0
}

/// How much a peak may differ.
struct Allowance {
    /// In percent of the peak before …
    percent: f64,
    /// … plus this.
    mib: f64,
}

fn judged(
    figure: Figure,
    now: &Peak,
    (before, against): (Bytes, Against),
    whose: &str,
    Allowance { percent, mib }: Allowance,
) -> Finding {
    let allowed = before.0 as f64 * percent / 100.0 + mib * 1024.0 * 1024.0;
    let growth_of = |bytes: Bytes| bytes.0 as f64 - before.0 as f64;
    let growth = growth_of(now.median);
    let beyond = |sign: f64| now.launches.iter().filter(|bytes| sign * growth_of(**bytes) > allowed).count();
    let (more, less) = (beyond(1.0), beyond(-1.0));
    let all = now.launches.len();
    let verdict = match growth {
        _ if is_shown(more, all) => Verdict::Regressed,
        _ if is_shown(less, all) => Verdict::Improved,
        growth if growth.abs() <= allowed && is_rare(more, all) => Verdict::Unchanged,
        _ => Verdict::Inconclusive,
    };
    let change = Change::of_bytes(before, now.median);
    let mut message = format!(
        "its {figure} {} {whose} {before} to {}: {} {}, {} the tolerance of {} ({percent}% + {mib} MiB)",
        direction(change),
        now.median,
        format::mebibytes(growth.abs() as u64),
        if growth < 0.0 { "less" } else { "more" },
        if verdict == Verdict::Unchanged { "within" } else { "beyond" },
        format::mebibytes(allowed as u64),
    );
    let count = if growth < 0.0 { less } else { more };
    if verdict != Verdict::Unchanged && count < all {
        message.push_str(&format!(" in {count} of {}", format::launches(all)));
    }
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
