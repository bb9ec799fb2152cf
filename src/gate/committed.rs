//! What is asked about the times of a run against what is committed: the baseline's level, and the anchor once the baseline has moved
//! on from it.

use super::between::Between;
use super::level::{Level, log_speedups, log_steps};
use super::outcome::{Against, Figure};
use super::speed::{Answer, Kind, NoChange, Question, Recorded, answer};
use crate::config::{Look, Thresholds};
use crate::evidence::{CaseEvidence, Evidence};
use crate::store::baseline::{Baseline, BaselineCase};
use crate::store::record::{CaseRecord, RunRecord};

/// A question against what is committed.
struct Asked {
    case: String,
    figure: Figure,
    against: Against,
    values: Vec<f64>,
    recorded: Recorded,
    tolerance_percent: f64,
}

/// Such a question, answered.
pub(super) struct Compared {
    asked: Asked,
    /// The answer.
    pub answer: Answer,
}

impl Compared {
    /// The name of the case.
    pub fn case(&self) -> &str {
        &self.asked.case
    }

    /// Whether it is about this figure, held against this.
    pub fn is_about(&self, figure: Figure, against: Against) -> bool {
        (self.asked.figure, self.asked.against) == (figure, against)
    }

    /// What the figure is held against, as a logarithm; positive is slower.
    pub fn recorded(&self) -> Recorded {
        self.asked.recorded
    }

    /// The tolerance.
    pub fn tolerance_percent(&self) -> f64 {
        self.asked.tolerance_percent
    }
}

/// What is committed, and the run that is held against it.
pub(super) struct Committed<'a> {
    pub evidence: &'a Evidence,
    pub baseline: &'a Baseline,
    pub thresholds: &'a Thresholds,
}

impl Committed<'_> {
    /// The answers to all of its questions at one look, whose error probability they share.
    pub fn answers(&self, record: &RunRecord, look: Look) -> Vec<Compared> {
        compared(self.questions(record), look)
    }

    fn questions(&self, record: &RunRecord) -> Vec<Asked> {
        // An imported table was measured by another program, in another way: without turns, pauses and wake passes.
        if self.baseline.imported.is_some() {
            return Vec::new();
        }
        let cases = || self.baseline.cases.values();
        let between = |logs: fn(&BaselineCase) -> Vec<f64>| {
            Between::of(cases().map(logs).collect::<Vec<_>>().iter().map(Vec::as_slice))
        };
        let (speedups, steps) = (between(log_speedups), between(log_steps));
        let of_case = |(case, evidence): (&CaseRecord, &CaseEvidence)| {
            let Some(stored) = self.baseline.case(&case.case) else { return Vec::new() };
            let name = &case.case.name;
            let speedup = self.about(name, Figure::Speedup, &evidence.against_reference, stored, speedups);
            let step = self.about(name, Figure::StepTime, &evidence.log_steps, stored, steps);
            speedup.into_iter().chain(step).collect()
        };
        self.evidence.measured(record).flat_map(of_case).collect()
    }

    /// The questions about one figure of a case, by its `values`.
    fn about(&self, case: &str, figure: Figure, values: &[f64], stored: &BaselineCase, between: Between) -> Vec<Asked> {
        let gate = self.thresholds.of_case(case);
        let anchor = stored.anchor.as_ref();
        let (logs, latest, anchored, tolerance) = match figure {
            Figure::Speedup => {
                let log = |speedup: f64| -speedup.ln();
                let anchored = anchor.and_then(|anchor| anchor.speedup);
                (log_speedups(stored), stored.speedup.map(log), anchored.map(log), gate.speedup_tolerance_percent)
            }
            _ => {
                let anchored = anchor.and_then(|anchor| anchor.step_seconds);
                let latest = stored.step_seconds.map(f64::ln);
                (log_steps(stored), latest, anchored.map(f64::ln), gate.step_time_tolerance_percent)
            }
        };
        let level = Level::or_stored(&logs, latest, gate.level_shift());
        let anchored = anchored.zip(anchor.map(|anchor| anchor.jobs));
        // Where nothing was recorded since, both are one question.
        let anchored = anchored.filter(|(mean, _)| level.is_none_or(|level| (mean - level.0).abs() > SAME));
        let asked = |against, (mean, jobs), tolerance_percent| Asked {
            case: case.to_owned(),
            figure,
            against,
            values: values.to_vec(),
            recorded: Recorded { mean, jobs, between },
            tolerance_percent,
        };
        let baseline = level.map(|level| asked(Against::Baseline, level, tolerance));
        let anchor = anchored.map(|level| asked(Against::Anchor, level, gate.anchor_tolerance_percent));
        baseline.into_iter().chain(anchor).filter(|_| !values.is_empty()).collect()
    }
}

/// Levels whose logarithms are this near are one: a figure was written as a ratio, and read back.
const SAME: f64 = 1e-9;

fn compared(asked: Vec<Asked>, look: Look) -> Vec<Compared> {
    let question = |asked: &Asked| Question {
        values: asked.values.clone(),
        launches: Vec::new(),
        kind: Kind::Times,
        against: NoChange::Recorded(asked.recorded),
        tolerance: 1.0 + asked.tolerance_percent / 100.0,
    };
    let answers = answer(&asked.iter().map(question).collect::<Vec<_>>(), &[look], look);
    asked.into_iter().zip(answers).map(|(asked, answer)| Compared { asked, answer }).collect()
}
