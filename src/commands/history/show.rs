//! `wanbench history`: how the figures developed.

use std::num::NonZero;

use wanbench::history::{Asked, Metric, series};
use wanbench::report::history::{csv, json, text};

use crate::cli::{HistoryView, MetricArg};
use crate::session::history::Place;
use crate::session::status::{ExitStatus, Result};
use crate::session::terminal::Terminal;

/// Prints the series that are asked for. A file that cannot be read is left out and named: it must not hide all others.
pub fn show(args: &HistoryView, terminal: &Terminal) -> Result<ExitStatus> {
    let entries = Place::of(&args.place)?.entries(terminal)?;
    let asked = Asked {
        metric: match args.metric {
            MetricArg::Step => Metric::Step,
            MetricArg::Speedup => Metric::Speedup,
            MetricArg::Peak => Metric::Peak,
            MetricArg::Model => Metric::Model,
            MetricArg::Load => Metric::Load,
        },
        machine: args.machine.clone(),
        cases: args.case.clone(),
        label: args.label.clone(),
        since: args.since,
        last: args.last.map(NonZero::get),
    };
    let series = series(&entries, &asked);
    if series.is_empty() {
        terminal.say(&format!("none of the {} recorded runs is what the flags ask for", entries.len()));
    }
    terminal.print(&match () {
        () if args.json => json::render(&series),
        () if args.csv => csv::render(&series),
        () => text::render(&series, terminal.columns()),
    })?;
    Ok(ExitStatus::Passed)
}
