//! `wanbench comment`: what saved results say, on the pull request.

use std::path::PathBuf;

use wanbench::config::{CommentWhen, Config, Notify};
use wanbench::gate::{Demands, Plan};
use wanbench::report::Report;
use wanbench::store::record::RunRecord;

use crate::cli;
use crate::session::artifact::{self, Received};
use crate::session::judged::{self, Judging};
use crate::session::outputs;
use crate::session::publish::{Place, Publisher};
use crate::session::status::{Error, ExitStatus, Result};
use crate::session::terminal::Terminal;

/// Judges results, of several machines perhaps, and posts one comment about all of them; 3 if something could not be posted.
/// The verdict does not decide the exit status: that is a check's, or the check run's.
///
/// Results that cannot be read or are refused are an error, told in the comment on those that can, or in their place: no older
/// comment must stand as theirs.
pub fn comment(args: &cli::Comment, terminal: &Terminal) -> Result<ExitStatus> {
    outputs::check_comment(args)?;
    let config = Config::open(&args.sources.config).map_err(Error::from);
    if let Some(folder) = &args.artifact_folder
        && artifact::is_nothing_asked(folder, &args.publication.artifact, &args.publication.api)?
    {
        terminal.say("wanbench: the run ended with `success` and measured nothing: there is nothing to post");
        return Ok(ExitStatus::Passed);
    }
    let received = args.artifact_folder.as_deref().map(|folder| Received::open(folder, &config, &args.publication.api));
    let received = received.transpose()?;
    let trust = Trust::of(args, received.as_ref());
    let (place, records) = match received {
        Some(Received { run, pull_request, artifact }) => {
            let records =
                artifact.map(|artifact| artifact.records.into_iter().map(|(path, it)| (path, Ok(it))).collect());
            (Some(Place { pull_request, head_sha: run.head_sha }), records)
        }
        None => {
            let records = args.results.iter().map(|path| (path.clone(), RunRecord::open(path).map_err(Error::from)));
            (None, Ok(records.collect()))
        }
    };
    let publisher = Publisher::new(&args.publication, place, terminal)?;
    let when = config.as_ref().map_or(CommentWhen::Always, |config| config.github.comment);
    let notify = config.as_ref().map_or_else(|_| Notify::default(), |config| config.notify.clone());
    let judged = judge(args, trust, config, records).unwrap_or_else(|error| vec![Err(error)]);
    let (reports, errors) = partition(judged);
    if let (Some(error), []) = (errors.first(), &reports[..]) {
        publisher.post_missing(&error.to_string());
    }
    if reports.is_empty() {
        return errors.into_iter().next().map_or(Ok(ExitStatus::Incomplete), Err);
    }
    let rendered = publisher.render(reports, &args.sources.config, when);
    let saved = args.markdown.as_deref().map_or(Ok(()), |path| judged::save_text(path, &rendered.comment()));
    let status = publisher.post(&rendered, args.markdown.as_deref());
    publisher.notify(&rendered, &notify);
    publisher.annotate(&rendered)?;
    saved?;
    match errors.into_iter().next() {
        Some(error) => Err(error),
        None => Ok(if args.best_effort { ExitStatus::Passed } else { status }),
    }
}

/// The reports, of which the first lacks what could not be judged, and why that could not.
fn partition(judged: Vec<Result<Report>>) -> (Vec<Report>, Vec<Error>) {
    let (mut reports, mut errors) = (Vec::new(), Vec::new());
    for judged in judged {
        match judged {
            Ok(report) => reports.push(report),
            Err(error) => errors.push(error),
        }
    }
    if !reports.is_empty() {
        let first = errors.iter().fold(reports.remove(0), |report, error| report.lacking(error.to_string()));
        reports.insert(0, first);
    }
    (reports, errors)
}

/// Each of the records, with its file, judged by what is committed.
fn judge(args: &cli::Comment, trust: Trust, config: Result<Config>, records: Records) -> Result<Vec<Result<Report>>> {
    let (config, records) = (config?, records?);
    judged::read_baselines(&args.sources)?;
    let judge = |(path, record): (PathBuf, Result<RunRecord>)| -> Result<Report> {
        let record = record?;
        let invocation = judged::invocation(&path, &args.sources, judged::flags_of(&record));
        let plan = match trust {
            Trust::Own => Plan::of(&config, &record),
            Trust::Nobody => Plan::of_stranger(&config, &record),
            Trust::Change => Plan { asks_comparison: true, ..Plan::of_stranger(&config, &record) },
        };
        let judging = Judging::by_committed(&record, plan, Demands::default(), &config, &args.sources, invocation)?;
        Ok(judging.report(record))
    };
    Ok(records.into_iter().map(judge).collect())
}

/// Whose the results are, and so what counts of what they say for themselves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Trust {
    /// The repository's own.
    Own,
    /// Nobody's who is known.
    Nobody,
    /// A pull request's, which can leave out what it would be compared with.
    Change,
}

impl Trust {
    fn of(args: &cli::Comment, received: Option<&Received>) -> Self {
        match received {
            _ if args.trust_results => Self::Own,
            Some(received) if received.pull_request.is_some() => Self::Change,
            _ => Self::Nobody,
        }
    }
}

/// The records with their files, each of which may be unreadable; or why there are none.
type Records = Result<Vec<(PathBuf, Result<RunRecord>)>>;
