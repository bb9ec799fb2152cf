//! Which jobs an event starts: drafts, labels, forks, Dependabot, the merge queue.

use std::path::Path;

use serde_json::{Value, json};

use crate::actions::Run;

const STARTER: &str = include_str!("../../src/commands/init/wanbench.yml");
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

/// The jobs that an event starts, each with its environment where it has one; `failing` fail.
fn started(workflow: &str, event_name: &str, event: &Value, variables: Value, failing: &[&str]) -> Vec<String> {
    let nowhere = Path::new("");
    let run = Run {
        origin: nowhere,
        programs: nowhere,
        artifacts: nowhere,
        api_url: "",
        event_name,
        event: event.clone(),
        sha: "",
        variables,
        environment: Vec::new(),
    };
    let jobs = run.selected(workflow, failing);
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
    let started = |name: &str, event: &Value| started(STARTER, name, event, json!({}), &[]);
    let (push, dispatch) = (
        json!({ "ref_name": "trunk" }),
        |ref_name: &str| json!({ "ref_name": ref_name, "inputs": { "propose-baseline": true }, "repository": { "default_branch": "trunk" } }),
    );
    assert_eq!(started("pull_request", &pull_request("a", "b")), ["measure", "post"]);
    assert_eq!(started("merge_group", &json!({ "action": "checks_requested" })), ["measure", "post"]);
    assert_eq!(started("push", &push), ["measure", "post"]);
    assert_eq!(started("workflow_dispatch", &dispatch("trunk")), ["measure", "post", "propose-baseline"]);
    assert_eq!(started("workflow_dispatch", &dispatch("topic")), ["measure", "post"]);
    for nobody in [of_fork(), of_dependabot(), changed(|event| event["pull_request"]["draft"] = true.into())] {
        assert!(started("pull_request", &nobody).is_empty(), "{nobody}");
    }
}

#[test]
fn changes_from_outside_run_after_an_approval_where_the_repository_allows_it() {
    let allowed = json!({ "WANBENCH_OUTSIDE": "true" });
    for event in [of_fork(), of_dependabot()] {
        assert_eq!(started(STARTER, "pull_request", &event, allowed.clone(), &[]), ["measure in approval"]);
        assert_eq!(started(OWN, "pull_request", &event, json!({}), &[]), ["bench in approval"]);
    }
    assert_eq!(started(OWN, "pull_request", &pull_request("a", "b"), json!({}), &[]), ["bench"]);
}

#[test]
fn a_draft_is_measured_when_somebody_who_may_write_asks_for_it() {
    for (workflow, jobs) in [(STARTER, &["measure", "post"][..]), (OWN, &["bench"])] {
        let started = |event: &Value, failing: &[&str]| started(workflow, "pull_request", event, json!({}), failing);
        let asked = [jobs, &["request"]].concat();
        let mut asked: Vec<&str> = asked.into_iter().collect();
        asked.sort_unstable();
        assert_eq!(started(&labelled("bench"), &[]), asked);
        assert!(started(&labelled("bench"), &["request"]).is_empty(), "asked by somebody who may only read");
        assert!(started(&labelled("documentation"), &[]).is_empty());
        let ready = changed(|event| event["action"] = "ready_for_review".into());
        assert_eq!(started(&ready, &[]), jobs);
    }
}

#[test]
fn the_second_workflow_posts_what_ended_of_changes_from_outside() {
    let ended = |conclusion: &str, head: &str, actor: &str| {
        json!({ "workflow_run": {
            "event": "pull_request", "conclusion": conclusion, "head_repository": { "full_name": head },
            "actor": { "login": actor },
        } })
    };
    let started = |workflow, event: &Value| !started(workflow, "workflow_run", event, json!({}), &[]).is_empty();
    for conclusion in ["success", "failure", "timed_out"] {
        for (head, actor) in [("them/models", "them"), ("octo/models", "dependabot[bot]")] {
            assert!(started(STARTER_COMMENT, &ended(conclusion, head, actor)));
        }
        assert!(!started(STARTER_COMMENT, &ended(conclusion, "octo/models", "mona")), "the first one posts these");
        assert!(started(OWN_COMMENT, &ended(conclusion, "octo/models", "mona")));
    }
    for nothing in ["cancelled", "skipped"] {
        assert!(!started(STARTER_COMMENT, &ended(nothing, "them/models", "them")));
        assert!(!started(OWN_COMMENT, &ended(nothing, "them/models", "them")));
    }
}
