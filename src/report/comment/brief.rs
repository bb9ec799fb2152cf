//! The shortest comment: how many machines stand how, and the gravest by name.
//!
//! It has at most 1,000 bytes, whatever the reports hold: at most [`NAMED`] machines and findings are named, names are of
//! at most [`NAME_LENGTH`] harmless bytes, an address longer than [`URL_LENGTH`] is left out, and all else is counts.

use super::super::{Report, headline};
use super::{Origin, link, machine, symbol, verdict};
use crate::gate::Verdict;
use crate::text::escape::harmless;

/// Machines, and findings.
const NAMED: usize = 3;

/// Bytes of a name.
const NAME_LENGTH: usize = 30;

/// Bytes of the run's address.
const URL_LENGTH: usize = 200;

/// The comment on `reports`, the gravest of which is first.
pub(super) fn render(reports: &[&Report], origin: &Origin) -> String {
    let (standing, _) = verdict(reports);
    let like = reports.iter().filter(|report| report.standing() == standing).count();
    let url = origin.run_url.as_deref().filter(|url| url.len() <= URL_LENGTH);
    let run = url.map_or_else(|| "the run".to_owned(), |url| link("the run", url));
    let lead = format!(
        "**{} {}** on {like} of {} machines. **Next:** read the full report of {run}; it is too long for a comment.\n",
        symbol(standing),
        standing.name(),
        reports.len()
    );
    let machines = listed(reports.iter().map(|report| of_machine(report)));
    let findings = listed(reports.iter().flat_map(|report| findings(report)));
    [lead, machines, findings].into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("\n")
}

fn listed(lines: impl Iterator<Item = String>) -> String {
    let lines: Vec<String> = lines.collect();
    let rest = lines.len().saturating_sub(NAMED);
    let more = (rest > 0).then(|| format!("- and {rest} more\n"));
    lines.into_iter().take(NAMED).map(|line| format!("- {line}\n")).chain(more).collect()
}

fn of_machine(report: &Report) -> String {
    let cases = &report.outcome.cases;
    let failing = cases.iter().filter(|case| case.fails()).count();
    let unjudged = cases.iter().filter(|case| case.is_gap || case.verdict == Verdict::Inconclusive).count();
    let name = harmless(&machine(report), NAME_LENGTH);
    format!("`{name}`: of {} cases {failing} fail, {unjudged} not judged", cases.len())
}

/// Each gravest finding's first case.
fn findings(report: &Report) -> Vec<String> {
    let notable = headline::notable(&report.outcome);
    let line = |(verdict, case)| format!("**{verdict}** `{}`", harmless(case, NAME_LENGTH));
    let cases = notable.iter().flat_map(|it| it.cases.iter().map(|case| (it.verdict, case.name.as_str())));
    cases.map(line).collect()
}
