//! The report for a terminal: the results, what was found, the outcome and what to do next.

mod table;

use anstyle::{AnsiColor, Style};

use super::{Report, evidence, headline, next_steps, review, summary};
use crate::gate::{Standing, Verdict};
use crate::text::escape::one_line;
use crate::text::format;
use crate::text::wrap::wrap;

pub(in crate::report) use table::Grid;

/// Lines of a failed worker's standard error that are shown.
const STDERR_LINES: usize = 5;

/// How a report is laid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    /// Whether escape sequences are written; colour never carries information alone.
    pub color: bool,
    /// Columns of prose.
    pub width: usize,
    /// Columns of tables, which may be wider.
    pub table_width: usize,
    /// Whether tables have all their columns, however wide.
    pub verbose: bool,
}

/// The report as text.
pub fn render(report: &Report, layout: Layout) -> String {
    let Layout { color, width, verbose, .. } = layout;
    let (paint, page) = (Paint { color }, Page { width });
    let throughput = if verbose { table::throughput(report, paint, width) } else { String::new() };
    [
        header(report, page),
        table::results(report, paint, layout),
        throughput,
        findings(report, paint, page),
        review(report, page),
        verdict(report, paint, page),
    ]
    .into_iter()
    .filter(|part| !part.is_empty())
    .collect::<Vec<_>>()
    .join("\n")
}

fn header(report: &Report, page: Page) -> String {
    let record = &report.record;
    let mut text = page.wrap(&record.machine.describe(), "", "  ");
    text.push_str(&page.wrap(
        &format!(
            "Suite {} on the {}, {} per case, {}",
            record.suite,
            record.device.name().to_uppercase(),
            summary::launches(record),
            format::duration(record.wall_seconds)
        ),
        "",
        "  ",
    ));
    match &report.baseline {
        Some(source) => text.push_str(&page.wrap(&format!("Baseline: {}", source.describe()), "", "  ")),
        None => text.push_str("Baseline: none for this machine\n"),
    }
    for (name, words) in evidence::lines(report) {
        text.push_str(&page.wrap(&format!("{name}: {words}"), "", "  "));
    }
    for warning in &record.warnings {
        text.push_str(&page.wrap(&format!("Warning: {warning}"), "", "  "));
    }
    if record.tool.debug_build {
        text.push_str("Warning: a debug build was measured\n");
    }
    text
}

/// What deserves a look, gravest first.
fn findings(report: &Report, paint: Paint, page: Page) -> String {
    let mut text = String::new();
    for notable in headline::notable(&report.outcome) {
        let names: Vec<String> = notable.cases.iter().map(|case| one_line(&case.name)).collect();
        let mark = paint.verdict(notable.verdict.name(), notable.verdict);
        text.push_str(&format!("{mark} {}\n", paint.bold(&names.join(", "))));
        for part in notable.words.split("; ") {
            text.push_str(&page.wrap(part, "  ", "    "));
        }
        let failure = notable.cases[0].failure.iter().filter(|_| notable.verdict == Verdict::Failed);
        let tail: Vec<&String> = failure.flat_map(|failure| &failure.stderr_tail).collect();
        for line in &tail[tail.len().saturating_sub(STDERR_LINES)..] {
            text.push_str(&format!("  | {}\n", one_line(line)));
        }
    }
    text
}

/// Acknowledged regressions, and what the change relaxes.
fn review(report: &Report, page: Page) -> String {
    let accepted =
        review::accepted(report).map(|(name, words)| page.wrap(&format!("Accepted: {name}: {words}"), "", "  "));
    let mut text: String = accepted.collect();
    let loosened = review::loosened(report);
    if !loosened.is_empty() {
        text.push_str(&format!("{}:\n", review::LOOSENS));
        text.extend(loosened.iter().map(|change| page.wrap(change, "  ", "    ")));
    }
    text
}

/// The outcome comes last, where a terminal stops.
fn verdict(report: &Report, paint: Paint, page: Page) -> String {
    let standing = report.standing();
    let line = page.wrap(&format!("{}: {}", standing.name(), headline::reason(report)), "", "  ");
    let mut text = match line.strip_prefix(standing.name()) {
        Some(rest) => paint.standing(standing) + rest,
        None => line,
    };
    for step in next_steps::steps(report) {
        text.push_str(&page.wrap(&step.words(report), "→ ", "  "));
    }
    text
}

/// The width that prose is wrapped to.
#[derive(Clone, Copy)]
struct Page {
    width: usize,
}

impl Page {
    fn wrap(self, text: &str, first: &str, rest: &str) -> String {
        wrap(text, first, rest, self.width)
    }
}

/// Whether escape sequences are written.
#[derive(Clone, Copy)]
pub(in crate::report) struct Paint {
    pub color: bool,
}

impl Paint {
    fn bold(self, text: &str) -> String {
        self.styled(text, Style::new().bold())
    }

    fn verdict(self, text: &str, verdict: Verdict) -> String {
        let style = match verdict {
            Verdict::Regressed | Verdict::Failed => AnsiColor::Red.on_default().bold(),
            Verdict::Improved => AnsiColor::Green.on_default(),
            Verdict::Inconclusive
            | Verdict::NotJudged
            | Verdict::Drifted
            | Verdict::Unconfirmed
            | Verdict::LeftOut
            | Verdict::Missing
            | Verdict::Skipped => AnsiColor::Yellow.on_default(),
            Verdict::New => AnsiColor::Cyan.on_default(),
            Verdict::Unchanged | Verdict::NotGated => Style::new(),
        };
        self.styled(text, style)
    }

    fn standing(self, standing: Standing) -> String {
        let color = if standing == Standing::Passed { AnsiColor::Green } else { AnsiColor::Red };
        self.styled(standing.name(), color.on_default().bold())
    }

    fn styled(self, text: &str, style: Style) -> String {
        if self.color { format!("{style}{text}{style:#}") } else { text.to_owned() }
    }
}
