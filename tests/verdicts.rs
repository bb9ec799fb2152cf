//! Whole runs that must not pass, and some that must: what docs/verdicts.md promises, from the command line.

mod support;

use serde_json::{Value, json};
use support::{Project, Ran, worker};

fn project() -> Project {
    Project::new(&[("slow", &worker(0.2, 4000)), ("fast", &worker(0.1, 1000))])
}

/// The project with a baseline of this machine.
fn recorded() -> Project {
    let project = project();
    succeeds(&project, &["run"]);
    project.pretend_release_build();
    succeeds(&project, &["baseline", "update", "--from", "results.json", "--yes"]);
    project
}

fn succeeds(project: &Project, arguments: &[&str]) -> Ran {
    let ran = project.wanbench(arguments);
    assert_eq!(ran.status, 0, "{arguments:?}: {}{}", ran.stdout, ran.stderr);
    ran
}

/// That `arguments` end with `status` and print `words`.
#[track_caller]
fn ends(project: &Project, arguments: &[&str], status: i32, words: &str) -> Ran {
    let ran = project.wanbench(arguments);
    assert_eq!(ran.status, status, "{arguments:?}: {}{}", ran.stdout, ran.stderr);
    let all = format!("{} {}", ran.flat(), ran.stderr);
    assert!(all.contains(words), "{words}: {all}");
    ran
}

#[test]
fn a_comment_is_about_every_case_of_the_suite() {
    let project = recorded();
    let comment = &["comment", "--results", "results.json", "--dry-run"];
    ends(&project, comment, 0, "**✓ Gate passed**");
    project.edit("results.json", |results| drop(results["cases"].as_array_mut().unwrap().remove(1)));
    ends(&project, comment, 0, "**? Not judged**: 1 of 2 cases not in the results (fast/5f/none)");
    project.edit("results.json", |results| results["cases"] = json!([]));
    ends(&project, comment, 0, "**? Not judged**");
}

#[test]
fn a_strangers_record_is_judged_by_the_launches_of_the_suite() {
    let project = recorded();
    ends(&project, &["run", "--launches", "1"], 0, "");
    ends(&project, &["comment", "--results", "results.json", "--dry-run"], 0, "**? Not judged**");
    ends(
        &project,
        &["comment", "--results", "results.json", "--dry-run"],
        0,
        "only 1 of the 3 launches planned were made",
    );
}

#[test]
fn launches_are_lowered_by_hand_alone() {
    let project = recorded();
    let lowered = ["check", "--launches", "1", "--allow-inconclusive"];
    ends(&project, &lowered, 0, "Gate passed");
    let posted = [&lowered[..], &["--github"]].concat();
    ends(&project, &posted, 3, "only 1 of the 3 launches planned were made");
    ends(&project, &["report", "results.json"], 0, "only 1 of the 3 launches planned were made");
}

#[test]
fn a_device_that_went_away_is_no_first_measure() {
    let project = recorded();
    let gpu = project.machine_baseline();
    project.edit(&gpu, |baseline| baseline["device"] = "gpu".into());
    std::fs::rename(project.path(&gpu), project.path("baselines/own-gpu.json")).unwrap();
    ends(&project, &["check"], 3, "has no baseline, although another machine or device has one");
}

#[test]
fn a_comment_passes_no_suite_that_the_configuration_lacks() {
    let project = recorded();
    project.edit("results.json", |results| results["suite"] = "easy".into());
    let comment = &["comment", "--results", "results.json", "--dry-run"];
    ends(&project, comment, 0, "**? Not judged**: the configuration has no suite easy");
}

#[test]
fn a_comment_tells_what_was_not_measured_as_asked() {
    let project = recorded();
    project.edit("results.json", |results| {
        for case in results["cases"].as_array_mut().unwrap() {
            case["case"]["workload"]["latent"] = json!([1, 4, 4]);
        }
    });
    let comment = &["comment", "--results", "results.json", "--dry-run"];
    let ran = ends(&project, comment, 0, "it was measured with a different workload than the configuration's");
    assert!(ran.flat().contains("2 of 2 cases not judged (slow/5f/none, fast/5f/none)"), "{}", ran.stdout);
}

#[test]
fn a_case_left_out_by_hand_is_counted_and_what_is_posted_has_all() {
    let project = recorded();
    ends(&project, &["check", "--backend", "fast"], 0, "1 case left out by hand");
    ends(&project, &["check", "--backend", "fast", "--github"], 3, "1 of 2 cases not in the results (slow/5f/none)");
    ends(&project, &["report", "results.json"], 0, "Gate passed");
}

#[test]
fn one_backend_alone_and_both_alike_are_held_against_their_own_times() {
    let project = recorded();
    succeeds(&project, &["run", "--json", "before.json"]);
    project.write("slow.sh", &worker(0.4, 4000));
    ends(
        &project,
        &["check", "--backend", "slow"],
        1,
        "slow's own step time rose from the baseline's 200 ms to 400 ms",
    );
    project.write("fast.sh", &worker(0.2, 1000));
    ends(&project, &["check"], 1, "fast's own step time rose from the baseline's 100 ms to 200 ms: +100.0%");
    ends(&project, &["compare", "before.json", "results.json"], 1, "2 figures outside their tolerance");
}

#[test]
fn another_machines_baselines_are_no_licence() {
    let project = recorded();
    project.edit(&project.machine_baseline(), |baseline| baseline["machine"]["chip"] = "Apple M9".into());
    std::fs::rename(project.path(&project.machine_baseline()), project.path("baselines/m9.json")).unwrap();
    ends(&project, &["check"], 3, "has no baseline, although another machine or device has one");
    // No queue of jobs has machines of both systems: theirs tells nothing of this one.
    project.edit("baselines/m9.json", |baseline| baseline["machine"]["os"] = "freebsd".into());
    ends(&project, &["check"], 0, "only model bytes and outputs could be judged");
    project.edit("baselines/m9.json", |baseline| baseline["machine"]["os"] = std::env::consts::OS.into());
    ends(&project, &["check"], 3, "has no baseline, although another machine or device has one");
    // A table that was imported is nobody's measurement.
    project.edit("baselines/m9.json", |baseline| baseline["imported"] = json!({"source": "r.md", "generated": "once"}));
    ends(&project, &["check"], 0, "only model bytes and outputs could be judged");
}

#[test]
fn baselines_are_beside_the_configuration() {
    let project = recorded();
    std::fs::create_dir(project.path("elsewhere")).unwrap();
    let from_elsewhere = |arguments: &[&str]| {
        let output = project.command(arguments).current_dir(project.path("elsewhere")).output().unwrap();
        (output.status.code().unwrap(), String::from_utf8(output.stdout).unwrap())
    };
    let (status, text) = from_elsewhere(&["check", "--config", "../config.toml", "--require-baseline"]);
    assert_eq!(status, 0, "{text}");
    assert!(text.contains("Baseline: ../baselines/"), "{text}");
}

#[test]
fn an_older_results_file_is_never_taken_for_this_runs() {
    let project = project();
    succeeds(&project, &["run", "--json", "out/results.json"]);
    let older = project.json("out/results.json")["started"].clone();
    // As soon as the second run begins, its own file is there; then nothing can be written any more.
    let spoiling = format!("cp out/results.json seen.json; rm -rf out; touch out\n{}", worker(0.1, 1000));
    project.write("fast.sh", &spoiling);
    let ran = ends(&project, &["check", "--json", "out/results.json"], 3, "cannot save out/results.json");
    assert!(!ran.stderr.contains("results saved"), "{}", ran.stderr);
    let seen = project.json("seen.json");
    assert_ne!(seen["started"], older);
    assert_eq!((&seen["interrupted"], seen["cases"].as_array().map(Vec::len)), (&json!(true), Some(0)));
    let update = &["baseline", "update", "--from", "seen.json", "--yes"];
    ends(&project, update, 2, "these results cannot become a baseline: nothing was measured");
}

#[test]
fn files_and_posts_come_before_a_pipe_that_may_be_gone() {
    use std::process::Stdio;
    let project = recorded();
    project.write("fast.sh", &worker(0.1, 1008));
    let mut check = project.command(&["check", "--markdown", "report.md", "--github", "--step-summary", "summary.md"]);
    let mut check = check.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    drop(check.stdout.take());
    assert_eq!(check.wait().unwrap().code(), Some(1));
    for file in ["report.md", "summary.md"] {
        let text = std::fs::read_to_string(project.path(file)).unwrap();
        assert!(text.contains("Gate failed"), "{file}: {text}");
    }
}

#[test]
fn a_check_that_cannot_begin_says_so_where_it_is_read() {
    let project = project();
    project.write("config.toml", "[suites]\nnothing = 1");
    let ran = project.wanbench(&["check", "--github", "--step-summary", "summary.md", "--output", "output"]);
    assert_eq!(ran.status, 2, "{}", ran.stderr);
    let summary = std::fs::read_to_string(project.path("summary.md")).unwrap();
    assert!(summary.starts_with("**? Not judged**: nothing could be measured: config.toml"), "{summary}");
    assert_eq!(std::fs::read_to_string(project.path("output")).unwrap(), "verdict=not_judged\n");
    assert!(ran.stdout.contains("::error title=wanbench%3A nothing could be measured::config.toml"), "{}", ran.stdout);
}

#[test]
fn results_of_two_machines_have_names_of_their_own() {
    let project = recorded();
    let name = || {
        let comment = project.wanbench(&["comment", "--results", "results.json", "--dry-run"]).stdout;
        comment.lines().next().unwrap().to_owned()
    };
    let here = name();
    project.edit("results.json", |results| results["machine"]["chip"] = "Apple M9".into());
    let there = name();
    assert!(here.starts_with("<!-- wanbench:tiny-on-") && there.contains("apple-m9"), "{here} {there}");
    assert_ne!(here, there);
}

/// The project's configuration with `gate` at its end.
fn configured(project: &Project, gate: &str) {
    let config = std::fs::read_to_string(project.path("config.toml")).unwrap();
    let before = config.split("\n[gate]").next().unwrap();
    project.write("config.toml", &format!("{before}\n[gate]\n{gate}\n"));
}

#[test]
fn a_ceiling_is_held_without_any_baseline() {
    let project = project();
    configured(&project, "[[gate.overrides]]\nfilter = \"fast/5f\"\nstep_time_ceiling_ms = 110");
    ends(&project, &["check"], 0, "Gate passed: 2 cases (2 new)");
    configured(&project, "[[gate.overrides]]\nfilter = \"fast/5f\"\nstep_time_ceiling_ms = 95");
    let words = "its step time of 100 ms is above the ceiling of 95.0 ms (gate.overrides, step_time_ceiling_ms): +5.3%";
    let ran = ends(&project, &["check"], 1, words);
    assert!(ran.flat().contains("Gate failed: 1 figure beyond its ceiling, in 1 of 2 cases"), "{}", ran.stdout);
    assert!(ran.flat().contains("→ Find out why fast/5f/none is beyond its ceiling"), "{}", ran.stdout);
    assert!(!ran.stdout.contains("Investigate what changed"), "{}", ran.stdout);
    // A stranger's results are judged by it, too.
    let comment = &["comment", "--results", "results.json", "--dry-run"];
    ends(&project, comment, 0, "is above the ceiling of 95.0 ms (gate.overrides, step_time_ceiling_ms)");
    // Neither an acceptance nor a recording lets it pass.
    project.pretend_release_build();
    succeeds(&project, &["baseline", "update", "--from", "results.json", "--yes"]);
    ends(&project, &["check"], 1, words);
    project.pretend_release_build();
    let accept = ["baseline", "accept", "fast/5f/none", "--reason", "why not", "--from", "results.json", "--yes"];
    ends(&project, &accept, 2, "nothing to accept: of fast/5f/none, its step time of 100 ms is above the ceiling");
    configured(&project, "step_time_ceiling_ms = 150");
    ends(
        &project,
        &["check"],
        1,
        "its step time of 200 ms is above the ceiling of 150 ms (gate, step_time_ceiling_ms)",
    );
}

#[test]
fn an_override_lets_its_own_cases_pass_and_no_other() {
    let backends = [("slow", worker(0.2, 4000)), ("fast", worker(0.1, 1000)), ("third", worker(0.1, 1000))];
    let project = Project::new(&backends.each_ref().map(|(name, script)| (*name, script.as_str())));
    succeeds(&project, &["run"]);
    project.pretend_release_build();
    succeeds(&project, &["baseline", "update", "--from", "results.json", "--yes"]);
    ["fast", "third"].iter().for_each(|name| project.write(&format!("{name}.sh"), &worker(0.15, 1000)));
    ends(&project, &["check"], 1, "2 figures outside their tolerance, in 2 of 3 cases");
    configured(
        &project,
        "[[gate.overrides]]\nfilter = \"third\"\nspeedup_tolerance_percent = 60\nstep_time_tolerance_percent = 60",
    );
    let ran = ends(&project, &["check"], 1, "1 figure outside its tolerance, in 1 of 3 cases");
    assert!(ran.flat().contains("Cases with tolerances of their own: third/5f/none."), "{}", ran.stdout);
    assert!(ran.flat().contains("fast/5f/none") && ran.flat().contains("beyond the tolerance of 5%"), "{}", ran.stdout);
}

fn git(project: &Project, arguments: &[&str]) {
    let user = ["-c", "user.name=nobody", "-c", "user.email=nobody@localhost"];
    let ran = std::process::Command::new("git").args(user).args(arguments).current_dir(project.path("")).status();
    assert!(ran.unwrap().success(), "{arguments:?}");
}

#[test]
fn beside_a_base_that_lacks_cases_they_are_new() {
    let project = project();
    git(&project, &["init", "--quiet"]);
    // The base does not use wanbench yet.
    git(&project, &["add", "slow.sh"]);
    git(&project, &["commit", "--quiet", "-m", "before wanbench"]);
    git(&project, &["add", "config.toml", "fast.sh"]);
    git(&project, &["commit", "--quiet", "-m", "adopts wanbench"]);
    let ran = ends(&project, &["check", "--base", "HEAD~1"], 0, "Gate passed: 2 cases (2 new)");
    assert!(ran.stderr.contains("does not have fast/5f/none, slow/5f/none: these cases are new"), "{}", ran.stderr);

    // The base has one of two backends.
    let config = std::fs::read_to_string(project.path("config.toml")).unwrap();
    let added = config
        + "\n[[suites.tiny.cases]]\nbackend = \"other\"\nquants = [\"none\"]\n[backends.other]\ncommand = [\"sh\", \"other.sh\"]\n";
    project.write("config.toml", &added);
    project.write("other.sh", &worker(0.05, 500));
    git(&project, &["add", "config.toml", "other.sh"]);
    git(&project, &["commit", "--quiet", "-m", "adds a backend"]);
    ends(&project, &["check", "--base", "HEAD~1"], 0, "Gate passed: 3 cases (2 unchanged, 1 new)");
}

#[test]
fn a_run_that_would_mislead_is_not_recorded_but_by_force_which_is_remembered() {
    let project = project();
    // Launches of a step that takes 0.05 or 0.2 s in turns.
    let uneven =
        format!("if [ -e odd ]; then rm odd; {}\nelse touch odd\n{}\nfi", worker(0.05, 1000), worker(0.2, 1000));
    project.write("fast.sh", &uneven);
    let ran = succeeds(&project, &["run"]);
    project.pretend_release_build();
    let report = project.wanbench(&["report", "results.json"]);
    assert!(report.flat().contains("Do not record this run as a baseline"), "{}", report.stdout);
    assert!(!report.stdout.contains("baseline update") && !ran.stdout.contains("baseline update"), "{}", report.stdout);
    let update = ["baseline", "update", "--from", "results.json", "--yes"];
    ends(&project, &update, 2, "the speedup of fast/5f/none is not known to within its tolerance of 5%");
    succeeds(&project, &[&update[..], &["--force"]].concat());
    let baseline = project.json(&project.machine_baseline());
    let forced: &Value = &baseline["cases"]["fast/5f/none"]["jobs"][0]["forced"];
    assert!(forced.as_str().unwrap().contains("not known to within its tolerance"), "{forced}");
}

#[test]
fn advice_is_a_command_that_works_when_pasted() {
    let project = recorded();
    std::fs::create_dir(project.path("base lines")).unwrap();
    let config = std::fs::read_to_string(project.path("config.toml")).unwrap();
    project.write("a config.toml", &config);
    // Launches that differ by so much that three cannot tell, and more can.
    let uneven =
        format!("if [ -e odd ]; then rm odd; {}\nelse touch odd\n{}\nfi", worker(0.104, 1000), worker(0.1, 1000));
    project.write("fast.sh", &uneven);
    let flags = ["--config", "a config.toml", "--filter", "fast/5f", "--base-workers", "base it"];
    std::fs::create_dir(project.path("base it")).unwrap();
    project.write("base it/slow.sh", &worker(0.2, 4000));
    project.write("base it/fast.sh", &worker(0.101, 1000));
    let ran = project.wanbench(&[&["check"], &flags[..]].concat());
    assert_eq!(ran.status, 3, "{}{}", ran.stdout, ran.stderr);
    let command = ran.stdout.split('`').find(|part| part.contains(" check ")).expect("a command");
    let words = shlex::split(command).unwrap();
    // The case that is open is measured alone.
    for flag in ["--config", "a config.toml", "--filter", "fast/5f/none", "--base-workers", "base it"] {
        assert!(words.contains(&flag.to_owned()), "{flag}: {command}");
    }
    assert!(words.contains(&"--launches".to_owned()) && ran.flat().contains("about "), "{}", ran.stdout);
    let pasted: Vec<&str> = words[1..].iter().map(String::as_str).collect();
    let again = project.wanbench(&pasted);
    assert_ne!(again.status, 2, "{command}: {}", again.stderr);
}
