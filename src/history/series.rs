//! From entries to series: one figure of one case on one machine, run after run.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Serialize;

use super::change_points::{Shift, ShiftKind, shifts};
use crate::evidence::quantity::{Bytes, Change, Quantity, Ratio, Seconds};
use crate::protocol::DeviceKind;
use crate::stats::median;
use crate::store::baseline::Shape;
use crate::store::history::{Entry, EntryCase, EntryFigures, Spread};

/// Runs at either end of a series whose median its change is measured between.
const RUNS_AT_AN_END: usize = 3;

/// A figure whose development is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Metric {
    /// Median step time, in seconds.
    Step,
    /// Reference's step time over the case's.
    Speedup,
    /// The device's peak, in bytes.
    Peak,
    /// Bytes of the weights.
    Model,
    /// Loading time, in seconds.
    Load,
}

/// Which runs are asked for.
#[derive(Clone, Debug)]
pub struct Asked {
    /// The figure.
    pub metric: Metric,
    /// Machines whose name contains this; all where it is `None`.
    pub machine: Option<String>,
    /// Cases whose name contains one of these; all where there is none.
    pub cases: Vec<String>,
    /// The runs that were recorded with this label; those without where it is `None`.
    pub label: Option<String>,
    /// Runs that began then or later.
    pub since: Option<Timestamp>,
    /// So many runs at most of each series, the latest ones.
    pub last: Option<usize>,
}

/// One figure of one case on one machine.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Series {
    /// The machine's name.
    pub machine: String,
    /// The kind of device that ran.
    pub device: DeviceKind,
    /// The case's name.
    pub case: String,
    /// The figure.
    pub metric: Metric,
    /// The runs that have it, oldest first; never none.
    pub points: Vec<Point>,
    /// Where its level changed, by date.
    pub changes: Vec<ChangePoint>,
    /// Runs that are not comparable and so are no points: of a debug build, or of another shape under the same name.
    pub left_out: usize,
}

/// One run of a series.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Point {
    /// When it began.
    pub date: Timestamp,
    /// Commit that was measured.
    pub commit: Option<String>,
    /// Whether files differed from that commit.
    pub dirty: bool,
    /// Name of the suite.
    pub suite: String,
    /// The figure, in the metric's unit.
    pub value: f64,
    /// Its 95% interval.
    pub interval: Option<(f64, f64)>,
    /// The case's verdict, as the JSON report writes it.
    pub verdict: Option<String>,
    /// The reason of an acceptance that this run is the first one to be judged with.
    pub accepted: Option<String>,
    /// Whether the run's figures are in doubt.
    pub is_doubted: bool,
    /// The file that the run was imported from, if it was.
    pub imported: Option<String>,
}

/// A change of a series' level.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ChangePoint {
    /// Whether it came at once.
    pub kind: ShiftKind,
    /// When the first run began that is different.
    pub date: Timestamp,
    /// When the first run began at the new level; of a step the same.
    pub reached: Timestamp,
    /// How much worse the new level is.
    pub change: Change,
    /// How probable as clear a change is in runs that do not change.
    pub probability: f64,
    /// The commit after which it began, with 95% confidence; `None` where that is not known.
    pub after: Option<String>,
    /// The commit by which it had begun, likewise.
    pub until: Option<String>,
}

/// The series that are asked for, by machine; of a machine those come first that its latest run has. The entries are in whichever
/// order; of two of one run the first counts, and a measured one before an imported one.
pub fn series(entries: &[Entry], asked: &Asked) -> Vec<Series> {
    let contains = |text: &String, part: &String| text.contains(part.as_str());
    let is_asked = |entry: &&Entry| {
        entry.label == asked.label && asked.machine.as_ref().is_none_or(|machine| contains(&entry.machine, machine))
    };
    let mut entries: Vec<&Entry> = entries.iter().filter(is_asked).collect();
    entries.sort_by_key(|entry| (entry.started, entry.imported.is_some()));
    let mut cases: BTreeMap<(&str, &str), Vec<&str>> = BTreeMap::new();
    for entry in entries.iter().rev() {
        let names = cases.entry((&entry.machine, entry.device.name())).or_default();
        for case in &entry.cases {
            let is_asked = asked.cases.is_empty() || asked.cases.iter().any(|part| contains(&case.name, part));
            if is_asked && !names.contains(&case.name.as_str()) {
                names.push(&case.name);
            }
        }
    }
    let of_machine = cases.into_iter().flat_map(|((machine, device), cases)| {
        let entries = entries.iter().copied().filter(|it| (it.machine.as_str(), it.device.name()) == (machine, device));
        let entries: Vec<&Entry> = entries.collect();
        cases.into_iter().filter_map(move |case| of_case(&entries, case, asked.metric)).collect::<Vec<_>>()
    });
    of_machine.filter_map(|series| series.within(asked)).collect()
}

/// The series of the case of this name in one machine's `entries`, oldest first; `None` without any point.
fn of_case(entries: &[&Entry], name: &str, metric: Metric) -> Option<Series> {
    let of_entry = |entry: &&'_ Entry| entry.cases.iter().find(|case| case.name == name).cloned();
    let runs: Vec<(&Entry, EntryCase)> = entries.iter().filter_map(|entry| Some((*entry, of_entry(entry)?))).collect();
    let measured = |case: &EntryCase| metric.of(&case.figures);
    let latest = runs.iter().rev().find(|(entry, case)| !entry.debug_build && measured(case).is_some());
    let shape = latest.and_then(|(_, case)| case.shape.clone());
    let (mut points, mut left_out) = (Vec::<Point>::new(), 0);
    let mut accepted = None;
    for (entry, case) in &runs {
        let Some(spread) = measured(case) else { continue };
        if points.last().is_some_and(|last| last.date == entry.started) {
            continue;
        }
        if entry.debug_build || !are_comparable(case.shape.as_ref(), shape.as_ref(), metric) {
            left_out += 1;
            continue;
        }
        let is_new = case.accepted.is_some() && case.accepted != accepted;
        accepted.clone_from(&case.accepted);
        points.push(Point {
            date: entry.started,
            commit: entry.commit.clone(),
            dirty: entry.dirty,
            suite: entry.suite.clone(),
            value: spread.value,
            interval: spread.interval,
            verdict: case.verdict.clone(),
            accepted: case.accepted.as_ref().filter(|_| is_new).map(|accepted| accepted.reason.clone()),
            is_doubted: !entry.doubts.is_empty(),
            imported: entry.imported.clone(),
        });
    }
    let first = entries.first()?;
    let (machine, device) = (first.machine.clone(), first.device);
    let changes = changes(&points, metric);
    (!points.is_empty()).then(|| Series { machine, device, case: name.to_owned(), metric, points, changes, left_out })
}

fn changes(points: &[Point], metric: Metric) -> Vec<ChangePoint> {
    let logs: Vec<f64> = points.iter().map(|point| metric.log_worse(point.value)).collect();
    let of_shift = |shift: Shift| ChangePoint {
        kind: shift.kind,
        date: points[shift.first].date,
        reached: points[shift.reached].date,
        change: Change::from_log(shift.log_ratio),
        probability: shift.probability,
        after: points[shift.began.start() - 1].commit.clone(),
        until: points[*shift.began.end()].commit.clone(),
    };
    shifts(&logs).into_iter().map(of_shift).collect()
}

/// Whether figures of these shapes are of the same thing: what is not known is taken to be.
fn are_comparable(one: Option<&Shape>, other: Option<&Shape>, metric: Metric) -> bool {
    let (Some(one), Some(other)) = (one, other) else { return true };
    let is_same_reference = metric != Metric::Speedup || one.reference == other.reference;
    is_same_reference && Shape { reference: None, ..one.clone() } == Shape { reference: None, ..other.clone() }
}

impl Series {
    /// The part of it that is asked for; `None` where that has no point.
    fn within(mut self, asked: &Asked) -> Option<Self> {
        self.points.retain(|point| asked.since.is_none_or(|since| point.date >= since));
        let surplus = self.points.len().saturating_sub(asked.last.unwrap_or(usize::MAX));
        self.points.drain(..surplus);
        let first = self.points.first()?.date;
        self.changes.retain(|change| change.reached >= first);
        Some(self)
    }

    /// How much worse the latest runs are than the first ones: from the median of three runs to that of three, or with less than
    /// six from the first to the latest. `None` of a single run.
    pub fn change(&self) -> Option<Change> {
        let logs: Vec<f64> = self.points.iter().map(|point| self.metric.log_worse(point.value)).collect();
        let runs = if logs.len() >= 2 * RUNS_AT_AN_END { RUNS_AT_AN_END } else { 1 };
        let (first, latest) = (&logs[..runs], &logs[logs.len() - runs..]);
        (logs.len() > 1).then(|| Change::from_log(median(latest) - median(first)))
    }

    /// The latest figure.
    pub fn latest(&self) -> Quantity {
        self.metric.quantity(self.points[self.points.len() - 1].value)
    }
}

impl Metric {
    /// In words.
    pub fn name(self) -> &'static str {
        match self {
            Self::Step => "step time",
            Self::Speedup => "speedup",
            Self::Peak => "device peak",
            Self::Model => "model memory",
            Self::Load => "loading time",
        }
    }

    /// What its values are in.
    pub fn unit(self) -> &'static str {
        match self {
            Self::Step | Self::Load => "seconds",
            Self::Speedup => "ratio",
            Self::Peak | Self::Model => "bytes",
        }
    }

    /// ln of a value, turned so that more is worse.
    pub fn log_worse(self, value: f64) -> f64 {
        match self {
            Self::Speedup => -value.ln(),
            // A backend that holds its weights already loads in no time.
            Self::Load => value.max(1e-9).ln(),
            Self::Step | Self::Peak | Self::Model => value.ln(),
        }
    }

    /// A value with its unit.
    pub fn quantity(self, value: f64) -> Quantity {
        match self {
            Self::Step | Self::Load => Quantity::Time(Seconds(value)),
            Self::Speedup => Quantity::Speedup(Ratio(value)),
            Self::Peak | Self::Model => Quantity::Memory(Bytes(value as u64)),
        }
    }

    fn of(self, figures: &EntryFigures) -> Option<Spread> {
        let bytes = |bytes: Option<u64>| bytes.map(|bytes| Spread { value: bytes as f64, interval: None });
        match self {
            Self::Step => figures.step_seconds,
            Self::Speedup => figures.speedup,
            Self::Peak => bytes(figures.device_peak_bytes),
            Self::Model => bytes(figures.model_bytes),
            Self::Load => figures.load_seconds,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::baseline::Acceptance;
    use crate::testing::{history_entry, history_run};

    const CASE: &str = "mlx/41f/int8";

    fn asked(metric: Metric) -> Asked {
        Asked { metric, machine: None, cases: vec![CASE.to_owned()], label: None, since: None, last: None }
    }

    /// The step time of [`CASE`], relative to the first run's.
    fn steps(entries: &[Entry], asked: &Asked) -> Vec<f64> {
        let all = series(entries, asked);
        let first = history_run(0, CASE, 1.0).cases.iter().find(|case| case.name == CASE).unwrap().figures.clone();
        let first = asked.metric.of(&first).unwrap().value;
        let relative = |point: &Point| (point.value / first * 1e6).round() / 1e6;
        all.first().map(|series| series.points.iter().map(relative).collect()).unwrap_or_default()
    }

    #[test]
    fn runs_are_in_the_order_they_began_each_once() {
        let imported = Entry { imported: Some("a.json".to_owned()), ..history_run(1, CASE, 3.0) };
        let entries = [imported, history_run(2, CASE, 1.2), history_run(0, CASE, 1.0), history_run(1, CASE, 1.1)];
        assert_eq!(steps(&entries, &asked(Metric::Step)), [1.0, 1.1, 1.2]);
        assert_eq!(steps(&entries[..3], &asked(Metric::Step)), [1.0, 3.0, 1.2], "an imported run is better than none");
        let one = &series(&entries, &asked(Metric::Step))[0];
        assert!((one.change().unwrap().0 - 0.2).abs() < 1e-9);
        let speedup = &series(&entries, &asked(Metric::Speedup))[0];
        assert!((speedup.change().unwrap().0 - 0.2).abs() < 1e-9, "a smaller speedup is worse");
        assert_eq!(series(&entries, &asked(Metric::Model))[0].change(), Some(Change(0.0)));
    }

    #[test]
    fn only_what_is_asked_for_and_comparable_is_shown() {
        let mut entries: Vec<Entry> = (0..5).map(|day| history_run(day, CASE, 1.0 + day as f64 / 10.0)).collect();
        entries[1].label = Some("topic".to_owned());
        entries[2].debug_build = true;
        let shaped = entries[3].cases.iter_mut().find(|case| case.name == CASE).unwrap();
        shaped.shape.as_mut().unwrap().text_rows += 1;
        assert_eq!(steps(&entries, &asked(Metric::Step)), [1.0, 1.4]);
        assert_eq!(series(&entries, &asked(Metric::Step))[0].left_out, 2);
        assert_eq!(steps(&entries, &Asked { label: Some("topic".to_owned()), ..asked(Metric::Step) }), [1.1]);
        assert_eq!(steps(&entries, &Asked { last: Some(1), ..asked(Metric::Step) }), [1.4]);
        assert_eq!(steps(&entries, &Asked { since: Some(entries[4].started), ..asked(Metric::Step) }), [1.4]);
        assert!(steps(&entries, &Asked { machine: Some("h100".to_owned()), ..asked(Metric::Step) }).is_empty());
        let all = series(&entries, &Asked { cases: Vec::new(), ..asked(Metric::Speedup) });
        assert_eq!(all.len(), 6, "the references have no speedup");
    }

    #[test]
    fn a_change_point_has_its_commits_and_is_shown_where_its_runs_are() {
        let level = |day: usize| if day < 12 { 1.0 } else { 1.2 } * (1.0 + 0.001 * (day * 5 % 7) as f64);
        let entries: Vec<Entry> = (0..24).map(|day| history_run(day, CASE, level(day))).collect();
        let one = series(&entries, &asked(Metric::Step)).remove(0);
        let [change] = &one.changes[..] else { panic!("{:?}", one.changes) };
        assert_eq!((change.kind, change.date), (ShiftKind::Step, entries[12].started));
        assert_eq!((&change.after, &change.until), (&entries[11].commit, &entries[12].commit));
        assert!((change.change.0 - 0.2).abs() < 0.005, "{change:?}");
        let speedup = series(&entries, &asked(Metric::Speedup)).remove(0);
        assert!((speedup.changes[0].change.0 - 0.2).abs() < 0.005, "a smaller speedup is worse");
        let later = series(&entries, &Asked { last: Some(5), ..asked(Metric::Step) }).remove(0);
        assert_eq!(later.changes, []);
        assert_eq!(series(&entries, &Asked { last: Some(13), ..asked(Metric::Step) })[0].changes, one.changes);
    }

    #[test]
    fn an_acceptance_is_at_the_first_run_that_is_judged_with_it() {
        let mut entries: Vec<Entry> = (0..5).map(|day| history_run(day, CASE, 1.0)).collect();
        for (day, reason) in [(1, "a"), (2, "a"), (3, "b")] {
            let case = entries[day].cases.iter_mut().find(|case| case.name == CASE).unwrap();
            case.accepted = Some(Acceptance {
                reason: reason.to_owned(),
                date: history_entry().started,
                commit: None,
                change: None,
                times: Default::default(),
                covers: Default::default(),
            });
        }
        let points = series(&entries, &asked(Metric::Step)).remove(0).points;
        let reasons: Vec<_> = points.iter().map(|point| point.accepted.as_deref()).collect();
        assert_eq!(reasons, [None, Some("a"), None, Some("b"), None]);
    }
}
