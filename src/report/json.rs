//! The report as JSON, for scripts: the judgement with what is needed to read it. Schema [`SCHEMA`].
//!
//! | key | meaning |
//! |---|---|
//! | `schema` | 2; raised when a key changes its meaning or goes away, not when one is added |
//! | `standing` | `passed`, `not_judged` or `failed`: exit statuses 0, 3 and 1 |
//! | `headline`, `next_steps` | the outcome and what to do about it, in words |
//! | `run` | when, where and how the figures were measured |
//! | `baseline` | file and age of the baseline; `null` where this machine has none |
//! | `loosened` | what this change relaxes relative to the base revision, in words |
//! | `gate` | the tolerances, ceilings and overrides, in the keys of config.toml |
//! | `outcome` | the [`Outcome`]: its `gaps` and `exemptions`, the A/A `controls` by workload, and one judgement per case |
//! | `outcome.cases[].findings[]` | one judgement per figure and what it is held against: times in seconds, sizes in bytes; changes are shares, and positive is worse (0.05 is 5% worse) |
//! | `outcome.cases[].now` | its [`Figures`](crate::evidence::figures::Figures), with throughput and the machine's rates per second |
//! | `outcome.cases[].now.device_peak` | `process` or `framework`: which of its two peaks contains what the network takes |
//! | `run.canary` | its readings, the blocks that it postponed (`dropped`), and where there were any the levels that it moved to (`shifts`), the blocks that began on an unsteady machine (`unrested`) and why it `failed`; `null` without one |
//! | `outcome.cases[].skipped` | the bytes that a skipped case needs and those there were; else `null` |
//!
//! A case whose regression is acknowledged has the reason in `baseline.accepted`.
//! Every step of every launch is in the saved record, not here.

use jiff::Timestamp;
use serde::Serialize;

use super::{Report, Source, headline, next_steps, review};
use crate::config::Thresholds;
use crate::gate::{Outcome, Standing};
use crate::machine::Machine;
use crate::protocol::DeviceKind;
use crate::store::record::{BaseRevision, Canary, Tool};
use crate::text::escape;

/// Version of the form.
pub const SCHEMA: u32 = 2;

/// The report as indented JSON, with a line feed at its end.
///
/// # Panics
/// Never: all keys are strings and serde_json writes a number that is not finite as `null`.
pub fn render(report: &Report) -> String {
    escape::json_document(&Document::of(report))
}

#[derive(Serialize)]
struct Document<'a> {
    schema: u32,
    standing: Standing,
    headline: String,
    next_steps: Vec<String>,
    run: Run<'a>,
    baseline: Option<&'a Source>,
    loosened: &'a [String],
    gate: &'a Thresholds,
    outcome: &'a Outcome,
}

#[derive(Serialize)]
struct Run<'a> {
    started: Timestamp,
    wall_seconds: f64,
    tool: &'a Tool,
    machine: &'a Machine,
    device: DeviceKind,
    suite: &'a str,
    seed: u64,
    launches: usize,
    warmup_steps: u32,
    interrupted: bool,
    ended_early: Option<&'a str>,
    base: Option<&'a BaseRevision>,
    canary: Option<&'a Canary>,
    warnings: &'a [String],
}

impl<'a> Document<'a> {
    fn of(report: &'a Report) -> Self {
        let record = &report.record;
        Self {
            schema: SCHEMA,
            standing: report.standing(),
            headline: format!("{}: {}", report.standing().name(), headline::reason(report)),
            next_steps: next_steps::steps(report).iter().map(|step| step.words(report)).collect(),
            run: Run {
                started: record.started,
                wall_seconds: record.wall_seconds,
                tool: &record.tool,
                machine: &record.machine,
                device: record.device,
                suite: &record.suite,
                seed: record.seed,
                launches: record.launches,
                warmup_steps: record.warmup_steps,
                interrupted: record.interrupted,
                ended_early: record.ended_early.as_deref(),
                base: record.base.as_ref(),
                canary: record.canary.as_ref(),
                warnings: &record.warnings,
            },
            baseline: report.baseline.as_ref(),
            loosened: review::loosened(report),
            gate: &report.thresholds,
            outcome: &report.outcome,
        }
    }
}
