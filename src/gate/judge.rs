//! The one judge: from what was asked for, the evidence and the demands to an outcome. Pure: no clock, no files.
//!
//! A pass is earned: every asked case has evidence that was decided. A case that was asked for and has none is not judged,
//! with the reason, unless it is exempt, which is named and counted. docs/verdicts.md is the table of it.

use super::control;
use super::outcome::{Against, Figure, Finding, Judged, Outcome, Standing, Verdict};
use super::plan::Judge;
use super::{ceiling, memory, output, parts, time};
use crate::config::{Case, Thresholds};
use crate::evidence::Evidence;
use crate::evidence::quantity::{Bytes, Change};
use crate::store::baseline::{Acceptance, Accepted, BaselineCase};
use crate::store::record::{CaseRecord, Failure};

impl Judge<'_> {
    /// Judges every case that was measured or asked for, and the run as a whole.
    pub fn outcome(&self) -> Outcome {
        let evidence = Evidence::of(self.record);
        let controls = control::controls(self.record, &evidence, self.thresholds);
        let mut speeds = time::judge(self, &evidence, &controls);
        let measured = self.record.cases.iter().map(|case| {
            let speeds = speeds.remove(&case.case.name).unwrap_or_default();
            self.case(case, &evidence, speeds, control::is_unfit(&controls, &case.case.workload.name))
        });
        let mut cases: Vec<Judged> = measured.collect();
        cases.extend(self.left_out());
        cases.extend(self.missing());
        let mut outcome = Outcome {
            standing: Standing::Passed,
            gaps: self.gaps(&cases, &controls),
            exemptions: self.exemptions(&cases),
            controls,
            has_machine_baseline: self.baselines.machine.is_some(),
            cases,
        };
        outcome.standing = self.standing(&outcome);
        outcome
    }

    fn standing(&self, outcome: &Outcome) -> Standing {
        let is_undecided = |case: &Judged| {
            let is_open = |finding: &Finding| finding.verdict == Verdict::Inconclusive;
            case.is_gap || (!self.demands.allows_inconclusive && case.findings.iter().any(is_open))
        };
        match () {
            () if outcome.failing().next().is_some() || outcome.gaps.iter().any(|gap| gap.fails) => Standing::Failed,
            () if !outcome.gaps.is_empty() || outcome.cases.iter().any(is_undecided) => Standing::NotJudged,
            () => Standing::Passed,
        }
    }

    /// A case of the run, on a machine that may be unfit for its times.
    fn case(&self, case: &CaseRecord, evidence: &Evidence, speeds: Vec<Finding>, is_unfit: bool) -> Judged {
        let name = &case.case.name;
        let thresholds = self.thresholds.of_case(name);
        let stored = self.stored(&case.case);
        let recorded_bytes = self.baselines.memory.models.get(&case.case.memory_key()).copied().map(Bytes);
        let evidence = evidence.case(name).filter(|evidence| evidence.figures.is_some());
        let mut findings = Vec::new();
        if let Some((evidence, now)) = evidence.and_then(|evidence| Some((evidence, evidence.figures.as_ref()?))) {
            findings.extend(speeds);
            evidence.parts.iter().for_each(|changes| parts::explain(&mut findings, changes));
            findings.push(memory::model_bytes(evidence, now, recorded_bytes));
            let acceptance = self.acceptance(name, stored);
            let accepts_memory = acceptance.is_some_and(|acceptance| acceptance.covers.contains(&Accepted::Memory));
            findings.extend(memory::peaks(evidence, stored, accepts_memory, &thresholds));
            findings.extend(memory::since_anchor(evidence, stored, &thresholds));
            findings.extend(output::judge(self, case, &evidence.outputs, &findings));
            findings.extend(ceiling::judge(self, case, evidence, is_unfit));
            for finding in findings.iter_mut().filter(|finding| finding.fails) {
                acceptance.into_iter().for_each(|acceptance| accept(finding, acceptance, &thresholds));
            }
            if findings.iter().any(|finding| finding.fails && is_own_time(finding)) {
                findings.iter_mut().filter(|finding| is_own_time(finding)).for_each(leave_open);
            }
        }
        if case.skipped.is_some() {
            findings.extend(ceiling::of_skipped(&case.case, &thresholds));
        }
        let difference = evidence.and_then(|_| self.difference(&case.case));
        let verdict = match (evidence, case.skipped) {
            (Some(_), _) => {
                let verdict = case_verdict(&findings);
                if difference.is_some() { verdict.max(Verdict::NotJudged) } else { verdict }
            }
            (None, Some(_)) => Verdict::Skipped,
            (None, None) => Verdict::Failed,
        };
        let is_gap = match verdict {
            Verdict::Failed => true,
            // That it does not fit is the record's own word.
            Verdict::Skipped => {
                stored.is_some() || !findings.is_empty() || !self.plan.trusts_record && self.plan.case(name).is_some()
            }
            _ => difference.is_some() || findings.iter().any(|finding| finding.verdict == Verdict::NotJudged),
        };
        let failure = (verdict == Verdict::Failed).then(|| case.failure().cloned().unwrap_or_else(not_launched));
        Judged {
            name: name.clone(),
            case: Some(case.case.clone()),
            now: evidence.and_then(|evidence| evidence.figures.clone()),
            baseline: stored.cloned(),
            parts: evidence.and_then(|evidence| evidence.parts.clone()),
            reason: failure
                .as_ref()
                .map(|failure| failure.reason.clone())
                .or(case.skipped.map(|it| it.to_string()))
                .or(difference.map(str::to_owned)),
            findings,
            failure,
            skipped: case.skipped,
            verdict,
            is_gap,
        }
    }

    /// What this change's baseline acknowledges of the case: beside the base revision that does not fail. A stranger's record
    /// does not decide which change an acceptance is of; it is judged by the default branch's, which are of earlier ones.
    fn acceptance<'a>(&self, name: &String, stored: Option<&'a BaselineCase>) -> Option<&'a Acceptance> {
        let is_of_this_change = self.record.base.as_ref().is_some_and(|base| base.accepted.contains(name));
        stored?.accepted.as_ref().filter(|_| is_of_this_change && self.plan.trusts_record)
    }

    /// Why the case is not what the plan asks for under its name, if so.
    fn difference(&self, case: &Case) -> Option<&'static str> {
        let asked = self.plan.case(&case.name)?;
        let is_alone = case.reference.is_none() && asked.reference.is_some();
        match () {
            () if asked.workload != case.workload => {
                Some("it was measured with a different workload than the configuration's")
            }
            () if is_alone && !self.plan.may_leave_out => Some("it was measured without its reference"),
            () if !is_alone && asked.reference != case.reference => {
                Some("it was measured with a different reference than the configuration's")
            }
            () => None,
        }
    }

    /// The plan's cases that the run does not have.
    fn left_out(&self) -> impl Iterator<Item = Judged> {
        let left_out = self.plan.cases.iter().filter(|case| self.record.case(&case.name).is_none());
        left_out.map(|case| {
            let (is_gap, reason) = match self.plan.may_leave_out {
                true => (false, "left out by hand"),
                false => (true, "the suite has it, but the results do not: measure the whole suite"),
            };
            let baseline = self.stored(case).cloned();
            Judged { case: Some(case.clone()), ..unmeasured(&case.name, Verdict::LeftOut, is_gap, reason, baseline) }
        })
    }

    /// The baseline's cases that no suite has.
    fn missing(&self) -> impl Iterator<Item = Judged> {
        let cases = self.baselines.machine.into_iter().flat_map(|baseline| &baseline.cases);
        let is_missing = |name: &String| !self.plan.known.contains(name) && self.record.case(name).is_none();
        let missing = cases.filter(move |(name, _)| is_missing(name));
        missing.map(|(name, stored)| {
            let reason = "the baseline has it, but the configuration no longer does";
            unmeasured(name, Verdict::Missing, true, reason, Some(stored.clone()))
        })
    }
}

fn not_launched() -> Failure {
    Failure { reason: "the run ended before its first launch".to_owned(), stderr_tail: Vec::new() }
}

fn unmeasured(name: &str, verdict: Verdict, is_gap: bool, reason: &str, baseline: Option<BaselineCase>) -> Judged {
    Judged {
        name: name.to_owned(),
        case: None,
        now: None,
        baseline,
        findings: Vec::new(),
        failure: None,
        skipped: None,
        verdict,
        is_gap,
        parts: None,
        reason: Some(reason.to_owned()),
    }
}

/// Whether the finding is about a time of the case itself beside the base revision.
fn is_own_time(finding: &Finding) -> bool {
    finding.against == Against::Base && Figure::TIMES.contains(&finding.figure)
}

/// A case that fails by one of its times is not measured further: the others may stay open.
fn leave_open(finding: &mut Finding) {
    if matches!(finding.verdict, Verdict::NotJudged | Verdict::Inconclusive) {
        finding.verdict = Verdict::NotGated;
    }
}

/// The gravest finding; a figure without anything before it does not hide what another says. Nothing is unchanged whose times
/// were not judged: without any before them the case is new, and where none of them is gated, so is the case. A figure within
/// its ceiling was compared with none before it, and says nothing here.
fn case_verdict(findings: &[Finding]) -> Verdict {
    let is_within_ceiling =
        |it: &&Finding| it.against == Against::Ceiling && matches!(it.verdict, Verdict::Unchanged | Verdict::NotGated);
    let telling = || findings.iter().filter(|finding| !is_within_ceiling(finding));
    let judged = |finding: &&Finding| !matches!(finding.verdict, Verdict::New | Verdict::NotGated);
    let mut times = telling().filter(|finding| matches!(finding.figure, Figure::StepTime | Figure::Speedup));
    match telling().filter(judged).map(|finding| finding.verdict).max() {
        Some(verdict) if verdict != Verdict::Unchanged || times.clone().any(|time| judged(&time)) => verdict,
        _ if times.any(|time| time.verdict == Verdict::NotGated) => Verdict::NotGated,
        _ => Verdict::New,
    }
}

/// Lets a finding that fails against the base revision pass where it was accepted: a time that is not shown to be beyond the
/// accepted one, within the tolerance and what is not known of either, and another output than the base's. Against the
/// baseline everything is judged as ever.
fn accept(finding: &mut Finding, acceptance: &Acceptance, thresholds: &Thresholds) {
    let covers = |accepted| acceptance.covers.contains(&accepted);
    let is_accepted = match (finding.figure, finding.against) {
        (Figure::Output, Against::Base) => covers(Accepted::Output),
        (figure, Against::Base) if Figure::TIMES.contains(&figure) => {
            covers(Accepted::Speed) && is_within(finding, acceptance, thresholds)
        }
        _ => false,
    };
    if is_accepted {
        finding.fails = false;
        finding.message.push_str("; accepted in this change's baseline");
    }
}

/// Whether a time is not shown to be more beyond the base revision's than the accepted one. Half the widths of two independent
/// intervals add up like standard errors do.
fn is_within(finding: &Finding, acceptance: &Acceptance, thresholds: &Thresholds) -> bool {
    let tolerance_percent = match finding.figure {
        Figure::StepTime => thresholds.base_tolerance_percent,
        _ => thresholds.whole_tolerance_percent,
    };
    let (Some(accepted), Some(change)) = (acceptance.time(finding.figure.name()), finding.change) else { return false };
    let unknown = accepted.half_width.unwrap_or(0.0).hypot(finding.half_width().unwrap_or(0.0));
    change.log() - Change(accepted.change).log() <= (tolerance_percent / 100.0).ln_1p() + unknown
}
