//! Nobody reads the token: in no error, no debug output, no log, and no other host.

use std::sync::{LazyLock, Mutex};

use log::{LevelFilter, Log, Metadata, Record};
use secrecy::SecretString;
use serde_json::json;
use wanbench::github::ApiError;
use wanbench::github::check_run::{self, CheckRun, Conclusion};
use wanbench::github::client::{Client, Settings};
use wiremock::ResponseTemplate;

use super::fake::{Acted, GitHub, TOKEN, limits, marker, place, repository, status};

/// Keeps every line that is logged by anything but the mock server, which sees the token by right.
struct Collector(Mutex<String>);

static LOG: LazyLock<Collector> = LazyLock::new(|| Collector(Mutex::new(String::new())));

impl Log for Collector {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        !metadata.target().starts_with("wiremock")
    }

    fn log(&self, record: &Record<'_>) {
        if self.enabled(record.metadata()) {
            *self.0.lock().unwrap() += &format!("{} {}\n", record.target(), record.args());
        }
    }

    fn flush(&self) {}
}

#[tokio::test]
async fn the_token_is_logged_at_no_level() {
    log::set_logger(&*LOG).unwrap();
    log::set_max_level(LevelFilter::Trace);
    let github = GitHub::start().await;
    github.fault("POST", Acted::Yes, status(502));
    place(&github.client(), &repository(), &marker()).post("text").await.unwrap();
    let check_run = CheckRun {
        name: "wanbench",
        head_sha: "0123",
        conclusion: Some(Conclusion::ActionRequired),
        title: "title",
        summary: "summary",
        details_url: None,
    };
    github.fault("POST", Acted::No, status(403));
    check_run::publish(&github.client(), &repository(), &marker(), &check_run).await.unwrap_err();

    let requests = github.server.received_requests().await.unwrap();
    let authorized = |request: &wiremock::Request| request.headers["authorization"] == format!("Bearer {TOKEN}");
    assert!(requests.iter().all(authorized));
    let log = LOG.0.lock().unwrap();
    assert!(log.contains("hyper"), "nothing of the client was logged: {log}");
    assert!(!log.contains(TOKEN), "{log}");
}

#[tokio::test]
async fn no_error_and_no_debug_output_has_the_token_even_if_the_server_sends_it_back() {
    let settings = Settings { api_url: None, token: Some(SecretString::from(TOKEN)), limits: limits() };
    assert!(!format!("{settings:?} {:?}", Client::new(settings.clone()).unwrap()).contains(TOKEN));
    for code in [200, 301, 400, 401, 403, 404, 410, 422, 429, 500] {
        let github = GitHub::start().await;
        let body = json!({ "message": format!("Bearer {TOKEN}\n::error::x"), "errors": [{ "message": TOKEN }] });
        for _ in 0..4 {
            github.fault("GET", Acted::No, ResponseTemplate::new(code).set_body_json(&body));
        }
        let error = github.client().get_all::<String>("/list").await.unwrap_err();
        let shown = format!("{error} {error:?}");
        assert!(!shown.contains(TOKEN) && !shown.contains('\n'), "{shown}");
    }
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let [github, other] = [GitHub::start().await, GitHub::start().await];
    let location = format!("{}/user", other.server.uri());
    github.fault("GET", Acted::No, status(307).insert_header("location", location.as_str()));
    let answered = github.client().get::<serde_json::Value>("/user").await;
    assert_eq!(answered, Err(ApiError::Moved { status: 307 }));
    assert_eq!(other.count("GET").await, 0);
}

#[tokio::test]
async fn settings_that_cannot_be_are_refused_without_showing_them() {
    let settings = |api_url: &str, token: &str| Settings {
        api_url: Some(api_url.to_owned()),
        token: Some(SecretString::from(token)),
        limits: limits(),
    };
    let refused = |api_url, token| Client::new(settings(api_url, token)).unwrap_err();
    assert_eq!(refused("https://me:password@github.example", TOKEN), ApiError::Address);
    assert_eq!(refused("github.example", TOKEN), ApiError::Address);
    assert_eq!(refused("https://github.example", "two\nlines"), ApiError::Token);
}

#[tokio::test]
async fn spaces_around_a_token_do_not_matter_and_an_empty_one_is_none() {
    for (token, sent) in [(format!(" {TOKEN}\n"), Some(format!("Bearer {TOKEN}"))), (String::new(), None)] {
        let github = GitHub::start().await;
        let token = Some(SecretString::from(token));
        let client = Client::new(Settings { api_url: Some(github.server.uri()), token, limits: limits() }).unwrap();
        client.get::<serde_json::Value>("/user").await.unwrap();
        let requests = github.server.received_requests().await.unwrap();
        let header = requests[0].headers.get("authorization").map(|value| value.to_str().unwrap().to_owned());
        assert_eq!(header, sent);
    }
}
