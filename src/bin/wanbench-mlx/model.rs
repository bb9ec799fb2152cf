//! WanModel in MLX: the forward pass for one sample, as `design/model.md` defines it.
//!
//! Tokens are `[tokens, dim]` throughout: one sample needs no batch axis outside attention. Everything is generic in the
//! [`Spec`] and computed in the weights' dtype; only rotations, x and v are f32.

use std::f64::consts::{FRAC_1_SQRT_2, FRAC_2_SQRT_PI, SQRT_2};

use mlx_rs::error::Exception;
use mlx_rs::ops::indexing::IndexOp;
use mlx_rs::{Array, Dtype, fast, ops};
use wanbench::wan::Spec;
use wanbench::wan::spec::IMAGE_NORM_EPS;
use wanbench::wan::work::{Part, PartKind};

use crate::attention::Attention;
use crate::weights::Bound;

/// One network over one argument list.
pub struct Model<'a> {
    pub spec: &'a Spec,
    /// Patches along frames, rows, columns.
    pub grid: [usize; 3],
    pub weights: Bound<'a>,
    pub attention: &'a Attention,
}

/// What stays the same from step to step.
pub struct Conditions<'a> {
    /// Unit complex numbers `[tokens, 1, head_dim / 2]`.
    pub rotations: &'a Array,
    /// Text rows, zero-padded: `[text_len, text_dim]`, or more of them, embedded in vain.
    pub context: &'a Array,
    /// Conditioning latent `[channels, frames, height, width]`.
    pub y: Option<&'a Array>,
    /// Plücker embedding `[1, 384, frames, height, width]`.
    pub camera: Option<&'a Array>,
    /// CLIP's features `[rows, image_dim]`.
    pub image: Option<&'a Array>,
}

/// What every block reads.
struct Shared<'a> {
    rotations: &'a Array,
    text: Array,
    image: Option<Array>,
    camera: Option<Array>,
    /// `[6, dim]`.
    time: Array,
}

/// Hears where a part of the network ends, and of the arrays that its work leads to. A pass that is one graph needs no
/// such ear; one that listens may evaluate them there.
pub type Ends<'a> = dyn FnMut(Part, &[&Array]) -> Result<()> + 'a;

type Result<T> = std::result::Result<T, Exception>;

impl Model<'_> {
    /// v, f32 `[out_dim, frames, height, width]`, from the time's sinusoid `[1, freq_dim]` and x
    /// `[channels, frames, height, width]`.
    pub fn forward(&self, sinusoid: &Array, x: &Array, conditions: &Conditions, ends: &mut Ends) -> Result<Array> {
        let part = |kind| Part { block: None, kind };
        let mut tokens = self.patch_embedding(x, conditions.y)?;
        ends(part(PartKind::Patch), &[&tokens])?;
        let (e, time) = self.time_embedding(sinusoid)?;
        ends(part(PartKind::Time), &[&e, &time])?;
        let text = self.text_embedding(conditions.context)?;
        ends(part(PartKind::Text), &[&text])?;
        let image = conditions.image.map(|image| self.image_embedding(image)).transpose()?;
        if let Some(image) = &image {
            ends(part(PartKind::Image), &[image])?;
        }
        let camera = conditions.camera.map(|camera| self.camera_embedding(camera)).transpose()?;
        if let Some(camera) = &camera {
            ends(part(PartKind::Camera), &[camera])?;
        }

        let shared = Shared { rotations: conditions.rotations, text, image, camera, time };
        for block in 0..self.spec.num_layers {
            tokens = self.block(block, tokens, &shared, ends)?;
        }
        let v = self.head(&tokens, &e)?;
        ends(part(PartKind::Head), &[&v])?;
        Ok(v)
    }

    fn patch_embedding(&self, x: &Array, y: Option<&Array>) -> Result<Array> {
        let x = x.as_dtype(self.weights.index.dtype)?;
        let latent = match y {
            Some(y) => ops::concatenate(&[&x, y], 0)?,
            None => x,
        };
        self.weights.linear("patch_embedding", &self.patchify(&latent)?)
    }

    /// e `[1, dim]`, for the head, and its projection for the blocks `[6, dim]`.
    fn time_embedding(&self, sinusoid: &Array) -> Result<(Array, Array)> {
        let w = &self.weights;
        let e = w.linear("time_embedding.0", &sinusoid.as_dtype(w.index.dtype)?)?;
        let e = w.linear("time_embedding.2", &silu(&e)?)?;
        let time = w.linear("time_projection.1", &silu(&e)?)?.reshape(&[6, -1])?;
        Ok((e, time))
    }

    fn text_embedding(&self, context: &Array) -> Result<Array> {
        let text = self.gelu(&self.weights.linear("text_embedding.0", context)?)?;
        Ok(self.weights.linear("text_embedding.2", &text)?.index(..self.spec.text_len as i32))
    }

    fn image_embedding(&self, image: &Array) -> Result<Array> {
        let w = &self.weights;
        let norm = |name: &str, x: &Array| -> Result<Array> {
            let (gain, bias) = (w.param(&format!("{name}.weight"))?, w.param(&format!("{name}.bias"))?);
            fast::layer_norm(x, gain, bias, IMAGE_NORM_EPS as f32)
        };
        let hidden = w.linear("img_emb.proj.1", &norm("img_emb.proj.0", image)?)?;
        norm("img_emb.proj.4", &w.linear("img_emb.proj.3", &self.exact_gelu(&hidden)?)?)
    }

    fn camera_embedding(&self, camera: &Array) -> Result<Array> {
        let w = &self.weights;
        let p = w.linear("patch_embedding_wancamctrl", &self.patchify(&camera.squeeze_axes(&[0])?)?)?;
        let hidden = silu(&w.linear("c2ws_hidden_states_layer1", &p)?)?;
        p.add(w.linear("c2ws_hidden_states_layer2", &hidden)?)
    }

    fn block(&self, block: usize, x: Array, shared: &Shared, ends: &mut Ends) -> Result<Array> {
        let (w, name) = (&self.weights, &format!("blocks.{block}"));
        let part = |kind| Part { block: Some(block), kind };
        let modulation = w.param(&format!("{name}.modulation"))?.squeeze_axes(&[0])?.add(&shared.time)?;
        let [s1, c1, g1, s2, c2, g2] = rows(&modulation)?;

        let a = self.modulated_norm(&x, &c1, &s1)?;
        ends(part(PartKind::Norms), &[&a, &modulation])?;
        let a = self.self_attention(&format!("{name}.self_attn"), &a, shared.rotations)?;
        let mut x = x.add(a.multiply(g1)?)?;
        ends(part(PartKind::SelfAttention), &[&x])?;

        if let Some(camera) = &shared.camera {
            x = self.inject_camera(name, &x, camera)?;
            ends(part(PartKind::Camera), &[&x])?;
        }

        let (gain, bias) = (w.param(&format!("{name}.norm3.weight"))?, w.param(&format!("{name}.norm3.bias"))?);
        let a = fast::layer_norm(&x, gain, bias, self.eps())?;
        ends(part(PartKind::Norms), &[&a])?;
        let a = self.cross_attention(&format!("{name}.cross_attn"), &a, &shared.text, shared.image.as_ref())?;
        let x = x.add(a)?;
        ends(part(PartKind::CrossAttention), &[&x])?;

        let a = self.modulated_norm(&x, &c2, &s2)?;
        ends(part(PartKind::Norms), &[&a])?;
        let x = x.add(self.feed_forward(name, &a)?.multiply(g2)?)?;
        ends(part(PartKind::FeedForward), &[&x])?;
        Ok(x)
    }

    fn feed_forward(&self, block: &str, x: &Array) -> Result<Array> {
        let hidden = self.gelu(&self.weights.linear(&format!("{block}.ffn.0"), x)?)?;
        self.weights.linear(&format!("{block}.ffn.2"), &hidden)
    }

    fn inject_camera(&self, name: &str, x: &Array, camera: &Array) -> Result<Array> {
        let layer = |layer: &str, x: &Array| self.weights.linear(&format!("{name}.{layer}"), x);
        let hidden = silu(&layer("cam_injector_layer1", camera)?)?;
        let hidden = layer("cam_injector_layer2", &hidden)?.add(camera)?;
        let scaled = x.multiply(layer("cam_scale_layer", &hidden)?.add(self.scalar(1.0)?)?)?;
        scaled.add(layer("cam_shift_layer", &hidden)?)
    }

    /// The rows of x attend to one another, their queries and keys turned by `rotations`.
    fn self_attention(&self, name: &str, x: &Array, rotations: &Array) -> Result<Array> {
        let [q, k, v] = columns(&self.weights.linear(&format!("{name}.qkv"), x)?)?;
        let q = rotate(&self.normed(name, "norm_q", &q)?, rotations)?;
        let k = rotate(&self.normed(name, "norm_k", &k)?, rotations)?;
        self.weights.linear(&format!("{name}.o"), &self.attend(&q, &k, &v)?)
    }

    /// The rows of x attend to those of the text; what they attend to of an `image` is added.
    fn cross_attention(&self, name: &str, x: &Array, text: &Array, image: Option<&Array>) -> Result<Array> {
        let q = self.normed(name, "norm_q", &self.weights.linear(&format!("{name}.q"), x)?)?;
        let attended = |stack: &str, norm: &str, source: &Array| -> Result<Array> {
            let [k, v] = columns(&self.weights.linear(&format!("{name}.{stack}"), source)?)?;
            self.attend(&q, &self.normed(name, norm, &k)?, &v)
        };
        let mut a = attended("kv", "norm_k", text)?;
        if let Some(image) = image {
            a = a.add(attended("kv_img", "norm_k_img", image)?)?;
        }
        self.weights.linear(&format!("{name}.o"), &a)
    }

    /// Queries or keys, normed over their whole width, by heads.
    fn normed(&self, attention: &str, norm: &str, x: &Array) -> Result<Array> {
        let gain = self.weights.param(&format!("{attention}.{norm}.weight"))?;
        self.heads(&fast::rms_norm(x, Some(gain), self.eps())?)
    }

    fn attend(&self, q: &Array, k: &Array, v: &Array) -> Result<Array> {
        self.attention.attend(q, k, &self.heads(v)?, self.weights.index.product_dtype())
    }

    fn head(&self, tokens: &Array, e: &Array) -> Result<Array> {
        let w = &self.weights;
        let modulation = w.param("head.modulation")?.squeeze_axes(&[0])?.add(e)?;
        let [shift, scale] = rows(&modulation)?;
        let tokens = w.linear("head.head", &self.modulated_norm(tokens, &scale, &shift)?)?;
        self.unpatchify(&tokens)?.as_dtype(Dtype::Float32)
    }

    /// LN(x)·(1 + scale) + shift. The modulation is one row for all tokens, so it is the affine part of the fused norm.
    fn modulated_norm(&self, x: &Array, scale: &Array, shift: &Array) -> Result<Array> {
        fast::layer_norm(x, &scale.add(self.scalar(1.0)?)?, shift, self.eps())
    }

    /// `[channels, frames, height, width]` → `[tokens, channels · patch volume]`, features in (c, pt, ph, pw) order.
    fn patchify(&self, latent: &Array) -> Result<Array> {
        let ([f, h, w], [pt, ph, pw]) = self.extents();
        let cut = latent.reshape(&[-1, f, pt, h, ph, w, pw])?;
        cut.transpose_axes(&[1, 3, 5, 0, 2, 4, 6])?.reshape(&[f * h * w, -1])
    }

    /// `[tokens, patch volume · out_dim]` in (pt, ph, pw, c) order → `[out_dim, frames, height, width]`.
    fn unpatchify(&self, tokens: &Array) -> Result<Array> {
        let ([f, h, w], [pt, ph, pw]) = self.extents();
        let cut = tokens.reshape(&[f, h, w, pt, ph, pw, -1])?;
        cut.transpose_axes(&[6, 0, 3, 1, 4, 2, 5])?.reshape(&[-1, f * pt, h * ph, w * pw])
    }

    fn extents(&self) -> ([i32; 3], [i32; 3]) {
        (self.grid.map(|extent| extent as i32), self.spec.patch_size.map(|extent| extent as i32))
    }

    /// `[rows, dim]` → `[rows, heads, head_dim]`.
    fn heads(&self, x: &Array) -> Result<Array> {
        x.reshape(&[-1, self.spec.num_heads as i32, self.spec.head_dim() as i32])
    }

    /// GELU, tanh-approximate, in its shorter form: ½(1 + tanh u) = sigmoid(2u).
    fn gelu(&self, x: &Array) -> Result<Array> {
        const TWICE_SQRT_2_OVER_PI: f64 = SQRT_2 * FRAC_2_SQRT_PI;
        let cubic = x.square()?.multiply(self.scalar((0.044_715 * TWICE_SQRT_2_OVER_PI) as f32)?)?;
        let u = x.multiply(cubic.add(self.scalar(TWICE_SQRT_2_OVER_PI as f32)?)?)?;
        x.multiply(ops::sigmoid(u)?)
    }

    /// GELU as it is defined, by the error function.
    fn exact_gelu(&self, x: &Array) -> Result<Array> {
        let half = x.multiply(self.scalar(0.5)?)?;
        let erf = ops::erf(x.multiply(self.scalar(FRAC_1_SQRT_2 as f32)?)?)?;
        half.multiply(erf.add(self.scalar(1.0)?)?)
    }

    /// A constant in the weights' dtype: an f32 one would promote everything it touches to f32.
    fn scalar(&self, value: f32) -> Result<Array> {
        Ok(match self.weights.index.dtype {
            Dtype::Float16 => Array::from_slice(&[half::f16::from_f32(value)], &[]),
            Dtype::Bfloat16 => Array::from_slice(&[half::bf16::from_f32(value)], &[]),
            _ => Array::from_f32(value),
        })
    }

    fn eps(&self) -> f32 {
        self.spec.eps as f32
    }
}

fn silu(x: &Array) -> Result<Array> {
    x.multiply(ops::sigmoid(x)?)
}

/// Rotates the pairs (2i, 2i+1) of x `[tokens, heads, head_dim]`: neighbours are one complex number, so a rotation is one
/// product, in f32.
fn rotate(x: &Array, rotations: &Array) -> Result<Array> {
    let pairs = x.as_dtype(Dtype::Float32)?.view_dtype(Dtype::Complex64)?;
    pairs.multiply(rotations)?.view_dtype(Dtype::Float32)?.as_dtype(x.dtype())
}

/// N arrays of as many columns each, side by side in x.
fn columns<const N: usize>(x: &Array) -> Result<[Array; N]> {
    let columns = x.split_equal(N as i32, -1)?;
    columns.try_into().map_err(|_| Exception::custom(format!("a product does not have {N} parts")))
}

/// The N rows of `[N, dim]`.
fn rows<const N: usize>(x: &Array) -> Result<[Array; N]> {
    let rows = x.split_equal(N as i32, 0)?.iter().map(|row| row.reshape(&[-1])).collect::<Result<Vec<_>>>()?;
    rows.try_into().map_err(|_| Exception::custom(format!("a modulation does not have {N} rows")))
}
