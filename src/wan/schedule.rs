//! The flow-matching schedule of a denoising run.

use super::spec::ModelType;
use super::{Experts, Spec};

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

/// The shift of LingBot-World, and of the built-in model.
pub const SHIFT: f64 = 10.0;

/// Which noise levels a run goes through, and where its experts take turns.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Schedule {
    /// Of the noise levels, see [`sigmas`].
    pub shift: f64,
    /// The high-noise expert runs at noise levels from here up.
    pub boundary: f64,
}

/// What a configuration sets in place of the model's own.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Overrides {
    /// See [`Schedule::shift`].
    pub shift: Option<f64>,
    /// See [`Schedule::boundary`].
    pub boundary: Option<f64>,
}

impl Schedule {
    /// The release's own for a network of `spec`, run by `experts`: only Wan2.2 A14B and LingBot-World have two.
    ///
    /// Source: `sample_shift` and `boundary` in upstream's wan/configs, and LingBot-World's.
    pub fn of(spec: &Spec, experts: Experts) -> Self {
        let (shift, boundary) = match (spec.camera, spec.model_type) {
            (true, _) => (SHIFT, 0.947),
            (false, ModelType::I2v) => (5.0, 0.900),
            (false, ModelType::T2v) if experts != Experts::Low => (12.0, 0.875),
            (false, ModelType::T2v | ModelType::Ti2v) => (5.0, 0.875),
        };
        Self { shift, boundary }
    }

    /// The same with what is set in its place.
    pub fn with(self, overrides: Overrides) -> Self {
        Self { shift: overrides.shift.unwrap_or(self.shift), boundary: overrides.boundary.unwrap_or(self.boundary) }
    }

    /// The noise levels of `steps` steps.
    pub fn sigmas(&self, steps: usize) -> Vec<f32> {
        sigmas(steps, self.shift)
    }

    /// The first step of a run over `sigmas` that the low-noise expert takes: how many the high-noise one takes before it.
    pub fn high_noise_steps(&self, sigmas: &[f32]) -> usize {
        let steps = &sigmas[..sigmas.len().saturating_sub(1)];
        steps.iter().take_while(|sigma| **sigma >= self.boundary as f32).count()
    }
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
    fn each_release_switches_its_experts_at_its_own_boundary() {
        let spec = |camera, model_type| Spec { camera, model_type, ..Spec::synthetic() };
        let of = |camera, model_type| Schedule::of(&spec(camera, model_type), Experts::Both);
        // σ ≥ 0.947 where u ≥ 0.947 / (10 − 9 · 0.947) = 0.6412: of 20 steps those with k ≤ 7, of 40 those with k ≤ 14.
        let lingbot = of(true, ModelType::I2v);
        assert_eq!(lingbot.sigmas(20), sigmas(20, SHIFT), "the built-in model's as well");
        for (steps, expected) in [(20, 8), (40, 15), (1, 1)] {
            assert_eq!(lingbot.high_noise_steps(&lingbot.sigmas(steps)), expected);
        }
        assert_eq!(lingbot.high_noise_steps(&[]), 0);
        // u ≥ 0.875 / (12 − 11 · 0.875) = 0.3684, and u ≥ 0.9 / (5 − 4 · 0.9) = 0.6429.
        for (kind, expected) in [(ModelType::T2v, 26), (ModelType::I2v, 15)] {
            let schedule = of(false, kind);
            assert_eq!(schedule.high_noise_steps(&schedule.sigmas(40)), expected, "{schedule:?}");
        }
        let set = Overrides { shift: Some(3.0), boundary: None };
        assert_eq!(of(false, ModelType::I2v).with(set), Schedule { shift: 3.0, boundary: 0.900 });
        assert_eq!(Schedule::of(&spec(false, ModelType::T2v), Experts::Low).shift, 5.0, "Wan2.1 has one network");
    }
}
