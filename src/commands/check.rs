//! `wanbench check`: measure and judge.

use wanbench::config::{Config, GitHub, Notify};
use wanbench::gate::{Demands, Plan};
use wanbench::report::Report;

use crate::cli;
use crate::session::actions::{CommandsStopped, variable};
use crate::session::judged::{self, Judging};
use crate::session::measure::{MeasuredRun, Measuring, measure};
use crate::session::measurement::Fitness;
use crate::session::outputs;
use crate::session::publish::Publisher;
use crate::session::status::{Error, ExitStatus, Result, status};
use crate::session::terminal::Terminal;

/// Measures, saves, compares with the committed baselines and the base revision, prints the report.
///
/// Files are written and posts are made before anything is printed: a reader that has gone keeps nothing from either.
pub fn check(args: &cli::Check, terminal: &Terminal) -> Result<ExitStatus> {
    // What is not to be written to is not written to by the word of that either.
    outputs::check_measured(&args.measure, args.github.then_some(&args.publication))?;
    let publisher = args.github.then(|| Publisher::new(&args.publication, None, terminal)).transpose()?;
    // Whoever posts it: a worker's words are none of wanbench's.
    let is_in_actions = args.github || variable("GITHUB_ACTIONS").is_some();
    let stopped = is_in_actions.then(|| CommandsStopped::begin(terminal)).transpose()?;
    let judged = match judge(args, terminal) {
        Ok(judged) => judged,
        Err(error) => {
            drop(stopped);
            publisher.iter().for_each(|publisher| publisher.publish_failure(&error, &args.measure));
            return Err(error);
        }
    };
    let Some(Judged { report, unsaved, github, notify }) = judged else { return Ok(ExitStatus::Passed) };
    let markdown = args.measure.markdown.as_deref();
    // Before anything is posted, so that what is posted is what the exit status says.
    let report = judged::save_report(report, unsaved, markdown, terminal);
    let (standing, text) = (report.standing(), judged::text(&report, terminal));
    let rendered = publisher.as_ref().map(|publisher| {
        let rendered = publisher.render(vec![report], &args.measure.sources.config, github.comment);
        publisher.post(&rendered, markdown);
        publisher.notify(&rendered, &notify);
        (publisher, rendered)
    });
    let printed = terminal.print(&text);
    drop(stopped);
    let annotated = rendered.map_or(Ok(()), |(publisher, rendered)| publisher.annotate(&rendered));
    let is_printed =
        printed.and(annotated).inspect_err(|error| terminal.say_always(&format!("wanbench: {error}"))).is_ok();
    Ok(status(standing).if_saved(is_printed))
}

/// A measurement that was judged.
struct Judged {
    report: Report,
    /// Why the record could not be saved, if so.
    unsaved: Option<Error>,
    /// Where it is told.
    github: GitHub,
    notify: Notify,
}

/// Measures and judges; `None` where the cases were only listed.
fn judge(args: &cli::Check, terminal: &Terminal) -> Result<Option<Judged>> {
    let measuring = &args.measure;
    let config = Config::open(&measuring.sources.config)?;
    // Unreadable baselines are told before minutes are spent on measuring.
    judged::read_baselines(&measuring.sources)?;
    let fitness = if args.strict { Fitness::Demanded } else { Fitness::Told };
    let asked = Measuring { args: measuring, config: &config, base: Some(&args.base), ends_at_looks: true, fitness };
    let Some(MeasuredRun { record, unsaved }) = measure(&asked, terminal)? else { return Ok(None) };
    let demands = Demands { baseline: args.require_baseline, allows_inconclusive: args.allow_inconclusive };
    // By hand cases may be left out and launches lowered; what is posted is about the whole suite.
    let plan = if args.github { Plan::of(&config, &record) } else { Plan::by_hand(&config, &record) };
    let invocation = judged::invocation(&measuring.json, &measuring.sources, args.flags());
    let judging = Judging::by_committed(&record, plan, demands, &config, &measuring.sources, invocation)?;
    Ok(Some(Judged { report: judging.report(record), unsaved, github: config.github, notify: config.notify }))
}
