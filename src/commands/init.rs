//! `wanbench init`: a configuration and a workflow to begin with.

use anyhow::{Context, Result};
use wanbench::init::STARTERS;

use super::{ExitStatus, Terminal};
use crate::cli;

/// Writes what is missing, leaves what is there, and says which is which.
pub fn init(args: &cli::Init, terminal: &Terminal) -> Result<ExitStatus> {
    for starter in STARTERS {
        let path = args.folder.join(starter.path);
        let is_new = starter.write(&args.folder).with_context(|| format!("cannot write {}", path.display()))?;
        let what = if is_new { "wrote" } else { "is there already, left as it is:" };
        terminal.print(&format!("{what} {}\n", path.display()))?;
    }
    terminal.say(
        "\nNext: make the suite in config.toml yours, commit both files, and register a self-hosted runner with the\n\
         labels of the workflow (docs/github.md of wanbench, step by step). The first run on the main branch offers a\n\
         baseline to commit; from then on every pull request is judged by it.",
    );
    Ok(ExitStatus::Pass)
}
