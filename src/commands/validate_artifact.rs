//! `wanbench validate-artifact`: whether what a run left may be shown at its pull request.

use wanbench::config::Config;

use crate::cli;
use crate::session::actions::append;
use crate::session::artifact::Received;
use crate::session::status::{ExitStatus, Result};
use crate::session::terminal::Terminal;

/// Refuses results that are not what they should be, or of another pull request than they say; prints the number of the
/// pull request, if the run is of one, and the commit, as a step's outputs are written.
pub fn validate_artifact(args: &cli::ValidateArtifact, terminal: &Terminal) -> Result<ExitStatus> {
    let config = Config::open(&args.config)?;
    let Received { run, pull_request, artifact } = Received::open(&args.folder, &Ok(config), &args.api)?;
    artifact?;
    let number = pull_request.map_or_else(String::new, |number| format!("pull_request={number}\n"));
    let outputs = format!("{number}head_sha={}\n", run.head_sha);
    terminal.print(&outputs)?;
    append(args.api.output.as_deref(), &outputs)?;
    Ok(ExitStatus::Passed)
}
