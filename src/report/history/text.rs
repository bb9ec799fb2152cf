//! The history for a terminal: a line for each case, with what happened to it below.

use std::collections::BTreeSet;

use super::short;
use super::sparkline::sparkline;
use crate::history::{ChangePoint, Series, ShiftKind};
use crate::text::columns::{fit, width};
use crate::text::escape::one_line;
use crate::text::format::count;
use crate::text::wrap::wrap;

/// Columns of the longest case's name.
const MOST_NAME: usize = 36;

/// Columns of the latest figure and of its change.
const FIGURE: usize = 9;

/// The series in lines of `columns` columns, those of one machine below each other.
pub fn render(series: &[Series], columns: usize) -> String {
    let mut text = String::new();
    for of_machine in series.chunk_by(|one, other| (&one.machine, one.device) == (&other.machine, other.device)) {
        if !text.is_empty() {
            text.push('\n');
        }
        text.push_str(&wrap(&head(of_machine), "", "  ", columns));
        text.push('\n');
        let longest = of_machine.iter().map(|series| width(&one_line(&series.case))).max().unwrap_or_default();
        for series in of_machine {
            text.push_str(&line(series, longest.min(MOST_NAME).min(columns / 3), columns));
            text.push_str(&events(series, columns));
        }
    }
    text
}

/// `apple-m3-ultra-512gb, step time: 12 runs from 2026-02-27 to 2026-03-12`.
fn head(series: &[Series]) -> String {
    let dates = || series.iter().flat_map(|series| &series.points).map(|point| point.date);
    let runs = dates().collect::<BTreeSet<_>>().len();
    let days: BTreeSet<String> = dates().map(|date| date.strftime("%F").to_string()).collect();
    let range = match (days.first(), days.last()) {
        (Some(first), Some(latest)) if first != latest => format!(" from {first} to {latest}"),
        (Some(only), _) => format!(" of {only}"),
        _ => String::new(),
    };
    let left_out = series.iter().map(|series| series.left_out).max().unwrap_or_default();
    let without = match left_out {
        0 => String::new(),
        runs => format!("; without {} of a debug build or of another shape", count(runs, "run")),
    };
    format!("{}, {}: {}{range}{without}", series[0].machine, series[0].metric.name(), count(runs, "run"))
}

/// The case, its bars, its latest figure and how that changed.
fn line(series: &Series, name_width: usize, columns: usize) -> String {
    let name = fit(&one_line(&series.case), name_width);
    // The figure itself, whether more of it is better or worse.
    let logs: Vec<f64> = series.points.iter().map(|point| point.value.max(1e-9).ln()).collect();
    let room = logs.len().min(columns.saturating_sub(name_width + 2 * (FIGURE + 2) + 2).max(1));
    let bars = sparkline(&logs, room);
    let latest = series.latest().to_string();
    let change = series.change().map(|change| change.to_string()).unwrap_or_default();
    let text = format!(
        "{name}{}  {bars}{}  {latest:>FIGURE$}  {change:>FIGURE$}",
        " ".repeat(name_width - width(&name)),
        " ".repeat(room - bars.chars().count()),
    );
    format!("{}\n", text.trim_end())
}

/// What happened to the series, by date.
fn events(series: &Series, columns: usize) -> String {
    let accepted = series.points.iter().filter_map(|point| {
        let commit = short(point.commit.as_deref(), point.dirty);
        let reason = point.accepted.as_ref()?;
        Some((point.date, format!("{} accepted at {commit}: {reason}", point.date.strftime("%F"))))
    });
    let changed = series.changes.iter().map(|change| (change.date, changed(change)));
    let mut events: Vec<_> = accepted.chain(changed).collect();
    events.sort_by_key(|(date, _)| *date);
    events.into_iter().map(|(_, event)| wrap(&event, "  ", "    ", columns)).collect()
}

/// `2026-03-13 +20.0%, in 1f837a6..0ffee1f`.
fn changed(change: &ChangePoint) -> String {
    let commits = change.after.as_deref().zip(change.until.as_deref());
    let range =
        commits.map(|(after, until)| format!("in {}..{}", short(Some(after), false), short(Some(until), false)));
    let date = change.date.strftime("%F");
    match change.kind {
        ShiftKind::Step => format!("{date} {}{}", change.change, range.map(|it| format!(", {it}")).unwrap_or_default()),
        ShiftKind::Drift => {
            let began = range.map(|range| format!(", began {range}")).unwrap_or_default();
            format!("{date} {} little by little until {}{began}", change.change, change.reached.strftime("%F"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::{Asked, Metric, series};
    use crate::report::tests::snapshot;
    use crate::testing::history_run;

    fn asked(metric: Metric) -> Asked {
        Asked { metric, machine: None, cases: Vec::new(), label: None, since: None, last: None }
    }

    #[test]
    fn each_case_has_a_line_with_its_bars_its_latest_figure_and_its_change() {
        let noise = |day: usize| 1.0 + 0.002 * (day * 5 % 7) as f64;
        let mut entries: Vec<_> = (0..40).map(|day| history_run(day, "mlx/41f/int8", noise(day))).collect();
        let drift = |day: usize| 1.0 + 0.2 * ((day as f64 - 9.0) / 20.0).clamp(0.0, 1.0);
        for (day, entry) in entries.iter_mut().enumerate() {
            let slower = [(3, if day < 12 { 1.0 } else { 1.05 }), (7, drift(day))];
            for (case, factor) in slower {
                entry.cases[case].figures.step_seconds.as_mut().unwrap().value *= factor * noise(day);
            }
        }
        entries[5].cases[5].accepted = Some(crate::store::baseline::Acceptance {
            reason: "the mask is applied in f32 now, which costs a quarter of a step".to_owned(),
            date: entries[4].started,
            commit: None,
            change: None,
            times: Default::default(),
            covers: Default::default(),
        });
        assert_eq!(entries[5].cases[5].name, "mlx/41f/none");
        let all = series(&entries, &asked(Metric::Step));
        let text = render(&all, 80);
        snapshot("history.terminal", &text);
        assert!(text.lines().all(|line| width(line) <= 80), "{text}");
    }

    #[test]
    fn long_names_and_many_runs_stay_within_the_columns() {
        let mut entries: Vec<_> = (0..200).map(|day| history_run(day, "mlx/41f/int8", 1.0)).collect();
        entries.iter_mut().for_each(|entry| entry.cases[0].name = "x".repeat(100));
        for columns in [40, 80, 100] {
            let text = render(&series(&entries, &asked(Metric::Peak)), columns);
            assert!(text.lines().all(|line| width(line) <= columns), "{columns}: {text}");
        }
    }
}
