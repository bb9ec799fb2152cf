//! The one comment on a pull request.

use std::time::Duration;

use serde_json::json;
use wanbench::github::ApiError;
use wanbench::github::client::{Client, Limits};
use wanbench::github::comment::{self, Posted};
use wiremock::ResponseTemplate;

use super::fake::{AUTHOR, Acted, GitHub, limits, marked, marker, place, repository, status, too_late};

async fn post(github: &GitHub, text: &str) -> Result<Posted, ApiError> {
    post_by(&github.client(), text).await
}

async fn post_by(client: &Client, text: &str) -> Result<Posted, ApiError> {
    place(client, &repository(), &marker()).post(text).await
}

fn url(id: u64) -> String {
    format!("https://github.example/comment/{id}")
}

#[tokio::test]
async fn a_comment_is_created_then_updated_in_place_then_left() {
    let github = GitHub::start().await;
    github.state().add_comment(Some("octocat"), "hello");
    assert_eq!(post(&github, "first").await, Ok(Posted::Created { url: url(2) }));
    assert_eq!(post(&github, "second").await, Ok(Posted::Updated { url: url(2) }));
    assert_eq!(post(&github, &marked("second")).await, Ok(Posted::Unchanged { url: url(2) }));
    assert_eq!(github.texts(), ["hello".to_owned(), marked("second")]);
    assert_eq!((github.count("POST").await, github.count("PATCH").await), (1, 1));
}

#[tokio::test]
async fn the_marker_is_found_on_page_three_and_case_of_the_login_does_not_matter() {
    let github = GitHub::start().await;
    for number in 0..230 {
        github.state().add_comment(Some("octocat"), &format!("comment {number}"));
    }
    github.state().add_comment(Some("GitHub-Actions[bot]"), &marked("old"));
    assert_eq!(post(&github, "new").await, Ok(Posted::Updated { url: url(231) }));
    assert_eq!((github.count("GET").await, github.count("POST").await), (3, 0));
}

#[tokio::test]
async fn pages_are_never_asked_of_another_host() {
    let [github, other] = [GitHub::start().await, GitHub::start().await];
    github.state().link_host = other.server.uri();
    for _ in 0..100 {
        github.state().add_comment(Some("octocat"), "hello");
    }
    github.state().add_comment(Some(AUTHOR), &marked("old"));
    assert_eq!(post(&github, "new").await, Ok(Posted::Updated { url: url(101) }));
    assert_eq!((github.count("GET").await, other.count("GET").await), (2, 0));
}

#[tokio::test]
async fn comments_of_others_are_never_touched() {
    let github = GitHub::start().await;
    let others = [
        (Some("octocat"), marked("copied by another user")),
        (None, marked("by a deleted account")),
        (Some(AUTHOR), format!("> {}", marked("quoted by the same bot"))),
        (Some(AUTHOR), "<!-- wanbench:other -->\nanother configuration's".to_owned()),
    ];
    for (login, text) in &others {
        github.state().add_comment(*login, text);
    }
    assert_eq!(post(&github, "ours").await, Ok(Posted::Created { url: url(5) }));
    assert_eq!(github.texts()[..4], others.map(|(_, text)| text));
    assert_eq!((github.count("PATCH").await, github.count("DELETE").await), (0, 0));
}

#[tokio::test]
async fn a_refusal_is_told_with_its_way_out_and_nothing_is_sent_again() {
    for (code, told) in [
        (401, "GITHUB_TOKEN"),
        (403, "workflow_run"),
        (404, "--pull-request"),
        (410, "deleted"),
        (422, "too long"),
        (400, "--api-url"),
        (301, "--repository"),
    ] {
        let github = GitHub::start().await;
        let body = json!({
            "message": "Resource not accessible by integration",
            "errors": [{ "resource": "IssueComment", "message": "body is too long" }],
        });
        github.fault("POST", Acted::No, ResponseTemplate::new(code).set_body_json(body));
        let error = post(&github, "text").await.unwrap_err().to_string();
        assert!(error.contains(told) && error.contains(&code.to_string()) && !error.contains('\n'), "{error}");
        assert_eq!((github.count("POST").await, github.texts().len()), (1, 0), "{code}");
    }
}

#[tokio::test]
async fn what_was_accepted_in_spite_of_a_bad_gateway_is_not_posted_again() {
    let github = GitHub::start().await;
    github.fault("POST", Acted::Yes, status(502));
    assert_eq!(post(&github, "text").await, Ok(Posted::Created { url: url(1) }));
    assert_eq!((github.count("POST").await, github.texts()), (1, vec![marked("text")]));
}

#[tokio::test]
async fn what_was_lost_with_a_bad_gateway_is_posted_once_more() {
    let github = GitHub::start().await;
    github.fault("POST", Acted::No, status(502));
    assert_eq!(post(&github, "text").await, Ok(Posted::Created { url: url(1) }));
    assert_eq!((github.count("POST").await, github.texts()), (2, vec![marked("text")]));
}

#[tokio::test]
async fn there_is_no_third_post() {
    for acted in [Acted::No, Acted::Yes] {
        let github = GitHub::start().await;
        github.fault("POST", Acted::No, status(502));
        github.fault("POST", acted, status(503));
        let posted = post(&github, "text").await;
        match acted {
            Acted::No => assert_eq!(posted, Err(ApiError::Server { status: 503 })),
            Acted::Yes => assert_eq!(posted, Ok(Posted::Created { url: url(1) })),
        }
        assert_eq!(github.count("POST").await, 2);
    }
}

#[tokio::test]
async fn without_a_second_look_there_is_no_second_post() {
    let github = GitHub::start().await;
    github.fault("GET", Acted::Yes, ResponseTemplate::new(200).set_body_json(json!([])));
    github.fault("POST", Acted::No, status(502));
    for _ in 0..4 {
        github.fault("GET", Acted::No, status(502));
    }
    assert_eq!(post(&github, "text").await, Err(ApiError::Server { status: 502 }));
    assert_eq!((github.count("POST").await, github.count("GET").await), (1, 5));
}

#[tokio::test]
async fn what_was_accepted_before_a_time_out_is_not_posted_again() {
    let github = GitHub::start().await;
    github.fault("POST", Acted::Yes, too_late());
    let client = github.client_within(Limits { request: Duration::from_secs(3), ..limits() });
    assert_eq!(post_by(&client, "text").await, Ok(Posted::Created { url: url(1) }));
    assert_eq!((github.count("POST").await, github.texts()), (1, vec![marked("text")]));
}

#[tokio::test]
async fn an_answer_that_is_none_of_githubs_leads_to_a_second_look_too() {
    let github = GitHub::start().await;
    github.fault("POST", Acted::Yes, ResponseTemplate::new(201).set_body_string("<html>"));
    assert_eq!(post(&github, "text").await, Ok(Posted::Created { url: url(1) }));
    assert_eq!(github.count("POST").await, 1);
}

#[tokio::test]
async fn an_update_is_repeated_after_a_bad_gateway() {
    let github = GitHub::start().await;
    github.state().add_comment(Some(AUTHOR), &marked("old"));
    github.fault("PATCH", Acted::No, status(502));
    assert_eq!(post(&github, "new").await, Ok(Posted::Updated { url: url(1) }));
    assert_eq!((github.count("POST").await, github.count("PATCH").await), (0, 2));
}

#[tokio::test]
async fn a_job_that_comes_second_gives_way_to_the_older_comment() {
    let github = GitHub::start().await;
    github.state().other_jobs.push(marked("theirs"));
    assert_eq!(post(&github, "ours").await, Ok(Posted::Updated { url: url(1) }));
    assert_eq!(github.texts(), [marked("ours")]);
    assert_eq!((github.count("POST").await, github.count("DELETE").await), (1, 1));
}

#[tokio::test]
async fn a_job_that_comes_second_gives_way_after_a_bad_gateway_too() {
    let github = GitHub::start().await;
    github.state().other_jobs.push(marked("theirs"));
    github.fault("POST", Acted::Yes, status(502));
    github.fault("DELETE", Acted::Yes, status(502));
    assert_eq!(post(&github, "ours").await, Ok(Posted::Updated { url: url(1) }));
    assert_eq!(github.texts(), [marked("ours")]);
    assert_eq!((github.count("POST").await, github.count("DELETE").await), (1, 2));
}

#[tokio::test]
async fn two_jobs_at_once_leave_one_comment() {
    let github = GitHub::start().await;
    let [first, second] = [github.client(), github.client()];
    let (first, second) = tokio::join!(post_by(&first, "one"), post_by(&second, "two"));
    assert!(first.is_ok() && second.is_ok(), "{first:?} {second:?}");
    assert_eq!(github.texts().len(), 1);
}

#[tokio::test]
async fn a_wrong_idea_of_the_author_ends_with_one_comment_all_the_same() {
    let github = GitHub::start().await;
    github.state().login = "models-app[bot]".to_owned();
    github.state().add_comment(Some("models-app[bot]"), &marked("old"));
    assert_eq!(post(&github, "new").await, Ok(Posted::Updated { url: url(1) }));
    assert_eq!(github.texts(), [marked("new")]);
}

#[tokio::test]
async fn a_comment_is_posted_whatever_becomes_of_the_look_after_it() {
    let github = GitHub::start().await;
    github.fault("GET", Acted::No, ResponseTemplate::new(200).set_body_json(json!([])));
    github.fault("GET", Acted::No, status(403));
    assert_eq!(post(&github, "text").await, Ok(Posted::Created { url: url(1) }));
}

#[tokio::test]
async fn an_actions_token_is_the_actions_bots() {
    let github = GitHub::start().await;
    assert_eq!(comment::author(&github.client()).await, Ok("octocat".to_owned()));
    github.fault("GET", Acted::No, status(403));
    assert_eq!(comment::author(&github.client()).await, Ok(AUTHOR.to_owned()));
    // Posting as who one is not would be posting twice.
    github.fault("GET", Acted::No, status(401));
    assert_eq!(comment::author(&github.client()).await, Err(ApiError::Unauthorized));
}

#[tokio::test]
async fn an_enterprise_server_has_its_api_below_a_path() {
    let github = GitHub::start_at("/api/v3").await;
    for _ in 0..100 {
        github.state().add_comment(Some("octocat"), "hello");
    }
    assert_eq!(post(&github, "first").await, Ok(Posted::Created { url: url(101) }));
    assert_eq!(post(&github, "second").await, Ok(Posted::Updated { url: url(101) }));
    assert_eq!((github.count("POST").await, github.count("PATCH").await), (1, 1));
}

#[tokio::test]
async fn comments_on_an_older_commit_are_marked_once() {
    let github = GitHub::start().await;
    let (old, new) = ("a".repeat(40), "b".repeat(40));
    let about =
        |id: &str, commit: &str| format!("<!-- wanbench:{id} -->\n**Gate passed** at `{}`: text", &commit[..12]);
    let texts = [about("smoke", &old), about("full", &old), about("other", &new), about("full", &old)];
    for (text, login) in texts.iter().zip([AUTHOR, AUTHOR, AUTHOR, "octocat"]) {
        github.state().add_comment(Some(login), text);
    }
    for _ in 0..2 {
        let marked = place(&github.client(), &repository(), &marker()).mark_older(&new, None).await;
        assert_eq!(marked, Ok(()));
    }
    let marked = texts[1].replace(" -->\n", " -->\n**Of an older commit**: the newest one has no such result yet.\n\n");
    assert_eq!(github.texts(), [texts[0].clone(), marked, texts[2].clone(), texts[3].clone()]);
    assert_eq!(github.count("PATCH").await, 1);
}
