//! What config.json declares of a network, in Wan's form or diffusers'; where there is none, what the weights' shapes tell.

use std::path::Path;

use serde::Deserialize;
use serde_json::Value;

use crate::wan::reading::{CheckpointError, read_json};
use crate::wan::spec::ModelType;

/// Head width of every network that Wan released: where nobody declares the number of heads, as in ComfyUI's single files, it
/// follows from this.
const HEAD_WIDTH: usize = 128;

/// The keys that decide what a network computes; one that is missing or null has upstream's default. The rest is ignored, as
/// upstream does.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct Settings {
    #[serde(rename = "_class_name")]
    pub class: Option<String>,
    pub model_type: Option<String>,
    dim: Option<usize>,
    ffn_dim: Option<usize>,
    #[serde(alias = "num_attention_heads")]
    num_heads: Option<usize>,
    attention_head_dim: Option<usize>,
    num_layers: Option<usize>,
    #[serde(alias = "in_channels")]
    in_dim: Option<usize>,
    #[serde(alias = "out_channels")]
    out_dim: Option<usize>,
    freq_dim: Option<usize>,
    text_len: Option<usize>,
    eps: Option<f64>,
    qk_norm: Option<Value>,
    cross_attn_norm: Option<Value>,
    window_size: Option<Value>,
    control_type: Option<String>,
}

/// The sizes that a network declares, or that its weights have.
pub struct Sizes {
    pub model_type: ModelType,
    pub dim: usize,
    pub ffn_dim: usize,
    pub num_heads: usize,
    pub num_layers: usize,
    pub in_dim: usize,
    pub out_dim: usize,
    pub freq_dim: usize,
    pub text_len: usize,
    pub eps: f64,
}

impl Settings {
    /// Reads `path`; `None` where there is no such file.
    pub fn open(path: &Path) -> Result<Option<Self>, CheckpointError> {
        if path.exists() { read_json(path).map(Some) } else { Ok(None) }
    }

    /// A setting with which the network computes what is not computed here, with its key; `None` where there is none.
    pub fn unsupported(&self) -> Option<String> {
        let is_off = |value: &Option<Value>| matches!(value, Some(Value::Bool(false)));
        let norm = self.qk_norm.as_ref().and_then(Value::as_str);
        let is_local = self.window_size.as_ref().is_some_and(|size| {
            let sizes = size.as_array().map(Vec::as_slice).unwrap_or_default();
            !size.is_null() && !sizes.iter().all(|size| size.as_i64() == Some(-1))
        });
        match () {
            () if is_off(&self.qk_norm) => Some("qk_norm is false: only networks with it are computed".to_owned()),
            () if norm.is_some_and(|norm| norm != "rms_norm_across_heads") => Some(format!(
                "qk_norm is {norm:?}: only \"rms_norm_across_heads\" is computed",
                norm = norm.unwrap_or_default()
            )),
            () if is_off(&self.cross_attn_norm) => {
                Some("cross_attn_norm is false: only networks with it are computed".to_owned())
            }
            () if is_local => Some(format!(
                "window_size is {}: only attention over all tokens, [-1, -1], is computed",
                self.window_size.clone().unwrap_or_default()
            )),
            () if self.control_type.as_deref().is_some_and(|kind| kind != "cam") => Some(format!(
                "control_type is {:?}: only LingBot-World's camera control, \"cam\", is computed",
                self.control_type.clone().unwrap_or_default()
            )),
            () => None,
        }
    }

    /// The sizes; what is not declared is taken from the weights, whose shapes `shape` knows by name, of so many blocks.
    ///
    /// # Errors
    /// The key that neither tells.
    pub fn sizes<'a>(
        &self,
        shape: impl Fn(&str) -> Option<&'a [usize]>,
        blocks: usize,
        patch_volume: usize,
    ) -> Result<Sizes, String> {
        let extent = |name: &str, axis: usize| shape(name).and_then(|shape| shape.get(axis).copied());
        let known = |key: &str, declared: Option<usize>, found: Option<usize>| {
            declared.or(found).ok_or_else(|| format!("{key} is not declared, and the weights do not tell it"))
        };
        let of_heads =
            self.num_heads.zip(self.attention_head_dim).and_then(|(number, width)| number.checked_mul(width));
        let dim = known("dim", self.dim.or(of_heads), extent("patch_embedding.weight", 0))?;
        let in_dim = known("in_dim", self.in_dim, extent("patch_embedding.weight", 1))?;
        let out = extent("head.head.weight", 0).map(|rows| rows / patch_volume.max(1));
        let out_dim = known("out_dim", self.out_dim, out)?;
        let num_heads = self.num_heads.or_else(|| dim.is_multiple_of(HEAD_WIDTH).then_some(dim / HEAD_WIDTH));
        Ok(Sizes {
            model_type: self.model_type(in_dim, out_dim),
            dim,
            ffn_dim: known("ffn_dim", self.ffn_dim, extent("blocks.0.ffn.0.weight", 0))?,
            num_heads: known("num_heads", num_heads, None)?,
            num_layers: known("num_layers", self.num_layers, Some(blocks).filter(|blocks| *blocks > 0))?,
            in_dim,
            out_dim,
            freq_dim: self.freq_dim.or(extent("time_embedding.0.weight", 1)).unwrap_or(256),
            text_len: self.text_len.unwrap_or(512),
            eps: self.eps.unwrap_or(1e-6),
        })
    }

    /// As declared, else by the latent's channels: an image is concatenated to the input, and the VAE of TI2V has 48.
    fn model_type(&self, in_dim: usize, out_dim: usize) -> ModelType {
        match self.model_type.as_deref() {
            Some("t2v") => ModelType::T2v,
            Some("i2v" | "i2v2_2") => ModelType::I2v,
            Some("ti2v") => ModelType::Ti2v,
            _ if in_dim > out_dim => ModelType::I2v,
            _ if out_dim == 48 => ModelType::Ti2v,
            _ => ModelType::T2v,
        }
    }
}
