//! What `run`, `check` and `baseline update` share: from flags to a saved record.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use jiff::Timestamp;
use wanbench::config::{Config, Suite};
use wanbench::machine::{self, Machine, MeasuringLock, Severity};
use wanbench::matrix::{self, Case};
use wanbench::protocol::DeviceKind;
use wanbench::record::{CaseRecord, ReadError, RunRecord, SCHEMA, Tool};
use wanbench::report::progress::Progress;
use wanbench::runner::{self, Materials, Plan, Program};
use wanbench::{cache, git, save};

use super::{Terminal, UsageError, exactly, programs, resolve_device};
use crate::cli::{self, Selection};

/// Measures what `args` select and saves the record; `None` where the cases were only listed.
pub fn measure(args: &cli::Measure, config: &Config, terminal: &Terminal) -> Result<Option<RunRecord>> {
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
    let holder = format!("process {} since {:.0}", std::process::id(), Timestamp::now());
    let _lock = MeasuringLock::acquire(&cache::folder(), &holder)?;
    let materials = Materials::prepare(&cases, &config.models, &cache::folder(), args.selection.seed)?;
    let outputs = tempfile::tempdir().context("cannot make a temporary folder")?;
    let plan = Plan {
        cases: &cases,
        launches: args.launches.map_or(suite.launches, usize::from),
        warmup_steps: suite.warmup_steps,
        timeout: Duration::from_secs(suite.launch_timeout_seconds),
        device: exactly(device),
        seed: args.selection.seed,
        side_by_side: suite.side_by_side,
        programs: &programs,
        base_programs: None,
        materials: &materials,
        outputs: outputs.path(),
    };
    let record = header(suite, &plan, machine, device);
    if record.tool.debug_build {
        terminal.say("warning: this is a debug build: measure with a release build, `make build`");
    }
    for warning in &record.warnings {
        terminal.say(&format!("warning: {warning}"));
    }
    run(&plan, record, &args.json, terminal).map(Some)
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
pub(super) fn header(suite: &Suite, plan: &Plan, machine: Machine, device: DeviceKind) -> RunRecord {
    let warnings = machine::fitness()
        .iter()
        .filter(|finding| finding.severity == Severity::Warning)
        .map(ToString::to_string)
        .collect();
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
        side_by_side: plan.side_by_side,
        base: None,
        canary: None,
        warnings,
        cases: Vec::new(),
    }
}

/// Runs the plan with live progress; the record is saved after every block, so that nothing is lost.
fn run(plan: &Plan, mut record: RunRecord, json: &Path, terminal: &Terminal) -> Result<RunRecord> {
    let interrupted = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&interrupted);
    ctrlc::set_handler(move || flag.store(true, Ordering::Relaxed)).context("cannot watch for Ctrl-C")?;

    let start = Instant::now();
    let arms = plan.all_arms();
    let names: Vec<_> = arms.iter().map(|arm| (arm.name(plan), &plan.cases[arm.case])).collect();
    let mut progress = Progress::new(&names, plan.launches, terminal.progress_style());
    let save_record = |record: &mut RunRecord, cases: &[CaseRecord]| {
        record.cases = cases.to_vec();
        record.wall_seconds = start.elapsed().as_secs_f64();
        record.save(json).with_context(|| format!("cannot save {}", json.display()))
    };
    let cases = runner::measure(
        plan,
        &interrupted,
        |event| progress.handle(event),
        // What a full disk refuses now it may take at the end; the measurements are still at hand.
        |cases| {
            let _ = save_record(&mut record, cases);
            BTreeSet::new()
        },
    );
    progress.finish();

    record.interrupted = interrupted.load(Ordering::Relaxed);
    if let Err(error) = save_record(&mut record, &cases) {
        eprintln!("warning: {error:#}");
    }
    if record.interrupted {
        let launches: usize = cases.iter().map(|case| case.launches.len()).sum();
        bail!(
            "interrupted after {launches} of {} launches; what was measured is in {}",
            plan.launches * plan.cases.len(),
            json.display()
        );
    }
    Ok(record)
}
