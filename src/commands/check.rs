//! `wanbench check`: measure and judge.

use anyhow::Result;
use wanbench::config::Config;
use wanbench::report::{Demands, Standing};

use super::actions::CommandsStopped;
use super::job::Fitness;
use super::measure::{Measuring, measure};
use super::publish::Publisher;
use super::{ExitStatus, Terminal, report};
use crate::cli;

/// Measures, saves, compares with the committed baselines and the base revision, prints the report; 1 on a regression.
pub fn check(args: &cli::Check, terminal: &Terminal) -> Result<ExitStatus> {
    let measuring = &args.measure;
    let publisher = args.github.then(|| Publisher::new(&args.publication, terminal)).transpose()?;
    let stopped = args.github.then(|| CommandsStopped::begin(terminal)).transpose()?;
    let config = Config::open(&measuring.sources.config)?;
    // Unreadable baselines are told before minutes are spent on measuring.
    report::read_baselines(&measuring.sources.baselines)?;
    let fitness = if args.strict { Fitness::Demanded } else { Fitness::Told };
    let asked = Measuring { args: measuring, config: &config, base: Some(&args.base), ends_at_looks: true, fitness };
    let Some(record) = measure(&asked, terminal)? else { return Ok(ExitStatus::Pass) };
    let demands = Demands { baseline: args.require_baseline, conclusions: args.strict };
    let report = report::build(record, &measuring.json, &config, &measuring.sources, demands)?;
    terminal.print(&report::text(&report, terminal))?;
    report::save_markdown(&report, measuring.markdown.as_deref())?;
    drop(stopped);
    let standing = report.standing();
    if let Some(publisher) = publisher {
        let rendered = publisher.render(vec![report], &measuring.sources.config);
        publisher.publish(&rendered, measuring.markdown.as_deref())?;
    }
    Ok(status(standing))
}

/// The exit status of a judgement.
pub fn status(standing: Standing) -> ExitStatus {
    match standing {
        Standing::Failed => ExitStatus::GateFailed,
        Standing::NotMeasured => ExitStatus::CannotMeasure,
        Standing::Passed => ExitStatus::Pass,
    }
}
