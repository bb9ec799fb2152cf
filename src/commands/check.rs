//! `wanbench check`: measure and judge.

use wanbench::config::Config;
use wanbench::gate::{Demands, Plan};
use wanbench::report::Report;

use crate::cli;
use crate::session::actions::CommandsStopped;
use crate::session::judged::{self, Judging};
use crate::session::measure::{MeasuredRun, Measuring, measure};
use crate::session::measurement::Fitness;
use crate::session::publish::Publisher;
use crate::session::status::{ExitStatus, Result, status};
use crate::session::terminal::Terminal;

/// Measures, saves, compares with the committed baselines and the base revision, prints the report.
///
/// Files are written and posts are made before anything is printed: a reader that has gone keeps nothing from either.
pub fn check(args: &cli::Check, terminal: &Terminal) -> Result<ExitStatus> {
    let publisher = args.github.then(|| Publisher::new(&args.publication, terminal)).transpose()?;
    let stopped = args.github.then(|| CommandsStopped::begin(terminal)).transpose()?;
    let judged = match judge(args, terminal) {
        Ok(judged) => judged,
        Err(error) => {
            drop(stopped);
            publisher.iter().for_each(|publisher| publisher.publish_failure(&error, &args.measure));
            return Err(error);
        }
    };
    let Some((report, is_saved)) = judged else { return Ok(ExitStatus::Passed) };
    let markdown = args.measure.markdown.as_deref();
    let written = judged::save_markdown(&report, markdown);
    let (standing, text) = (report.standing(), judged::text(&report, terminal));
    let rendered = publisher.as_ref().map(|publisher| {
        let rendered = publisher.render(vec![report], &args.measure.sources.config);
        (publisher, publisher.post(&rendered, markdown), rendered)
    });
    let printed = terminal.print(&text);
    drop(stopped);
    if let Some((publisher, _, rendered)) = &rendered {
        publisher.annotate(rendered)?;
    }
    printed.and(written).map_or_else(
        |error| {
            terminal.say_always(&format!("wanbench: {error}"));
            Ok(status(standing).if_saved(false))
        },
        |()| Ok(status(standing).if_saved(is_saved)),
    )
}

/// Measures and judges; whether the record was saved. `None` where the cases were only listed.
fn judge(args: &cli::Check, terminal: &Terminal) -> Result<Option<(Report, bool)>> {
    let measuring = &args.measure;
    let config = Config::open(&measuring.sources.config)?;
    // Unreadable baselines are told before minutes are spent on measuring.
    judged::read_baselines(&measuring.sources)?;
    let fitness = if args.strict { Fitness::Demanded } else { Fitness::Told };
    let asked = Measuring { args: measuring, config: &config, base: Some(&args.base), ends_at_looks: true, fitness };
    let Some(MeasuredRun { record, is_saved }) = measure(&asked, terminal)? else { return Ok(None) };
    let demands = Demands { baseline: args.require_baseline, allows_inconclusive: args.allow_inconclusive };
    // By hand cases may be left out and launches lowered; what is posted is about the whole suite.
    let plan = if args.github { Plan::of(&config, &record) } else { Plan::by_hand(&config, &record) };
    let invocation = judged::invocation(&measuring.json, &measuring.sources, args.flags());
    let judging = Judging::by_committed(&record, plan, demands, &config, &measuring.sources, invocation)?;
    Ok(Some((judging.report(record), is_saved)))
}
