//! Why no baseline should be made of a run.

use super::control::controls;
use super::outcome::Against;
use super::output;
use super::plan::{Baselines, Demands, Judge, Plan};
use crate::config::Thresholds;
use crate::evidence::quantity::Change;
use crate::evidence::{CaseEvidence, Evidence};
use crate::stats::{Estimate, paired_ratio};
use crate::store::baseline::ModelMemory;
use crate::store::record::{Canary, CaseRecord, RunRecord};
use crate::text::format;

/// Why no baseline should be made of a run, in sentences without their period; `--force` overrides them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Doubts {
    /// About the run as a whole.
    pub run: Vec<String>,
    /// About single cases, whose figures are too uncertain to be a measure.
    pub cases: Vec<String>,
}

impl Doubts {
    /// The doubts about `record`.
    pub fn about(record: &RunRecord, thresholds: &Thresholds) -> Self {
        let evidence = Evidence::of(record);
        let mut run: Vec<String> =
            controls(record, &evidence, thresholds).into_iter().filter_map(|control| control.unfit).collect();
        if record.interrupted {
            run.push("the run was interrupted: measure again".to_owned());
        }
        let is_short = |case: &&CaseRecord| case.skipped.is_none() && case.launches.len() < 2;
        let ended = record.ended_early.as_ref().filter(|_| record.cases.iter().any(|it| is_short(&it)));
        run.extend(ended.map(|reason| format!("the run ended early: {reason}")));
        // Times of a run are compared within its blocks; a baseline's are also what they are by themselves.
        let unrested = Some(record.unrested_blocks()).filter(|blocks| *blocks > 0);
        run.extend(unrested.map(|blocks| {
            format!(
                "{} began before the machine came to rest: measure again on a quieter one",
                format::count(blocks, "block")
            )
        }));
        run.extend(record.canary.as_ref().and_then(slower_machine));
        run.extend(record.failures().map(|(case, failure)| format!("{} failed: {}", case.case.name, failure.reason)));
        run.extend(wrong_outputs(record, &evidence, thresholds));
        if record.tool.debug_build {
            run.push("the figures come from a debug build: measure with a release build, `make build`".to_owned());
        }
        Self { run, cases: uncertain(record, &evidence, thresholds) }
    }

    /// All of them.
    pub fn all(&self) -> impl Iterator<Item = &String> {
        self.run.iter().chain(&self.cases)
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.run.is_empty() && self.cases.is_empty()
    }
}

/// That the machine settled at a slower level than it began with: its own times are of both.
fn slower_machine(canary: &Canary) -> Option<String> {
    let (first, last) = canary.shifts.first().zip(canary.shifts.last())?;
    let change = Change(last.to_seconds / first.from_seconds - 1.0);
    (change.0 > 0.0 && change.is_beyond(canary.tolerance_percent)).then(|| {
        format!(
            "the machine slowed down during the run, and the canary's step at rest with it, from {} to {}: measure again",
            format::seconds(first.from_seconds),
            format::seconds(last.to_seconds)
        )
    })
}

/// The outputs that are not the reference's, or differ from launch to launch: figures of a wrong answer are no measure.
fn wrong_outputs(record: &RunRecord, evidence: &Evidence, thresholds: &Thresholds) -> Vec<String> {
    let (plan, memory) = (Plan::of_record(record), ModelMemory::default());
    let baselines = Baselines { machine: None, memory: &memory, others: 0 };
    let judge = Judge { record, plan: &plan, baselines, thresholds, demands: Demands::default() };
    let of_case = |case: &CaseRecord| {
        let findings = output::judge(&judge, case, &evidence.case(&case.case.name)?.outputs, &[]);
        let wrong = findings.into_iter().find(|finding| finding.fails && finding.against == Against::Reference)?;
        Some(format!("{}: {}", case.case.name, wrong.message))
    };
    record.cases.iter().filter_map(of_case).collect()
}

/// The cases whose speed is not known to its tolerance: the speedup, or the step time where there is none.
fn uncertain(record: &RunRecord, evidence: &Evidence, thresholds: &Thresholds) -> Vec<String> {
    let speedup = |case: &CaseEvidence| case.figures.as_ref()?.speedup;
    let step_time = |case: &CaseEvidence| match speedup(case) {
        None if case.figures.is_some() => paired_ratio(&case.log_steps),
        _ => None,
    };
    let uncertain = |estimate: &dyn Fn(&CaseEvidence) -> Option<Estimate>, tolerance: fn(&Thresholds) -> f64| {
        let mut by_tolerance: Vec<(f64, Vec<&str>)> = Vec::new();
        for name in record.cases.iter().map(|case| case.case.name.as_str()) {
            let tolerance = tolerance(&thresholds.of_case(name));
            let is_within = |(low, high): (f64, f64)| !Change((high / low).sqrt() - 1.0).is_beyond(tolerance);
            let estimate = evidence.case(name).and_then(estimate);
            if estimate.is_none_or(|estimate| estimate.interval.is_some_and(is_within)) {
                continue;
            }
            match by_tolerance.iter_mut().find(|(other, _)| *other == tolerance) {
                Some((_, names)) => names.push(name),
                None => by_tolerance.push((tolerance, vec![name])),
            }
        }
        by_tolerance
    };
    let speedups = uncertain(&speedup, |own| own.speedup_tolerance_percent).into_iter();
    let times = uncertain(&step_time, |own| own.step_time_tolerance_percent).into_iter();
    let speedups = speedups.filter_map(|(tolerance, names)| unknown("speedup", &names, tolerance));
    speedups.chain(times.filter_map(|(tolerance, names)| unknown("step time", &names, tolerance))).collect()
}

fn unknown(what: &str, names: &[&str], tolerance: f64) -> Option<String> {
    let (first, rest) = names.split_first()?;
    let more = if rest.is_empty() { String::new() } else { format!(" and {} more", format::count(rest.len(), "case")) };
    Some(format!(
        "the {what} of {first}{more} is not known to within its tolerance of {tolerance}%: measure with more launches, or on a quieter \
         machine"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gate::Standing;
    use crate::store::record::{CanaryShift, Parity, UnrestedBlock};
    use crate::testing::Scenario;

    const CASE: &str = "mlx/41f/int8";

    #[test]
    fn one_backend_alone_is_recorded_only_where_its_step_time_is_known() {
        let mut alone = Scenario::new();
        alone.record.cases.retain(|case| case.case.backend == "torch");
        let doubts = |scenario: &Scenario| Doubts::about(&scenario.record, &Thresholds::default());
        assert!(doubts(&alone).is_empty(), "{:?}", doubts(&alone));
        alone.record.cases.iter_mut().for_each(|case| case.launches.truncate(1));
        let expected = "the step time of torch/5f/none and 1 case more is not known to within its tolerance of 10%";
        assert!(doubts(&alone).cases[0].starts_with(expected), "{:?}", doubts(&alone));
    }

    #[test]
    fn blocks_of_an_unsteady_machine_are_no_measure() {
        let mut now = Scenario::beside_base();
        let unrested = UnrestedBlock { workload: "41f".to_owned(), block: 1, canary_seconds: 0.006 };
        now.record.canary.as_mut().unwrap().unrested.push(unrested);
        let doubts = Doubts::about(&now.record, &Thresholds::default()).run;
        assert_eq!(doubts, ["1 block began before the machine came to rest: measure again on a quieter one"]);
        assert_eq!(now.report().standing(), Standing::Passed, "the control and the intervals decide");
    }

    #[test]
    fn a_run_during_which_the_machine_slowed_down_is_no_measure() {
        let doubts = |levels: &[f64]| {
            let mut now = Scenario::beside_base();
            let shift = |levels: &[f64]| CanaryShift {
                workload: "41f".to_owned(),
                block: 1,
                from_seconds: levels[0],
                to_seconds: levels[1],
            };
            now.record.canary.as_mut().unwrap().shifts = levels.windows(2).map(shift).collect();
            Doubts::about(&now.record, &Thresholds::default()).run
        };
        assert!(doubts(&[0.005, 0.006])[0].starts_with("the machine slowed down during the run"));
        assert!(doubts(&[0.005, 0.006, 0.005]).is_empty(), "it came back");
        assert!(doubts(&[0.005, 0.004]).is_empty(), "a machine that became faster is no doubt");
    }

    #[test]
    fn a_wrong_output_is_no_measure_unless_it_differs_from_the_base_alone() {
        let mut now = Scenario::beside_base();
        now.case(CASE).base_parity = Some(Parity { relative_error: Some(0.5) });
        let doubts = |scenario: &Scenario| Doubts::about(&scenario.record, &Thresholds::default());
        assert!(doubts(&now).is_empty(), "{:?}", doubts(&now));
        now.case(CASE).parity = Some(Parity { relative_error: None });
        let doubts = doubts(&now).run;
        assert!(doubts[0].starts_with("mlx/41f/int8: the output cannot be compared"), "{doubts:?}");
    }
}
