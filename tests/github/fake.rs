//! As much of GitHub as comments and check runs need, behind a mock server, with faults on demand.

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use secrecy::SecretString;
use serde_json::{Value, json};
use wanbench::github::client::{Client, Limits, Settings};
use wanbench::github::comment::Place;
use wanbench::github::{Marker, Repository};
use wiremock::matchers::any;
use wiremock::{Mock, MockServer, Request, ResponseTemplate};

/// What nobody may ever read.
pub const TOKEN: &str = "ghs_0123456789secret";

/// Who the token belongs to.
pub const AUTHOR: &str = "github-actions[bot]";

/// The pull request.
pub const PULL_REQUEST: u64 = 7;

pub fn repository() -> Repository {
    "octo/models".parse().unwrap()
}

pub fn marker() -> Marker {
    Marker::new("smoke")
}

/// Where the comment stands, and whose it is.
pub fn place<'a>(client: &'a Client, repository: &'a Repository, marker: &'a Marker) -> Place<'a> {
    Place { client, repository, pull_request: PULL_REQUEST, marker, author: AUTHOR }
}

/// A comment's text with the marker's line.
pub fn marked(text: &str) -> String {
    format!("{}\n{text}", marker().line())
}

/// Whether the server did what it was asked before it failed.
#[derive(Clone, Copy, PartialEq)]
pub enum Acted {
    Yes,
    No,
}

/// Comments and check runs of one repository.
pub struct GitHub {
    pub server: MockServer,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
pub struct State {
    pub comments: Vec<Value>,
    pub check_runs: Vec<Value>,
    /// Open pull requests.
    pub pull_requests: Vec<Value>,
    /// How many artifacts each run has.
    pub artifacts: u64,
    /// Comments of other jobs that appear just before the next one is made.
    pub other_jobs: Vec<String>,
    /// Who comments; [`AUTHOR`] if empty.
    pub login: String,
    /// The server that links to further pages name.
    pub link_host: String,
    base_path: String,
    last_id: u64,
    faults: Vec<(&'static str, Acted, ResponseTemplate)>,
}

impl GitHub {
    pub async fn start() -> Self {
        Self::start_at("").await
    }

    /// With everything below `base_path`.
    pub async fn start_at(base_path: &str) -> Self {
        let server = MockServer::start().await;
        let state = State { base_path: base_path.to_owned(), link_host: server.uri(), ..State::default() };
        let state = Arc::new(Mutex::new(state));
        let answering = Arc::clone(&state);
        let answer = move |request: &Request| answering.lock().unwrap().answer(request);
        Mock::given(any()).respond_with(answer).mount(&server).await;
        Self { server, state }
    }

    pub fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// The next request of `method` is answered by `answer`.
    pub fn fault(&self, method: &'static str, acted: Acted, answer: ResponseTemplate) {
        self.state().faults.push((method, acted, answer));
    }

    /// A client that waits as long as a busy machine needs.
    pub fn client(&self) -> Client {
        self.client_within(limits())
    }

    pub fn client_within(&self, limits: Limits) -> Client {
        let api_url = Some(format!("{}{}", self.server.uri(), self.state().base_path));
        Client::new(Settings { api_url, token: Some(SecretString::from(TOKEN)), limits }).unwrap()
    }

    /// How many requests of `method` came.
    pub async fn count(&self, method: &str) -> usize {
        let requests = self.server.received_requests().await.unwrap();
        requests.iter().filter(|request| request.method.as_str() == method).count()
    }

    /// The comments' texts in their order.
    pub fn texts(&self) -> Vec<String> {
        self.state().comments.iter().map(|comment| comment["body"].as_str().unwrap().to_owned()).collect()
    }
}

/// Long for requests, short between them.
pub fn limits() -> Limits {
    Limits { request: Duration::from_secs(20), total: Duration::from_secs(60), pause: Duration::from_millis(5) }
}

/// An answer without a useful body.
pub fn status(status: u16) -> ResponseTemplate {
    ResponseTemplate::new(status).set_body_json(json!({ "message": format!("status {status}") }))
}

/// An answer that comes after everyone has stopped waiting.
pub fn too_late() -> ResponseTemplate {
    status(201).set_delay(Duration::from_secs(600))
}

impl State {
    /// Adds a comment of `login`; `None` for a deleted account.
    pub fn add_comment(&mut self, login: Option<&str>, body: &str) -> Value {
        self.last_id += 1;
        let comment = json!({
            "id": self.last_id,
            "html_url": format!("https://github.example/comment/{}", self.last_id),
            "body": body,
            "user": login.map(|login| json!({ "login": login })),
        });
        self.comments.push(comment.clone());
        comment
    }

    fn answer(&mut self, request: &Request) -> ResponseTemplate {
        let fault = self.faults.iter().position(|(method, ..)| *method == request.method.as_str());
        match fault.map(|index| self.faults.remove(index)) {
            Some((_, Acted::No, answer)) => answer,
            Some((_, Acted::Yes, answer)) => {
                self.act(request);
                answer
            }
            None => self.act(request),
        }
    }

    fn act(&mut self, request: &Request) -> ResponseTemplate {
        let Some(path) = request.url.path().strip_prefix(&self.base_path) else { return status(404) };
        let path = path.to_owned();
        let parts: Vec<&str> = path.split('/').skip(1).collect();
        match (request.method.as_str(), &parts[..]) {
            ("GET", ["user"]) => json_answer(200, &json!({ "login": "octocat" })),
            ("GET", ["repos", "octo", "models", "issues", "7", "comments"]) => self.page(request),
            ("POST", ["repos", "octo", "models", "issues", "7", "comments"]) => self.comment(request),
            (method, ["repos", "octo", "models", "issues", "comments", id]) => {
                change(&mut self.comments, method, id, request)
            }
            ("GET", ["repos", "octo", "models", "commits", sha, "check-runs"]) => {
                let name = parameter(request, "check_name");
                let mut runs = self.check_runs.clone();
                runs.retain(|run| {
                    run["head_sha"] == *sha && name.as_ref().is_none_or(|name| run["name"] == name.as_str())
                });
                json_answer(200, &json!({ "total_count": runs.len(), "check_runs": runs }))
            }
            ("GET", ["repos", "octo", "models", "actions", "runs", _, "artifacts"]) => {
                json_answer(200, &json!({ "total_count": self.artifacts, "artifacts": [] }))
            }
            ("GET", ["repos", "octo", "models", "pulls"]) => {
                let head = parameter(request, "head").unwrap();
                let of_head = |change: &&Value| change["head"]["label"] == head.as_str();
                json_answer(200, &self.pull_requests.iter().filter(of_head).collect::<Vec<_>>())
            }
            ("GET", ["repos", "octo", "models", "pulls", number]) => {
                let of_number = |change: &&Value| change["number"].as_u64() == number.parse().ok();
                self.pull_requests.iter().find(of_number).map_or(status(404), |change| json_answer(200, change))
            }
            ("POST", ["repos", "octo", "models", "check-runs"]) => {
                self.last_id += 1;
                let mut run: Value = request.body_json().unwrap();
                run["id"] = self.last_id.into();
                run["html_url"] = format!("https://github.example/runs/{}", self.last_id).into();
                self.check_runs.push(run.clone());
                json_answer(201, &run)
            }
            (method, ["repos", "octo", "models", "check-runs", id]) => {
                change(&mut self.check_runs, method, id, request)
            }
            _ => status(404),
        }
    }

    fn comment(&mut self, request: &Request) -> ResponseTemplate {
        let login = if self.login.is_empty() { AUTHOR.to_owned() } else { self.login.clone() };
        for body in std::mem::take(&mut self.other_jobs) {
            self.add_comment(Some(&login), &body);
        }
        let body: Value = request.body_json().unwrap();
        let comment = self.add_comment(Some(&login), body["body"].as_str().unwrap());
        json_answer(201, &comment)
    }

    fn page(&self, request: &Request) -> ResponseTemplate {
        let number = |name| parameter(request, name).and_then(|value| value.parse::<usize>().ok()).unwrap_or(1);
        let (page, length) = (number("page"), number("per_page"));
        let comments: Vec<&Value> = self.comments.iter().skip((page - 1) * length).take(length).collect();
        let answer = json_answer(200, &comments);
        if page * length >= self.comments.len() {
            return answer;
        }
        let next = format!("{}/repositories/1/comments?per_page={length}&page={}", self.link_host, page + 1);
        answer.insert_header("link", format!("<{next}>; rel=\"next\"").as_str())
    }
}

fn change(entries: &mut Vec<Value>, method: &str, id: &str, request: &Request) -> ResponseTemplate {
    let Some(index) = entries.iter().position(|entry| entry["id"].as_u64() == id.parse().ok()) else {
        return status(404);
    };
    if method == "DELETE" {
        entries.remove(index);
        return ResponseTemplate::new(204);
    }
    assert_eq!(method, "PATCH");
    let fields: serde_json::Map<String, Value> = request.body_json().unwrap();
    entries[index].as_object_mut().unwrap().extend(fields);
    json_answer(200, &entries[index])
}

fn parameter(request: &Request, name: &str) -> Option<String> {
    request.url.query_pairs().find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
}

fn json_answer(status: u16, body: &impl serde::Serialize) -> ResponseTemplate {
    ResponseTemplate::new(status).set_body_json(body)
}
