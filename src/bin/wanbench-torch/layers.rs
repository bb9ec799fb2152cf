//! The layers that the network is made of beside attention: linear, two linears with an activation between, layer norm.
//!
//! Tokens are rows: activations are `[tokens, features]`, without a batch axis.

use anyhow::{Result, anyhow};
use tch::{Device, TchError, Tensor};

use crate::weights::{AS_STORED, Order, Part, Weights};

/// Two linear layers and the activation between them.
pub struct Mlp {
    first: Linear,
    second: Linear,
    activation: Activation,
}

/// What stands between the layers of an [`Mlp`].
#[derive(Clone, Copy)]
pub enum Activation {
    /// x · sigmoid(x).
    Silu,
    /// GELU by its tanh approximation.
    GeluTanh,
    /// GELU as it is defined, by the error function.
    Gelu,
}

impl Mlp {
    /// The layers called `first` and `second`.
    pub fn load(weights: &mut Weights, first: &str, second: &str, activation: Activation) -> Result<Self> {
        Ok(Self { first: Linear::load(weights, first)?, second: Linear::load(weights, second)?, activation })
    }

    /// `second(activation(first(x)))`
    pub fn forward(&self, x: &Tensor) -> Result<Tensor, TchError> {
        let mut hidden = self.first.forward(x)?;
        let hidden = match self.activation {
            Activation::Silu => hidden.f_silu_()?,
            Activation::GeluTanh => hidden.f_gelu_("tanh")?,
            Activation::Gelu => hidden.f_gelu_("none")?,
        };
        self.second.forward(&hidden)
    }
}

/// A linear layer, or several of the same rows side by side.
pub struct Linear {
    weight: Tensor,
    bias: Tensor,
}

impl Linear {
    /// The layer called `name`; of a convolution whose stride is its kernel, the same layer over patches.
    pub fn load(weights: &mut Weights, name: &str) -> Result<Self> {
        Self::load_stacked(weights, &[(name.to_owned(), AS_STORED)])
    }

    /// One layer whose output columns are those of all `layers`, the features of each in its order.
    pub fn load_stacked(weights: &mut Weights, layers: &[(String, Order)]) -> Result<Self> {
        let parts = |kind: &str| -> Vec<_> {
            layers.iter().map(|(name, order)| Part { name: format!("{name}.{kind}"), order: *order }).collect()
        };
        Ok(Self { weight: weights.matrix(&parts("weight"))?, bias: weights.stacked(&parts("bias"))? })
    }

    /// `x · weightᵀ + bias`
    pub fn forward(&self, x: &Tensor) -> Result<Tensor, TchError> {
        x.f_linear(&self.weight, Some(&self.bias))
    }

    /// The same for each of the N layers that are stacked here, which have as many features each.
    ///
    /// On a GPU it is one product, and the results are views of it. A CPU gains nothing by that, and its norms over such views take
    /// longer: a tenth of a step in all.
    pub fn forward_each<const N: usize>(&self, x: &Tensor) -> Result<[Tensor; N]> {
        let layers = N as i64;
        let results = match x.device() {
            Device::Cpu => {
                let (weights, biases) = (self.weight.f_chunk(layers, 0)?, self.bias.f_chunk(layers, 0)?);
                let product = |(weight, bias)| x.f_linear(weight, Some(bias));
                weights.iter().zip(&biases).map(product).collect::<Result<Vec<_>, _>>()?
            }
            _ => self.forward(x)?.f_chunk(layers, -1)?,
        };
        <[Tensor; N]>::try_from(results)
            .map_err(|results| anyhow!("{} layers are stacked where {N} belong", results.len()))
    }
}

/// Layer norm with gain and offset, in one pass.
pub fn layer_norm(x: &Tensor, gain: &Tensor, offset: &Tensor, eps: f64) -> Result<Tensor, TchError> {
    x.f_layer_norm(gain.size(), Some(gain), Some(offset), eps, true)
}
