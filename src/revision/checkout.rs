//! The files of one commit in the user's cache and, where they are wanbench's own, the programs built from them.
//!
//! ```text
//! <cache>/base/lock            held while anything here is made or removed
//!              rustc           see WRAPPER
//!              build/          cargo's intermediate files, where those of head's build are not at hand
//!              <commit>/source/
//!                       target/release/wanbench-{mlx,torch}
//!                       build.log   what a quiet build printed
//!                       whole.json  written last: a folder without it is half-made, and made anew
//! ```

use std::fs::{File, OpenOptions, Permissions, TryLockError};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::SystemTime;

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};

use crate::children::{self, Group, Leftovers};
use crate::files::read::{self, Limit};
use crate::files::save;
use crate::revision::git;
use crate::runner::withhold_secrets;

/// How many commits stay in the cache: those used last.
pub const KEPT: usize = 5;

/// Lines of a silent build that are shown when it fails.
const TAIL_LINES: usize = 30;

/// Starts the compiler that it is given.
///
/// Builds share their intermediate files with head's (libtorch's bindings alone take minutes), but to cargo the packages
/// of two checkouts are the same one: whichever was built last would pass for both, since its files are the newer ones.
/// A workspace wrapper is part of the names of what it compiles, and it compiles the workspace's own packages only.
const WRAPPER: &str = "#!/bin/sh\nexec \"$@\"\n";

/// One commit in the cache.
#[derive(Clone, Debug)]
pub struct Checkout {
    bases: PathBuf,
    commit: String,
    is_wanbench: bool,
}

/// What the frameworks of this program's build compute on: native/setup.py sets it where it is more than the CPU.
const DEVICE: Option<&str> = option_env!("WANBENCH_BUILD_DEVICE");

/// What says that a folder is whole.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Whole {
    commit: String,
    /// The compiler of the programs: another one would make another speed.
    compiler: Option<String>,
    /// What its workers were built for, as head's are; `None` is the CPU.
    device: Option<String>,
}

impl Checkout {
    /// The place of `commit` of `repository`, a whole checkout, in the folder `cache`; nothing is made yet.
    pub fn new(cache: &Path, repository: &Path, commit: &str) -> Result<Self> {
        let bases = std::path::absolute(cache.join("base")).context("cannot determine the current folder")?;
        Ok(Self { bases, commit: commit.to_owned(), is_wanbench: is_wanbench(repository, commit)? })
    }

    /// Whether the commit is one of wanbench itself, so that it has built-in workers of its own.
    pub fn is_wanbench(&self) -> bool {
        self.is_wanbench
    }

    /// Where everything of the commit is.
    pub fn folder(&self) -> PathBuf {
        self.bases.join(&self.commit)
    }

    /// The root of the commit's files.
    pub fn source(&self) -> PathBuf {
        self.folder().join("source")
    }

    /// Where the programs built from the commit are.
    pub fn programs(&self) -> PathBuf {
        self.folder().join("target/release")
    }

    /// Writes and builds what is not there yet, and removes what was used longest ago beyond [`KEPT`] commits.
    ///
    /// `say` is told about what takes long. The build prints to standard error or, if `quiet`, nothing until it fails.
    pub fn prepare(&self, repository: &Path, quiet: bool, say: &dyn Fn(&str)) -> Result<()> {
        let folder = self.folder();
        let cannot_write = || format!("cannot write {}; set WANBENCH_CACHE to use another folder", folder.display());
        let _lock = lock(&self.bases, say).with_context(cannot_write)?;
        let device = DEVICE.map(str::to_owned);
        let expected = Whole { commit: self.commit.clone(), compiler: self.compiler(repository), device };
        if Whole::read(&folder).as_ref() != Some(&expected) {
            remove(&folder).with_context(cannot_write)?;
            std::fs::create_dir_all(&folder).with_context(cannot_write)?;
            git::export(repository, &self.commit, &self.source(), &folder.join("index"))?;
            if self.is_wanbench {
                say(&format!("building the base revision {} in {}", self.commit, folder.display()));
                self.build(quiet)?;
            }
            save::json(&Whole::path(&folder), &expected).with_context(cannot_write)?;
        }
        let marker = File::open(Whole::path(&folder)).with_context(cannot_write)?;
        marker.set_modified(SystemTime::now()).with_context(cannot_write)?;
        if let Err(error) = prune(&self.bases) {
            say(&format!("note: cannot remove old revisions from {}: {error}", self.bases.display()));
        }
        Ok(())
    }

    /// The compiler that a build would use now; `None` where nothing is built, or none answers.
    fn compiler(&self, repository: &Path) -> Option<String> {
        if !self.is_wanbench {
            return None;
        }
        let output = children::output(Command::new("rustc").arg("-vV").current_dir(repository)).ok()?;
        output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// `make build`, its programs beside the source, its intermediate files shared with head's build.
    fn build(&self, quiet: bool) -> Result<()> {
        let source = self.source();
        let wrapper = self.bases.join("rustc");
        save::atomically(&wrapper, |out| out.write_all(WRAPPER.as_bytes()))
            .and_then(|()| std::fs::set_permissions(&wrapper, Permissions::from_mode(0o755)))
            .with_context(|| format!("cannot write {}", wrapper.display()))?;
        let mut make = Command::new("make");
        make.arg("build")
            .current_dir(&source)
            .stdin(Stdio::null())
            .env("DEVICE", DEVICE.unwrap_or("cpu"))
            .env("WANBENCH_CACHE", self.bases.parent().unwrap_or(&self.bases))
            .env("CARGO_TARGET_DIR", self.folder().join("target"))
            .env("CARGO_BUILD_BUILD_DIR", build_dir_of_head().unwrap_or_else(|| self.bases.join("build")))
            .env("RUSTC_WORKSPACE_WRAPPER", &wrapper);
        // Of a `make check` that runs this program: its flags and its job server are not for this build.
        for variable in ["MAKEFLAGS", "MFLAGS", "MAKELEVEL", "MAKEOVERRIDES"] {
            make.env_remove(variable);
        }
        withhold_secrets(&mut make);
        let log = self.folder().join("build.log");
        if quiet {
            let file = File::create(&log).with_context(|| format!("cannot write {}", log.display()))?;
            make.stdout(file.try_clone().context("cannot share the log")?).stderr(file);
        } else {
            make.stdout(io::stderr());
        }
        // In a group of its own, which ends with wanbench.
        let group = Group::spawn(&mut make, Leftovers::Kept).context("cannot start make")?;
        let status = group.finish().context("cannot wait for make")?;
        if !status.success() {
            let said = if quiet { tail(&log) } else { String::new() };
            let source = source.display();
            bail!(
                "the base revision {} cannot be built: `make build` in {source} failed ({status}){said}",
                self.commit
            );
        }
        Ok(())
    }
}

impl Whole {
    fn path(folder: &Path) -> PathBuf {
        folder.join("whole.json")
    }

    fn read(folder: &Path) -> Option<Self> {
        serde_json::from_slice(&read::bytes(&Self::path(folder), Limit::CHECKPOINT_JSON).ok()?).ok()
    }
}

/// Whether `commit` is one of wanbench itself, by the name of its package.
fn is_wanbench(repository: &Path, commit: &str) -> Result<bool> {
    let manifest = git::show(repository, commit, Path::new("Cargo.toml"))?.unwrap_or_default();
    let manifest: toml::Table = manifest.parse().unwrap_or_default();
    let name = manifest.get("package").and_then(|package| package.get("name"));
    Ok(name.and_then(toml::Value::as_str) == Some(env!("CARGO_PKG_NAME")))
}

/// Where cargo keeps the intermediate files of the running program's build, if it was built there and not brought.
fn build_dir_of_head() -> Option<PathBuf> {
    let program = std::env::current_exe().ok()?;
    let profile = program.parent()?;
    profile.join(".fingerprint").is_dir().then_some(profile.parent()?.to_owned())
}

/// Waits for whoever makes or removes something in `bases`. The lock goes with the file, and so with the process.
fn lock(bases: &Path, say: &dyn Fn(&str)) -> io::Result<File> {
    std::fs::create_dir_all(bases)?;
    let file = OpenOptions::new().write(true).create(true).truncate(false).open(bases.join("lock"))?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            say("waiting for another wanbench that is preparing a base revision");
            file.lock()?;
        }
        Err(TryLockError::Error(error)) => return Err(error),
    }
    Ok(file)
}

/// The last lines of a log, each on a line of its own.
fn tail(log: &Path) -> String {
    let bytes = read::bytes(log, Limit::LOG).unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes);
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(TAIL_LINES)..].iter().map(|line| format!("\n  {line}")).collect()
}

/// Removes all commits but the [`KEPT`] used last.
fn prune(bases: &Path) -> io::Result<()> {
    let mut commits = Vec::new();
    for entry in std::fs::read_dir(bases)? {
        let folder = entry?.path();
        let is_commit = folder.file_name().is_some_and(|name| {
            let name = name.as_encoded_bytes();
            name.len() >= 40 && name.iter().all(u8::is_ascii_hexdigit)
        });
        if is_commit {
            let marker = Whole::path(&folder).metadata().and_then(|marker| marker.modified());
            commits.push((marker.unwrap_or(SystemTime::UNIX_EPOCH), folder));
        }
    }
    commits.sort();
    commits.iter().rev().skip(KEPT).try_for_each(|(_, folder)| remove(folder))
}

/// Removes the folder of a commit; first what says that it is whole, so that a half-removed one does not pass for it.
fn remove(folder: &Path) -> io::Result<()> {
    for removed in [std::fs::remove_file(Whole::path(folder)), std::fs::remove_dir_all(folder)] {
        match removed {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    Ok(())
}
