//! What `comment` and `check --github` tell GitHub, and what they keep to themselves. Whether the requests are right is
//! tests/github's part: here nobody answers.

mod support;

use std::process::Command;

use support::{Project, Ran, say, worker};

const TOKEN: &str = "ghp_0123456789abcdefghijklmnopqrstuvwxyz";

fn project() -> Project {
    let project = Project::new(&[("slow", &worker(0.2, 4000)), ("fast", &worker(0.1, 1000))]);
    project.write("event.json", &event());
    project
}

fn event() -> String {
    let repository = r#"{"full_name": "octo/wan"}"#;
    format!(
        r#"{{"pull_request": {{"number": 7, "state": "open", "head": {{"sha": "{}", "repo": {repository}}},
        "base": {{"sha": "{}", "repo": {repository}}}}}}}"#,
        "a".repeat(40),
        "b".repeat(40)
    )
}

/// wanbench in Actions, where nobody listens at the API's address.
fn in_actions(project: &Project, arguments: &[&str], token: Option<&str>) -> Ran {
    let mut command: Command = project.command(arguments);
    command
        .env("GITHUB_ACTIONS", "true")
        .env("GITHUB_API_URL", "http://127.0.0.1:1")
        .env("GITHUB_REPOSITORY", "octo/wan")
        .env("GITHUB_EVENT_PATH", project.path("event.json"))
        .env("GITHUB_SERVER_URL", "https://github.test")
        .env("GITHUB_RUN_ID", "42")
        .env("GITHUB_STEP_SUMMARY", project.path("summary.md"))
        .env("GITHUB_OUTPUT", project.path("output"));
    if let Some(token) = token {
        command.env("GITHUB_TOKEN", token);
    }
    let output = command.output().unwrap();
    Ran {
        status: output.status.code().unwrap(),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

fn read(project: &Project, name: &str) -> String {
    std::fs::read_to_string(project.path(name)).unwrap()
}

#[test]
fn a_dry_run_prints_the_comment_and_touches_nothing() {
    let project = project();
    assert_eq!(project.wanbench(&["run"]).status, 0);
    project.pretend_release_build();
    let ran = in_actions(&project, &["comment", "--results", "results.json", "--dry-run"], Some(TOKEN));
    assert_eq!(ran.status, 0, "{}", ran.stderr);
    assert!(ran.stdout.starts_with("<!-- wanbench:tiny-on-"), "{}", ran.stdout);
    assert!(ran.stdout.contains("gh run download 42 --name wanbench-results"), "{}", ran.stdout);
    assert!(ran.stdout.contains("https://github.test/octo/wan/actions/runs/42"), "{}", ran.stdout);
    assert!(!project.path("summary.md").exists() && !project.path("output").exists());
}

#[test]
fn a_dry_run_of_a_check_posts_nothing_either() {
    let project = project();
    let ran = in_actions(&project, &["check", "--github", "--check-run", "--dry-run"], Some(TOKEN));
    assert_eq!(ran.status, 0, "{}", ran.stderr);
    assert!(ran.stdout.contains("<!-- wanbench:tiny-on-"), "{}", ran.stdout);
    assert!(ran.stderr.contains("nothing is posted, as --dry-run asks"), "{}", ran.stderr);
    assert!(!ran.stderr.contains("could not be written"), "{}", ran.stderr);
    assert!(!project.path("summary.md").exists() && !project.path("output").exists());
}

#[test]
fn what_could_not_be_measured_is_told_in_the_place_of_the_results() {
    let marker = |ran: &Ran| {
        let line = ran.stdout.lines().find(|line| line.starts_with("<!-- wanbench:"));
        line.unwrap_or_else(|| panic!("{}{}", ran.stdout, ran.stderr)).to_owned()
    };
    let project = project();
    let check = &["check", "--github", "--dry-run", "--device", "cpu"];
    let measured = in_actions(&project, check, None);
    std::fs::create_dir(project.path("baselines")).unwrap();
    project.write("baselines/broken.json", "{");
    let failed = in_actions(&project, check, None);
    assert_eq!((measured.status, failed.status), (0, 2), "{}", failed.stderr);
    assert_eq!(marker(&failed), marker(&measured));
}

#[test]
fn what_is_posted_is_no_success_where_a_file_could_not_be_saved() {
    let project = project();
    project.write("fast.sh", &format!("rm -rf out\n: > out\n{}", worker(0.1, 1000)));
    for file in [["--json", "out/results.json"], ["--markdown", "out/report.md"]] {
        let _ = std::fs::remove_file(project.path("out"));
        let ran = in_actions(&project, &[&["check", "--github"], &file[..]].concat(), None);
        assert_eq!(ran.status, 3, "{file:?}: {}", ran.stderr);
        assert!(read(&project, "output").starts_with("verdict=not_judged\n"), "{}", read(&project, "output"));
        assert!(ran.stdout.contains("cannot"), "{}", ran.stdout);
        std::fs::remove_file(project.path("output")).unwrap();
    }
}

#[test]
fn a_comment_tells_of_results_that_cannot_be_read() {
    let project = project();
    assert_eq!(project.wanbench(&["run"]).status, 0);
    project.write("other.json", "{}");
    let both = &["comment", "--results", "results.json", "other.json", "--dry-run"];
    let ran = in_actions(&project, both, None);
    assert_eq!(ran.status, 2, "{}", ran.stderr);
    assert!(ran.stdout.contains("Not judged") && ran.stdout.contains("other.json"), "{}", ran.stdout);
    let ran = in_actions(&project, &["comment", "--results", "other.json", "--dry-run", "--id", "mine"], None);
    assert_eq!(ran.status, 2, "{}", ran.stderr);
    assert!(ran.stdout.contains("nothing could be measured"), "{}", ran.stdout);
}

#[test]
fn a_comment_without_a_pull_request_is_no_success() {
    let project = project();
    assert_eq!(project.wanbench(&["run"]).status, 0);
    project.write("event.json", "{}");
    let comment = &["comment", "--results", "results.json"];
    let ran = in_actions(&project, comment, Some(TOKEN));
    assert_eq!(ran.status, 3, "{}", ran.stderr);
    assert!(ran.stderr.contains("pass --pull-request to name one"), "{}", ran.stderr);
    assert_eq!(in_actions(&project, &[comment, &["--best-effort"][..]].concat(), Some(TOKEN)).status, 0);
}

#[test]
fn a_post_that_fails_is_a_warning_and_the_verdict_stands() {
    let project = project();
    assert_eq!(project.wanbench(&["run"]).status, 0);
    project.pretend_release_build();
    assert_eq!(project.wanbench(&["baseline", "update", "--from", "results.json", "--yes"]).status, 0);
    project.write("fast.sh", &worker(0.1, 1008));

    let ran = in_actions(&project, &["check", "--github", "--check-run", "--markdown", "report.md"], Some(TOKEN));
    assert_eq!(ran.status, 1, "{}", ran.stderr);
    assert!(ran.stderr.contains("the comment could not be written"), "{}", ran.stderr);
    assert!(ran.stdout.contains("::warning title=wanbench::the comment could not be written"), "{}", ran.stdout);
    assert!(ran.stdout.lines().any(|line| line.starts_with("::error ")), "{}", ran.stdout);
    assert_eq!(read(&project, "output"), "verdict=failed\nreport=report.md\n");
    assert!(read(&project, "summary.md").contains("Gate failed"));
    let all = format!("{}{}{}", ran.stdout, ran.stderr, read(&project, "results.json"));
    assert!(!all.contains(TOKEN));
}

#[test]
fn a_comment_that_is_not_posted_is_no_success() {
    let project = project();
    assert_eq!(project.wanbench(&["run"]).status, 0);
    for token in [Some(TOKEN), None] {
        let ran = in_actions(&project, &["comment", "--results", "results.json"], token);
        assert_eq!(ran.status, 3, "{}", ran.stderr);
    }
    let ran = in_actions(&project, &["comment", "--results", "results.json", "--repository", "wan"], Some(TOKEN));
    assert_eq!(ran.status, 2, "{}", ran.stderr);
    assert!(ran.stderr.contains("`wan` is not OWNER/NAME"), "{}", ran.stderr);
}

#[test]
fn without_a_token_all_but_the_posts_is_told() {
    let project = project();
    for token in [None, Some("")] {
        let ran = in_actions(&project, &["check", "--github"], token);
        assert_eq!(ran.status, 0, "{}", ran.stderr);
        assert!(ran.stderr.contains("nothing was posted on GitHub, since there is no token"), "{}", ran.stderr);
        assert!(!ran.stderr.contains("could not be written"), "{}", ran.stderr);
    }
    assert_eq!(read(&project, "output"), "verdict=passed\nverdict=passed\n");
}

#[test]
fn a_worker_gets_no_token_and_gives_no_orders() {
    let project = project();
    let spy = say("::set-output name=x::y").replace("echo", "echo >&2");
    project.write("fast.sh", &format!("echo >&2 \"token: <$GITHUB_TOKEN>\"\n{spy}\nexit 1"));
    // Also where another step posts.
    let ran = in_actions(&project, &["check"], None);
    let ordered = |lines: &[&str]| lines.iter().any(|line| line.starts_with("::set-output"));
    let lines: Vec<&str> = ran.stdout.lines().collect();
    let token = lines[0].strip_prefix("::stop-commands::").unwrap();
    assert_eq!(lines.last(), Some(&format!("::{token}::").as_str()));
    let ran = in_actions(&project, &["check", "--github", "--verbose"], Some(TOKEN));
    assert_eq!(ran.status, 3, "{}", ran.stderr);
    assert!(read(&project, "results.json").contains("token: <>"), "{}", read(&project, "results.json"));
    let lines: Vec<&str> = ran.stdout.lines().collect();
    let token = lines[0].strip_prefix("::stop-commands::").unwrap();
    let resumed = lines.iter().position(|line| *line == format!("::{token}::")).unwrap();
    let commands = |lines: &[&str]| lines.iter().filter(|line| line.starts_with("::")).count();
    assert!(commands(&lines[resumed + 1..]) > 0, "{}", ran.stdout);
    assert!(!ordered(&lines[resumed + 1..]), "{}", ran.stdout);
}

#[test]
fn results_of_several_machines_make_one_comment() {
    let project = project();
    assert_eq!(project.wanbench(&["run"]).status, 0);
    let first = read(&project, "results.json");
    project.edit("results.json", |results| results["machine"]["chip"] = "M9 | `x` @octocat <b>".into());
    std::fs::rename(project.path("results.json"), project.path("other.json")).unwrap();
    project.write("results.json", &first);
    let ran = in_actions(&project, &["comment", "--results", "results.json", "other.json", "--dry-run"], None);
    assert_eq!(ran.status, 0, "{}", ran.stderr);
    assert_eq!(ran.stdout.matches("\n### ").count(), 2, "{}", ran.stdout);
    assert!(!ran.stdout.contains("@octocat") && !ran.stdout.contains("<b>"), "{}", ran.stdout);
}

#[test]
fn an_artifact_is_refused_with_its_reason() {
    let project = project();
    assert_eq!(project.wanbench(&["run"]).status, 0);
    std::fs::create_dir(project.path("artifact")).unwrap();
    std::fs::rename(project.path("results.json"), project.path("artifact/results.json")).unwrap();
    let ran = in_actions(&project, &["validate-artifact", "artifact"], None);
    assert_eq!(ran.status, 2);
    assert!(ran.stderr.contains("not the event of a `workflow_run`"), "{}", ran.stderr);

    let repository = r#"{"full_name": "octo/wan"}"#;
    let run = format!(
        r#"{{"workflow_run": {{"id": 41, "event": "pull_request", "head_sha": "{}", "head_branch": "x",
        "head_repository": {repository}, "repository": {repository}}}}}"#,
        "a".repeat(40)
    );
    project.write("event.json", &run);
    let ran = in_actions(&project, &["validate-artifact", "artifact"], None);
    assert_eq!(ran.status, 2);
    assert!(ran.stderr.contains("is of the commit none, but the run is of aaaa"), "{}", ran.stderr);
    assert!(!project.path("output").exists());
}
