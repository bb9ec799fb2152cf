//! The command line: exit statuses, listing, faults in what the user gives.

mod support;

use std::path::Path;

use support::{Project, worker};

const FOUNDING_REPORT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/mlx-benchmarks-m3-ultra.md");

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
    assert!(ran.stderr.contains("the flags select no case of suite `tiny`"), "{}", ran.stderr);
}

#[test]
fn what_does_not_exist_is_a_usage_error() {
    let project = project();
    for (arguments, message) in [
        (&["run", "--suite", "wide"][..], "no suite `wide`; the configuration has tiny"),
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
    assert!(ran.stderr.contains("has schema 7, but this wanbench reads schema 1"), "{}", ran.stderr);
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
fn the_founding_report_is_imported_as_it_is_committed() {
    let project = project();
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let import = || project.wanbench(&["baseline", "import", FOUNDING_REPORT]);
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
    let baseline = Path::new(env!("CARGO_MANIFEST_DIR")).join("baselines/apple-m3-ultra-512gb.json");
    std::fs::copy(baseline, project.path("m.json")).unwrap();
    std::fs::write(project.path("bytes"), [0xff; 4]).unwrap();
    for (arguments, message) in [
        (&["run", "--json", "config.toml"][..], "holds no results"),
        (&["run", "--json", "m.json"], "holds no results"),
        (&["run", "--json", "bytes"], "holds no results"),
        (&["calibrate", "--json", "m.json"], "holds no calibration"),
        (&["run", "--json", "/dev/null"], "is not a regular file"),
        (&["run", "--json", "same", "--markdown", "same"], "name the same file"),
    ] {
        let ran = project.wanbench(arguments);
        assert_eq!(ran.status, 2, "{arguments:?}: {}", ran.stderr);
        assert!(ran.stderr.contains(message), "{}", ran.stderr);
    }
    assert_eq!(std::fs::read_to_string(project.path("config.toml")).unwrap(), config);
    assert_eq!(project.wanbench(&["run"]).status, 0);
    assert_eq!(project.wanbench(&["run"]).status, 0, "results may be replaced by results");
    project.edit("results.json", |results| results["schema"] = 2.into());
    assert_eq!(project.wanbench(&["run"]).status, 0, "and so may those of another version");
}

#[cfg(target_os = "linux")]
#[test]
fn a_run_that_cannot_begin_its_results_leaves_no_older_ones() {
    let project = project();
    assert_eq!(project.wanbench(&["run"]).status, 0);
    // No file may grow beyond 512 bytes: an empty one can be made, and results cannot be written.
    let script = format!("trap '' XFSZ; ulimit -f 1; exec {} check", env!("CARGO_BIN_EXE_wanbench"));
    let ran = std::process::Command::new("sh")
        .args(["-c", &script])
        .current_dir(project.path(""))
        .env("WANBENCH_CACHE", project.path("cache"))
        .env("WANBENCH_LOCK", project.path("lock"))
        .output()
        .unwrap();
    let stderr = String::from_utf8(ran.stderr).unwrap();
    assert_eq!(ran.status.code(), Some(3), "{stderr}");
    assert!(stderr.contains("the older results there were removed; nothing was measured"), "{stderr}");
    assert!(!project.path("results.json").exists());
}

/// A file that each command is given, as FILE.
const FILE_ARGUMENTS: &[&[&str]] = &[
    &["check", "--config", "FILE"],
    &["run", "--config", "FILE"],
    &["plan", "--config", "FILE"],
    &["profile", "fast/5f/none", "--config", "FILE"],
    &["parity", "--config", "FILE"],
    &["parity", "--golden", "FILE"],
    &["doctor", "--config", "FILE"],
    &["quantize", "--quant", "int8", "--ckpt-dir", "FILE"],
    &["check", "--baselines", "FILE"],
    &["run", "--baselines", "FILE"],
    &["report", "results.json", "--baselines", "FILE"],
    &["comment", "--results", "results.json", "--baselines", "FILE"],
    &["report", "FILE"],
    &["report", "results.json", "--config", "FILE"],
    &["compare", "FILE", "results.json"],
    &["compare", "results.json", "FILE"],
    &["compare", "FILE", "results.json", "--side-by-side"],
    &["compare", "results.json", "FILE", "--side-by-side"],
    &["compare", "results.json", "results.json", "--config", "FILE"],
    &["comment", "--results", "results.json", "FILE"],
    &["comment", "--results", "results.json", "--config", "FILE"],
    &["comment", "--results", "results.json", "--event", "FILE"],
    &["check", "--github", "--event", "FILE"],
    &["validate-artifact", ".", "--repository", "octo/wan", "--event", "FILE"],
    &["validate-artifact", ".", "--config", "FILE"],
    &["baseline", "show", "FILE"],
    &["baseline", "diff", "FILE", "baselines/apple-m3-ultra-512gb.json"],
    &["baseline", "diff", "baselines/apple-m3-ultra-512gb.json", "FILE"],
    &["baseline", "import", "FILE"],
    &["baseline", "update", "--yes", "--from", "FILE"],
    &["baseline", "update", "--yes", "--from", "results.json", "--config", "FILE"],
    &["baseline", "accept", "fast/5f/none", "--reason", "meant", "--yes", "--from", "FILE"],
    &["baseline", "accept", "fast/5f/none", "--reason", "meant", "--yes", "--config", "FILE"],
    &["calibrate", "--from", "FILE"],
    &["calibrate", "--config", "FILE"],
];

#[test]
fn a_file_that_is_missing_or_malformed_has_the_same_status_in_every_command() {
    let project = project();
    assert_eq!(project.wanbench(&["run"]).status, 0);
    assert_eq!(project.wanbench(&["baseline", "import", FOUNDING_REPORT]).status, 0);
    project.write("malformed.json", r#"{"schema": "#);
    for file in ["missing.json", "malformed.json"] {
        for arguments in FILE_ARGUMENTS {
            let arguments: Vec<&str> =
                arguments.iter().map(|argument| if *argument == "FILE" { file } else { argument }).collect();
            let ran = project.wanbench(&arguments);
            assert_eq!(ran.status, 2, "{arguments:?}: {}{}", ran.stdout, ran.stderr);
            assert!(ran.stderr.contains(file), "{arguments:?}: {}", ran.stderr);
        }
    }
}

#[test]
fn what_cannot_be_written_has_the_same_status_in_every_command() {
    let project = project();
    assert_eq!(project.wanbench(&["run"]).status, 0);
    project.write("blocked", "a file, where a folder would have to be");
    for arguments in [
        &["run", "--json", "blocked/results.json"][..],
        &["check", "--markdown", "blocked/report.md"],
        &["calibrate", "--json", "blocked/jobs.json"],
        &["comment", "--results", "results.json", "--dry-run", "--markdown", "blocked/comment.md"],
    ] {
        let ran = project.wanbench(arguments);
        assert_eq!(ran.status, 3, "{arguments:?}: {}", ran.stderr);
        assert!(ran.stderr.contains("cannot write blocked/"), "{arguments:?}: {}", ran.stderr);
    }
}

#[test]
fn results_that_cannot_be_saved_are_told_and_are_no_pass() {
    let project = project();
    project.write("fast.sh", &format!("rm -rf out\n: > out\n{}", worker(0.1, 1000)));
    for command in ["run", "check"] {
        let _ = std::fs::remove_file(project.path("out"));
        let ran = project.wanbench(&[command, "--json", "out/results.json"]);
        assert_eq!(ran.status, 3, "{command}: {}{}", ran.stdout, ran.stderr);
        assert!(ran.stdout.contains("fast/5f/none"), "what was measured is reported: {}", ran.stdout);
        assert!(ran.stderr.contains("cannot save out/results.json"), "{}", ran.stderr);
        assert!(!ran.stderr.contains("results saved"), "{}", ran.stderr);
    }
}

#[test]
fn only_a_baseline_is_shown_and_compared() {
    let project = project();
    assert_eq!(project.wanbench(&["run"]).status, 0);
    project.pretend_release_build();
    assert_eq!(project.wanbench(&["baseline", "update", "--from", "results.json", "--yes"]).status, 0);
    let baseline = project.machine_baseline();
    for path in [baseline.as_str(), "baselines/model-memory.json"] {
        let text = std::fs::read_to_string(project.path(path)).unwrap();
        assert_eq!(project.wanbench(&["baseline", "show", path]).stdout, text);
        let added = project.wanbench(&["baseline", "diff", "/dev/null", path]);
        assert_eq!(added.status, 0, "{}", added.stderr);
        assert_eq!(added.stdout.lines().filter(|line| line.starts_with('+')).count(), 1 + text.lines().count());
        assert_eq!(project.wanbench(&["baseline", "diff", path, path]).stdout, "");
    }
    // Another program's, which is JSON as well.
    project.write("foreign.json", r#"{"metadata": {"model": "Diffusion Server"}, "scenarios": {}}"#);
    for arguments in [
        &["baseline", "show", "foreign.json"][..],
        &["baseline", "diff", "foreign.json", &baseline],
        &["baseline", "diff", &baseline, "foreign.json"],
    ] {
        let ran = project.wanbench(arguments);
        assert_eq!((ran.status, ran.stdout.as_str()), (2, ""), "{arguments:?}");
        assert!(ran.stderr.contains("foreign.json: not a valid baseline"), "{}", ran.stderr);
    }
}

/// The status of wanbench whose standard output, and with `is_silent` standard error too, nobody reads.
fn status_without_reader(project: &Project, arguments: &[&str], is_silent: bool) -> Option<i32> {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let stderr = if is_silent { writer.try_clone().unwrap().into() } else { std::process::Stdio::null() };
    project.command(arguments).stdout(writer).stderr(stderr).status().unwrap().code()
}

#[test]
fn a_status_stands_when_the_reader_has_gone() {
    let project = project();
    assert_eq!(project.wanbench(&["run"]).status, 0);
    project.pretend_release_build();
    assert_eq!(project.wanbench(&["baseline", "update", "--from", "results.json", "--yes"]).status, 0);
    for is_silent in [false, true] {
        project.write("fast.sh", &worker(0.1, 1000));
        assert_eq!(status_without_reader(&project, &["run"], is_silent), Some(0));
        assert_eq!(status_without_reader(&project, &["report", "results.json"], is_silent), Some(0));
        assert_eq!(status_without_reader(&project, &["report", "missing.json"], is_silent), Some(2));
        project.write("fast.sh", &worker(0.1, 1008));
        assert_eq!(status_without_reader(&project, &["check", "--markdown", "report.md"], is_silent), Some(1));
        assert!(std::fs::read_to_string(project.path("report.md")).unwrap().contains("Gate failed"));
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_report_that_cannot_be_printed_is_no_pass() {
    let project = project();
    assert_eq!(project.wanbench(&["run"]).status, 0);
    let full = std::fs::File::create("/dev/full").unwrap();
    let ran = project.command(&["report", "results.json"]).stdout(full).output().unwrap();
    assert_eq!(ran.status.code(), Some(3));
    assert!(String::from_utf8(ran.stderr).unwrap().contains("cannot write to standard output"));
}

#[test]
fn the_doctors_report_holds_what_tools_and_workers_say_and_replaces_nothing() {
    let project = Project::new(&[("own", &worker(0.1, 1000))]);
    let ran = project.wanbench(&["doctor", "--report", "doctor.json"]);
    assert_eq!(ran.status, 0, "{}", ran.stderr);
    assert!(ran.stderr.contains("wrote doctor.json: look through it before you send it"), "{}", ran.stderr);
    let report = project.json("doctor.json");
    assert_eq!(report["backends"][0]["state"]["ready"]["worker"], "fake");
    assert!(report["tools"].as_array().unwrap().iter().any(|tool| tool["command"] == "uname -a"), "{report}");
    // The steps of a worker of one's own are not measured after pauses.
    assert_eq!(report["pauses"], serde_json::json!({}));
    let again = project.wanbench(&["doctor", "--report", "doctor.json"]);
    assert_eq!(again.status, 2);
    assert!(again.stderr.contains("--report doctor.json: the file exists"), "{}", again.stderr);
}
