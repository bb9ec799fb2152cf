//! One measurement: a suite measured once, from what is selected to a record.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use wanbench::children;
use wanbench::config::Case;
use wanbench::config::{Config, Thresholds};
use wanbench::files::cache;
use wanbench::forecast::{self, Fit};
use wanbench::gate;
use wanbench::machine::{self, MeasuringLock, Severity};
use wanbench::protocol::DeviceKind;
use wanbench::report::progress::{Progress, Waiting};
use wanbench::revision::git;
use wanbench::runner::{self, CanaryPlan, Interruptions, Kernels, Materials, Pace, Program, Progressed, RunPlan};
use wanbench::store::baseline::Baseline;
use wanbench::store::record::{BaseRevision, CaseRecord, RunRecord, SCHEMA, Skipped, Tool, WAKES};

use super::selected::exactly;
use super::selected::{Selected, forecasts, memory};
use super::status::{Error, OrStatus, Result};
use super::terminal::Terminal;
use crate::cli::Effort;

/// What is measured, and how.
pub struct Measurement<'a> {
    /// The configuration.
    pub config: &'a Config,
    pub selected: &'a Selected,
    /// Seed of weights, inputs and launch order.
    pub seed: u64,
    /// How many launches, how long.
    pub effort: &'a Effort,
    /// The workers of the revision beside it, if there is one …
    pub base_programs: Option<&'a BTreeMap<String, Program>>,
    /// … and what the record says of it.
    pub base: Option<BaseRevision>,
    /// The baseline, if there is one, by which a case's launches end at the first look that answers all that is asked of it;
    /// `None` where all launches are wanted.
    pub ends_at_looks_by: Option<Option<&'a Baseline>>,
    /// What is done about a machine whose state would spoil the figures.
    pub fitness: Fitness,
    /// Whether flags left some of the suite's cases out, or put others in their place.
    pub is_selection: bool,
    /// Whether a case that is slower than the base revision is profiled beside it.
    pub profiles: bool,
}

/// What is done about a machine whose state would spoil the figures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fitness {
    /// Nothing.
    Ignored,
    /// It is told.
    Told,
    /// It is refused.
    Demanded,
}

impl Measurement<'_> {
    /// Measures with live progress, alone on the machine, whose lock is held. `begin` sees the record before anything is
    /// measured, and may refuse; `on_block` sees what there is after every block, to save it.
    pub fn measure(
        &self,
        _lock: &MeasuringLock,
        interruptions: &Interruptions,
        terminal: &Terminal,
        begin: impl FnOnce(&RunRecord) -> Result<()>,
        mut on_block: impl FnMut(&RunRecord),
    ) -> Result<RunRecord> {
        let warnings = self.warnings(terminal)?;
        let Selected { suite, cases, programs, device, .. } = self.selected;
        let (materials, fit) = self.materials()?;
        for (name, skipped) in &fit.skipped {
            terminal.say(&format!("{name} is skipped: {skipped}"));
        }
        let canary = self.selected.canary().filter(|_| !fit.fitting.is_empty());
        let no_room = canary.as_ref().filter(|_| !fit.has_room_beside).map(|_| {
            "there is no canary, so changes of the machine's state cannot be detected: the largest case leaves it no memory"
        });
        let canary = canary.filter(|_| fit.has_room_beside);
        let launches = if self.ends_at_looks_by.is_some() { suite.max_launches } else { suite.launches };
        let wants_wakes = fit.side_by_side && suite.wakes(*device);
        let unable = if wants_wakes { self.unable_to_wake() } else { Vec::new() };
        let wakes = wants_wakes && unable.is_empty();
        let outputs = tempfile::tempdir().or_incomplete(|| "cannot create a temporary folder")?;
        let plan = RunPlan {
            cases: &fit.fitting,
            launches: self.effort.launches.map_or(launches, usize::from),
            warmup_steps: suite.warmup_steps,
            timeout: Duration::from_secs(suite.launch_timeout_seconds),
            device: exactly(*device),
            seed: self.seed,
            side_by_side: fit.side_by_side,
            wakes,
            programs,
            base_programs: self.base_programs,
            base_lacks: self.base.as_ref().map_or(&[], |base| &base.lacks),
            materials: &materials,
            outputs: outputs.path(),
            pace: self.pace(canary.as_ref(), wakes),
            kernels: Kernels::of_machine(*device, &cache::folder()),
        };
        children::allow_for(plan.most_processes()).map_err(|reason| {
            Error::usage(format!(
                "{reason}: raise the limit with `ulimit -n`, or set side_by_side = false for the suite"
            ))
        })?;
        let without_wakes = (!unable.is_empty()).then(|| {
            format!(
                "wake passes are off, because {} does not support them: steps may be timed while the GPU recovers from a pause",
                unable.join(", ")
            )
        });
        let of_run =
            Vec::from_iter(fit.warning.clone().into_iter().chain(no_room.map(str::to_owned)).chain(without_wakes));
        of_run.iter().for_each(|warning| terminal.say(&format!("warning: {warning}")));
        let warnings = warnings.into_iter().chain(of_run).collect();
        let record = RunRecord { warnings, ..self.header(&plan) };
        let arms = plan.all_arms();
        let names: Vec<_> =
            arms.iter().map(|(arm, launches)| (arm.name(&plan), &plan.cases[arm.case], *launches)).collect();
        begin(&record)?;
        let mut progress = Progress::new(&names, terminal.progress_style());
        let (start, warnings) = (Instant::now(), record.warnings.clone());
        let record = RefCell::new(record);
        let update = |record: &mut RunRecord, run: &Progressed| {
            record.cases = with_skipped(cases, &run.cases, &fit.skipped);
            record.canary = run.canary.clone();
            record.ended_early = run.ended_early.clone();
            record.warnings = warnings.iter().chain(&run.warnings).cloned().collect();
            record.wall_seconds = start.elapsed().as_secs_f64();
        };
        let run = runner::measure(
            &plan,
            interruptions,
            |event| progress.handle(event),
            |run| {
                update(&mut record.borrow_mut(), run);
                on_block(&record.borrow());
            },
            |_| {
                let settled = |baseline| gate::settled(&record.borrow(), baseline, &self.config.gate, suite.launches);
                self.ends_at_looks_by.map_or_else(BTreeSet::new, settled)
            },
        );
        progress.finish();
        let mut record = record.into_inner();
        update(&mut record, &run);
        record.interrupted = interruptions.is_interrupted();
        // A run whose time is over has none left for this. What interrupts it takes nothing from what was measured.
        on_block(&record);
        if self.profiles && !record.interrupted && record.ended_early.is_none() {
            profile_slower(&plan, &mut record, run.time_left, &self.config.gate, interruptions, terminal);
        }
        for warning in run.warnings.iter().chain(&run.ended_early) {
            terminal.say(&format!("warning: {warning}"));
        }
        Ok(record)
    }

    /// Weights and inputs of the cases that fit into memory, asked before anything is loaded.
    fn materials(&self) -> Result<(Materials, Fit)> {
        let Selected { suite, cases, models, device, .. } = self.selected;
        let cache = cache::folder();
        let canary = self.selected.canary();
        let all: Vec<Case> = cases.iter().chain(&canary).cloned().collect();
        let materials = Materials::open(&all, models, &cache, self.seed)?;
        let forecasts = forecasts(self.selected, &materials, self.base_programs.is_some());
        let beside_bytes = canary.as_ref().map_or(0, |canary| materials.forecast(canary, *device).needs_bytes());
        let has_bytes = memory(&self.effort.loading, *device);
        let fit = forecast::fit(&forecasts, beside_bytes, has_bytes, suite.side_by_side);
        let fitting: Vec<Case> = fit.fitting.iter().chain(&canary).cloned().collect();
        let materials = materials.with_inputs(&fitting, &cache, self.seed)?;
        Ok((if self.effort.loading.no_cache { materials.without_quantized() } else { materials }, fit))
    }

    /// What would spoil the figures now, told; an error where that is refused.
    fn warnings(&self, terminal: &Terminal) -> Result<Vec<String>> {
        let findings = machine::fitness();
        let warnings = findings.iter().filter(|finding| finding.severity == Severity::Warning);
        let warnings: Vec<String> = warnings.map(ToString::to_string).collect();
        if self.fitness == Fitness::Demanded && !warnings.is_empty() {
            return Err(Error::incomplete(format!(
                "--strict: this machine is not fit to measure: {}",
                warnings.join("; ")
            )));
        }
        let debug =
            cfg!(debug_assertions).then_some("this is a debug build: measure with a release build (`make build`)");
        if self.fitness != Fitness::Ignored {
            machine::environment::survey().iter().for_each(|finding| terminal.say(&format!("note: {finding}")));
            for warning in debug.into_iter().chain(warnings.iter().map(String::as_str)) {
                terminal.say(&format!("warning: {warning}"));
            }
        }
        Ok(warnings)
    }

    /// The workers that make no wake passes. Where one does not, no other may: all are to be timed alike. One that fails now is named
    /// by its first launch.
    fn unable_to_wake(&self) -> Vec<String> {
        // The canary's among them.
        let used: BTreeSet<&String> =
            self.selected.cases.iter().map(|case| &case.backend).chain([&self.selected.suite.reference]).collect();
        let of = |programs: &BTreeMap<String, Program>, whose: &str| {
            let programs = programs.iter().filter(|(name, _)| used.contains(name));
            let cannot = |program: &Program| {
                runner::probe(program, exactly(self.selected.device)).is_ok_and(|probed| !probed.ready.wakes)
            };
            let unable = programs.filter(|(_, program)| cannot(program));
            unable.map(|(name, _)| format!("{name}{whose}")).collect::<Vec<_>>()
        };
        let base = self.base_programs.map_or_else(Vec::new, |programs| of(programs, " of the base revision"));
        [of(&self.selected.programs, ""), base].concat()
    }

    fn pace<'a>(&'a self, canary: Option<&'a Case>, wakes: bool) -> Pace<'a> {
        let Selected { suite, programs, device, .. } = self.selected;
        let cool_down_seconds = self.effort.cool_down.unwrap_or(suite.cool_down_seconds);
        let time_limit_minutes = self.effort.time_limit.or(suite.time_limit_minutes);
        Pace {
            cool_down: Duration::from_secs(cool_down_seconds.into()),
            time_limit: time_limit_minutes.map(|minutes| Duration::from_secs(60 * u64::from(minutes.get()))),
            canary: canary.map(|case| CanaryPlan {
                case,
                program: &programs[&case.backend],
                tolerance_percent: self.config.gate.canary_tolerance_percent(*device),
                wakes,
            }),
        }
    }

    /// A record with nothing measured yet.
    fn header(&self, plan: &RunPlan) -> RunRecord {
        let mut programs = self.selected.cases.iter().map(|case| &self.selected.programs[&case.backend]);
        let has_own = programs.any(|program| !program.is_built_in());
        RunRecord {
            schema: SCHEMA,
            started: Timestamp::now(),
            tool: Tool {
                version: env!("CARGO_PKG_VERSION").to_owned(),
                commit: git::head(&self.config.folder, Path::new("baselines")),
                debug_build: cfg!(debug_assertions),
                environment: environment(plan, self.selected.device, has_own),
            },
            machine: self.selected.machine.clone(),
            device: self.selected.device,
            suite: self.selected.suite.name.clone(),
            seed: plan.seed,
            launches: plan.launches,
            warmup_steps: plan.warmup_steps,
            wall_seconds: 0.0,
            interrupted: true,
            ended_early: None,
            side_by_side: plan.side_by_side,
            base: self.base.clone(),
            is_selection: self.is_selection,
            canary: None,
            warnings: Vec::new(),
            cases: Vec::new(),
        }
    }
}

/// What decides the figures beside the programs. That steps had wake passes is told like a setting: times without are others.
fn environment(plan: &RunPlan, device: DeviceKind, has_own: bool) -> BTreeMap<String, String> {
    let wakes = plan.wakes.then(|| (WAKES.to_owned(), "true".to_owned()));
    machine::environment::recorded(device, has_own).into_iter().chain(wakes).collect()
}

/// Profiles, beside the base revision, the cases that slowed down by most.
fn profile_slower(
    plan: &RunPlan,
    record: &mut RunRecord,
    time_left: Option<Duration>,
    gate: &Thresholds,
    interruptions: &Interruptions,
    terminal: &Terminal,
) {
    let start = Instant::now();
    for name in gate::worth_profiling(record, gate) {
        let Some(case) = plan.cases.iter().position(|case| case.name == name) else { continue };
        if interruptions.is_interrupted() {
            return;
        }
        terminal.say(&format!(
            "{name} is slower than the base revision: profiling both in turns, a few times, to tell which part it is"
        ));
        let time_left = time_left.map(|left| left.saturating_sub(start.elapsed()));
        let mut waiting = Waiting::new(&name, terminal.progress_style());
        let profile = runner::paired_profile(plan, case, time_left, interruptions, |pair, pairs| {
            waiting.tell(&format!("profiling head and base: pair {pair} of {pairs}"));
        });
        waiting.finish();
        let of_case = record.cases.iter_mut().filter(|record| record.case.name == name);
        of_case.for_each(|record| record.paired_profile = profile.clone());
    }
}

/// The records of all `cases`: those that were run, and those that were skipped.
fn with_skipped(cases: &[Case], run: &[CaseRecord], skipped: &BTreeMap<String, Skipped>) -> Vec<CaseRecord> {
    let record = |case: &Case| match run.iter().find(|record| record.case.name == case.name) {
        Some(record) => record.clone(),
        None => CaseRecord { skipped: skipped.get(&case.name).copied(), ..CaseRecord::new(case) },
    };
    cases.iter().map(record).collect()
}
