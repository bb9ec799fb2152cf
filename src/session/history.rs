//! Where the history is: in a folder, or on a branch of the repository.

use std::path::{Path, PathBuf};

use wanbench::revision::data_branch::DataBranch;
use wanbench::store::entries::{self, Addition};
use wanbench::store::history::Entry;

use super::status::{Error, OrStatus, Result};
use super::terminal::Terminal;
use crate::cli::HistoryPlace;

/// Where the history is.
pub enum Place {
    /// In this folder.
    Folder(PathBuf),
    /// On this branch.
    Branch(DataBranch),
}

impl Place {
    /// What the flags name.
    pub fn of(args: &HistoryPlace) -> Result<Self> {
        if let Some(folder) = &args.folder {
            return Ok(Self::Folder(folder.clone()));
        }
        let branch = DataBranch::new(Path::new("."), &args.branch);
        Ok(Self::Branch(branch.or_usage(|| "--branch (or name a folder with --folder)")?))
    }

    /// Adds `entries`, each unless its run is there, and says so; a branch is pushed to `remote`.
    pub fn add(&self, entries: &[Entry], message: &str, remote: Option<&str>, terminal: &Terminal) -> Result<()> {
        let files = entries.iter().map(Entry::file).collect::<std::result::Result<Vec<_>, _>>();
        let files = files.or_usage(|| "nothing was recorded")?;
        let additions = match self {
            Self::Folder(folder) => {
                let add = |file| entries::add_to_folder(folder, file);
                files.iter().map(add).collect::<std::io::Result<Vec<_>>>().map_err(anyhow::Error::from)
            }
            Self::Branch(branch) => branch.add(&files, message, remote),
        };
        let additions = additions.or_incomplete(|| format!("cannot record in {}", self.name()))?;
        for (file, addition) in files.iter().zip(&additions) {
            terminal.say(&match addition {
                Addition::Added => format!("recorded {} in {}", file.path.display(), self.name()),
                Addition::Known(path) => format!("{} has this run already, as {}", self.name(), path.display()),
            });
        }
        Ok(())
    }

    /// All entries that can be read; each other file is named with the reason.
    ///
    /// # Errors
    /// Where there is no history.
    pub fn entries(&self, terminal: &Terminal) -> Result<Vec<Entry>> {
        let is_there = match self {
            Self::Folder(folder) => Ok(folder.is_dir()),
            Self::Branch(branch) => branch.exists(),
        };
        if !is_there.or_usage(|| format!("cannot read {}", self.name()))? {
            return Err(Error::usage(format!(
                "there is no history in {}: record a run with `wanbench history record`, fetch the branch (`git fetch origin \
                 wanbench-data:wanbench-data`), or name another place with --branch or --folder",
                self.name()
            )));
        }
        let files = match self {
            Self::Folder(folder) => entries::files_in_folder(folder).map_err(anyhow::Error::from),
            Self::Branch(branch) => branch.files(),
        };
        let mut read = Vec::new();
        for (path, text) in files.or_usage(|| format!("cannot read {}", self.name()))? {
            let parsed = text.map_err(|error| format!("{}: {error}", path.display()));
            match parsed.and_then(|text| Entry::parse(&text, &path).map_err(|error| error.to_string())) {
                Ok(entry) => read.push(entry),
                Err(error) => terminal.say_always(&format!("warning: left out: {error}")),
            }
        }
        Ok(read)
    }

    /// In words.
    fn name(&self) -> String {
        match self {
            Self::Folder(folder) => folder.display().to_string(),
            Self::Branch(branch) => format!("the branch {}", branch.name()),
        }
    }
}
