//! What a change does to what it is judged by: its configuration and baselines against those of its base revision.

use std::path::Path;

use anyhow::{Context, Result};
use wanbench::config::Config;
use wanbench::gate::loosening::{self, Committed};
use wanbench::revision::git;
use wanbench::store::baseline::{Baseline, ModelMemory};
use wanbench::store::record::BaseRevision;

use super::selected::Selected;
use super::terminal::Terminal;
use crate::cli::Sources;

/// `revision` with what head makes looser than it is there, and what head accepts; a note where that cannot be told.
pub fn review(
    revision: &BaseRevision,
    sources: &Sources,
    config: &Config,
    selected: &Selected,
    terminal: &Terminal,
) -> BaseRevision {
    let Some(commit) = &revision.commit else { return revision.clone() };
    match compare(commit, sources, config, selected) {
        Ok((loosened, accepted)) => BaseRevision { loosened, accepted, ..revision.clone() },
        Err(error) => {
            let note = format!("what this change loosens since {} cannot be told: {error:#}", revision.name);
            terminal.say(&format!("warning: {note}"));
            BaseRevision { loosened: vec![note], ..revision.clone() }
        }
    }
}

fn compare(
    commit: &str,
    sources: &Sources,
    config: &Config,
    selected: &Selected,
) -> Result<(Vec<String>, Vec<String>)> {
    let file = sources.config.file_name().unwrap_or_default();
    let base_config = match git::show(&config.folder, commit, Path::new(file))? {
        Some(text) => Some(Config::parse(&text, &sources.config).context("its configuration")?),
        None => None,
    };
    let folder = baselines_at(commit, &sources.baselines)?;
    let read = |folder: &Path| -> Result<_> {
        let baseline = Baseline::find(folder, &selected.machine, selected.device)?.map(|(_, baseline)| baseline);
        Ok((ModelMemory::open(folder)?, baseline))
    };
    let (base_memory, base_baseline) = read(folder.path()).context("its baselines")?;
    let (memory, baseline) = read(&sources.baselines)?;
    let base = Committed { config: base_config.as_ref(), memory: Some(&base_memory), baseline: base_baseline.as_ref() };
    let head = Committed { config: Some(config), memory: Some(&memory), baseline: baseline.as_ref() };
    let mut loosened = loosening::loosened(&base, &head);
    loosened.extend(of_other_machines(folder.path(), &sources.baselines, base_baseline.as_ref())?);
    Ok((loosened, loosening::accepted(&base, &head)))
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
    let copies = tempfile::tempdir().context("cannot make a temporary folder")?;
    let folder = std::path::absolute(folder)?;
    let above = folder.parent().unwrap_or(&folder);
    for path in git::files(above, commit, &folder)? {
        let (Some(name), Some(text)) = (path.file_name(), git::show(above, commit, &path)?) else { continue };
        let copy = copies.path().join(name);
        std::fs::write(&copy, text).with_context(|| format!("cannot write {}", copy.display()))?;
    }
    Ok(copies)
}
