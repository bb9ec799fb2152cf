//! Which jobs an event starts: drafts, labels, forks, Dependabot, the merge queue.

use std::path::PathBuf;
use std::process::Command;

use serde_json::{Value, json};

use crate::actions::Run;

const STARTER_COMMENT: &str = include_str!("../../src/commands/init/wanbench-comment.yml");
const OWN: &str = include_str!("../../.github/workflows/bench.yml");
const OWN_COMMENT: &str = include_str!("../../.github/workflows/bench-comment.yml");

/// The event of pull request 7, of the repository's own branch.
pub fn pull_request(head: &str, base: &str) -> Value {
    let repository = json!({ "full_name": "octo/models" });
    json!({
        "action": "synchronize",
        "pull_request": {
            "number": 7, "state": "open", "draft": false, "user": { "login": "mona" },
            "head": { "sha": head, "ref": "change", "repo": repository },
            "base": { "sha": base, "ref": "trunk", "repo": repository },
        },
        "sender": { "login": "mona" },
        "repository": { "full_name": "octo/models", "default_branch": "trunk" },
    })
}

/// The starter's workflow as `init` writes it, with `flags`.
fn starter(flags: &[&str]) -> String {
    let folder = tempfile::tempdir().unwrap();
    let mut wanbench = Command::new(env!("CARGO_BIN_EXE_wanbench"));
    let output =
        wanbench.args([&["init", "--default-branch", "trunk"], flags].concat()).current_dir(folder.path()).output();
    assert!(output.unwrap().status.success());
    assert_eq!(folder.path().join(".github/workflows/wanbench-comment.yml").exists(), flags.contains(&"--outside"));
    std::fs::read_to_string(folder.path().join(".github/workflows/wanbench.yml")).unwrap()
}

/// The jobs that an event starts, each with its environment where it has one; any of them has these `outputs`.
fn started(workflow: &str, event_name: &str, event: &Value, outputs: &[(&str, &str)]) -> Vec<String> {
    let run = Run {
        origin: PathBuf::new(),
        programs: PathBuf::new(),
        artifacts: PathBuf::new(),
        api_url: String::new(),
        event_name,
        event: event.clone(),
        sha: "",
        environment: Vec::new(),
    };
    let jobs = run.selected(workflow, outputs);
    let shown = |(name, environment): (String, String)| {
        if environment.is_empty() { name } else { format!("{name} in {environment}") }
    };
    jobs.into_iter().map(shown).collect()
}

/// [`pull_request`] with what `change` does to it.
fn changed(change: impl FnOnce(&mut Value)) -> Value {
    let mut event = pull_request("a", "b");
    change(&mut event);
    event
}

fn labelled(label: &str) -> Value {
    changed(|event| {
        event["action"] = "labeled".into();
        event["label"] = json!({ "name": label });
        event["pull_request"]["draft"] = true.into();
    })
}

fn of_fork() -> Value {
    changed(|event| event["pull_request"]["head"]["repo"]["full_name"] = "them/models".into())
}

fn of_dependabot() -> Value {
    changed(|event| event["pull_request"]["user"]["login"] = "dependabot[bot]".into())
}

#[test]
fn the_starter_measures_what_it_should_and_posts_its_own() {
    let workflow = starter(&[]);
    let started = |name: &str, event: &Value| started(&workflow, name, event, &[]);
    let dispatch = |branch: &str| {
        let reference = format!("refs/heads/{branch}");
        json!({ "ref": reference, "inputs": { "propose-baseline": true }, "repository": { "default_branch": "trunk" } })
    };
    assert_eq!(started("pull_request", &pull_request("a", "b")), ["measure", "post"]);
    assert_eq!(started("merge_group", &json!({ "action": "checks_requested" })), ["measure", "post"]);
    assert_eq!(started("push", &json!({ "ref": "refs/heads/trunk" })), ["measure", "post"]);
    assert_eq!(started("workflow_dispatch", &dispatch("trunk")), ["measure", "post", "propose-baseline"]);
    assert_eq!(started("workflow_dispatch", &dispatch("topic")), ["measure", "post"]);
    for nobody in [of_fork(), of_dependabot(), changed(|event| event["pull_request"]["draft"] = true.into())] {
        assert!(started("pull_request", &nobody).is_empty(), "{nobody}");
    }
}

#[test]
fn changes_from_outside_run_after_an_approval_where_that_was_asked_for() {
    let outside = starter(&["--outside"]);
    for event in [of_fork(), of_dependabot()] {
        assert_eq!(started(&outside, "pull_request", &event, &[]), ["measure in approval"]);
        assert_eq!(started(OWN, "pull_request", &event, &[]), ["bench in approval"]);
    }
    assert_eq!(started(&outside, "pull_request", &pull_request("a", "b"), &[]), ["measure", "post"]);
    assert_eq!(started(OWN, "pull_request", &pull_request("a", "b"), &[]), ["bench"]);
}

#[test]
fn a_draft_is_measured_when_somebody_who_may_write_asks_for_it() {
    let workflow = starter(&[]);
    for (workflow, jobs) in [(workflow.as_str(), &["measure", "post"][..]), (OWN, &["bench"])] {
        let started = |event: &Value, outputs: &[_]| started(workflow, "pull_request", event, outputs);
        let mut asked = [jobs, &["request"]].concat();
        asked.sort_unstable();
        assert_eq!(started(&labelled("bench"), &[("is-allowed", "true")]), asked);
        assert_eq!(started(&labelled("bench"), &[]), ["request"], "asked by somebody who may only read");
        assert!(started(&labelled("documentation"), &[("is-allowed", "true")]).is_empty());
        let ready = changed(|event| event["action"] = "ready_for_review".into());
        assert_eq!(started(&ready, &[]), jobs);
    }
}

#[test]
fn another_base_is_measured_again_and_another_title_is_not() {
    let workflow = starter(&[]);
    for (workflow, jobs) in [(workflow.as_str(), &["measure", "post"][..]), (OWN, &["bench"])] {
        let edited = |changes: Value| {
            changed(|event| {
                event["action"] = "edited".into();
                event["changes"] = changes;
            })
        };
        let started = |changes| started(workflow, "pull_request", &edited(changes), &[]);
        assert_eq!(started(json!({ "base": { "ref": { "from": "develop" } } })), jobs);
        assert!(started(json!({ "title": { "from": "Fast" } })).is_empty());
    }
}

#[test]
fn the_second_workflow_posts_what_ended_of_changes_from_outside() {
    let ended = |conclusion: &str, head: &str, branch: &str, actor: &str| {
        json!({ "workflow_run": {
            "event": "pull_request", "conclusion": conclusion, "head_repository": { "full_name": head },
            "head_branch": branch, "actor": { "login": actor },
        } })
    };
    let started = |workflow, event: &Value| !started(workflow, "workflow_run", event, &[]).is_empty();
    for conclusion in ["success", "failure", "timed_out"] {
        for (head, branch, actor) in [
            ("them/models", "topic", "them"),
            ("octo/models", "dependabot/cargo/serde-2", "dependabot[bot]"),
            // Somebody updated its branch.
            ("octo/models", "dependabot/cargo/serde-2", "mona"),
        ] {
            assert!(started(STARTER_COMMENT, &ended(conclusion, head, branch, actor)), "{branch} {actor}");
        }
        assert!(
            !started(STARTER_COMMENT, &ended(conclusion, "octo/models", "topic", "mona")),
            "the first one posts these"
        );
        assert!(started(OWN_COMMENT, &ended(conclusion, "octo/models", "topic", "mona")));
    }
    for nothing in ["cancelled", "skipped"] {
        assert!(!started(STARTER_COMMENT, &ended(nothing, "them/models", "topic", "them")));
        assert!(!started(OWN_COMMENT, &ended(nothing, "them/models", "topic", "them")));
    }
}
