//! Nothing is written that will not be read: a worker's figures, results files and baselines are held to the same rules.

mod support;

use std::path::Path;

use proptest::prelude::*;
use serde_json::{Value, json};
use support::{Project, READY, UNLESS_PROBED, say, worker};
use wanbench::store::baseline::{Baseline, ModelMemory};
use wanbench::store::record::RunRecord;

/// A worker that reports these events after `ready`.
fn telling(events: &[Value]) -> String {
    let events: Vec<String> = events.iter().map(|event| say(&event.to_string())).collect();
    format!("{READY}\n{UNLESS_PROBED}\n{}", events.join("\n"))
}

/// The events of a good launch of two steps, of which one figure is another.
fn events(index: usize, key: &str, value: &Value) -> Vec<Value> {
    let mut events = vec![
        json!({"type": "loaded", "model_bytes": 1000, "seconds": 0.1, "quantize_seconds": null, "process_peak_bytes": null}),
        json!({"type": "warmed", "seconds": 0.1}),
        json!({"type": "step", "index": 0, "seconds": 0.1}),
        json!({"type": "step", "index": 1, "seconds": 0.1}),
        json!({"type": "done", "framework_peak_bytes": null, "process_peak_bytes": 100 << 20,
            "output": {"sha256": "5e".repeat(32), "elements": 64, "norm": 8.0},
            "rates": {"gemm_flops_per_second": 4e10, "copy_bytes_per_second": 1.2e10}}),
    ];
    *events[index].pointer_mut(key).unwrap() = value.clone();
    events
}

#[test]
fn a_figure_that_cannot_be_true_fails_its_launch_with_its_name_and_value() {
    let faults = [
        ("model", 0, "/model_bytes", json!(0), "model_bytes is 0, which is not between 1 and 1152921504606846976"),
        ("load", 0, "/seconds", json!(-1.0), "seconds of `loaded` is -1.0"),
        ("quantize", 0, "/quantize_seconds", json!(1e300), "quantize_seconds is 1e300"),
        ("load-peak", 0, "/process_peak_bytes", json!(0), "process_peak_bytes is 0"),
        ("warm-up", 1, "/seconds", json!(-0.5), "seconds of `warmed` is -0.5"),
        ("step", 3, "/seconds", json!(1e-300), "seconds of step 1 is 1e-300, which is not between 1e-9 and 432000.0"),
        ("peak", 4, "/process_peak_bytes", json!(0), "process_peak_bytes is 0"),
        ("framework", 4, "/framework_peak_bytes", json!(0), "report an unknown figure as null"),
        ("digest", 4, "/output/sha256", json!("beef"), "sha256 is \"beef\""),
        ("elements", 4, "/output/elements", json!(0), "elements is 0"),
        ("norm", 4, "/output/norm", json!(-1.0), "norm is -1.0"),
        ("gemm", 4, "/rates/gemm_flops_per_second", json!(0.0), "gemm_flops_per_second is 0.0"),
        ("copy", 4, "/rates/copy_bytes_per_second", json!(1e300), "copy_bytes_per_second is 1e300"),
    ];
    let scripts = faults.each_ref().map(|(_, index, key, value, _)| telling(&events(*index, key, value)));
    let good = worker(0.1, 8);
    let mut backends = vec![("good", good.as_str())];
    backends.extend(faults.iter().zip(&scripts).map(|((name, ..), script)| (*name, script.as_str())));
    let project = Project::new(&backends);
    let ran = project.wanbench(&["run", "--launches", "1"]);
    assert_eq!(ran.status, 3, "{}{}", ran.stdout, ran.stderr);
    let results = project.json("results.json");
    for ((name, .., reason), case) in faults.iter().zip(&results["cases"].as_array().unwrap()[1..]) {
        assert_eq!(case["case"]["backend"], *name);
        let found = case["launches"][0]["outcome"]["failed"]["reason"].as_str().unwrap_or_default();
        assert!(found.contains("reported an impossible figure: ") && found.contains(reason), "{name}: {found:?}");
    }
    assert_eq!(project.wanbench(&["report", "results.json"]).status, 0, "the results can be read");
}

#[test]
fn a_case_that_is_twice_in_results_is_refused() {
    let project = Project::new(&[("slow", &worker(0.2, 4000)), ("fast", &worker(0.1, 1000))]);
    assert_eq!(project.wanbench(&["run", "--launches", "1"]).status, 0);
    project.edit("results.json", |results| {
        let cases = results["cases"].as_array_mut().unwrap();
        cases.push(cases[1].clone());
    });
    let ran = project.wanbench(&["report", "results.json"]);
    assert_eq!(ran.status, 2, "{}", ran.stdout);
    assert!(ran.stderr.contains("results.json: case fast/5f/none appears twice"), "{}", ran.stderr);
}

/// A baseline with one case, of which one figure is another.
fn baseline(pointer: &str, value: &Value) -> Value {
    let mut baseline = json!({
        "schema": 1, "device": "cpu", "imported": null,
        "machine": {"chip": "CHIP", "cpu_cores": 2, "gpu_cores": null, "gpu": null, "memory_gib": 16, "os": "linux"},
        "cases": {"fast/5f/none": {
            "frames": 5, "steps": 2, "shape": null, "speedup": 2.0, "step_seconds": 0.1,
            "framework_peak_bytes": 1000, "process_peak_bytes": 2000,
            "jobs": [{
                "date": "2026-01-01T00:00:00Z", "commit": null, "versions": {}, "launches": 2,
                "mean_log_speedup": 0.69, "deviation_log_speedup": 0.01, "launch_step_seconds": [0.1, 0.1],
            }],
            "accepted": {"reason": "why not", "date": "2026-01-01T00:00:00Z", "commit": null, "change": 0.1},
        }},
    });
    *baseline["cases"]["fast/5f/none"].pointer_mut(pointer).unwrap() = value.clone();
    baseline
}

fn written(folder: &Path, name: &str, text: &str) -> std::path::PathBuf {
    let path = folder.join(name);
    std::fs::write(&path, text).unwrap();
    path
}

#[test]
fn a_baselines_figures_are_held_to_the_same_rules() {
    let folder = tempfile::tempdir().unwrap();
    let opened = |pointer: &str, value: &Value| {
        let path = written(folder.path(), "machine.json", &baseline(pointer, value).to_string());
        Baseline::open(&path).map_err(|error| error.to_string())
    };
    for (pointer, value, reason) in [
        ("/steps", json!(0), "steps is 0"),
        ("/speedup", json!(0.0), "speedup is 0.0"),
        ("/speedup", json!(1e300), "speedup is 1e300"),
        ("/step_seconds", json!(-0.1), "step_seconds is -0.1"),
        ("/framework_peak_bytes", json!(0), "framework_peak_bytes is 0"),
        ("/process_peak_bytes", json!(0), "process_peak_bytes is 0"),
        ("/jobs/0/launches", json!(0), "run of 2026-01-01T00:00:00Z: launches is 0"),
        ("/jobs/0/mean_log_speedup", json!(1e10), "run of 2026-01-01T00:00:00Z: mean_log_speedup is 10000000000.0"),
        ("/jobs/0/deviation_log_speedup", json!(1e100), "run of 2026-01-01T00:00:00Z: deviation_log_speedup is 1e100"),
        ("/jobs/0/deviation_log_speedup", json!(-0.1), "run of 2026-01-01T00:00:00Z: deviation_log_speedup is -0.1"),
        ("/jobs/0/launch_step_seconds", json!([]), "run of 2026-01-01T00:00:00Z: step_seconds is empty"),
        ("/jobs/0/launch_step_seconds/1", json!(0.0), "run of 2026-01-01T00:00:00Z: step_seconds of step 1 is 0.0"),
        ("/accepted/change", json!(-1.5), "accepted: change is -1.5"),
    ] {
        let error = opened(pointer, &value).unwrap_err();
        assert!(error.contains("machine.json: case fast/5f/none: ") && error.contains(reason), "{pointer}: {error}");
    }
    for pointer in ["/speedup", "/step_seconds", "/framework_peak_bytes", "/process_peak_bytes", "/accepted/change"] {
        assert!(opened(pointer, &Value::Null).is_ok(), "{pointer}");
    }
    let error = written(folder.path(), "model-memory.json", r#"{"schema": 1, "models": {"a/b/c/d": 0}}"#);
    let error = ModelMemory::open(error.parent().unwrap()).unwrap_err().to_string();
    assert!(error.contains("model-memory.json: a/b/c/d is 0"), "{error}");
}

#[test]
fn a_case_that_is_twice_in_a_baseline_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let text = baseline("/steps", &json!(2)).to_string();
    let case = baseline("/steps", &json!(3))["cases"]["fast/5f/none"].to_string();
    let twice = text.replacen("\"cases\":{", &format!("\"cases\":{{\"fast/5f/none\":{case},"), 1);
    let error = Baseline::open(&written(folder.path(), "machine.json", &twice)).unwrap_err().to_string();
    assert!(error.contains("machine.json") && error.contains("fast/5f/none appears twice"), "{error}");
    written(folder.path(), "model-memory.json", r#"{"schema": 1, "models": {"a/b/c/d": 1, "a/b/c/d": 2}}"#);
    let error = ModelMemory::open(folder.path()).unwrap_err().to_string();
    assert!(error.contains("a/b/c/d appears twice"), "{error}");
}

#[test]
fn an_imported_reports_figures_are_held_to_them_too() {
    let founding = include_str!("fixtures/mlx-benchmarks-m3-ultra.md");
    let text = founding.replacen("| 1.5s |", "| 99999999999s |", 1);
    let error = wanbench::store::import::import(&text, "r.md").unwrap_err().to_string();
    assert!(error.contains("r.md: case torch/41f/none: step_seconds is "), "{error}");
}

/// Figures that a worker may report: a good one, the utmost ones, and some that cannot be true.
fn any_figure() -> impl Strategy<Value = Value> {
    let odd = vec![
        json!(0),
        json!(1),
        json!(-1),
        json!(1e-9),
        json!(1e-300),
        json!(432_000.0),
        json!(1e18),
        json!(1e300),
        json!(1_u64 << 60),
        json!(u64::MAX),
        Value::Null,
    ];
    prop_oneof![Just(json!(0.1)), Just(json!(1000)), prop::sample::select(odd)]
}

proptest! {
    // Each case is some runs of the program.
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_a_worker_reports_what_is_written_is_read(
        changes in prop::collection::vec((prop::sample::select(FIGURES.to_vec()), any_figure()), 1..3),
    ) {
        let mut told = events(1, "/seconds", &json!(0.1));
        for ((index, key), value) in &changes {
            *told[*index].pointer_mut(key).unwrap() = value.clone();
        }
        let project = Project::new(&[("slow", &worker(0.2, 4000)), ("fast", &telling(&told))]);
        let ran = project.wanbench(&["check", "--launches", "2"]);
        prop_assert!([0, 1, 3].contains(&ran.status), "{}{}", ran.stdout, ran.stderr);
        let record = RunRecord::open(&project.path("results.json"));
        prop_assert!(record.is_ok(), "{record:?}");
        project.pretend_release_build();
        let recorded = project.wanbench(&["baseline", "update", "--from", "results.json", "--yes"]);
        prop_assert!([0, 2, 3].contains(&recorded.status), "{}", recorded.stderr);
        // Reads the baseline too.
        let again = project.wanbench(&["report", "results.json"]);
        prop_assert_eq!(again.status, 0, "{}{}", again.stdout, again.stderr);
    }
}

/// Where the figures of [`events`] are.
const FIGURES: [(usize, &str); 13] = [
    (0, "/model_bytes"),
    (0, "/seconds"),
    (0, "/quantize_seconds"),
    (0, "/process_peak_bytes"),
    (1, "/seconds"),
    (2, "/seconds"),
    (3, "/seconds"),
    (4, "/framework_peak_bytes"),
    (4, "/process_peak_bytes"),
    (4, "/output/elements"),
    (4, "/output/norm"),
    (4, "/rates/gemm_flops_per_second"),
    (4, "/rates/copy_bytes_per_second"),
];
