//! What is posted of a run that has ended: at GitHub's word about whose it is, whatever its artifact says.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::fake::{GitHub, TOKEN};
use super::support::{Project, worker};

const HEAD: &str = "cccccccccccccccccccccccccccccccccccccccc";

/// A run of a fork's pull request, with its artifact and the pull request on GitHub.
struct Ended {
    project: Project,
    github: GitHub,
    event: Value,
}

impl Ended {
    async fn new() -> Self {
        let project = Project::new(&[("slow", &worker(0.2, 4000)), ("fast", &worker(0.1, 1000))]);
        std::fs::create_dir(project.path("base")).unwrap();
        for name in ["slow.sh", "fast.sh"] {
            std::fs::copy(project.path(name), project.path(&format!("base/{name}"))).unwrap();
        }
        assert_eq!(project.wanbench(&["check", "--base-workers", "base"]).status, 0);
        project.pretend_release_build();
        project.edit("results.json", |results| results["tool"]["commit"] = HEAD.into());
        std::fs::create_dir(project.path("artifact")).unwrap();
        std::fs::rename(project.path("results.json"), project.path("artifact/results.json")).unwrap();
        let now = Timestamp::now();
        let event = json!({"workflow_run": {
            "id": 41, "event": "pull_request", "head_sha": HEAD, "head_branch": "a topic", "conclusion": "success",
            "head_repository": {"full_name": "them/models"}, "repository": {"full_name": "octo/models"},
            "run_started_at": now - SignedDuration::from_hours(1), "updated_at": now,
        }});
        let github = GitHub::start().await;
        github.state().pull_requests = vec![Self::pull_request(7, HEAD), Self::pull_request(8, &"d".repeat(40))];
        Self { project, github, event }
    }

    fn pull_request(number: u64, head: &str) -> Value {
        json!({"number": number, "state": "open",
            "head": {"sha": head, "label": "them:a topic", "repo": {"full_name": "them/models"}},
            "base": {"repo": {"full_name": "octo/models"}}})
    }

    /// Posts what is there: the status, what was said, the comments, and each check run's name and conclusion.
    async fn post(&self) -> (i32, String, Vec<String>, Vec<(String, String)>) {
        self.project.write("event.json", &self.event.to_string());
        let mut command = self.project.command(&["comment", "--artifact-folder", "artifact", "--check-run"]);
        command.args(["--event", "event.json", "--repository", "octo/models", "--api-url", &self.github.server.uri()]);
        command.env("GITHUB_TOKEN", TOKEN).env("GITHUB_SHA", "e".repeat(40));
        let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        let checks = self.github.state().check_runs.clone();
        assert!(checks.iter().all(|run| run["head_sha"] == HEAD), "{checks:?}");
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let checks = checks.iter().map(|run| (text(&run["name"]), text(&run["conclusion"])));
        (output.status.code().unwrap(), said, self.github.texts(), checks.collect())
    }

    /// That the reason is posted where the results would be, and nothing passes.
    async fn assert_told(&self, reason: &str) {
        let (status, said, comments, checks) = self.post().await;
        assert!(status >= 2 && said.contains(reason), "{status}: {said}");
        assert!(comments.len() == 1 && comments[0].contains("nothing could be measured"), "{comments:?}");
        assert!(comments[0].lines().nth(1).unwrap().contains("at `cccccccccccc`"), "{comments:?}");
        assert!(
            checks.len() == 2 && checks.iter().all(|(_, conclusion)| conclusion == "action_required"),
            "{checks:?}"
        );
        assert!(checks.iter().any(|(name, _)| name == "wanbench"), "{checks:?}");
    }
}

#[tokio::test]
async fn results_are_posted_at_the_pull_request_that_github_knows() {
    for named in [true, false] {
        let ended = Ended::new().await;
        if named {
            ended.project.write("artifact/pull-request", "7\n");
        }
        let (status, said, comments, checks) = ended.post().await;
        assert_eq!((status, comments.len()), (0, 1), "{said}");
        assert_eq!(checks.len(), 2, "{checks:?}");
        assert!(checks.iter().all(|(name, _)| name.starts_with("wanbench")), "{checks:?}");
    }
}

#[tokio::test]
async fn what_is_missing_or_refused_is_told_in_the_place_of_the_results() {
    let mut ended = Ended::new().await;
    std::fs::remove_dir_all(ended.project.path("artifact")).unwrap();
    ended.event["workflow_run"]["conclusion"] = "timed_out".into();
    ended.assert_told("the run left no results, it ended with `timed_out`").await;

    let ended = Ended::new().await;
    ended.project.edit("artifact/results.json", |results| results["suite"] = "unknown".into());
    ended.assert_told("is of the suite unknown, which the base branch does not have").await;

    let ended = Ended::new().await;
    ended.project.edit("artifact/results.json", |results| results["tool"]["commit"] = "f".repeat(40).into());
    ended.assert_told("but the run is of cccccccc").await;

    let ended = Ended::new().await;
    ended.project.edit("artifact/results.json", |results| results["started"] = "2026-01-01T00:00:00Z".into());
    ended.assert_told("began at 2026-01-01T00:00:00Z, but the run from").await;

    let ended = Ended::new().await;
    ended.project.write("config.toml", "[suites]\nnonsense = 1");
    ended.assert_told("config.toml").await;
}

#[tokio::test]
async fn another_pull_request_is_told_nothing() {
    let ended = Ended::new().await;
    ended.project.write("artifact/pull-request", "8\n");
    let (status, said, comments, checks) = ended.post().await;
    assert!(status == 2 && said.contains("#8 is at dddd"), "{status}: {said}");
    assert!(comments.is_empty() && checks.is_empty(), "{comments:?} {checks:?}");
}

#[tokio::test]
async fn a_run_of_the_repositorys_own_branches_gets_its_checks_alone() {
    for event in ["push", "merge_group", "schedule", "workflow_dispatch"] {
        let mut ended = Ended::new().await;
        ended.event["workflow_run"]["event"] = event.into();
        let (status, said, ..) = ended.post().await;
        assert!(status == 2 && said.contains("the run is of octo/models"), "a fork's: {said}");
        ended.event["workflow_run"]["head_repository"] = json!({"full_name": "octo/models"});
        let (status, said, comments, checks) = ended.post().await;
        assert_eq!((status, comments.len(), checks.len()), (0, 0, 2), "{event}: {said}");
    }
}

#[tokio::test]
async fn a_comment_that_the_configuration_does_not_ask_for_is_not_begun_but_kept_up_to_date() {
    // Both cases are unchanged.
    for (when, comments) in [("always", 1), ("on-change", 0), ("on-regression", 0)] {
        let ended = Ended::new().await;
        let config = std::fs::read_to_string(ended.project.path("config.toml")).unwrap();
        ended.project.write("config.toml", &format!("{config}\n[github]\ncomment = \"{when}\"\n"));
        let (status, said, ..) = ended.post().await;
        assert_eq!((status, ended.github.texts().len()), (0, comments), "{when}: {said}");
        assert_eq!(said.contains("no comment: there is nothing"), comments == 0, "{said}");
        ended.project.write("config.toml", &config);
        ended.post().await;
        ended.project.write("config.toml", &format!("{config}\n[github]\ncomment = \"on-regression\"\n"));
        ended.github.state().comments[0]["body"] =
            ended.github.texts()[0].replace("Passed", "Failed").replace("passed", "failed").into();
        ended.post().await;
        assert!(!ended.github.texts()[0].contains("Failed"), "{:?}", ended.github.texts());
    }
}

#[tokio::test]
async fn what_was_told_in_the_place_of_results_is_withdrawn_once_there_are_some() {
    let ended = Ended::new().await;
    ended.github.state().login = "octocat".to_owned();
    let (artifact, aside) = (ended.project.path("artifact"), ended.project.path("aside"));
    std::fs::rename(&artifact, &aside).unwrap();
    let failed = Ended { event: with(&ended.event, "conclusion", "failure"), ..ended };
    failed.assert_told("the run left no results, it ended with `failure`").await;

    std::fs::rename(&aside, &artifact).unwrap();
    let again = Ended { event: with(&failed.event, "conclusion", "success"), ..failed };
    let (status, said, comments, checks) = again.post().await;
    assert_eq!((status, comments.len()), (0, 1), "{said}");
    assert!(!comments[0].contains("nothing could be measured"), "{comments:?}");
    let of = |start: &str| checks.iter().find(|(name, _)| name.starts_with(start)).unwrap().1.as_str();
    let overall = checks.iter().find(|(name, _)| name == "wanbench").unwrap();
    assert_eq!([of("wanbench (no-results"), of("wanbench (tiny"), &overall.1], ["neutral", "success", "success"]);
}

fn with(event: &Value, key: &str, value: &str) -> Value {
    let mut event = event.clone();
    event["workflow_run"][key] = value.into();
    event
}

#[tokio::test]
async fn a_run_that_was_asked_for_nothing_is_told_nowhere() {
    let ended = Ended::new().await;
    std::fs::remove_file(ended.project.path("artifact/results.json")).unwrap();
    ended.project.write("artifact/pull-request", "7\n");
    let (status, said, comments, checks) = ended.post().await;
    assert!(status == 0 && said.contains("measured nothing"), "{status}: {said}");
    assert!(comments.is_empty() && checks.is_empty(), "{comments:?} {checks:?}");
    // One that GitHub has was only not fetched.
    ended.github.state().artifacts = 1;
    ended.assert_told("the run left no results, it ended with `success`").await;
}

#[tokio::test]
async fn a_change_that_leaves_out_what_it_would_be_compared_with_does_not_pass() {
    let mut ended = Ended::new().await;
    assert_eq!(ended.project.wanbench(&["run"]).status, 0);
    ended.project.edit("results.json", |results| results["tool"]["commit"] = HEAD.into());
    std::fs::rename(ended.project.path("results.json"), ended.project.path("artifact/results.json")).unwrap();
    let (_, said, comments, checks) = ended.post().await;
    assert!(comments[0].contains("measured beside no base revision, and no baseline has it"), "{comments:?}");
    assert!(comments[0].contains("check --suite tiny --base REV`"), "{comments:?}");
    assert!(checks.iter().all(|(_, conclusion)| conclusion == "action_required"), "{said} {checks:?}");
    // A run of the repository's own branches has nothing to leave out.
    ended.github = GitHub::start().await;
    ended.event["workflow_run"]["event"] = "push".into();
    ended.event["workflow_run"]["head_repository"] = json!({ "full_name": "octo/models" });
    let (status, said, _, checks) = ended.post().await;
    assert_eq!(status, 0, "{said}");
    assert!(checks.iter().all(|(_, conclusion)| conclusion == "success"), "{checks:?}");
}
