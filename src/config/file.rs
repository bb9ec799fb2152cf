//! config.toml as it is written: one struct per table. Unknown keys are errors.

use std::collections::BTreeMap;
use std::num::NonZero;
use std::path::PathBuf;

use serde::Deserialize;
use toml::Spanned;

use super::DefaultSuite;
use crate::gate::Gate;
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
    pub(super) gate: Gate,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ModelEntry {
    pub(super) checkpoint: PathBuf,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct BackendEntry {
    pub(super) command: Vec<String>,
    pub(super) quants: Option<Vec<Quant>>,
    pub(super) dtypes: Option<Vec<DType>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SuiteEntry {
    pub(super) model: Spanned<String>,
    pub(super) reference: Spanned<String>,
    pub(super) launches: usize,
    pub(super) warmup_steps: u32,
    #[serde(default = "ten_minutes")]
    pub(super) launch_timeout_seconds: u64,
    #[serde(default = "yes")]
    pub(super) side_by_side: bool,
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
    /// The latent as given, or from the pixels through the VAE: frames (n − 1)/stride + 1, height and width / stride.
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
        match (self.latent, self.resolution) {
            (Some(latent), None) if self.vae_stride.is_none() => Ok(latent),
            (None, Some([height, width])) => {
                let [time, vertical, horizontal] = self.vae_stride.unwrap_or([4, 8, 8]);
                if time == 0 || vertical == 0 || horizontal == 0 {
                    return Err("vae_stride holds a 0".to_owned());
                }
                let multiples = [(self.frames - 1, time), (height, vertical), (width, horizontal)];
                if multiples.iter().any(|(size, stride)| !size.is_multiple_of(*stride)) {
                    return Err(format!(
                        "{} frames of {height}x{width} do not fit a VAE stride of [{time}, {vertical}, {horizontal}]: \
                         frames - 1, height and width must be multiples of it",
                        self.frames
                    ));
                }
                Ok([(self.frames - 1) / time + 1, height / vertical, width / horizontal])
            }
            _ => Err("give either latent = [frames, height, width], or resolution = [height, width] \
                      (with vae_stride = [time, height, width] if it is not [4, 8, 8])"
                .to_owned()),
        }
    }
}
