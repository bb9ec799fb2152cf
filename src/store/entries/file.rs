//! An entry's file: its name, which follows from its content, and its text.

use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};
use thiserror::Error;

use crate::store::history::{Entry, SCHEMA};
use crate::store::valid;
use crate::store::versioned::{ReadError, parse_versioned};
use crate::text::escape::is_plain;
use crate::text::format;

/// Digits of the content's hash in the name.
const HASH_DIGITS: usize = 8;

/// Characters of the suite's name in the file's.
const SUITE_LENGTH: usize = 40;

/// An entry as it is written.
#[derive(Clone, Debug, PartialEq)]
pub struct EntryFile {
    /// `MACHINE/20261130T175503Z-SUITE-1f0c9a3b.json`, with the first digits of the SHA-256 of the text: two runs never have
    /// the same name, and one run that is recorded twice does.
    pub path: PathBuf,
    /// The JSON.
    pub text: String,
}

/// Why an entry cannot be written.
#[derive(Debug, Error)]
#[error("the run of {started} on {machine} cannot be recorded: {reason}")]
pub struct Unusable {
    started: String,
    machine: String,
    reason: String,
}

impl Entry {
    /// The file of the entry.
    ///
    /// # Errors
    /// Where it holds what would be refused when it is read.
    pub fn file(&self) -> Result<EntryFile, Unusable> {
        let unusable = |reason| Unusable { started: self.started.to_string(), machine: self.machine.clone(), reason };
        valid::entry(self).map_err(unusable)?;
        let text = serde_json::to_string(self).map_err(|error| unusable(error.to_string()))? + "\n";
        valid::texts(&text).map_err(unusable)?;
        let path = Path::new(&self.machine).join(format!("{}{}.json", self.run_name(), hash(&text)));
        Ok(EntryFile { path, text })
    }

    /// Reads the text of the file `path`, relative to the history's folder or branch.
    pub fn parse(text: &str, path: &Path) -> Result<Self, ReadError> {
        valid::texts(text).map_err(|reason| ReadError::invalid(path, reason))?;
        let entry: Self = parse_versioned(text, path, "entry of the history", SCHEMA)?;
        valid::entry(&entry).map_err(|reason| ReadError::invalid(path, reason))?;
        let named = Path::new(&entry.machine).join(format!("{}{}.json", entry.run_name(), hash(text)));
        match named == path {
            true => Ok(entry),
            false => Err(ReadError::invalid(path, format!("by its content its name is {}", named.display()))),
        }
    }

    /// What the names of all files of this run begin with, whatever it was judged as.
    fn run_name(&self) -> String {
        let plain = |letter: char| if is_plain(letter.encode_utf8(&mut [0; 4])) { letter } else { '-' };
        let suite: String = self.suite.chars().take(SUITE_LENGTH).map(plain).collect();
        format!("{}-{suite}-", self.started.strftime("%Y%m%dT%H%M%SZ"))
    }
}

/// What the path of each file of one run is but for the hash and the extension; `None` for what is no entry's path.
pub fn runs_name(path: &Path) -> Option<&str> {
    let run = path.to_str()?.strip_suffix(".json")?;
    let (run, hash) = run.split_at_checked(run.len().checked_sub(HASH_DIGITS)?)?;
    let is_entry = run.matches('/').count() == 1 && run.ends_with('-') && hash.bytes().all(|it| it.is_ascii_hexdigit());
    is_entry.then_some(run)
}

fn hash(text: &str) -> String {
    format::hexadecimal(&Sha256::digest(text)[..HASH_DIGITS / 2])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::history_entry;

    #[test]
    fn a_file_is_named_by_its_content_and_read_under_that_name_alone() {
        let entry = history_entry();
        let EntryFile { path, text } = entry.file().unwrap();
        let name = path.to_str().unwrap();
        assert!(name.starts_with("apple-m3-ultra-80gpu-512gb/20260301T123456Z-synthetic-"), "{name}");
        assert_eq!(runs_name(&path), Some("apple-m3-ultra-80gpu-512gb/20260301T123456Z-synthetic-"));
        assert_eq!(Entry::parse(&text, &path).unwrap(), entry);
        assert_eq!(entry.file().unwrap().path, path);
        let other = Entry { commit: None, ..entry.clone() }.file().unwrap();
        assert_ne!(other.path, path, "another content has another name");
        let error = Entry::parse(&other.text, &path).unwrap_err().to_string();
        assert!(error.contains(&format!("by its content its name is {}", other.path.display())), "{error}");
    }

    #[test]
    fn an_entry_that_would_be_refused_is_not_written_and_one_that_was_changed_not_read() {
        let mut entry = history_entry();
        entry.cases[0].figures.step_seconds.as_mut().unwrap().value = -1.0;
        let error = entry.file().unwrap_err().to_string();
        assert!(error.contains("case torch/5f/none: step_seconds is -1.0"), "{error}");
        for machine in ["../elsewhere", ".git", ""] {
            let error = Entry { machine: machine.to_owned(), ..history_entry() }.file().unwrap_err().to_string();
            assert!(error.contains("machine is"), "{error}");
        }
        let mut twice = history_entry();
        twice.cases.push(twice.cases[0].clone());
        assert!(twice.file().unwrap_err().to_string().ends_with("case torch/5f/none appears twice"));
        let newer = Entry { schema: 2, ..history_entry() };
        let text = serde_json::to_string(&newer).unwrap();
        let error = Entry::parse(&text, Path::new("a.json")).unwrap_err().to_string();
        assert!(error.starts_with("a.json: has schema 2, but this wanbench reads schema 1"), "{error}");
    }

    #[test]
    fn a_suite_of_any_name_makes_a_file_name() {
        let entry = Entry { suite: "a/b ü".to_owned(), ..history_entry() };
        let path = entry.file().unwrap().path;
        assert!(path.to_str().unwrap().contains("Z-a-b---"), "{}", path.display());
        assert_eq!([Path::new("README.md"), Path::new("a/b.json"), Path::new("x")].map(runs_name), [None; 3]);
    }
}
