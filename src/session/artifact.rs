//! What a run of another workflow left, as untrusted data: whose it is by GitHub's word, and whether it may be shown there.

use std::path::Path;

use jiff::Timestamp;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;
use wanbench::config::Config;
use wanbench::github::artifact::{Artifact, PULL_REQUEST};
use wanbench::github::client::Client;
use wanbench::github::event::{PullRequest, WorkflowRun};
use wanbench::github::identity;
use wanbench::github::{ApiError, Caps, Repository};

use super::actions::{asking, open_event, repository};
use super::status::{Error, Result};
use crate::cli::GitHubApi;

/// What a run left, and where its outcome belongs.
pub struct Received {
    /// The run that measured.
    pub run: WorkflowRun,
    /// Number of the pull request that the run is of; `None` for a run of the repository's own branches.
    pub pull_request: Option<u64>,
    /// Its records, or why they are refused.
    pub artifact: Result<Artifact>,
}

impl Received {
    /// Reads the artifact in `folder` for the `workflow_run` event that `api` names, of a configuration as it can be read.
    ///
    /// # Errors
    /// Where nothing tells whose outcome it would be.
    pub fn open(folder: &Path, config: &Result<Config>, api: &GitHubApi) -> Result<Self> {
        let repository = repository(api)?;
        let Some(run) = open_event(api)?.workflow_run else {
            return Err(Error::usage("--event (or GITHUB_EVENT_PATH): not the event of a `workflow_run`"));
        };
        let artifact = checked(folder, config, &run);
        let claimed = artifact.as_ref().ok().and_then(|artifact| artifact.pull_request);
        if run.event != "pull_request" {
            identity::verify_own(&run, &repository).map_err(refused)?;
            return Ok(Self { run, pull_request: None, artifact });
        }
        let pull_request = asking(api, async |client| match claimed {
            Some(number) => of_number(&client, &repository, number, &run).await,
            None => of_head(&client, &repository, &run).await,
        });
        match (pull_request, artifact) {
            (Ok(number), artifact) => Ok(Self { pull_request: Some(number), run, artifact }),
            // There is nobody to tell; what is wrong with the artifact comes first.
            (Err(_), Err(refused)) => Err(refused),
            (Err(unknown), Ok(_)) => Err(unknown),
        }
    }
}

/// Whether the run that `api`'s event tells of left nothing in `folder` since nothing was asked of it, such as for a label set by
/// somebody who may not ask. A job that measures and leaves no results fails its run; and where GitHub has the artifact `name`, it
/// only did not get here.
pub fn is_nothing_asked(folder: &Path, name: &str, api: &GitHubApi) -> Result<bool> {
    let run = open_event(api)?.workflow_run.filter(|run| run.conclusion.as_deref() == Some("success"));
    let Some(run) = run.filter(|_| !has_results(folder)) else { return Ok(false) };
    let (repository, name) = (repository(api)?, utf8_percent_encode(name, NON_ALPHANUMERIC));
    let route = format!("/repos/{repository}/actions/runs/{}/artifacts?name={name}", run.id);
    let kept: Kept = asking(api, async |client| Ok(client.get(&route).await?))?;
    Ok(kept.total_count == 0)
}

/// How many artifacts a run has; the only thing that is used of them.
#[derive(Deserialize)]
struct Kept {
    total_count: u64,
}

/// Whether there is anything beside the number of a pull request.
fn has_results(folder: &Path) -> bool {
    let names = std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.file_name());
    names.into_iter().any(|name| name != PULL_REQUEST)
}

fn checked(folder: &Path, config: &Result<Config>, run: &WorkflowRun) -> Result<Artifact> {
    if !has_results(folder) {
        let ended = run.conclusion.as_deref().unwrap_or("no conclusion");
        return Err(Error::incomplete(format!("the run left no results, it ended with `{ended}`: see its log")));
    }
    let artifact = Artifact::open(folder, &Caps::default(), Timestamp::now()).map_err(refused)?;
    if let Ok(config) = config {
        artifact.check_against(config).map_err(refused)?;
    }
    artifact.check_run(run).map_err(refused)?;
    Ok(artifact)
}

/// The pull request that an artifact names, if the run is of it.
async fn of_number(client: &Client, repository: &Repository, number: u64, run: &WorkflowRun) -> Result<u64> {
    let claimed = match client.get::<PullRequest>(&format!("/repos/{repository}/pulls/{number}")).await {
        Err(ApiError::NotFound) => return Err(refused(format!("{repository} has no pull request {number}"))),
        answer => answer?,
    };
    identity::verify(run, &claimed, repository).map_err(refused)?;
    Ok(claimed.number)
}

/// The only open pull request of the run's branch that is at its commit.
async fn of_head(client: &Client, repository: &Repository, run: &WorkflowRun) -> Result<u64> {
    let unknown =
        || refused(format!("no single open pull request is at {}, and the artifact names none", run.head_sha));
    let (Some(head), Some(branch)) = (&run.head_repository, &run.head_branch) else { return Err(unknown()) };
    let branch = utf8_percent_encode(branch, NON_ALPHANUMERIC);
    let open: Vec<PullRequest> =
        client.get_all(&format!("/repos/{repository}/pulls?state=open&head={}:{branch}", head.owner)).await?;
    let is_of_run = |candidate: &&PullRequest| -> bool { identity::verify(run, candidate, repository).is_ok() };
    match open.iter().filter(is_of_run).collect::<Vec<_>>()[..] {
        [only] => Ok(only.number),
        _ => Err(unknown()),
    }
}

fn refused(reason: impl ToString) -> Error {
    Error::usage(format!("the artifact is refused: {}", reason.to_string()))
}
