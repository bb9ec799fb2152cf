//! config.toml: strict reading into suites, models, backends and gates. Every error names file, line and key.

mod axes;
mod built_in;
mod case;
mod ceiling;
mod check;
mod file;
mod find;
mod notify;
mod of_case;
mod overrides;
mod source_text;
mod thresholds;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::num::NonZero;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::files::read::{self, Limit};
use crate::protocol::DeviceKind;
use crate::wan::video::Video;
use crate::wan::{DType, Quant};
pub use axes::Axes;
pub use built_in::{
    BuiltIn, CpuMemory, CudaMemory, backend_of_founding_name, compiles_kernels, cpu_memory, cuda_memory, display_name,
    founding_name,
};
pub use case::{Case, Model, Workload, link_references, select};
pub use ceiling::Ceiling;
pub use find::{NAMES, defines_suites, find, in_folder};
pub use notify::{Notify, WEBHOOK_VARIABLES};
pub use overrides::Override;
pub use thresholds::{Look, PASS_ERROR, Thresholds};

use check::Checker;
use file::File;
use source_text::SourceText;

/// A checked configuration.
#[derive(Clone, Debug)]
pub struct Config {
    /// Suite for a machine with a GPU, and for one without.
    pub default_suite: DefaultSuite,
    /// Models by name; `synthetic` is always there.
    pub models: BTreeMap<String, Model>,
    /// Backends by name; every [`BuiltIn`] is always there.
    pub backends: BTreeMap<String, Backend>,
    /// Suites by name.
    pub suites: BTreeMap<String, Suite>,
    /// Tolerances.
    pub gate: Thresholds,
    /// What is told on GitHub.
    pub github: GitHub,
    /// Who is told of a default branch that fails.
    pub notify: Notify,
    /// The configuration's folder: backends of the user's own run there.
    pub folder: PathBuf,
}

/// What is told on GitHub.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct GitHub {
    /// When a pull request gets its comment; one that is there is kept up to date.
    pub comment: CommentWhen,
}

/// When a pull request gets a comment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CommentWhen {
    /// Whatever came of it.
    #[default]
    Always,
    /// Unless every case is unchanged.
    OnChange,
    /// Unless the run passed.
    OnRegression,
}

/// Which suite runs when none is named.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DefaultSuite {
    /// Where a GPU is present.
    pub gpu: String,
    /// Elsewhere.
    pub cpu: String,
    /// For a checkpoint named on the command line.
    pub checkpoint: Option<String>,
}

/// A worker program and what it can run.
#[derive(Clone, Debug)]
pub struct Backend {
    /// Program and arguments; `None` for a built-in worker that stands beside the tool.
    pub command: Option<Vec<String>>,
    /// Quantizations it has.
    pub quants: BTreeSet<Quant>,
    /// Arithmetics it has.
    pub dtypes: BTreeSet<DType>,
    /// What is asked of its outputs.
    pub output: OutputDemand,
}

/// What is asked of a backend's outputs, from little to much.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum OutputDemand {
    /// Nothing: the configuration says that the workers write none.
    Waived,
    /// Each that is written is compared; a worker that writes none is exempt, but an improvement of it does not count.
    Expected,
    /// Each is compared.
    Required,
}

/// A matrix and how it is measured.
#[derive(Clone, Debug)]
pub struct Suite {
    /// Its name, unique in the configuration.
    pub name: String,
    /// Name of the model that its workloads run.
    pub model: String,
    /// The cases, workload by workload.
    pub cases: Vec<Case>,
    /// Of a workload whose latent was computed from pixels: these, by the workload's name.
    pub videos: BTreeMap<String, Video>,
    /// The stride of the model's VAE, by which these latents were computed.
    pub vae_stride: [usize; 3],
    /// Fresh processes per case.
    pub launches: usize,
    /// Most fresh processes of a case that a check does not decide before.
    pub max_launches: usize,
    /// Untimed forward passes per launch.
    pub warmup_steps: u32,
    /// Longest a launch may be waited for, in seconds.
    pub launch_timeout_seconds: u64,
    /// Whether the processes of a block live at the same time and take turns.
    pub side_by_side: bool,
    /// Whether timed passes of processes that take turns have a wake pass before them; `None` for the device's default.
    pub wake: Option<bool>,
    /// The backend that speedups are over.
    pub reference: String,
    /// Whether a canary on the reference's backend tells before each block whether the machine is as it was.
    pub canary: bool,
    /// Pause between blocks, in seconds.
    pub cool_down_seconds: u32,
    /// Longest a run may take, if it is bound.
    pub time_limit_minutes: Option<NonZero<u32>>,
}

impl Suite {
    /// Whether timed passes on `device` have a wake pass before them, where processes take turns: on a GPU, unless the configuration
    /// says otherwise. A CPU has no clock to raise that a pass of tenths of a second would notice.
    pub fn wakes(&self, device: DeviceKind) -> bool {
        self.wake.unwrap_or(device == DeviceKind::Gpu)
    }

    /// The same for a model whose VAE has this stride: latents that were computed from pixels are computed by it, where the
    /// workload does not set one itself.
    ///
    /// # Errors
    /// The workload that does not fit the stride.
    pub fn with_vae_stride(&self, vae_stride: [usize; 3]) -> Result<Self, String> {
        let mut suite = Self { vae_stride, ..self.clone() };
        for case in &mut suite.cases {
            let Workload { name, frames, latent, .. } = &mut case.workload;
            if let Some(video) = self.videos.get(name) {
                *latent = video.latent(*frames, vae_stride).map_err(|reason| format!("workload `{name}`: {reason}"))?;
            }
        }
        Ok(suite)
    }
}

/// What is wrong with a configuration, and where.
#[derive(Debug, thiserror::Error)]
pub struct ConfigError {
    path: PathBuf,
    line: Option<usize>,
    key: String,
    message: String,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.path.display())?;
        if let Some(line) = self.line {
            write!(f, ":{line}")?;
        }
        if !self.key.is_empty() && self.key != "." {
            write!(f, ": {}", self.key)?;
        }
        write!(f, ": {}", self.message)
    }
}

impl Config {
    /// Reads and checks a configuration.
    pub fn open(path: &Path) -> Result<Self, ConfigError> {
        let text = read::text(path, Limit::CONFIGURATION).map_err(|error| ConfigError {
            path: path.to_owned(),
            line: None,
            key: String::new(),
            message: format!(
                "cannot be read: {error}; pass another configuration with --config, or write one with `wanbench init`"
            ),
        })?;
        Self::parse(&text, path)
    }

    /// Checks the text of a configuration; `path` is for messages and for what is relative to it.
    pub fn parse(text: &str, path: &Path) -> Result<Self, ConfigError> {
        let source = SourceText { path, text };
        let deserializer = toml::Deserializer::parse(text).map_err(|error| source.syntax("", &error))?;
        let file: File = serde_path_to_error::deserialize(deserializer)
            // A spanned value reads as a struct of toml's own, whose field is no key of the user's.
            .map_err(|error| {
                source.syntax(&error.path().to_string().replace(".$__serde_spanned_private_value", ""), error.inner())
            })?;
        Checker { source, file: &file }.check()
    }

    /// The suite `name`, or the default one.
    pub fn suite(&self, name: Option<&str>, has_gpu: bool) -> Result<&Suite, String> {
        let default = if has_gpu { &self.default_suite.gpu } else { &self.default_suite.cpu };
        let name = name.unwrap_or(default);
        self.suites.get(name).ok_or_else(|| {
            format!(
                "no suite `{name}`; the configuration has {}",
                self.suites.keys().cloned().collect::<Vec<_>>().join(", ")
            )
        })
    }

    /// The names of all cases of all suites.
    pub fn known_cases(&self) -> BTreeSet<String> {
        self.suites.values().flat_map(|suite| &suite.cases).map(|case| case.name.clone()).collect()
    }
}

#[cfg(test)]
mod tests;
