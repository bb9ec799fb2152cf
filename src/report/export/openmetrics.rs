//! OpenMetrics text 1.0, for Prometheus and its like: gauges in base units, and the verdicts as state sets.
//!
//! Written by hand: the crates for it keep counters of a running process, whose series come out in the order of a hash table.

use std::fmt::Write;

use super::super::Report;
use super::exported::{Exported, FIGURES, Unit, machine, measured};
use crate::gate::{Standing, Verdict};
use crate::text::escape::one_line;

/// The report as an exposition, with the end that OpenMetrics asks for.
pub fn render(report: &Report) -> String {
    let mut page = Page::default();
    run(&mut page, report);
    for figure in &FIGURES {
        of_figure(&mut page, report, figure);
    }
    verdicts(&mut page, report);
    page.text + "# EOF\n"
}

fn run(page: &mut Page, report: &Report) {
    let record = &report.record;
    let on = Labels::default().with("suite", &record.suite).with("machine", &machine(report));
    page.family("wanbench_run", "info", None, "The run that was measured.");
    let commit = record.tool.commit.as_deref().unwrap_or_default();
    let labels = on.clone().with("commit", commit).with("version", &record.tool.version);
    page.sample("wanbench_run_info", &labels, 1.0);
    let name = "wanbench_run_started_timestamp_seconds";
    page.family(name, "gauge", Some("seconds"), "When the run began, since 1970-01-01 UTC.");
    page.sample(name, &on, record.started.as_second() as f64);
    page.family("wanbench_standing", "stateset", None, "How the run stands.");
    for standing in [Standing::Passed, Standing::NotJudged, Standing::Failed] {
        let labels = on.clone().with("wanbench_standing", standing.key());
        page.sample("wanbench_standing", &labels, state(report.standing() == standing));
    }
}

/// A gauge with a sample for each case that has the figure; nothing where none has.
fn of_figure(page: &mut Page, report: &Report, figure: &Exported) {
    let unit = match figure.unit {
        Unit::Seconds => "seconds",
        Unit::Bytes => "bytes",
        Unit::Ratio => "ratio",
    };
    let values = measured(report).filter_map(|(case, now)| Some((case.name.as_str(), (figure.value)(now)?)));
    let values: Vec<(&str, f64)> = values.collect();
    if values.is_empty() {
        return;
    }
    let name = format!("wanbench_case_{}", figure.key);
    page.family(&name, "gauge", Some(unit), figure.help);
    for (case, value) in values {
        page.sample(&name, &of_case(report, case), value);
    }
}

fn verdicts(page: &mut Page, report: &Report) {
    if report.outcome.cases.is_empty() {
        return;
    }
    page.family("wanbench_case_verdict", "stateset", None, "What the gravest finding about the case amounts to.");
    for case in &report.outcome.cases {
        for verdict in Verdict::ALL {
            let labels = of_case(report, &case.name).with("wanbench_case_verdict", &verdict.key());
            page.sample("wanbench_case_verdict", &labels, state(case.verdict == verdict));
        }
    }
}

fn of_case(report: &Report, case: &str) -> Labels {
    Labels::default().with("suite", &report.record.suite).with("machine", &machine(report)).with("case", case)
}

fn state(is_on: bool) -> f64 {
    if is_on { 1.0 } else { 0.0 }
}

/// An exposition that is being written.
#[derive(Default)]
struct Page {
    text: String,
}

impl Page {
    /// Begins a family, to which the samples up to the next one belong.
    fn family(&mut self, name: &str, kind: &str, unit: Option<&str>, help: &str) {
        let _ = writeln!(self.text, "# TYPE {name} {kind}");
        if let Some(unit) = unit {
            let _ = writeln!(self.text, "# UNIT {name} {unit}");
        }
        let _ = writeln!(self.text, "# HELP {name} {}", escaped(help));
    }

    fn sample(&mut self, name: &str, labels: &Labels, value: f64) {
        let _ = writeln!(self.text, "{name}{{{}}} {value}", labels.text);
    }
}

/// What tells the samples of a family apart.
#[derive(Clone, Default)]
struct Labels {
    text: String,
}

impl Labels {
    fn with(mut self, name: &str, value: &str) -> Self {
        let comma = if self.text.is_empty() { "" } else { "," };
        let _ = write!(self.text, "{comma}{name}=\"{}\"", escaped(value));
        self
    }
}

/// On one line already: what is left to escape is what ends a value.
fn escaped(text: &str) -> String {
    one_line(text).replace('\\', "\\\\").replace('"', "\\\"")
}
