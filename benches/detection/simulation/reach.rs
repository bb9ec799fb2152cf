//! What a report says of its own reach, held against simulated runs: the smallest slowdown that it would find, and the launches that
//! would settle an open case.

use rand::SeedableRng;
use rand_pcg::Pcg64;
use serde::{Deserialize, Serialize};
use wanbench::config::Thresholds;
use wanbench::stats;

use super::engine::{Case, Decision, answers, engine, pairs};
use super::noise::{Kind, Noise};
use super::parallel::in_parallel;
use super::shares::percent;

const DEVIATIONS_PERCENT: [f64; 4] = [0.5, 1.0, 1.8, 3.0];
const CASES: [usize; 4] = [1, 4, 16, 64];
/// Runs behind each share that is compared with the power of 80%.
const RUNS: usize = 1000;
const POWER: f64 = 0.8;
/// Between these lies the slowdown that is found with that power, as shares.
const SEARCHED: (f64, f64) = (0.01, 0.06);
const HALVINGS: usize = 9;

/// What is said, and what is so, on one machine.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReachCell {
    /// Standard deviation of a block's log-ratio, in percent.
    deviation_percent: f64,
    /// Cases in a run.
    cases: usize,
    /// The median over runs of what a report calls detectable, in percent.
    said_percent: f64,
    /// The slowdown that is found in 80% of runs, in percent.
    true_percent: f64,
}

/// Whether runs with as many launches as was advised decide the case that was open.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settling {
    /// Open step times for which launches were named.
    advised: usize,
    /// Those that a new run of so many launches decided.
    settled: usize,
    /// Open step times that no budget was said to decide.
    hopeless: usize,
}

/// Simulates every machine.
pub fn simulate(gate: &Thresholds, spread: f64, launches: usize, seed: u64) -> Vec<ReachCell> {
    let asked: Vec<(f64, usize)> =
        CASES.iter().flat_map(|cases| DEVIATIONS_PERCENT.map(|deviation| (deviation, *cases))).collect();
    in_parallel(&asked, |&(deviation_percent, cases)| {
        let noise = Noise::new(Kind::Plain, deviation_percent / 100.0, spread);
        let mut random = Pcg64::seed_from_u64(seed);
        let mut run = || -> Vec<Case> { (0..cases).map(|_| noise.case(launches, &mut random)).collect() };
        let said: Vec<f64> = (0..100)
            .filter_map(|_| answers(&run().iter().map(pairs).collect::<Vec<_>>(), gate)[0].detectable)
            .collect();
        let runs: Vec<Vec<Case>> = (0..RUNS / cases.min(4)).map(|_| run()).collect();
        let power = |slower: f64| {
            let is_found = |cases: &&Vec<Case>| {
                let mut seen = (*cases).clone();
                seen[0] = noise.seen(&seen[0], slower);
                engine(&seen, gate)[0].decision == Decision::Slower
            };
            runs.iter().filter(is_found).count() as f64 / runs.len() as f64
        };
        let halve = |(low, high): (f64, f64), _| {
            let middle = f64::midpoint(low, high);
            if power(middle) < POWER { (middle, high) } else { (low, middle) }
        };
        let (low, high) = (0..HALVINGS).fold(SEARCHED, halve);
        ReachCell {
            deviation_percent,
            cases,
            said_percent: 100.0 * stats::median(&said).exp_m1(),
            true_percent: 100.0 * f64::midpoint(low, high),
        }
    })
}

/// Of runs of one case at a noise of 3%, whose true change is 0, 1, … 4% in turn: what came of the advice about open step times.
pub fn settling(gate: &Thresholds, spread: f64, launches: usize, seed: u64) -> Settling {
    let noise = Noise::new(Kind::Plain, 0.03, spread);
    let mut random = Pcg64::seed_from_u64(seed);
    let mut settling = Settling { advised: 0, settled: 0, hopeless: 0 };
    for number in 0..4 * RUNS {
        let slower = (number % 5) as f64 / 100.0;
        let mut step = |launches: usize, gate: &Thresholds| {
            let case = noise.case(launches, &mut random);
            answers(&[pairs(&noise.seen(&case, slower))], gate)[0]
        };
        let first = step(launches, gate);
        match (first.decision, first.settling_launches) {
            (Decision::Open, Some(advised)) => {
                let mut longer = gate.clone();
                if let Some(last) = longer.looks.last_mut() {
                    *last = advised.max(*last);
                }
                settling.advised += 1;
                settling.settled += usize::from(step(advised, &longer).decision != Decision::Open);
            }
            (Decision::Open, None) => settling.hopeless += 1,
            _ => {}
        }
    }
    settling
}

/// Both as Markdown.
pub fn table(cells: &[ReachCell], settling: Settling) -> String {
    let mut text = "\nThe smallest slowdown that a run without a change calls detectable, and the one that is found in 80% of runs.\n\n\
         | noise | cases | said | true |\n|---|---|---|---|\n"
        .to_owned();
    for ReachCell { deviation_percent, cases, said_percent, true_percent } in cells {
        text += &format!("| sd {deviation_percent}% | {cases} | {said_percent:.2}% | {true_percent:.2}% |\n");
    }
    let share = settling.settled as f64 / settling.advised.max(1) as f64;
    text + &format!(
        "\nOf {} open step times (one case, a noise of 3%, true changes of 0 to 4%) a new run with the launches that the report named \
         decided {}%. Of {} more the report said that no budget of up to 200 launches would decide them.\n",
        settling.advised,
        percent(share),
        settling.hopeless
    )
}
