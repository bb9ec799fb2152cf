//! What a case that the machine has too little memory for does to the judgement of a run.

use super::*;
use crate::store::record::Outcome;
use crate::testing::Scenario;

const CASE: &str = "mlx/41f/int8";
const REFERENCE: &str = "torch/41f/none";

fn judged(scenario: &Scenario) -> Comparison {
    scenario.clone().report().comparison
}

fn of<'a>(comparison: &'a Comparison, name: &str) -> &'a Compared {
    comparison.cases.iter().find(|case| case.name == name).unwrap()
}

fn forget(scenario: &mut Scenario, name: &str) {
    scenario.baseline.as_mut().unwrap().cases.remove(name);
}

#[test]
fn a_skipped_case_is_a_gap_only_where_the_baseline_has_it() {
    let mut now = Scenario::new();
    now.skip(CASE, 71);
    let comparison = judged(&now);
    let case = of(&comparison, CASE);
    assert_eq!((case.verdict, case.skipped), (Verdict::Skipped, now.record.case(CASE).unwrap().skipped));
    // Nothing is known of it: neither its bytes nor a failure.
    assert_eq!((&case.now, &case.failure, case.findings.len()), (&None, &None, 0));
    assert!(comparison.has_gaps() && !comparison.fails() && !comparison.has_failures());
    let others = comparison.cases.iter().filter(|case| case.name != CASE);
    assert_eq!(others.filter(|case| case.verdict == Verdict::Unchanged).count(), 7);

    forget(&mut now, CASE);
    let comparison = judged(&now);
    assert_eq!(of(&comparison, CASE).verdict, Verdict::Skipped);
    assert!(!comparison.has_gaps());

    // What the baseline has under the name is of another shape, so it is of another case.
    let mut other = Scenario::new();
    other.skip(CASE, 71);
    let stored = other.baseline.as_mut().unwrap().cases.get_mut(CASE).unwrap();
    stored.shape.as_mut().unwrap().latent = [1, 1, 1];
    assert!(!judged(&other).has_gaps());
}

#[test]
fn a_run_in_which_all_is_skipped_has_measured_nothing() {
    let mut now = Scenario::new();
    now.baseline = None;
    let names: Vec<String> = now.record.cases.iter().map(|case| case.case.name.clone()).collect();
    for name in &names {
        assert!(!judged(&now).has_gaps(), "{name}");
        now.skip(name, 71);
    }
    let comparison = judged(&now);
    assert!(comparison.is_all_skipped() && comparison.has_gaps());
    assert_eq!(now.record.blocks(), 0);
}

#[test]
fn without_its_reference_a_case_has_no_speedup_to_lose_but_the_baselines() {
    let mut now = Scenario::new();
    now.skip(REFERENCE, 71);
    forget(&mut now, "mlx/41f/nf4");
    let comparison = judged(&now);
    let case = of(&comparison, CASE);
    assert_eq!((case.verdict, &case.now.as_ref().unwrap().speedup), (Verdict::Inconclusive, &None));
    let finding = case.finding(Metric::Speedup).unwrap();
    assert_eq!(
        finding.message,
        "its speedup, 2.46x in the baseline, cannot be judged: the reference was skipped (needs 71 GiB, has 36 GiB)"
    );
    let new = of(&comparison, "mlx/41f/nf4");
    assert_eq!((new.verdict, new.finding(Metric::Speedup)), (Verdict::New, None));
    assert_eq!(of(&comparison, "mlx/5f/int8").verdict, Verdict::Unchanged);
}

/// The workloads of `scenario` that need no further launch at a look, were its launches planned to go on.
fn settled_of(mut scenario: Scenario) -> Vec<String> {
    scenario.record.launches = 10;
    let gate = Thresholds { looks: vec![3, 7, 10], ..Thresholds::default() };
    settled(&scenario.record, scenario.baseline.as_ref(), &gate).into_iter().collect()
}

#[test]
fn a_skipped_case_holds_up_no_look() {
    let mut now = Scenario::new();
    for case in &mut now.record.cases {
        for launch in &mut case.launches {
            let Outcome::Measured(measured) = &mut launch.outcome else { continue };
            measured.step_seconds.fill(if case.case.is_reference() { 0.2 } else { 0.1 });
        }
    }
    let before = RunRecord { started: "2026-02-27T09:00:00Z".parse().unwrap(), ..now.record.clone() };
    now.baseline =
        Some(Baseline::empty(before.machine.clone(), before.device).updated(&before, &Thresholds::default()));
    assert_eq!(settled_of(now.clone()), ["41f", "5f"]);
    // A new case goes on to the last launch, for its baseline; not one of which there is nothing to come.
    forget(&mut now, CASE);
    assert_eq!(settled_of(now.clone()), ["5f"]);
    now.skip(CASE, 71);
    assert_eq!(settled_of(now.clone()), ["41f", "5f"]);
    // Nor one whose reference was skipped: it has no speedup, as if it had been measured alone.
    forget(&mut now, "mlx/41f/nf4");
    assert_eq!(settled_of(now.clone()), ["5f"]);
    now.skip(REFERENCE, 71);
    assert_eq!(settled_of(now), ["41f", "5f"]);
}
