//! What a change does to what it is judged by: its configuration and baselines against those of its base revision.

use std::path::Path;

use anyhow::{Context, Result};
use wanbench::config::{self, Config};
use wanbench::files::save;
use wanbench::gate::loosening::{self, Committed};
use wanbench::revision::git;
use wanbench::store::baseline::{Baseline, ModelMemory};
use wanbench::store::record::BaseRevision;

use super::base::{Base, BaseConfig};
use super::selected::Selected;
use super::terminal::Terminal;
use crate::cli::Sources;

/// The revision of `base` with what head relaxes relative to it, and what head accepts; a note where that cannot be told.
pub fn review(
    base: &Base,
    sources: &Sources,
    config: &Config,
    selected: &Selected,
    terminal: &Terminal,
) -> BaseRevision {
    let revision = &base.revision;
    let Some(commit) = &revision.commit else { return revision.clone() };
    match compare(commit, &base.config, sources, config, selected) {
        Ok((loosened, accepted)) => BaseRevision { loosened, accepted, ..revision.clone() },
        Err(error) => {
            let note =
                format!("cannot compare the configuration and baselines with those of {}: {error:#}", revision.name);
            terminal.say(&format!("warning: {note}"));
            BaseRevision { loosened: vec![note], ..revision.clone() }
        }
    }
}

fn compare(
    commit: &str,
    base_config: &BaseConfig,
    sources: &Sources,
    config: &Config,
    selected: &Selected,
) -> Result<(Vec<String>, Vec<String>)> {
    let base_config = match base_config {
        BaseConfig::Readable(config) => Some(config.as_ref()),
        BaseConfig::Unreadable(reason) => anyhow::bail!("its configuration is not valid: {reason}"),
        BaseConfig::Absent => None,
    };
    let baselines = sources.baselines();
    let folder = baselines_at(commit, &baselines)?;
    let read = |folder: &Path| -> Result<_> {
        let baseline = Baseline::find(folder, &selected.machine, selected.device)?.map(|(_, baseline)| baseline);
        Ok((ModelMemory::open(folder)?, baseline))
    };
    let (base_memory, base_baseline) = read(folder.path()).context("its baselines")?;
    let (memory, baseline) = read(&baselines)?;
    let base = Committed { config: base_config, memory: Some(&base_memory), baseline: base_baseline.as_ref() };
    let head = Committed { config: Some(config), memory: Some(&memory), baseline: baseline.as_ref() };
    let mut loosened = loosening::loosened(&base, &head);
    loosened.extend(of_other_machines(folder.path(), &baselines, base_baseline.as_ref())?);
    if base_config.is_none() {
        loosened.extend(moved(commit, &config.folder)?);
    }
    Ok((loosened, loosening::accepted(&base, &head)))
}

/// Configurations of the base revision that are no longer where they were, each in words: moved, their cases are new.
fn moved(commit: &str, folder: &Path) -> Result<Vec<String>> {
    let root = git::toplevel(folder)?;
    let mut moved = Vec::new();
    for path in git::named(folder, commit, &config::NAMES)? {
        let is_ours = || -> Result<bool> {
            let text = git::show(&root, commit, &path)?;
            Ok(text.is_some_and(|text| config::defines_suites(&text)))
        };
        if !root.join(&path).exists() && is_ours()? {
            moved.push(format!(
                "the configuration is no longer {}: what it measures is compared with nothing",
                path.display()
            ));
        }
    }
    Ok(moved)
}

/// What a change loosens in the baselines of other machines than `own`, each with its file's name.
fn of_other_machines(base: &Path, head: &Path, own: Option<&Baseline>) -> Result<Vec<String>> {
    let mut loosened = Vec::new();
    for (path, before) in Baseline::all(base).context("its baselines")? {
        let Some(name) = path.file_name().filter(|_| Some(&before) != own) else { continue };
        let now = head.join(name);
        let now = if now.exists() { Some(Baseline::open(&now)?) } else { None };
        let of = |baseline| Committed { baseline, ..Committed::default() };
        let words = loosening::loosened(&of(Some(&before)), &of(now.as_ref()));
        loosened.extend(words.into_iter().map(|words| format!("{}: {words}", name.display())));
    }
    Ok(loosened)
}

/// The baselines as they are at `commit`, in a temporary folder.
fn baselines_at(commit: &str, folder: &Path) -> Result<tempfile::TempDir> {
    let copies = tempfile::tempdir().context("cannot create a temporary folder")?;
    let folder = std::path::absolute(folder)?;
    let above = folder.parent().unwrap_or(&folder);
    for path in git::files(above, commit, &folder)? {
        let (Some(name), Some(text)) = (path.file_name(), git::show(above, commit, &path)?) else { continue };
        let copy = copies.path().join(name);
        save::text(&copy, &text).with_context(|| format!("cannot write {}", copy.display()))?;
    }
    Ok(copies)
}
