//! From a saved record to a report: what it is judged by, and how the report is rendered.

use std::path::{Path, PathBuf};

use wanbench::config::{Config, Thresholds};
use wanbench::files::save;
use wanbench::gate::doubts::Doubts;
use wanbench::gate::{Baselines, Demands, Judge, Plan};
use wanbench::report::{self, Flags, Invocation, Report, Source, export};
use wanbench::store::baseline::{Baseline, ModelMemory};
use wanbench::store::record::RunRecord;

use super::status::{Error, OrStatus, Result};
use super::terminal::Terminal;
use crate::cli::{ReportFormat, Sources};

/// What a record is judged by.
pub struct Judging {
    /// What is asked for.
    pub plan: Plan,
    /// What else is.
    pub demands: Demands,
    /// Figures of the machine, with their file.
    pub baseline: Option<(PathBuf, Baseline)>,
    /// Bytes of the models.
    pub memory: ModelMemory,
    /// How many comparable machines or devices have recorded figures of their own.
    pub others: usize,
    /// The tolerances.
    pub thresholds: Thresholds,
    /// The file that an update would write; `None` where an earlier run is the measure.
    pub baseline_file: Option<PathBuf>,
    /// How the commands in the advice are called.
    pub invocation: Invocation,
}

impl Judging {
    /// By the committed configuration and baselines, as `plan` asks.
    pub fn by_committed(
        record: &RunRecord,
        plan: Plan,
        demands: Demands,
        config: &Config,
        sources: &Sources,
        invocation: Invocation,
    ) -> Result<Self> {
        let folder = sources.baselines();
        let all = Baseline::all(&folder)?;
        let found = Baseline::choose(&all, &folder, &record.machine, record.device);
        // This machine's other device is another one, too: a GPU that went away is no first measure.
        let is_other = |(path, baseline): &&(PathBuf, Baseline)| {
            baseline.is_comparable(&record.machine, record.device) && found.is_none_or(|(own, _)| own != path)
        };
        Ok(Self {
            plan,
            demands,
            others: all.iter().filter(is_other).count(),
            baseline: found.cloned(),
            memory: ModelMemory::open(&folder)?,
            thresholds: config.gate.clone(),
            baseline_file: Some(Baseline::path(&folder, &record.machine, record.device)),
            invocation,
        })
    }

    /// The report on `record`.
    pub fn report(self, record: RunRecord) -> Report {
        let baselines = Baselines {
            machine: self.baseline.as_ref().map(|(_, baseline)| baseline),
            memory: &self.memory,
            others: self.others,
        };
        let judge =
            Judge { record: &record, plan: &self.plan, baselines, thresholds: &self.thresholds, demands: self.demands };
        Report {
            outcome: judge.outcome(),
            doubts: Doubts::about(&record, &self.thresholds),
            thresholds: self.thresholds,
            baseline: self.baseline.map(|(path, baseline)| Source::new(&path, &baseline)),
            is_comparison: self.baseline_file.is_none(),
            baseline_file: self.baseline_file.map_or_else(String::new, |path| path.display().to_string()),
            invocation: self.invocation,
            record,
        }
    }
}

/// The report on the results that are saved in `results`, judged by what is committed today.
pub fn saved(results: &Path, sources: &Sources) -> Result<Report> {
    let config = Config::open(&sources.config)?;
    read_baselines(sources)?;
    let record = RunRecord::open(results)?;
    let invocation = invocation(results, sources, flags_of(&record));
    let plan = Plan { may_leave_out: record.is_selection, ..Plan::of(&config, &record) };
    let judging = Judging::by_committed(&record, plan, Demands::default(), &config, sources, invocation)?;
    Ok(judging.report(record))
}

/// How the commands in the advice on a record, saved in `results`, are called; `flags` measured it.
pub fn invocation(results: &Path, sources: &Sources, flags: Flags) -> Invocation {
    Invocation {
        program: std::env::args().next().unwrap_or_else(|| "wanbench".to_owned()),
        results_file: results.display().to_string(),
        config: sources.config_flags(),
        baselines: sources.baselines_flags(),
        flags,
    }
}

/// The flags that measured a saved record, as far as it tells.
pub fn flags_of(record: &RunRecord) -> Flags {
    let mut flags = Flags::default();
    if record.device != record.machine.default_device() {
        flags.measure.extend(["--device".to_owned(), record.device.name().to_owned()]);
    }
    if record.seed != 0 {
        flags.measure.extend(["--seed".to_owned(), record.seed.to_string()]);
    }
    if let Some(base) = &record.base {
        let flag = if base.commit.is_some() { "--base" } else { "--base-workers" };
        flags.check.extend([flag.to_owned(), base.name.clone()]);
    }
    flags
}

/// Reads every baseline file, to find the unreadable one early; a folder that was named must be there.
pub fn read_baselines(sources: &Sources) -> Result<()> {
    if let Some(folder) = sources.baselines_given.as_ref().filter(|folder| !folder.is_dir()) {
        return Err(Error::usage(format!("--baselines {}: no such folder", folder.display())));
    }
    ModelMemory::open(&sources.baselines())?;
    Baseline::all(&sources.baselines())?;
    Ok(())
}

/// Prints the report in a format.
pub fn print(report: &Report, format: impl Into<ReportFormat>, terminal: &Terminal) -> Result<()> {
    match format.into() {
        ReportFormat::Text => terminal.print(&text(report, terminal)),
        ReportFormat::Markdown => terminal.print(&report::markdown::render(report)),
        ReportFormat::Json => terminal.print(&report::json::render(report)),
        // A terminal is given no carriage return, and CSV has one at the end of each line.
        ReportFormat::Csv => terminal.print_exactly(&export::csv::render(report)),
        ReportFormat::Junit => terminal.print(&export::junit::render(report)),
        ReportFormat::Bencher => terminal.print(&export::bencher::render(report)),
        ReportFormat::GithubActionBenchmark => terminal.print(&export::action_benchmark::render(report)),
        ReportFormat::Openmetrics => terminal.print(&export::openmetrics::render(report)),
    }
}

/// The report for this terminal.
pub fn text(report: &Report, terminal: &Terminal) -> String {
    report::text::render(report, terminal.layout())
}

/// Saves the report as Markdown where asked. Whatever of the run could not be saved, the record `unsaved` for this reason
/// included, is missing in the report that is handed back: it must not be told as a pass.
pub fn save_report(mut report: Report, unsaved: Option<Error>, markdown: Option<&Path>, terminal: &Terminal) -> Report {
    if let Some(error) = unsaved {
        // Nothing is there for an update to read.
        report.doubts.run.push(error.to_string());
        report = report.lacking(error.to_string());
    }
    let written = markdown.map_or(Ok(()), |path| save_text(path, &report::markdown::render(&report)));
    match written {
        Ok(()) => report,
        Err(error) => {
            terminal.say_always(&format!("warning: {error}"));
            report.lacking(error.to_string())
        }
    }
}

/// Saves a rendered report.
pub fn save_text(path: &Path, text: &str) -> Result<()> {
    save::text(path, text).or_incomplete(|| format!("cannot write {}", path.display()))
}
