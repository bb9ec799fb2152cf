//! The sinusoid that tells the network its timestep.

use super::inputs::HostTensor;

/// The sinusoids of all `timesteps`, `[timesteps, freq_dim]`.
pub fn sinusoids(timesteps: &[f32], freq_dim: usize) -> HostTensor {
    let data = timesteps.iter().flat_map(|t| sinusoid(*t, freq_dim)).collect();
    HostTensor { shape: vec![timesteps.len(), freq_dim], data }
}

/// `[cos(t·ω₀) …, sin(t·ω₀) …]` of `freq_dim` values, with ωᵢ = 10000^(−i / (freq_dim / 2)).
///
/// In f64, as upstream: at t = 1000 an angle in f32 would be off in the fifth digit.
fn sinusoid(t: f32, freq_dim: usize) -> Vec<f32> {
    let half = freq_dim / 2;
    let angles = (0..half).map(|i| f64::from(t) * 10_000f64.powf(-(i as f64) / half as f64));
    angles.clone().map(f64::cos).chain(angles.map(f64::sin)).map(|value| value as f32).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cosines_come_first_and_frequencies_fall() {
        assert_eq!(sinusoid(0.0, 4), [1.0, 1.0, 0.0, 0.0]);
        let expected = [2f64.cos(), (2f64 / 100.0).cos(), 2f64.sin(), (2f64 / 100.0).sin()].map(|value| value as f32);
        assert_eq!(sinusoid(2.0, 4), expected);
    }
}
