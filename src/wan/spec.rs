//! The architecture of one WanModel: sizes under upstream's names, and how a checkpoint declares them.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::video::{TI2V_VAE_STRIDE, VAE_STRIDE};

/// Sizes of one WanModel. QK-norm and the affine norm before cross-attention are always on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Spec {
    /// What the model generates from; `i2v` and `ti2v` take a conditioning latent `y`.
    pub model_type: ModelType,
    /// Patch extent in latent (frames, rows, columns).
    pub patch_size: [usize; 3],
    /// Width of a token.
    pub dim: usize,
    /// Hidden width of the feed-forward layers.
    pub ffn_dim: usize,
    /// Attention heads; `dim / num_heads` is even.
    pub num_heads: usize,
    /// Transformer blocks.
    pub num_layers: usize,
    /// Latent channels that enter the patch embedding (those of x and y together).
    pub in_dim: usize,
    /// Latent channels of the output.
    pub out_dim: usize,
    /// Width of the sinusoidal time embedding.
    pub freq_dim: usize,
    /// Width of a text row.
    pub text_dim: usize,
    /// Text rows after zero padding.
    pub text_len: usize,
    /// Epsilon of every norm.
    pub eps: f64,
    /// Whether the camera-control layers exist.
    pub camera: bool,
    /// Width of an image row, where the network is conditioned on CLIP's features of an image, as Wan2.1's I2V is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image_dim: Option<usize>,
}

/// Upstream's `model_type`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ModelType {
    /// Text to video: no conditioning latent.
    T2v,
    /// Image to video: `y` is concatenated to `x`.
    I2v,
    /// Text and image to video.
    Ti2v,
}

/// Image rows of CLIP's vision transformer: 16×16 patches of 14 pixels, and the class.
pub const IMAGE_ROWS: usize = 257;

/// Epsilon of the norms around the image's embedding. Source: the default of the layer norms in upstream's `MLPProj`.
pub const IMAGE_NORM_EPS: f64 = 1e-5;

/// Plücker coordinates (6) of the 8×8 pixels behind one latent position.
pub const PLUCKER_CHANNELS: usize = 6 * 64;

impl Spec {
    /// The founding report's synthetic model: 24,791,072 parameters.
    pub fn synthetic() -> Self {
        Self {
            model_type: ModelType::I2v,
            patch_size: [1, 2, 2],
            dim: 512,
            ffn_dim: 2048,
            num_heads: 8,
            num_layers: 4,
            in_dim: 16,
            out_dim: 8,
            freq_dim: 64,
            text_dim: 512,
            text_len: 128,
            eps: 1e-6,
            camera: true,
            image_dim: None,
        }
    }

    /// The stride of the VAE that its latents come from.
    pub fn vae_stride(&self) -> [usize; 3] {
        let is_of_wide_vae = self.model_type == ModelType::Ti2v || self.out_dim == 48;
        if is_of_wide_vae { TI2V_VAE_STRIDE } else { VAE_STRIDE }
    }

    /// Width of one attention head.
    pub fn head_dim(&self) -> usize {
        self.dim / self.num_heads
    }

    /// Latent positions in one patch.
    pub fn patch_volume(&self) -> usize {
        self.patch_size.iter().product()
    }

    /// Patches of a latent of extent (frames, rows, columns), or why it cannot be cut into them.
    pub fn grid(&self, latent: [usize; 3]) -> Result<[usize; 3], String> {
        let mut grid = [0; 3];
        for axis in 0..3 {
            let (size, patch) = (latent[axis], self.patch_size[axis]);
            if size == 0 || size % patch != 0 {
                return Err(format!(
                    "latent {latent:?} (frames, height, width) is not a multiple of the patch size {:?}",
                    self.patch_size
                ));
            }
            grid[axis] = size / patch;
        }
        Ok(grid)
    }

    /// Tokens of a latent of that extent: its patches.
    pub fn tokens(&self, latent: [usize; 3]) -> usize {
        latent.iter().product::<usize>() / self.patch_volume()
    }

    /// Checks that the sizes fit together.
    pub fn validate(&self) -> Result<(), String> {
        // These sizes are a stranger's: their product may not be a number.
        let patch_volume = self.patch_size.iter().try_fold(1_usize, |volume, size| volume.checked_mul(*size));
        let sizes = [
            ("dim", self.dim),
            ("ffn_dim", self.ffn_dim),
            ("num_heads", self.num_heads),
            ("num_layers", self.num_layers),
            ("in_dim", self.in_dim),
            ("out_dim", self.out_dim),
            ("freq_dim", self.freq_dim),
            ("text_dim", self.text_dim),
            ("text_len", self.text_len),
            ("patch_size", patch_volume.unwrap_or(usize::MAX)),
            ("image_dim", self.image_dim.unwrap_or(1)),
        ];
        // Far above any real model, and far below where products of sizes would overflow.
        const MOST: usize = 1 << 20;
        if let Some((name, size)) = sizes.iter().find(|(_, size)| !(1..=MOST).contains(size)) {
            return Err(format!("{name} is {size}, which is not from 1 to {MOST}"));
        }
        if !self.dim.is_multiple_of(self.num_heads) || !self.head_dim().is_multiple_of(2) {
            return Err(format!("dim {} over {} heads does not give an even head width", self.dim, self.num_heads));
        }
        if !self.freq_dim.is_multiple_of(2) {
            return Err(format!("freq_dim {} is odd", self.freq_dim));
        }
        if !(self.eps.is_finite() && self.eps > 0.0) {
            return Err(format!("eps {} is not a positive number", self.eps));
        }
        Ok(())
    }
}

impl ModelType {
    /// Whether the model needs the conditioning latent `y`.
    pub fn needs_condition(self) -> bool {
        matches!(self, Self::I2v)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_whose_product_overflows_are_refused() {
        let spec = Spec { patch_size: [usize::MAX, 13, 2], ..Spec::synthetic() };
        assert!(spec.validate().unwrap_err().starts_with("patch_size is"));
    }
}
