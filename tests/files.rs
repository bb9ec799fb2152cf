//! The files that wanbench reads and writes: nothing is destroyed, half written, lost, left behind or waited for.

mod support;

use std::fs;
use std::os::unix::fs::symlink;
use std::process::{Child, Command, Stdio};

use serde_json::json;
use support::{Project, Ran, worker};

/// Saved results of two backends, which may become a baseline.
fn measured() -> Project {
    let (slow, fast) = (worker(0.2, 2000), worker(0.1, 1000));
    let project = Project::new(&[("slow", &slow), ("fast", &fast)]);
    let ran = project.wanbench(&["run"]);
    assert_eq!(ran.status, 0, "{}", ran.stderr);
    project.pretend_release_build();
    project
}

/// Results that began so many minutes after the saved ones.
fn later(project: &Project, minutes: u32) -> String {
    let name = format!("later-{minutes}.json");
    fs::copy(project.path("results.json"), project.path(&name)).unwrap();
    project.edit(&name, |results| results["started"] = format!("2026-03-01T10:{minutes:02}:00Z").into());
    name
}

fn update(project: &Project, results: &str) -> Ran {
    project.wanbench(&["baseline", "update", "--yes", "--force", "--from", results])
}

fn jobs(project: &Project) -> usize {
    project.json(&project.machine_baseline())["cases"]["slow/5f/none"]["jobs"].as_array().unwrap().len()
}

fn names(project: &Project, folder: &str) -> Vec<String> {
    let entries = fs::read_dir(project.path(folder)).unwrap();
    let mut names: Vec<String> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn of_six_updates_at_once_none_is_lost() {
    let project = measured();
    let results: Vec<String> = (0..6).map(|minutes| later(&project, minutes)).collect();
    let start = |results: &String| -> Child {
        project
            .command(&["baseline", "update", "--yes", "--force", "--from", results])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap()
    };
    let all: Vec<Child> = results.iter().map(start).collect();
    for mut update in all {
        assert_eq!(update.wait().unwrap().code(), Some(0));
    }
    assert_eq!(jobs(&project), 6);
    assert_eq!(names(&project, "baselines").len(), 2, "nothing is left behind");
}

#[test]
fn a_killed_update_leaves_no_half_of_it() {
    let project = measured();
    // Two states whose files belong together: the model's bytes and the jobs of each.
    let grown = later(&project, 1);
    project.edit(&grown, |results| {
        for case in results["cases"].as_array_mut().unwrap() {
            for launch in case["launches"].as_array_mut().unwrap() {
                let bytes = launch["outcome"]["measured"]["model_bytes"].as_u64().unwrap();
                launch["outcome"]["measured"]["model_bytes"] = (bytes + 5000).into();
            }
        }
    });
    assert_eq!(update(&project, "results.json").status, 0);
    let folder = project.path("baselines");
    let before: Vec<(String, Vec<u8>)> = names(&project, "baselines")
        .into_iter()
        .map(|name| (name.clone(), fs::read(folder.join(name)).unwrap()))
        .collect();
    for kill in 0..60 {
        for (name, bytes) in &before {
            fs::write(folder.join(name), bytes).unwrap();
        }
        let mut update = project
            .command(&["baseline", "update", "--yes", "--force", "--from", &grown])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        // Its differences are printed right before it writes.
        let mut first = [0; 1];
        std::io::Read::read_exact(update.stdout.as_mut().unwrap(), &mut first).unwrap();
        for _ in 0..kill * 2_000 {
            std::hint::spin_loop();
        }
        update.kill().unwrap();
        update.wait().unwrap();
        // Whoever reads next sees all of it or nothing, and nothing is left after the next change.
        assert_eq!(project.wanbench(&["baseline", "show"]).status, 0);
        let is_new = jobs_of(&project) == 2;
        let bytes = project.json("baselines/model-memory.json")["models"]["slow/synthetic/none/f32"].clone();
        assert_eq!(bytes, json!(if is_new { 7000 } else { 2000 }), "kill {kill}");
    }
    assert_eq!(update(&project, &grown).status, 0);
    assert_eq!(names(&project, "baselines").len(), 2);
}

fn jobs_of(project: &Project) -> usize {
    let name = names(project, "baselines");
    let name = name.iter().find(|name| !name.starts_with('.') && *name != "model-memory.json").unwrap();
    project.json(&format!("baselines/{name}"))["cases"]["slow/5f/none"]["jobs"].as_array().unwrap().len()
}

#[test]
fn a_baseline_that_is_a_link_stays_one() {
    let project = measured();
    assert_eq!(update(&project, "results.json").status, 0);
    let baseline = project.machine_baseline();
    fs::create_dir(project.path("elsewhere")).unwrap();
    fs::rename(project.path(&baseline), project.path("elsewhere/machine.json")).unwrap();
    symlink("../elsewhere/machine.json", project.path(&baseline)).unwrap();
    assert_eq!(update(&project, &later(&project, 1)).status, 0);
    assert!(project.path(&baseline).is_symlink());
    assert_eq!(jobs(&project), 2);
    assert_eq!(names(&project, "elsewhere"), ["machine.json"]);
}

#[test]
fn an_output_that_would_destroy_another_file_is_refused_before_measuring() {
    let project = measured();
    assert_eq!(update(&project, "results.json").status, 0);
    fs::create_dir(project.path("out")).unwrap();
    symlink("../config.toml", project.path("out/link.toml")).unwrap();
    project.write("notes.md", "# Notes\n");
    let baseline = project.machine_baseline();
    for (arguments, reason) in [
        (["--json", "r.json", "--markdown", "./r.json"], "--json and --markdown name the same file"),
        (["--json", "out/r.json", "--markdown", "out/../out/r.json"], "--json and --markdown name the same file"),
        (["--json", "new/r.json", "--markdown", "new/../new/r.json"], "--json and --markdown name the same file"),
        (["--json", "r.json", "--markdown", "missing/../config.toml"], "it is the file of --config"),
        (["--json", "r.json", "--markdown", "missing/../slow.sh"], "holds no report of wanbench"),
        (["--json", "r.json", "--markdown", "config.toml"], "it is the file of --config"),
        (["--json", "r.json", "--markdown", "out/link.toml"], "it is the file of --config"),
        (["--json", "r.json", "--markdown", "slow.sh"], "holds no report of wanbench"),
        (["--json", "r.json", "--markdown", "notes.md"], "holds no report of wanbench"),
        (["--json", "r.json", "--markdown", baseline.as_str()], "would lie among the baselines"),
        (["--json", "baselines/r.json", "--markdown", "r.md"], "would lie among the baselines"),
        (["--json", "config.toml", "--markdown", "r.md"], "it is the file of --config"),
        (["--json", "slow.sh", "--markdown", "r.md"], "holds no results"),
    ] {
        let before: Vec<_> =
            ["config.toml", "slow.sh", "notes.md"].map(|name| fs::read(project.path(name)).unwrap()).into();
        for command in ["run", "check"] {
            let ran = project.wanbench(&[&[command][..], &arguments].concat());
            assert_eq!(ran.status, 2, "{arguments:?}: {}", ran.stderr);
            assert!(ran.stderr.contains(reason), "{arguments:?}: {}", ran.stderr);
        }
        let after: Vec<_> =
            ["config.toml", "slow.sh", "notes.md"].map(|name| fs::read(project.path(name)).unwrap()).into();
        assert!(before == after && !project.path("r.json").exists());
    }
    let comment = |markdown: &str| {
        project.wanbench(&["comment", "--dry-run", "--results", "results.json", "--markdown", markdown])
    };
    for markdown in ["results.json", "config.toml", "slow.sh"] {
        assert_eq!(comment(markdown).status, 2, "{markdown}");
    }
    let refused = project.wanbench(&["calibrate", "--json", "baselines/calibration.json"]);
    assert!(refused.status == 2 && refused.stderr.contains("would lie among the baselines"), "{}", refused.stderr);
    // Nor is what tells the refusal written there.
    fs::hard_link(project.path("config.toml"), project.path("hard.toml")).unwrap();
    for file in ["config.toml", "hard.toml", baseline.as_str(), "results.json"] {
        for flag in ["--step-summary", "--output"] {
            let before = fs::read(project.path(file)).unwrap();
            let ran = project.wanbench(&["check", "--github", "--json", "r.json", flag, file]);
            assert_eq!(ran.status, 2, "{flag} {file}: {}", ran.stderr);
            assert_eq!(fs::read(project.path(file)).unwrap(), before, "{flag} {file}");
        }
    }
    // What it wrote itself, and an empty file, it replaces.
    project.write("own.md", "");
    for _ in 0..2 {
        let ran = project.wanbench(&["run", "--markdown", "own.md"]);
        assert_eq!(ran.status, 0, "{}", ran.stderr);
    }
    assert_eq!(comment("own.md").status, 0);
    assert_eq!(comment("own.md").status, 0);
}

#[test]
fn what_is_no_regular_file_is_refused_at_once() {
    let project = measured();
    assert_eq!(update(&project, "results.json").status, 0);
    let pipe = project.path("pipe.json");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    fs::create_dir(project.path("folder.json")).unwrap();
    for special in ["pipe.json", "folder.json", "/dev/zero"] {
        for arguments in [
            &["report", "results.json", "--config", special][..],
            &["report", special],
            &["compare", special, "results.json"],
            &["comment", "--dry-run", "--results", special],
            &["comment", "--dry-run", "--results", "results.json", "--event", special],
            &["baseline", "show", special],
            &["baseline", "diff", special, special],
            &["baseline", "import", special],
            &["baseline", "update", "--from", special],
            &["calibrate", "--from", special],
        ] {
            let ran = project.wanbench(arguments);
            assert_eq!(ran.status, 2, "{arguments:?}: {}", ran.stderr);
            let is_told = ran.stderr.contains("not a regular file") || ran.stderr.contains("it is a folder");
            assert!(is_told, "{arguments:?}: {}", ran.stderr);
        }
    }
    let baseline = project.machine_baseline();
    fs::rename(&pipe, project.path("baselines/pipe.json")).unwrap();
    let ran = project.wanbench(&["report", "results.json"]);
    assert!(ran.status == 2 && ran.stderr.contains("pipe.json: it is not a regular file"), "{}", ran.stderr);
    fs::remove_file(project.path("baselines/pipe.json")).unwrap();
    // What macOS and editors leave is no baseline.
    project.write("baselines/._machine.json", "\0\u{5}");
    project.write("baselines/.#machine.json", "{");
    assert_eq!(project.wanbench(&["report", "results.json"]).status, 0);
    // A merge's markers are named.
    let text = fs::read_to_string(project.path(&baseline)).unwrap();
    project.write(&baseline, &text.replacen("  \"cases\"", "<<<<<<< HEAD\n  \"cases\"", 1));
    let ran = project.wanbench(&["report", "results.json"]);
    assert!(ran.status == 2 && ran.stderr.contains("has merge conflict markers at line 2"), "{}", ran.stderr);
}

#[test]
fn a_file_beyond_the_systems_limit_is_told_and_nothing_is_left_behind() {
    let project = measured();
    let before = names(&project, ".");
    let program = env!("CARGO_BIN_EXE_wanbench");
    let script = format!("ulimit -f 1; exec '{program}' run --json big.json --markdown big.md");
    let long = "x".repeat(8192);
    project.write("slow.sh", &worker(0.2, 2000).replace(r#""fake":"1""#, &format!(r#""fake":"{long}""#)));
    let mut command = project.command(&[]);
    let ran = Command::new("sh")
        .args(["-c", &script])
        .current_dir(project.path("."))
        .envs(command.env("LC_ALL", "C").get_envs().filter_map(|(name, value)| Some((name, value?))))
        .output()
        .unwrap();
    let stderr = String::from_utf8_lossy(&ran.stderr);
    assert_eq!(ran.status.code(), Some(3), "{stderr}");
    assert!(stderr.contains("big.json: File too large"), "{stderr}");
    let after = names(&project, ".");
    let added: Vec<&String> = after.iter().filter(|name| !before.contains(name)).collect();
    // The record of a run of which nothing is measured is small enough.
    assert!(added.iter().all(|name| *name == "big.json" || *name == "lock"), "{added:?}");
}

#[test]
fn closed_and_full_standard_streams_change_no_status() {
    let project = measured();
    let program = env!("CARGO_BIN_EXE_wanbench");
    for (redirections, status) in [
        ("2>/dev/full", 0),
        ("2>&-", 0),
        ("<&- >&- 2>&-", 0),
        ("<&- 2>/dev/full", 0),
        (">/dev/full", 3),
        (">/dev/full 2>/dev/full", 3),
    ] {
        for command in ["run --json again.json", "report results.json"] {
            let mut environment = project.command(&[]);
            let ran = Command::new("sh")
                .args(["-c", &format!("exec '{program}' {command} {redirections}")])
                .current_dir(project.path("."))
                .envs(environment.env("LC_ALL", "C").get_envs().filter_map(|(name, value)| Some((name, value?))))
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .status()
                .unwrap();
            assert_eq!(ran.code(), Some(status), "{command} {redirections}");
        }
    }
}

#[test]
fn nothing_from_outside_reaches_the_terminal_raw_or_without_end() {
    let evil = "\u{1b}]0;title\u{7}\u{1b}[2J\u{202e}".to_owned() + &"flood ".repeat(200_000);
    let escaped: String = evil.replace('\u{1b}', "\\\\u001b").replace('\u{7}', "\\\\u0007");
    let worker = format!(
        "read -r request\nprintf '%b\\n' '{{\"type\":\"failed\",\"kind\":\"internal\",\"message\":\"{escaped}\"}}'"
    );
    let project = Project::new(&[("own", &worker)]);
    let ran = project.wanbench(&["run"]);
    for text in [&ran.stdout, &ran.stderr] {
        assert!(!text.contains(['\u{1b}', '\u{7}', '\u{202e}']), "{text:.300}");
        assert!(text.len() < 100_000, "{} bytes", text.len());
    }
    for (file, text) in [
        ("config.toml", "[suites.\"\\u001b[2Jx\"]\nlaunches = \"\u{1b}[2J\""),
        ("config.toml", "\u{1b}[2J = 1"),
        ("results.json", "{\"schema\": 3, \"\u{9b}2J\": 1}"),
    ] {
        let project = Project::new(&[("own", &worker)]);
        project.write(file, text);
        let ran = project.wanbench(&["report", "results.json"]);
        assert_eq!(ran.status, 2);
        assert!(!ran.stderr.contains(['\u{1b}', '\u{9b}']), "{:?}", ran.stderr);
    }
}

#[test]
fn a_text_that_nobody_reads_is_no_part_of_a_baseline() {
    let project = measured();
    assert_eq!(update(&project, "results.json").status, 0);
    let baseline = project.machine_baseline();
    let long = "x".repeat(20_000);
    project.edit(&baseline, |baseline| baseline["cases"]["fast/5f/none"]["anchor"]["reason"] = long.clone().into());
    for command in [&["baseline", "show"][..], &["report", "results.json"]] {
        let ran = project.wanbench(command);
        assert_eq!(ran.status, 2, "{command:?}");
        assert!(ran.stderr.contains("holds a text of over 10000 bytes") && ran.stderr.len() < 1_000, "{}", ran.stderr);
    }
}
