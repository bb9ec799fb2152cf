//! What was simulated: benches/detection/simulated.json, and its tables.

use std::path::Path;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use wanbench::stats;

/// The slowdowns of one case that are to be found, in percent.
pub const CHANGES_PERCENT: [f64; 3] = [3.0, 5.0, 10.0];

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
        CHANGES_PERCENT.iter().for_each(|percent| text += &format!(" +{percent}% |"));
        text += "\n|---|---|---|---|---|";
        CHANGES_PERCENT.iter().for_each(|_| text += "---|");
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
            own.found.iter().for_each(|found| text += &format!(" {} |", share(*found)));
            text.push('\n');
        }
        text + &self.comparison()
    }

    /// All rules side by side, each with its share of false alarms and of what is found.
    fn comparison(&self) -> String {
        let columns: Vec<String> = CHANGES_PERCENT.iter().map(|percent| format!("+{percent}%")).collect();
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
                let shares = std::iter::once(&counts.false_alarms).chain(&counts.found);
                let shares: Vec<String> = shares.map(|count| percent(*count as f64 / self.runs as f64)).collect();
                text += &format!(" {} |", shares.join(" · "));
            }
            text.push('\n');
        }
        text
    }
}

/// `3.2% (2.5–4.1)`.
fn share(count: usize, of: usize) -> String {
    let (low, high) = stats::wilson(count, of);
    format!("{}% ({}–{})", percent(count as f64 / of as f64), percent(low), percent(high))
}

/// A share in percent: with a decimal below 10, where it tells something.
fn percent(share: f64) -> String {
    if share < 0.0995 { format!("{:.1}", 100.0 * share) } else { format!("{:.0}", 100.0 * share) }
}
