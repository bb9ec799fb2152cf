//! The layers that the network is made of: linear, two linears with an activation between, attention.
//!
//! Tokens are rows: activations are `[tokens, features]`, without a batch axis.

use anyhow::Result;
use tch::{TchError, Tensor};

use crate::rope::{Rope, pairs_to_halves};
use crate::weights::{AS_STORED, Order, Weights};

/// Scaled dot-product attention with QK-norm over the whole width, and its four projections.
pub struct Attention {
    q: Linear,
    k: Linear,
    v: Linear,
    o: Linear,
    norm_q: Tensor,
    norm_k: Tensor,
    image: Option<ImageKeys>,
    heads: i64,
    eps: f64,
}

/// The projections of an image's rows to keys and values.
struct ImageKeys {
    k: Linear,
    v: Linear,
    norm_k: Tensor,
}

impl Attention {
    /// The attention called `name`, for [`Self::forward`] without positions.
    fn load(weights: &mut Weights, name: &str) -> Result<Self> {
        Self::load_ordered(weights, name, AS_STORED)
    }

    /// The same, with an image's keys and values where the network has them.
    pub fn load_cross(weights: &mut Weights, name: &str) -> Result<Self> {
        let part = |part: &str| format!("{name}.{part}");
        let mut attention = Self::load(weights, name)?;
        if weights.spec().image_dim.is_some() {
            attention.image = Some(ImageKeys {
                k: Linear::load(weights, &part("k_img"))?,
                v: Linear::load(weights, &part("v_img"))?,
                norm_k: weights.tensor(&part("norm_k_img.weight"))?,
            });
        }
        Ok(attention)
    }

    /// The same, for [`Self::forward`] with positions.
    pub fn load_rotary(weights: &mut Weights, name: &str) -> Result<Self> {
        let heads = weights.spec().num_heads as i64;
        Self::load_ordered(weights, name, &|weight| pairs_to_halves(weight, heads))
    }

    /// The same with the features of q and k in `order`.
    fn load_ordered(weights: &mut Weights, name: &str, order: Order) -> Result<Self> {
        let part = |part: &str| format!("{name}.{part}");
        Ok(Self {
            q: Linear::load_ordered(weights, &part("q"), order)?,
            k: Linear::load_ordered(weights, &part("k"), order)?,
            v: Linear::load(weights, &part("v"))?,
            o: Linear::load(weights, &part("o"))?,
            norm_q: weights.ordered(&part("norm_q.weight"), order)?,
            norm_k: weights.ordered(&part("norm_k.weight"), order)?,
            image: None,
            heads: weights.spec().num_heads as i64,
            eps: weights.spec().eps,
        })
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

    /// The rows of `x` attend to those of the text and of the image, where there is one; both results add up.
    pub fn forward_cross(&self, x: &Tensor, text: &Tensor, image: Option<&Tensor>) -> Result<Tensor> {
        let (Some(keys), Some(image)) = (&self.image, image) else { return self.forward(x, text, None) };
        let q = self.split(&rms_norm(&self.q.forward(x)?, &self.norm_q, self.eps)?)?;
        let k = rms_norm(&self.k.forward(text)?, &self.norm_k, self.eps)?;
        let of_text = attend(&q, &self.split(&k)?, &self.split(&self.v.forward(text)?)?)?;
        let k = rms_norm(&keys.k.forward(image)?, &keys.norm_k, self.eps)?;
        let of_image = attend(&q, &self.split(&k)?, &self.split(&keys.v.forward(image)?)?)?;
        Ok(self.o.forward(&of_text.f_add(&of_image)?)?)
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

/// A linear layer.
pub struct Linear {
    weight: Tensor,
    bias: Tensor,
}

impl Linear {
    /// The layer called `name`; of a convolution whose stride is its kernel, the same layer over patches.
    pub fn load(weights: &mut Weights, name: &str) -> Result<Self> {
        Self::load_ordered(weights, name, AS_STORED)
    }

    fn load_ordered(weights: &mut Weights, name: &str, order: Order) -> Result<Self> {
        let weight = weights.ordered(&format!("{name}.weight"), order)?;
        Ok(Self { weight: weight.f_flatten(1, -1)?, bias: weights.ordered(&format!("{name}.bias"), order)? })
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
