//! From pixels to the latent: production's arithmetic.

/// A video's size in pixels, and the VAE that makes its latent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Video {
    /// Pixels.
    pub height: usize,
    /// Pixels.
    pub width: usize,
    /// Frames, rows and columns behind one latent position, where that is not left to the model.
    pub vae_stride: Option<[usize; 3]>,
}

/// The stride of the VAE of Wan2.1, Wan2.2 A14B and LingBot-World. Source: `vae_stride` in upstream's wan/configs.
pub const VAE_STRIDE: [usize; 3] = [4, 8, 8];

/// That of Wan2.2 TI2V-5B's VAE, whose latent has 48 channels. Source: the same.
pub const TI2V_VAE_STRIDE: [usize; 3] = [4, 16, 16];

impl Video {
    /// Latent extent (frames, height, width) of `frames` frames, for a model whose VAE has the stride `of_model`:
    /// (frames − 1) / stride + 1, height and width / stride.
    pub fn latent(&self, frames: usize, of_model: [usize; 3]) -> Result<[usize; 3], String> {
        let Self { height, width, vae_stride } = *self;
        let [time, vertical, horizontal] = vae_stride.unwrap_or(of_model);
        if time == 0 || vertical == 0 || horizontal == 0 {
            return Err("vae_stride holds a 0".to_owned());
        }
        let multiples = [(frames.saturating_sub(1), time), (height, vertical), (width, horizontal)];
        if frames == 0 || multiples.iter().any(|(size, stride)| !size.is_multiple_of(*stride)) {
            return Err(format!(
                "{frames} frames of {height}x{width} do not fit a VAE stride of [{time}, {vertical}, {horizontal}]: \
                 frames - 1, height and width must be multiples of it"
            ));
        }
        Ok([(frames - 1) / time + 1, height / vertical, width / horizontal])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_latent_of_480p() {
        let video = Video { height: 480, width: 832, vae_stride: None };
        assert_eq!(video.latent(41, VAE_STRIDE), Ok([11, 60, 104]));
        assert_eq!(video.latent(41, TI2V_VAE_STRIDE), Ok([11, 30, 52]), "a quarter of the tokens");
        let own = Video { vae_stride: Some([8, 8, 8]), ..video };
        assert_eq!(own.latent(41, TI2V_VAE_STRIDE), Ok([6, 60, 104]), "what is set goes before the model's");
        // In patches of 1×2×2 that is 11 · 30 · 52 tokens.
        assert_eq!(crate::wan::Spec::synthetic().tokens([11, 60, 104]), 17_160);
        assert_eq!(video.latent(1, VAE_STRIDE), Ok([1, 60, 104]));
        assert!(
            video.latent(0, VAE_STRIDE).is_err() && video.latent(40, VAE_STRIDE).unwrap_err().contains("frames - 1")
        );
    }
}
