//! The event that started a workflow, as Actions describe it in the file that `GITHUB_EVENT_PATH` names.
//!
//! Only what is needed is read; GitHub adds to its events as it likes.

use std::io;
use std::path::Path;

use jiff::Timestamp;
use serde::de::Error;
use serde::{Deserialize, Deserializer};

use super::Repository;
use crate::files::read::{self, Limit};

/// GitHub sends no event of more.
///
/// Source: GitHub's documentation, "Webhook events and payloads", payload cap of 25 MB.
const LIMIT: Limit = Limit { what: "an event of GitHub", bytes: 25 << 20 };

/// An event; what it is not about is `None`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct WorkflowEvent {
    /// Of a `pull_request` event, and of its like.
    pub pull_request: Option<PullRequest>,
    /// Of a `workflow_run` event.
    pub workflow_run: Option<WorkflowRun>,
    /// What was pushed to, such as `refs/heads/main`, of a `push` event.
    #[serde(rename = "ref")]
    pub pushed_to: Option<String>,
    /// The repository, where the event tells.
    pub repository: Option<EventRepository>,
}

/// The repository of an event.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct EventRepository {
    /// The branch that is shown first.
    pub default_branch: Option<String>,
}

/// A pull request, as events have it and as the API's `GET /repos/OWNER/NAME/pulls/NUMBER` answers.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(from = "PullRequestForm")]
pub struct PullRequest {
    /// Its number in the repository that it is for.
    pub number: u64,
    /// Whether it is neither closed nor merged.
    pub is_open: bool,
    /// Its newest commit, in hexadecimal.
    pub head_sha: String,
    /// Where that commit is from: a fork, or the repository itself; `None` once the fork is deleted.
    pub head_repository: Option<Repository>,
    /// The repository that it is for.
    pub base_repository: Repository,
}

/// A run of another workflow that has ended.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(from = "WorkflowRunForm")]
pub struct WorkflowRun {
    /// Its number, by which its artifacts are found.
    pub id: u64,
    /// The workflow's name, where the event tells.
    pub name: Option<String>,
    /// Name of the event that started it, such as `pull_request`.
    pub event: String,
    /// The commit that started it, in hexadecimal; of a pull request its newest one then.
    pub head_sha: String,
    /// The branch of that commit. Its name is the fork's to choose: escape it where it is shown.
    pub head_branch: Option<String>,
    /// Where that commit is from; `None` once the fork is deleted.
    pub head_repository: Option<Repository>,
    /// The repository whose workflow it is.
    pub repository: Repository,
    /// When its present attempt began, and when it ended, where the event tells.
    pub times: Option<[Timestamp; 2]>,
    /// How it ended, such as `success`, `failure` or `timed_out`.
    pub conclusion: Option<String>,
}

/// Why an event cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum EventError {
    /// Its file cannot be read.
    #[error("cannot read the event {path}: {cause}; pass the file of GITHUB_EVENT_PATH as --event")]
    Io {
        /// The file.
        path: String,
        /// The operating system's reason.
        cause: io::Error,
    },
    /// It is none of GitHub's.
    #[error("{path} is not an event of GitHub Actions: {cause}; pass the file of GITHUB_EVENT_PATH as --event")]
    Malformed {
        /// The file.
        path: String,
        /// Where it fails.
        cause: serde_json::Error,
    },
}

impl WorkflowEvent {
    /// Reads the file of an event.
    pub fn open(path: &Path) -> Result<Self, EventError> {
        let name = || path.display().to_string();
        let bytes = read::bytes(path, LIMIT).map_err(|cause| EventError::Io { path: name(), cause })?;
        Self::parse(&bytes, path)
    }

    /// Whether what was measured is the default branch itself: of a push to it or of its schedule, which another workflow may have
    /// measured. `name` is the event's, such as `push` (`GITHUB_EVENT_NAME`).
    pub fn is_of_default_branch(&self, name: Option<&str>) -> bool {
        let branch = self.repository.as_ref().and_then(|repository| repository.default_branch.as_deref());
        match (&self.workflow_run, name) {
            (Some(run), _) => {
                let is_own = run.head_repository.as_ref() == Some(&run.repository);
                is_own
                    && matches!(run.event.as_str(), "push" | "schedule")
                    && branch.is_some()
                    && run.head_branch.as_deref() == branch
            }
            (None, Some("push")) => {
                let pushed_to = self.pushed_to.as_deref().and_then(|pushed_to| pushed_to.strip_prefix("refs/heads/"));
                branch.is_some() && pushed_to == branch
            }
            // The default branch's alone, of which such an event tells nothing.
            (None, Some("schedule")) => true,
            (None, _) => false,
        }
    }

    /// Reads the bytes of such a file; `path` is for messages.
    pub fn parse(bytes: &[u8], path: &Path) -> Result<Self, EventError> {
        let malformed = |cause| EventError::Malformed { path: path.display().to_string(), cause };
        serde_json::from_slice(bytes).map_err(malformed)
    }
}

/// Whether `text` is a whole commit's name: 40 hexadecimal digits, or 64 where git hashes with SHA-256.
pub(super) fn is_commit(text: &str) -> bool {
    matches!(text.len(), 40 | 64) && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

#[derive(Deserialize)]
struct PullRequestForm {
    number: u64,
    state: String,
    head: Head,
    base: Base,
}

#[derive(Deserialize)]
struct Head {
    #[serde(deserialize_with = "commit")]
    sha: String,
    repo: Option<Named>,
}

#[derive(Deserialize)]
struct Base {
    repo: Named,
}

#[derive(Deserialize)]
struct WorkflowRunForm {
    id: u64,
    name: Option<String>,
    event: String,
    #[serde(deserialize_with = "commit")]
    head_sha: String,
    head_branch: Option<String>,
    head_repository: Option<Named>,
    repository: Named,
    run_started_at: Option<Timestamp>,
    updated_at: Option<Timestamp>,
    conclusion: Option<String>,
}

#[derive(Deserialize)]
struct Named {
    #[serde(deserialize_with = "repository")]
    full_name: Repository,
}

impl From<PullRequestForm> for PullRequest {
    fn from(form: PullRequestForm) -> Self {
        Self {
            number: form.number,
            is_open: form.state == "open",
            head_sha: form.head.sha,
            head_repository: form.head.repo.map(|repository| repository.full_name),
            base_repository: form.base.repo.full_name,
        }
    }
}

impl From<WorkflowRunForm> for WorkflowRun {
    fn from(form: WorkflowRunForm) -> Self {
        Self {
            id: form.id,
            name: form.name,
            event: form.event,
            head_sha: form.head_sha,
            head_branch: form.head_branch,
            head_repository: form.head_repository.map(|repository| repository.full_name),
            repository: form.repository.full_name,
            times: form.run_started_at.zip(form.updated_at).map(<[Timestamp; 2]>::from),
            conclusion: form.conclusion,
        }
    }
}

fn commit<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let text = String::deserialize(deserializer)?;
    if is_commit(&text) { Ok(text) } else { Err(D::Error::custom(format!("{text:?} is not a commit"))) }
}

fn repository<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Repository, D::Error> {
    String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    const SHA: &str = "1f837a6c0ffee1f837a6c0ffee1f837a6c0ffee1";

    fn pull_request() -> Value {
        json!({
            "number": 7, "state": "open", "title": "not read", "draft": false,
            "head": {"sha": SHA, "ref": "topic", "repo": {"full_name": "them/wan", "fork": true}},
            "base": {"sha": SHA, "ref": "main", "repo": {"full_name": "us/wan"}},
        })
    }

    fn opened(event: &str) -> Result<WorkflowEvent, EventError> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("event.json");
        std::fs::write(&path, event).unwrap();
        WorkflowEvent::open(&path)
    }

    #[test]
    fn a_pull_request_is_read_alike_from_event_and_api() {
        let event = json!({"action": "synchronize", "number": 7, "pull_request": pull_request(), "sender": {}});
        let event = opened(&event.to_string()).unwrap();
        let answered: PullRequest = serde_json::from_value(pull_request()).unwrap();
        assert_eq!(event.pull_request.as_ref(), Some(&answered));
        assert_eq!((answered.number, answered.is_open, answered.head_sha.as_str()), (7, true, SHA));
        assert_eq!(answered.head_repository.unwrap().to_string(), "them/wan");
        assert_eq!(answered.base_repository.to_string(), "us/wan");
        assert_eq!(event.workflow_run, None);
    }

    #[test]
    fn a_deleted_fork_is_none_and_a_merged_pull_request_is_not_open() {
        let mut answer = pull_request();
        answer["head"]["repo"] = Value::Null;
        answer["state"] = json!("closed");
        let answered: PullRequest = serde_json::from_value(answer).unwrap();
        assert_eq!((answered.head_repository, answered.is_open), (None, false));
    }

    #[test]
    fn a_run_of_a_workflow_is_read_from_its_event() {
        let event = json!({"action": "completed", "workflow_run": {
            "id": 30_433_642_u64, "event": "pull_request", "head_sha": SHA, "head_branch": "topic", "pull_requests": [],
            "head_repository": {"full_name": "them/wan"}, "repository": {"full_name": "us/wan"},
        }, "workflow": {"name": "bench"}});
        let run = opened(&event.to_string()).unwrap().workflow_run.unwrap();
        assert_eq!((run.id, run.event.as_str(), run.head_sha.as_str()), (30_433_642, "pull_request", SHA));
        assert_eq!(run.head_repository.unwrap().to_string(), "them/wan");
        assert_eq!((run.repository.to_string(), run.head_branch), ("us/wan".to_owned(), Some("topic".to_owned())));
    }

    #[test]
    fn other_events_are_about_neither() {
        let event = opened(r#"{"ref": "refs/heads/main", "commits": []}"#).unwrap();
        assert_eq!((&event.pull_request, &event.workflow_run), (&None, &None));
        assert_eq!(event.pushed_to.as_deref(), Some("refs/heads/main"));
    }

    #[test]
    fn the_default_branch_is_known_by_pushes_to_it_and_its_schedule() {
        let is_default =
            |event: Value, name: &str| opened(&event.to_string()).unwrap().is_of_default_branch(Some(name));
        let push = |branch: &str| json!({"ref": branch, "repository": {"default_branch": "trunk"}});
        assert!(is_default(push("refs/heads/trunk"), "push"));
        for other in ["refs/heads/topic", "refs/tags/trunk", "trunk"] {
            assert!(!is_default(push(other), "push"), "{other}");
        }
        assert!(!is_default(json!({"ref": "refs/heads/trunk"}), "push"));
        assert!(is_default(json!({"schedule": "17 3 * * 1"}), "schedule"));
        assert!(!is_default(push("refs/heads/trunk"), "workflow_dispatch"));
        assert!(!is_default(json!({ "pull_request": pull_request() }), "pull_request"));

        let run = |event: &str, branch: &str, head: &str| {
            json!({"repository": {"default_branch": "trunk"}, "workflow_run": {
                "id": 1, "event": event, "head_sha": SHA, "head_branch": branch,
                "head_repository": {"full_name": head}, "repository": {"full_name": "us/wan"},
            }})
        };
        for event in ["push", "schedule"] {
            assert!(is_default(run(event, "trunk", "us/wan"), "workflow_run"), "{event}");
            assert!(!is_default(run(event, "topic", "us/wan"), "workflow_run"), "{event}");
        }
        // A fork's branch may have the same name.
        for (event, head) in [("pull_request", "us/wan"), ("pull_request", "them/wan"), ("push", "them/wan")] {
            assert!(!is_default(run(event, "trunk", head), "workflow_run"), "{event} of {head}");
        }
    }

    #[test]
    fn a_file_that_is_no_event_is_named_with_the_way_out() {
        for text in ["", "{", "[1]", "\"\"", r#"{"pull_request": {"number": 7}}"#] {
            let error = opened(text).unwrap_err().to_string();
            assert!(error.contains("event.json is not an event") && error.contains("--event"), "{text}: {error}");
        }
        let mut no_commit = pull_request();
        no_commit["head"]["sha"] = json!("main");
        assert!(opened(&json!({ "pull_request": no_commit }).to_string()).is_err());
        let mut elsewhere = pull_request();
        elsewhere["base"]["repo"]["full_name"] = json!("us/../them");
        assert!(opened(&json!({ "pull_request": elsewhere }).to_string()).is_err());
        assert!(WorkflowEvent::open(Path::new("/no/such")).unwrap_err().to_string().contains("GITHUB_EVENT_PATH"));
    }

    #[test]
    fn no_more_than_githubs_largest_event_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("event.json");
        std::fs::File::create(&path).unwrap().set_len(LIMIT.bytes + 1).unwrap();
        let error = WorkflowEvent::open(&path).unwrap_err().to_string();
        assert!(error.contains("an event of GitHub at most 26214400"), "{error}");
    }
}
