//! The flow-matching schedule of a denoising run.

/// Noise levels σ₀ = 1 > σ₁ > … > σ_steps = 0 of `steps` Euler steps, shifted towards high noise.
///
/// σ = shift·u / (1 + (shift − 1)·u) for u falling evenly from 1 to 0 (Esser et al. 2024, eq. 23).
pub fn sigmas(steps: usize, shift: f64) -> Vec<f32> {
    (0..=steps)
        .map(|step| {
            let u = 1.0 - step as f64 / steps as f64;
            (shift * u / (1.0 + (shift - 1.0) * u)) as f32
        })
        .collect()
}

/// The timestep the network is conditioned on at noise level `sigma`.
pub fn timestep(sigma: f32) -> f32 {
    1000.0 * sigma
}

/// Production's shift.
pub const SHIFT: f64 = 10.0;

/// Production's boundary between its two experts: the high-noise one runs at noise levels from here up.
pub const BOUNDARY: f32 = 0.947;

/// The first step of a run over `sigmas` that the low-noise expert takes: how many the high-noise one takes before it.
pub fn high_noise_steps(sigmas: &[f32]) -> usize {
    let steps = &sigmas[..sigmas.len().saturating_sub(1)];
    steps.iter().take_while(|sigma| **sigma >= BOUNDARY).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sigmas_fall_from_one_to_zero() {
        let sigmas = sigmas(20, SHIFT);
        assert_eq!((sigmas[0], sigmas[20]), (1.0, 0.0));
        assert!(sigmas.windows(2).all(|pair| pair[0] > pair[1]));
        assert_eq!(sigmas[10], 10.0 * 0.5 / 5.5);
    }

    #[test]
    fn production_switches_its_expert_where_the_noise_falls_below_the_boundary() {
        // σ ≥ 0.947 where u ≥ 0.947 / (10 − 9 · 0.947) = 0.6412: of 20 steps those with k ≤ 7, of 40 those with k ≤ 14.
        assert_eq!(high_noise_steps(&sigmas(20, SHIFT)), 8);
        assert_eq!(high_noise_steps(&sigmas(40, SHIFT)), 15);
        assert_eq!(high_noise_steps(&sigmas(1, SHIFT)), 1);
        assert_eq!(high_noise_steps(&[]), 0);
    }
}
