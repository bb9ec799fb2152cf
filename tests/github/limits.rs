//! How long is waited, and how often is asked.

use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value;
use wanbench::github::ApiError;
use wanbench::github::client::{Client, Limits, Settings};
use wanbench::github::comment::Posted;
use wiremock::ResponseTemplate;

use super::fake::{Acted, GitHub, limits, marker, place, repository, status, too_late};

async fn post(github: &GitHub) -> Result<Posted, ApiError> {
    place(&github.client(), &repository(), &marker()).post("text").await
}

async fn get(client: &Client) -> Result<Value, ApiError> {
    client.get("/user").await
}

/// The answer of a used up limit that is there again in `seconds`.
fn limited_until(seconds: i64) -> ResponseTemplate {
    let reset = (Timestamp::now().as_second() + seconds).to_string();
    status(403).insert_header("x-ratelimit-remaining", "0").insert_header("x-ratelimit-reset", reset.as_str())
}

#[tokio::test]
async fn a_read_is_repeated_after_a_bad_gateway() {
    let github = GitHub::start().await;
    github.fault("GET", Acted::No, status(502));
    github.fault("GET", Acted::No, status(500));
    assert_eq!(get(&github.client()).await.unwrap()["login"], "octocat");
    assert_eq!(github.count("GET").await, 3);
}

#[tokio::test]
async fn a_read_is_not_repeated_for_ever() {
    let github = GitHub::start().await;
    for _ in 0..10 {
        github.fault("GET", Acted::No, status(503));
    }
    assert_eq!(get(&github.client()).await, Err(ApiError::Server { status: 503 }));
    assert_eq!(github.count("GET").await, 4);
}

#[tokio::test]
async fn a_read_without_an_answer_ends_at_the_deadline() {
    let github = GitHub::start().await;
    github.fault("GET", Acted::No, too_late());
    let client = github.client_within(Limits { total: Duration::from_millis(500), ..limits() });
    assert_eq!(get(&client).await, Err(ApiError::TimedOut));
}

#[tokio::test]
async fn a_short_rate_limit_is_waited_for() {
    for limit in [status(429).insert_header("retry-after", "1"), limited_until(1)] {
        let github = GitHub::start().await;
        github.fault("POST", Acted::No, limit);
        assert!(matches!(post(&github).await, Ok(Posted::Created { .. })));
        // Nothing was made by the first: nobody looks before the second, and once after it.
        assert_eq!((github.count("POST").await, github.count("GET").await), (2, 2));
    }
}

#[tokio::test]
async fn a_long_rate_limit_is_told_at_once() {
    let github = GitHub::start().await;
    github.fault("POST", Acted::No, status(403).insert_header("retry-after", "3600"));
    assert_eq!(post(&github).await, Err(ApiError::RateLimited { seconds: 3600 }));
    assert_eq!(github.count("POST").await, 1);

    github.fault("GET", Acted::No, limited_until(3600));
    let error = post(&github).await.unwrap_err();
    assert!(matches!(error, ApiError::RateLimited { seconds: 3000..=3601 }), "{error}");

    // GitHub's own advice where it names no time is a minute.
    github.fault("GET", Acted::No, status(429));
    assert_eq!(post(&github).await, Err(ApiError::RateLimited { seconds: 60 }));
    assert_eq!((github.count("POST").await, github.count("GET").await), (1, 3));
}

#[tokio::test]
async fn a_server_that_is_not_there_is_told() {
    // A port that was free a moment ago.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let api_url = Some(format!("http://127.0.0.1:{port}"));
    let client = Client::new(Settings { api_url, token: None, limits: limits() }).unwrap();
    let error = get(&client).await.unwrap_err();
    assert!(matches!(&error, ApiError::Unreachable { reason } if reason.contains("refused")), "{error}");
}

#[tokio::test]
async fn a_list_that_leads_back_to_its_beginning_ends() {
    let github = GitHub::start().await;
    let link = format!("<{}/user?page=2>; rel=\"next\"", github.server.uri());
    for _ in 0..3 {
        let page = ResponseTemplate::new(200).set_body_json([1]).insert_header("link", link.as_str());
        github.fault("GET", Acted::No, page);
    }
    assert_eq!(github.client().get_all::<u64>("/list").await, Ok(vec![1, 1]));
    assert_eq!(github.count("GET").await, 2);
}
