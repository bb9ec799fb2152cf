//! The history: runs are recorded in a folder and on a branch, once each, whoever else records at the same time.

mod support;

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;
use std::thread;

use support::{Project, Ran, worker};

/// What git prints in `folder`; it succeeds.
fn git(folder: &Path, arguments: &[&str]) -> String {
    let identity = ["-c", "user.name=x", "-c", "user.email=x@example.org"];
    let output = Command::new("git").current_dir(folder).args(identity).args(arguments).output().unwrap();
    assert!(output.status.success(), "git {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// A project with the results of a run.
fn measured() -> Project {
    let project = Project::new(&[("slow", &worker(0.2, 4000)), ("fast", &worker(0.1, 1000))]);
    assert_eq!(project.wanbench(&["run", "--launches", "2"]).status, 0);
    project.pretend_release_build();
    project
}

/// The same run again, as if it had begun at another minute.
fn begin_at(project: &Project, minute: usize) {
    project.edit("results.json", |results| {
        results["started"] = format!("2026-11-30T17:{minute:02}:03Z").into();
    });
}

fn record(project: &Project, flags: &[&str]) -> Ran {
    let ran = project.wanbench(&[&["history", "record"], flags].concat());
    assert_eq!(ran.status, 0, "{}", ran.stderr);
    ran
}

fn files(folder: &Path, reference: &str) -> BTreeSet<String> {
    git(folder, &["ls-tree", "-r", "--name-only", reference]).lines().map(str::to_owned).collect()
}

#[test]
fn a_run_is_recorded_once_in_a_folder_and_stays_as_it_was_judged() {
    let project = measured();
    begin_at(&project, 1);
    let ran = record(&project, &["--folder", "history"]);
    let name = ran.stderr.split_whitespace().nth(1).unwrap().to_owned();
    assert!(ran.stderr.starts_with("recorded ") && name.contains("/20261130T170103Z-tiny-"), "{}", ran.stderr);
    let text = std::fs::read_to_string(project.path("history").join(&name)).unwrap();
    let entry: serde_json::Value = serde_json::from_str(&text).unwrap();
    let case = &entry["cases"][1];
    assert_eq!(
        (&case["name"], &case["verdict"], &case["launches"]),
        (&"fast/5f/none".into(), &"new".into(), &2.into())
    );
    assert_eq!((&case["figures"]["step_seconds"]["value"], &entry["standing"]), (&0.1.into(), &"passed".into()));

    // Accepting and updating baselines judge the run anew, and change nothing that is recorded.
    project.wanbench(&["baseline", "update", "--from", "results.json", "--yes"]);
    let ran = record(&project, &["--folder", "history"]);
    assert!(ran.stderr.contains("history has this run already, as "), "{}", ran.stderr);
    assert_eq!(std::fs::read_to_string(project.path("history").join(&name)).unwrap(), text);
    assert_eq!(std::fs::read_dir(project.path("history").join(&name).parent().unwrap()).unwrap().count(), 1);
}

#[test]
fn a_branch_is_written_without_touching_what_is_checked_out() {
    let project = measured();
    let repository = project.path("");
    let outside = project.wanbench(&["history", "record"]);
    assert_eq!(outside.status, 2, "{}", outside.stderr);
    assert!(
        outside.stderr.contains("--folder") && outside.stderr.contains("needs a git repository"),
        "{}",
        outside.stderr
    );
    git(&repository, &["init", "--quiet", "--initial-branch", "trunk"]);
    git(&repository, &["add", "config.toml"]);
    let before = git(&repository, &["status", "--porcelain"]);
    for minute in [1, 2, 2] {
        begin_at(&project, minute);
        record(&project, &[]);
    }
    assert_eq!(git(&repository, &["status", "--porcelain"]), before, "the index has what was added by hand");
    assert_eq!(git(&repository, &["symbolic-ref", "HEAD"]), "refs/heads/trunk");
    assert_eq!(git(&repository, &["rev-list", "--count", "wanbench-data"]), "2", "the second run once");
    assert_eq!(files(&repository, "wanbench-data").len(), 2);
    let author = git(&repository, &["log", "-1", "--format=%an: %s", "wanbench-data"]);
    assert!(author.contains("Run of tiny on "), "{author}");

    git(&repository, &["reset", "--quiet"]);
    git(&repository, &["symbolic-ref", "HEAD", "refs/heads/wanbench-data"]);
    begin_at(&project, 3);
    let ran = project.wanbench(&["history", "record"]);
    assert_eq!(ran.status, 3);
    assert!(ran.stderr.contains("the branch wanbench-data is checked out in "), "{}", ran.stderr);
}

/// A bare repository in the project's folder, and as many clones of it.
fn clones(project: &Project, names: &[&str]) {
    git(&project.path(""), &["init", "--quiet", "--bare", "remote.git"]);
    for name in names {
        git(&project.path(""), &["clone", "--quiet", "remote.git", name]);
    }
}

/// Records the run of each minute from the clone `name`, and pushes.
fn push_runs(project: &Project, name: &str, minutes: std::ops::Range<usize>) {
    for minute in minutes {
        let results = format!("{name}-{minute}.json");
        let mut value = project.json("results.json");
        value["started"] = format!("2026-11-30T17:{minute:02}:03Z").into();
        project.write(&results, &value.to_string());
        let from = format!("../{results}");
        let arguments = ["history", "record", "--from", &from, "--config", "../config.toml", "--push", "origin"];
        let ran = project.command(&arguments).current_dir(project.path(name)).output().unwrap();
        assert!(ran.status.success(), "{name} {minute}: {}", String::from_utf8_lossy(&ran.stderr));
    }
}

fn assert_linear(remote: &Path, runs: usize) {
    assert_eq!(files(remote, "wanbench-data").len(), runs);
    assert_eq!(git(remote, &["rev-list", "--count", "wanbench-data"]), runs.to_string());
    assert_eq!(git(remote, &["rev-list", "--count", "--min-parents=2", "wanbench-data"]), "0", "no merge");
    let changes = git(remote, &["log", "--format=", "--name-status", "wanbench-data"]);
    assert!(changes.lines().filter(|line| !line.is_empty()).all(|line| line.starts_with('A')), "{changes}");
}

#[test]
fn two_clones_that_record_at_the_same_time_lose_nothing() {
    let project = measured();
    clones(&project, &["one", "other"]);
    thread::scope(|scope| {
        scope.spawn(|| push_runs(&project, "one", 0..4));
        scope.spawn(|| push_runs(&project, "other", 10..14));
    });
    assert_linear(&project.path("remote.git"), 8);
}

#[test]
fn two_processes_in_one_clone_lose_nothing() {
    let project = measured();
    clones(&project, &["one"]);
    thread::scope(|scope| {
        scope.spawn(|| push_runs(&project, "one", 0..3));
        scope.spawn(|| push_runs(&project, "one", 10..13));
    });
    assert_linear(&project.path("remote.git"), 6);
}

#[test]
fn a_push_that_another_one_overtakes_goes_on_top_of_it() {
    let project = measured();
    clones(&project, &["one", "other"]);
    let remote = project.path("remote.git");
    push_runs(&project, "one", 0..1);
    push_runs(&project, "other", 1..2);
    let [before, overtaking] = ["wanbench-data~1", "wanbench-data"].map(|tip| git(&remote, &["rev-parse", tip]));
    git(&remote, &["update-ref", "refs/heads/wanbench-data", &before]);
    // While the next push is received, the other one gets there.
    let hook = format!(
        "#!/bin/sh\n[ -e overtaken ] && exit 0\n: > overtaken\n\
         env -u GIT_QUARANTINE_PATH git update-ref refs/heads/wanbench-data {overtaking}\n"
    );
    std::fs::write(remote.join("hooks/pre-receive"), hook).unwrap();
    make_executable(&remote.join("hooks/pre-receive"));
    push_runs(&project, "one", 2..3);
    assert!(remote.join("overtaken").exists(), "the push was overtaken");
    assert_linear(&remote, 3);
    git(&remote, &["merge-base", "--is-ancestor", &overtaking, "wanbench-data"]);
}

fn make_executable(path: &Path) {
    std::fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
}

#[test]
fn what_was_recorded_without_pushing_goes_along_with_the_next_push() {
    let project = measured();
    clones(&project, &["one", "other"]);
    push_runs(&project, "other", 0..2);
    begin_at(&project, 20);
    let arguments = ["history", "record", "--from", "../results.json", "--config", "../config.toml"];
    assert!(project.command(&arguments).current_dir(project.path("one")).status().unwrap().success());
    push_runs(&project, "one", 21..22);
    let remote = project.path("remote.git");
    assert_eq!(files(&remote, "wanbench-data").len(), 4);
    assert_eq!(git(&remote, &["rev-list", "--count", "wanbench-data"]), "3", "both in one commit");
    assert_eq!(
        git(&project.path("one"), &["rev-parse", "wanbench-data"]),
        git(&remote, &["rev-parse", "wanbench-data"])
    );
}

#[test]
fn a_push_that_is_refused_for_good_ends_with_gits_words() {
    let project = measured();
    clones(&project, &["one"]);
    let remote = project.path("remote.git");
    std::fs::write(remote.join("hooks/pre-receive"), "#!/bin/sh\necho 'nobody may write here' >&2\nexit 1\n").unwrap();
    make_executable(&remote.join("hooks/pre-receive"));
    let record = |remote: &str| {
        let from = ["history", "record", "--from", "../results.json", "--config", "../config.toml"];
        let arguments = [&from[..], &["--push", remote]].concat();
        let output = project.command(&arguments).current_dir(project.path("one")).output().unwrap();
        assert_eq!(output.status.code(), Some(3));
        String::from_utf8(output.stderr).unwrap()
    };
    let refused = record("origin");
    assert!(
        refused.contains("cannot push wanbench-data to origin") && refused.contains("nobody may write here"),
        "{refused}"
    );
    let missing = record("nowhere");
    assert!(
        missing.contains("cannot record in the branch wanbench-data: git: ") && missing.contains("nowhere"),
        "{missing}"
    );
    assert_eq!(git(&project.path("one"), &["for-each-ref", "refs/heads"]), "", "what was not pushed is not recorded");
}

#[test]
fn the_history_is_shown_as_lines_values_and_json_from_a_branch_and_from_a_folder() {
    let project = measured();
    let repository = project.path("");
    git(&repository, &["init", "--quiet", "--initial-branch", "trunk"]);
    let none = project.wanbench(&["history"]);
    assert_eq!(none.status, 2);
    assert!(none.stderr.contains("there is no history in the branch wanbench-data: record a run"), "{}", none.stderr);
    for (minute, seconds) in [(1, 0.1), (2, 0.1), (3, 0.125)] {
        begin_at(&project, minute);
        project.edit("results.json", |results| {
            for launch in results["cases"][1]["launches"].as_array_mut().unwrap() {
                launch["outcome"]["measured"]["step_seconds"] = vec![seconds; 2].into();
            }
        });
        record(&project, &[]);
        record(&project, &["--folder", "history"]);
    }
    let shown = project.wanbench(&["history", "--case", "fast"]);
    assert_eq!(shown.status, 0, "{}", shown.stderr);
    let lines: Vec<&str> = shown.stdout.lines().collect();
    assert!(lines[0].ends_with(", step time: 3 runs of 2026-11-30"), "{}", shown.stdout);
    assert_eq!(lines[2].split_whitespace().collect::<Vec<_>>(), ["fast/5f/none", "▁▁█", "125", "ms", "+25.0%"]);
    assert_eq!(project.wanbench(&["history", "--case", "fast", "--folder", "history"]).stdout, shown.stdout);
    let csv = project.wanbench(&["history", "--metric", "speedup", "--last", "2", "--csv"]);
    assert_eq!(csv.stdout.lines().count(), 3, "{}", csv.stdout);
    assert!(
        csv.stdout.lines().nth(2).unwrap().contains("fast/5f/none,speedup,ratio,2026-11-30T17:03:03Z,"),
        "{}",
        csv.stdout
    );
    let json = project.wanbench(&["history", "--since", "2026-12-01", "--json"]);
    assert_eq!(serde_json::from_str::<serde_json::Value>(&json.stdout).unwrap()["series"], serde_json::json!([]));
    assert!(json.stderr.contains("none of the 3 recorded runs is what the flags ask for"), "{}", json.stderr);

    // A file that was changed by hand hides no other.
    let machine = std::fs::read_dir(project.path("history")).unwrap().next().unwrap().unwrap().path();
    let mut files: Vec<_> = std::fs::read_dir(machine).unwrap().map(|file| file.unwrap().path()).collect();
    files.sort();
    let text = std::fs::read_to_string(&files[2]).unwrap();
    std::fs::write(&files[2], text.replace("0.125", "0.101")).unwrap();
    let shown = project.wanbench(&["history", "--case", "fast", "--folder", "history"]);
    assert!(
        shown.stdout.contains("step time: 2 runs") && shown.stderr.contains("by its content its name is"),
        "{}",
        shown.stderr
    );
}

#[test]
fn runs_that_were_kept_elsewhere_are_imported_once() {
    let project = measured();
    let update = project.wanbench(&["baseline", "update", "--from", "results.json", "--yes"]);
    assert_eq!(update.status, 0, "{}", update.stderr);
    let baseline = project.machine_baseline();
    let data = r#"window.BENCHMARK_DATA = {"entries": {"Wan": [{"commit": {"id": "c0ffee"}, "date": 1772368496000,
        "benches": [{"name": "fast/5f/none", "value": 90, "unit": "ms"}, {"name": "score", "value": 1, "unit": "points"}]}]}}"#;
    project.write("data.js", data);
    let nameless = project.wanbench(&["history", "import", "--folder", "history", "data.js"]);
    assert_eq!(nameless.status, 2);
    assert!(
        nameless.stderr.contains("data.js does not say on which machine it was measured: pass --machine NAME"),
        "{}",
        nameless.stderr
    );
    let machine = Path::new(&baseline).file_stem().unwrap().to_str().unwrap();
    let import = ["history", "import", "--folder", "history", &baseline, "data.js", "--machine", machine];
    let first = project.wanbench(&import);
    assert_eq!((first.status, first.stderr.matches("recorded ").count()), (0, 2), "{}", first.stderr);
    assert!(
        first.stderr.contains("not imported, since they are neither times, sizes nor speedups: score (points)"),
        "{}",
        first.stderr
    );
    let again = project.wanbench(&import);
    assert_eq!((again.status, again.stderr.matches("has this run already").count()), (0, 2), "{}", again.stderr);
    let shown = project.wanbench(&["history", "--folder", "history", "--case", "fast"]);
    assert!(shown.stdout.contains("fast/5f/none  ▁█     100 ms     +11.1%"), "{}", shown.stdout);
    // The run itself goes before its import.
    record(&project, &["--folder", "history"]);
    let csv = project.wanbench(&["history", "--folder", "history", "--case", "fast", "--csv"]).stdout;
    assert!(csv.lines().count() == 3 && csv.lines().nth(2).unwrap().contains(",tiny,0.1,"), "{csv}");
}
