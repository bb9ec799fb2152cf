//! The layers that the network is made of: linear, two linears with an activation between, attention.
//!
//! Tokens are rows: activations are `[tokens, features]`, without a batch axis.

use anyhow::Result;
use tch::{TchError, Tensor};

use crate::rope::{Rope, pairs_to_halves};
use crate::weights::Weights;

/// Scaled dot-product attention with QK-norm over the whole width, and its four projections.
pub struct Attention {
    q: Linear,
    k: Linear,
    v: Linear,
    o: Linear,
    norm_q: Tensor,
    norm_k: Tensor,
    heads: i64,
    eps: f64,
}

impl Attention {
    /// The attention called `name`, for [`Self::forward`] without positions.
    pub fn load(weights: &Weights, name: &str) -> Result<Self> {
        let linear = |part: &str| Linear::load(weights, &format!("{name}.{part}"));
        Ok(Self {
            q: linear("q")?,
            k: linear("k")?,
            v: linear("v")?,
            o: linear("o")?,
            norm_q: weights.tensor(&format!("{name}.norm_q.weight"))?,
            norm_k: weights.tensor(&format!("{name}.norm_k.weight"))?,
            heads: weights.spec().num_heads as i64,
            eps: weights.spec().eps,
        })
    }

    /// The same, for [`Self::forward`] with positions.
    pub fn load_rotary(weights: &Weights, name: &str) -> Result<Self> {
        let mut attention = Self::load(weights, name)?;
        let (q, k) = (&mut attention.q, &mut attention.k);
        for tensor in
            [&mut q.weight, &mut q.bias, &mut attention.norm_q, &mut k.weight, &mut k.bias, &mut attention.norm_k]
        {
            *tensor = pairs_to_halves(tensor, attention.heads)?;
        }
        Ok(attention)
    }

    /// The rows of `x` attend to those of `source`, turned by `rope` where given.
    pub fn forward(&self, x: &Tensor, source: &Tensor, rope: Option<&Rope>) -> Result<Tensor> {
        let q = rms_norm(&self.q.forward(x)?, &self.norm_q, self.eps)?;
        let k = rms_norm(&self.k.forward(source)?, &self.norm_k, self.eps)?;
        let v = self.v.forward(source)?;
        let (q, k, v) = (self.split(&q)?, self.split(&k)?, self.split(&v)?);
        let attended = match rope {
            Some(rope) => attend(&rope.rotate(&q)?, &rope.rotate(&k)?, &v)?,
            None => attend(&q, &k, &v)?,
        };
        Ok(self.o.forward(&attended)?)
    }

    /// `[tokens, heads, head_dim]`, a view.
    fn split(&self, x: &Tensor) -> Result<Tensor, TchError> {
        x.f_unflatten(-1, [self.heads, -1])
    }
}

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
}

impl Mlp {
    /// The layers called `first` and `second`.
    pub fn load(weights: &Weights, first: &str, second: &str, activation: Activation) -> Result<Self> {
        Ok(Self { first: Linear::load(weights, first)?, second: Linear::load(weights, second)?, activation })
    }

    /// `second(activation(first(x)))`
    pub fn forward(&self, x: &Tensor) -> Result<Tensor, TchError> {
        let mut hidden = self.first.forward(x)?;
        let hidden = match self.activation {
            Activation::Silu => hidden.f_silu_()?,
            Activation::GeluTanh => hidden.f_gelu_("tanh")?,
        };
        self.second.forward(&hidden)
    }
}

/// A linear layer.
pub struct Linear {
    weight: Tensor,
    bias: Tensor,
}

impl Linear {
    /// The layer called `name`; of a convolution whose stride is its kernel, the same layer over patches.
    pub fn load(weights: &Weights, name: &str) -> Result<Self> {
        let weight = weights.tensor(&format!("{name}.weight"))?;
        Ok(Self { weight: weight.f_flatten(1, -1)?, bias: weights.tensor(&format!("{name}.bias"))? })
    }

    /// `x · weightᵀ + bias`
    pub fn forward(&self, x: &Tensor) -> Result<Tensor, TchError> {
        x.f_linear(&self.weight, Some(&self.bias))
    }
}

/// Layer norm with gain and offset, in one pass.
pub fn layer_norm(x: &Tensor, gain: &Tensor, offset: &Tensor, eps: f64) -> Result<Tensor, TchError> {
    x.f_layer_norm(gain.size(), Some(gain), Some(offset), eps, true)
}

fn rms_norm(x: &Tensor, gain: &Tensor, eps: f64) -> Result<Tensor, TchError> {
    x.f_rms_norm(gain.size(), Some(gain), eps)
}

/// Attention over `[tokens, heads, head_dim]`; the result has the heads side by side again.
fn attend(q: &Tensor, k: &Tensor, v: &Tensor) -> Result<Tensor, TchError> {
    // Strided views: the kernel takes them as fast as copies, without the copies.
    let heads_first = |x: &Tensor| x.f_transpose(0, 1)?.f_unsqueeze(0);
    let (q, k, v) = (heads_first(q)?, heads_first(k)?, heads_first(v)?);
    let attended = Tensor::f_scaled_dot_product_attention(&q, &k, &v, None::<Tensor>, 0.0, false, None, false)?;
    attended.f_squeeze_dim(0)?.f_transpose(0, 1)?.f_flatten(1, -1)
}
