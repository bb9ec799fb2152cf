//! From measuring to a verdict, on workers with exact times: recording, comparing, failing.

mod support;

use serde_json::{Value, json};
use support::{Project, worker};

/// A reference of 0.2 s and a case of 0.1 s: a speedup of 2 to the digit, recorded as the baseline.
fn recorded() -> Project {
    let project = Project::new(&[("slow", &worker(0.2, 4000)), ("fast", &worker(0.1, 1000))]);
    let ran = project.wanbench(&["run"]);
    assert_eq!(ran.status, 0, "{}", ran.stderr);
    project.pretend_release_build();
    let ran = project.wanbench(&["baseline", "update", "--from", "results.json", "--yes"]);
    assert_eq!(ran.status, 0, "{}", ran.stderr);
    project
}

#[test]
fn an_unchanged_machine_passes() {
    let project = recorded();
    let baseline = project.json(&project.machine_baseline());
    let case = &baseline["cases"]["fast/5f/none"];
    assert!((case["speedup"].as_f64().unwrap() - 2.0).abs() < 1e-12);
    assert_eq!(case["jobs"][0]["launches"], 3);
    assert_eq!(case["jobs"][0]["launch_step_seconds"], json!([0.1, 0.1, 0.1]));
    assert_eq!(project.json("baselines/model-memory.json")["models"]["fast/synthetic/none/f32"], 1000);
    let ran = project.wanbench(&["check", "--require-baseline"]);
    assert_eq!(ran.status, 0, "{}{}", ran.stdout, ran.stderr);
    assert!(ran.stdout.contains("unchanged"), "{}", ran.stdout);
}

/// Makes of the recorded job of the case one with another speedup.
fn speedup(ratio: f64) -> impl FnOnce(&mut Value) {
    move |baseline| {
        let case = &mut baseline["cases"]["fast/5f/none"];
        case["speedup"] = json!(ratio);
        case["jobs"][0]["mean_log_speedup"] = json!(ratio.ln());
    }
}

/// Changes the committed baseline and says what `check` then ends with.
fn checked(change: impl FnOnce(&mut Value)) -> support::Ran {
    let project = recorded();
    project.edit(&project.machine_baseline(), change);
    project.wanbench(&["check"])
}

#[test]
fn a_raised_speedup_fails_with_both_figures() {
    let ran = checked(speedup(2.5));
    assert_eq!(ran.status, 1, "{}", ran.stdout);
    for part in
        ["regressed", "fast/5f/none", "2.50x", "2.00x", "+25.0%", "tolerance of 5%", "held against 1 recorded job"]
    {
        assert!(ran.stdout.contains(part), "{part}:\n{}", ran.stdout);
    }
}

#[test]
fn what_one_recorded_job_cannot_confirm_is_told_and_does_not_fail() {
    let ran = checked(speedup(2.12));
    assert_eq!(ran.status, 0, "{}", ran.stdout);
    for part in
        ["2 cases (1 unchanged, 1 unconfirmed)", "1 recorded job cannot confirm", "measure again, and record more jobs"]
    {
        assert!(ran.stdout.replace("\n    ", " ").contains(part), "{part}:\n{}", ran.stdout);
    }
}

#[test]
fn a_speedup_within_the_tolerance_passes() {
    assert_eq!(checked(speedup(2.09)).status, 0);
}

#[test]
fn a_better_speedup_is_told_and_passes() {
    let ran = checked(speedup(1.6));
    assert_eq!(ran.status, 0);
    assert!(ran.stdout.contains("improved"), "{}", ran.stdout);
}

#[test]
fn a_peak_fails_beyond_its_tolerance_only() {
    // 100 MiB measured; 1% + 16 MiB are allowed.
    let peak = |mib: u64| {
        move |baseline: &mut Value| baseline["cases"]["fast/5f/none"]["process_peak_bytes"] = json!(mib << 20)
    };
    assert_eq!(checked(peak(84)).status, 0);
    let ran = checked(peak(82));
    assert_eq!(ran.status, 1);
    assert!(ran.stdout.contains("rose from the baseline's 82MB to 100MB"), "{}", ran.stdout);
}

#[test]
fn model_bytes_are_exact_in_both_directions() {
    for (recorded_bytes, message) in [(999, "1 more than the recorded 999"), (1001, "1 fewer than the recorded 1,001")]
    {
        let project = recorded();
        project.edit("baselines/model-memory.json", |memory| {
            memory["models"]["fast/synthetic/none/f32"] = json!(recorded_bytes);
        });
        let ran = project.wanbench(&["check"]);
        assert_eq!(ran.status, 1, "{}", ran.stdout);
        assert!(ran.stdout.contains(message), "{}", ran.stdout);
    }
}

#[test]
fn without_a_baseline_model_bytes_are_judged_all_the_same() {
    let project = recorded();
    std::fs::remove_file(project.path(&project.machine_baseline())).unwrap();
    let ran = project.wanbench(&["check"]);
    assert_eq!(ran.status, 0, "{}", ran.stdout);
    let is_warned = ran.stdout.contains("Do not record this run as a baseline: the figures come from a debug build");
    assert_eq!(is_warned, cfg!(debug_assertions), "{}", ran.stdout);
    project.pretend_release_build();
    let report = project.wanbench(&["report", "results.json"]).stdout;
    assert!(report.contains("wanbench baseline update --from results.json"), "{report}");
    assert_eq!(project.wanbench(&["check", "--require-baseline"]).status, 1);
    project.edit("baselines/model-memory.json", |memory| {
        memory["models"]["fast/synthetic/none/f32"] = json!(5);
    });
    assert_eq!(project.wanbench(&["check"]).status, 1);
}

#[test]
fn a_case_without_baseline_is_new_and_a_baseline_without_case_missing() {
    let project = recorded();
    project.edit(&project.machine_baseline(), |baseline| {
        let case = baseline["cases"]["fast/5f/none"].take();
        baseline["cases"].as_object_mut().unwrap().remove("fast/5f/none");
        baseline["cases"]["gone/5f/none"] = case;
    });
    let ran = project.wanbench(&["check"]);
    assert_eq!(ran.status, 3, "{}", ran.stdout);
    let line = |name: &str| ran.stdout.lines().find(|line| line.contains(name)).unwrap_or_default().to_owned();
    assert!(ran.stdout.contains("new"), "{}", ran.stdout);
    assert!(line("gone/5f/none").contains("missing"), "{}", ran.stdout);
}

#[test]
fn a_folder_of_baselines_that_is_named_must_be_there() {
    let ran = recorded().wanbench(&["check", "--baselines", "baseline"]);
    assert_eq!(ran.status, 2, "{}", ran.stdout);
    assert!(ran.stderr.contains("--baselines baseline: no such folder"), "{}", ran.stderr);
}

#[test]
fn without_its_reference_a_speedup_is_not_judged() {
    let project = recorded();
    let ran = project.wanbench(&["check", "--backend", "fast"]);
    assert_eq!(ran.status, 0, "{}", ran.stdout);
    assert!(ran.stdout.contains("1 case left out by hand"), "{}", ran.stdout);

    // The reference's second launch dies: the one pair from before it is no evidence.
    let dying = format!("if [ -e once ]; then exit 1; fi\ntouch once\n{}", worker(0.01, 4000));
    project.write("slow.sh", &dying);
    let ran = project.wanbench(&["check"]);
    assert_eq!(ran.status, 3, "{}", ran.stdout);
    assert!(!ran.stdout.contains("regressed"), "{}", ran.stdout);
}

/// Makes of saved results those of a machine with too little memory for the case at `index`.
fn skip(results: &mut Value, index: usize) {
    let case = &mut results["cases"][index];
    case["skipped"] = json!({"needs_bytes": 71_u64 << 30, "has_bytes": 36_u64 << 30});
    ["launches", "base_launches", "control_launches"].into_iter().for_each(|arm| case[arm] = json!([]));
}

#[test]
fn a_skipped_case_that_was_measured_before_cannot_be_judged() {
    let project = recorded();
    std::fs::copy(project.path("results.json"), project.path("before.json")).unwrap();
    project.edit("results.json", |results| skip(results, 1));
    let ran = project.wanbench(&["compare", "before.json", "results.json"]);
    assert_eq!(ran.status, 3, "{}", ran.stdout);
    for part in ["needs 71 GiB, has 36 GiB", "Not judged", "Free memory"] {
        assert!(ran.stdout.contains(part), "{part}:\n{}", ran.stdout);
    }
    // A saved run is the measure: there is no entry to delete.
    assert!(!ran.stdout.contains("delete"), "{}", ran.stdout);
    // The other way round it is a new case.
    assert_eq!(project.wanbench(&["compare", "results.json", "before.json"]).status, 0);
}

#[test]
fn a_skipped_case_is_not_recorded_and_its_entry_stays() {
    let project = recorded();
    let old = project.json(&project.machine_baseline());
    let memory = project.json("baselines/model-memory.json");
    project.edit("results.json", |results| {
        results["started"] = json!("2026-01-01T00:00:00Z");
        // A run that ended early needs a second launch of what it launched, not of what it skipped.
        results["ended_early"] = json!("the time limit of 1 min 00 s left no room for another block");
        skip(results, 1);
    });
    let update = |project: &Project| project.wanbench(&["baseline", "update", "--from", "results.json", "--yes"]);
    let ran = update(&project);
    assert_eq!(ran.status, 0, "{}", ran.stderr);
    let new = project.json(&project.machine_baseline());
    assert_eq!(new["cases"]["fast/5f/none"], old["cases"]["fast/5f/none"]);
    assert_eq!(new["cases"]["slow/5f/none"]["jobs"].as_array().unwrap().len(), 2);
    assert_eq!(project.json("baselines/model-memory.json"), memory);

    project.edit("results.json", |results| skip(results, 0));
    let ran = update(&project);
    assert_eq!(ran.status, 2, "{}", ran.stdout);
    assert!(ran.stderr.contains("nothing was measured"), "{}", ran.stderr);
}

#[test]
fn one_launch_cannot_tell_change_from_chance() {
    let project = recorded();
    project.edit(&project.machine_baseline(), speedup(3.0));
    let ran = project.wanbench(&["check", "--launches", "1"]);
    assert_eq!(ran.status, 3, "{}", ran.stdout);
    assert!(ran.stdout.contains("one launch cannot distinguish"), "{}", ran.stdout);
    assert_eq!(project.wanbench(&["check", "--launches", "1", "--allow-inconclusive"]).status, 0);
}

#[test]
fn launches_that_disagree_on_model_bytes_fail() {
    let project = recorded();
    let changing = format!(
        "if [ -e once ]; then {}\nexit; fi\ntouch once\n{}",
        worker(0.1, 5).replace('\n', "; "),
        worker(0.1, 1000)
    );
    project.write("fast.sh", &changing);
    let ran = project.wanbench(&["check"]);
    assert_eq!(ran.status, 1, "{}{}", ran.stdout, ran.stderr);
    assert!(ran.stdout.contains("the launches disagree on the model's bytes"), "{}", ran.stdout);
}

#[test]
fn a_baseline_of_another_shape_is_none() {
    let project = recorded();
    let config = std::fs::read_to_string(project.path("config.toml")).unwrap();
    project.write("config.toml", &config.replace("latent = [1, 2, 2]", "latent = [1, 4, 2]"));
    project.edit(&project.machine_baseline(), |baseline| baseline["cases"]["fast/5f/none"]["speedup"] = json!(9.0));
    let ran = project.wanbench(&["check"]);
    assert_eq!(ran.status, 0, "{}", ran.stdout);
    assert!(ran.stdout.contains("new") && !ran.stdout.contains("9.00x"), "{}", ran.stdout);
}

#[test]
fn figures_that_cannot_be_are_refused() {
    let project = recorded();
    project.edit("results.json", |results| {
        results["cases"][0]["launches"][0]["outcome"]["measured"]["step_seconds"] = json!([]);
    });
    let ran = project.wanbench(&["report", "results.json"]);
    assert_eq!(ran.status, 2);
    assert!(
        ran.stderr.contains("results.json: case slow/5f/none: launch of block 0: step_seconds is empty"),
        "{}",
        ran.stderr
    );
    project.edit(&project.machine_baseline(), |baseline| baseline["cases"]["fast/5f/none"]["speedup"] = json!(0.0));
    assert_eq!(project.wanbench(&["check"]).status, 2);
}

#[test]
fn a_baseline_is_refused_where_it_would_mislead() {
    let project = Project::new(&[("slow", &worker(0.2, 4000)), ("dies", "exit 1")]);
    project.wanbench(&["run"]);
    project.pretend_release_build();
    let update = |project: &Project| project.wanbench(&["baseline", "update", "--from", "results.json", "--yes"]);
    let ran = update(&project);
    assert_eq!(ran.status, 2);
    assert!(ran.stderr.contains("dies/5f/none failed"), "{}", ran.stderr);

    for (change, reason) in [
        (json!({"tool": {"debug_build": true}}), "debug build"),
        (json!({"machine": {"chip": "Apple M9"}}), "--machine"),
        (json!({"interrupted": true}), "interrupted"),
    ] {
        let project = recorded();
        project.edit("results.json", |results| merge(results, &change));
        let ran = update(&project);
        assert_eq!(ran.status, 2, "{}", ran.stdout);
        assert!(ran.stderr.contains(reason), "{}", ran.stderr);
    }
}

#[test]
fn an_update_asks_and_nobody_answers() {
    let project = recorded();
    project.edit("results.json", |results| {
        results["cases"][0]["launches"][0]["outcome"]["measured"]["model_bytes"] = json!(5);
    });
    let ran = project.wanbench(&["baseline", "update", "--from", "results.json"]);
    assert_eq!(ran.status, 2, "{}", ran.stderr);
    assert!(ran.stdout.contains("-    \"slow/synthetic/none/f32\": 4000\n"), "{}", ran.stdout);
    assert!(ran.stderr.contains("--yes"), "{}", ran.stderr);
    assert_eq!(project.json("baselines/model-memory.json")["models"]["slow/synthetic/none/f32"], 4000);
    let in_ci = project.command(&["baseline", "update", "--from", "results.json"]).env("CI", "true").output().unwrap();
    assert_eq!(in_ci.status.code(), Some(2));
}

#[test]
fn the_last_ten_jobs_are_kept() {
    let project = recorded();
    for job in 0..10 {
        let started = format!("2026-01-01T00:00:0{job}Z");
        project.edit("results.json", |results| results["started"] = started.clone().into());
        project.wanbench(&["baseline", "update", "--from", "results.json", "--yes"]);
        let ran = project.wanbench(&["baseline", "update", "--from", "results.json", "--yes"]);
        assert_eq!(ran.status, 0, "{}", ran.stderr);
    }
    let baseline = project.json(&project.machine_baseline());
    assert_eq!(baseline["cases"]["fast/5f/none"]["jobs"].as_array().unwrap().len(), 10);
}

fn merge(value: &mut Value, change: &Value) {
    match (value, change) {
        (Value::Object(value), Value::Object(change)) => {
            change.iter().for_each(|(key, change)| merge(&mut value[key], change));
        }
        (value, change) => *value = change.clone(),
    }
}
