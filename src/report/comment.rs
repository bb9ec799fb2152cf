//! The pull request's comment: the verdict and what to do first, then the evidence, the rest folded away.
//!
//! GitHub refuses a comment beyond its limit. So there is a row of renderings, each whole and each shorter than the one
//! before, and the first that fits is taken: a table is never cut.

use super::escape::{fenced, harmless, html, markdown as escape};
use super::headline::{self, Notable, Standing};
use super::markdown::verdict::{Bounds, acceptance, finding, stderr};
use super::markdown::{analysis, configuration, hardware, method, results, syntax};
use super::next_steps::{self, Recording, Step};
use super::{Report, review, trend};
use crate::format;
use crate::gate::{Compared, Metric, Verdict};
use crate::protocol::DeviceKind;
use syntax::{details, escape_prose, list, shell};

/// Where a reader finds the rest.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Origin {
    /// Page of the run that measured.
    pub run_url: Option<String>,
    /// Command that fetches the saved results, such as `gh run download 42 --name wanbench-results`.
    pub download: Option<String>,
}

/// The comment on `reports`, a section each, in at most `limit` bytes: GitHub counts characters, which are never more.
///
/// A limit below a thousand is not kept: the shortest rendering has that at most.
pub fn render(reports: &[Report], origin: &Origin, limit: usize) -> String {
    let mut renderings = Detail::ALL.iter().map(|detail| whole(reports, origin, *detail));
    renderings.find(|text| text.len() <= limit).unwrap_or_else(|| shortest(reports, origin))
}

/// The verdict over all reports, on one line of plain text.
pub fn title(reports: &[Report]) -> String {
    let standing = standing(reports);
    match reports {
        [report] => format!("{}: {}", standing.name(), headline::reason(report)),
        _ => {
            let like = reports.iter().filter(|report| report.standing() == standing).count();
            format!("{} on {like} of {}", standing.name(), format::count(reports.len(), "machine"))
        }
    }
}

/// How much is told, from all to little.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Detail {
    /// Everything.
    All,
    /// No charts.
    NoTrends,
    /// Nothing folded away.
    NoFolds,
    /// Only the table's rows that changed.
    ChangedRows,
    /// No table, and of each machine some findings.
    SomeFindings,
}

impl Detail {
    const ALL: [Self; 5] = [Self::All, Self::NoTrends, Self::NoFolds, Self::ChangedRows, Self::SomeFindings];

    /// How many findings and names, and how much of each.
    fn bounds(self) -> Bounds {
        match self {
            Self::SomeFindings => Bounds { entries: 10, characters: 200 },
            _ => Bounds::NONE,
        }
    }
}

fn standing(reports: &[Report]) -> Standing {
    reports.iter().map(Report::standing).max().unwrap_or(Standing::Passed)
}

fn whole(reports: &[Report], origin: &Origin, detail: Detail) -> String {
    let mut text = format!("{}\n", first_line(reports));
    let mut gravest_first: Vec<&Report> = reports.iter().collect();
    gravest_first.sort_by_key(|report| std::cmp::Reverse(report.standing()));
    for report in gravest_first {
        if reports.len() > 1 {
            text += &format!("\n### {}: {}\n", escape(&place(report)), report.standing().name());
            text += &format!("\n{}.\n", escape(&headline::reason(report)));
        }
        // Of a single report the first step stands in the first line.
        let told = usize::from(reports.len() == 1);
        text += &section(report, told, origin, detail);
    }
    text + &last_line(origin, detail)
}

/// The verdict and what to do next, of the gravest report.
fn first_line(reports: &[Report]) -> String {
    let gravest = reports.iter().rev().max_by_key(|report| report.standing());
    let next = gravest.and_then(|report| next_steps::steps(report).first().map(|step| words(step, report)));
    let (verdict, reason) = match reports {
        [report] => (report.standing().name().to_owned(), format!(": {}", escape(&headline::reason(report)))),
        _ => (title(reports), String::new()),
    };
    let next = next.map_or_else(String::new, |next| format!(" **Next**: {next}"));
    format!("**{verdict}**{reason}.{next}")
}

/// A step in a sentence that leaves its command to the block below.
fn words(step: &Step, report: &Report) -> String {
    match step {
        Step::Do(words) => escape_prose(words),
        Step::Record(recording) => format!("{} (the commands are below).", intent(recording, report)),
    }
}

fn intent(recording: &Recording, report: &Report) -> String {
    let files = escape(&recording.files(report));
    match recording {
        Recording::Change { accepted, .. } if accepted.is_empty() => {
            format!("If the change is intended, record it and commit {files}")
        }
        Recording::Change { .. } => format!("If the change is intended, accept it with the reason and commit {files}"),
        Recording::Machine => format!("Record a baseline of this machine and commit {files}"),
        Recording::NewCases => format!("Record the new cases and commit {files}"),
        Recording::Improvement => format!("Keep the improvement: record it and commit {files}"),
    }
}

/// `Apple Silicon (Apple M3 Ultra), 512GB, GPU, suite synthetic`.
fn place(report: &Report) -> String {
    let device = match report.record.device {
        DeviceKind::Gpu => "GPU",
        DeviceKind::Cpu => "CPU",
    };
    format!("{}, {device}, suite {}", hardware(&report.record.machine), report.record.suite)
}

/// All about one report, of which so many steps are told already.
fn section(report: &Report, told_steps: usize, origin: &Origin, detail: Detail) -> String {
    let parts = [
        findings(report, detail),
        told("Accepted", review::accepted(report).map(|(name, words)| acceptance(name, &words)), detail),
        told("Accepted by this change, which counts once it is merged", claimed(report), detail),
        told(review::LOOSENS, review::loosened(report).iter().map(|change| escape(change)), detail),
        table(report, detail),
        what_to_do(report, told_steps, origin, detail),
        folds(report, detail),
    ];
    let parts: Vec<String> = parts.into_iter().filter(|part| !part.is_empty()).collect();
    if parts.is_empty() { String::new() } else { format!("\n{}", parts.join("\n")) }
}

fn findings(report: &Report, detail: Detail) -> String {
    let notable: Vec<Notable> = headline::notable(&report.comparison);
    bounded(notable.iter().map(|notable| finding(notable, "", detail.bounds())), detail)
}

/// The cases whose regression the change accepts in its own baselines, where others' are the measure.
fn claimed(report: &Report) -> impl Iterator<Item = String> {
    let names = report.record.base.iter().flat_map(|base| &base.accepted);
    let counts = |name: &str| review::accepted(report).any(|(accepted, _)| accepted == name);
    names.filter(move |name| !counts(name)).map(|name| syntax::code(name))
}

/// What a reviewer is to know, under its title.
fn told(title: &str, lines: impl Iterator<Item = String>, detail: Detail) -> String {
    let lines = bounded(lines, detail);
    if lines.is_empty() { lines } else { format!("{title}:\n\n{lines}") }
}

/// A list of as many lines as `detail` allows; the rest is counted.
fn bounded(lines: impl Iterator<Item = String>, detail: Detail) -> String {
    let lines: Vec<String> = lines.collect();
    let most = detail.bounds().entries;
    let more = lines.len().saturating_sub(most);
    let more = (more > 0).then(|| format!("and {more} more"));
    list(lines.into_iter().take(most).chain(more))
}

fn table(report: &Report, detail: Detail) -> String {
    let all = &report.comparison.cases;
    let shown: Vec<&Compared> =
        all.iter().filter(|case| detail < Detail::ChangedRows || case.verdict != Verdict::Unchanged).collect();
    if detail == Detail::SomeFindings || shown.is_empty() {
        return String::new();
    }
    let left_out = all.len() - shown.len();
    let rows = results::rows(&report.record, &shown);
    match left_out {
        0 => rows,
        _ => format!("{rows}\n{} left out.\n", format::count(left_out, "unchanged case")),
    }
}

/// The steps after the first `told` and, in a block to copy, the commands of all.
fn what_to_do(report: &Report, told: usize, origin: &Origin, detail: Detail) -> String {
    let steps = next_steps::steps(report);
    let mut text = bounded(steps.iter().skip(told).map(|step| words(step, report)), detail);
    let recordings = steps.iter().filter_map(|step| if let Step::Record(it) = step { Some(it) } else { None });
    let commands: Vec<String> = recordings.flat_map(|recording| commands(recording, report, detail)).collect();
    if !commands.is_empty() {
        let fetch = origin.download.iter().cloned();
        let gap = if text.is_empty() { "" } else { "\n" };
        text += &format!("{gap}{}", fenced("bash", &fetch.chain(commands).collect::<Vec<_>>()));
    }
    text
}

/// The commands that record something, on the machine of whoever reads this.
fn commands(recording: &Recording, report: &Report, detail: Detail) -> Vec<String> {
    let Report { program, flags, results_file, .. } = report;
    let results = shell(results_file);
    let (accepted, updates) = match recording {
        Recording::Change { accepted, updates } => (accepted.as_slice(), *updates),
        _ => (&[][..], true),
    };
    let accepting = accepted.iter().take(detail.bounds().entries);
    let accept =
        |case: &&str| format!("{program} baseline accept {} --reason \"…\" --from {results}{flags}", shell(case));
    let mut commands: Vec<String> = accepting.map(accept).collect();
    // An update would record an acceptable regression as well, without a reason: after it nothing is left to accept.
    if updates && accepted.is_empty() {
        commands.push(format!("{program} baseline update --from {results}{flags}"));
    }
    commands
}

/// What is there to unfold.
fn folds(report: &Report, detail: Detail) -> String {
    if detail >= Detail::NoFolds {
        return String::new();
    }
    let memory = format!("{}\n{}", analysis::quantization(report), analysis::peaks(report));
    let is_about_memory = report
        .comparison
        .failing()
        .any(|(_, finding)| matches!(finding.metric, Metric::PeakBytes | Metric::ModelBytes));
    let mut folds: Vec<String> = report.comparison.cases.iter().filter_map(stderr).collect();
    if detail == Detail::All {
        let charts = trend::charts(report).into_iter();
        folds.extend(charts.map(|(name, chart)| details(&format!("Trend of <code>{}</code>", html(name)), &chart)));
    }
    folds.push(if is_about_memory { format!("{memory}\n") } else { details("Memory", &memory) });
    let environment = format!("{}\n{}", configuration::items(report), results::legend(&report.record));
    folds.push(details("Environment, and how to read the table", &environment));
    folds.push(details("Method", &format!("{}\n{}", method::procedure(report), method::notes(report))));
    folds.concat()
}

fn last_line(origin: &Origin, detail: Detail) -> String {
    let shortened = if detail >= Detail::NoFolds { "Shortened to what a comment may hold. " } else { "" };
    let link = match &origin.run_url {
        Some(url) => format!("[The run]({}) has the whole report and the results.", link(url)),
        None => String::new(),
    };
    if shortened.is_empty() && link.is_empty() { String::new() } else { format!("\n<sub>{shortened}{link}</sub>\n") }
}

/// The verdict alone; at most a thousand bytes.
fn shortest(reports: &[Report], origin: &Origin) -> String {
    let standing = standing(reports);
    let like = reports.iter().filter(|report| report.standing() == standing).count();
    let failing: usize = reports.iter().map(|report| report.comparison.failing().count()).sum();
    format!(
        "**{}** on {like} of {}, {} outside their tolerance.\n{}",
        standing.name(),
        format::count(reports.len(), "machine"),
        format::count(failing, "figure"),
        last_line(origin, Detail::SomeFindings)
    )
}

/// An address as a link's, of bounded length.
fn link(url: &str) -> String {
    match url.split_once("://") {
        Some((scheme @ ("http" | "https"), rest)) => {
            let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
            // A port is the one colon.
            let host: Vec<String> = host.splitn(2, ':').map(|part| harmless(part, 100)).collect();
            format!("{scheme}://{}/{}", host.join(":"), harmless(path, 300))
        }
        _ => String::new(),
    }
}
