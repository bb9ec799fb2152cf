//! What is asked for: a suite, its cases with the axes given by hand, their checkpoint, and where they run.

use std::collections::BTreeMap;
use std::num::NonZero;
use std::path::Path;

use wanbench::config::{self, Axes, Backend, Case, Config, Model, Suite};
use wanbench::forecast::Forecast;
use wanbench::machine::{self, Machine};
use wanbench::protocol::{DeviceChoice, DeviceKind};
use wanbench::runner::{self, Materials, Program, canary_case};
use wanbench::wan::Experts;

use super::status::{Error, Result};
use super::terminal::Terminal;
use crate::cli::{AxesArgs, ExpertChoice, LoadingArgs, Selection};

/// The cases of a suite that are asked for, and where they run.
pub struct Selected {
    pub suite: Suite,
    /// Its cases that are asked for.
    pub cases: Vec<Case>,
    /// The models, with a checkpoint that was named by hand.
    pub models: BTreeMap<String, Model>,
    /// Their programs, with those of all other backends.
    pub programs: BTreeMap<String, Program>,
    pub machine: Machine,
    /// The device for all of them.
    pub device: DeviceKind,
}

impl Selected {
    /// What `selection` asks for, with `axes` in place of the suite's own.
    pub fn new(config: &Config, selection: &Selection, axes: &Axes, terminal: &Terminal) -> Result<Self> {
        let (machine, programs) = (Machine::detect(), programs(config));
        let (suite, device) = select(config, selection, &machine, &programs, terminal)?;
        let models = models(config, suite, selection.ckpt_dir.as_deref())?;
        let suite = match runner::spec(suite, &models)? {
            Some(spec) => suite.with_vae_stride(spec.vae_stride()).map_err(Error::usage)?,
            None => suite.clone(),
        };
        let cases = axes.cases(&suite, &config.backends).map_err(Error::usage)?;
        let cases = config::select(cases, &selection.filter, &selection.backend);
        if cases.is_empty() {
            return Err(Error::usage(format!(
                "the flags select no case of suite `{}`; `wanbench run --suite {} --list` lists them all",
                suite.name, suite.name
            )));
        }
        let is_one_network = matches!(models[&suite.model], Model::Synthetic(_));
        if is_one_network && cases.iter().any(|case| !case.workload.experts.is_default()) {
            return Err(Error::usage(format!(
                "--expert: suite `{}` runs the built-in model, which has only one network",
                suite.name
            )));
        }
        Ok(Self { suite, cases, models, programs, machine, device })
    }

    /// The canary's load, where the suite has one.
    pub fn canary(&self) -> Option<Case> {
        self.suite.canary.then(|| canary_case(&self.suite.reference, self.device))
    }
}

/// The configured models, with `checkpoint` in place of that of the suite's.
fn models(config: &Config, suite: &Suite, checkpoint: Option<&Path>) -> Result<BTreeMap<String, Model>> {
    let mut models = config.models.clone();
    if let Some(checkpoint) = checkpoint {
        let Model::Checkpoint { schedule, .. } = models[&suite.model] else {
            return Err(Error::usage(format!(
                "--ckpt-dir: suite `{}` runs the built-in model: choose a suite whose model is a checkpoint with --suite, or add one \
                 to config.toml: [models.NAME] checkpoint = \"DIR\"",
                suite.name
            )));
        };
        models.insert(suite.model.clone(), Model::Checkpoint { folder: checkpoint.to_owned(), schedule });
    }
    Ok(models)
}

/// What each case takes, with its number of processes in a block.
pub fn forecasts(selected: &Selected, materials: &Materials, has_base: bool) -> Vec<(Case, Forecast, usize)> {
    let forecast = |case: &Case| {
        let processes = 1 + usize::from(has_base) + usize::from(case.is_reference());
        (case.clone(), materials.forecast(case, selected.device), processes)
    };
    selected.cases.iter().map(forecast).collect()
}

/// Memory that a case may take: as asked, or what `device` has free; `None` where nobody knows.
pub fn memory(loading: &LoadingArgs, device: DeviceKind) -> Option<u64> {
    loading.memory.map(gibibytes).or_else(|| machine::available_bytes(device))
}

/// The suite that is asked for and the device for all of its cases.
///
/// The default suite depends on the device, so that is settled first, by the backends that a GPU's suite would use; a
/// checkpoint that was named by hand has a default suite of its own.
pub fn select<'a>(
    config: &'a Config,
    selection: &Selection,
    machine: &Machine,
    programs: &BTreeMap<String, Program>,
    terminal: &Terminal,
) -> Result<(&'a Suite, DeviceKind)> {
    if let Some(unknown) = selection.backend.iter().find(|name| !config.backends.contains_key(*name)) {
        let known: Vec<_> = config.backends.keys().map(String::as_str).collect();
        return Err(Error::usage(format!(
            "--backend {unknown}: no such backend; the configuration has {}",
            known.join(", ")
        )));
    }
    let for_checkpoint = selection.ckpt_dir.as_ref().and(config.default_suite.checkpoint.as_deref());
    let named = selection.suite.as_deref().or(for_checkpoint);
    let on_gpu = config.suite(named, true).map_err(Error::usage)?;
    let used = on_gpu.cases.iter().map(|case| &case.backend);
    let used = used.filter(|name| selection.backend.is_empty() || selection.backend.contains(*name));
    let device = resolve_device(selection.device, machine, used.map(|name| &programs[name]), terminal);
    let suite = config.suite(named, device == DeviceKind::Gpu).map_err(Error::usage)?;
    Ok((suite, device))
}

/// How to start each backend's worker.
pub fn programs(config: &Config) -> BTreeMap<String, Program> {
    config.backends.iter().map(|(name, backend)| (name.clone(), program(config, name, backend))).collect()
}

fn program(config: &Config, name: &str, backend: &Backend) -> Program {
    match &backend.command {
        Some(command) => Program { command: command.clone(), folder: Some(config.folder.clone()) },
        None => Program::built_in(name),
    }
}

/// The device that all of `backends` can run on: figures of different devices are not compared.
///
/// Workers are asked only where the machine shows a GPU.
pub fn resolve_device<'a>(
    choice: DeviceChoice,
    machine: &Machine,
    backends: impl Iterator<Item = &'a Program>,
    terminal: &Terminal,
) -> DeviceKind {
    match choice {
        DeviceChoice::Gpu => return DeviceKind::Gpu,
        DeviceChoice::Cpu => return DeviceKind::Cpu,
        DeviceChoice::Auto if !machine.has_gpu() => return DeviceKind::Cpu,
        DeviceChoice::Auto => {}
    }
    let mut asked: Vec<&Program> = Vec::new();
    for program in backends {
        if asked.contains(&program) {
            continue;
        }
        asked.push(program);
        if let Err(failure) = runner::probe(program, DeviceChoice::Gpu) {
            let name = program.command.join(" ");
            terminal.say(&format!("{name} cannot use the GPU ({}): all cases run on the CPU", failure.reason));
            return DeviceKind::Cpu;
        }
    }
    DeviceKind::Gpu
}

/// The suite's entries that stand replaced.
pub fn axes(args: &AxesArgs) -> Axes {
    let experts = match args.expert {
        None => Vec::new(),
        Some(ExpertChoice::Low) => vec![Experts::Low],
        Some(ExpertChoice::High) => vec![Experts::High],
        Some(ExpertChoice::Both) => vec![Experts::Both, Experts::Swap],
    };
    Axes {
        frames: args.frames.clone(),
        steps: args.steps.map(usize::from),
        quants: args.quant.clone(),
        dtypes: args.dtype.clone(),
        experts,
    }
}

/// So many GiB in bytes.
pub fn gibibytes(gib: NonZero<u32>) -> u64 {
    u64::from(gib.get()) << 30
}

/// The choice that asks a worker for exactly `kind`.
pub fn exactly(kind: DeviceKind) -> DeviceChoice {
    match kind {
        DeviceKind::Gpu => DeviceChoice::Gpu,
        DeviceKind::Cpu => DeviceChoice::Cpu,
    }
}
