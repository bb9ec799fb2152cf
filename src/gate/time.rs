//! The times of a run: the answers of [`super::questions`] as findings.
//!
//! With a base revision, a time that is worse than the committed baseline fails only if this change moved one of its sides:
//! what the machine or earlier changes did is reported as drift.

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::committed::Compared;
use super::control::{Control, is_unfit};
use super::outcome::{Against, Figure, Finding, Verdict};
use super::plan::Judge;
use super::questions::Answers;
use super::speed::{Answer, Decision, Recorded};
use super::words::{SINCE_ANCHOR, anchor_of, direction, short_of, side, with_interval};
use crate::config::{Case, Thresholds, display_name};
use crate::evidence::modes::Modes;
use crate::evidence::quantity::{Change, Quantity, Ratio, Seconds};
use crate::evidence::{CaseEvidence, Evidence};
use crate::store::baseline::BaselineCase;
use crate::store::record::{ArmKind, CaseRecord, Measured, failure, measured};
use crate::text::format;

/// Launches beyond which more of them are no advice.
pub const MOST_ADVISED_LAUNCHES: usize = 100;

/// The findings on every case's times, by the case's name.
pub(super) fn judge(judge: &Judge, evidence: &Evidence, controls: &[Control]) -> BTreeMap<String, Vec<Finding>> {
    let Judge { record, thresholds, baselines, plan, .. } = judge;
    let answers = Answers::of(record, evidence, baselines.machine, thresholds, plan.launches);
    let of_case = |case: &CaseRecord| {
        let name = &case.case.name;
        let Some(own) = evidence.case(name).filter(|evidence| evidence.figures.is_some()) else {
            return (name.clone(), Vec::new());
        };
        let times = Times {
            judge,
            case,
            thresholds: thresholds.of_case(name),
            evidence: own,
            all: evidence,
            answers: &answers,
        };
        let beside_base = times.beside_base();
        let decided = beside_base.first().is_some_and(is_decided);
        let committed = [
            times.speedup(decided),
            times.against_baseline(decided),
            times.against_anchor(Figure::Speedup, decided),
            times.against_anchor(Figure::StepTime, decided),
        ];
        let mut findings: Vec<Finding> = beside_base.into_iter().chain(committed.into_iter().flatten()).collect();
        if is_unfit(controls, &case.case.workload.name) {
            findings.iter_mut().for_each(withdraw);
        }
        (name.clone(), findings)
    };
    judge.record.cases.iter().map(of_case).collect()
}

/// The finding on a figure that only an imported table has: `before` and now.
fn imported(figure: Figure, name: &str, [before, now]: [Quantity; 2], change: Change) -> Finding {
    let message = format!("its {name} was {before} in an imported table, which is shown but not gated");
    let finding = Finding::new(figure, Against::Baseline, Verdict::NotGated, message);
    Finding { change: Some(change), ..finding.between(Some(before), Some(now)) }
}

/// The times of one case that was measured.
struct Times<'a> {
    judge: &'a Judge<'a>,
    case: &'a CaseRecord,
    /// The case's own.
    thresholds: Cow<'a, Thresholds>,
    evidence: &'a CaseEvidence,
    /// That of all cases of the run.
    all: &'a Evidence,
    answers: &'a Answers,
}

impl Times<'_> {
    /// Its own times beside the base revision's, the step time first; none without a base, and where the base lacks the case
    /// and the baseline has it.
    fn beside_base(&self) -> Vec<Finding> {
        let name = &self.case.case.name;
        let finding = |verdict, message: String| Finding::new(Figure::StepTime, Against::Base, verdict, message);
        let not_judged =
            |reason: &str| vec![finding(Verdict::NotJudged, format!("its own step time cannot be judged: {reason}"))];
        let Some(base) = &self.judge.record.base else {
            let plan = self.judge.plan;
            let is_bare =
                plan.asks_comparison && plan.case(name).is_some() && self.judge.stored(&self.case.case).is_none();
            let reason = "it was measured beside no base revision, and no baseline has it";
            return if is_bare { not_judged(reason) } else { Vec::new() };
        };
        if let Some(failure) = failure(&self.case.base_launches) {
            return not_judged(&format!("the base revision's worker failed: {}", failure.reason));
        }
        if self.case.base_launches.is_empty() {
            let is_vouched = self.judge.plan.trusts_record || self.judge.plan.case(name).is_none();
            if !base.lacks.contains(name) || !is_vouched {
                return not_judged("the base revision's worker was not launched");
            }
            let new = finding(Verdict::New, "the base revision has no such case".to_owned());
            return Vec::from_iter(self.judge.stored(&self.case.case).is_none().then_some(new));
        }
        if is_copied(self.case) {
            return not_judged("the base revision's launches are copies of this revision's");
        }
        let (Some(answers), Some(base), Some(now)) =
            (self.answers.beside_base.get(name), &self.evidence.base, &self.evidence.figures)
        else {
            return not_judged("no block measured both head and base");
        };
        let of_figure = |(figure, answer): (&Figure, &Answer)| match figure {
            Figure::StepTime => Some(self.step_time(answer, base.step)),
            Figure::MeanStep => Some(self.whole(*figure, answer, base.mean_step, now.mean_step_seconds)),
            Figure::Switch => Some(self.whole(*figure, answer, base.switch?, now.switch_seconds?)),
            Figure::Load => Some(self.whole(*figure, answer, base.load, now.load_seconds)),
            _ => self.slow_launches(answer),
        };
        answers.iter().filter_map(of_figure).collect()
    }

    fn step_time(&self, answer: &Answer, before: Seconds) -> Finding {
        let tolerance = self.thresholds.base_tolerance_percent;
        let now = self.now();
        let (change, interval) = (Change::from_log(answer.change), interval(answer));
        let medians = Change(now.0 / before.0 - 1.0);
        let moved = match self.modes() {
            Some(_) => format!("changed by {}{ALIKE}", with_interval(change, interval)),
            None => format!(
                "{} the base revision's {before} to {now}: {}",
                direction(medians),
                gated_change(change, interval, medians)
            ),
        };
        let message = format!(
            "{}'s own step time {moved}, {} the tolerance of {tolerance}%{}",
            self.backend(),
            side(change, tolerance),
            self.doubt(answer, tolerance)
        );
        self.timed(Figure::StepTime, answer, message).between(Some(Quantity::Time(before)), Some(Quantity::Time(now)))
    }

    /// What the user waits for in all: the mean step, a switch, loading.
    fn whole(&self, figure: Figure, answer: &Answer, before: Seconds, now: Seconds) -> Finding {
        let tolerance = self.thresholds.whole_tolerance_percent;
        let (change, interval) = (Change::from_log(answer.change), interval(answer));
        let is_within_modes = figure == Figure::MeanStep && self.modes().is_some();
        let moved = match is_within_modes {
            true => format!("changed by {}{ALIKE}", with_interval(change, interval)),
            false => format!(
                "{} the base revision's {before} to {now}: {}",
                direction(change),
                with_interval(change, interval)
            ),
        };
        let message = format!(
            "its {figure} {moved}, {} the tolerance of {tolerance}%{}",
            side(change, tolerance),
            self.doubt(answer, tolerance)
        );
        self.timed(figure, answer, message).between(Some(Quantity::Time(before)), Some(Quantity::Time(now)))
    }

    /// The launches of head and base that are slow as a whole; `None` where there are none, or all are.
    fn slow_launches(&self, answer: &Answer) -> Option<Finding> {
        let modes = self.modes()?;
        let [head, base] = modes.slow();
        let launches = modes.is_slow.len();
        let why = match answer.decision {
            Decision::Slower => ", more than chance explains",
            Decision::Faster => ", fewer than chance explains",
            Decision::Unchanged => ", which chance explains",
            Decision::Open | Decision::Unconfirmed => ", which chance hardly explains",
        };
        let message = format!(
            "it was slow in {head} of {} by {}, the base revision in {base}{why}; times are compared in the blocks whose launches \
             are alike",
            format::launches(launches),
            format::multiple(modes.ratio)
        );
        Some(self.timed(Figure::SlowLaunches, answer, message))
    }

    /// The modes of head's and base's launches, where there are two.
    fn modes(&self) -> Option<Modes> {
        Modes::of(&self.evidence.beside_base.iter().map(|pair| pair.launches).collect::<Vec<_>>())
    }

    /// The finding of one answer beside the base revision. What the step time tells already is not gated a second time.
    fn timed(&self, figure: Figure, answer: &Answer, message: String) -> Finding {
        let answers = self.answers.beside_base.get(&self.case.case.name);
        let step = answers.and_then(|answers| answers.get(&Figure::StepTime));
        let is_told = figure == Figure::MeanStep && step.is_some_and(|step| self.is_explained(answer, step));
        let verdict = if is_told { Verdict::NotGated } else { self.verdict(answer) };
        Finding {
            change: Some(Change::from_log(answer.change)),
            interval: interval(answer),
            fails: verdict == Verdict::Regressed,
            ..reach(answer, Finding::new(figure, Against::Base, verdict, message))
        }
    }

    /// Whether the mean step changed as the `step` time did, or less.
    fn is_explained(&self, mean_step: &Answer, step: &Answer) -> bool {
        let tolerance = (self.thresholds.whole_tolerance_percent / 100.0).ln_1p();
        match step.decision {
            Decision::Slower => mean_step.change <= step.change + tolerance,
            Decision::Faster => mean_step.decision == Decision::Faster,
            _ => false,
        }
    }

    /// Its speedup against the baseline's; `None` where neither has one. `decided` tells whether its time beside the base
    /// revision is.
    fn speedup(&self, decided: bool) -> Option<Finding> {
        if self.case.case.is_reference() {
            return None;
        }
        let stored = self.judge.stored(&self.case.case);
        let before = stored.and_then(|stored| stored.speedup).map(Ratio);
        let finding = |verdict, message: String| Finding::new(Figure::Speedup, Against::Baseline, verdict, message);
        let now = self.evidence.figures.as_ref().and_then(|figures| figures.speedup).map(|it| Ratio(it.point));
        match (now, before, self.answers.compared(&self.case.case.name, Figure::Speedup, Against::Baseline)) {
            (None, None, _) => None,
            (None, Some(before), _) => Some(self.lost_speedup(before).between(Some(Quantity::Speedup(before)), None)),
            (Some(now), Some(before), None) => {
                let change = Change(before.0 / now.0 - 1.0);
                Some(imported(Figure::Speedup, "speedup", [before, now].map(Quantity::Speedup), change))
            }
            (Some(now), None, None) => {
                let new = finding(Verdict::New, "no speedup was recorded".to_owned());
                Some(new.between(None, Some(Quantity::Speedup(now))))
            }
            (Some(_), _, Some(compared)) => {
                let mut finding = self.committed(Figure::Speedup, Against::Baseline, compared, decided);
                if matches!(finding.verdict, Verdict::Regressed | Verdict::Improved) {
                    finding.message.push_str(&self.attribution(stored?).unwrap_or_default());
                }
                Some(finding)
            }
        }
    }

    /// The finding where the baseline has a speedup and this run none.
    fn lost_speedup(&self, before: Ratio) -> Finding {
        let (verdict, why) = lost_reference(self.judge, self.case);
        let message = format!("its speedup, {before} in the baseline, cannot be judged: the reference {why}");
        Finding::new(Figure::Speedup, Against::Baseline, verdict, message)
    }

    /// Its own step time against the baseline's, likewise; `None` where the baseline has none.
    fn against_baseline(&self, decided: bool) -> Option<Finding> {
        let stored = self.judge.stored(&self.case.case)?;
        let before = Seconds(stored.step_seconds?);
        let figure = Figure::StepTime;
        match self.answers.compared(&self.case.case.name, figure, Against::Baseline) {
            Some(compared) => Some(self.committed(figure, Against::Baseline, compared, decided)),
            None => {
                let change = Change(self.now().0 / before.0 - 1.0);
                Some(imported(figure, "own step time", [before, self.now()].map(Quantity::Time), change))
            }
        }
    }

    /// One of its times against the anchor; `None` where there is none, or where nothing was recorded since.
    fn against_anchor(&self, figure: Figure, decided: bool) -> Option<Finding> {
        let compared = self.answers.compared(&self.case.case.name, figure, Against::Anchor)?;
        Some(self.committed(figure, Against::Anchor, compared, decided))
    }

    /// The finding on a time against what is committed.
    fn committed(&self, figure: Figure, against: Against, compared: &Compared, decided: bool) -> Finding {
        let Compared { answer, .. } = compared;
        let tolerance = compared.tolerance_percent();
        let (change, interval) = (Change::from_log(answer.change), interval(answer));
        let (before, now) = match figure {
            Figure::Speedup => {
                let log = compared.recorded().mean;
                (Quantity::Speedup(Ratio((-log).exp())), Quantity::Speedup(Ratio((-log - answer.change).exp())))
            }
            _ => (Quantity::Time(Seconds(compared.recorded().mean.exp())), Quantity::Time(self.now())),
        };
        let finding = |verdict, message: String| {
            let finding = Finding::new(figure, against, verdict, message).between(Some(before), Some(now));
            Finding { change: Some(change), interval, ..finding }
        };
        let is_told = figure == Figure::StepTime && self.answers.is_told_by_speedup(&self.case.case.name, against);
        if is_told {
            let message = "its own step time is not gated, since the speedup already decides";
            return finding(Verdict::NotGated, message.to_owned());
        }
        let (verdict, is_drift) = match self.committed_verdict(answer, tolerance, figure, decided) {
            // No update records what is better than the anchor: it is shown, and asks for nothing.
            (Verdict::Improved | Verdict::Drifted, _) if against == Against::Anchor && change.0 < 0.0 => {
                (Verdict::NotGated, false)
            }
            judged => judged,
        };
        let whose = match against {
            Against::Anchor => format!("the {before} of {}", self.anchor_words()),
            _ => format!("the baseline's {before}"),
        };
        let mut message = self.moved(figure, change, &format!("{whose} to {now}"));
        message.push_str(&with_interval(change, interval));
        message.push_str(&format!(", {} the tolerance of {tolerance}%", side(change, tolerance)));
        if is_drift {
            message.push_str(NOT_THIS_CHANGE);
        } else {
            message.push_str(&self.doubt(answer, tolerance));
            if matches!(verdict, Verdict::Regressed | Verdict::Improved | Verdict::Unconfirmed) {
                message.push_str(&between_jobs(compared, verdict));
            }
            if against == Against::Anchor && matches!(verdict, Verdict::Regressed | Verdict::Unconfirmed) {
                message.push_str(SINCE_ANCHOR);
            }
        }
        Finding { fails: verdict == Verdict::Regressed, ..reach(answer, finding(verdict, message)) }
    }

    /// How a time moved `between` two figures, up to the change itself.
    fn moved(&self, figure: Figure, change: Change, between: &str) -> String {
        match figure {
            Figure::Speedup => format!(
                "speedup {} {between}: relative to the reference's, the step time changed by ",
                direction(Change(-change.0))
            ),
            _ => format!("{}'s own step time {} {between}: ", self.backend(), direction(change)),
        }
    }

    fn anchor_words(&self) -> String {
        let anchor = self.judge.stored(&self.case.case).and_then(|stored| stored.anchor.as_ref());
        anchor.map_or_else(|| "the anchor".to_owned(), anchor_of)
    }

    /// The verdict against what is committed, and whether it is drift. Beside a base revision a figure fails or improves
    /// only where this change moved it that way: what else is beyond its tolerance has drifted, or, where that is not
    /// decided beside the base revision either, says nothing about this change.
    fn committed_verdict(
        &self,
        answer: &Answer,
        tolerance_percent: f64,
        figure: Figure,
        decided: bool,
    ) -> (Verdict, bool) {
        let verdict = self.verdict(answer);
        if self.judge.record.base.is_none() || self.case.base_launches.is_empty() {
            return (verdict, false);
        }
        let is_worse = self.has_moved(figure, Decision::Slower, Decision::Faster);
        let is_better = self.has_moved(figure, Decision::Faster, Decision::Slower);
        // As the question has it, to the last digit.
        let is_beyond = answer.change.abs() > (1.0 + tolerance_percent / 100.0).ln();
        match verdict {
            Verdict::Regressed if is_worse => (verdict, false),
            Verdict::Improved if is_better => (verdict, false),
            Verdict::Inconclusive | Verdict::NotJudged if is_worse || is_better => (Verdict::NotGated, false),
            Verdict::Unconfirmed if is_worse => (Verdict::NotGated, false),
            _ if !is_beyond => (Verdict::Unchanged, false),
            _ if decided => (Verdict::Drifted, true),
            _ => (Verdict::NotGated, false),
        }
    }

    /// Whether this change moved the case itself like `own`, or, where the figure is in proportion to it, the reference like
    /// `other`.
    fn has_moved(&self, figure: Figure, own: Decision, other: Decision) -> bool {
        let Case { name, reference, .. } = &self.case.case;
        let is_by_reference = |name: &String| figure == Figure::Speedup && self.answers.has_moved(name, other);
        self.answers.has_moved(name, own) || reference.as_ref().is_some_and(is_by_reference)
    }

    /// An undecided question is inconclusive where all launches were made that the plan asks for.
    fn verdict(&self, answer: &Answer) -> Verdict {
        match answer.decision {
            Decision::Slower => Verdict::Regressed,
            Decision::Faster => Verdict::Improved,
            Decision::Unchanged => Verdict::Unchanged,
            Decision::Unconfirmed => Verdict::Unconfirmed,
            Decision::Open if self.is_short(answer) => Verdict::NotJudged,
            Decision::Open => Verdict::Inconclusive,
        }
    }

    fn is_short(&self, answer: &Answer) -> bool {
        answer.launches < self.judge.plan.launches
    }

    /// What keeps an open question from being decided, and what would decide it.
    fn doubt(&self, answer: &Answer, tolerance_percent: f64) -> String {
        let is_beyond = Change::from_log(answer.change).is_beyond(tolerance_percent);
        let why = match (answer.decision, answer.interval) {
            (Decision::Slower | Decision::Faster | Decision::Unchanged | Decision::Unconfirmed, _) => {
                return String::new();
            }
            (Decision::Open, None) if answer.launches > 1 => ", but too few blocks have launches that are alike",
            (Decision::Open, None) => ", but one launch cannot distinguish a change from chance",
            (Decision::Open, Some(_)) if is_beyond => {
                ", but chance may explain it, given how many questions the run asks"
            }
            (Decision::Open, Some(_)) => ", but a regression beyond it is not ruled out yet",
        };
        if self.is_short(answer) {
            return format!("{why}{}", short_of(answer.launches, self.judge.plan.launches));
        }
        match answer.settling_launches {
            Some(launches) if launches <= MOST_ADVISED_LAUNCHES => {
                format!("{why}; about {launches} launches would decide it")
            }
            _ => why.to_owned(),
        }
    }

    /// Both sides' step times then and now, and which of them moved; `None` where the baseline holds none.
    fn attribution(&self, stored: &BaselineCase) -> Option<String> {
        let name = self.case.case.reference.as_ref()?;
        let reference = self.judge.record.case(name)?;
        let before = self.judge.baselines.machine?.case(&reference.case)?.step_seconds?;
        let now = self.all.figures(name)?.step_seconds;
        let own = Side { backend: self.backend(), before: Seconds(stored.step_seconds?), now: self.now() };
        let other = Side { backend: display_name(&reference.case.backend).to_owned(), before: Seconds(before), now };
        let factor = self.thresholds.attribution_factor;
        let mover = match (own.change().log().abs(), other.change().log().abs()) {
            (one, two) if one > factor * two => format!("{} moved", own.backend),
            (one, two) if two > factor * one => format!("{} moved", other.backend),
            _ => "both moved".to_owned(),
        };
        Some(format!("; step times: {}, {}: {mover}", own.describe(), other.describe()))
    }

    fn now(&self) -> Seconds {
        self.evidence.figures.as_ref().map_or(Seconds(f64::NAN), |figures| figures.step_seconds)
    }

    fn backend(&self) -> String {
        display_name(&self.case.case.backend).to_owned()
    }
}

/// What a change is of where launches are of two modes.
const ALIKE: &str = " in the blocks whose launches are alike";

/// Why a drift is told and does not fail.
const NOT_THIS_CHANGE: &str = "; head and base do not show it in the same blocks, so this change did not cause it";

/// A backend's step time then and now.
struct Side {
    backend: String,
    before: Seconds,
    now: Seconds,
}

impl Side {
    fn change(&self) -> Change {
        Change(self.now.0 / self.before.0 - 1.0)
    }

    fn describe(&self) -> String {
        format!("{} {} → {} ({})", self.backend, self.before, self.now, self.change())
    }
}

/// No two processes take the same times to the nanosecond, step by step: what does was copied. Steps that are all alike are no
/// clock's, and tell nothing without the launch's other times.
fn is_copied(case: &CaseRecord) -> bool {
    case.launches_of(ArmKind::Head).iter().any(|head| {
        case.launches_of(ArmKind::Base).iter().any(|base| {
            let both = [head, base].map(|launch| measured(std::slice::from_ref(launch)).next().map(|(_, it)| it));
            let [Some(one), Some(other)] = both else { return false };
            let phases = |it: &Measured| (it.startup_seconds, it.load_seconds, it.warmup_seconds);
            let is_varied = one.step_seconds.iter().any(|step| *step != one.step_seconds[0]);
            let is_alike = || head.wall_seconds == base.wall_seconds && phases(one) == phases(other);
            one.step_seconds == other.step_seconds && (is_varied || is_alike())
        })
    })
}

fn is_decided(finding: &Finding) -> bool {
    !finding.verdict.is_open()
}

/// What becomes of a speedup that was asked for and is not there, and what the reference of the case did, in words.
pub(super) fn lost_reference(judge: &Judge, case: &CaseRecord) -> (Verdict, String) {
    match case.case.reference.as_ref().map(|name| judge.record.case(name)) {
        None if judge.plan.may_leave_out => (Verdict::NotGated, "was left out by hand".to_owned()),
        None | Some(None) => (Verdict::NotJudged, "was not measured".to_owned()),
        Some(Some(reference)) => match (&reference.skipped, reference.failure()) {
            (Some(skipped), _) => (Verdict::NotJudged, format!("was skipped ({skipped})")),
            (None, Some(failure)) => (Verdict::NotJudged, format!("failed: {}", failure.reason)),
            (None, None) => (Verdict::NotJudged, "shares no block with the case".to_owned()),
        },
    }
}

/// On an unfit machine a time is not judged.
pub(super) fn withdraw(finding: &mut Finding) {
    if !matches!(finding.verdict, Verdict::New | Verdict::NotGated) {
        finding.verdict = Verdict::NotJudged;
        finding.fails = false;
        finding.message.push_str("; not judged, since the machine is unfit");
    }
}

fn interval(answer: &Answer) -> Option<(Change, Change)> {
    answer.interval.map(|(low, high)| (Change::from_log(low), Change::from_log(high)))
}

/// The change that is gated, said to be the fastest quarter's where the medians beside it tell otherwise.
fn gated_change(change: Change, interval: Option<(Change, Change)>, medians: Change) -> String {
    let (low, high) = interval.unwrap_or((change, change));
    // Not beside medians that moved the other way.
    let is_alike = change.0 * medians.0 >= 0.0 && (low.0..=high.0).contains(&medians.0);
    let is_as_medians = is_alike || change.to_string() == medians.to_string();
    let words = with_interval(change, interval);
    if is_as_medians { words } else { format!("{words} in the fastest quarter of the steps") }
}

/// What a run could have seen and would need.
fn reach(answer: &Answer, finding: Finding) -> Finding {
    let detectable = answer.detectable.map(Change::from_log);
    Finding { detectable, settling_launches: answer.settling_launches, ..finding }
}

/// How much jobs differ here, for a change that this makes significant or not.
fn between_jobs(compared: &Compared, verdict: Verdict) -> String {
    let Recorded { jobs, between, .. } = compared.recorded();
    let deviation = format::share(between.deviation());
    let behind = match jobs {
        0 => "an imported table".to_owned(),
        jobs => format::count(jobs, "recorded job"),
    };
    match verdict {
        Verdict::Unconfirmed => format!(
            ", but jobs on this machine differ by {deviation} (standard deviation), and {behind} cannot confirm it: measure again, and \
             record more jobs"
        ),
        _ => format!("; held against {behind}, where jobs differ by {deviation} (standard deviation)"),
    }
}
