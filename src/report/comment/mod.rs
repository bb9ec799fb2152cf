//! The pull request's comment: the verdict and what to do next, what was found, how to accept it, then every machine's
//! table with the rest folded away.
//!
//! A comment too long for GitHub is not cut: it is rendered again by the next of `TIERS`, which shows less. The last
//! resort is `brief`, whose length is bounded whatever the reports hold.

mod brief;
mod commands;
#[cfg(test)]
pub(super) mod tests;

use std::collections::BTreeSet;

use super::headline::{self, Notable};
use super::markdown::syntax::{code, details, escape_prose, list, titled};
use super::markdown::verdict::{self, Bounds};
use super::markdown::{analysis, configuration, method, results, throughput};
use super::next_steps::{Step, steps};
use super::{Report, review, short, trend};
use crate::gate::{Figure, Judged, Standing, Verdict};
use crate::text::escape::{cut, html, markdown as escape, one_line};
use crate::text::format;

/// Where a reader finds the rest.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Origin {
    /// Address of the run's page.
    pub run_url: Option<String>,
    /// Command that fetches the results, such as `gh run download 123 -n wanbench-results`.
    pub download: Option<String>,
}

/// Longest title of a check run, in characters.
const TITLE_LENGTH: usize = 200;

/// Charts of one machine; GitHub draws each in a frame of its own.
const MOST_CHARTS: usize = 10;

/// The comment on `reports`, in at most `limit` bytes of UTF-8, with a section for each where they are several.
///
/// GitHub allows 65,536 characters. No way of counting them gives more than the bytes. A `limit` below 1,000 is not kept.
pub fn render(reports: &[Report], origin: &Origin, limit: usize) -> String {
    let reports = gravest_first(reports);
    let renderings = TIERS.iter().map(|tier| Comment { reports: &reports, origin, tier }.render());
    renderings.into_iter().find(|text| text.len() <= limit).unwrap_or_else(|| brief::render(&reports, origin))
}

/// The verdict over all `reports` on one line of plain text.
pub fn title(reports: &[Report]) -> String {
    let (standing, words) = verdict(&gravest_first(reports));
    cut(&one_line(&format!("{}{words}", standing.name())), TITLE_LENGTH)
}

/// The comment where there are no results of `commit`, for `reason`.
pub fn without_results(reason: &str, commit: &str, origin: &Origin) -> String {
    let run =
        origin.run_url.as_deref().map_or_else(String::new, |url| format!("\n{} has the log.\n", link("The run", url)));
    let reason = escape(&cut(&one_line(reason), FEW.characters));
    let standing = Standing::NotJudged;
    let at = if commit.is_empty() { String::new() } else { format!(" at {}", code(&short(commit))) };
    format!("**{} {}**{at}: nothing could be measured: {reason}\n{run}", symbol(standing), standing.name())
}

/// The same on one line of plain text.
pub fn title_without_results(reason: &str) -> String {
    cut(&one_line(&format!("{}: nothing could be measured: {reason}", Standing::NotJudged.name())), TITLE_LENGTH)
}

/// What one rendering shows.
struct Tier {
    /// Charts of the changed cases.
    trends: bool,
    /// What is folded away: standard error, memory, load and throughput, environment, method.
    folds: bool,
    rows: Rows,
    bounds: Bounds,
    /// What of all this is not there, in words.
    left_out: &'static str,
}

/// The rows of a table.
enum Rows {
    All,
    /// Without the unchanged ones, which are counted.
    Changed,
    /// None: the verdicts are counted.
    Counted,
}

/// Each shows less than the one before.
const TIERS: [Tier; 3] = [
    Tier { trends: true, folds: true, rows: Rows::All, bounds: Bounds::NONE, left_out: "" },
    Tier {
        trends: false,
        folds: false,
        rows: Rows::Changed,
        bounds: FEW,
        left_out: "unchanged rows, long lists, trends, standard errors, memory, load and throughput, environment and method",
    },
    Tier {
        trends: false,
        folds: false,
        rows: Rows::Counted,
        bounds: FEW,
        left_out: "the tables, and all but few of a list",
    },
];

/// The gravest of a list, in some sentences.
const FEW: Bounds = Bounds { entries: 20, characters: 500 };

/// One rendering.
struct Comment<'a> {
    reports: &'a [&'a Report],
    origin: &'a Origin,
    tier: &'a Tier,
}

impl Comment<'_> {
    fn render(&self) -> String {
        let mut parts = vec![self.lead(), self.findings(), self.further_steps(), self.standard_errors()];
        parts.push(commands::render(self.reports, self.origin, self.tier.bounds));
        parts.push(titled("Accepted", &self.accepted()));
        parts.push(titled("Accepted by this change, which takes effect once it is merged", &self.claimed()));
        parts.push(titled(review::LOOSENS, &self.loosened()));
        parts.extend(self.reports.iter().map(|report| self.section(report)));
        parts.push(self.footer());
        parts.retain(|part| !part.is_empty());
        parts.join("\n")
    }

    /// The verdict and what to do next.
    fn lead(&self) -> String {
        let (standing, words) = verdict(self.reports);
        let reason = escape(&cut(&words, self.tier.bounds.characters));
        let next = escape_prose(&cut(&next(self.reports), self.tier.bounds.characters));
        format!("**{} {}**{}{reason}. **Next:** {next}\n", symbol(standing), standing.name(), commit(self.reports))
    }

    /// What deserves a look, over all machines: what fails first, regressions foremost.
    fn findings(&self) -> String {
        let mut all: Vec<(&Report, Notable)> = Vec::new();
        for report in self.reports {
            all.extend(headline::notable(&report.outcome).into_iter().map(|notable| (*report, notable)));
        }
        all.sort_by_key(|(_, notable)| (!notable.fails, !notable.is_gap, notable.verdict != Verdict::Regressed));
        let lines =
            all.iter().map(|(report, notable)| verdict::finding(notable, &self.place(report), self.tier.bounds));
        self.list(lines)
    }

    /// What to do besides the first line's step and the commands.
    fn further_steps(&self) -> String {
        let mut seen: BTreeSet<String> = first_step(self.reports).into_iter().collect();
        let further = all_steps(self.reports).filter_map(|step| match step {
            Step::Do(words) if seen.insert(words.clone()) => Some(words),
            _ => None,
        });
        let lines = further.map(|words| escape_prose(&cut(&words, self.tier.bounds.characters)));
        titled("What else to do", &self.list(lines))
    }

    fn standard_errors(&self) -> String {
        let shown = self.reports.iter().filter(|_| self.tier.folds);
        let tails = shown.flat_map(|report| report.outcome.cases.iter().filter_map(verdict::stderr));
        tails.collect::<Vec<_>>().join("\n")
    }

    fn accepted(&self) -> String {
        let characters = self.tier.bounds.characters;
        let accepted = self.reports.iter().flat_map(|report| {
            let cases = review::accepted(report).collect::<Vec<_>>().into_iter();
            cases.map(|(name, words)| {
                verdict::acceptance(&cut(name, characters), &cut(&words, characters)) + &self.place(report)
            })
        });
        self.list(accepted)
    }

    /// The cases whose regression the change accepts in its own baselines, where others' are the measure.
    fn claimed(&self) -> String {
        let claimed = self.reports.iter().flat_map(|report| {
            let names = report.record.base.iter().flat_map(|base| &base.accepted);
            let counts = |name: &str| review::accepted(report).any(|(accepted, _)| accepted == name);
            names
                .filter(move |name| !counts(name))
                .map(|name| code(&cut(name, self.tier.bounds.characters)) + &self.place(report))
        });
        self.list(claimed)
    }

    /// What the change loosens; what it does for every machine is told once.
    fn loosened(&self) -> String {
        let mut seen = BTreeSet::new();
        let all = self.reports.iter().flat_map(|report| review::loosened(report));
        self.list(
            all.filter(|change| seen.insert(*change)).map(|change| escape(&cut(change, self.tier.bounds.characters))),
        )
    }

    /// A list of as many lines as there may be.
    fn list(&self, lines: impl Iterator<Item = String>) -> String {
        let mut lines: Vec<String> = lines.collect();
        let rest = lines.len().saturating_sub(self.tier.bounds.entries);
        lines.truncate(self.tier.bounds.entries);
        lines.extend((rest > 0).then(|| format!("and {rest} more")));
        list(lines)
    }

    /// Which machine a line is about, where there are several.
    fn place(&self, report: &Report) -> String {
        if self.reports.len() > 1 { format!(" (on {})", label(report)) } else { String::new() }
    }

    /// A machine's table and what is folded away.
    fn section(&self, report: &Report) -> String {
        let heading = (self.reports.len() > 1).then(|| {
            let reason = escape(&cut(&headline::reason(report), self.tier.bounds.characters));
            let standing = report.standing();
            format!("### {} {}\n\n{}: {reason}.\n", symbol(standing), label(report), standing.name())
        });
        let trends = self.tier.trends.then(|| trends(report)).flatten();
        let folds = self.tier.folds.then(|| [figures(report), memory(report), speed(report), circumstances(report)]);
        let of_steps = self.tier.folds.then(|| parts_of_steps(report)).flatten();
        let table = heading.into_iter().chain([self.table(report)]).chain(trends);
        let parts: Vec<String> = table.chain(of_steps).chain(folds.into_iter().flatten()).collect();
        parts.join("\n")
    }

    fn table(&self, report: &Report) -> String {
        let is_shown = |case: &&Judged| match self.tier.rows {
            Rows::All => true,
            Rows::Changed => case.verdict != Verdict::Unchanged,
            Rows::Counted => false,
        };
        let all = &report.outcome.cases;
        let shown: Vec<&Judged> = all.iter().filter(is_shown).collect();
        let table = || results::brief(&shown);
        match (&self.tier.rows, all.len() - shown.len()) {
            (Rows::Counted, _) => format!("{}.\n", headline::tally(&report.outcome)),
            (_, 0) => table(),
            (_, rest) if shown.is_empty() => format!("All {} are unchanged.\n", format::count(rest, "case")),
            (_, rest) => format!("{}\nNot shown: {}.\n", table(), format::count(rest, "unchanged case")),
        }
    }

    fn footer(&self) -> String {
        let run = self.origin.run_url.iter().map(|url| link("The run", url) + " has the full report.");
        let left_out = Some(self.tier.left_out).filter(|words| !words.is_empty());
        let left_out = left_out.map(|words| format!("Left out to fit into a comment: {words}."));
        let sentences: Vec<String> = left_out.into_iter().chain(run).collect();
        if sentences.is_empty() { String::new() } else { sentences.join(" ") + "\n" }
    }
}

/// The charts of the changed cases, folded away; `None` where no earlier job is known of one.
fn trends(report: &Report) -> Option<String> {
    let charts = trend::charts(report);
    let rest = charts.len().saturating_sub(MOST_CHARTS);
    let mut body: Vec<String> = charts.iter().take(MOST_CHARTS).map(|(_, chart)| chart.clone()).collect();
    body.extend((rest > 0).then(|| format!("and {} more\n", format::count(rest, "changed case"))));
    let names = charts.iter().take(3).map(|(name, _)| format!("<code>{}</code>", html(name))).collect::<Vec<_>>();
    let more = if charts.len() > 3 { format!(" and {} more", charts.len() - 3) } else { String::new() };
    let summary = format!("Trend of {}{more}", names.join(", "));
    (!charts.is_empty()).then(|| details(&summary, &body.join("\n"), false))
}

/// The parts of the slower steps beside the base revision's, folded away; `None` where none was profiled.
fn parts_of_steps(report: &Report) -> Option<String> {
    analysis::parts(report).map(|table| details("Parts of slower steps", &table, false))
}

/// The whole table, folded away.
fn figures(report: &Report) -> String {
    let cases: Vec<&Judged> = report.outcome.cases.iter().collect();
    details("All figures", &results::rows(&cases), false)
}

/// Peaks and bytes of the weights, folded away unless one of them fails.
fn memory(report: &Report) -> String {
    let is_memory = |figure| matches!(figure, Figure::ProcessPeak | Figure::FrameworkPeak | Figure::ModelBytes);
    let fails = report.outcome.failing().any(|(_, finding)| is_memory(finding.figure));
    let body = format!("{}\n{}", analysis::peaks(report), analysis::quantization(report));
    details("Memory", &body, fails)
}

/// Loading and throughput, folded away.
fn speed(report: &Report) -> String {
    details("Load and throughput", &throughput::throughput(report), false)
}

/// Environment, how to read the table, and method, folded away.
fn circumstances(report: &Report) -> String {
    let body =
        [configuration::items(report), results::legend(report), method::procedure(report), method::notes(report)];
    details("Environment and method", &body.join("\n"), false)
}

/// The gravest first, else in their order.
fn gravest_first(reports: &[Report]) -> Vec<&Report> {
    let mut reports: Vec<&Report> = reports.iter().collect();
    reports.sort_by_key(|report| std::cmp::Reverse(report.standing()));
    reports
}

/// The verdict over `reports`, the gravest of which is first, and the words behind its name.
fn verdict(reports: &[&Report]) -> (Standing, String) {
    let Some(gravest) = reports.first() else {
        return (Standing::NotJudged, ": there are no results".to_owned());
    };
    let standing = gravest.standing();
    let like = reports.iter().filter(|report| report.standing() == standing).count();
    let words = match reports.len() {
        1 => format!(": {}", headline::reason(gravest)),
        all if standing == Standing::Passed => format!(" on all {all} machines"),
        all => format!(" on {like} of {all} machines, {}: {}", machine(gravest), headline::reason(gravest)),
    };
    (standing, words)
}

/// What to do next, in a sentence.
fn next(reports: &[&Report]) -> String {
    let commands = all_steps(reports).find_map(|step| match step {
        Step::Record(recording) => Some(recording),
        Step::Do(_) => None,
    });
    match (first_step(reports), commands) {
        (Some(step), Some(recording)) if recording.is_change() => {
            format!("{}; if it is intended, the commands below accept it.", step.trim_end_matches('.'))
        }
        (Some(step), _) => step,
        (None, Some(recording)) => format!("{}, with the commands below.", recording.purpose()),
        (None, None) if reports.is_empty() => "See why the run has no results.".to_owned(),
        (None, None) => "Nothing to do.".to_owned(),
    }
}

/// The most important step that is more than a recording.
fn first_step(reports: &[&Report]) -> Option<String> {
    all_steps(reports).find_map(|step| match step {
        Step::Do(words) => Some(words),
        Step::Record(_) => None,
    })
}

fn all_steps<'a>(reports: &'a [&'a Report]) -> impl Iterator<Item = Step<'a>> {
    reports.iter().flat_map(|report| steps(report))
}

/// The commit that was measured, where all reports are of one.
fn commit(reports: &[&Report]) -> String {
    let mut commits: Vec<Option<&str>> = reports.iter().map(|report| report.record.tool.commit.as_deref()).collect();
    commits.dedup();
    match commits[..] {
        [Some(commit)] => format!(" at {}", code(&short(commit))),
        _ => String::new(),
    }
}

/// The standing without colour.
fn symbol(standing: Standing) -> &'static str {
    match standing {
        Standing::Passed => "✓",
        Standing::NotJudged => "?",
        Standing::Failed => "✗",
    }
}

/// The machine as its baseline's file is called.
fn machine(report: &Report) -> String {
    report.record.machine.name(report.record.device)
}

/// The machine and the suite that it measured.
fn label(report: &Report) -> String {
    format!("{}, suite {}", code(&machine(report)), code(&cut(&report.record.suite, 100)))
}

/// A link, where nothing in `url` could end it.
fn link(text: &str, url: &str) -> String {
    let is_plain = |letter: char| letter.is_ascii_alphanumeric() || "-._~:/?=&%+@".contains(letter);
    if url.chars().all(is_plain) { format!("[{text}]({url})") } else { format!("{text} at {}", code(url)) }
}
