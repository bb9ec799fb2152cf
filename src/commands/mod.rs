//! One file per command. Results go to standard output, everything else to standard error.

mod actions;
pub mod base;
pub mod baseline;
pub mod calibrate;
pub mod check;
pub mod comment;
pub mod compare;
pub mod doctor;
pub mod init;
mod job;
mod measure;
pub mod parity;
pub mod plan;
pub mod profile;
mod publish;
pub mod quantize;
pub mod report;
mod review;
pub mod run;
mod selected;
pub mod validate_artifact;

use std::collections::BTreeMap;
use std::io::{self, IsTerminal, Write};
use std::num::NonZero;

use wanbench::config::{Backend, Config, ConfigError};
use wanbench::machine::Machine;
use wanbench::matrix::Axes;
use wanbench::protocol::{DeviceChoice, DeviceKind};
use wanbench::record::ReadError;
use wanbench::report::progress::Style;
use wanbench::runner::{self, MaterialsError, Program};
use wanbench::wan::Experts;
use wanbench::wan::checkpoint::CheckpointError;

use crate::cli::{AxesArgs, Color, ExpertChoice, Output};

/// How the process ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum ExitStatus {
    /// Nothing failed.
    Pass = 0,
    /// A figure or an output is out of its tolerance.
    GateFailed = 1,
    /// The command line or the configuration is wrong.
    Usage = 2,
    /// Something could not be measured.
    CannotMeasure = 3,
}

/// What the user asked for does not exist or does not fit together.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct UsageError(pub String);

/// Where and how to print.
pub struct Terminal {
    output: Output,
}

impl Terminal {
    /// Printing as the flags say.
    pub fn new(output: Output) -> Self {
        Self { output }
    }

    /// Prints a result on standard output.
    pub fn print(&self, text: &str) -> io::Result<()> {
        let mut stdout = io::stdout().lock();
        stdout.write_all(text.as_bytes())?;
        stdout.flush()
    }

    /// Says something on standard error, unless quiet.
    pub fn say(&self, text: &str) {
        if !self.output.quiet {
            eprintln!("{text}");
        }
    }

    /// How progress is shown on standard error.
    pub fn progress_style(&self) -> Style {
        match () {
            () if self.output.quiet => Style::Off,
            () if io::stderr().is_terminal() && !self.output.no_progress && !self.output.verbose => Style::Live,
            () if self.output.no_progress && !self.output.verbose => Style::Off,
            () if self.output.verbose => Style::Verbose,
            () => Style::Lines,
        }
    }

    /// Whether results are coloured.
    pub fn color(&self) -> bool {
        match self.output.color {
            Color::Always => true,
            Color::Never => false,
            Color::Auto => {
                io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
            }
        }
    }
}

/// Whether the user can mend `error` in what was given: the command line, the configuration, a file.
pub fn is_usage_error(error: &anyhow::Error) -> bool {
    let is_material = matches!(error.downcast_ref(), Some(fault) if !matches!(fault, MaterialsError::Write { .. }));
    let is_file = error.is::<ReadError>() || error.is::<CheckpointError>() || is_material;
    error.is::<ConfigError>() || error.is::<UsageError>() || is_file
}

/// Whether `error` is a closed standard output.
pub fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error.chain().filter_map(|cause| cause.downcast_ref::<io::Error>()).any(|io| io.kind() == io::ErrorKind::BrokenPipe)
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
            terminal.say(&format!("{name} cannot use the GPU ({}): everything runs on the CPU", failure.reason));
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
