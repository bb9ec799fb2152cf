//! Scaled dot-product attention with QK-norm over the whole width, and its projections.

use anyhow::Result;
use tch::{TchError, Tensor};

use crate::layers::Linear;
use crate::rope::{Rope, pairs_to_halves};
use crate::weights::{AS_STORED, Weights};

/// Rows that attend to one another, by their places.
pub struct SelfAttention {
    qkv: Linear,
    o: Linear,
    norm_q: Tensor,
    norm_k: Tensor,
    heads: i64,
    eps: f64,
}

impl SelfAttention {
    /// The attention called `name`.
    pub fn load(weights: &mut Weights, name: &str) -> Result<Self> {
        let (heads, eps) = (weights.spec().num_heads as i64, weights.spec().eps);
        let part = |part: &str| format!("{name}.{part}");
        let halves = |weight: &Tensor| pairs_to_halves(weight, heads);
        Ok(Self {
            qkv: Linear::load_stacked(weights, &[(part("q"), &halves), (part("k"), &halves), (part("v"), AS_STORED)])?,
            o: Linear::load(weights, &part("o"))?,
            norm_q: weights.ordered(&part("norm_q.weight"), &halves)?,
            norm_k: weights.ordered(&part("norm_k.weight"), &halves)?,
            heads,
            eps,
        })
    }

    /// The rows of `x` attend to one another, turned by `rope`.
    pub fn forward(&self, x: &Tensor, rope: &Rope) -> Result<Tensor> {
        let [q, k, v] = self.qkv.forward_each(x)?;
        let q = rope.rotate(&split(&rms_norm(&q, &self.norm_q, self.eps)?, self.heads)?)?;
        let k = rope.rotate(&split(&rms_norm(&k, &self.norm_k, self.eps)?, self.heads)?)?;
        Ok(self.o.forward(&attend(&q, &k, &split(&v, self.heads)?)?)?)
    }
}

/// Rows that attend to those of the text, and of an image where the network has one.
pub struct CrossAttention {
    q: Linear,
    o: Linear,
    norm_q: Tensor,
    text: Keys,
    image: Option<Keys>,
    heads: i64,
    eps: f64,
}

/// The projection of rows to keys and values.
struct Keys {
    kv: Linear,
    norm: Tensor,
}

impl CrossAttention {
    /// The attention called `name`.
    pub fn load(weights: &mut Weights, name: &str) -> Result<Self> {
        let part = |part: &str| format!("{name}.{part}");
        let (heads, eps) = (weights.spec().num_heads as i64, weights.spec().eps);
        let has_image = weights.spec().image_dim.is_some();
        let mut keys = |suffix: &str| -> Result<Keys> {
            let projection = |letter: &str| (part(&format!("{letter}{suffix}")), AS_STORED);
            Ok(Keys {
                kv: Linear::load_stacked(weights, &[projection("k"), projection("v")])?,
                norm: weights.tensor(&part(&format!("norm_k{suffix}.weight")))?,
            })
        };
        let (text, image) = (keys("")?, has_image.then(|| keys("_img")).transpose()?);
        Ok(Self {
            q: Linear::load(weights, &part("q"))?,
            o: Linear::load(weights, &part("o"))?,
            norm_q: weights.tensor(&part("norm_q.weight"))?,
            text,
            image,
            heads,
            eps,
        })
    }

    /// The rows of `x` attend to those of the text and of the image, where there is one; both results add up.
    pub fn forward(&self, x: &Tensor, text: &Tensor, image: Option<&Tensor>) -> Result<Tensor> {
        let q = split(&rms_norm(&self.q.forward(x)?, &self.norm_q, self.eps)?, self.heads)?;
        let attended = |keys: &Keys, source: &Tensor| -> Result<Tensor> {
            let [k, v] = keys.kv.forward_each(source)?;
            let k = split(&rms_norm(&k, &keys.norm, self.eps)?, self.heads)?;
            Ok(attend(&q, &k, &split(&v, self.heads)?)?)
        };
        let mut sum = attended(&self.text, text)?;
        if let (Some(keys), Some(image)) = (&self.image, image) {
            sum = sum.f_add_(&attended(keys, image)?)?;
        }
        Ok(self.o.forward(&sum)?)
    }
}

/// `[tokens, heads, head_dim]`, a view.
fn split(x: &Tensor, heads: i64) -> Result<Tensor, TchError> {
    x.f_unflatten(-1, [heads, -1])
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
