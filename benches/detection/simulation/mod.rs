//! What was simulated, simulated.json, and its tables; `simulate` makes it.

mod committed;
mod controls;
pub mod engine;
mod history;
mod noise;
mod parallel;
mod reach;
mod shares;
pub mod simulate;

use std::path::Path;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use wanbench::stats;

use committed::CommittedCells;
use controls::ControlCell;
use reach::{ReachCell, Settling};
use shares::{percent, share};

/// The slowdowns of one case, in percent: those that are to be found, and before them the tolerance and what is little more.
pub const CHANGES_PERCENT: [f64; 5] = [2.0, 2.5, 3.0, 5.0, 10.0];
/// How many of them are not for finding.
const NEAR_TOLERANCE: usize = 2;

/// All cells of one simulation.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Simulated {
    /// What all random numbers follow from.
    pub seed: u64,
    /// Runs of each cell.
    pub runs: usize,
    /// The launches after which wanbench's rule ended at the latest.
    pub planned_launches: usize,
    /// Standard deviation of a block's log-ratio over that of a launch's own effect.
    pub spread: f64,
    /// The cells, one for each regime.
    pub cells: Vec<Cell>,
    /// The A/A controls.
    pub controls: Vec<ControlCell>,
    /// What reports say of their reach.
    pub reach: Vec<ReachCell>,
    /// What came of their advice.
    pub settling: Settling,
    /// What is held against committed baselines.
    pub committed: CommittedCells,
}

/// One regime.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cell {
    /// What the noise is like.
    pub regime: String,
    /// Cases in a run.
    pub cases: usize,
    /// Runs without a change in which wanbench's rule leaves a case open.
    pub inconclusive: usize,
    /// Launches that all cases of these runs took together.
    pub launches: usize,
    /// For each of [`CHANGES_PERCENT`] in one case: runs in which wanbench's rule passes that case.
    pub passed: [usize; CHANGES_PERCENT.len()],
    /// Each rule's counts, wanbench's first.
    pub rules: Vec<Counts>,
}

/// Runs that a rule flags.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Counts {
    /// The rule.
    pub rule: String,
    /// Runs without a change of which any case is flagged.
    pub false_alarms: usize,
    /// For each of [`CHANGES_PERCENT`] in one case: runs of which that case is flagged.
    pub found: [usize; CHANGES_PERCENT.len()],
}

impl Simulated {
    /// Reads a saved simulation.
    pub fn open(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
        serde_json::from_str(&text).with_context(|| format!("{} is no simulation", path.display()))
    }

    /// Wanbench's rule by regime, then the other rules', as Markdown.
    pub fn table(&self) -> String {
        let share = |count: usize| share(count, self.runs);
        let mut text = format!(
            "{} runs a row, seed {}, with at most {} launches of each arm. The first three shares and figures are of runs without a change. In brackets: Wilson's 95% intervals, in percent.\n\n\
             | noise | cases | false alarm | inconclusive | launches |",
            self.runs, self.seed, self.planned_launches
        );
        to_find().for_each(|percent| text += &format!(" +{percent}% |"));
        text += "\n|---|---|---|---|---|";
        to_find().for_each(|_| text += "---|");
        text.push('\n');
        for cell in &self.cells {
            let own = &cell.rules[0];
            text += &format!(
                "| {} | {} | {} | {} | {:.1} |",
                cell.regime,
                cell.cases,
                share(own.false_alarms),
                share(cell.inconclusive),
                cell.launches as f64 / (self.runs * cell.cases) as f64
            );
            own.found[NEAR_TOLERANCE..].iter().for_each(|found| text += &format!(" {} |", share(*found)));
            text.push('\n');
        }
        text + &self.near_tolerance()
            + &self.comparison()
            + &controls::table(&self.controls, self.runs)
            + &reach::table(&self.reach, self.settling)
            + &self.committed.table()
    }

    /// What wanbench's rule says of a case that is slower by the tolerance, or by little more.
    fn near_tolerance(&self) -> String {
        let mut text =
            "\nOf the case that is slower, in percent of the runs: it fails · it is inconclusive · it passes.\n\n\
             | noise | cases |"
                .to_owned();
        let shown = NEAR_TOLERANCE + 1;
        CHANGES_PERCENT[..shown].iter().for_each(|percent| text += &format!(" +{percent}% |"));
        text += "\n|---|---|";
        (0..shown).for_each(|_| text += "---|");
        text.push('\n');
        let share = |count: usize| percent(count as f64 / self.runs as f64);
        for cell in self.cells.iter().filter(|cell| cell.regime.starts_with("independent")) {
            text += &format!("| {} | {} |", cell.regime, cell.cases);
            for (found, passed) in cell.rules[0].found.iter().zip(&cell.passed).take(shown) {
                let open = self.runs - found - passed;
                text += &format!(" {} · {} · {} |", share(*found), share(open), share(*passed));
            }
            text.push('\n');
        }
        text
    }

    /// All rules side by side, each with its share of false alarms and of what is found.
    fn comparison(&self) -> String {
        let columns: Vec<String> = to_find().map(|percent| format!("+{percent}%")).collect();
        let mut text = format!(
            "\nThe same runs by all rules, in percent: false alarms without a change · found {}. Wilson's 95% intervals reach \
             {:.1} points from a share at most.\n\n| noise | cases |",
            columns.join(" · "),
            100.0 * (stats::wilson(self.runs / 2, self.runs).1 - 0.5)
        );
        let rules = self.cells.first().map_or(&[][..], |cell| &cell.rules);
        rules.iter().for_each(|counts| text += &format!(" {} |", counts.rule));
        text += "\n|---|---|";
        rules.iter().for_each(|_| text += "---|");
        text.push('\n');
        for cell in &self.cells {
            text += &format!("| {} | {} |", cell.regime, cell.cases);
            for counts in &cell.rules {
                let shares = std::iter::once(&counts.false_alarms).chain(&counts.found[NEAR_TOLERANCE..]);
                let shares: Vec<String> = shares.map(|count| percent(*count as f64 / self.runs as f64)).collect();
                text += &format!(" {} |", shares.join(" · "));
            }
            text.push('\n');
        }
        text
    }
}

/// The slowdowns that are to be found, in percent.
fn to_find() -> impl Iterator<Item = &'static f64> {
    CHANGES_PERCENT[NEAR_TOLERANCE..].iter()
}
