//! What is published of a judgement: annotations, the job's summary, a step's outputs, the pull request's comment, a check run.
//!
//! Posting never affects the verdict: what cannot be written or posted is a warning. Only `comment`, which does nothing else,
//! ends with the status of the post.

use std::path::{Path, PathBuf};

use secrecy::SecretString;
use wanbench::config::{self, CommentWhen, Config, Notify};
use wanbench::gate::{Standing, Verdict};
use wanbench::github::check_run::{self, CheckRun};
use wanbench::github::client::Client;
use wanbench::github::comment as sticky;
use wanbench::github::event::WorkflowEvent;
use wanbench::github::{Marker, Repository, webhook};
use wanbench::machine::Machine;
use wanbench::report::{Invocation, Report, annotations, comment, notice};
use wanbench::revision::git;

use super::actions::{append, asking, block_on, has_token, open_event, repository, variable};
use super::selected::{programs, resolve_device, select};
use super::status::{Error, ExitStatus, Result};
use super::terminal::Terminal;
use crate::cli::{Measure, Publication};

/// Most characters of a comment's body, by GitHub's answer to longer ones.
const COMMENT_LIMIT: usize = 65_536;
/// Most bytes of a job's summary: GitHub's 1 MiB a step, with room for what a step's other commands write.
const JOB_SUMMARY_LIMIT: usize = 900_000;

/// Where a judgement is published, and as whom.
pub struct Publisher<'a> {
    args: &'a Publication,
    terminal: &'a Terminal,
    place: Place,
    /// Whether it is about the default branch as it is, and not about a change.
    is_of_default_branch: bool,
    origin: comment::Origin,
    /// What is posted where there are no results: of which suite and machine they would be, nobody knows.
    without_results: Marker,
}

/// What a judgement is about.
#[derive(Debug)]
pub struct Place {
    /// Number of the pull request, if it is about one.
    pub pull_request: Option<u64>,
    /// The commit that a branch rule looks at: a pull request's head, not the merge that Actions check out.
    pub head_sha: String,
}

/// The texts of a judgement.
pub struct Rendered {
    marker: Marker,
    /// Of the comment, which its marker precedes, and of the check run.
    body: String,
    title: String,
    job_summary: String,
    annotations: String,
    /// For a chat.
    notice: String,
    standing: Standing,
    /// Whether there is to be a comment where there is none yet.
    wants_comment: bool,
}

impl<'a> Publisher<'a> {
    /// Reads the event, where there is one; it and the flags say what the judgement is about, unless that is known to be
    /// `place`.
    pub fn new(args: &'a Publication, place: Option<Place>, terminal: &'a Terminal) -> Result<Self> {
        let event = open_event(&args.api)?;
        let origin = origin(&event, args);
        let place = place.unwrap_or_else(|| place_of(&event, args));
        let is_of_default_branch =
            place.pull_request.is_none() && event.is_of_default_branch(variable("GITHUB_EVENT_NAME").as_deref());
        let workflow = match &event.workflow_run {
            Some(run) => run.name.clone(),
            None => variable("GITHUB_WORKFLOW"),
        };
        let without_results = Marker::new(&format!("no results of {}", workflow.as_deref().unwrap_or("a workflow")));
        Ok(Self { args, terminal, place, is_of_default_branch, origin, without_results })
    }

    /// The texts about `reports`, for readers elsewhere; annotations stand at `config`. There is a new comment `when` it says.
    pub fn render(&self, reports: Vec<Report>, config: &Path, when: CommentWhen) -> Rendered {
        let reports: Vec<Report> = reports.into_iter().map(for_readers_elsewhere).collect();
        let marker = Marker::new(self.args.id.as_deref().unwrap_or(&name_of(&reports, config)));
        // Less than a check run's summary may have.
        let limit = COMMENT_LIMIT - marker.line().len() - 1;
        Rendered {
            body: comment::render(&reports, &self.origin, limit),
            title: comment::title(&reports),
            job_summary: comment::render(&reports, &self.origin, JOB_SUMMARY_LIMIT),
            annotations: annotations::render(&reports, &config.display().to_string()),
            notice: notice::render(&reports, self.origin.run_url.as_deref()),
            standing: reports.iter().map(Report::standing).max().unwrap_or(Standing::NotJudged),
            wants_comment: reports.is_empty() || reports.iter().any(|report| is_told(report, when)),
            marker,
        }
    }

    /// Writes and posts everything but the annotations; `markdown` is the file that holds the report too, for the step's
    /// outputs. Returns the status of the gravest warning, which is the status of `comment`; a check has its verdict's.
    ///
    /// A dry run prints the comment instead.
    pub fn post(&self, rendered: &Rendered, markdown: Option<&Path>) -> ExitStatus {
        if self.args.dry_run {
            self.terminal.say("wanbench: nothing is posted, as --dry-run asks");
            return self.warn("the comment", self.terminal.print(&rendered.comment()));
        }
        let report = markdown.map_or_else(String::new, |path| format!("report={}\n", path.display()));
        let outputs = format!("verdict={}\n{report}", rendered.standing.key());
        let summary = append(self.args.step_summary.as_deref(), &rendered.job_summary);
        let outputs = append(self.args.api.output.as_deref(), &outputs);
        let statuses = [
            self.warn("the job's summary", summary),
            self.warn("the step's outputs", outputs),
            self.ask(rendered).unwrap_or_else(|error| self.warn("the comment", Err(error))),
        ];
        gravest(&statuses)
    }

    /// Tells the webhook, where there is one, that the default branch fails. Whatever comes of that is no part of any status.
    pub fn notify(&self, rendered: &Rendered, notify: &Notify) {
        let Some(name) = &notify.webhook_env else { return };
        if self.args.dry_run || !self.is_of_default_branch || rendered.standing != Standing::Failed {
            return;
        }
        let Some(address) = variable(name).map(SecretString::from) else {
            self.terminal.say(&format!("wanbench: nothing was sent to the webhook, since {name} is not set"));
            return;
        };
        let sent = block_on(webhook::send(&address, &rendered.notice));
        match sent.and_then(|sent| sent.map_err(Error::incomplete)) {
            Ok(()) => self.terminal.say("wanbench: the webhook was told that the default branch fails"),
            Err(error) => self.say_warning(&format!(
                "the webhook could not be told that the default branch fails: {error}; check {name}, or remove webhook_env from \
                 [notify] in the configuration"
            )),
        }
    }

    /// Prints the annotations, which Actions show on the run's page; not in a dry run.
    pub fn annotate(&self, rendered: &Rendered) -> Result<()> {
        if self.args.dry_run { Ok(()) } else { self.terminal.print(&rendered.annotations) }
    }

    /// Publishes that nothing could be measured, and why: an older comment or check run must not be taken for this run's outcome.
    pub fn publish_failure(&self, error: &Error, measure: &Measure) {
        let name = self.args.id.clone().unwrap_or_else(|| name_asked(measure, self.terminal));
        self.post_reason(Marker::new(&name), &error.to_string());
    }

    /// Tells `reason` in the place of results of which nothing is known.
    pub fn post_missing(&self, reason: &str) {
        let given = self.args.id.as_deref().map(Marker::new);
        self.post_reason(given.unwrap_or_else(|| self.without_results.clone()), reason);
    }

    /// Tells `reason` in the place of results, whose comment has `marker`.
    fn post_reason(&self, marker: Marker, reason: &str) {
        let body = comment::without_results(reason, &self.place.head_sha, &self.origin);
        let rendered = Rendered {
            title: comment::title_without_results(reason),
            job_summary: body.clone(),
            body,
            annotations: annotations::failure(reason),
            notice: String::new(),
            standing: Standing::NotJudged,
            wants_comment: true,
            marker,
        };
        self.post(&rendered, None);
        // The status is the error's, whatever can be printed.
        let _ = self.annotate(&rendered);
    }

    /// Posts the comment and, where asked for, the check run.
    fn ask(&self, rendered: &Rendered) -> Result<ExitStatus> {
        let say = |text: &str| self.terminal.say(&format!("wanbench: {text}"));
        if !has_token(&self.args.api) {
            say("nothing was posted on GitHub, since there is no token (GITHUB_TOKEN or --token)");
            return Ok(ExitStatus::Incomplete);
        }
        let repository = repository(&self.args.api)?;
        asking(&self.args.api, async |client| {
            let mut statuses = Vec::new();
            match self.place.pull_request {
                Some(number) => {
                    let posted = self.post_comment(&client, &repository, number, rendered).await;
                    statuses.push(self.warn("the comment", posted));
                }
                None => {
                    say("no comment was posted, since this is not a pull request; pass --pull-request to name one");
                    // Somebody who asks for nothing else gets nothing.
                    statuses.extend((!self.args.check_run).then_some(ExitStatus::Incomplete));
                }
            }
            if self.args.check_run {
                let posted = self.post_check_run(&client, &repository, rendered).await;
                statuses.push(self.warn("the check run", posted));
            }
            Ok(gravest(&statuses))
        })
    }

    async fn post_comment(
        &self,
        client: &Client,
        repository: &Repository,
        number: u64,
        rendered: &Rendered,
    ) -> Result<()> {
        let author = match &self.args.author {
            Some(author) => author.clone(),
            None => sticky::author(client).await?,
        };
        let Rendered { marker, body, wants_comment, .. } = rendered;
        let place = sticky::Place { client, repository, pull_request: number, marker, author: &author };
        let posted = match wants_comment {
            true => Some(place.post(body).await?),
            false => place.update(body).await?,
        };
        let said = posted.map_or_else(
            || "no comment: there is nothing that [github] comment in the configuration asks for".to_owned(),
            |posted| posted.to_string(),
        );
        self.terminal.say(&format!("wanbench: {said}"));
        place.mark_older(&self.place.head_sha, self.withdrawn(rendered)).await?;
        Ok(())
    }

    async fn post_check_run(&self, client: &Client, repository: &Repository, rendered: &Rendered) -> Result<()> {
        let head_sha = self.place.head_sha.as_str();
        if head_sha.is_empty() {
            return Err(Error::usage("no commit to report a check run on: pass --sha"));
        }
        let check_run = CheckRun {
            name: &format!("wanbench ({})", rendered.marker.name()),
            head_sha,
            conclusion: Some(rendered.standing.into()),
            title: &rendered.title,
            summary: &rendered.body,
            details_url: self.origin.run_url.as_deref(),
        };
        let page = check_run::publish(client, repository, &rendered.marker, &check_run).await?;
        self.terminal.say(&format!("wanbench: check run {}", page.as_deref().unwrap_or(check_run.name)));
        let (expected, withdrawn) = (self.args.checks.into(), self.withdrawn(rendered));
        check_run::publish_overall(client, repository, head_sha, expected, withdrawn).await?;
        Ok(())
    }

    /// What an earlier attempt may have said that had no results, unless this is the same again.
    fn withdrawn(&self, rendered: &Rendered) -> Option<&Marker> {
        Some(&self.without_results).filter(|marker| **marker != rendered.marker)
    }

    /// Warns that something was not written or posted. In Actions a warning appears on the run's page.
    fn warn(&self, what: &str, outcome: Result<()>) -> ExitStatus {
        let Err(error) = outcome else { return ExitStatus::Passed };
        self.say_warning(&format!("{what} could not be written: {error}"));
        error.status()
    }

    fn say_warning(&self, warning: &str) {
        self.terminal.say_always(&format!("warning: {warning}"));
        if variable("GITHUB_ACTIONS").is_some() {
            let _ = self.terminal.print(&annotations::warning(warning));
        }
    }
}

impl Rendered {
    /// The comment as it stands on the pull request.
    pub fn comment(&self) -> String {
        format!("{}\n{}", self.marker.line(), self.body)
    }
}

/// Whether `report` deserves a comment of its own.
fn is_told(report: &Report, when: CommentWhen) -> bool {
    let is_unchanged = || report.outcome.cases.iter().all(|case| case.verdict == Verdict::Unchanged);
    match when {
        CommentWhen::Always => true,
        CommentWhen::OnChange => report.standing() != Standing::Passed || !is_unchanged(),
        CommentWhen::OnRegression => report.standing() != Standing::Passed,
    }
}

/// The status of several posts, of which some may have failed.
fn gravest(statuses: &[ExitStatus]) -> ExitStatus {
    statuses.iter().copied().max().unwrap_or(ExitStatus::Passed)
}

/// The workflow run that measured: the one that a `workflow_run` event tells of, else this one.
fn origin(event: &WorkflowEvent, args: &Publication) -> comment::Origin {
    let measured_by = event.workflow_run.as_ref().map(|run| run.id.to_string());
    let run = measured_by.or_else(|| variable("GITHUB_RUN_ID"));
    let (server, name) = (variable("GITHUB_SERVER_URL"), args.api.repository.as_ref());
    comment::Origin {
        run_url: match (&run, server, name) {
            (Some(run), Some(server), Some(name)) => Some(format!("{server}/{name}/actions/runs/{run}")),
            _ => None,
        },
        download: run.map(|run| format!("gh run download {run} --name {}", args.artifact)),
    }
}

/// What a judgement is about by `args` and, where they do not say, by `event`.
fn place_of(event: &WorkflowEvent, args: &Publication) -> Place {
    let change = event.pull_request.as_ref();
    let head_sha = args.sha.clone().or_else(|| change.map(|change| change.head_sha.clone()));
    // The commit of a run that has ended is not the default branch's, which GITHUB_SHA is then.
    let head_sha = head_sha.or_else(|| event.workflow_run.as_ref().map(|run| run.head_sha.clone()));
    Place {
        pull_request: args.pull_request.map(u64::from).or(change.map(|change| change.number)),
        head_sha: head_sha.or_else(|| variable("GITHUB_SHA")).unwrap_or_default(),
    }
}

/// The suites and machines of `reports`, each once, and the configuration: what names the comment and the check run.
fn name_of(reports: &[Report], config: &Path) -> String {
    let joined = |name: fn(&Report) -> String| {
        let mut names: Vec<String> = reports.iter().map(name).collect();
        names.sort_unstable();
        names.dedup();
        names.join("+")
    };
    let machine = |report: &Report| report.record.machine.name(report.record.device);
    identity(&joined(|report| report.record.suite.clone()), &joined(machine), config)
}

/// The same by names. The usual configuration at the repository's root goes without saying.
fn identity(suites: &str, machines: &str, config: &Path) -> String {
    let folder = config.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let root = git::toplevel(folder).and_then(|root| Ok(root.canonicalize()?));
    let place = config.canonicalize().ok().zip(root.ok());
    let place = place.and_then(|(config, root)| Some(config.strip_prefix(root).ok()?.to_owned()));
    let place = place.unwrap_or_else(|| config.file_name().map(PathBuf::from).unwrap_or_default());
    if config::NAMES.iter().any(|name| place == Path::new(name)) {
        format!("{suites} on {machines}")
    } else {
        format!("{suites} on {machines} of {}", place.display())
    }
}

/// `report` with advice that serves who reads it on another machine: programs and files by their names.
fn for_readers_elsewhere(report: Report) -> Report {
    let results = Path::new(&report.invocation.results_file).file_name();
    let results_file =
        results.map_or(report.invocation.results_file.clone(), |name| name.to_string_lossy().into_owned());
    let invocation = Invocation { program: "wanbench".to_owned(), results_file, ..report.invocation };
    Report { invocation, ..report }
}

/// What the results would be called that `measure` asks for: its suite and this machine on the device for it, by the
/// configuration. Where that cannot tell, the suite's name by the flags and the machine on the device of its own.
fn name_asked(measure: &Measure, terminal: &Terminal) -> String {
    let (selection, machine) = (&measure.selection, Machine::detect());
    let asked = Config::open(&measure.sources.config).map_err(Error::from).and_then(|config| {
        let (suite, device) = select(&config, selection, &machine, &programs(&config), terminal)?;
        Ok((suite.name.clone(), device))
    });
    let (suite, device) = asked.unwrap_or_else(|_| {
        let device = resolve_device(selection.device, &machine, std::iter::empty(), terminal);
        (selection.suite.clone().unwrap_or_else(|| "default".to_owned()), device)
    });
    identity(&suite, &machine.name(device), &measure.sources.config)
}
