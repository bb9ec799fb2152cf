//! Are regressions found, and false alarms not? On real launches, recorded on this machine, and on simulated noise.
//!
//! Without an argument, `make bench-detection` records for `MINUTES` (28 where it is not set) into recording.json, with
//! `DEVICE=cuda` on the GPU into recording-gpu.json; with
//! `simulate` it simulates into simulated.json instead, and with `judge` it takes both as they are. Then it judges every
//! recording by wanbench's rule and by those of other tools, and writes the tables and the curves of docs/detection.md. With
//! `RUNS` set, `simulate` only prints what so many runs give.

mod document;
mod drawn;
mod jobs;
mod plot;
mod recording;
mod rules;
mod simulation;

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use jobs::{Experiment, Flagged};
use recording::Recording;
use simulation::Simulated;
use simulation::simulate::{RUNS, simulate};
use wanbench::config::Thresholds;
use wanbench::files::save;

fn main() -> Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folder = root.join("benches/detection");
    let simulated = folder.join("simulation/simulated.json");
    let gate = Thresholds::default();
    let asked = |word: &str| std::env::args().any(|argument| argument == word);
    if asked("simulate") {
        let runs = std::env::var("RUNS").ok().map(|runs| runs.parse()).transpose().context("RUNS")?;
        let result = simulate(&gate, runs.unwrap_or(RUNS))?;
        if runs.is_some() {
            print!("{}", result.table());
            return Ok(());
        }
        save::atomically(&simulated, |out| Ok(serde_json::to_writer_pretty(out, &result)?))?;
    } else if !asked("judge") {
        let minutes = std::env::var("MINUTES").map_or(Ok(28.0), |minutes| minutes.parse()).context("MINUTES")?;
        let on_gpu = std::env::var("DEVICE").is_ok_and(|device| device != "cpu");
        let name = if on_gpu { "recording-gpu.json" } else { "recording.json" };
        recording::record(&folder.join(name), minutes, on_gpu)?;
    }
    let document = root.join("docs/detection.md");
    let table = Simulated::open(&simulated)?.table();
    print!("{table}");
    document::replace(&document, "make bench-detection ARGS=simulate", &table)?;
    let judged: Vec<String> =
        recordings(&folder)?.iter().map(|path| judge(path, &gate, &root.join("docs"))).collect::<Result<_>>()?;
    let judged = judged.join("\n");
    print!("\n{judged}");
    document::replace(&document, "make bench-detection", &judged)
}

/// Judges one recording: its curves are drawn into `docs`, its tables returned.
fn judge(path: &Path, gate: &Thresholds, docs: &Path) -> Result<String> {
    let recording = Recording::open(path)?;
    let experiment = Experiment::new(&recording, gate).with_context(|| path.display().to_string())?;
    let (own, launches) = experiment.wanbench(gate);
    let rules: Vec<Flagged> =
        std::iter::once(own).chain(rules::RIVALS.iter().map(|rule| experiment.rival(rule))).collect();
    let extra: Vec<f64> = experiment.realised().iter().map(|(share, _)| 100.0 * share).collect();
    let name = path.file_stem().unwrap_or_default().to_string_lossy().replacen("recording", "detection", 1);
    plot::draw(&docs.join(format!("{name}.svg")), &extra, &rules)?;
    Ok(document::of_recording(&recording, &experiment, gate, &rules, &launches))
}

/// Every recording*.json of the folder, by name.
fn recordings(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries = std::fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect::<Result<Vec<PathBuf>>>()?;
    let is_recording = |path: &PathBuf| {
        path.extension().is_some_and(|extension| extension == "json")
            && path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("recording"))
    };
    let mut recordings: Vec<PathBuf> = entries.into_iter().filter(is_recording).collect();
    recordings.sort();
    Ok(recordings)
}
