//! What `run`, `check` and `baseline update` share: from flags to a saved record.

use std::io;
use std::path::Path;

use wanbench::config::Config;
use wanbench::files::save;
use wanbench::store::baseline::Baseline;
use wanbench::store::record::RunRecord;

use super::alone::alone;
use super::base;
use super::interrupt;
use super::measurement::{Fitness, Measurement};
use super::review::review;
use super::selected::Selected;
use super::selected::axes;
use super::status::{Error, OrStatus, Result};
use super::terminal::Terminal;
use crate::cli;

/// What is to be measured, and what a check adds to that.
pub struct Measuring<'a> {
    /// What the user asked for.
    pub args: &'a cli::Measure,
    pub config: &'a Config,
    /// The revision to measure beside this one, if there is one.
    pub base: Option<&'a cli::BaseArgs>,
    /// Whether a case's launches end at the first look that answers all that is asked of it, with the suite's `max_launches` at most.
    pub ends_at_looks: bool,
    /// What is done about a machine whose state would spoil the figures.
    pub fitness: Fitness,
}

impl<'a> Measuring<'a> {
    /// All launches of one revision.
    pub fn plain(args: &'a cli::Measure, config: &'a Config) -> Self {
        Self { args, config, base: None, ends_at_looks: false, fitness: Fitness::Told }
    }
}

/// What was measured.
pub struct MeasuredRun {
    pub record: RunRecord,
    /// Why it could not be saved whole in the file that `--json` names, if so.
    pub unsaved: Option<Error>,
}

/// Measures and saves the record; `None` where the cases were only listed. A record that cannot be saved is told and handed
/// on, so that minutes of measuring are not for nothing.
pub fn measure(measuring: &Measuring, terminal: &Terminal) -> Result<Option<MeasuredRun>> {
    let Measuring { args, config, .. } = measuring;
    let selected = Selected::new(config, &args.selection, &axes(&args.axes), terminal)?;
    if args.list {
        let names: String = selected.cases.iter().map(|case| format!("{}\n", case.name)).collect();
        terminal.print(&names)?;
        return Ok(None);
    }
    check_targets(args)?;
    // The base revision's programs are built on the machine that is measured.
    let lock = alone(&args.alone, terminal)?;
    let base = measuring.base.map(|asked| base::prepare(asked, &args.sources.config, config, terminal));
    let base = base.transpose()?.flatten();
    let baseline = Baseline::find(&args.sources.baselines(), &selected.machine, selected.device)?;
    let interruptions = interrupt::heed();
    let measurement = Measurement {
        config,
        selected: &selected,
        seed: args.selection.seed,
        effort: &args.effort,
        base_programs: base.as_ref().map(|base| &base.programs),
        base: base.as_ref().map(|base| review(base, &args.sources, config, &selected, terminal)),
        ends_at_looks_by: measuring.ends_at_looks.then_some(baseline.as_ref().map(|(_, baseline)| baseline)),
        fitness: measuring.fitness,
        is_selection: args.is_selection(),
        profiles: measuring.base.is_some_and(|base| !base.no_profile),
    };
    let begin = |record: &RunRecord| begin(record, &args.json);
    // What a full disk refuses now it may take at the end; the measurements are still at hand.
    let record = measurement.measure(&lock, interruptions, terminal, begin, |record| drop(record.save(&args.json)))?;
    let unsaved = record.save(&args.json).or_incomplete(|| format!("cannot save {}", args.json.display())).err();
    if let Some(error) = &unsaved {
        terminal.say_always(&format!("warning: {error}"));
    }
    if record.interrupted {
        let launches: usize = record.cases.iter().map(|case| case.launches.len()).sum();
        let what = if unsaved.is_none() { "what was measured" } else { "only what could be saved on the way" };
        return Err(Error::incomplete(format!(
            "interrupted after {launches} of {} launches; {what} is in {}",
            record.launches * record.cases.len(),
            args.json.display()
        )));
    }
    Ok(Some(MeasuredRun { record, unsaved }))
}

/// Saves `record`, of which nothing is measured yet, so that no older results in the file `path` can pass for this run's. An
/// error where that cannot be: the older results are then removed, or named as such.
fn begin(record: &RunRecord, path: &Path) -> Result<()> {
    let Err(error) = record.save(path) else { return Ok(()) };
    let older = match std::fs::remove_file(path) {
        Ok(()) => "; the older results there were removed",
        Err(error) if error.kind() == io::ErrorKind::NotFound => "",
        Err(_) => "; what is there are an older run's results",
    };
    Err(Error::incomplete(format!(
        "cannot save {}: {error}{older}; nothing was measured: make room, or name another file with --json",
        path.display()
    )))
}

/// Refuses now what could not, or should not, be written after minutes of measuring.
fn check_targets(args: &cli::Measure) -> Result<()> {
    if args.markdown.as_ref() == Some(&args.json) {
        return Err(Error::usage("--json and --markdown name the same file"));
    }
    check_writable(&args.json, "results")?;
    args.markdown.iter().try_for_each(|path| check_writable(path, "report"))?;
    check_replaceable(&args.json, "results", RunRecord::is_in(&args.json))
}

/// Refuses a target that is no file, or that cannot be written; `what` is to be written there.
pub fn check_writable(path: &Path, what: &str) -> Result<()> {
    if path.exists() && !path.is_file() {
        return Err(Error::usage(format!(
            "{} is not a regular file: choose another path for the {what}",
            path.display()
        )));
    }
    save::probe(path).or_incomplete(|| format!("cannot write {}", path.display()))
}

/// Refuses to replace the file `path`, if there is one, by `what` unless it `holds` such.
pub fn check_replaceable(path: &Path, what: &str, holds: bool) -> Result<()> {
    match holds || !path.exists() {
        true => Ok(()),
        false => Err(Error::usage(format!(
            "--json {}: the file exists and holds no {what}: choose another path, or remove the file",
            path.display()
        ))),
    }
}
