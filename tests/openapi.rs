//! Whether GitHub would understand wanbench: every request held against GitHub's own description of its REST API.
//!
//! `native/npm/openapi-mock` serves that description with Prism, which refuses what the description does not allow. It
//! also remembers comments and check runs, so that the second call finds what the first one posted. wanbench is told
//! nothing of this but an address; the mock says which requests came and what was wrong about them.
//!
//! The description says nothing about a token or a user agent, which GitHub asks for all the same: they are looked at here.

mod support;

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

use regex::Regex;
use serde::Deserialize;
use serde_json::{Value, json};
use support::{Project, worker};

/// These three belong together in the description's example of a pull request.
const REPOSITORY: &str = "octocat/Hello-World";
const PULL_REQUEST: u64 = 1347;
const HEAD_SHA: &str = "6dcb09b5b57875f334f61aebed695e2e4193db5e";

const TOKEN: &str = "ghs_onlyForThisTest";

#[test]
#[ignore = "needs GitHub's description of its API: make test-github"]
fn every_request_of_a_comment_and_a_check_run_is_valid() {
    let mock = Mock::start();
    let project = project();
    comment(&project, &mock, "failed");
    project.write("fast.sh", &worker(0.1, 1000));
    measure(&project);
    comment(&project, &mock, "passed");

    let requests = mock.finish();
    let comments = format!("/repos/{REPOSITORY}/issues/{PULL_REQUEST}/comments");
    let list = "per_page=100&page=1";
    let name = "wanbench%20%28tiny%29";
    let check_runs =
        format!("/repos/{REPOSITORY}/commits/{HEAD_SHA}/check-runs?check_name={name}&filter=all&per_page=100");
    let all = format!("GET /repos/{REPOSITORY}/commits/{HEAD_SHA}/check-runs?filter=latest&{list}");
    let overall =
        format!("GET /repos/{REPOSITORY}/commits/{HEAD_SHA}/check-runs?check_name=wanbench&filter=all&per_page=100");
    let expected = [
        "GET /user".to_owned(),
        format!("GET {comments}?{list}"),
        format!("POST {comments}"),
        format!("GET {comments}?{list}"),
        // Comments on older commits.
        format!("GET {comments}?{list}"),
        format!("GET {check_runs}"),
        format!("POST /repos/{REPOSITORY}/check-runs"),
        all.clone(),
        overall.clone(),
        format!("POST /repos/{REPOSITORY}/check-runs"),
        all.clone(),
        // The second call finds what the first one made.
        "GET /user".to_owned(),
        format!("GET {comments}?{list}"),
        format!("PATCH /repos/{REPOSITORY}/issues/comments/1"),
        format!("GET {comments}?{list}"),
        format!("GET {check_runs}"),
        format!("PATCH /repos/{REPOSITORY}/check-runs/1"),
        all.clone(),
        overall,
        format!("PATCH /repos/{REPOSITORY}/check-runs/2"),
        all,
    ];
    assert_valid(&requests, &expected);
}

#[test]
#[ignore = "needs GitHub's description of its API: make test-github"]
fn the_requests_about_an_untrusted_artifacts_pull_request_are_valid() {
    let mock = Mock::start();
    let project = project();
    project.edit("results.json", |results| results["tool"]["commit"] = HEAD_SHA.into());
    std::fs::create_dir(project.path("artifact")).unwrap();
    std::fs::rename(project.path("results.json"), project.path("artifact/results.json")).unwrap();
    project.write("artifact/pull-request", &PULL_REQUEST.to_string());
    let repository = json!({"full_name": REPOSITORY});
    let run = json!({
        "id": 7, "event": "pull_request", "head_sha": HEAD_SHA, "head_branch": "topic",
        "head_repository": repository, "repository": repository,
    });
    project.write("event.json", &json!({"workflow_run": run}).to_string());
    let arguments = ["validate-artifact", "artifact", "--event", "event.json"];
    let stdout = succeeds(&project, &mock, &arguments);
    assert!(stdout.contains(&format!("pull_request={PULL_REQUEST}")), "{stdout}");
    assert!(stdout.contains(&format!("head_sha={HEAD_SHA}")), "{stdout}");
    // Where the artifact names none, it is found by its branch: the description's example again.
    std::fs::remove_file(project.path("artifact/pull-request")).unwrap();
    let stdout = succeeds(&project, &mock, &arguments);
    assert!(stdout.contains(&format!("pull_request={PULL_REQUEST}")), "{stdout}");
    let listed = format!("GET /repos/{REPOSITORY}/pulls?state=open&head=octocat:topic&per_page=100&page=1");
    assert_valid(&mock.finish(), &[format!("GET /repos/{REPOSITORY}/pulls/{PULL_REQUEST}"), listed]);
}

#[test]
#[ignore = "needs GitHub's description of its API: make test-github"]
fn the_requests_that_tell_missing_results_and_withdraw_that_are_valid() {
    let mock = Mock::start();
    let project = project();
    let comment = |results: &str| {
        let mut command = project.command(&["comment", "--results", results, "--event", "event.json", "--check-run"]);
        command.args(["--repository", REPOSITORY, "--api-url", &mock.url, "--token", TOKEN]);
        command.output().unwrap().status.code().unwrap()
    };
    assert_eq!([comment("none.json"), comment("results.json")], [2, 0]);
    // The description's example of a run has artifacts: one that is not here was not fetched.
    std::fs::create_dir(project.path("artifact")).unwrap();
    let repository = json!({"full_name": REPOSITORY});
    let run = json!({
        "id": 7, "event": "pull_request", "head_sha": HEAD_SHA, "head_branch": "topic", "conclusion": "success",
        "head_repository": repository, "repository": repository,
    });
    project.write("event.json", &json!({"workflow_run": run}).to_string());
    let mut command =
        project.command(&["comment", "--artifact-folder", "artifact", "--event", "event.json", "--dry-run"]);
    command.args(["--repository", REPOSITORY, "--api-url", &mock.url, "--token", TOKEN]);
    assert_eq!(command.output().unwrap().status.code(), Some(3));

    let requests = mock.finish();
    let asked: Vec<String> = requests.iter().map(Request::what).collect();
    assert!(requests.iter().all(|request| request.status < 400 && request.problem.is_null()), "{requests:#?}");
    for expected in [
        format!("DELETE /repos/{REPOSITORY}/issues/comments/1"),
        format!("PATCH /repos/{REPOSITORY}/check-runs/1"),
        format!("GET /repos/{REPOSITORY}/actions/runs/7/artifacts?name=wanbench%2Dresults"),
    ] {
        assert!(asked.contains(&expected), "{expected}: {asked:#?}");
    }
}

#[test]
#[ignore = "needs GitHub's description of its API: make test-github"]
fn what_the_workflows_ask_by_gh_is_in_the_description_with_what_they_take_of_the_answer() {
    let asked = Regex::new(r#"gh api "([^"]+)"(?:\s*\\?\s*)--jq '?([^')\n]+)"#).unwrap();
    let folders = [".github/workflows", "src/commands/init"];
    let files = folders.iter().flat_map(|folder| std::fs::read_dir(folder).unwrap()).map(|file| file.unwrap().path());
    let workflows: Vec<PathBuf> = files.filter(|path| path.extension().is_some_and(|it| it == "yml")).collect();
    let mut requests: BTreeMap<String, String> = BTreeMap::new();
    for path in &workflows {
        let text = std::fs::read_to_string(path).unwrap();
        assert_eq!(text.matches("gh api").count(), asked.find_iter(&text).count(), "{}", path.display());
        for found in asked.captures_iter(&text) {
            let route = found[1].replace("$GITHUB_REPOSITORY", REPOSITORY).replace("$RUN_ID", "7");
            requests.insert(route.replace("$SENDER", "octocat"), found[2].to_owned());
        }
    }
    assert_eq!(requests.len(), 2, "{requests:?}");
    let keys = Regex::new(r"\.(\w+)").unwrap();
    let mock = Mock::start();
    for (route, taken) in &requests {
        let answer = mock.send("GET", &format!("/{route}"), &Value::Null);
        for key in keys.captures_iter(taken) {
            assert!(answer.contains(&format!("\"{}\":", &key[1])), "{route} has no {}: {answer}", &key[1]);
        }
    }
    assert!(mock.finish().iter().all(|request| request.status == 200));
}

/// Without this, a mock that takes everything would pass for a proof.
#[test]
#[ignore = "needs GitHub's description of its API: make test-github"]
fn requests_that_are_not_in_the_description_are_refused() {
    let mock = Mock::start();
    let comments = format!("/repos/{REPOSITORY}/issues/{PULL_REQUEST}/comments");
    let check_runs = format!("/repos/{REPOSITORY}/check-runs");
    let check_run = |conclusion: &str, output: Value| json!({"name": "a", "head_sha": HEAD_SHA, "status": "completed", "conclusion": conclusion, "output": output});
    let output = json!({"title": "a", "summary": "b"});
    mock.send("POST", &comments, &json!({"body": "valid"}));
    mock.send("POST", &comments, &json!({"text": "no body"}));
    mock.send("POST", &comments, &json!({"body": 7}));
    mock.send("POST", &format!("/repos/{REPOSITORY}/issues/comments/1"), &json!({"body": "POST where PATCH is meant"}));
    mock.send("PATCH", &format!("/repos/{REPOSITORY}/issues/comments/2"), &json!({"body": "there is none"}));
    mock.send("POST", &check_runs, &check_run("success", output.clone()));
    mock.send("POST", &check_runs, &check_run("passed", output));
    mock.send("POST", &check_runs, &check_run("success", json!({"title": "no summary"})));
    mock.send("GET", &format!("/repos/{REPOSITORY}/commits/{HEAD_SHA}/check-runs?filter=every"), &Value::Null);
    mock.send("GET", "/repositories/none/such", &Value::Null);
    let statuses: Vec<u16> = mock.finish().iter().map(|request| request.status).collect();
    assert_eq!(statuses, [201, 422, 422, 405, 404, 201, 422, 422, 422, 404]);
}

/// A project whose results tell a regression of its model bytes.
fn project() -> Project {
    let project = Project::new(&[("slow", &worker(0.2, 4000)), ("fast", &worker(0.1, 1000))]);
    measure(&project);
    let ran = project.wanbench(&["baseline", "update", "--from", "results.json", "--yes"]);
    assert_eq!(ran.status, 0, "{}{}", ran.stdout, ran.stderr);
    project.write("fast.sh", &worker(0.1, 1500));
    measure(&project);
    let event = json!({"pull_request": {
        "number": PULL_REQUEST, "state": "open",
        "head": {"sha": HEAD_SHA, "repo": {"full_name": REPOSITORY}},
        "base": {"repo": {"full_name": REPOSITORY}},
    }});
    project.write("event.json", &event.to_string());
    project
}

fn measure(project: &Project) {
    let ran = project.wanbench(&["run"]);
    assert_eq!(ran.status, 0, "{}{}", ran.stdout, ran.stderr);
    project.pretend_release_build();
}

fn comment(project: &Project, mock: &Mock, verdict: &str) {
    let arguments = ["comment", "--results", "results.json", "--event", "event.json", "--check-run", "--id", "tiny"];
    succeeds(project, mock, &[&arguments[..], &["--output", "output"]].concat());
    let output = std::fs::read_to_string(project.path("output")).unwrap();
    assert!(output.lines().any(|line| line == format!("verdict={verdict}")), "{output}");
    std::fs::remove_file(project.path("output")).unwrap();
}

/// Standard output of wanbench with the mock for GitHub.
fn succeeds(project: &Project, mock: &Mock, arguments: &[&str]) -> String {
    let mut command = project.command(arguments);
    command.args(["--repository", REPOSITORY, "--api-url", &mock.url, "--token", TOKEN]);
    let ran = command.output().unwrap();
    let [stdout, stderr] = [ran.stdout, ran.stderr].map(|text| String::from_utf8(text).unwrap());
    assert!(ran.status.success(), "{arguments:?}: {stdout}{stderr}");
    stdout
}

/// That `requests` are `expected`, METHOD and path with its query, of which Prism lets unknown parts pass; and that nothing
/// was wrong about them.
fn assert_valid(requests: &[Request], expected: &[String]) {
    let is_refused = |request: &&Request| request.status >= 400 || !request.problem.is_null();
    let problems: Vec<&Request> = requests.iter().filter(is_refused).collect();
    assert!(problems.is_empty(), "{problems:#?}");
    let asked: Vec<String> = requests.iter().map(Request::what).collect();
    assert_eq!(asked, expected);
    for request in requests {
        assert_eq!(request.headers["authorization"], format!("Bearer {TOKEN}"), "{}", request.what());
        assert!(request.headers["user-agent"].is_string(), "{}", request.what());
    }
}

/// The running mock. It ends with its standard input, which is closed when this is dropped or this process ends.
struct Mock {
    process: Child,
    input: Option<ChildStdin>,
    output: Receiver<String>,
    url: String,
}

/// What the mock says of a request.
#[derive(Debug, Deserialize)]
struct Request {
    method: String,
    path: String,
    headers: Value,
    status: u16,
    problem: Value,
}

impl Request {
    fn what(&self) -> String {
        format!("{} {}", self.method, self.path)
    }
}

impl Mock {
    /// Ready for requests once this returns: the mock reads 13 MB of description first.
    fn start() -> Self {
        let program = std::env::var_os("WANBENCH_OPENAPI_MOCK").expect("run `make test-github`, which names the mock");
        let mut process = Command::new(program).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let (sender, output) = channel();
        let lines = BufReader::new(process.stdout.take().unwrap()).lines();
        thread::spawn(move || lines.map_while(Result::ok).try_for_each(|line| sender.send(line)));
        let input = process.stdin.take();
        let mut mock = Self { process, input, output, url: String::new() };
        let ready = mock.output.recv_timeout(Duration::from_secs(120)).expect("the mock says its address");
        let ready: Value = serde_json::from_str(&ready).unwrap();
        mock.url = ready["url"].as_str().unwrap().to_owned();
        mock
    }

    /// A request as wanbench would not send it, and its answer awaited.
    fn send(&self, method: &str, path: &str, body: &Value) -> String {
        let host = self.url.strip_prefix("http://").unwrap();
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let request = format!(
            "{method} {path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\
             content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        let mut stream = TcpStream::connect(host).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }

    /// Ends it; every request that came, in order.
    fn finish(mut self) -> Vec<Request> {
        drop(self.input.take());
        self.output.iter().map(|line| serde_json::from_str(&line).unwrap()).collect()
    }
}

impl Drop for Mock {
    fn drop(&mut self) {
        drop(self.input.take());
        // Also when it no longer reads its input.
        _ = self.process.kill();
        _ = self.process.wait();
    }
}
