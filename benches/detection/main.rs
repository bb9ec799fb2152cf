//! Are regressions found, and false alarms not? On real launches, recorded on this machine: `make bench-detection`.
//!
//! Records for `MINUTES` (28 where it is not set) into recording.json, judges the recording by wanbench's rule and by
//! those of other tools, and writes the table and the curves of docs/detection.md. With the argument `judge` it takes the
//! recording as it is.

mod jobs;
mod plot;
mod recording;
mod rules;

use std::path::Path;

use anyhow::{Context, Result};
use jobs::{Experiment, Flagged, LAUNCHES, RUN};
use recording::{EXTRA_PERCENT, Recording};
use wanbench::config::Thresholds;
use wanbench::files::save;
use wanbench::stats;
use wanbench::text::format;

/// Checks of blocks from all over the recording, to tell shares that the few jobs in a row cannot.
const RANDOM_JOBS: usize = 20_000;

fn main() -> Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let path = root.join("benches/detection/recording.json");
    let recording = if std::env::args().any(|argument| argument == "judge") {
        Recording::open(&path)?
    } else {
        let minutes = std::env::var("MINUTES").map_or(Ok(28.0), |minutes| minutes.parse()).context("MINUTES")?;
        recording::record(&path, minutes)?
    };
    let experiment = Experiment::new(&recording);
    let (own, launches) = experiment.wanbench(&Thresholds::default());
    let rules: Vec<Flagged> =
        std::iter::once(own).chain(rules::RIVALS.iter().map(|rule| experiment.rival(rule))).collect();
    let table = table(&recording, &experiment, &rules, &launches);
    print!("{table}");
    replace_table(&root.join("docs/detection.md"), &table)?;
    let extra: Vec<f64> = experiment.realised().iter().map(|(share, _)| 100.0 * share).collect();
    plot::draw(&root.join("docs/detection.svg"), &extra, &rules)
}

/// The recording in words and the rules' shares, as Markdown.
fn table(recording: &Recording, experiment: &Experiment, rules: &[Flagged], launches: &[f64]) -> String {
    let (noise, correlation) = experiment.noise();
    let realised = experiment.realised();
    let words: Vec<String> =
        realised.iter().map(|(share, error)| format!("{:+.2}% ± {:.2}", 100.0 * share, 200.0 * error)).collect();
    let mut text = format!(
        "{} blocks of {} launches, recorded {} on {} ({}, {}). A block's log-ratio of two like arms has a standard deviation of \
         {:.2}%, and a correlation of {correlation:.2} with the next block's. Over the whole recording the arms' steps take \
         longer by (± two standard errors): {}. The columns are headed by what the extra work really costs, not by what was \
         aimed at ({}%).\n\n",
        recording.blocks.len(),
        recording.arms.len(),
        recording.started.strftime("%Y-%m-%d"),
        recording.machine.chip,
        format::count(recording.machine.cpu_cores.unwrap_or(0), "core"),
        recording.machine.os,
        100.0 * noise,
        words.join(", "),
        EXTRA_PERCENT.map(|percent| percent.to_string()).join(", "),
    );
    text += "| rule | no change |";
    realised[1..].iter().for_each(|(share, _)| text += &format!(" {:+.1}% |", 100.0 * share));
    text += "\n|---|---|";
    realised[1..].iter().for_each(|_| text += "---|");
    text.push('\n');
    for rule in rules {
        text += &format!("| {} |", rule.name);
        rule.counts.iter().for_each(|(flagged, of)| text += &format!(" {} |", share(*flagged, *of, rule.disjoint)));
        text.push('\n');
    }
    let taken: Vec<String> = launches.iter().map(|launches| format!("{launches:.1}")).collect();
    let drawn = |slower| 100.0 * experiment.random_alarms(&Thresholds::default(), RANDOM_JOBS, slower);
    text + &format!(
        "\nLaunches that wanbench took of its {LAUNCHES}, on average: {}. The others took {LAUNCHES}.\n\n\
         Jobs in a row are few. So {RANDOM_JOBS} more were drawn from all over the recording, {RUN} blocks in a row at a time, \
         without extra work: {:.2}% raised a false alarm about either backend. With every step of one arm made longer by exactly 2, 3 and 5% \
         (this is arithmetic on recorded noise, no real work) wanbench flags {:.1}, {:.1} and {:.1}%.\n",
        taken.join(", "),
        drawn(0.0),
        drawn(0.02),
        drawn(0.03),
        drawn(0.05),
    )
}

/// `3% (0–12)`: the share of all jobs, with Wilson's interval as if only the disjoint ones were seen.
fn share(flagged: usize, of: usize, disjoint: usize) -> String {
    let share = flagged as f64 / of as f64;
    let (low, high) = stats::wilson((share * disjoint as f64).round() as usize, disjoint);
    format!("{:.0}% ({:.0}–{:.0})", 100.0 * share, 100.0 * low, 100.0 * high)
}

/// Puts the table between its marks in the document.
fn replace_table(path: &Path, table: &str) -> Result<()> {
    const MARKS: [&str; 2] = ["<!-- what `make bench-detection` prints -->\n", "<!-- until here -->"];
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    let parts = MARKS.map(|mark| text.find(mark));
    let [Some(start), Some(end)] = parts else { anyhow::bail!("{} lost the marks around its table", path.display()) };
    let text = format!("{}\n{table}\n{}", &text[..start + MARKS[0].len()], &text[end..]);
    Ok(save::atomically(path, |out| out.write_all(text.as_bytes()))?)
}
