//! `wanbench check`: measure and judge.

use wanbench::config::Config;
use wanbench::report::Demands;

use crate::cli;
use crate::session::actions::CommandsStopped;
use crate::session::job::Fitness;
use crate::session::judged;
use crate::session::measure::{Measured, Measuring, measure};
use crate::session::publish::Publisher;
use crate::session::status::{ExitStatus, Result, status};
use crate::session::terminal::Terminal;

/// Measures, saves, compares with the committed baselines and the base revision, prints the report; 1 on a regression.
pub fn check(args: &cli::Check, terminal: &Terminal) -> Result<ExitStatus> {
    let measuring = &args.measure;
    let publisher = args.github.then(|| Publisher::new(&args.publication, terminal)).transpose()?;
    let stopped = args.github.then(|| CommandsStopped::begin(terminal)).transpose()?;
    let config = Config::open(&measuring.sources.config)?;
    // Unreadable baselines are told before minutes are spent on measuring.
    judged::read_baselines(&measuring.sources.baselines)?;
    let fitness = if args.strict { Fitness::Demanded } else { Fitness::Told };
    let asked = Measuring { args: measuring, config: &config, base: Some(&args.base), ends_at_looks: true, fitness };
    let Some(Measured { record, is_saved }) = measure(&asked, terminal)? else { return Ok(ExitStatus::Passed) };
    let demands = Demands { baseline: args.require_baseline, conclusions: args.strict };
    let report = judged::build(record, &measuring.json, &config, &measuring.sources, demands)?;
    terminal.print(&judged::text(&report, terminal))?;
    judged::save_markdown(&report, measuring.markdown.as_deref())?;
    drop(stopped);
    let standing = report.standing();
    if let Some(publisher) = publisher {
        let rendered = publisher.render(vec![report], &measuring.sources.config);
        publisher.publish(&rendered, measuring.markdown.as_deref())?;
    }
    Ok(status(standing).if_saved(is_saved))
}
