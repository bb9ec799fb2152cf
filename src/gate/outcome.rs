//! The outcome of a run: what every report renders, and what the exit status and the check run's conclusion follow from.

use std::fmt;

use serde::Serialize;

use super::control::Control;
use crate::config::Case;
use crate::evidence::figures::Figures;
use crate::evidence::parts::PartChanges;
use crate::evidence::quantity::{Change, Quantity};
use crate::store::baseline::BaselineCase;
use crate::store::record::{Failure, Skipped};

/// The outcome of a whole run.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Outcome {
    /// How the run stands.
    pub standing: Standing,
    /// Every case that was measured or asked for: those of the run in its order, then the others.
    pub cases: Vec<Judged>,
    /// What concerns the run rather than a case: evidence that is missing, or a demand that is not met.
    pub gaps: Vec<Gap>,
    /// What was asked for and is exempt, each named and counted.
    pub exemptions: Vec<String>,
    /// The A/A control of each workload.
    pub controls: Vec<Control>,
    /// Whether this machine has a baseline.
    pub has_machine_baseline: bool,
}

/// How a run stands, gravest last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// Every asked case has decided evidence, and none fails: exit status 0.
    Passed,
    /// Evidence that was asked for is missing or undecided: exit status 3.
    NotJudged,
    /// A figure fails the gate, whether or not other evidence is missing: exit status 1.
    Failed,
}

/// Evidence that is missing for the whole run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Gap {
    /// Why, in one sentence without its period.
    pub reason: String,
    /// Whether the gate fails on it, rather than being left unjudged.
    pub fails: bool,
}

/// The judgement of one case.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Judged {
    /// The case's name.
    pub name: String,
    /// What was measured or asked for; `None` where only a baseline knows of it.
    pub case: Option<Case>,
    /// Its figures; `None` where it was not measured.
    pub now: Option<Figures>,
    /// What the baseline holds for it.
    pub baseline: Option<BaselineCase>,
    /// One judgement per figure.
    pub findings: Vec<Finding>,
    /// Why it failed, if it did.
    pub failure: Option<Failure>,
    /// Why it was not launched, if it was skipped.
    pub skipped: Option<Skipped>,
    /// The gravest of the findings, or what became of the case.
    pub verdict: Verdict,
    /// Whether it was asked for and has no evidence, or none that could be judged.
    pub is_gap: bool,
    /// How the parts of its step changed beside the base revision; `None` where they were not profiled.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parts: Option<PartChanges>,
    /// Why it was not measured, or not as it was asked for, in one sentence; else `None`.
    pub reason: Option<String>,
}

/// The judgement of one figure of one case.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Finding {
    /// Which figure.
    pub figure: Figure,
    /// What it is compared with.
    pub against: Against,
    /// The figure before, if there is one: always as measured, never derived from today's. Of a ceiling, the ceiling.
    pub before: Option<Quantity>,
    /// Today's figure; `None` where there is none.
    pub now: Option<Quantity>,
    /// How much worse it is, as a share, by the statistic that is gated; positive is worse.
    pub change: Option<Change>,
    /// The change's interval at 95%, where it is a speed.
    pub interval: Option<(Change, Change)>,
    /// The smallest slowdown that all planned launches find with a probability of 80%.
    pub detectable: Option<Change>,
    /// The number of launches that would decide an undecided time.
    pub settling_launches: Option<usize>,
    /// The judgement.
    pub verdict: Verdict,
    /// Whether the gate fails on it.
    pub fails: bool,
    /// The judgement in words, complete in itself.
    pub message: String,
}

/// A figure that is judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Figure {
    /// The case's own step time.
    StepTime,
    /// The mean of all its steps, which slow steps among fast ones raise.
    MeanStep,
    /// How many of its launches are slow as a whole.
    SlowLaunches,
    /// The time from the first network to the second.
    Switch,
    /// The time that loading takes.
    Load,
    /// The reference's step time over the case's.
    Speedup,
    /// Bytes of the weights; exact.
    ModelBytes,
    /// Peak memory by the system's account of the process.
    ProcessPeak,
    /// Peak memory by the framework's own account.
    FrameworkPeak,
    /// The final latent.
    Output,
}

/// What a figure is compared with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Against {
    /// The base revision, in the same blocks.
    Base,
    /// This machine's committed baseline.
    Baseline,
    /// Its anchor, which updates of the baseline do not move.
    Anchor,
    /// What is recorded for every machine.
    Recorded,
    /// The reference of the workload, or the case's own other launches.
    Reference,
    /// The ceiling in the configuration; of a speedup, the floor.
    Ceiling,
}

/// A judgement, from harmless to grave.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// A figure that is shown and does not decide anything.
    NotGated,
    /// Within the tolerance, with evidence.
    Unchanged,
    /// Better than before by more than the tolerance.
    Improved,
    /// Worse than the baseline, but not by this change: head and base do not differ in the same blocks.
    Drifted,
    /// Worse than what was recorded by more than the tolerance, but not by more than jobs differ here by chance.
    Unconfirmed,
    /// There is nothing before it to compare with.
    New,
    /// The suite has it, the results do not.
    LeftOut,
    /// The baseline has it, the configuration no longer does.
    Missing,
    /// The machine has too little memory for it: nothing was launched.
    Skipped,
    /// All planned launches were made and do not decide: chance could explain the change, or hide one.
    Inconclusive,
    /// It was asked for, and there is no evidence that could be judged.
    NotJudged,
    /// Worse than before by more than the tolerance, and by more than chance explains.
    Regressed,
    /// It could not be measured.
    Failed,
}

impl Outcome {
    /// The findings that fail the gate, with their case.
    pub fn failing(&self) -> impl Iterator<Item = (&Judged, &Finding)> {
        self.findings().filter(|(_, finding)| finding.fails)
    }

    /// All findings, with their case.
    pub fn findings(&self) -> impl Iterator<Item = (&Judged, &Finding)> {
        self.cases.iter().flat_map(|case| case.findings.iter().map(move |finding| (case, finding)))
    }

    /// The cases with this verdict.
    pub fn with_verdict(&self, verdict: Verdict) -> impl Iterator<Item = &Judged> {
        self.cases.iter().filter(move |case| case.verdict == verdict)
    }

    /// Whether any case has this verdict.
    pub fn has(&self, verdict: Verdict) -> bool {
        self.with_verdict(verdict).next().is_some()
    }

    /// Whether nothing was measured, since no case fits into memory.
    pub fn is_all_skipped(&self) -> bool {
        let is_skipped = |case: &Judged| matches!(case.verdict, Verdict::Skipped | Verdict::Missing | Verdict::LeftOut);
        self.has(Verdict::Skipped) && self.cases.iter().all(is_skipped)
    }

    /// Why times cannot be judged, for each workload on which the machine was unfit.
    pub fn unfit(&self) -> impl Iterator<Item = &str> {
        self.controls.iter().filter_map(|control| control.unfit.as_deref())
    }
}

impl Judged {
    /// The finding about `figure` that is held `against` this.
    pub fn finding(&self, figure: Figure, against: Against) -> Option<&Finding> {
        self.findings.iter().find(|finding| (finding.figure, finding.against) == (figure, against))
    }

    /// The finding about `figure` that compares it with an earlier one, whichever that is.
    pub fn compared(&self, figure: Figure) -> Option<&Finding> {
        self.findings.iter().find(|finding| finding.figure == figure && finding.against != Against::Ceiling)
    }

    /// The finding that decides about the case's speed: the one that fails or is undecided, or else its own step time beside a
    /// base revision, its speedup, or its step time against the baseline, and then the same against the anchor.
    pub fn speed(&self) -> Option<&Finding> {
        let all = || {
            let beside_base = Figure::TIMES.map(|figure| (figure, Against::Base));
            let committed = [Against::Baseline, Against::Anchor]
                .map(|against| [Figure::Speedup, Figure::StepTime].map(|figure| (figure, against)));
            let speeds = beside_base.into_iter().chain(committed.into_iter().flatten());
            speeds.filter_map(|(figure, against)| self.finding(figure, against))
        };
        let is_undecided = |finding: &&Finding| finding.verdict.is_open() && finding.change.is_some();
        all().find(|finding| finding.fails).or_else(|| all().find(is_undecided)).or_else(|| all().next())
    }

    /// Whether any of its figures fails the gate.
    pub fn fails(&self) -> bool {
        self.findings.iter().any(|finding| finding.fails)
    }
}

impl Finding {
    /// A finding without a change, which does not fail.
    pub(super) fn new(figure: Figure, against: Against, verdict: Verdict, message: impl Into<String>) -> Self {
        Self {
            figure,
            against,
            before: None,
            now: None,
            change: None,
            interval: None,
            detectable: None,
            settling_launches: None,
            verdict,
            fails: false,
            message: message.into(),
        }
    }

    /// Half the width of its 95% interval, as a log-ratio.
    pub fn half_width(&self) -> Option<f64> {
        self.interval.map(|(low, high)| (high.log() - low.log()) / 2.0)
    }

    /// The same between these two figures.
    pub(super) fn between(self, before: Option<Quantity>, now: Option<Quantity>) -> Self {
        Self { before, now, ..self }
    }
}

impl Standing {
    /// For programs: in the JSON report, and as a step's output.
    pub fn key(self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::NotJudged => "not_judged",
            Self::Failed => "failed",
        }
    }

    /// In two words.
    pub fn name(self) -> &'static str {
        match self {
            Self::Passed => "Gate passed",
            Self::NotJudged => "Not judged",
            Self::Failed => "Gate failed",
        }
    }
}

impl Figure {
    /// The times of a case itself, that which decides about its speed first.
    pub const TIMES: [Self; 5] = [Self::StepTime, Self::MeanStep, Self::SlowLaunches, Self::Switch, Self::Load];

    /// As a table's cell names it.
    pub fn name(self) -> &'static str {
        match self {
            Self::StepTime => "step time",
            Self::MeanStep => "mean step",
            Self::SlowLaunches => "slow launches",
            Self::Switch => "switch",
            Self::Load => "loading time",
            Self::Speedup => "speedup",
            Self::ModelBytes => "model memory",
            Self::ProcessPeak => "process peak",
            Self::FrameworkPeak => "framework peak",
            Self::Output => "output",
        }
    }
}

impl Verdict {
    /// All of them, in the order in which they are counted.
    pub const ALL: [Self; 13] = [
        Self::Unchanged,
        Self::Improved,
        Self::Drifted,
        Self::Unconfirmed,
        Self::New,
        Self::NotGated,
        Self::Inconclusive,
        Self::NotJudged,
        Self::Regressed,
        Self::LeftOut,
        Self::Missing,
        Self::Skipped,
        Self::Failed,
    ];

    /// Whether there is no judgement, for want of evidence or of launches.
    pub fn is_open(self) -> bool {
        matches!(self, Self::Inconclusive | Self::NotJudged)
    }

    /// For programs, as in the JSON report: `not_judged`.
    pub fn key(self) -> String {
        self.name().replace(' ', "_")
    }

    /// In lower-case words.
    pub fn name(self) -> &'static str {
        match self {
            Self::NotGated => "not gated",
            Self::Unchanged => "unchanged",
            Self::Improved => "improved",
            Self::Drifted => "drifted",
            Self::Unconfirmed => "unconfirmed",
            Self::New => "new",
            Self::LeftOut => "left out",
            Self::Missing => "missing",
            Self::Skipped => "skipped",
            Self::Inconclusive => "inconclusive",
            Self::NotJudged => "not judged",
            Self::Regressed => "regressed",
            Self::Failed => "failed",
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl fmt::Display for Figure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}
