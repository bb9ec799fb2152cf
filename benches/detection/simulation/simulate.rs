//! Whole runs on simulated noise, judged by wanbench's rule and others': how often they raise false alarms, and what they
//! find.

use std::time::Instant;

use anyhow::Result;
use rand::SeedableRng;
use rand_pcg::Pcg64;
use wanbench::config::Thresholds;

use super::committed;
use super::controls;
use super::engine::{Case, Decision, engine, planned_launches};
use super::noise::{Kind, Noise, spread};
use super::parallel::in_parallel;
use super::reach;
use super::{CHANGES_PERCENT, Cell, Counts, Simulated};
use crate::rules::LAUNCHES as RIVAL_LAUNCHES;
use crate::rules::{Job, RUN_RULES};

/// Runs of a cell.
pub const RUNS: usize = 4000;

const SEED: u64 = 2026;
/// Cases of a run, where the number is not what is varied.
const CASES: usize = 4;
/// The noise, where its size is not what is varied: the recording's.
const DEVIATION_PERCENT: f64 = 1.8;

/// What a cell of the table simulates.
struct Regime {
    name: String,
    kind: Kind,
    deviation_percent: f64,
    cases: usize,
}

/// Simulates all regimes, on all cores; what comes out hangs on the seed alone.
pub fn simulate(gate: &Thresholds, runs: usize) -> Result<Simulated> {
    let spread = spread(&mut Pcg64::seed_from_u64(SEED));
    eprintln!("a log-ratio spreads {spread:.3} times as far as a launch's own effect");
    let numbered: Vec<(u64, Regime)> = (1..).zip(regimes()).collect();
    let cells = in_parallel(&numbered, |(number, regime)| {
        let start = Instant::now();
        let cell = simulate_cell(regime, gate, runs, spread, SEED + number);
        eprintln!("{}, {} cases: {:.1} s", regime.name, regime.cases, start.elapsed().as_secs_f64());
        cell
    });
    let controls = controls::simulate(gate, runs, SEED)?;
    let planned = planned_launches(gate);
    let reach = reach::simulate(gate, spread, planned, SEED);
    let settling = reach::settling(gate, spread, planned, SEED);
    Ok(Simulated {
        seed: SEED,
        runs,
        planned_launches: planned,
        spread,
        cells,
        controls,
        reach,
        settling,
        committed: committed::simulate(runs),
    })
}

/// All rows of the table, the largest runs last.
fn regimes() -> Vec<Regime> {
    let sized = |deviation_percent: f64, kind: Kind, name: &str| Regime {
        name: format!("{name}, sd {deviation_percent}%"),
        kind,
        deviation_percent,
        cases: CASES,
    };
    let of_kind = |kind: Kind, name: &str| Regime {
        name: name.to_owned(),
        kind,
        deviation_percent: DEVIATION_PERCENT,
        cases: CASES,
    };
    let mut regimes: Vec<Regime> =
        [0.8, 1.2, 1.8, 3.0].map(|deviation| sized(deviation, Kind::Plain, "independent blocks")).into();
    for (correlation, deviation) in [(0.24, DEVIATION_PERCENT), (0.5, DEVIATION_PERCENT), (0.24, 3.0)] {
        let name = format!("correlation of {correlation} with the next block");
        regimes.push(sized(deviation, Kind::Correlated(correlation), &name));
    }
    regimes.push(of_kind(Kind::HeavyTails, "heavy tails"));
    for percent in [2, 5, 10, 20, 40] {
        let kind = Kind::SlowLaunches(f64::from(percent) / 100.0);
        regimes.push(of_kind(kind, &format!("{percent}% of launches take 2×")));
    }
    regimes.push(of_kind(Kind::Ramp, "machine slows down by 30%"));
    regimes.push(of_kind(Kind::Stalls, "a step takes 5× in 10% of launches"));
    regimes.push(of_kind(Kind::CoarseClock, "clock rounds to 5% of a step"));
    for cases in [1, 8, 64] {
        regimes.push(Regime { cases, ..sized(DEVIATION_PERCENT, Kind::Plain, "independent blocks") });
    }
    regimes
}

/// One row. Its columns share their noise: each makes the first case of the same runs slower by another share.
fn simulate_cell(regime: &Regime, gate: &Thresholds, runs: usize, spread: f64, seed: u64) -> Cell {
    let mut random = Pcg64::seed_from_u64(seed);
    let noise = Noise::new(regime.kind, regime.deviation_percent / 100.0, spread);
    let launches = planned_launches(gate).max(RIVAL_LAUNCHES);
    let names = std::iter::once("wanbench").chain(RUN_RULES.iter().map(|rule| rule.name));
    let mut cell = Cell {
        regime: regime.name.clone(),
        cases: regime.cases,
        inconclusive: 0,
        launches: 0,
        passed: [0; CHANGES_PERCENT.len()],
        rules: names.map(uncounted).collect(),
    };
    for _ in 0..runs {
        let unchanged: Vec<Case> = (0..regime.cases).map(|_| noise.case(launches, &mut random)).collect();
        let mut seen: Vec<Case> = unchanged.iter().map(|case| noise.seen(case, 0.0)).collect();
        for (column, percent) in std::iter::once(0.0).chain(CHANGES_PERCENT).enumerate() {
            seen[0] = noise.seen(&unchanged[0], percent / 100.0);
            let results = engine(&seen, gate);
            if column == 0 {
                cell.inconclusive += usize::from(results.iter().any(|result| result.decision == Decision::Open));
                cell.launches += results.iter().map(|result| result.launches).sum::<usize>();
            } else {
                let is_passed = !matches!(results[0].decision, Decision::Slower | Decision::Open);
                cell.passed[column - 1] += usize::from(is_passed);
            }
            let own = results.iter().map(|result| result.decision == Decision::Slower).collect();
            let flagged = std::iter::once(own).chain(rivals(&seen));
            cell.rules.iter_mut().zip(flagged).for_each(|(counts, flagged): (_, Vec<bool>)| match column {
                0 => counts.false_alarms += usize::from(flagged.contains(&true)),
                _ => counts.found[column - 1] += usize::from(flagged[0]),
            });
        }
    }
    cell
}

/// A rule's counts before the first run.
fn uncounted(rule: &str) -> Counts {
    Counts { rule: rule.to_owned(), false_alarms: 0, found: [0; CHANGES_PERCENT.len()] }
}

/// Which cases each of the other rules flags, by its fixed number of launches.
fn rivals(cases: &[Case]) -> Vec<Vec<bool>> {
    let arms: Vec<[Vec<&[f64]>; 2]> = cases
        .iter()
        .map(|case| [&case.base, &case.head].map(|arm| arm[..RIVAL_LAUNCHES].iter().map(Vec::as_slice).collect()))
        .collect();
    let jobs: Vec<Job> = arms.iter().map(|[base, head]| Job { base, head, history: &[] }).collect();
    RUN_RULES.iter().map(|rule| (rule.flags_slower)(&jobs)).collect()
}
