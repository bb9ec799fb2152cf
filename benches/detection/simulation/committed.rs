//! What is held against committed baselines, on simulated histories: false alarms, power, drift and peaks.

use serde::{Deserialize, Serialize};

use super::history::{World, blamed, found_drifts, found_growths, outcomes};
use super::parallel::in_parallel;
use super::shares::percent;

/// By how much less the speedup of one case is in a run, as its share of what was recorded.
const SPEEDUPS: [f64; 3] = [0.95, 0.92, 0.88];
/// Standard deviation of a block's log-ratio.
const BETWEEN_BLOCKS: f64 = 0.018;
/// After how many changes of 1% it is asked whether they were found.
const CHANGES: [usize; 3] = [5, 6, 7];
const DRIFTS: [(f64, usize); 4] = [(1.08, 1), (1.12, 1), (1.08, 5), (1.12, 5)];
const LAUNCHES: [usize; 3] = [4, 10, 24];

/// All that was simulated of them.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CommittedCells {
    runs: usize,
    jobs: Vec<JobsCell>,
    sequences: Vec<SequenceCell>,
    /// For each of the drifts: runs beside a base revision that fail although nothing changed.
    blamed: [usize; DRIFTS.len()],
    /// For each number of launches: runs that fail since the peak grew in nine of ten launches.
    growths: [usize; LAUNCHES.len()],
}

/// Runs against so many recorded jobs.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct JobsCell {
    cases: usize,
    /// Whether what moves a job moves all of its cases alike.
    is_shared: bool,
    deviation_percent: f64,
    jobs: usize,
    false_alarms: usize,
    /// Unchanged runs with something unconfirmed.
    unconfirmed: usize,
    /// For each of the speedups: runs that fail.
    found: [usize; SPEEDUPS.len()],
}

/// Sequences of changes of 1% each, all recorded.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SequenceCell {
    cases: usize,
    between_blocks_percent: f64,
    /// For each number of changes: sequences that failed by then.
    found: [usize; CHANGES.len()],
}

/// Simulates so many runs of each cell.
pub fn simulate(runs: usize) -> CommittedCells {
    let count = runs as u64;
    let worlds = [(1, false), (4, false), (4, true)];
    let mut asked = Vec::new();
    for (cases, is_shared) in worlds {
        for deviation_percent in [0.5, 1.0, 2.0, 3.0] {
            asked.extend([1, 2, 5, 10].map(|jobs| (cases, is_shared, deviation_percent, jobs)));
        }
    }
    let jobs = in_parallel(&asked, |&(cases, is_shared, deviation_percent, jobs)| {
        let between_jobs = deviation_percent / 100.0;
        let world = World { is_shared, between_blocks: BETWEEN_BLOCKS, ..World::new(cases, between_jobs) };
        let (false_alarms, unconfirmed) = outcomes(world, jobs, 0.0, count);
        let found = SPEEDUPS.map(|share| outcomes(world, jobs, -share.ln(), count).0);
        JobsCell { cases, is_shared, deviation_percent, jobs, false_alarms, unconfirmed, found }
    });
    let asked: Vec<(usize, f64)> = [1, 4].into_iter().flat_map(|cases| [0.5, 1.0, 1.8].map(|it| (cases, it))).collect();
    let sequences = in_parallel(&asked, |&(cases, between_blocks_percent)| {
        let world = World { between_blocks: between_blocks_percent / 100.0, ..World::new(cases, 0.005) };
        let found = CHANGES.map(|last| found_drifts(world, last, count));
        SequenceCell { cases, between_blocks_percent, found }
    });
    let blamed = DRIFTS.map(|(drift, jobs)| blamed(drift.ln(), jobs, count));
    CommittedCells { runs, jobs, sequences, blamed, growths: LAUNCHES.map(|launches| found_growths(launches, count)) }
}

impl CommittedCells {
    /// As Markdown.
    pub fn table(&self) -> String {
        let share = |count: usize| percent(count as f64 / self.runs as f64);
        let mut text = format!(
            "\nAgainst a committed baseline, {} runs a row, blocks of sd {:.1}%: percent of unchanged runs that raise a false alarm and that \
             have something unconfirmed, and of runs that fail where one case lost so much of its speedup.\n\n\
             | jobs differ by | cases | stored jobs | false alarm | unconfirmed |",
            self.runs,
            100.0 * BETWEEN_BLOCKS
        );
        SPEEDUPS.iter().for_each(|speedup| text += &format!(" −{:.0}% |", 100.0 * (1.0 - speedup)));
        text += "\n|---|---|---|---|---|";
        SPEEDUPS.iter().for_each(|_| text += "---|");
        text.push('\n');
        for cell in &self.jobs {
            let alike = if cell.is_shared { ", all alike" } else { "" };
            text += &format!(
                "| sd {}% | {}{alike} | {} | {} | {} |",
                cell.deviation_percent,
                cell.cases,
                cell.jobs,
                share(cell.false_alarms),
                share(cell.unconfirmed)
            );
            cell.found.iter().for_each(|found| text += &format!(" {} |", share(*found)));
            text.push('\n');
        }
        text += "\nChanges of +1% each to one case, all recorded, jobs differing by 0.5%: percent of sequences that failed by the anchor.\n\n\
                 | cases | blocks |";
        CHANGES.iter().for_each(|change| text += &format!(" by the {change}th |"));
        text += "\n|---|---|";
        CHANGES.iter().for_each(|_| text += "---|");
        text.push('\n');
        for cell in &self.sequences {
            text += &format!("| {} | sd {}% |", cell.cases, cell.between_blocks_percent);
            cell.found.iter().for_each(|found| text += &format!(" {} |", share(*found)));
            text.push('\n');
        }
        text += "\nBeside a base revision that is as fast, on a main that drifted:";
        for ((drift, jobs), blamed) in DRIFTS.iter().zip(&self.blamed) {
            text += &format!(" by {:.0}% with {jobs} stored: {}% fail;", 100.0 * (drift - 1.0), share(*blamed));
        }
        text.pop();
        text += ". A peak that grew by 200 MiB on 1 GiB in nine of ten launches:";
        for (launches, found) in LAUNCHES.iter().zip(&self.growths) {
            text += &format!(" found by {launches} launches in {}%,", share(*found));
        }
        text.pop();
        text + ".\n"
    }
}
