//! What the files of `init` say of this repository: by flags, by git, and by asking.

use std::io::{self, BufRead, IsTerminal, Write};
use std::path::{Path, PathBuf};

use wanbench::config;
use wanbench::files::read::{self, Limit};
use wanbench::revision::git;

use crate::cli;
use crate::session::status::{Error, OrStatus, Result};

/// The worker if none is named.
const WORKER: &str = "python3 bench/worker.py";

pub(super) struct Answers {
    /// The repository's uppermost folder.
    pub(super) root: PathBuf,
    /// Its default branch.
    pub(super) branch: String,
    /// The backend: the folder's name, as far as it is one.
    pub(super) name: String,
    /// The backend's program and arguments.
    pub(super) command: Vec<String>,
    /// The script that the command names, from the root, where it can be written: one in Python.
    pub(super) worker: Option<PathBuf>,
    /// Labels of the runner.
    pub(super) runner: Vec<String>,
}

impl Answers {
    pub(super) fn new(args: &cli::Init) -> Result<Self> {
        if !args.folder.is_dir() {
            return Err(Error::usage(format!("{}: no such folder", args.folder.display())));
        }
        let root = git::toplevel(&args.folder).unwrap_or(args.folder.clone());
        let branch = match &args.default_branch {
            Some(branch) => branch.clone(),
            None => git::default_branch(&root).unwrap_or_else(|| "main".to_owned()),
        };
        let command = match &args.backend {
            Some(command) => command.clone(),
            None => asked()?,
        };
        let command = shlex::split(&command).filter(|words| !words.is_empty()).ok_or_else(|| {
            Error::usage(format!("--backend {command}: a program and its arguments are expected, quoted as in a shell"))
        })?;
        let name = root.canonicalize().ok().and_then(|root| Some(root.file_name()?.to_string_lossy().into_owned()));
        Ok(Self {
            branch: plain("--default-branch", branch)?,
            name: backend_name(&name.unwrap_or_default()),
            worker: worker(&command),
            runner: args.runner.iter().map(|label| plain("--runner", label.clone())).collect::<Result<_>>()?,
            command,
            root,
        })
    }

    /// Whether the root has wanbench's configuration under this name.
    pub(super) fn has_configuration(&self, name: &str) -> bool {
        let path = self.root.join(name);
        let defines_suites = || read::text(&path, Limit::CONFIGURATION).is_ok_and(|text| config::defines_suites(&text));
        path.exists() && (name == config::NAMES[0] || defines_suites())
    }
}

/// The answer of somebody at a terminal, else [`WORKER`].
fn asked() -> Result<String> {
    if !io::stdin().is_terminal() {
        return Ok(WORKER.to_owned());
    }
    let mut answer = String::new();
    write!(io::stderr(), "Command of the backend to measure [{WORKER}]: ")
        .and_then(|()| io::stdin().lock().read_line(&mut answer))
        .or_incomplete(|| "cannot read the answer: pass --backend")?;
    let answer = answer.trim();
    Ok(if answer.is_empty() { WORKER } else { answer }.to_owned())
}

/// The first script in Python below the root that `command` names.
fn worker(command: &[String]) -> Option<PathBuf> {
    let is_below = |path: &Path| path.is_relative() && !path.components().any(|part| part.as_os_str() == "..");
    command.iter().map(PathBuf::from).find(|path| path.extension().is_some_and(|it| it == "py") && is_below(path))
}

/// `name` with what the name of a backend may have.
fn backend_name(name: &str) -> String {
    let is_plain = |it: char| it.is_ascii_alphanumeric() || it == '-' || it == '_';
    let name = name.replace(|it| !is_plain(it), "-");
    let name = name.trim_matches('-');
    // The built-in ones have names of their own.
    if name.is_empty() || config::BuiltIn::ALL.iter().any(|it| it.name() == name) {
        "mine".to_owned()
    } else {
        name.to_owned()
    }
}

/// `text`, if it can stand in a workflow as it is.
fn plain(flag: &str, text: String) -> Result<String> {
    let is_plain = |it: char| it.is_ascii_alphanumeric() || "-_./".contains(it);
    if !text.is_empty() && text.chars().all(is_plain) {
        Ok(text)
    } else {
        Err(Error::usage(format!("{flag} {text}: letters, digits, - _ . and / are expected")))
    }
}
