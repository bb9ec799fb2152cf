//! The report for a terminal: the results, loading and throughput, what was found, the verdict and what to do next.
//!
//! Colour only repeats what the words say; without it nothing is lost. The verdict comes last, where a terminal stops.

mod table;

use anstyle::{AnsiColor, Style};

use super::{Report, Standing, evidence, headline, next_steps, review, summary};
use crate::gate::Verdict;
use crate::text::escape::one_line;
use crate::text::format;
use crate::text::wrap::wrap;

/// Lines of a failed worker's standard error that are shown.
const STDERR_LINES: usize = 5;

/// The report as text, its prose in `width` columns, with escape sequences where `color` allows them.
pub fn render(report: &Report, color: bool, width: usize) -> String {
    let paint = Paint { color };
    let (results, throughput) = (table::results(report, paint), table::throughput(report, paint, width));
    [
        header(report, width),
        results,
        throughput,
        findings(report, paint, width),
        review(report, width),
        verdict(report, paint, width),
    ]
    .into_iter()
    .filter(|part| !part.is_empty())
    .collect::<Vec<_>>()
    .join("\n")
}

fn header(report: &Report, width: usize) -> String {
    let record = &report.record;
    let mut text = format!(
        "{}\nSuite {} on the {}, {} per case, {}\n",
        one_line(&record.machine.describe()),
        one_line(&record.suite),
        record.device.name().to_uppercase(),
        summary::launches(record),
        format::duration(record.wall_seconds)
    );
    match &report.baseline {
        Some(source) => text.push_str(&wrap(&format!("Baseline: {}", source.describe()), "", "  ", width)),
        None => text.push_str("Baseline: none for this machine\n"),
    }
    for (name, words) in evidence::lines(report) {
        text.push_str(&wrap(&format!("{name}: {words}"), "", "  ", width));
    }
    for warning in &record.warnings {
        text.push_str(&wrap(&format!("Warning: {warning}"), "", "  ", width));
    }
    if record.tool.debug_build {
        text.push_str("Warning: a debug build was measured\n");
    }
    text
}

/// What deserves a look, gravest first.
fn findings(report: &Report, paint: Paint, width: usize) -> String {
    let mut text = String::new();
    for notable in headline::notable(&report.comparison) {
        let names: Vec<String> = notable.cases.iter().map(|case| one_line(&case.name)).collect();
        let mark = paint.verdict(notable.verdict.name(), notable.verdict);
        text.push_str(&format!("{mark} {}\n", paint.bold(&names.join(", "))));
        for part in notable.words.split("; ") {
            text.push_str(&wrap(part, "  ", "    ", width));
        }
        let failure = notable.cases[0].failure.iter().filter(|_| notable.verdict == Verdict::Failed);
        let tail: Vec<&String> = failure.flat_map(|failure| &failure.stderr_tail).collect();
        for line in &tail[tail.len().saturating_sub(STDERR_LINES)..] {
            text.push_str(&format!("  | {}\n", one_line(line)));
        }
    }
    text
}

/// Acknowledged regressions, and what the change loosens.
fn review(report: &Report, width: usize) -> String {
    let accepted =
        review::accepted(report).map(|(name, words)| wrap(&format!("Accepted: {name}: {words}"), "", "  ", width));
    let mut text: String = accepted.collect();
    let loosened = review::loosened(report);
    if !loosened.is_empty() {
        text.push_str(&format!("{}:\n", review::LOOSENS));
        text.extend(loosened.iter().map(|change| wrap(change, "  ", "    ", width)));
    }
    text
}

fn verdict(report: &Report, paint: Paint, width: usize) -> String {
    let standing = report.standing();
    let line = wrap(&format!("{}: {}", standing.name(), headline::reason(report)), "", "  ", width);
    let mut text = match line.strip_prefix(standing.name()) {
        Some(rest) => paint.standing(standing) + rest,
        None => line,
    };
    for step in next_steps::steps(report) {
        text.push_str(&wrap(&step.words(report), "→ ", "  ", width));
    }
    text
}

/// Whether escape sequences are written.
#[derive(Clone, Copy)]
struct Paint {
    color: bool,
}

impl Paint {
    fn bold(self, text: &str) -> String {
        self.styled(text, Style::new().bold())
    }

    fn verdict(self, text: &str, verdict: Verdict) -> String {
        let style = match verdict {
            Verdict::Regressed | Verdict::Failed => AnsiColor::Red.on_default().bold(),
            Verdict::Improved => AnsiColor::Green.on_default(),
            Verdict::Inconclusive | Verdict::Missing | Verdict::Skipped => AnsiColor::Yellow.on_default(),
            Verdict::New => AnsiColor::Cyan.on_default(),
            Verdict::Unchanged => Style::new(),
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
