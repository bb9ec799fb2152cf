//! The webhook: a default branch that fails is told once, and nothing that comes of it changes a verdict.

mod support;

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use serde_json::{Value, json};
use support::{Project, Ran, worker};

const VARIABLE: &str = "WANBENCH_WEBHOOK_TEST";

/// A server that takes every request, and answers it as it is told.
struct Chat {
    address: String,
    heard: Arc<Mutex<Vec<String>>>,
}

impl Chat {
    /// `answer` is the whole of it; without one the connection is left open.
    fn answering(answer: &'static str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}/services/very-secret", listener.local_addr().unwrap());
        let heard = Arc::new(Mutex::new(Vec::new()));
        let hears = Arc::clone(&heard);
        thread::spawn(move || {
            let mut open = Vec::new();
            for mut stream in listener.incoming().map_while(Result::ok) {
                let request = read_request(&mut stream);
                hears.lock().unwrap().push(request);
                let _ = stream.write_all(answer.as_bytes());
                open.extend(answer.is_empty().then_some(stream));
            }
        });
        Self { address, heard }
    }

    /// The messages that came, as Slack takes them.
    fn messages(&self) -> Vec<Value> {
        let heard = self.heard.lock().unwrap();
        let bodies = heard.iter().map(|request| request.split_once("\r\n\r\n").unwrap().1);
        bodies.map(|body| serde_json::from_str(body).unwrap()).collect()
    }
}

/// The head, and a body of the length that it tells.
fn read_request(stream: &mut TcpStream) -> String {
    let (mut request, mut bytes) = (Vec::new(), [0; 4096]);
    loop {
        let text = String::from_utf8_lossy(&request).to_ascii_lowercase();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.split("content-length: ").nth(1).and_then(|rest| rest.lines().next()?.parse().ok());
            if body.len() >= length.unwrap_or(0) {
                return String::from_utf8(request).unwrap();
            }
        }
        match stream.read(&mut bytes).unwrap() {
            0 => return String::from_utf8(request).unwrap(),
            length => request.extend_from_slice(&bytes[..length]),
        }
    }
}

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok";

/// A project whose next run is red where `is_red`.
fn project(is_red: bool) -> Project {
    let project = Project::new(&[("slow", &worker(0.2, 4000)), ("fast", &worker(0.1, 1000))]);
    let config = std::fs::read_to_string(project.path("config.toml")).unwrap();
    project.write("config.toml", &format!("[notify]\nwebhook_env = \"{VARIABLE}\"\n\n{config}"));
    assert_eq!(project.wanbench(&["run"]).status, 0);
    project.pretend_release_build();
    assert_eq!(project.wanbench(&["baseline", "update", "--from", "results.json", "--yes"]).status, 0);
    if is_red {
        project.write("fast.sh", &worker(0.1, 1008));
    }
    project
}

/// An event of the repository octo/wan, with its name.
type Event = (&'static str, Value);

fn push_to(branch: &str) -> Event {
    ("push", json!({"ref": branch, "repository": {"full_name": "octo/wan", "default_branch": "main"}}))
}

fn pull_request() -> Event {
    let repository = json!({"full_name": "octo/wan", "default_branch": "main"});
    let change = json!({
        "number": 7, "state": "open", "head": {"sha": "a".repeat(40), "repo": repository}, "base": {"repo": repository},
    });
    ("pull_request", json!({"ref": "refs/heads/main", "repository": repository, "pull_request": change}))
}

fn in_actions(project: &Project, arguments: &[&str], event: &Event, address: &str) -> Ran {
    let (name, event) = event;
    project.write("event.json", &event.to_string());
    let mut command = project.command(arguments);
    for proxy in ["HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"] {
        command.env_remove(proxy);
    }
    command
        .env("GITHUB_ACTIONS", "true")
        .env("GITHUB_EVENT_NAME", name)
        .env("GITHUB_EVENT_PATH", project.path("event.json"))
        .env("GITHUB_REPOSITORY", "octo/wan")
        .env("GITHUB_SERVER_URL", "https://github.test")
        .env("GITHUB_RUN_ID", "42")
        .env(VARIABLE, address);
    let output = command.output().unwrap();
    let [stdout, stderr] = [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap());
    assert!(!format!("{stdout}{stderr}").contains("very-secret"), "{stdout}{stderr}");
    Ran { status: output.status.code().unwrap(), stdout, stderr }
}

const CHECK: &[&str] = &["check", "--github"];
const COMMENT: &[&str] = &["comment", "--results", "results.json", "--trust-results", "--best-effort"];

#[test]
fn a_red_default_branch_is_told_once_with_the_worst_and_the_run() {
    let project = project(true);
    for (arguments, status) in [(CHECK, 1), (COMMENT, 0)] {
        let chat = Chat::answering(OK);
        let ran = in_actions(&project, arguments, &push_to("refs/heads/main"), &chat.address);
        assert_eq!(ran.status, status, "{}", ran.stderr);
        let messages = chat.messages();
        assert_eq!(messages.len(), 1, "{}", ran.stderr);
        assert_eq!(messages[0].as_object().unwrap().len(), 1, "{messages:?}");
        let text = messages[0]["text"].as_str().unwrap();
        assert!(text.starts_with("*wanbench* Gate failed: 1 figure outside its tolerance"), "{text}");
        assert!(text.contains("\n• regressed fast/5f/none: "), "{text}");
        assert!(text.ends_with("\n<https://github.test/octo/wan/actions/runs/42|The run>"), "{text}");
    }
    let chat = Chat::answering(OK);
    in_actions(&project, COMMENT, &("schedule", json!({"schedule": "17 3 * * 1"})), &chat.address);
    assert_eq!(chat.messages().len(), 1);
}

#[test]
fn the_workflow_that_posts_tells_of_what_another_measured() {
    let (project, chat) = (project(true), Chat::answering(OK));
    assert_eq!(project.wanbench(&["run"]).status, 0);
    project.pretend_release_build();
    let sha = "c".repeat(40);
    project.edit("results.json", |results| results["tool"]["commit"] = sha.as_str().into());
    std::fs::create_dir(project.path("artifact")).unwrap();
    std::fs::rename(project.path("results.json"), project.path("artifact/results.json")).unwrap();
    let run_of = |branch: &str| -> Event {
        let repository = json!({"full_name": "octo/wan", "default_branch": "main"});
        let run = json!({
            "id": 41, "event": "push", "head_sha": sha, "head_branch": branch, "head_repository": repository,
            "repository": repository, "conclusion": "failure",
        });
        ("workflow_run", json!({"repository": repository, "workflow_run": run}))
    };
    for (branch, messages) in [("topic", 0), ("main", 1)] {
        let comment = ["comment", "--artifact-folder", "artifact", "--best-effort"];
        let ran = in_actions(&project, &comment, &run_of(branch), &chat.address);
        assert_eq!((ran.status, chat.messages().len()), (0, messages), "{branch}: {}", ran.stderr);
    }
    let text = chat.messages()[0]["text"].as_str().unwrap().to_owned();
    assert!(text.contains(&sha[..12]) && text.contains("/actions/runs/41|"), "the run that measured: {text}");
}

#[test]
fn nothing_is_told_of_a_change_another_branch_or_a_dry_run() {
    let project = project(true);
    let chat = Chat::answering(OK);
    for event in
        [pull_request(), push_to("refs/heads/topic"), push_to("refs/tags/main"), ("workflow_dispatch", json!({}))]
    {
        let ran = in_actions(&project, CHECK, &event, &chat.address);
        assert_eq!((ran.status, chat.messages().len()), (1, 0), "{event:?}: {}", ran.stderr);
    }
    let main = push_to("refs/heads/main");
    for arguments in [&["check", "--github", "--dry-run"][..], &["check"], &["report", "results.json"]] {
        in_actions(&project, arguments, &main, &chat.address);
        assert_eq!(chat.messages().len(), 0, "{arguments:?}");
    }
    let named = in_actions(&project, &[COMMENT, &["--pull-request", "7"]].concat(), &main, &chat.address);
    assert_eq!(chat.messages().len(), 0, "{}", named.stderr);
}

#[test]
fn nothing_is_told_of_a_green_branch_or_one_that_was_not_judged() {
    let main = push_to("refs/heads/main");
    let (green, chat) = (project(false), Chat::answering(OK));
    assert_eq!(in_actions(&green, CHECK, &main, &chat.address).status, 0);
    green.write("fast.sh", "exit 1");
    assert_eq!(in_actions(&green, CHECK, &main, &chat.address).status, 3);
    assert_eq!(chat.messages().len(), 0);
}

#[test]
fn what_the_server_does_changes_no_verdict() {
    let project = project(true);
    let main = push_to("refs/heads/main");
    let refusing =
        Chat::answering("HTTP/1.1 500 Internal Server Error\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
    let silent = Chat::answering("");
    for (address, reason) in [
        (refusing.address.as_str(), "the server answers 500"),
        ("http://127.0.0.1:1/services/very-secret", "the server cannot be reached"),
        ("very-secret", "it does not hold an address"),
    ] {
        let ran = in_actions(&project, CHECK, &main, address);
        assert_eq!(ran.status, 1, "{reason}: {}", ran.stderr);
        let warning = "warning: the webhook could not be told that the default branch fails: ";
        let line =
            ran.stderr.lines().find(|line| line.starts_with(warning)).unwrap_or_else(|| panic!("{}", ran.stderr));
        assert!(line.contains(reason) && line.contains(VARIABLE) && line.contains("[notify]"), "{line}");
        assert!(ran.stdout.contains("Gate failed"), "{}", ran.stdout);
        let told = in_actions(&project, COMMENT, &main, address);
        assert_eq!(told.status, 0, "{reason}: {}", told.stderr);
    }
    // Takes as long as it is waited for.
    let ran = in_actions(&project, CHECK, &main, &silent.address);
    assert_eq!(ran.status, 1, "{}", ran.stderr);
    assert!(ran.stderr.contains("the server did not answer within 10 s"), "{}", ran.stderr);
    assert_eq!((refusing.messages().len(), silent.messages().len()), (2, 1), "each attempt is the only one");
    let unset = in_actions(&project, CHECK, &main, "");
    assert_eq!(unset.status, 1, "{}", unset.stderr);
    assert!(unset.stderr.contains("since WANBENCH_WEBHOOK_TEST is not set"), "{}", unset.stderr);
}

#[test]
fn no_worker_gets_the_address() {
    let project = project(false);
    project.write("fast.sh", &format!("echo >&2 \"address: <${VARIABLE}>\"\nexit 1"));
    let address = "http://127.0.0.1:1/very-secret";
    let ran = in_actions(&project, &["check", "--verbose"], &push_to("refs/heads/main"), address);
    assert_eq!(ran.status, 3, "{}", ran.stderr);
    let results = std::fs::read_to_string(project.path("results.json")).unwrap();
    assert!(results.contains("address: <>"), "{results}");
}

#[test]
fn the_configuration_names_a_variable_that_workers_do_not_get() {
    let project = project(false);
    let config = std::fs::read_to_string(project.path("config.toml")).unwrap();
    for wrong in ["https://hooks.test/very-secret", "GITHUB_TOKEN", "SLACK_WEBHOOK", "WANBENCH_WEBHOOK_Ü", ""] {
        project.write("config.toml", &config.replace(VARIABLE, wrong));
        let ran = project.wanbench(&["check"]);
        assert_eq!(ran.status, 2, "{wrong}: {}", ran.stderr);
        assert!(
            ran.stderr.contains("config.toml:2: notify.webhook_env: names the environment variable"),
            "{}",
            ran.stderr
        );
        assert!(!ran.stderr.contains("very-secret"), "{}", ran.stderr);
    }
}
