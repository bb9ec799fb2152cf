//! Regression rules of tools that people use today, written anew from their sources, with their own constants.

mod asv;
mod bencher;
mod benchstat;
mod conbench;
mod criterion;
mod families;
mod fastvideo;
mod github_action_benchmark;
pub mod mann_whitney;
mod perfgate;
mod rustc_perf;
mod sglang;
mod tango;

use wanbench::stats;

/// Launches of each arm that the rules see: they were designed for a fixed number.
pub const LAUNCHES: usize = 10;

/// What a rule sees of a job: its launches, each a slice of timed steps in seconds.
pub struct Job<'a> {
    /// Launches of the base arm.
    pub base: &'a [&'a [f64]],
    /// Launches of the head arm.
    pub head: &'a [&'a [f64]],
    /// Launches of the base arm in earlier jobs, the oldest job first.
    pub history: &'a [&'a [&'a [f64]]],
}

impl Job<'_> {
    /// Mean seconds of a step in each job of the base revision: the earlier ones, oldest first, then this one.
    fn base_means(&self) -> Vec<f64> {
        self.history.iter().chain([&self.base]).map(|launches| mean_step(launches)).collect()
    }
}

/// A rule by which a job is judged.
pub struct Rule {
    /// The tool, and which of its ways where there are several.
    pub name: &'static str,
    /// Whether it calls the head slower than the base.
    pub flags_slower: fn(&Job) -> bool,
}

/// The rules that wanbench's own is held against.
pub const RIVALS: &[Rule] = &[
    Rule { name: "github-action-benchmark, 110%", flags_slower: github_action_benchmark::flags_slower },
    Rule { name: "Bencher, t-test", flags_slower: bencher::flags_slower },
    Rule { name: "rustc-perf", flags_slower: rustc_perf::flags_slower },
    Rule { name: "rustc-perf, any history", flags_slower: rustc_perf::flags_slower_by_any_history },
    Rule { name: "asv", flags_slower: asv::flags_slower },
    Rule { name: "criterion", flags_slower: criterion::flags_slower },
    Rule { name: "benchstat, pooled steps", flags_slower: benchstat::flags_slower_by_steps },
    Rule { name: "benchstat, pooled steps, >1%", flags_slower: benchstat::flags_slower_by_steps_beyond_one_percent },
    Rule { name: "benchstat, launch medians", flags_slower: benchstat::flags_slower_by_launches },
    Rule { name: "Tango", flags_slower: tango::flags_slower },
    Rule { name: "conbench", flags_slower: conbench::flags_slower },
    Rule { name: "SGLang", flags_slower: sglang::flags_slower },
    Rule { name: "FastVideo", flags_slower: fastvideo::flags_slower },
    Rule { name: "perfgate", flags_slower: perfgate::flags_slower },
];

/// A rule that judges all cases of a run together.
pub struct RunRule {
    /// The test, or the tool.
    pub name: &'static str,
    /// Which cases' heads it calls slower than their bases.
    pub flags_slower: fn(&[Job]) -> Vec<bool>,
}

/// The rules that wanbench's is held against on simulated runs; they look at no history.
pub const RUN_RULES: &[RunRule] = &[
    RunRule { name: "paired t, Holm", flags_slower: families::paired_t },
    RunRule { name: "Mann-Whitney, medians", flags_slower: families::medians_by_rank },
    RunRule {
        name: "benchstat, pooled steps, >1%",
        flags_slower: |jobs| jobs.iter().map(benchstat::flags_slower_by_steps_beyond_one_percent).collect(),
    },
    RunRule { name: "perfgate", flags_slower: |jobs| jobs.iter().map(perfgate::flags_slower).collect() },
];

/// Mean seconds of a step, over all launches; NaN without one.
fn mean_step(launches: &[&[f64]]) -> f64 {
    stats::mean(&launches.concat())
}

/// The last `count` values, or all where there are fewer.
fn last(values: &[f64], count: usize) -> &[f64] {
    &values[values.len().saturating_sub(count)..]
}
