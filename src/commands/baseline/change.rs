//! Changing committed files: keep others out, show the difference, ask, write all or nothing.

use std::io::{self, BufRead, IsTerminal, Write};
use std::path::{Path, PathBuf};

use similar::TextDiff;
use wanbench::files::folder::Locked;
use wanbench::files::read::{self, Limit};
use wanbench::store::baseline::{Baseline, ModelMemory};
use wanbench::store::valid;
use wanbench::text::escape;

use crate::session::status::{Error, ExitStatus, OrStatus, Result};
use crate::session::terminal::Terminal;

/// Keeps other processes from changing the baselines in `folder`, from before they are read until they are written: what two
/// record at the same time would else be lost of one of them.
pub(super) fn lock(folder: &Path, terminal: &Terminal) -> Result<Locked> {
    let folder_name = folder.display();
    Locked::acquire(folder, || terminal.say(&format!("waiting for another wanbench that is changing {folder_name}")))
        .or_incomplete(|| format!("cannot change {folder_name}"))
}

/// A file's content before and after.
pub(super) struct Change {
    path: PathBuf,
    old: String,
    new: String,
}

impl Change {
    /// The change of a machine's file to `baseline`.
    pub(super) fn of_machine(path: PathBuf, baseline: &Baseline) -> Result<Self> {
        Self::new(path, baseline, valid::baseline(baseline))
    }

    /// The change of the models' file to `memory`.
    pub(super) fn of_models(path: PathBuf, memory: &ModelMemory) -> Result<Self> {
        Self::new(path, memory, valid::model_memory(memory))
    }

    /// The change of `path` to `value` as JSON, if it is valid: what is written must be read again.
    fn new<T: serde::Serialize>(path: PathBuf, value: &T, valid: valid::Checked) -> Result<Self> {
        let unwritable = |reason| Error::usage(format!("{} cannot be written: {reason}", path.display()));
        valid.map_err(unwritable)?;
        let old = match read::text(&path, Limit::BASELINE) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
            read => read.or_usage(|| format!("cannot read {}", path.display()))?,
        };
        // Through a value, whose keys are sorted: a field moved in the source moves no line in a committed file.
        let new = serde_json::to_value(value).and_then(|value| serde_json::to_string_pretty(&value));
        let new = new.or_incomplete(|| format!("cannot write {} as JSON", path.display()))? + "\n";
        valid::texts(&new).map_err(unwritable)?;
        Ok(Self { path, old, new })
    }
}

/// Prints the differences, asks unless `yes`, writes all files of the `locked` folder or none.
pub(super) fn apply(locked: &Locked, changes: &[Change], yes: bool, terminal: &Terminal) -> Result<ExitStatus> {
    let changed: Vec<&Change> = changes.iter().filter(|change| change.old != change.new).collect();
    for change in &changed {
        let name = change.path.display().to_string();
        terminal.print(&unified(&change.old, &change.new, &name, &name))?;
    }
    if changed.is_empty() {
        terminal.say("no changes");
        return Ok(ExitStatus::Passed);
    }
    if !yes && !confirmed()? {
        terminal.say("nothing was written");
        return Ok(ExitStatus::Passed);
    }
    let paths: Vec<String> = changed.iter().map(|change| change.path.display().to_string()).collect();
    let files: Vec<(&Path, &str)> = changed.iter().map(|change| (change.path.as_path(), change.new.as_str())).collect();
    locked.replace(&files).or_incomplete(|| format!("cannot write {}", paths.join(" and ")))?;
    for path in paths {
        terminal.say(&format!("wrote {path}: commit it"));
    }
    Ok(ExitStatus::Passed)
}

fn confirmed() -> Result<bool> {
    if !io::stdin().is_terminal() {
        return Err(Error::usage("standard input is not a terminal: pass --yes to write these changes"));
    }
    let mut answer = String::new();
    write!(io::stderr(), "Write these changes? [y/N] ")
        .and_then(|()| io::stdin().lock().read_line(&mut answer))
        .or_incomplete(|| "cannot read the answer")?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}

/// The unified diff of two texts.
pub(super) fn unified(old: &str, new: &str, old_name: &str, new_name: &str) -> String {
    let (old, new) = (escape::json(old), escape::json(new));
    TextDiff::from_lines(&*old, &*new).unified_diff().header(old_name, new_name).to_string()
}
