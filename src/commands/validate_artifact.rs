//! `wanbench validate-artifact`: whether what a pull request's job left may be shown at that pull request.

use jiff::Timestamp;
use wanbench::config::Config;
use wanbench::github::ApiError;
use wanbench::github::Caps;
use wanbench::github::artifact::Artifact;
use wanbench::github::event::PullRequest;
use wanbench::github::identity;

use crate::cli;
use crate::session::actions::{append, asking, open_event, repository};
use crate::session::status::{Error, ExitStatus, Result};
use crate::session::terminal::Terminal;

/// Refuses results that are not what they should be, or of another pull request than they say; prints the number of the
/// pull request and its commit, as a step's outputs are written.
pub fn validate_artifact(args: &cli::ValidateArtifact, terminal: &Terminal) -> Result<ExitStatus> {
    let config = Config::open(&args.config)?;
    let repository = repository(&args.api)?;
    let Some(run) = open_event(&args.api)?.workflow_run else {
        return Err(Error::usage("--event (or GITHUB_EVENT_PATH): not the event of a `workflow_run`"));
    };
    let refused = |reason: String| Error::usage(format!("the artifact is refused: {reason}"));
    let artifact = Artifact::open(&args.folder, &Caps::default(), Timestamp::now());
    let artifact = artifact.map_err(|error| refused(error.to_string()))?;
    artifact.check_against(&config).map_err(|error| refused(error.to_string()))?;
    let number = artifact.pull_request;
    let answer = asking(&args.api, async |client| {
        Ok(client.get::<PullRequest>(&format!("/repos/{repository}/pulls/{number}")).await)
    });
    let claimed = match answer? {
        Err(ApiError::NotFound) => return Err(refused(format!("{repository} has no pull request {number}"))),
        answer => answer?,
    };
    identity::verify(&run, &claimed, &repository).map_err(|error| refused(error.to_string()))?;
    let outputs = format!("pull_request={}\nhead_sha={}\n", claimed.number, claimed.head_sha);
    terminal.print(&outputs)?;
    append(args.api.output.as_deref(), &outputs)?;
    Ok(ExitStatus::Passed)
}
