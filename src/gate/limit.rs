//! How the figures of a case stand to their ceilings.
//!
//! A time or a speedup is beyond its ceiling where its 95% interval is so too; a peak, where its launches show it as they
//! show a growth. These intervals are the figures' own: a ceiling takes no part in the error that the questions of a run share.

use super::interim::Interim;
use super::memory::{is_rare, is_shown};
use super::outcome::Figure;
use super::speed::{Answer, Decision, Question};
use crate::config::{Case, Ceiling, Look, Thresholds};
use crate::evidence::CaseEvidence;
use crate::evidence::figures::{Figures, Peak};
use crate::evidence::quantity::{Bytes, Change, Quantity, Ratio, Seconds};

/// The error on the side of an interval that matters, and the error with which a figure at its ceiling passes.
const LOOK: Look = Look { launches: 0, alpha: 0.025, pass_error: 0.5, is_early: false };

/// The ceilings that are set for `case`, by its own `thresholds`.
pub(super) fn limits<'a>(case: &'a str, thresholds: &'a Thresholds) -> impl Iterator<Item = Limit> + 'a {
    Ceiling::ALL.into_iter().filter_map(move |ceiling| {
        let value = thresholds.ceiling(ceiling)?;
        let place = format!("{}, {}", thresholds.table_of(case, ceiling.key()), ceiling.key());
        Some(Limit { ceiling, value, place })
    })
}

/// A ceiling that is set for a case.
pub(super) struct Limit {
    pub ceiling: Ceiling,
    /// In the unit of its key.
    value: f64,
    /// `gate.overrides, step_time_ceiling_ms`.
    pub place: String,
}

/// A figure beside its ceiling.
pub(super) struct Held {
    pub now: Quantity,
    /// Positive is beyond the ceiling.
    pub change: Change,
    pub interval: Option<(Change, Change)>,
    pub decision: Decision,
    /// The launches that tell of it, and, of a peak, how many of them are beyond.
    pub launches: usize,
    pub beyond: Option<usize>,
    pub settling_launches: Option<usize>,
}

impl Limit {
    /// The figure that it is of.
    pub fn figure(&self) -> Figure {
        match self.ceiling {
            Ceiling::StepTime => Figure::StepTime,
            Ceiling::Load => Figure::Load,
            Ceiling::Speedup => Figure::Speedup,
            Ceiling::Model => Figure::ModelBytes,
            Ceiling::ProcessPeak => Figure::ProcessPeak,
            Ceiling::FrameworkPeak => Figure::FrameworkPeak,
        }
    }

    /// It as a figure.
    pub fn quantity(&self) -> Quantity {
        match self.ceiling {
            Ceiling::StepTime => Quantity::Time(Seconds(self.value / 1e3)),
            Ceiling::Load => Quantity::Time(Seconds(self.value)),
            Ceiling::Speedup => Quantity::Speedup(Ratio(self.value)),
            Ceiling::Model | Ceiling::ProcessPeak | Ceiling::FrameworkPeak => Quantity::Memory(self.bytes()),
        }
    }

    /// Of a size.
    fn bytes(&self) -> Bytes {
        Bytes((self.value * 1024.0 * 1024.0) as u64)
    }

    /// Whether launches are timed for it.
    pub fn is_speed(&self) -> bool {
        matches!(self.ceiling, Ceiling::StepTime | Ceiling::Load | Ceiling::Speedup)
    }

    /// How the figure stands to it; `None` where it was not measured.
    pub fn held(&self, evidence: &CaseEvidence, now: &Figures) -> Option<Held> {
        let time = |now: Seconds, logs: &[f64], most: f64| {
            timed(Quantity::Time(now), Change(now.0 / most - 1.0), logs, -most.ln())
        };
        Some(match self.ceiling {
            Ceiling::StepTime => time(now.step_seconds, &evidence.log_steps, self.value / 1e3),
            Ceiling::Load => time(now.load_seconds, &evidence.log_loads, self.value),
            Ceiling::Speedup => {
                let speedup = now.speedup.as_ref()?.point;
                let change = Change(self.value / speedup - 1.0);
                timed(Quantity::Speedup(Ratio(speedup)), change, &evidence.against_reference, self.value.ln())
            }
            Ceiling::Model => self.weights(now),
            Ceiling::ProcessPeak => self.peak(evidence.peaks.process.as_ref()?),
            Ceiling::FrameworkPeak => self.peak(evidence.peaks.framework.as_ref()?),
        })
    }

    fn weights(&self, now: &Figures) -> Held {
        let decision = if now.model_bytes > self.bytes() { Decision::Slower } else { Decision::Unchanged };
        Held {
            now: Quantity::Memory(now.model_bytes),
            change: Change::of_bytes(self.bytes(), now.model_bytes),
            interval: None,
            decision,
            launches: now.launches,
            beyond: None,
            settling_launches: None,
        }
    }

    fn peak(&self, peak: &Peak) -> Held {
        let (beyond, all) = (peak.launches.iter().filter(|bytes| **bytes > self.bytes()).count(), peak.launches.len());
        let decision = match () {
            () if is_shown(beyond, all) => Decision::Slower,
            () if is_rare(beyond, all) => Decision::Unchanged,
            () => Decision::Open,
        };
        Held {
            now: Quantity::Memory(peak.median),
            change: Change::of_bytes(self.bytes(), peak.median),
            interval: None,
            decision,
            launches: all,
            beyond: Some(beyond),
            settling_launches: None,
        }
    }
}

/// Whether more launches may tell whether a figure of the case is beyond its ceiling.
pub(super) fn is_open(case: &Case, evidence: &CaseEvidence, thresholds: &Thresholds) -> bool {
    let Some(now) = &evidence.figures else { return false };
    let held = limits(&case.name, thresholds).filter_map(|limit| limit.held(evidence, now));
    held.into_iter().any(|held| held.decision == Decision::Open)
}

/// A time or a speedup beside its ceiling: `logs` less the ceiling's, which `offset` makes of them, are positive where they
/// are beyond it.
fn timed(now: Quantity, change: Change, logs: &[f64], offset: f64) -> Held {
    let values: Vec<f64> = logs.iter().map(|log| log + offset).filter(|value| value.is_finite()).collect();
    let launches = logs.len();
    let interim = Interim::of(&Question::of_times(values, Vec::new(), 0.0), launches);
    let interval = interim.interval();
    let decision = match interval {
        _ if change.0 <= 0.0 => Decision::Unchanged,
        Some((low, _)) if low > 0.0 => Decision::Slower,
        _ => Decision::Open,
    };
    let Answer { settling_launches, .. } = interim.answer(decision, &LOOK);
    let interval = interval.map(|(low, high)| (Change::from_log(low), Change::from_log(high)));
    Held { now, change, interval, decision, launches, beyond: None, settling_launches }
}
