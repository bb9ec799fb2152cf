//! Opening results files and baselines: read, and refused unless they are [`valid`].

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde::de::IgnoredAny;

use crate::files::read::Limit;
use crate::files::{folder, save};
use crate::machine::Machine;
use crate::protocol::DeviceKind;
use crate::store::baseline::{self, Baseline, MODEL_MEMORY, ModelMemory};
use crate::store::record::{self, RunRecord};
use crate::store::valid;
use crate::store::versioned::{ReadError, has_form, parse_versioned, read};

/// What results files of every schema have; a baseline's cases are no list, and it has no suite.
#[derive(Deserialize)]
#[expect(dead_code, reason = "only whether it can be read is asked")]
struct AnyRunRecord {
    schema: u64,
    suite: String,
    launches: u64,
    cases: Vec<IgnoredAny>,
}

impl RunRecord {
    /// Whether `path` holds a saved record, of this wanbench or of one with another schema.
    pub fn is_in(path: &Path) -> bool {
        has_form::<AnyRunRecord>(path, Limit::RESULTS)
    }

    /// Saves the record, atomically.
    pub fn save(&self, path: &Path) -> std::io::Result<()> {
        debug_assert_eq!(valid::run(self), Ok(()), "what a worker reports is validated when it arrives");
        save::compact_json(path, self)
    }

    /// Reads a saved record.
    pub fn open(path: &Path) -> Result<Self, ReadError> {
        Self::parse(&read(path, Limit::RESULTS)?, path)
    }

    /// Reads the text of a saved record, as [`RunRecord::open`] does; `path` is for messages.
    pub fn parse(text: &str, path: &Path) -> Result<Self, ReadError> {
        let record = parse_versioned(text, path, "results file", record::SCHEMA)?;
        valid::run(&record).map_err(|reason| ReadError::invalid(path, reason))?;
        Ok(record)
    }
}

impl ModelMemory {
    /// Reads `folder`'s file; empty where there is none.
    pub fn open(folder: &Path) -> Result<Self, ReadError> {
        let path = folder.join(MODEL_MEMORY);
        match read_committed(&path) {
            Err(error) if error.is_not_found() => Ok(Self::default()),
            text => Self::parse(&text?, &path),
        }
    }

    /// Reads the text of such a file; `path` is for messages.
    pub fn parse(text: &str, path: &Path) -> Result<Self, ReadError> {
        valid::texts(text).map_err(|reason| ReadError::invalid(path, reason))?;
        let memory = parse_versioned(text, path, "model memory file", baseline::SCHEMA)?;
        valid::model_memory(&memory).map_err(|reason| ReadError::invalid(path, reason))?;
        Ok(memory)
    }
}

/// The text of the committed file `path`: a machine's baseline or, by its name, the models' memory; an error if it is neither.
pub fn committed(path: &Path) -> Result<String, ReadError> {
    let text = read_committed(path)?;
    match path.file_name().is_some_and(|name| name == MODEL_MEMORY) {
        true => ModelMemory::parse(&text, path).map(drop),
        false => Baseline::parse(&text, path).map(drop),
    }?;
    Ok(text)
}

/// The text of a file in a folder of baselines, with what a killed process decided to change there.
fn read_committed(path: &Path) -> Result<String, ReadError> {
    path.parent().map_or(Ok(()), completed)?;
    read(path, Limit::BASELINE)
}

fn completed(folder: &Path) -> Result<(), ReadError> {
    folder::complete(folder).map_err(|cause| ReadError::Io { path: folder.display().to_string(), cause })
}

impl Baseline {
    /// Reads one file.
    pub fn open(path: &Path) -> Result<Self, ReadError> {
        Self::parse(&read_committed(path)?, path)
    }

    /// Reads the text of such a file; `path` is for messages.
    pub fn parse(text: &str, path: &Path) -> Result<Self, ReadError> {
        valid::texts(text).map_err(|reason| ReadError::invalid(path, reason))?;
        let baseline = parse_versioned(text, path, "baseline", baseline::SCHEMA)?;
        valid::baseline(&baseline).map_err(|reason| ReadError::invalid(path, reason))?;
        Ok(baseline)
    }

    /// The baseline for `machine`: of those in `folder` whose known properties agree its own file, else the first.
    ///
    /// Another file than its own agrees where an imported report does not know the GPU's cores, say.
    pub fn find(folder: &Path, machine: &Machine, device: DeviceKind) -> Result<Option<(PathBuf, Self)>, ReadError> {
        Ok(Self::choose(&Self::all(folder)?, folder, machine, device).cloned())
    }

    /// The same of `all` that `folder` has, where they are read already.
    pub fn choose<'a>(
        all: &'a [(PathBuf, Self)],
        folder: &Path,
        machine: &Machine,
        device: DeviceKind,
    ) -> Option<&'a (PathBuf, Self)> {
        let own = Self::path(folder, machine, device);
        let agrees = |baseline: &Self| baseline.device == device && baseline.machine.agrees_with(machine);
        let agreeing = || all.iter().filter(|(_, baseline)| agrees(baseline));
        agreeing().find(|(path, _)| *path == own).or_else(|| agreeing().next())
    }

    /// All machines' baselines in `folder`, by file name, without hidden files (macOS leaves some beside its own); none where
    /// there is no such folder.
    pub fn all(folder: &Path) -> Result<Vec<(PathBuf, Self)>, ReadError> {
        completed(folder)?;
        let unreadable = |cause| ReadError::Io { path: folder.display().to_string(), cause };
        let entries = match std::fs::read_dir(folder) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries.map_err(unreadable)?,
        };
        let mut paths = Vec::new();
        for entry in entries {
            paths.push(entry.map_err(unreadable)?.path());
        }
        paths.retain(|path| {
            let is_machines = |name: &OsStr| name != MODEL_MEMORY && !name.as_encoded_bytes().starts_with(b".");
            path.extension().is_some_and(|extension| extension == "json") && path.file_name().is_some_and(is_machines)
        });
        paths.sort();
        paths.into_iter().map(|path| Ok((path.clone(), Self::open(&path)?))).collect()
    }
}
