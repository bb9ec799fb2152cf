//! The one check run on a commit.

use wanbench::github::check_run::{self, CheckRun, Conclusion, SUMMARY_LENGTH};
use wanbench::github::{ApiError, Marker};

use super::fake::{Acted, GitHub, marker, repository, status};

const SHA: &str = "0123456789012345678901234567890123456789";

fn check_run(summary: &str) -> CheckRun<'_> {
    let details_url = Some("https://github.example/octo/models/actions/runs/1");
    let title = "1 regression";
    CheckRun {
        name: "wanbench (a & b)",
        head_sha: SHA,
        conclusion: Some(Conclusion::Failure),
        title,
        summary,
        details_url,
    }
}

async fn publish(github: &GitHub, marker: &Marker, check_run: &CheckRun<'_>) -> Result<Option<String>, ApiError> {
    check_run::publish(&github.client(), &repository(), marker, check_run).await
}

fn url(id: u64) -> Option<String> {
    Some(format!("https://github.example/runs/{id}"))
}

#[tokio::test]
async fn a_check_run_is_created_then_updated_in_place() {
    let github = GitHub::start().await;
    assert_eq!(publish(&github, &marker(), &check_run("first")).await, Ok(url(1)));
    let passed = CheckRun { conclusion: Some(Conclusion::Success), ..check_run("second") };
    assert_eq!(publish(&github, &marker(), &passed).await, Ok(url(1)));
    assert_eq!((github.count("POST").await, github.count("PATCH").await), (1, 1));

    let run = github.state().check_runs[0].clone();
    assert_eq!(run["head_sha"], SHA);
    assert_eq!(run["external_id"], "wanbench:smoke");
    assert_eq!((run["status"].as_str(), run["conclusion"].as_str()), (Some("completed"), Some("success")));
    assert_eq!(
        (run["output"]["title"].as_str(), run["output"]["summary"].as_str()),
        (Some("1 regression"), Some("second"))
    );
}

#[tokio::test]
async fn another_configurations_check_run_is_another() {
    let github = GitHub::start().await;
    assert_eq!(publish(&github, &Marker::new("full"), &check_run("full")).await, Ok(url(1)));
    assert_eq!(publish(&github, &marker(), &check_run("smoke")).await, Ok(url(2)));
    assert_eq!((github.count("POST").await, github.count("PATCH").await), (2, 0));
}

#[tokio::test]
async fn a_check_run_is_not_made_twice_by_a_bad_gateway() {
    for (acted, posts, patches) in [(Acted::Yes, 1, 1), (Acted::No, 2, 0)] {
        let github = GitHub::start().await;
        github.fault("POST", acted, status(502));
        assert_eq!(publish(&github, &marker(), &check_run("text")).await, Ok(url(1)));
        assert_eq!((github.count("POST").await, github.count("PATCH").await), (posts, patches));
        assert_eq!(github.state().check_runs.len(), 1);
    }
}

#[tokio::test]
async fn a_token_without_the_permission_is_told_which() {
    let github = GitHub::start().await;
    github.fault("POST", Acted::No, status(403));
    let error = publish(&github, &marker(), &check_run("text")).await.unwrap_err();
    assert_eq!(error, ApiError::Forbidden { message: "status 403".to_owned() });
    assert!(error.to_string().contains("`checks: write`"), "{error}");
    assert_eq!(github.count("POST").await, 1);
}

#[tokio::test]
async fn a_long_summary_loses_its_last_lines() {
    let github = GitHub::start().await;
    let line = "ü".repeat(99);
    publish(&github, &marker(), &check_run(&[line.as_str(); 1000].join("\n"))).await.unwrap();
    let run = github.state().check_runs[0].clone();
    let summary = run["output"]["summary"].as_str().unwrap();
    assert!(summary.lines().all(|kept| kept == line));
    assert!((SUMMARY_LENGTH - 100..=SUMMARY_LENGTH).contains(&summary.chars().count()));
}

/// A branch rule lets `neutral` and `skipped` pass, so neither stands for a run that was not judged.
#[test]
fn only_a_pass_is_a_conclusion_that_a_branch_rule_lets_pass() {
    use wanbench::gate::Standing;
    for (standing, conclusion) in
        [(Standing::Passed, "success"), (Standing::NotJudged, "action_required"), (Standing::Failed, "failure")]
    {
        assert_eq!(serde_json::to_value(Conclusion::from(standing)).unwrap(), conclusion);
    }
}

async fn overall(github: &GitHub, expected: usize) -> (String, String) {
    check_run::publish_overall(&github.client(), &repository(), SHA, expected, None).await.unwrap();
    let runs = github.state().check_runs.clone();
    let overall: Vec<_> = runs.iter().filter(|run| run["external_id"] == "wanbench").collect();
    assert_eq!((overall.len(), &overall[0]["name"]), (1, &serde_json::json!("wanbench")));
    let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
    (text(&overall[0]["status"]) + " " + &text(&overall[0]["conclusion"]), text(&overall[0]["output"]["title"]))
}

#[tokio::test]
async fn one_check_is_the_worst_of_all_once_all_are_there() {
    let github = GitHub::start().await;
    let passed = |name| CheckRun { name, conclusion: Some(Conclusion::Success), title: "Passed", ..check_run("text") };
    publish(&github, &Marker::new("one"), &passed("wanbench (one)")).await.unwrap();
    assert_eq!(overall(&github, 2).await, ("in_progress ".to_owned(), "1 of 2 results are there".to_owned()));
    publish(&github, &Marker::new("two"), &passed("wanbench (two)")).await.unwrap();
    assert_eq!(overall(&github, 2).await.0, "completed success");
    let unjudged = CheckRun { conclusion: Some(Conclusion::ActionRequired), ..passed("wanbench (two)") };
    publish(&github, &Marker::new("two"), &unjudged).await.unwrap();
    assert_eq!(overall(&github, 2).await.0, "completed action_required");
    let failed = CheckRun { name: "wanbench (one)", title: "Gate failed", ..check_run("text") };
    publish(&github, &Marker::new("one"), &failed).await.unwrap();
    // A failure is told at once, whatever is still to come.
    for expected in [2, 3] {
        assert_eq!(overall(&github, expected).await, ("completed failure".to_owned(), "Gate failed".to_owned()));
    }
    let runs = github.state().check_runs.clone();
    let overall = runs.iter().find(|run| run["external_id"] == "wanbench").unwrap();
    assert_eq!(overall["output"]["summary"], "- wanbench (one): Gate failed\n- wanbench (two): Passed\n");
}

#[tokio::test]
async fn what_another_program_reports_is_none_of_ours() {
    let github = GitHub::start().await;
    let foreign =
        serde_json::json!({"id": 90, "name": "lint", "head_sha": SHA, "external_id": "7", "conclusion": "failure"});
    github.state().check_runs.push(foreign);
    publish(&github, &marker(), &CheckRun { conclusion: Some(Conclusion::Success), ..check_run("text") })
        .await
        .unwrap();
    assert_eq!(overall(&github, 1).await.0, "completed success");
}
