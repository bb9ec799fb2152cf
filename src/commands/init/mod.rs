//! `wanbench init`: a configuration, a worker and workflows to begin with.

mod answers;
mod release;

use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use wanbench::config;
use wanbench::files::save;
use wanbench::text::shell;

use crate::cli;
use crate::session::status::{ExitStatus, OrStatus, Result};
use crate::session::terminal::Terminal;
use answers::Answers;
use release::Release;

/// Writes what is missing into the repository, leaves what is there, and says which is which.
pub fn init(args: &cli::Init, terminal: &Terminal) -> Result<ExitStatus> {
    let answers = Answers::new(args)?;
    let release = Release::new(args, terminal)?;
    for starter in starters(&answers, &release) {
        let path = answers.root.join(&starter.path);
        let is_new = starter.write(&path).or_incomplete(|| format!("cannot write {}", path.display()))?;
        let what = if is_new { "wrote" } else { "exists, not changed:" };
        terminal.print(&format!("{what} {}\n", starter.path.display()))?;
    }
    terminal.say(&next_steps(&answers));
    Ok(ExitStatus::Passed)
}

/// A file to begin with.
#[derive(Debug)]
struct Starter {
    /// Where it belongs, in the repository.
    path: PathBuf,
    text: String,
}

/// All of them.
fn starters(answers: &Answers, release: &Release) -> Vec<Starter> {
    let words = |text: &str| -> String {
        [
            ("@NAME@", answers.name.as_str()),
            ("@COMMAND@", &toml_array(&answers.command)),
            ("[self-hosted, macOS, ARM64]", &format!("[{}]", answers.runner.join(", "))),
            ("@BRANCH@", &answers.branch),
            ("@RELEASES@", &release.releases),
            ("@VERSION@", env!("CARGO_PKG_VERSION")),
            ("@SHA256@", &release.installer_sha256),
        ]
        .iter()
        .fold(text.to_owned(), |text, (place, word)| text.replace(place, word))
    };
    let configuration = config::NAMES.iter().find(|name| answers.has_configuration(name)).unwrap_or(&config::NAMES[0]);
    let mut starters = vec![Starter { path: configuration.into(), text: words(include_str!("wanbench.toml")) }];
    if let Some(path) = &answers.worker {
        starters.push(Starter { path: path.clone(), text: include_str!("../../../examples/worker.py").to_owned() });
    }
    let workflows = [
        ("wanbench.yml", include_str!("wanbench.yml")),
        ("wanbench-comment.yml", include_str!("wanbench-comment.yml")),
    ];
    starters.extend(
        workflows.map(|(name, text)| Starter { path: Path::new(".github/workflows").join(name), text: words(text) }),
    );
    starters
}

impl Starter {
    /// Puts the file at `path`; whether it was not there. One that is there stays as it is.
    fn write(&self, path: &Path) -> io::Result<bool> {
        match save::new(path, self.text.as_bytes()) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(false),
            Err(error) => Err(error),
        }
    }
}

fn next_steps(answers: &Answers) -> String {
    let worker = match &answers.worker {
        Some(path) => format!("put your framework into {}, where it says so", path.display()),
        None => format!(
            "let `{}` speak the worker protocol (docs/protocol.md)",
            shell::command(answers.command.iter().map(String::as_str))
        ),
    };
    format!(
        "\nNext:\n\
         1. {worker};\n   `wanbench check` measures it here.\n\
         2. Register a self-hosted runner with the labels {}.\n\
         3. Commit these files and open a pull request: its cases are new. Each later one is measured beside the commit that it\n   \
         branched off from. docs/github.md of wanbench explains the required check and changes from outside.",
        answers.runner.join(", ")
    )
}

fn toml_array(words: &[String]) -> String {
    let words: Vec<String> = words.iter().map(|word| toml::Value::from(word.as_str()).to_string()).collect();
    format!("[{}]", words.join(", "))
}
