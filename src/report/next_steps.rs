//! What to do about a run.
//!
//! The words are plain text; each rendering escapes or colours them. Commands are in backticks, with all flags that matter,
//! quoted for a shell.

use std::collections::BTreeSet;

use super::{Report, short};
use crate::gate::{Against, Control, Figure, Finding, Judged, MOST_ADVISED_LAUNCHES, Standing, Verdict};
use crate::store::baseline::MODEL_MEMORY;
use crate::store::record::{ArmKind, Launch, Skipped, failure};
use crate::text::format::{self, some_names};

/// Whether launches are compared by this figure.
fn is_time(figure: Figure) -> bool {
    figure == Figure::Speedup || Figure::TIMES.contains(&figure)
}

/// One thing to do.
pub(super) enum Step<'a> {
    /// Something that no figures are recorded by, in words.
    Do(String),
    /// Something to take up in the baseline.
    Record(Recording<'a>),
}

/// What of a run the baseline can take up.
pub(super) enum Recording<'a> {
    /// What fails the gate, if it is intended.
    Change {
        /// The cases that were slower or larger than at the base revision, where the baseline alone does not decide, and
        /// those slower than the baseline, to whose level one more job is an outlier: each is accepted, with a reason.
        accepted: Vec<&'a str>,
        /// Whether other figures fail too, which an update records.
        updates: bool,
    },
    /// The first figures of this machine.
    Machine,
    /// The first figures of some cases.
    NewCases,
    /// Better figures.
    Improvement,
    /// The present level of the cases that drifted from their anchors, if that is intended.
    Anchor(Vec<&'a str>),
}

/// What to do, most important first; empty where there is nothing to do.
pub(super) fn steps(report: &Report) -> Vec<Step<'_>> {
    let outcome = &report.outcome;
    let mut steps = Vec::new();
    if compared(report).next().is_some() {
        steps.push(Step::Do(format!("Investigate what changed{}.", since(report))));
        steps.extend(change(report).map(Step::Record));
        steps.extend(drift(report).map(Step::Record));
    }
    steps.extend(beyond_ceilings(report).map(Step::Do));
    steps.extend([failed(report), left_out(report), more_memory(report)].into_iter().flatten().map(Step::Do));
    let is_unsteady = report.record.unrested_blocks() > 0 && outcome.standing == Standing::NotJudged;
    let (short, unfit): (Vec<&Control>, Vec<&Control>) =
        outcome.controls.iter().filter(|control| control.unfit.is_some()).partition(|control| control.is_too_short());
    steps.extend(more_frames(&short).map(Step::Do));
    if !unfit.is_empty() || !short.is_empty() || is_unsteady {
        let doctor = report.invocation.doctor();
        steps.push(Step::Do(format!(
            "Wait until the machine is idle and measure again; `{doctor}` looks for what disturbs it."
        )));
    } else {
        steps.extend(more_launches(report).map(Step::Do));
        steps.extend(measure_again(report).map(Step::Do));
    }
    steps.extend(no_base(report).map(Step::Do));
    steps.extend(base_failed(report).map(Step::Do));
    steps.extend(no_output(report).map(Step::Do));
    steps.extend(no_peak(report).map(Step::Do));
    if let Some(case) = gaps(report, Verdict::Missing).next() {
        steps.push(Step::Do(format!(
            "Put {} and any other missing cases back into the configuration, or delete the entries from {}.",
            case.name,
            baseline_file(report)
        )));
    }
    let gain = gain(report);
    if steps.is_empty() && gain.is_none() && outcome.standing != Standing::Passed {
        steps.push(Step::Do(format!("See to what is missing, then check again: `{}`.", check_whole(report))));
    }
    steps.extend(gain.map(Step::Record));
    steps.extend(doubted(report).map(Step::Do));
    steps
}

impl Step<'_> {
    /// As a sentence.
    pub fn words(&self, report: &Report) -> String {
        match self {
            Self::Do(words) => words.clone(),
            Self::Record(recording) => recording.words(report),
        }
    }
}

impl Recording<'_> {
    /// What it is for.
    pub fn purpose(&self) -> &'static str {
        match self {
            Self::Change { .. } => "If the change is intended, accept it",
            Self::Machine => "Record the first baseline of this machine",
            Self::NewCases => "Record the new cases",
            Self::Improvement => "Keep the improvement",
            Self::Anchor(_) => "If the drift since the anchors is intended, move them",
        }
    }

    /// Whether it is about something that fails the gate.
    pub fn is_change(&self) -> bool {
        matches!(self, Self::Change { .. })
    }

    /// The files that it changes.
    pub fn files(&self, report: &Report) -> String {
        let memory = match report.baseline_file.rsplit_once('/') {
            Some((folder, _)) => format!("{folder}/{MODEL_MEMORY}"),
            None => MODEL_MEMORY.to_owned(),
        };
        let has_bytes = report.outcome.failing().any(|(_, finding)| finding.figure == Figure::ModelBytes);
        match self {
            Self::Change { .. } if has_bytes => format!("{memory} and {}", report.baseline_file),
            _ => report.baseline_file.clone(),
        }
    }

    fn words(&self, report: &Report) -> String {
        let update = update(report, &[]);
        let files = self.files(report);
        match self {
            Self::Change { accepted, .. } => match accepted[..] {
                [] => format!("If the change is intended, record it with `{update}` and commit {files}."),
                [case, ..] => format!(
                    "If the change is intended, accept it{} with `{}` and commit {files}.",
                    if accepted.len() > 1 { ", case by case," } else { "" },
                    accept(report, case, &[])
                ),
            },
            Self::Machine => format!("Record a baseline of this machine with `{update}` and commit {files}."),
            Self::NewCases => format!("Record the new cases with `{update}` and commit {files}."),
            Self::Improvement => format!("Keep the improvement: `{update}`, then commit {files}."),
            Self::Anchor(cases) => format!(
                "If the drift since the anchors is intended, move them with `{}` and commit {files}.",
                anchor(report, cases, &[])
            ),
        }
    }
}

/// The command that records the run.
pub(super) fn update(report: &Report, flags: &[&str]) -> String {
    let invocation = &report.invocation;
    let words = ["baseline", "update", "--from", &invocation.results_file];
    invocation.command(words.into_iter().chain(flags.iter().copied()))
}

/// The command that accepts the regression of `case`.
pub(super) fn accept(report: &Report, case: &str, flags: &[&str]) -> String {
    let invocation = &report.invocation;
    let words = ["baseline", "accept", case, "--reason", "WHY IT IS ACCEPTABLE", "--from", &invocation.results_file];
    invocation.command(words.into_iter().chain(flags.iter().copied()))
}

/// The command that moves the anchors of `cases`.
pub(super) fn anchor(report: &Report, cases: &[&str], flags: &[&str]) -> String {
    let filters = cases.iter().flat_map(|case| ["--filter", case]);
    let words = ["baseline", "anchor", "--reason", "WHY IT IS ACCEPTABLE"].into_iter().chain(filters);
    report.invocation.command(words.chain(flags.iter().copied()))
}

/// What fails and was better before; what is beyond its ceiling may always have been.
fn compared(report: &Report) -> impl Iterator<Item = (&Judged, &Finding)> {
    report.outcome.failing().filter(|(_, finding)| finding.against != Against::Ceiling)
}

/// What to do about figures that are beyond what the configuration allows them.
fn beyond_ceilings(report: &Report) -> Option<String> {
    let beyond = report.outcome.failing().filter(|(_, finding)| finding.against == Against::Ceiling);
    let mut cases: Vec<&str> = beyond.map(|(case, _)| case.name.as_str()).collect();
    cases.dedup();
    let (are, ceilings) = if cases.len() == 1 { ("is", "its ceiling") } else { ("are", "their ceilings") };
    (!cases.is_empty()).then(|| {
        format!(
            "Find out why {} {are} beyond {ceilings}, or set another limit in the configuration, which no baseline and no acceptance does.",
            some_names(&cases)
        )
    })
}

/// What fails against an anchor alone: no update moves that, and an acceptance does.
fn drift(report: &Report) -> Option<Recording<'_>> {
    let is_alone = |case: &Judged, figure| {
        !case.findings.iter().any(|other| {
            other.fails && other.figure == figure && !matches!(other.against, Against::Anchor | Against::Ceiling)
        })
    };
    let failing = compared(report).filter(|(_, finding)| finding.against == Against::Anchor);
    let drifted = failing.filter(|(case, finding)| is_alone(case, finding.figure));
    let mut cases: Vec<&str> = drifted.map(|(case, _)| case.name.as_str()).collect();
    cases.dedup();
    (!cases.is_empty() && !report.is_comparison).then_some(Recording::Anchor(cases))
}

/// What fails, where it can be recorded: a wrong output cannot, and neither can a run that no baseline should be made of.
fn change(report: &Report) -> Option<Recording<'_>> {
    if report.is_comparison || !report.doubts.run.is_empty() {
        return None;
    }
    let is_recordable = |finding: &Finding| finding.figure != Figure::Output && finding.against != Against::Anchor;
    let recordable = || compared(report).filter(|(_, finding)| is_recordable(finding));
    let is_accepted = |finding: &Finding| finding.against == Against::Base || is_time(finding.figure);
    let to_accept = recordable().filter(|(_, finding)| is_accepted(finding));
    let mut accepted: Vec<&str> = to_accept.map(|(case, _)| case.name.as_str()).collect();
    accepted.dedup();
    let needs_update = recordable().any(|(case, _)| !accepted.contains(&case.name.as_str()));
    let updates = needs_update && report.doubts.is_empty();
    (updates || !accepted.is_empty()).then_some(Recording::Change { accepted, updates })
}

fn failed(report: &Report) -> Option<String> {
    let case = gaps(report, Verdict::Failed).next()?;
    let invocation = &report.invocation;
    Some(format!(
        "Read why the cases failed; `{}` checks the machine, `{}` runs one of them alone.",
        invocation.doctor(),
        invocation.run_alone(&report.record.suite, &case.name)
    ))
}

fn left_out(report: &Report) -> Option<String> {
    gaps(report, Verdict::LeftOut).next()?;
    Some(format!("Measure the whole suite, without flags that leave cases out: `{}`.", check_whole(report)))
}

/// What is not judged of a figure that is meant, with the case, which was measured.
fn not_judged(report: &Report, is_meant: fn(Figure) -> bool) -> impl Iterator<Item = (&Judged, &Finding)> {
    let is_meant = move |finding: &Finding| finding.verdict == Verdict::NotJudged && is_meant(finding.figure);
    report.outcome.findings().filter(move |(case, finding)| case.now.is_some() && is_meant(finding))
}

/// Where a stranger's results were measured beside no base revision, and no baseline has the case either.
fn no_base(report: &Report) -> Option<String> {
    not_judged(report, is_time).find(|(_, finding)| is_bare(report, finding))?;
    Some(format!("Measure beside the base revision: `{} --base REV`.", check_whole(report)))
}

fn is_bare(report: &Report, finding: &Finding) -> bool {
    finding.against == Against::Base && report.record.base.is_none()
}

/// Where the base revision's worker failed, so that head's times have nothing beside them.
fn base_failed(report: &Report) -> Option<String> {
    let (case, _) = not_judged(report, is_time).find(|(case, finding)| has_failed_base(report, case, finding))?;
    Some(format!(
        "See why the base revision's worker failed on {}, or compare with another revision; then check again: `{}`.",
        case.name,
        check_whole(report)
    ))
}

fn has_failed_base(report: &Report, case: &Judged, finding: &Finding) -> bool {
    let launches = report.record.case(&case.name).map_or(&[][..], |case| &case.base_launches);
    finding.against == Against::Base && failure(launches).is_some()
}

/// What to do about workloads that are unfit since their steps are `short`.
fn more_frames(short: &[&Control]) -> Option<String> {
    let workloads: BTreeSet<&str> = short.iter().map(|control| control.workload.as_str()).collect();
    (!workloads.is_empty()).then(|| {
        let workloads = Vec::from_iter(workloads);
        format!(
            "Use more frames in place of {}: its steps are too short to time on this machine.",
            some_names(&workloads)
        )
    })
}

/// Where another run would have the evidence: too few launches, copied ones, no reference, another workload than asked for, an
/// end before the last launch, peaks that disagree.
fn measure_again(report: &Report) -> Option<String> {
    // An end before the last launch is no gap where all was decided by then.
    let has_ended = report.record.ended_early.is_some() && !report.outcome.gaps.is_empty();
    let is_other = |case, finding| !has_failed_base(report, case, finding) && !is_bare(report, finding);
    let lacks_times = not_judged(report, is_time).any(|(case, finding)| is_other(case, finding));
    let disagrees = |finding: &Finding| finding.verdict == Verdict::Inconclusive && !is_time(finding.figure);
    let is_open = report.standing() != Standing::Passed && report.outcome.findings().any(|(_, it)| disagrees(it));
    let time = if has_ended { ", and with more time (--time-limit)" } else { "" };
    (report.record.interrupted || has_ended || lacks_times || is_open)
        .then(|| format!("Measure the whole suite again, with all of its launches{time}: `{}`.", check_whole(report)))
}

/// Where an output has nothing to be compared with.
fn no_output(report: &Report) -> Option<String> {
    let (case, finding) = not_judged(report, |figure| figure == Figure::Output).next()?;
    let has_reference = case.case.as_ref().is_some_and(|case| case.reference.is_some() && !case.is_reference());
    if finding.against == Against::Reference && !has_reference {
        return Some(format!(
            "Measure {} together with another backend, or beside a base revision (--base), so that its output is compared: `{}`.",
            case.name,
            check_whole(report)
        ));
    }
    let backend = case.case.as_ref().map_or("the backend", |case| &case.backend);
    Some(format!(
        "Let every launch of {} write its output (docs/protocol.md), or set output = false under [backends.{backend}]; then check \
         again: `{}`.",
        case.name,
        check_whole(report)
    ))
}

/// Where a peak is not reported any more.
fn no_peak(report: &Report) -> Option<String> {
    let (case, finding) =
        not_judged(report, |figure| matches!(figure, Figure::ProcessPeak | Figure::FrameworkPeak)).next()?;
    if finding.against == Against::Ceiling {
        return Some(format!("Let the worker of {} report its {}, or remove its ceiling.", case.name, finding.figure));
    }
    let can_record = finding.against == Against::Baseline && !report.is_comparison && report.doubts.is_empty();
    let record =
        if can_record { format!(", or record figures without it: `{}`", update(report, &[])) } else { String::new() };
    Some(format!("Let the worker of {} report its {} again{record}.", case.name, finding.figure))
}

/// The command that measures and judges the whole suite.
fn check_whole(report: &Report) -> String {
    report.invocation.check_whole(&report.record.suite)
}

/// How skipped cases get measured, where they are due.
fn more_memory(report: &Report) -> Option<String> {
    let is_all = report.outcome.is_all_skipped();
    let cases = report.outcome.with_verdict(Verdict::Skipped).filter(|case| case.is_gap || is_all);
    let needed = cases.filter_map(|case| match case.skipped? {
        Skipped::Memory { needs_bytes, .. } => Some(needs_bytes),
        Skipped::Layers { .. } => None,
    });
    Some(format!(
        "Free memory or measure the skipped cases on a larger machine: the smallest of them needs {}.",
        format::memory(needed.min()?)
    ))
}

/// How inconclusive times get settled, with the time that it takes; `None` where there are none.
fn more_launches(report: &Report) -> Option<String> {
    let is_open = |finding: &Finding| finding.verdict == Verdict::Inconclusive && is_time(finding.figure);
    let open: Vec<(&Judged, &Finding)> = report.outcome.findings().filter(|(_, finding)| is_open(finding)).collect();
    let is_without_interval = |finding: &Finding| finding.interval.is_none() && finding.figure != Figure::SlowLaunches;
    if report.record.blocks() < 2 && open.iter().any(|(_, finding)| is_without_interval(finding)) {
        let launches = report.thresholds.looks.last().copied().unwrap_or(MOST_ADVISED_LAUNCHES);
        return Some(format!("Measure again with more than one launch: {}.", timed_check(report, launches)));
    }
    let settling = |finding: &Finding| finding.settling_launches.filter(|launches| *launches <= MOST_ADVISED_LAUNCHES);
    let settled: Vec<(&str, usize)> =
        open.iter().filter_map(|(case, finding)| Some((case.name.as_str(), settling(finding)?))).collect();
    let never = open.len() - settled.len();
    let mut sentences = Vec::new();
    if let Some((case, launches)) = settled.iter().max_by_key(|(_, launches)| launches).copied() {
        let command = match settled.iter().any(|(other, _)| *other != case) {
            true => timed_check(report, launches),
            false => timed_check_of(report, case, launches),
        };
        sentences.push(format!(
            "About {} would settle {case}, with a probability of 80%: {command}.",
            format::launches(launches)
        ));
    }
    if never > 0 {
        sentences.push(format!(
            "{} would not be decided by {MOST_ADVISED_LAUNCHES} launches: measure on a quieter machine, or with more steps per launch; \
             `{}` shows which changes this machine can detect.",
            format::count(never, "inconclusive figure"),
            report.invocation.calibrate(&report.record.suite)
        ));
    }
    (!sentences.is_empty()).then(|| sentences.join(" "))
}

/// The command that measures the same again with so many launches, and about how long that takes.
fn timed_check(report: &Report, launches: usize) -> String {
    let seconds = report.record.wall_seconds / report.record.blocks().max(1) as f64 * launches as f64;
    format!("`{}`, about {}", report.invocation.check(&report.record.suite, launches), format::duration(seconds))
}

/// The same for one case alone.
fn timed_check_of(report: &Report, case: &str, launches: usize) -> String {
    let record = report.record.case(case);
    let arms = record.into_iter().flat_map(|record| ArmKind::ALL.map(|kind| record.launches_of(kind)));
    let of_launch = |of: &[Launch]| of.iter().map(|launch| launch.wall_seconds).sum::<f64>() / of.len().max(1) as f64;
    let seconds = arms.map(of_launch).sum::<f64>() * launches as f64;
    let command = report.invocation.check_case(&report.record.suite, case, launches);
    format!("`{command}`, about {}", format::duration(seconds))
}

/// Why nothing is to be recorded, where something would be but for that.
fn doubted(report: &Report) -> Option<String> {
    let doubt = report.doubts.all().next()?;
    let is_worth_it = !report.is_comparison && recordable(report).is_some();
    is_worth_it.then(|| format!("Do not record this run as a baseline: {doubt}."))
}

/// What is there to record where nothing is wrong.
fn gain(report: &Report) -> Option<Recording<'static>> {
    recordable(report).filter(|_| report.doubts.is_empty() && !report.is_comparison)
}

fn recordable(report: &Report) -> Option<Recording<'static>> {
    let outcome = &report.outcome;
    if outcome.failing().next().is_some() || outcome.cases.iter().any(|case| case.is_gap) {
        return None;
    }
    if !outcome.has_machine_baseline {
        return Some(Recording::Machine);
    }
    let gains = [(Verdict::New, Recording::NewCases), (Verdict::Improved, Recording::Improvement)];
    gains.into_iter().find(|(verdict, _)| outcome.has(*verdict)).map(|(_, gain)| gain)
}

/// The baseline that was the measure, else the one that an update writes.
fn baseline_file(report: &Report) -> &str {
    report.baseline.as_ref().map_or(&report.baseline_file, |source| &source.file)
}

/// The revision that a failing figure was measured beside, else the last recorded commit, or the anchor's where nothing
/// else fails: where a search for the cause begins.
fn since(report: &Report) -> String {
    let is_beside_base = compared(report).any(|(_, finding)| finding.against == Against::Base);
    if let Some(base) = report.record.base.as_ref().filter(|_| is_beside_base) {
        return format!(" since {}", base.commit.as_deref().map_or_else(|| base.name.clone(), short));
    }
    let of_anchor = |case: &Judged| case.baseline.as_ref()?.anchor.as_ref()?.commit.clone();
    if compared(report).all(|(_, finding)| finding.against == Against::Anchor) {
        let commit = compared(report).find_map(|(case, _)| of_anchor(case));
        return commit.map_or_else(String::new, |commit| format!(" since the anchor's commit {}", short(&commit)));
    }
    let commit = report.baseline.as_ref().and_then(|source| source.last_commit.as_ref());
    commit.map_or_else(String::new, |commit| format!(" since the baseline's commit {}", short(commit)))
}

/// The cases of this verdict that leave a gap.
fn gaps(report: &Report, verdict: Verdict) -> impl Iterator<Item = &Judged> {
    report.outcome.with_verdict(verdict).filter(|case| case.is_gap)
}
