//! What is held against the committed baseline and its anchors, in simulated sequences of runs with a fixed seed. What the bars are
//! worth with thousands of runs, `make bench-detection ARGS=simulate` tells.

#[path = "../benches/detection/simulation/history.rs"]
#[allow(dead_code, reason = "the bench uses all of it")]
mod history;

use history::{Sequence, World, blamed, found_drifts, found_growths, outcomes};
use wanbench::gate::Standing;

#[test]
fn unchanged_code_fails_seldom_whatever_jobs_differ_by() {
    for (cases, is_shared, jobs) in [(1, false, 1), (1, false, 10), (4, false, 5), (4, true, 5)] {
        // Two standard errors above 1% and 2% of 300.
        for (deviation, most) in [(0.02, 6), (0.03, 10)] {
            let world = World { is_shared, between_blocks: 0.018, ..World::new(cases, deviation) };
            let (failed, _) = outcomes(world, jobs, 0.0, 300);
            assert!(failed <= most, "{failed} of 300 with {cases} cases, {jobs} jobs and {deviation}");
        }
    }
}

#[test]
fn a_quiet_machine_passes_unchanged_code_and_finds_what_is_slower() {
    let world = World::new(4, 0.005);
    assert_eq!(outcomes(world, 5, 0.0, 100), (0, 0));
    let (found, _) = outcomes(world, 5, 1.08f64.ln(), 100);
    assert!(found >= 90, "{found}");
}

#[test]
fn many_small_changes_fail_by_what_they_add_up_to() {
    for cases in [1, 4] {
        let found = found_drifts(World::new(cases, 0.005), 7, 200);
        assert!(found >= 180, "{found} of 200 with {cases} cases");
    }
}

#[test]
fn a_peak_that_grows_a_little_with_each_change_fails() {
    let mut sequence = Sequence::new(World::new(1, 0.005), 1).with_jobs(1);
    let fails: Vec<bool> = (1..=20)
        .map(|change| {
            let run = sequence.run(0.0, 1024 + 25 * change);
            let fails = sequence.judge(&run).standing == Standing::Failed;
            sequence.record(&run);
            fails
        })
        .collect();
    assert!(fails[..5].contains(&true) && !fails[0], "{fails:?}");
}

#[test]
fn a_change_is_not_blamed_for_a_main_that_drifted() {
    for (drift, jobs) in [(1.08f64, 1), (1.12, 1), (1.08, 5), (1.12, 5)] {
        let blamed = blamed(drift.ln(), jobs, 200);
        assert!(blamed <= 4, "{blamed} of 200 after {drift} with {jobs} jobs");
    }
}

#[test]
fn more_launches_find_a_growth_no_less() {
    let [few, some, many] = [4, 10, 24].map(|launches| found_growths(launches, 300));
    assert!(few < some && some < many && many >= 280, "{few}, {some}, {many} of 300");
}
