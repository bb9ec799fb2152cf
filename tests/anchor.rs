//! `baseline anchor`: what drift is measured from stays until somebody moves it, and `baseline update` tells what it noticed.

mod support;

use serde_json::{Value, json};
use support::{Project, Ran, worker};

const CASE: &str = "fast/5f/none";

/// A baseline whose anchor is of its first job, and whose job since then has a lower speedup; results like the latter.
fn drifted() -> Project {
    let project = Project::new(&[("slow", &worker(0.2, 4000)), ("fast", &worker(0.1, 1000))]);
    record(&project);
    project.write("fast.sh", &worker(0.103, 1000));
    record(&project);
    project
}

/// Measures, and records it.
fn record(project: &Project) -> Ran {
    assert_eq!(project.wanbench(&["run"]).status, 0);
    project.pretend_release_build();
    let ran = project.wanbench(&["baseline", "update", "--from", "results.json", "--yes"]);
    assert_eq!(ran.status, 0, "{}{}", ran.stdout, ran.stderr);
    ran
}

fn anchor_of(project: &Project, case: &str) -> Value {
    project.json(&project.machine_baseline())["cases"][case]["anchor"].clone()
}

fn anchor(project: &Project, arguments: &[&str]) -> Ran {
    project.wanbench(&[&["baseline", "anchor"], arguments].concat())
}

#[test]
fn an_anchor_stays_until_it_is_moved_for_a_reason() {
    let project = drifted();
    let first = anchor_of(&project, CASE);
    assert_eq!((&first["reason"], &first["jobs"]), (&json!("first recorded"), &json!(1)));
    assert!((first["speedup"].as_f64().unwrap() - 2.0).abs() < 1e-9, "{first}");
    let before = anchor_of(&project, "slow/5f/none");
    let ran = anchor(&project, &["--reason", " a correct mask ", "--filter", "fast", "--yes"]);
    assert_eq!(ran.status, 0, "{}{}", ran.stdout, ran.stderr);
    assert!(ran.stdout.contains("+        \"reason\": \"a correct mask\""), "{}", ran.stdout);
    let moved = anchor_of(&project, CASE);
    assert_eq!((&moved["reason"], &moved["jobs"]), (&json!("a correct mask"), &json!(2)));
    assert_eq!(anchor_of(&project, "slow/5f/none"), before);
}

#[test]
fn a_report_tells_the_drift_since_the_anchor_and_one_beyond_its_tolerance_fails() {
    let project = drifted();
    let ran = project.wanbench(&["check"]);
    assert_eq!(ran.status, 0, "{}", ran.stdout);
    assert!(ran.stdout.contains("Drift: since the anchors at most +3.0% in speed"), "{}", ran.stdout);
    project.edit(&project.machine_baseline(), |baseline| baseline["cases"][CASE]["anchor"]["speedup"] = json!(2.5));
    let ran = project.wanbench(&["check"]);
    assert_eq!(ran.status, 1, "{}", ran.stdout);
    for part in [
        "from the 2.50x of the anchor of",
        "wanbench baseline anchor --reason 'WHY IT IS ACCEPTABLE' --filter fast/5f/none",
    ] {
        assert!(ran.stdout.replace("\n    ", " ").replace("\n  ", " ").contains(part), "{part}:\n{}", ran.stdout);
    }
    assert_eq!(anchor(&project, &["--reason", "a correct mask", "--yes"]).status, 0);
    assert_eq!(project.wanbench(&["check"]).status, 0);
}

#[test]
fn a_baseline_without_anchors_is_read_and_gets_them_with_its_next_update() {
    let project = drifted();
    project.edit(&project.machine_baseline(), |baseline| {
        for case in baseline["cases"].as_object_mut().unwrap().values_mut() {
            case.as_object_mut().unwrap().remove("anchor");
        }
    });
    let ran = project.wanbench(&["check"]);
    assert_eq!(ran.status, 0, "{}", ran.stdout);
    assert!(!ran.stdout.contains("Drift:"), "{}", ran.stdout);
    record(&project);
    assert_eq!(anchor_of(&project, CASE)["jobs"], json!(3));
}

#[test]
fn there_must_be_a_level_a_reason_and_an_answer() {
    let project = drifted();
    let before = project.json(&project.machine_baseline());
    for (arguments, message) in [
        (&["--reason", " ", "--yes"][..], "--reason is empty"),
        (&["--reason", "x"], "standard input is not a terminal: pass --yes"),
        (&["--reason", "x", "--yes", "--filter", "other"], "no recorded job of such a case"),
        (&["--reason", "x", "--yes", "--machine", "another"], "another.json does not exist"),
    ] {
        let ran = anchor(&project, arguments);
        assert_eq!(ran.status, 2, "{arguments:?}: {}", ran.stdout);
        assert!(ran.stderr.contains(message), "{message}: {}", ran.stderr);
    }
    assert_eq!(project.json(&project.machine_baseline()), before);
    project.edit(&project.machine_baseline(), |baseline| baseline["cases"][CASE]["anchor"]["speedup"] = json!(0.0));
    let ran = project.wanbench(&["check"]);
    assert_eq!(ran.status, 2, "{}", ran.stdout);
    assert!(ran.stderr.contains("anchor: speedup is 0.0"), "{}", ran.stderr);
}

#[test]
fn an_update_tells_of_an_outlier_and_of_a_new_level() {
    let project = drifted();
    project.write("fast.sh", &worker(0.12, 1000));
    let outlier = record(&project).stderr;
    assert!(outlier.contains("fast/5f/none: the speedup is 18.2% off the level of the 2 jobs before it"), "{outlier}");
    let level = record(&project).stderr;
    assert!(level.contains("they begin a new level"), "{level}");
    let jobs = &project.json(&project.machine_baseline())["cases"][CASE]["jobs"];
    assert_eq!(jobs.as_array().map(Vec::len), Some(4));
}
