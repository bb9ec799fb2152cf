//! docs/detection.md: what it says of recordings, and where.

use std::path::Path;

use anyhow::{Context, Result, bail};
use wanbench::config::Thresholds;
use wanbench::files::save;
use wanbench::stats;
use wanbench::text::format;

use crate::drawn::{Drawn, JOBS, RESAMPLED, RUN};
use crate::jobs::{Experiment, Flagged};
use crate::recording::{EXTRA_PERCENT, Recording};
use crate::rules::LAUNCHES as RIVAL_LAUNCHES;
use crate::simulation::engine::planned_launches;

/// What stands behind a generated part.
const END: &str = "<!-- until here -->";

/// Puts `text` into the document, between the comment that names the `command` and the end mark after it.
pub fn replace(path: &Path, command: &str, text: &str) -> Result<()> {
    let document = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    let mark = format!("<!-- what `{command}` prints -->\n");
    let start = document.find(&mark).map(|start| start + mark.len());
    let end = start.and_then(|start| Some(start + document[start..].find(END)?));
    let (Some(start), Some(end)) = (start, end) else {
        bail!("{} lost the marks around what `{command}` prints", path.display());
    };
    let document = format!("{}\n{text}\n{}", &document[..start], &document[end..]);
    Ok(save::atomically(path, |out| out.write_all(document.as_bytes()))?)
}

/// A recording in words, the rules' shares, and what is drawn from it, as Markdown.
pub fn of_recording(
    recording: &Recording,
    experiment: &Experiment,
    gate: &Thresholds,
    rules: &[Flagged],
    launches: &[f64],
) -> String {
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
    text += &format!(
        "\nLaunches that wanbench took of at most {}, on average: {}. The others took {RIVAL_LAUNCHES}.\n\n",
        planned_launches(gate),
        taken.join(", ")
    );
    text + &of_drawn(&Drawn { experiment, gate }, recording)
}

/// What wanbench's rule says of drawn jobs.
fn of_drawn(drawn: &Drawn, recording: &Recording) -> String {
    let mut text = format!(
        "Jobs in a row are few. So {JOBS} more were drawn from all over the recording, {RUN} blocks in a row at a time. Without \
         extra work {} raise a false alarm about either backend. The slowdowns below are arithmetic on the recorded steps of \
         one arm, no real work. The interval tells how much the share hangs on which blocks were recorded: it holds 95% \
         of {RESAMPLED} recordings that were themselves drawn anew from this one.\n\n\
         | every step takes longer by | flagged | interval | in the quarters of the recording |\n|---|---|---|---|\n",
        percent(drawn.false_alarms(), 2)
    );
    for slower in [0.03, 0.05] {
        let power = drawn.power(|launch| launch.iter_mut().for_each(|step| *step *= 1.0 + slower));
        let range = |(low, high): (f64, f64)| format!("{:.0}–{}", 100.0 * low, percent(high, 0));
        let (interval, quarters) = (range(power.interval), range(power.quarters));
        text += &format!("| {} | {} | {interval} | {quarters} |\n", percent(slower, 0), percent(power.all, 1));
    }
    text += "\n| a launch takes 10% longer in all, all of it in | flagged |\n|---|---|\n";
    let steps = recording.workload.steps;
    for (words, hit) in PLACES {
        let share = drawn.found(|launch| lengthen(launch, &hit(steps)));
        text += &format!("| {words} | {} |\n", percent(share, 1));
    }
    text
}

/// Steps that a slowdown may lie in.
type Steps = fn(usize) -> Vec<usize>;

const PLACES: [(&str, Steps); 4] = [
    ("every 2nd step", |steps| (0..steps).step_by(2).collect()),
    ("every 4th step", |steps| (0..steps).step_by(4).collect()),
    ("the first half of the steps", |steps| (0..steps / 2).collect()),
    ("one step", |steps| vec![steps / 2]),
];

/// Makes the launch take a tenth longer, by adding equally to the steps that are `hit`.
fn lengthen(launch: &mut [f64], hit: &[usize]) {
    let more = 0.1 * launch.iter().sum::<f64>() / hit.len() as f64;
    hit.iter().for_each(|step| launch[*step] += more);
}

/// `3% (0–12)`: the share of all jobs, with Wilson's interval as if only the disjoint ones were seen.
fn share(flagged: usize, of: usize, disjoint: usize) -> String {
    let share = flagged as f64 / of as f64;
    let (low, high) = stats::wilson((share * disjoint as f64).round() as usize, disjoint);
    format!("{} ({:.0}–{:.0})", percent(share, 0), 100.0 * low, 100.0 * high)
}

fn percent(share: f64, decimals: usize) -> String {
    format!("{:.decimals$}%", 100.0 * share)
}
