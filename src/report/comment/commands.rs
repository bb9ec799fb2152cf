//! The commands that take up in the baseline what the reports found, to be copied.

use super::super::Report;
use super::super::markdown::verdict::Bounds;
use super::super::next_steps::{Recording, Step, accept, anchor, steps, update};
use super::{Origin, machine};
use crate::text::escape::{fenced, harmless};

/// Longest name in a comment of the shell, in characters.
const NAME_LENGTH: usize = 60;

/// One block for all `reports`, since it fetches the results once; empty where there is nothing to record.
pub(super) fn render(reports: &[&Report], origin: &Origin, bounds: Bounds) -> String {
    let lines: Vec<String> = reports.iter().flat_map(|report| of_report(report, bounds)).collect();
    if lines.is_empty() {
        return String::new();
    }
    let lines: Vec<String> = origin.download.iter().cloned().chain(lines).collect();
    format!(
        "In a checkout of this branch, run the commands that apply and commit what they change:\n\n{}",
        fenced("bash", &lines)
    )
}

fn of_report(report: &Report, bounds: Bounds) -> Vec<String> {
    let recordings = steps(report).into_iter().filter_map(|step| match step {
        Step::Record(recording) => Some(recording),
        Step::Do(_) => None,
    });
    let of_recording = |recording: Recording| {
        let suite = harmless(&report.record.suite, NAME_LENGTH);
        let comment = format!("# {}, suite {suite}: {}", machine(report), recording.purpose());
        [vec![comment], commands(report, &recording, bounds)].concat()
    };
    recordings.flat_map(of_recording).collect()
}

/// An update comes first: it would withdraw an acceptance.
fn commands(report: &Report, recording: &Recording, bounds: Bounds) -> Vec<String> {
    let machine = machine(report);
    let flags = ["--machine", machine.as_str()];
    let (accepted, updates) = match recording {
        Recording::Anchor(cases) => {
            // Without a filter, where naming all of them is too long.
            let named = if cases.len() > bounds.entries { &[] } else { &cases[..] };
            return vec![anchor(report, named, &flags)];
        }
        Recording::Change { accepted, updates } => (&accepted[..], *updates),
        Recording::Machine | Recording::NewCases | Recording::Improvement => (&[][..], true),
    };
    let mut commands: Vec<String> = updates.then(|| update(report, &flags)).into_iter().collect();
    commands.extend(accepted.iter().take(bounds.entries).map(|case| accept(report, case, &flags)));
    let rest = accepted.len().saturating_sub(bounds.entries);
    commands.extend((rest > 0).then(|| format!("# … and likewise for {rest} more")));
    commands
}
