//! A suite before it is run: what each case computes, holds and takes, and what does not fit. Pure.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{Fit, Forecast, Power};
use crate::config::{Case, Thresholds};
use crate::protocol::{DeviceKind, Rates};
use crate::store::record::Skipped;
use crate::wan::DType;

/// The machine's rates by backend and arithmetic, or why there are none.
pub type RatesByBackend = BTreeMap<(String, DType), Result<Rates, String>>;

/// What a suite will take.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SuitePlan {
    /// Its name.
    pub suite: String,
    /// Where it runs.
    pub device: DeviceKind,
    /// Memory that a case may take; `None` where it is not known.
    pub has_bytes: Option<u64>,
    /// Most launches of a case.
    pub launches: usize,
    /// Untimed forward passes per launch.
    pub warmup_steps: u32,
    /// Whether a block's processes live at the same time.
    pub side_by_side: bool,
    /// What the reader should know of that.
    pub warning: Option<String>,
    /// The machine's rates.
    pub rates: Vec<BackendRates>,
    /// The cases, in the order of the suite.
    pub cases: Vec<PlannedCase>,
    /// Most seconds of all cases' steps together, as far as they are known; loading is not in it.
    pub most_seconds: f64,
    /// What a check of it finds beside a base revision.
    pub power: Power,
}

/// What a machine does in one framework and arithmetic.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct BackendRates {
    /// Name of the backend, as in the configuration.
    pub backend: String,
    /// The arithmetic.
    pub dtype: DType,
    /// The rates, where they could be measured.
    pub rates: Option<Rates>,
    /// Why they could not be.
    pub reason: Option<String>,
}

/// What one case will take.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PlannedCase {
    /// What would be measured.
    pub case: Case,
    /// What a launch takes.
    pub forecast: Forecast,
    /// Why it would be skipped, if so.
    pub skipped: Option<Skipped>,
    /// Seconds of a step at the machine's rates, where these are known.
    pub step_seconds: Option<f64>,
    /// Most seconds of all its launches' steps, warm-up and control included.
    pub most_seconds: Option<f64>,
}

/// What is known of how a suite is run.
pub struct Terms {
    /// Its name.
    pub suite: String,
    /// Where it runs.
    pub device: DeviceKind,
    /// Memory that a case may take.
    pub has_bytes: Option<u64>,
    /// Most launches of a case.
    pub launches: usize,
    /// Untimed forward passes per launch.
    pub warmup_steps: u32,
    /// Whether each timed step of processes that take turns has a wake pass before it.
    pub wakes: bool,
    /// Standard deviation of a block's log-ratio on the machine in percent, where it is known.
    pub noise_percent: Option<f64>,
    /// The tolerances.
    pub gate: Thresholds,
}

impl SuitePlan {
    /// The plan for cases with their forecasts and processes per block, as they [`Fit`].
    pub fn new(terms: Terms, cases: &[(Case, Forecast, usize)], fit: &Fit, rates: &RatesByBackend) -> Self {
        let passes_of_step = if terms.wakes && fit.side_by_side { 2 } else { 1 };
        let passes = |case: &Case| {
            passes_of_step * case.workload.steps + terms.warmup_steps as usize * case.workload.experts.resident()
        };
        let planned = |(case, forecast, processes): &(Case, Forecast, usize)| {
            let skipped = fit.skipped.get(&case.name).copied();
            let known = rates.get(&(case.backend.clone(), case.dtype)).and_then(|rates| rates.as_ref().ok());
            let step_seconds = known.map(|rates| forecast.step_seconds(rates));
            let all = (terms.launches * processes * passes(case)) as f64;
            let most_seconds = step_seconds.map(|seconds| seconds * all).filter(|_| skipped.is_none());
            PlannedCase { case: case.clone(), forecast: forecast.clone(), skipped, step_seconds, most_seconds }
        };
        let cases: Vec<PlannedCase> = cases.iter().map(planned).collect();
        let rates = rates.iter().map(|((backend, dtype), rates)| BackendRates {
            backend: backend.clone(),
            dtype: *dtype,
            rates: rates.as_ref().ok().copied(),
            reason: rates.as_ref().err().cloned(),
        });
        Self {
            suite: terms.suite,
            device: terms.device,
            has_bytes: terms.has_bytes,
            launches: terms.launches,
            warmup_steps: terms.warmup_steps,
            side_by_side: fit.side_by_side,
            warning: fit.warning.clone(),
            rates: rates.collect(),
            most_seconds: cases.iter().filter_map(|case| case.most_seconds).sum(),
            power: Power::new(
                terms.noise_percent,
                fit.side_by_side,
                terms.launches,
                cases.iter().filter(|case| case.skipped.is_none()).count(),
                &terms.gate,
            ),
            cases,
        }
    }
}
