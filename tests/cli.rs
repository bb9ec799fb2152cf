//! The command line: exit statuses, listing, faults in what the user gives.

mod support;

use support::{Project, worker};

fn project() -> Project {
    Project::new(&[("slow", &worker(0.2, 4000)), ("fast", &worker(0.1, 1000))])
}

#[test]
fn cases_are_listed_and_filtered() {
    let project = project();
    assert_eq!(project.wanbench(&["run", "--list"]).stdout, "slow/5f/none\nfast/5f/none\n");
    assert_eq!(project.wanbench(&["check", "--list", "--backend", "fast"]).stdout, "fast/5f/none\n");
    let ran = project.wanbench(&["run", "--list", "--filter", "41f"]);
    assert_eq!((ran.status, ran.stdout.as_str()), (2, ""));
    assert!(ran.stderr.contains("no case of suite `tiny` is left"), "{}", ran.stderr);
}

#[test]
fn what_does_not_exist_is_a_usage_error() {
    let project = project();
    for (arguments, message) in [
        (&["run", "--suite", "wide"][..], "no suite `wide`; there are tiny"),
        (&["run", "--backend", "jax"], "--backend jax: no such backend"),
        (&["run", "--config", "nowhere.toml"], "nowhere.toml: cannot be read"),
        (&["run", "--launches", "0"], "0 is not in 1.."),
        (&["frobnicate"], "unrecognized subcommand"),
    ] {
        let ran = project.wanbench(arguments);
        assert_eq!(ran.status, 2, "{arguments:?}: {}", ran.stderr);
        assert!(ran.stderr.contains(message), "{arguments:?}: {}", ran.stderr);
    }
}

#[test]
fn a_fault_in_the_configuration_names_file_line_and_key() {
    let project = project();
    let config = std::fs::read_to_string(project.path("config.toml")).unwrap();
    project.write("config.toml", &config.replace("launches = 3", "launches = \"3\""));
    let ran = project.wanbench(&["check"]);
    assert_eq!(ran.status, 2);
    assert!(ran.stderr.contains("config.toml:8: suites.tiny.launches: invalid type"), "{}", ran.stderr);
}

#[test]
fn a_broken_baseline_is_told_before_measuring() {
    let project = project();
    std::fs::create_dir(project.path("baselines")).unwrap();
    project.write("baselines/model-memory.json", "{\"schema\": 1, \"models\": ");
    let ran = project.wanbench(&["check"]);
    assert_eq!(ran.status, 2);
    assert!(ran.stderr.contains("model-memory.json"), "{}", ran.stderr);
    assert!(!project.path("results.json").exists());

    project.write("baselines/model-memory.json", "{\"schema\": 7}");
    let ran = project.wanbench(&["check"]);
    assert!(ran.stderr.contains("written with schema 7, this wanbench reads 1"), "{}", ran.stderr);
}

#[test]
fn flags_change_launches_steps_and_files() {
    let project = project();
    // The fake workers always tell two steps.
    let ran = project.wanbench(&[
        "run",
        "--launches",
        "2",
        "--steps",
        "2",
        "--seed",
        "5",
        "--json",
        "out/r.json",
        "--markdown",
        "out/r.md",
        "--quiet",
    ]);
    assert_eq!(ran.status, 0, "{}", ran.stderr);
    assert_eq!(ran.stderr, "");
    let results = project.json("out/r.json");
    assert_eq!(results["seed"], 5);
    assert_eq!(results["cases"][1]["launches"].as_array().unwrap().len(), 2);
    let markdown = std::fs::read_to_string(project.path("out/r.md")).unwrap();
    assert_eq!(project.wanbench(&["report", "out/r.json", "--format", "markdown"]).stdout, markdown);
    let json: serde_json::Value =
        serde_json::from_str(&project.wanbench(&["report", "out/r.json", "--format", "json"]).stdout).unwrap();
    assert!(json.is_object());
}

#[test]
fn the_seed_report_is_imported_as_it_is_committed() {
    let project = project();
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let seed = root.join("tests/fixtures/mlx-benchmarks-m3-ultra.md");
    let import = || project.wanbench(&["baseline", "import", seed.to_str().unwrap()]);
    let ran = import();
    assert_eq!(ran.status, 0, "{}", ran.stderr);
    let imported = project.json("baselines/apple-m3-ultra-512gb.json");
    assert_eq!(imported["cases"]["mlx/41f/none"]["speedup"], 2.49);
    assert_eq!(imported["cases"]["mlx/5f/none"]["step_seconds"], serde_json::Value::Null);
    let committed = std::fs::read_to_string(root.join("baselines/apple-m3-ultra-512gb.json")).unwrap();
    assert_eq!(std::fs::read_to_string(project.path("baselines/apple-m3-ultra-512gb.json")).unwrap(), committed);

    let again = import();
    assert_eq!(again.status, 2);
    assert!(again.stderr.contains("--replace"), "{}", again.stderr);
}

#[test]
fn results_overwrite_nothing_but_results() {
    let project = project();
    let config = std::fs::read_to_string(project.path("config.toml")).unwrap();
    for (arguments, message) in [
        (&["run", "--json", "config.toml"][..], "holds no results"),
        (&["run", "--json", "/dev/null"], "no regular file"),
        (&["run", "--json", "same", "--markdown", "same"], "name the same file"),
    ] {
        let ran = project.wanbench(arguments);
        assert_eq!(ran.status, 2, "{arguments:?}: {}", ran.stderr);
        assert!(ran.stderr.contains(message), "{}", ran.stderr);
    }
    assert_eq!(std::fs::read_to_string(project.path("config.toml")).unwrap(), config);
    assert_eq!(project.wanbench(&["run"]).status, 0);
    assert_eq!(project.wanbench(&["run"]).status, 0, "results may be replaced by results");
}

#[test]
fn a_closed_pipe_is_no_error() {
    use std::process::Stdio;
    let project = project();
    project.wanbench(&["run"]);
    let mut report = project.command(&["report", "results.json"]).stdout(Stdio::piped()).spawn().unwrap();
    drop(report.stdout.take());
    assert!(report.wait().unwrap().success());
}
