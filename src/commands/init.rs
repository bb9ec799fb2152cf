//! `wanbench init`: a configuration and a workflow to begin with.

use std::io::{self, ErrorKind};
use std::path::Path;

use wanbench::files::save;

use crate::cli;
use crate::session::status::{ExitStatus, OrStatus, Result};
use crate::session::terminal::Terminal;

/// Writes what is missing, leaves what is there, and says which is which.
pub fn init(args: &cli::Init, terminal: &Terminal) -> Result<ExitStatus> {
    for starter in STARTERS {
        let path = args.folder.join(starter.path);
        let is_new = starter.write(&args.folder).or_incomplete(|| format!("cannot write {}", path.display()))?;
        let what = if is_new { "wrote" } else { "exists, not changed:" };
        terminal.print(&format!("{what} {}\n", path.display()))?;
    }
    terminal.say(
        "\nNext: adapt the suite in config.toml, commit both files, and register a self-hosted runner with the labels of\n\
         the workflow (see docs/github.md of wanbench). The first run on the main branch offers a\n\
         baseline to commit; from then on every pull request is judged by it.",
    );
    Ok(ExitStatus::Passed)
}

/// A file to begin with.
#[derive(Debug)]
struct Starter {
    /// Where it belongs, in the repository.
    path: &'static str,
    text: &'static str,
}

/// All of them.
const STARTERS: [Starter; 2] = [
    Starter { path: "config.toml", text: include_str!("init/config.toml") },
    Starter { path: ".github/workflows/wanbench.yml", text: include_str!("init/workflow.yml") },
];

impl Starter {
    /// Puts the file into `folder`; whether it was not there. One that is there stays as it is.
    fn write(&self, folder: &Path) -> io::Result<bool> {
        match save::new(&folder.join(self.path), self.text.as_bytes()) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(false),
            Err(error) => Err(error),
        }
    }
}
