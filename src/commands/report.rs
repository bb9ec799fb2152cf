//! `wanbench report`: render saved results; and the report that `run` and `check` print.

use std::path::Path;

use anyhow::{Context, Result, bail};
use wanbench::baseline::{Baseline, ModelMemory};
use wanbench::config::Config;
use wanbench::record::RunRecord;
use wanbench::report::{self, Report, Source};
use wanbench::{gate, save};

use super::{ExitStatus, Terminal, UsageError};
use crate::cli::{self, DEFAULT_BASELINES, Format, Sources};

/// Prints saved results, judged by today's baselines.
pub fn report(args: &cli::Report, terminal: &Terminal) -> Result<ExitStatus> {
    let config = Config::open(&args.sources.config)?;
    read_baselines(&args.sources.baselines)?;
    let report = build(RunRecord::open(&args.results)?, &args.results, &config, &args.sources, false)?;
    terminal.print(&match args.format {
        Format::Text => text(&report, terminal),
        Format::Markdown => report::markdown::render(&report),
        Format::Json => report::json::render(&report),
    })?;
    Ok(ExitStatus::Pass)
}

/// Judges a record, saved in `results`, by the baselines of `sources`.
pub fn build(
    record: RunRecord,
    results: &Path,
    config: &Config,
    sources: &Sources,
    requires_baseline: bool,
) -> Result<Report> {
    let folder = &sources.baselines;
    let found = Baseline::find(folder, &record.machine, record.device)?;
    let memory = ModelMemory::open(folder)?;
    let baseline = found.as_ref().map(|(_, baseline)| baseline);
    let comparison = gate::compare(&record, baseline, &memory, &config.known_cases(), &config.gate);
    Ok(Report {
        comparison,
        gate: config.gate.clone(),
        baseline: found.map(|(path, baseline)| Source::new(&path, &baseline)),
        baseline_file: Baseline::path(folder, &record.machine, record.device).display().to_string(),
        results_file: results.display().to_string(),
        requires_baseline,
        flags: sources.flags(),
        program: std::env::args().next().unwrap_or_else(|| "wanbench".to_owned()),
        record,
    })
}

/// Reads every baseline file, to find the unreadable one early; a folder that was named must be there.
pub fn read_baselines(folder: &Path) -> Result<()> {
    if folder != Path::new(DEFAULT_BASELINES) && !folder.is_dir() {
        bail!(UsageError(format!("--baselines {}: no such folder", folder.display())));
    }
    ModelMemory::open(folder)?;
    Baseline::all(folder)?;
    Ok(())
}

/// The report for this terminal.
pub fn text(report: &Report, terminal: &Terminal) -> String {
    report::text::render(report, terminal.color())
}

/// Saves the report as Markdown where asked.
pub fn save_markdown(report: &Report, path: Option<&Path>) -> Result<()> {
    let Some(path) = path else { return Ok(()) };
    save::atomically(path, |out| out.write_all(report::markdown::render(report).as_bytes()))
        .with_context(|| format!("cannot write {}", path.display()))
}
