//! The A/A controls on simulated noise: how often they call a machine unfit that is not, and one that is.

use anyhow::Result;
use rand::SeedableRng;
use rand_distr::{Distribution, Normal};
use rand_pcg::Pcg64;
use serde::{Deserialize, Serialize};
use wanbench::config::Thresholds;
use wanbench::gate::ControlLimit;

use super::shares::percent;

/// Backends of the workload, which take turns as control.
const BACKENDS: usize = 2;
const DEVIATIONS_PERCENT: [f64; 4] = [0.8, 1.2, 1.8, 3.0];
const LAUNCHES: [usize; 3] = [4, 10, 24];
/// By how much the second launch of a block takes longer in percent, and in how many backends.
const BIASES: [(f64, usize); 5] = [(0.0, BACKENDS), (2.0, BACKENDS), (4.0, BACKENDS), (2.0, 1), (4.0, 1)];

/// The controls of one workload on one machine.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ControlCell {
    /// Standard deviation of a block's log-ratio, in percent.
    deviation_percent: f64,
    /// Blocks of the workload.
    launches: usize,
    /// For each bias: runs in which the machine is called unfit.
    unfit: [usize; BIASES.len()],
}

/// Simulates so many runs of each cell.
pub fn simulate(gate: &Thresholds, runs: usize, seed: u64) -> Result<Vec<ControlCell>> {
    let limit = ControlLimit::new(gate, true, BACKENDS + 1);
    let mut random = Pcg64::seed_from_u64(seed);
    let mut cells = Vec::new();
    for deviation_percent in DEVIATIONS_PERCENT {
        let noise = Normal::new(0.0, deviation_percent / 100.0)?;
        for launches in LAUNCHES {
            let mut is_unfit = |(bias, backends): (f64, usize)| {
                let mut controls = vec![Vec::new(); BACKENDS];
                for block in 0..launches {
                    let backend = block % BACKENDS;
                    let bias = if backend < backends { (bias / 100.0).ln_1p() } else { 0.0 };
                    controls[backend].push(bias + noise.sample(&mut random));
                }
                let all = controls.concat();
                controls.iter().chain([&all]).any(|values| limit.unfit(values, "").is_some())
            };
            let unfit = BIASES.map(|bias| (0..runs).filter(|_| is_unfit(bias)).count());
            cells.push(ControlCell { deviation_percent, launches, unfit });
        }
    }
    Ok(cells)
}

/// The cells as Markdown.
pub fn table(cells: &[ControlCell], runs: usize) -> String {
    let mut text = "\nThe A/A controls of two backends that take turns, in percent of the runs that call the machine unfit, where the \
         second launch of a block takes longer by so much on both backends, or on one.\n\n| noise | blocks |"
        .to_owned();
    for (bias, backends) in BIASES {
        text += &match (bias, backends) {
            (0.0, _) => " fit machine |".to_owned(),
            (bias, BACKENDS) => format!(" +{bias}%, both |"),
            (bias, _) => format!(" +{bias}%, one |"),
        };
    }
    text += "\n|---|---|";
    BIASES.iter().for_each(|_| text += "---|");
    text.push('\n');
    for cell in cells {
        text += &format!("| sd {}% | {} |", cell.deviation_percent, cell.launches);
        cell.unfit.iter().for_each(|unfit| text += &format!(" {} |", percent(*unfit as f64 / runs as f64)));
        text.push('\n');
    }
    text
}
