//! The history in a folder.

use std::ffi::OsStr;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use super::file::{EntryFile, runs_name};
use crate::files::read::{self, Limit};
use crate::files::save;

/// What became of an entry that was to be added.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Addition {
    /// It is there now.
    Added,
    /// Its run was recorded already, under this path, and that stays as it is.
    Known(PathBuf),
}

/// Adds `file` to the history in `folder`, unless that has its run. What is there is never changed.
pub fn add_to_folder(folder: &Path, file: &EntryFile) -> io::Result<Addition> {
    let run = runs_name(&file.path);
    if let Some(known) = paths(folder)?.into_iter().find(|path| runs_name(path) == run) {
        return Ok(Addition::Known(known));
    }
    match save::new(&folder.join(&file.path), file.text.as_bytes()) {
        Ok(()) => Ok(Addition::Added),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(Addition::Known(file.path.clone())),
        Err(error) => Err(error),
    }
}

/// The entries' files in `folder`, by path; those that cannot be read with the reason.
pub fn files_in_folder(folder: &Path) -> io::Result<Vec<(PathBuf, io::Result<String>)>> {
    let mut paths = paths(folder)?;
    paths.sort();
    let read = |path: PathBuf| {
        let text = read::text(&folder.join(&path), Limit::HISTORY);
        (path, text)
    };
    Ok(paths.into_iter().map(read).collect())
}

/// Where entries are: `MACHINE/NAME.json`. None where there is no such folder.
fn paths(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut paths = Vec::new();
    for machine in names(folder)? {
        let below = folder.join(&machine);
        let files = if below.is_dir() { names(&below)? } else { Vec::new() };
        paths.extend(files.into_iter().map(|name| PathBuf::from(&machine).join(name)));
    }
    paths.retain(|path| runs_name(path).is_some());
    Ok(paths)
}

/// What is in `folder`, without hidden files: macOS leaves some beside its own.
fn names(folder: &Path) -> io::Result<Vec<std::ffi::OsString>> {
    let entries = match std::fs::read_dir(folder) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let is_hidden = |name: &OsStr| name.as_encoded_bytes().starts_with(b".");
    let names = entries.map(|entry| entry.map(|entry| entry.file_name()));
    names.filter(|name| !name.as_ref().is_ok_and(|name| is_hidden(name))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::history::Entry;
    use crate::testing::history_entry;

    #[test]
    fn a_run_is_added_once_and_what_is_there_is_never_changed() {
        let home = tempfile::tempdir().unwrap();
        let folder = home.path().join("history");
        assert!(files_in_folder(&folder).unwrap().is_empty(), "a folder that is not there");
        let file = history_entry().file().unwrap();
        assert_eq!(add_to_folder(&folder, &file).unwrap(), Addition::Added);
        assert_eq!(add_to_folder(&folder, &file).unwrap(), Addition::Known(file.path.clone()));
        let judged_again = Entry { standing: Some("failed".to_owned()), ..history_entry() }.file().unwrap();
        assert_eq!(add_to_folder(&folder, &judged_again).unwrap(), Addition::Known(file.path.clone()));
        for stray in ["README.md", ".DS_Store", "notes/a.json"] {
            save::text(&folder.join(stray), "{}").unwrap();
        }
        let files = files_in_folder(&folder).unwrap();
        let files: Vec<_> = files.into_iter().map(|(path, text)| (path, text.unwrap())).collect();
        assert_eq!(files, [(file.path, file.text)]);
    }
}
