//! What the files of `init` say of this repository: by flags, by git, and by asking.

use std::io::{self, BufRead, IsTerminal, Write};
use std::path::{Component, Path, PathBuf};

use wanbench::config;
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
    /// Whether changes of forks and of Dependabot are measured, after an approval.
    pub(super) takes_outside: bool,
}

impl Answers {
    pub(super) fn new(args: &cli::Init) -> Result<Self> {
        if !args.folder.is_dir() {
            return Err(Error::usage(format!("{}: no such folder", args.folder.display())));
        }
        let root = root(&args.folder)?;
        let branch = match &args.default_branch {
            Some(branch) => branch.clone(),
            None => git::default_branch(&root).unwrap_or_else(|| "main".to_owned()),
        };
        let command = match &args.backend {
            Some(command) => command.clone(),
            None => asked()?,
        };
        let name = root.canonicalize().ok().and_then(|root| Some(root.file_name()?.to_string_lossy().into_owned()));
        let command = words(&command)?;
        let runner = args.runner.iter().map(|label| plain("--runner", label.trim()));
        Ok(Self {
            branch: plain("--default-branch", &branch)?,
            name: backend_name(&name.unwrap_or_default()),
            worker: worker(&command),
            runner: runner.collect::<Result<_>>()?,
            takes_outside: args.outside,
            command,
            root,
        })
    }
}

/// The uppermost folder of the repository around `folder`; `folder` itself where there is none.
fn root(folder: &Path) -> Result<PathBuf> {
    let error = match git::toplevel(folder) {
        Ok(root) => return Ok(root),
        Err(error) => error,
    };
    let absolute = folder.canonicalize().or_usage(|| format!("cannot find {}", folder.display()))?;
    // What git refuses, or what is no place for files, is a repository all the same.
    let is_repository = |folder: &&Path| {
        folder.join(".git").exists() || folder.join("HEAD").is_file() && folder.join("objects").is_dir()
    };
    match absolute.ancestors().find(is_repository) {
        Some(place) => {
            Err(Error::usage(format!("{} is a repository in which nothing can be written: {error:#}", place.display())))
        }
        None => Ok(folder.to_owned()),
    }
}

/// The words of a command that starts without a shell.
fn words(command: &str) -> Result<Vec<String>> {
    let refused = |why: &str| Error::usage(format!("--backend {command}: {why}"));
    let Some(words) = shlex::split(command).filter(|words| words.first().is_some_and(|word| !word.is_empty())) else {
        return Err(refused("a program and its arguments are expected, quoted as in a shell"));
    };
    if words[0].contains('=') {
        return Err(refused(&format!("for a variable begin with `env`: env {command}")));
    }
    if !words[0].contains('/') && words[0].ends_with(".py") {
        return Err(refused(&format!("a program without a folder is looked for on PATH: ./{command}")));
    }
    let is_for_a_shell = |word: &&String| word.starts_with('~') || word.contains(['$', '`', '&', '|', ';', '<', '>']);
    match words.iter().find(is_for_a_shell) {
        Some(word) => {
            Err(refused(&format!("it starts without a shell, to which `{word}` means something: put it into a script")))
        }
        None => Ok(words),
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

/// The script in Python that `command` names, from the root, if it is to lie below it in folders that are not hidden.
fn worker(command: &[String]) -> Option<PathBuf> {
    let script = command.iter().find(|word| word.ends_with(".py") || word.starts_with("-m"))?;
    let is_visible = |part: Component| match part {
        Component::CurDir => true,
        Component::Normal(name) => {
            !name.to_string_lossy().starts_with('.') && !name.to_string_lossy().contains(['*', '?'])
        }
        _ => false,
    };
    let path = Path::new(script);
    (script.ends_with(".py") && path.components().all(is_visible)).then(|| path.components().collect())
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

/// `text`, if it can stand between quotes in a workflow.
fn plain(flag: &str, text: &str) -> Result<String> {
    let is_plain = |it: char| it.is_ascii_alphanumeric() || "-_./:".contains(it);
    if !text.is_empty() && text.chars().all(is_plain) {
        Ok(text.to_owned())
    } else {
        Err(Error::usage(format!("{flag} {text}: letters, digits and - _ . / : are expected")))
    }
}
