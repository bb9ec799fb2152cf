//! The outcome in one sentence, and what was found: the first thing every report says.
//!
//! The words are plain text; each rendering escapes or colours them. Commands are in backticks.

use super::Report;
use crate::config::Case;
use crate::gate::{Against, Figure, Finding, Judged, Outcome, Verdict, is_unfit};
use crate::text::format::{self, some_names};

/// What is behind the standing, without its name: `1 of 8 cases …`.
pub(super) fn reason(report: &Report) -> String {
    let outcome = &report.outcome;
    let asked = outcome.cases.iter().filter(|case| case.case.is_some()).count();
    let all = format::count(asked, "case");
    let mut parts = Vec::new();
    for (is_of_ceiling, where_to) in [
        (false, ["outside its tolerance", "outside their tolerance"]),
        (true, ["beyond its ceiling", "beyond their ceilings"]),
    ] {
        let is_meant = |finding: &&Finding| finding.fails && (finding.against == Against::Ceiling) == is_of_ceiling;
        let counts = outcome.cases.iter().map(|case| case.findings.iter().filter(is_meant).count());
        let counts: Vec<usize> = counts.filter(|count| *count > 0).collect();
        let figures = counts.iter().sum();
        if figures > 0 {
            let where_to = where_to[usize::from(figures > 1)];
            parts.push(format!("{} {where_to}, in {} of {all}", format::count(figures, "figure"), counts.len()));
        }
    }
    parts.extend(outcome.gaps.iter().filter(|gap| gap.fails).map(|gap| gap.reason.clone()));
    for (verdict, words) in [
        (Verdict::Failed, "could not be measured"),
        (Verdict::Skipped, "skipped, although asked for"),
        (Verdict::NotJudged, "not judged"),
        (Verdict::LeftOut, "not in the results"),
    ] {
        let names = gaps(outcome, verdict);
        if !names.is_empty() {
            parts.push(format!("{} of {all} {words} ({})", names.len(), some_names(&names)));
        }
    }
    // These are none of the cases that are asked for.
    let missing = gaps(outcome, Verdict::Missing);
    if !missing.is_empty() {
        let cases = format::count(missing.len(), "case");
        parts.push(format!("{cases} of the baseline no longer in the configuration ({})", some_names(&missing)));
    }
    let inconclusive: Vec<&str> = outcome.with_verdict(Verdict::Inconclusive).map(|case| case.name.as_str()).collect();
    if !inconclusive.is_empty() && report.standing() != crate::gate::Standing::Passed {
        parts.push(format!("{} of {all} inconclusive ({})", inconclusive.len(), some_names(&inconclusive)));
    }
    parts.extend(outcome.gaps.iter().filter(|gap| !gap.fails).map(|gap| gap.reason.clone()));
    if parts.is_empty() {
        parts.push(tally(outcome));
    }
    parts.extend(outcome.exemptions.iter().cloned());
    parts.join("; ")
}

/// The names of the cases of this verdict that leave a gap.
fn gaps(outcome: &Outcome, verdict: Verdict) -> Vec<&str> {
    outcome.with_verdict(verdict).filter(|case| case.is_gap).map(|case| case.name.as_str()).collect()
}

/// Something that deserves a look.
pub(super) struct Notable<'a> {
    /// The cases it is about: several, where the same words are true of each.
    pub cases: Vec<&'a Judged>,
    /// The judgement of the figure or the case.
    pub verdict: Verdict,
    /// Whether the gate fails on it.
    pub fails: bool,
    /// Whether evidence that was asked for is missing.
    pub is_gap: bool,
    /// What was found.
    pub words: String,
}

/// What deserves a look, gravest first.
pub(super) fn notable(outcome: &Outcome) -> Vec<Notable<'_>> {
    let found = |wanted: fn(&Finding) -> bool| {
        let findings = outcome.findings().filter(move |(_, finding)| wanted(finding));
        findings.map(|(case, finding)| {
            let is_gap = matches!(finding.verdict, Verdict::NotJudged | Verdict::Inconclusive);
            (case, finding.verdict, finding.fails, is_gap, finding.message.clone())
        })
    };
    let unmeasured = |is_gap: bool, wanted: &'static [Verdict]| {
        let cases = outcome.cases.iter().filter(move |case| wanted.contains(&case.verdict) && case.is_gap == is_gap);
        cases.map(|case| (case, case.verdict, false, case.is_gap, why(case)))
    };
    let measured_otherwise = outcome.cases.iter().filter(|case| case.now.is_some()).filter_map(|case| {
        let reason = case.reason.clone()?;
        Some((case, Verdict::NotJudged, false, true, reason))
    });
    // By the run as a whole, or by why it was skipped.
    let is_told_once = |case: &Judged| {
        let is_on_unfit = |case: &Case| is_unfit(&outcome.controls, &case.workload.name);
        case.now.is_none() || case.case.as_ref().is_some_and(is_on_unfit)
    };
    let all = found(|finding| finding.fails && finding.verdict == Verdict::Regressed)
        .chain(found(|finding| finding.fails && finding.verdict != Verdict::Regressed))
        .chain(unmeasured(true, &[Verdict::Failed, Verdict::Skipped, Verdict::LeftOut, Verdict::Missing]))
        .chain(measured_otherwise)
        .chain(
            found(|finding| matches!(finding.verdict, Verdict::NotJudged | Verdict::Inconclusive))
                .filter(|(case, ..)| !is_told_once(case)),
        )
        .chain(found(|finding| !finding.fails && matches!(finding.verdict, Verdict::Regressed | Verdict::Improved)))
        .chain(found(|finding| finding.verdict == Verdict::Unconfirmed))
        .chain(found(|finding| finding.verdict == Verdict::Drifted))
        .chain(unmeasured(false, &[Verdict::Skipped]))
        .chain(found(|finding| finding.verdict == Verdict::NotGated && finding.figure == Figure::Output));
    // Launches that are slow as a whole are told whatever they come to.
    let slow = found(|finding| finding.figure == Figure::SlowLaunches);
    let all = all.chain(slow.filter(|(_, verdict, ..)| matches!(verdict, Verdict::Unchanged | Verdict::NotGated)));
    let mut notable: Vec<Notable> = Vec::new();
    for (case, verdict, fails, is_gap, words) in all {
        let same = |other: &&mut Notable| (other.verdict, other.fails, &other.words) == (verdict, fails, &words);
        match notable.iter_mut().find(same) {
            Some(same) => same.cases.push(case),
            None => notable.push(Notable { cases: vec![case], verdict, fails, is_gap, words }),
        }
    }
    notable
}

/// Why a case has no figures, and what that means.
fn why(case: &Judged) -> String {
    let reason = case.reason.clone().unwrap_or_default();
    match (case.verdict, case.is_gap) {
        (Verdict::Skipped, true) if case.baseline.is_none() && !case.findings.is_empty() => {
            format!("{reason}; {}", case.findings[0].message)
        }
        (Verdict::Skipped, true) if case.baseline.is_none() => {
            format!("{reason}, as nothing but the results say; so it counts as not measured")
        }
        (Verdict::Skipped, true) => format!("{reason}; the baseline has its figures, so it should have been measured"),
        (Verdict::Skipped, false) => format!("{reason}; no baseline has it"),
        _ => reason,
    }
}

/// Why a case has no figures, in a table's or a list's entry: `failed: …`, `skipped: needs 71 GiB, has 36 GiB`.
pub(super) fn unmeasured(case: &Judged) -> String {
    match &case.reason {
        Some(reason) => format!("{}: {reason}", case.verdict),
        None => case.verdict.to_string(),
    }
}

/// `8 cases (6 unchanged, 1 improved, 1 new)`.
pub(super) fn tally(outcome: &Outcome) -> String {
    let counts = Verdict::ALL.map(|verdict| (outcome.with_verdict(verdict).count(), verdict));
    let words: Vec<String> =
        counts.iter().filter(|(count, _)| *count > 0).map(|(count, verdict)| format!("{count} {verdict}")).collect();
    match words.is_empty() {
        true => "no cases".to_owned(),
        false => format!("{} ({})", format::count(outcome.cases.len(), "case"), words.join(", ")),
    }
}
