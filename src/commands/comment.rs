//! `wanbench comment`: what saved results say, on the pull request.

use std::path::Path;

use wanbench::config::Config;
use wanbench::gate::{Demands, Plan};
use wanbench::report::Report;
use wanbench::store::record::RunRecord;

use crate::cli;
use crate::session::judged::{self, Judging};
use crate::session::outputs;
use crate::session::publish::Publisher;
use crate::session::status::{Error, ExitStatus, Result};
use crate::session::terminal::Terminal;

/// Judges results, of several machines perhaps, and posts one comment about all of them; 3 if something could not be posted.
/// The verdict does not decide the exit status: that is a check's, or the check run's.
///
/// Results that cannot be read are an error, told in the comment on those that can: no older comment must stand as theirs.
pub fn comment(args: &cli::Comment, terminal: &Terminal) -> Result<ExitStatus> {
    outputs::check_comment(args)?;
    let publisher = Publisher::new(&args.publication, terminal)?;
    let judged = judge(args).unwrap_or_else(|error| vec![Err(error)]);
    let (reports, errors) = partition(judged);
    if let (Some(error), [], Some(id)) = (errors.first(), &reports[..], &args.publication.id) {
        publisher.post_reason(id, &error.to_string());
    }
    if reports.is_empty() {
        return errors.into_iter().next().map_or(Ok(ExitStatus::Incomplete), Err);
    }
    let rendered = publisher.render(reports, &args.sources.config);
    let saved = args.markdown.as_deref().map_or(Ok(()), |path| judged::save_text(path, &rendered.comment()));
    let status = publisher.post(&rendered, args.markdown.as_deref());
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

/// Each of the results, judged by what is committed.
fn judge(args: &cli::Comment) -> Result<Vec<Result<Report>>> {
    let config = Config::open(&args.sources.config)?;
    judged::read_baselines(&args.sources)?;
    let judge = |path: &Path| -> Result<Report> {
        let record = RunRecord::open(path)?;
        let invocation = judged::invocation(path, &args.sources, judged::flags_of(&record));
        let plan = Plan::of_stranger(&config, &record);
        let judging = Judging::by_committed(&record, plan, Demands::default(), &config, &args.sources, invocation)?;
        Ok(judging.report(record))
    };
    Ok(args.results.iter().map(|path| judge(path)).collect())
}
