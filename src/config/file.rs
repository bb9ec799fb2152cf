//! config.toml as it is written: one struct per table. Unknown keys are errors.

use std::collections::BTreeMap;
use std::num::NonZero;
use std::path::PathBuf;

use serde::Deserialize;
use toml::Spanned;

use super::{DefaultSuite, GitHub, Notify};
use crate::config::Thresholds;
use crate::wan::video::{VAE_STRIDE, Video};
use crate::wan::{DType, Experts, Quant};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct File {
    pub(super) default_suite: DefaultSuite,
    #[serde(default)]
    pub(super) models: BTreeMap<String, ModelEntry>,
    #[serde(default)]
    pub(super) backends: BTreeMap<String, Spanned<BackendEntry>>,
    pub(super) suites: BTreeMap<String, Spanned<SuiteEntry>>,
    #[serde(default)]
    pub(super) gate: Thresholds,
    #[serde(default)]
    pub(super) github: GitHub,
    #[serde(default)]
    pub(super) notify: Notify,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ModelEntry {
    pub(super) checkpoint: PathBuf,
    pub(super) shift: Option<f64>,
    pub(super) boundary: Option<f64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct BackendEntry {
    pub(super) command: Vec<String>,
    pub(super) quants: Option<Vec<Quant>>,
    pub(super) dtypes: Option<Vec<DType>>,
    pub(super) output: Option<bool>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SuiteEntry {
    pub(super) model: Spanned<String>,
    pub(super) reference: Spanned<String>,
    pub(super) launches: usize,
    pub(super) max_launches: Option<usize>,
    pub(super) warmup_steps: u32,
    #[serde(default = "ten_minutes")]
    pub(super) launch_timeout_seconds: u64,
    #[serde(default = "yes")]
    pub(super) side_by_side: bool,
    pub(super) wake: Option<bool>,
    #[serde(default = "yes")]
    pub(super) canary: bool,
    #[serde(default)]
    pub(super) cool_down_seconds: u32,
    pub(super) time_limit_minutes: Option<NonZero<u32>>,
    pub(super) workloads: Vec<Spanned<WorkloadEntry>>,
    pub(super) cases: Vec<Spanned<CasesEntry>>,
}

fn ten_minutes() -> u64 {
    600
}

fn yes() -> bool {
    true
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WorkloadEntry {
    pub(super) name: Option<String>,
    pub(super) frames: usize,
    pub(super) steps: usize,
    pub(super) latent: Option<[usize; 3]>,
    pub(super) resolution: Option<[usize; 2]>,
    #[serde(default)]
    pub(super) vae_stride: Option<[usize; 3]>,
    #[serde(default = "hundred_rows")]
    pub(super) text_rows: usize,
    #[serde(default)]
    pub(super) camera: bool,
    #[serde(default)]
    pub(super) experts: Experts,
}

fn hundred_rows() -> usize {
    100
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct CasesEntry {
    pub(super) backend: Spanned<String>,
    pub(super) quants: Spanned<Vec<Quant>>,
    pub(super) dtypes: Option<Spanned<Vec<DType>>>,
}

impl WorkloadEntry {
    /// The latent as given, or from the pixels through the VAE.
    pub(super) fn latent_extent(&self) -> Result<[usize; 3], String> {
        let latent = self.unbounded_latent()?;
        // One channel of 2³¹ positions takes 8 GiB: whoever writes more has mistyped.
        let positions = latent.iter().try_fold(1usize, |product, extent| product.checked_mul(*extent));
        match positions {
            Some(positions) if positions < 1 << 31 => Ok(latent),
            _ => Err(format!("latent {latent:?} is too large")),
        }
    }

    fn unbounded_latent(&self) -> Result<[usize; 3], String> {
        match (self.latent, self.video()) {
            (Some(latent), None) if self.vae_stride.is_none() => Ok(latent),
            (None, Some(video)) => video.latent(self.frames, VAE_STRIDE),
            _ => Err("set either latent = [frames, height, width], or resolution = [height, width] \
                      (with vae_stride = [time, height, width] if it is not the model's)"
                .to_owned()),
        }
    }

    /// The pixels that the latent is computed from, where they are given.
    pub(super) fn video(&self) -> Option<Video> {
        let [height, width] = self.resolution?;
        Some(Video { height, width, vae_stride: self.vae_stride })
    }

    /// The frames, and what else tells production's workloads apart: `41f`, `480p-41f`, `480p-41f-cam`.
    pub(super) fn default_name(&self) -> String {
        match self.resolution {
            Some([height, _]) => format!("{height}p-{}f{}", self.frames, if self.camera { "-cam" } else { "" }),
            None => format!("{}f", self.frames),
        }
    }
}
