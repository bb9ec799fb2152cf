//! What is missing for a run as a whole, whatever its cases say.

use super::control::{self, Control};
use super::outcome::{Gap, Judged, Verdict};
use super::plan::{Judge, Terms};

impl Judge<'_> {
    /// What is missing for the run as a whole.
    pub(super) fn gaps(&self, cases: &[Judged], controls: &[Control]) -> Vec<Gap> {
        let mut gaps = Vec::from_iter(self.baseline_gap());
        let mut gap = |reason: String| gaps.push(Gap { reason, fails: false });
        controls.iter().filter_map(|control| control.unfit.clone()).for_each(&mut gap);
        control::missing(self, controls).into_iter().for_each(&mut gap);
        self.other_terms().into_iter().for_each(&mut gap);
        if self.record.interrupted {
            gap("the run was interrupted before its last launch".to_owned());
        }
        if let Some(reason) = &self.record.ended_early
            && cases.iter().any(|case| case.verdict == Verdict::New || case.verdict.is_open())
        {
            gap(format!("the run ended early: {reason}"));
        }
        let is_measured = |case: &Judged| case.now.is_some();
        match cases.iter().find(|case| !matches!(case.verdict, Verdict::LeftOut | Verdict::Missing)) {
            None => gap("nothing was measured: the results hold no case".to_owned()),
            Some(_) if !cases.iter().any(is_measured) && cases.iter().all(|case| case.verdict != Verdict::Failed) => {
                gap("nothing was measured: no case fits into memory".to_owned());
            }
            Some(_) => {}
        }
        gaps
    }

    /// What the run was not measured by as the plan's suite has it. Whether the processes fitted beside each other, the workers make
    /// wake passes, and a canary could be started, a record tells that is trusted; a stranger may have wanted it so.
    fn other_terms(&self) -> Vec<String> {
        let (record, suite) = (self.record, &self.record.suite);
        let Terms::Suite { warmup_steps, side_by_side, canary, wakes } = self.plan.terms else {
            let is_unknown = self.plan.terms == Terms::Unknown;
            return Vec::from_iter(is_unknown.then(|| format!("the configuration has no suite {suite}")));
        };
        let is_strange = !self.plan.trusts_record;
        let has_canary = record.canary.as_ref().is_some_and(|canary| canary.failed.is_none());
        let fewer_steps = record.warmup_steps < warmup_steps;
        let faults = [
            (fewer_steps, format!("with {} of {warmup_steps} warm-up steps", record.warmup_steps)),
            (is_strange && side_by_side && !record.side_by_side, "one process at a time".to_owned()),
            (is_strange && canary && !has_canary, "without a canary".to_owned()),
            (is_strange && wakes && !record.wakes(), "without wake passes".to_owned()),
            (is_strange && !wakes && record.wakes(), "with wake passes".to_owned()),
        ];
        let faults = faults.into_iter().filter(|(is_so, _)| *is_so);
        faults.map(|(_, how)| format!("it was measured {how}, not as the suite {suite} has it")).collect()
    }

    /// Why this machine's lack of a baseline leaves the run unjudged, if it does.
    pub(super) fn baseline_gap(&self) -> Option<Gap> {
        if self.baselines.machine.is_some() {
            return None;
        }
        if self.demands.baseline {
            let reason = "this machine has no baseline, and --require-baseline asks for one".to_owned();
            return Some(Gap { reason, fails: true });
        }
        if self.baselines.others == 0 || self.record.has_base_launches() {
            return None;
        }
        let machine = self.record.machine.name(self.record.device);
        let others = match self.baselines.others {
            1 => "another machine or device has one".to_owned(),
            others => format!("{others} other machines or devices have one"),
        };
        let reason = format!(
            "this machine ({machine}) has no baseline, although {others}: compare with a base revision (--base), or record one"
        );
        Some(Gap { reason, fails: false })
    }
}
