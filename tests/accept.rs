//! `baseline accept`: a regression stays, with its reason, until the next update.

mod support;

use serde_json::{Value, json};
use support::{Project, Ran, worker};

const CASE: &str = "fast/5f/none";

/// A baseline of two cases, and results in which one of them takes 0.12 s where it took 0.1 s.
fn regressed() -> Project {
    let backends = [("slow", &*worker(0.2, 4000)), ("fast", &*worker(0.1, 1000)), ("other", &*worker(0.05, 500))];
    let project = Project::new(&backends);
    run(&project);
    succeeds(&project, &["baseline", "update", "--from", "results.json", "--yes"]);
    project.write("fast.sh", &worker(0.12, 1000));
    run(&project);
    project
}

fn run(project: &Project) {
    succeeds(project, &["run"]);
    project.pretend_release_build();
}

fn succeeds(project: &Project, arguments: &[&str]) -> Ran {
    let ran = project.wanbench(arguments);
    assert_eq!(ran.status, 0, "{arguments:?}: {}{}", ran.stdout, ran.stderr);
    ran
}

fn accept(project: &Project) -> Ran {
    project.wanbench(&["baseline", "accept", CASE, "--reason", " a correct mask ", "--yes"])
}

/// That `accept` with `arguments` is refused with `message`, and writes nothing.
fn refused(project: &Project, arguments: &[&str], message: &str) {
    let before = project.json(&project.machine_baseline());
    let ran = project.wanbench(&[&["baseline", "accept"], arguments].concat());
    assert_eq!(ran.status, 2, "{arguments:?}: {}{}", ran.stdout, ran.stderr);
    assert!(ran.stderr.contains(message), "{message}: {}", ran.stderr);
    assert_eq!(project.json(&project.machine_baseline()), before);
}

/// The saved results, as if measured beside a base revision whose worker of [`CASE`] took `seconds`.
fn beside_a_base(project: &Project, seconds: f64) {
    project.edit("results.json", |results| {
        results["base"] = json!({"name": "main", "commit": null, "loosened": [], "accepted": []});
        let case = case_of(results);
        case["base_launches"] = case["launches"].clone();
        for launch in case["base_launches"].as_array_mut().unwrap() {
            launch["outcome"]["measured"]["step_seconds"] = json!([seconds, seconds]);
        }
    });
}

fn case_of(results: &mut Value) -> &mut Value {
    let cases = results["cases"].as_array_mut().unwrap();
    cases.iter_mut().find(|case| case["case"]["name"] == CASE).unwrap()
}

#[test]
fn an_accepted_regression_passes_and_is_told_until_the_next_update() {
    let project = regressed();
    let file = project.machine_baseline();
    let before = project.json(&file);
    assert_eq!(project.wanbench(&["check", "--json", "checked.json"]).status, 1);

    let ran = accept(&project);
    assert_eq!(ran.status, 0, "{}{}", ran.stdout, ran.stderr);
    assert!(ran.stdout.contains("+        \"reason\": \"a correct mask\""), "{}", ran.stdout);
    assert!(
        ran.stderr.contains("its history begins anew with the accepted run, without the 1 job before it"),
        "{}",
        ran.stderr
    );
    let after = project.json(&file);
    let case = &after["cases"][CASE];
    assert!((case["accepted"]["change"].as_f64().unwrap() - 0.2).abs() < 1e-9, "{case}");
    assert!((case["speedup"].as_f64().unwrap() - 0.2 / 0.12).abs() < 1e-9, "{case}");
    assert_eq!(case["jobs"].as_array().map(Vec::len), Some(1));
    for other in ["slow/5f/none", "other/5f/none"] {
        assert_eq!(after["cases"][other], before["cases"][other]);
    }

    let ran = succeeds(&project, &["check", "--json", "checked.json"]);
    let line = ran.stdout.lines().find(|line| line.starts_with("Accepted: ")).unwrap_or_default();
    assert!(line.starts_with("Accepted: fast/5f/none: a correct mask (2"), "{}", ran.stdout);
    assert!(line.ends_with(", step time +20.0%)"), "{line}");

    run(&project);
    succeeds(&project, &["baseline", "update", "--from", "results.json", "--yes"]);
    assert_eq!(project.json(&file)["cases"][CASE]["accepted"], Value::Null);
    assert!(!succeeds(&project, &["report", "results.json"]).stdout.contains("Accepted"));
}

#[test]
fn model_bytes_that_grew_are_accepted_for_that_case_alone() {
    let project = regressed();
    project.write("fast.sh", &worker(0.1, 1200));
    project.write("other.sh", &worker(0.05, 700));
    run(&project);
    assert_eq!(accept(&project).status, 0);
    let models = &project.json("baselines/model-memory.json")["models"];
    assert_eq!(models["fast/synthetic/none/f32"], 1200);
    assert_eq!(models["other/synthetic/none/f32"], 500);
    assert_eq!(project.json(&project.machine_baseline())["cases"][CASE]["accepted"]["change"], Value::Null);
}

#[test]
fn a_step_time_that_regressed_beside_its_base_is_accepted_whatever_the_baseline() {
    let project = regressed();
    // Two jobs in a row are a new level.
    succeeds(&project, &["baseline", "update", "--from", "results.json", "--yes"]);
    run(&project);
    succeeds(&project, &["baseline", "update", "--from", "results.json", "--yes"]);
    refused(&project, &[CASE, "--reason", "x", "--yes"], "nothing to accept: fast/5f/none did not regress");
    beside_a_base(&project, 0.1);
    assert_eq!(accept(&project).status, 0);
    let case = &project.json(&project.machine_baseline())["cases"][CASE];
    assert!((case["accepted"]["change"].as_f64().unwrap() - 0.2).abs() < 1e-9, "{case}");

    // A machine without a baseline, as a CI's runner, has a file of this case alone.
    std::fs::remove_file(project.path(&project.machine_baseline())).unwrap();
    assert_eq!(accept(&project).status, 0);
    let cases = &project.json(&project.machine_baseline())["cases"];
    assert_eq!(cases.as_object().unwrap().keys().collect::<Vec<_>>(), [CASE]);
}

#[test]
fn only_what_force_overrode_of_this_case_is_remembered() {
    let project = regressed();
    project.edit("results.json", |results| {
        let other = &mut results["cases"][2];
        assert_eq!(other["case"]["name"], "other/5f/none");
        other["control_launches"] = json!([]);
        for (launch, seconds) in other["launches"].as_array_mut().unwrap().iter_mut().zip([0.04, 0.05, 0.08]) {
            launch["outcome"]["measured"]["step_seconds"] = json!([seconds, seconds]);
        }
    });
    let forced = || project.json(&project.machine_baseline())["cases"][CASE]["jobs"][0]["forced"].clone();
    let baseline = project.machine_baseline();
    let before = std::fs::read_to_string(project.path(&baseline)).unwrap();
    assert_eq!(accept(&project).status, 0);
    assert_eq!(forced(), Value::Null, "nothing was forced");
    project.write(&baseline, &before);
    project.edit("results.json", |results| results["tool"]["debug_build"] = true.into());
    succeeds(&project, &["baseline", "accept", CASE, "--reason", "a mask", "--yes", "--force"]);
    let reason = forced();
    let reason = reason.as_str().unwrap();
    assert!(reason.contains("debug build") && !reason.contains("other/5f/none"), "{reason}");
}

#[test]
fn there_must_be_something_to_accept() {
    let project = regressed();
    refused(&project, &["other/5f/none", "--reason", "x", "--yes"], "nothing to accept: other/5f/none did not regress");
    beside_a_base(&project, 0.12);
    succeeds(&project, &["baseline", "update", "--from", "results.json", "--yes"]);
    refused(&project, &[CASE, "--reason", "x", "--yes"], "nothing to accept");
    refused(
        &project,
        &["fast/41f/none", "--reason", "x", "--yes"],
        "results.json has no case `fast/41f/none`; it has slow/5f/none, fast/5f/none, other/5f/none",
    );
}

#[test]
fn a_reason_is_one_line_of_some_length() {
    let project = regressed();
    let long = "x".repeat(501);
    for (reason, message) in [
        (" ", "--reason is empty"),
        (&*long, "has 501 characters: at most 500 are allowed"),
        ("a\nb", "not a single line"),
    ] {
        refused(&project, &[CASE, "--reason", reason, "--yes"], message);
    }
    assert_eq!(project.wanbench(&["baseline", "accept", CASE]).status, 2);
}

#[test]
fn results_that_would_mislead_are_refused_as_in_an_update() {
    let project = regressed();
    refused(&project, &[CASE, "--reason", "x"], "standard input is not a terminal: pass --yes");
    let in_ci = project.command(&["baseline", "accept", CASE, "--reason", "x"]).env("CI", "true").output().unwrap();
    assert_eq!(in_ci.status.code(), Some(2));
    assert!(
        String::from_utf8_lossy(&in_ci.stderr).contains("baseline accept asks for confirmation, which CI cannot give")
    );
    project.edit("results.json", |results| results["tool"]["debug_build"] = true.into());
    refused(&project, &[CASE, "--reason", "x", "--yes"], "debug build");
    project.pretend_release_build();
    project.edit("results.json", |results| results["machine"]["chip"] = "Apple M9".into());
    refused(&project, &[CASE, "--reason", "x", "--yes"], "--machine");
}

#[test]
fn a_case_without_its_reference_and_an_imported_baseline_are_refused() {
    let project = regressed();
    project.edit("results.json", |results| case_of(results)["case"]["reference"] = Value::Null);
    beside_a_base(&project, 0.1);
    refused(&project, &[CASE, "--reason", "x", "--yes"], "without its reference");

    let project = regressed();
    project.edit(&project.machine_baseline(), |baseline| {
        baseline["imported"] = json!({"source": "report.md", "generated": "once"});
    });
    refused(&project, &[CASE, "--reason", "x", "--yes"], "was imported");
}
