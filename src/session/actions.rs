//! What GitHub Actions give a step (event, repository, token, files for its outputs), and what they obey of its output.

use std::hash::{BuildHasher, RandomState};
use std::io::Write;
use std::path::Path;

use secrecy::ExposeSecret;
use wanbench::files::save;
use wanbench::github::Repository;
use wanbench::github::client::{Client, Settings};
use wanbench::github::event::WorkflowEvent;

use super::status::{Error, OrStatus, Result};
use super::terminal::Terminal;
use crate::cli::GitHubApi;

/// Runs `ask` with a client of the API.
pub fn asking<T>(api: &GitHubApi, ask: impl AsyncFnOnce(Client) -> Result<T>) -> Result<T> {
    let settings = Settings { api_url: given(api.api_url.as_deref()), token: api.token.clone(), ..Settings::default() };
    block_on(async { ask(Client::new(settings)?).await })?
}

/// Runs what speaks to a server, to its end.
pub fn block_on<T>(future: impl Future<Output = T>) -> Result<T> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    Ok(runtime.or_incomplete(|| "cannot start the HTTP client")?.block_on(future))
}

/// Whether there is a token. Actions set a variable to nothing where a secret is not to be had.
pub fn has_token(api: &GitHubApi) -> bool {
    api.token.as_ref().is_some_and(|token| !token.expose_secret().trim().is_empty())
}

/// The repository that is posted to.
pub fn repository(api: &GitHubApi) -> Result<Repository> {
    let text = api.repository.as_deref().unwrap_or_default();
    text.parse().map_err(|error| Error::usage(format!("--repository, or GITHUB_REPOSITORY: {error}")))
}

/// The event that started the workflow; one about nothing where there is none.
pub fn open_event(api: &GitHubApi) -> Result<WorkflowEvent> {
    match &api.event {
        Some(path) if !path.as_os_str().is_empty() => Ok(WorkflowEvent::open(path)?),
        _ => Ok(WorkflowEvent::default()),
    }
}

/// A variable of the environment that is set to something.
pub fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// Writes `text` at the end of one of the files that a step hands to Actions, where there is one.
pub fn append(path: Option<&Path>, text: &str) -> Result<()> {
    let Some(path) = path.filter(|path| !path.as_os_str().is_empty()) else { return Ok(()) };
    save::append(path, text).or_incomplete(|| format!("cannot write {}", path.display()))
}

/// Keeps Actions from obeying what is printed, such as a worker's output, until it is dropped.
pub struct CommandsStopped {
    token: String,
}

impl CommandsStopped {
    /// From now on nothing that is printed is a workflow command.
    pub fn begin(terminal: &Terminal) -> Result<Self> {
        // Seeded by the system, so that no worker can know it.
        let random = || RandomState::new().hash_one(std::process::id());
        let token = format!("{:016x}{:016x}", random(), random());
        terminal.print(&format!("::stop-commands::{token}\n"))?;
        Ok(Self { token })
    }
}

impl Drop for CommandsStopped {
    fn drop(&mut self) {
        // A closed standard output has nobody to obey it.
        drop(writeln!(std::io::stdout(), "::{}::", self.token));
    }
}

/// `text` where it says anything.
fn given(text: Option<&str>) -> Option<String> {
    text.filter(|text| !text.is_empty()).map(str::to_owned)
}
