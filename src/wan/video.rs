//! From pixels to the latent: production's arithmetic.

/// A video's size in pixels, and the VAE that makes its latent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Video {
    /// Pixels.
    pub height: usize,
    /// Pixels.
    pub width: usize,
    /// Frames, rows and columns behind one latent position.
    pub vae_stride: [usize; 3],
}

/// Production's VAE.
pub const VAE_STRIDE: [usize; 3] = [4, 8, 8];

impl Video {
    /// Latent extent (frames, height, width) of `frames` frames: (frames − 1) / stride + 1, height and width / stride.
    pub fn latent(&self, frames: usize) -> Result<[usize; 3], String> {
        let Self { height, width, vae_stride: [time, vertical, horizontal] } = *self;
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
        let video = Video { height: 480, width: 832, vae_stride: VAE_STRIDE };
        assert_eq!(video.latent(41), Ok([11, 60, 104]));
        // In patches of 1×2×2 that is 11 · 30 · 52 tokens.
        assert_eq!(crate::wan::Spec::synthetic().tokens([11, 60, 104]), 17_160);
        assert_eq!(video.latent(1), Ok([1, 60, 104]));
        assert!(video.latent(0).is_err() && video.latent(40).unwrap_err().contains("frames - 1"));
    }
}
