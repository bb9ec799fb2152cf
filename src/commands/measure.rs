//! What `run`, `check` and `baseline update` share: from flags to a saved record.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use jiff::Timestamp;
use wanbench::baseline::Baseline;
use wanbench::config::{Config, Suite};
use wanbench::machine::{self, Machine, MeasuringLock, Severity};
use wanbench::matrix::{self, Case};
use wanbench::protocol::DeviceKind;
use wanbench::record::{ReadError, RunRecord, SCHEMA, Tool};
use wanbench::report::progress::Progress;
use wanbench::runner::{self, CanaryPlan, Materials, Pace, Plan, Program, Progressed, canary_case};
use wanbench::{cache, gate, git, save};

use super::base::Base;
use super::{Terminal, UsageError, exactly, programs, resolve_device};
use crate::cli::{self, Selection};

/// What is to be measured, and what a check adds to that.
pub struct Measuring<'a> {
    /// What the user asked for.
    pub args: &'a cli::Measure,
    /// The configuration.
    pub config: &'a Config,
    /// The revision to measure beside this one, if there is one.
    pub base: Option<Base>,
    /// Whether a workload's launches end at the first look that answers all that is asked of it.
    pub ends_at_looks: bool,
    /// Whether a machine whose state would spoil the figures is refused.
    pub strict: bool,
}

impl<'a> Measuring<'a> {
    /// All launches of one revision, whatever the machine's state.
    pub fn plain(args: &'a cli::Measure, config: &'a Config) -> Self {
        Self { args, config, base: None, ends_at_looks: false, strict: false }
    }
}

/// Measures and saves the record; `None` where the cases were only listed.
pub fn measure(measuring: &Measuring, terminal: &Terminal) -> Result<Option<RunRecord>> {
    let Measuring { args, config, base, .. } = measuring;
    let machine = Machine::detect();
    let programs = programs(config);
    let (suite, mut cases, device) = select(config, &args.selection, &machine, &programs, terminal)?;
    if let Some(steps) = args.steps {
        cases.iter_mut().for_each(|case| case.workload.steps = steps.into());
    }
    if args.list {
        let names: String = cases.iter().map(|case| format!("{}\n", case.name)).collect();
        terminal.print(&names)?;
        return Ok(None);
    }
    check_targets(args)?;
    let _lock = MeasuringLock::acquire()?;
    let warnings = warnings(measuring.strict)?;
    let canary = suite.canary.then(|| canary_case(&suite.reference));
    let data: Vec<Case> = cases.iter().chain(&canary).cloned().collect();
    let materials = Materials::prepare(&data, &config.models, &cache::folder(), args.selection.seed)?;
    let outputs = tempfile::tempdir().context("cannot make a temporary folder")?;
    let canary = canary.as_ref().map(|case| CanaryPlan {
        case,
        program: &programs[&case.backend],
        tolerance_percent: config.gate.canary_tolerance_percent(device),
    });
    let time_limit_minutes = args.time_limit.or(suite.time_limit_minutes);
    let plan = Plan {
        cases: &cases,
        launches: args.launches.map_or(suite.launches, usize::from),
        warmup_steps: suite.warmup_steps,
        timeout: Duration::from_secs(suite.launch_timeout_seconds),
        device: exactly(device),
        seed: args.selection.seed,
        side_by_side: suite.side_by_side,
        programs: &programs,
        base_programs: base.as_ref().map(|base| &base.programs),
        materials: &materials,
        outputs: outputs.path(),
        pace: Pace {
            cool_down: Duration::from_secs(args.cool_down.unwrap_or(suite.cool_down_seconds).into()),
            time_limit: time_limit_minutes.map(|minutes| Duration::from_secs(60 * u64::from(minutes.get()))),
            canary,
        },
    };
    let mut record = header(suite, &plan, machine, device);
    record.base = base.as_ref().map(|base| base.revision.clone());
    record.warnings = warnings;
    if record.tool.debug_build {
        terminal.say("warning: this is a debug build: measure with a release build, `make build`");
    }
    for warning in &record.warnings {
        terminal.say(&format!("warning: {warning}"));
    }
    run(measuring, &plan, record, terminal).map(Some)
}

/// What would spoil the figures now; an error where that is refused.
fn warnings(strict: bool) -> Result<Vec<String>> {
    let findings = machine::fitness();
    let warnings = findings.iter().filter(|finding| finding.severity == Severity::Warning);
    let warnings: Vec<String> = warnings.map(ToString::to_string).collect();
    if strict && !warnings.is_empty() {
        bail!("this machine is unfit to measure, and --strict refuses that: {}", warnings.join("; "));
    }
    Ok(warnings)
}

/// Refuses now what could not, or should not, be written after minutes of measuring.
fn check_targets(args: &cli::Measure) -> Result<()> {
    if args.markdown.as_ref() == Some(&args.json) {
        bail!(UsageError("--json and --markdown name the same file".to_owned()));
    }
    for path in args.markdown.iter().chain([&args.json]) {
        if path.exists() && !path.is_file() {
            bail!(UsageError(format!("{} is no regular file, so no results are written there", path.display())));
        }
        save::probe(path).with_context(|| format!("cannot write {}", path.display()))?;
    }
    match RunRecord::open(&args.json) {
        Err(ReadError::Malformed { .. }) => bail!(UsageError(format!(
            "--json {}: the file is there and holds no results; name another, or remove it",
            args.json.display()
        ))),
        _ => Ok(()),
    }
}

/// The suite, those of its cases that are asked for, and the device for all of them.
///
/// The default suite depends on the device, so that is settled first, by the backends that a GPU's suite would use.
pub fn select<'a>(
    config: &'a Config,
    selection: &Selection,
    machine: &Machine,
    programs: &BTreeMap<String, Program>,
    terminal: &Terminal,
) -> Result<(&'a Suite, Vec<Case>, DeviceKind)> {
    if let Some(unknown) = selection.backend.iter().find(|name| !config.backends.contains_key(*name)) {
        let known: Vec<_> = config.backends.keys().map(String::as_str).collect();
        bail!(UsageError(format!("--backend {unknown}: no such backend; there are {}", known.join(", "))));
    }
    let named = selection.suite.as_deref();
    let on_gpu = config.suite(named, true).map_err(UsageError)?;
    let used = on_gpu.cases.iter().map(|case| &case.backend);
    let used = used.filter(|name| selection.backend.is_empty() || selection.backend.contains(*name));
    let device = resolve_device(selection.device, machine, used.map(|name| &programs[name]), terminal);
    let suite = config.suite(named, device == DeviceKind::Gpu).map_err(UsageError)?;
    let cases = matrix::select(suite.cases.clone(), &selection.filter, &selection.backend);
    if cases.is_empty() {
        bail!(UsageError(format!(
            "no case of suite `{}` is left; `wanbench run --suite {} --list` names them all",
            suite.name, suite.name
        )));
    }
    Ok((suite, cases, device))
}

/// A record with nothing measured yet.
fn header(suite: &Suite, plan: &Plan, machine: Machine, device: DeviceKind) -> RunRecord {
    RunRecord {
        schema: SCHEMA,
        started: Timestamp::now(),
        tool: Tool {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            commit: git::head(Path::new(".")),
            debug_build: cfg!(debug_assertions),
        },
        machine,
        device,
        suite: suite.name.clone(),
        seed: plan.seed,
        launches: plan.launches,
        warmup_steps: plan.warmup_steps,
        wall_seconds: 0.0,
        interrupted: true,
        ended_early: None,
        side_by_side: plan.side_by_side,
        base: None,
        canary: None,
        warnings: Vec::new(),
        cases: Vec::new(),
    }
}

/// Runs the plan with live progress; the record is saved after every block, so that nothing is lost.
fn run(measuring: &Measuring, plan: &Plan, mut record: RunRecord, terminal: &Terminal) -> Result<RunRecord> {
    let json = &measuring.args.json;
    let gate = &measuring.config.gate;
    let baseline = Baseline::find(&measuring.args.sources.baselines, &record.machine, record.device)?;
    let baseline = baseline.as_ref().map(|(_, baseline)| baseline);
    let interrupted = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&interrupted);
    ctrlc::set_handler(move || flag.store(true, Ordering::Relaxed)).context("cannot watch for Ctrl-C")?;

    let start = Instant::now();
    let arms = plan.all_arms();
    let names: Vec<_> = arms.iter().map(|arm| (arm.name(plan), &plan.cases[arm.case])).collect();
    let mut progress = Progress::new(&names, plan.launches, terminal.progress_style());
    let warnings = record.warnings.clone();
    let update = |record: &mut RunRecord, run: &Progressed| {
        record.cases = run.cases.clone();
        record.canary = run.canary.clone();
        record.ended_early = run.ended_early.clone();
        record.warnings = warnings.iter().chain(&run.warnings).cloned().collect();
        record.wall_seconds = start.elapsed().as_secs_f64();
    };
    let measured = runner::measure(
        plan,
        &interrupted,
        |event| progress.handle(event),
        |run| {
            update(&mut record, run);
            // What a full disk refuses now it may take at the end; the measurements are still at hand.
            let _ = record.save(json);
            if measuring.ends_at_looks { gate::settled(&record, baseline, gate) } else { BTreeSet::new() }
        },
    );
    progress.finish();

    update(&mut record, &measured);
    record.interrupted = interrupted.load(Ordering::Relaxed);
    if let Err(error) = record.save(json) {
        eprintln!("warning: cannot save {}: {error}", json.display());
    }
    for warning in measured.warnings.iter().chain(&measured.ended_early) {
        terminal.say(&format!("warning: {warning}"));
    }
    if record.interrupted {
        let launches: usize = record.cases.iter().map(|case| case.launches.len()).sum();
        bail!(
            "interrupted after {launches} of {} launches; what was measured is in {}",
            plan.launches * plan.cases.len(),
            json.display()
        );
    }
    Ok(record)
}
