//! What `wanbench init` puts into a repository, to begin with.

use std::io::{self, ErrorKind};
use std::path::Path;

use crate::save;

/// A file to begin with.
#[derive(Debug)]
pub struct Starter {
    /// Where it belongs, in the repository.
    pub path: &'static str,
    text: &'static str,
}

/// All of them.
pub const STARTERS: [Starter; 2] = [
    Starter { path: "config.toml", text: include_str!("init/config.toml") },
    Starter { path: ".github/workflows/wanbench.yml", text: include_str!("init/workflow.yml") },
];

impl Starter {
    /// Puts the file into `folder`; whether it was not there. One that is there stays as it is.
    pub fn write(&self, folder: &Path) -> io::Result<bool> {
        match save::new(&folder.join(self.path), self.text.as_bytes()) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(false),
            Err(error) => Err(error),
        }
    }
}
