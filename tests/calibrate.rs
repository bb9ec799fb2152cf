//! `wanbench calibrate` on workers with exact times: measuring, saving, interruption, what is refused.

mod support;

use serde_json::json;
use support::{Project, Ran, worker};

fn project() -> Project {
    Project::new(&[("slow", &worker(0.2, 4000)), ("fast", &worker(0.1, 1000))])
}

fn assert_says(ran: &Ran, parts: &[&str]) {
    let words = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    for part in parts {
        assert!(words(&ran.stdout).contains(part), "{part}:\n{}{}", ran.stdout, ran.stderr);
    }
}

#[test]
fn a_machine_without_noise_supports_the_smallest_tolerances() {
    let project = project();
    let ran = project.wanbench(&["calibrate", "--launches", "2"]);
    assert_eq!(ran.status, 0, "{}{}", ran.stdout, ran.stderr);
    assert_says(
        &ran,
        &[
            "5 jobs, 2 launches per case",
            "fast/5f/none 0.00% 0.00% 0.00% 0.00% 0.00%",
            "slow/5f/none 0.00% 0.00% 0.00% 0.00% –",
            "Step time, measured: 0 of 5 jobs (95%: 0.0% to 43.4%)",
            "Step time, simulated: 0.0% of 2000 runs, each of 2 blocks in a row out of the 10",
            "at 10 launches: 0.00%",
            "base_tolerance_percent = 1.0",
            "speedup_tolerance_percent = 1.0",
        ],
    );
    let saved = project.json("calibration.json");
    assert_eq!((&saved["schema"], &saved["planned"]), (&json!(1), &json!(5)));
    assert_eq!(saved["records"][4]["cases"][1]["base_launches"].as_array().unwrap().len(), 2);

    // The proposal is of the configuration's form.
    let values = ran.stdout.rsplit_once("[gate]").unwrap().1;
    let config = std::fs::read_to_string(project.path("config.toml")).unwrap();
    project.write("config.toml", &format!("{config}\n[gate]{values}"));
    let again = project.wanbench(&["calibrate", "--from", "calibration.json"]);
    assert_eq!(again.status, 0, "{}", again.stderr);
    assert_says(&again, &["in place of 1% and 1%", "5 jobs, 2 launches per case"]);
}

#[test]
fn saved_jobs_are_judged_by_todays_gate() {
    let project = project();
    let ran = project.wanbench(&["calibrate", "--jobs", "2"]);
    assert_eq!(ran.status, 0, "{}", ran.stderr);
    // In the second job the base was faster than head, which is the same program, by a tenth.
    project.edit("calibration.json", |jobs| {
        for launch in jobs["records"][1]["cases"][1]["base_launches"].as_array_mut().unwrap() {
            launch["outcome"]["measured"]["step_seconds"] = json!([0.09, 0.09]);
        }
    });
    let ran = project.wanbench(&["calibrate", "--from", "calibration.json"]);
    assert_eq!(ran.status, 0, "{}", ran.stderr);
    assert_says(&ran, &["Step time, measured: 1 of 2 jobs", "2 jobs are too few to lower the present 5%"]);
    let config = std::fs::read_to_string(project.path("config.toml")).unwrap();
    project.write("config.toml", &format!("{config}\n[gate]\nbase_tolerance_percent = 15\n"));
    assert_says(
        &project.wanbench(&["calibrate", "--from", "calibration.json"]),
        &["Step time, measured: 0 of 2 jobs", "base_tolerance_percent = 15, planned for 1.0%"],
    );
}

/// A worker that interrupts wanbench, which started it, as soon as `launches` of its own have gone by.
fn interrupting_after(launches: usize) -> Project {
    let script = format!(
        "echo launch >> count\n\
         if [ $(wc -l < count) -gt {launches} ]; then kill -INT $PPID; sleep 1000; fi\n{}",
        worker(0.1, 1000)
    );
    Project::new(&[("slow", &worker(0.2, 4000)), ("fast", &script)])
}

#[test]
fn an_interrupted_calibration_reports_its_whole_jobs() {
    // Two launches of head, two of base and a control in each job: the third job is not finished.
    let project = interrupting_after(11);
    let ran = project.wanbench(&["calibrate", "--launches", "2"]);
    assert_eq!(ran.status, 3, "{}{}", ran.stdout, ran.stderr);
    assert_says(&ran, &["2 jobs, 2 launches", "Interrupted: 2 of 5 jobs are complete and counted.", "[gate]"]);
    assert_eq!(project.json("calibration.json")["records"].as_array().unwrap().len(), 2);
    let again = project.wanbench(&["calibrate", "--from", "calibration.json"]);
    assert_eq!((again.status, again.stdout), (3, ran.stdout), "saved data tell what measured data do");
}

#[test]
fn one_whole_job_is_no_calibration() {
    let project = interrupting_after(6);
    let ran = project.wanbench(&["calibrate", "--launches", "2"]);
    assert_eq!((ran.status, ran.stdout.as_str()), (3, ""), "{}", ran.stderr);
    assert!(ran.stderr.contains("interrupted: 1 of 5 jobs are complete, but a calibration needs 2"), "{}", ran.stderr);
    assert!(!ran.stderr.contains("failed"), "what was interrupted did not fail: {}", ran.stderr);
    let ran = project.wanbench(&["calibrate", "--from", "calibration.json"]);
    assert_eq!(ran.status, 2, "{}", ran.stdout);
    assert!(ran.stderr.contains("--from calibration.json: 1 of 5 jobs"), "{}", ran.stderr);
}

#[test]
fn a_failing_case_is_left_out_and_a_failing_suite_ends_at_once() {
    let project = Project::new(&[("slow", &worker(0.2, 4000)), ("dies", "exit 7")]);
    let ran = project.wanbench(&["calibrate", "--jobs", "2", "--launches", "2"]);
    assert_eq!(ran.status, 3, "{}{}", ran.stdout, ran.stderr);
    assert_says(&ran, &["Left out: dies/5f/none of job 2: ", "exited with status 7", "slow/5f/none 0.00%"]);

    let ran = project.wanbench(&["calibrate", "--backend", "dies", "--json", "other.json"]);
    assert_eq!((ran.status, ran.stdout.as_str()), (3, ""), "{}", ran.stderr);
    assert!(ran.stderr.contains("no case could be measured; dies/5f/none: "), "{}", ran.stderr);
    assert!(!project.path("other.json").exists());
}

#[test]
fn what_cannot_be_is_a_usage_error() {
    let project = project();
    let config = std::fs::read_to_string(project.path("config.toml")).unwrap();
    for (arguments, message) in [
        (&["--jobs", "1"][..], "1 is not in 2.."),
        (&["--launches", "1"], "at least 2 launches"),
        (&["--suite", "wide"], "no suite `wide`; the configuration has tiny"),
        (&["--json", "config.toml"], "--json config.toml: the file exists and holds no calibration"),
        (&["--json", "/dev/null"], "is not a regular file"),
        (&["--from", "config.toml"], "config.toml: not a valid calibration"),
        (&["--from", "nowhere.json"], "cannot read nowhere.json"),
        (&["--from", "calibration.json", "--jobs", "3"], "cannot be used with"),
    ] {
        let ran = project.wanbench(&[&["calibrate"], arguments].concat());
        assert_eq!(ran.status, 2, "{arguments:?}: {}", ran.stderr);
        assert!(ran.stderr.contains(message), "{arguments:?}: {}", ran.stderr);
    }
    assert_eq!(std::fs::read_to_string(project.path("config.toml")).unwrap(), config);
}
