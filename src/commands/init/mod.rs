//! `wanbench init`: a configuration, a worker and workflows to begin with.

mod answers;
mod release;

use std::fs::{self, Permissions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use wanbench::config;
use wanbench::files::save;
use wanbench::text::shell;

use crate::cli;
use crate::session::status::{Error, ExitStatus, OrStatus, Result};
use crate::session::terminal::Terminal;
use answers::Answers;
use release::Release;

/// Writes what is missing into the repository, leaves what is there, and says which is which.
pub fn init(args: &cli::Init, terminal: &Terminal) -> Result<ExitStatus> {
    let answers = Answers::new(args)?;
    let release = Release::new(args, terminal)?;
    let starters = starters(&answers, &release);
    starters.iter().try_for_each(|starter| starter.check(&answers.root))?;
    let mut kept = Vec::new();
    for starter in starters {
        let path = answers.root.join(&starter.path);
        let is_new = starter.write(&path).or_incomplete(|| format!("cannot write {}", path.display()))?;
        let what = if is_new { "wrote" } else { "exists, not changed:" };
        terminal.print(&format!("{what} {}\n", starter.path.display()))?;
        kept.extend((!is_new).then_some(starter.path));
    }
    terminal.say(&next_steps(&answers, &kept));
    Ok(ExitStatus::Passed)
}

/// A file to begin with.
#[derive(Debug)]
struct Starter {
    /// Where it belongs, in the repository.
    path: PathBuf,
    text: String,
}

/// What keeps changes from outside from being measured, in wanbench.yml.
const FROM_INSIDE: &str = "
      && (github.event_name != 'pull_request'
      || github.event.pull_request.head.repo.full_name == github.repository
      && github.event.pull_request.user.login != 'dependabot[bot]')";

/// All of them.
fn starters(answers: &Answers, release: &Release) -> Vec<Starter> {
    let mut starters =
        vec![Starter::new(configuration(answers), &answers.filled(release, include_str!("wanbench.toml")))];
    if let Some(path) = &answers.worker {
        starters.push(Starter::new(path, include_str!("../../../examples/worker.py")));
    }
    let workflow = answers.filled(release, include_str!("wanbench.yml"));
    let workflow = if answers.takes_outside { workflow.replace(FROM_INSIDE, "") } else { workflow };
    starters.push(Starter::new(WORKFLOW, &workflow));
    if answers.takes_outside {
        let comment = answers.filled(release, include_str!("wanbench-comment.yml"));
        starters.push(Starter::new(".github/workflows/wanbench-comment.yml", &comment));
    }
    starters
}

const WORKFLOW: &str = ".github/workflows/wanbench.yml";

/// The name of the configuration: of the one that is there, if one is.
fn configuration(answers: &Answers) -> &'static str {
    config::in_folder(&answers.root).unwrap_or(config::NAMES[0])
}

impl Answers {
    /// `text` with each place, such as `@NAME@`, filled in.
    fn filled(&self, release: &Release, text: &str) -> String {
        let words = [
            ("@NAME@", self.name.as_str()),
            ("@BRANCH@", &self.branch),
            ("@RELEASES@", &release.releases),
            ("@VERSION@", env!("CARGO_PKG_VERSION")),
            ("@SHA256@", &release.installer_sha256),
            ("[self-hosted, macOS, ARM64]", &quoted(&self.runner)),
            // The only one that may have anything in it comes last, and so stays as it is.
            ("@COMMAND@", &toml_array(&self.command)),
        ];
        words.iter().fold(text.to_owned(), |text, (place, word)| text.replace(place, word))
    }
}

impl Starter {
    fn new(path: impl Into<PathBuf>, text: &str) -> Self {
        Self { path: path.into(), text: text.to_owned() }
    }

    /// An error where something else is in the file's place, before any is written.
    fn check(&self, root: &Path) -> Result<()> {
        for (depth, place) in self.path.ancestors().filter(|place| !place.as_os_str().is_empty()).enumerate() {
            let path = root.join(place);
            // Whatever a link leads to.
            let is_there = path.symlink_metadata().is_ok();
            let (is_right, kind) = if depth == 0 { (path.is_file(), "file") } else { (path.is_dir(), "folder") };
            if is_there && !is_right {
                return Err(Error::usage(format!(
                    "{} is no {kind}: make room for {}",
                    path.display(),
                    self.path.display()
                )));
            }
        }
        Ok(())
    }

    /// Puts the file at `path`; whether it was not there. One that is there stays as it is.
    fn write(&self, path: &Path) -> io::Result<bool> {
        match save::new(path, self.text.as_bytes()) {
            // A script can be the program itself.
            Ok(()) if self.text.starts_with("#!") => {
                fs::set_permissions(path, Permissions::from_mode(0o755)).map(|()| true)
            }
            Ok(()) => Ok(true),
            Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(false),
            Err(error) => Err(error),
        }
    }
}

/// What is left to do, in lines of at most 80 columns but for what they quote.
fn next_steps(answers: &Answers, kept: &[PathBuf]) -> String {
    let command = shell::command(answers.command.iter().map(String::as_str));
    let worker = match &answers.worker {
        Some(path) if !kept.contains(path) => format!("Put your framework into {}, where it says so.", path.display()),
        _ => format!("Let `{command}`\n   speak the worker protocol (docs/protocol.md of wanbench)."),
    };
    let own = match kept.iter().find(|path| path.as_path() == Path::new(configuration(answers))) {
        Some(path) => {
            format!(
                "{} is yours and was not changed: see that its [backends] name\n   `{command}`.\n   ",
                path.display()
            )
        }
        None => String::new(),
    };
    let inside = match answers.takes_outside && kept.iter().any(|path| path == Path::new(WORKFLOW)) {
        true => format!(
            "\n{WORKFLOW} was not changed, and may leave changes from outside\nout: delete it, and run this again.\n"
        ),
        false => String::new(),
    };
    format!(
        "{inside}\nNext:\n\
         1. {own}{worker}\n   \
         `wanbench check` measures it here.\n\
         2. Register a self-hosted runner with the labels {}.\n   \
         In a public repository whoever opens a pull request can run programs on it:\n   \
         require an approval for all outside contributors first (docs/github.md of\n   \
         wanbench, section 4).\n\
         3. Commit these files and open a pull request to {}, which is taken for the\n   \
         default branch. Its cases are new; each later one is measured beside the\n   \
         commit that it branched off from.",
        answers.runner.join(", "),
        answers.branch
    )
}

/// A list as YAML writes it too, in which no label is taken for a number or a truth value.
fn quoted(labels: &[String]) -> String {
    let labels: Vec<String> = labels.iter().map(|label| format!("\"{label}\"")).collect();
    format!("[{}]", labels.join(", "))
}

fn toml_array(words: &[String]) -> String {
    let words: Vec<String> = words.iter().map(|word| toml::Value::from(word.as_str()).to_string()).collect();
    format!("[{}]", words.join(", "))
}
