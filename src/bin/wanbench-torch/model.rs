//! The WanModel's forward pass for one sample, over `[tokens, dim]` rows.
//!
//! A pass computes everything from its inputs; in-place operations touch only what the pass itself made.

use anyhow::{Context, Result};
use tch::{Kind, Tensor};
use wanbench::wan::Spec;
use wanbench::wan::spec::IMAGE_NORM_EPS;
use wanbench::wan::work::{Part, PartKind};

use crate::attention::{CrossAttention, SelfAttention};
use crate::layers::{Activation, Linear, Mlp, layer_norm};
use crate::rope::Rope;
use crate::sample::Sample;
use crate::weights::Weights;

/// The network.
pub struct WanModel {
    spec: Spec,
    kind: Kind,
    patch_embedding: Linear,
    camera_embedding: Option<CameraEmbedding>,
    image_embedding: Option<ImageEmbedding>,
    text_embedding: Mlp,
    time_embedding: Mlp,
    time_projection: Linear,
    blocks: Vec<Block>,
    head: Linear,
    head_modulation: Tensor,
}

impl WanModel {
    /// Loads every weight of the checkpoint.
    pub fn load(weights: &mut Weights) -> Result<Self> {
        let spec = weights.spec().clone();
        Ok(Self {
            kind: weights.kind(),
            patch_embedding: Linear::load(weights, "patch_embedding")?,
            camera_embedding: spec.camera.then(|| CameraEmbedding::load(weights)).transpose()?,
            image_embedding: spec.image_dim.map(|_| ImageEmbedding::load(weights)).transpose()?,
            text_embedding: Mlp::load(weights, "text_embedding.0", "text_embedding.2", Activation::GeluTanh)?,
            time_embedding: Mlp::load(weights, "time_embedding.0", "time_embedding.2", Activation::Silu)?,
            time_projection: Linear::load(weights, "time_projection.1")?,
            blocks: (0..spec.num_layers).map(|index| Block::load(weights, index)).collect::<Result<_>>()?,
            head: Linear::load(weights, "head.head")?,
            head_modulation: weights.tensor("head.modulation")?.f_squeeze_dim(0)?,
            spec,
        })
    }

    /// The architecture.
    pub fn spec(&self) -> &Spec {
        &self.spec
    }

    /// The element type of weights and activations.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// The velocity at the sample's timestep: `[out_dim, frames, height, width]`, f32.
    ///
    /// `ended` hears of a part once all of it is enqueued; of one that is computed in pieces, such as a block's norms, each
    /// time.
    pub fn forward(&self, sample: &Sample, ended: &mut dyn FnMut(Part) -> Result<()>) -> Result<Tensor> {
        let outside = |kind| Part { block: None, kind };
        let mut x = self.patch_embedding.forward(&self.patches(&self.latent(sample)?, sample.grid)?)?;
        ended(outside(PartKind::Patch))?;

        let time = self.time_embedding.forward(&sample.sinusoid)?;
        let modulation = self.time_projection.forward(&time.f_silu()?)?.f_view([6, self.spec.dim as i64])?;
        ended(outside(PartKind::Time))?;

        let text = self.text_embedding.forward(&sample.context)?.f_narrow(0, 0, self.spec.text_len as i64)?;
        ended(outside(PartKind::Text))?;

        let image = self.image(sample)?;
        if image.is_some() {
            ended(outside(PartKind::Image))?;
        }

        let camera = self.camera(sample)?;
        if camera.is_some() {
            ended(outside(PartKind::Camera))?;
        }

        let condition =
            Condition { modulation: &modulation, text: &text, image: image.as_ref(), camera: camera.as_ref() };
        for (index, block) in self.blocks.iter().enumerate() {
            let ended = &mut |kind| ended(Part { block: Some(index), kind });
            x = block.forward(x, &condition, &sample.rope, ended).with_context(|| format!("in block {index}"))?;
        }
        let velocity = self.output(&x, &time, sample.grid)?;
        ended(outside(PartKind::Head))?;
        Ok(velocity)
    }

    /// The latent with its condition, in the model's arithmetic.
    fn latent(&self, sample: &Sample) -> Result<Tensor> {
        let x = sample.x.f_to_kind(self.kind)?;
        Ok(match &sample.y {
            Some(y) => Tensor::f_cat(&[&x, y], 0)?,
            None => x,
        })
    }

    /// Rows of patches, features in (channel, patch) order, of a tensor `[channels, frames, height, width]`.
    ///
    /// The copy keeps tokens innermost, as the latent does, and the rows are a transposed view of it: runs of a whole
    /// patch row instead of two elements make it 25 times faster on a CPU, and a matrix product takes either order.
    fn patches(&self, x: &Tensor, [f, h, w]: [i64; 3]) -> Result<Tensor> {
        let [pt, ph, pw] = self.patch_size();
        let cut = x.f_reshape([-1, f, pt, h, ph, w, pw])?.f_permute([0, 2, 4, 6, 1, 3, 5])?;
        Ok(cut.f_reshape([-1, f * h * w])?.f_transpose(0, 1)?)
    }

    fn image(&self, sample: &Sample) -> Result<Option<Tensor>> {
        let Some(image) = &sample.image else { return Ok(None) };
        self.image_embedding.as_ref().context("the checkpoint has no image layers")?.forward(image).map(Some)
    }

    fn camera(&self, sample: &Sample) -> Result<Option<Tensor>> {
        let Some(plucker) = &sample.camera else { return Ok(None) };
        let embedding = self.camera_embedding.as_ref().context("the checkpoint has no camera layers")?;
        embedding.forward(&self.patches(&plucker.f_squeeze_dim(0)?, sample.grid)?).map(Some)
    }

    /// The head, then tokens of (patch, channel) features back to `[out_dim, frames, height, width]`.
    fn output(&self, x: &Tensor, time: &Tensor, [f, h, w]: [i64; 3]) -> Result<Tensor> {
        let [shift, scale] = rows(&self.head_modulation.f_add(time)?)?;
        let x = self.head.forward(&layer_norm(x, &scale.f_add_scalar(1.0)?, &shift, self.spec.eps)?)?;
        let [pt, ph, pw] = self.patch_size();
        let cut = x.f_to_kind(Kind::Float)?.f_reshape([f, h, w, pt, ph, pw, -1])?.f_permute([6, 0, 3, 1, 4, 2, 5])?;
        Ok(cut.f_reshape([-1, f * pt, h * ph, w * pw])?)
    }

    fn patch_size(&self) -> [i64; 3] {
        self.spec.patch_size.map(|extent| extent as i64)
    }
}

/// What steers a block besides its weights.
struct Condition<'a> {
    modulation: &'a Tensor,
    text: &'a Tensor,
    image: Option<&'a Tensor>,
    camera: Option<&'a Tensor>,
}

struct Block {
    self_attention: SelfAttention,
    cross_attention: CrossAttention,
    cross_norm: (Tensor, Tensor),
    ffn: Mlp,
    modulation: Tensor,
    camera: Option<CameraInjector>,
    eps: f64,
}

impl Block {
    fn load(weights: &mut Weights, index: usize) -> Result<Self> {
        let name = |part: &str| format!("blocks.{index}.{part}");
        Ok(Self {
            self_attention: SelfAttention::load(weights, &name("self_attn"))?,
            cross_attention: CrossAttention::load(weights, &name("cross_attn"))?,
            cross_norm: (weights.tensor(&name("norm3.weight"))?, weights.tensor(&name("norm3.bias"))?),
            ffn: Mlp::load(weights, &name("ffn.0"), &name("ffn.2"), Activation::GeluTanh)?,
            modulation: weights.tensor(&name("modulation"))?.f_squeeze_dim(0)?,
            camera: weights.spec().camera.then(|| CameraInjector::load(weights, &name(""))).transpose()?,
            eps: weights.spec().eps,
        })
    }

    /// `ended` hears of each part as [`WanModel::forward`]'s does.
    fn forward(
        &self,
        mut x: Tensor,
        condition: &Condition,
        rope: &Rope,
        ended: &mut dyn FnMut(PartKind) -> Result<()>,
    ) -> Result<Tensor> {
        // Of the six rows, those that scale act as 1 + scale: so modulation is the affine part of the layer norm.
        let [shift1, scale1, gate1, shift2, scale2, gate2] = rows(&self.modulation.f_add(condition.modulation)?)?;

        let mut normed = layer_norm(&x, &scale1.f_add_scalar(1.0)?, &shift1, self.eps)?;
        ended(PartKind::Norms)?;
        x = x.f_addcmul_(&self.self_attention.forward(&normed, rope)?, &gate1)?;
        ended(PartKind::SelfAttention)?;

        if let (Some(injector), Some(camera)) = (&self.camera, condition.camera) {
            x = injector.forward(x, camera)?;
            ended(PartKind::Camera)?;
        }

        normed = layer_norm(&x, &self.cross_norm.0, &self.cross_norm.1, self.eps)?;
        ended(PartKind::Norms)?;
        x = x.f_add_(&self.cross_attention.forward(&normed, condition.text, condition.image)?)?;
        ended(PartKind::CrossAttention)?;

        normed = layer_norm(&x, &scale2.f_add_scalar(1.0)?, &shift2, self.eps)?;
        ended(PartKind::Norms)?;
        x = x.f_addcmul_(&self.ffn.forward(&normed)?, &gate2)?;
        ended(PartKind::FeedForward)?;
        Ok(x)
    }
}

/// The image's rows, for all blocks.
struct ImageEmbedding {
    norm: (Tensor, Tensor),
    mlp: Mlp,
    out_norm: (Tensor, Tensor),
}

impl ImageEmbedding {
    fn load(weights: &mut Weights) -> Result<Self> {
        let mut norm = |name: &str| -> Result<_> {
            Ok((weights.tensor(&format!("{name}.weight"))?, weights.tensor(&format!("{name}.bias"))?))
        };
        let (norm, out_norm) = (norm("img_emb.proj.0")?, norm("img_emb.proj.4")?);
        Ok(Self { norm, mlp: Mlp::load(weights, "img_emb.proj.1", "img_emb.proj.3", Activation::Gelu)?, out_norm })
    }

    fn forward(&self, image: &Tensor) -> Result<Tensor> {
        let x = layer_norm(image, &self.norm.0, &self.norm.1, IMAGE_NORM_EPS)?;
        Ok(layer_norm(&self.mlp.forward(&x)?, &self.out_norm.0, &self.out_norm.1, IMAGE_NORM_EPS)?)
    }
}

/// The camera's tokens, for all blocks.
struct CameraEmbedding {
    patch_embedding: Linear,
    refinement: Mlp,
}

impl CameraEmbedding {
    fn load(weights: &mut Weights) -> Result<Self> {
        let (first, second) = ("c2ws_hidden_states_layer1", "c2ws_hidden_states_layer2");
        Ok(Self {
            patch_embedding: Linear::load(weights, "patch_embedding_wancamctrl")?,
            refinement: Mlp::load(weights, first, second, Activation::Silu)?,
        })
    }

    fn forward(&self, patches: &Tensor) -> Result<Tensor> {
        let mut tokens = self.patch_embedding.forward(patches)?;
        let refined = self.refinement.forward(&tokens)?;
        Ok(tokens.f_add_(&refined)?)
    }
}

/// Scales and shifts a block's tokens by the camera's.
struct CameraInjector {
    mlp: Mlp,
    scale: Linear,
    shift: Linear,
}

impl CameraInjector {
    fn load(weights: &mut Weights, block: &str) -> Result<Self> {
        let name = |part: &str| format!("{block}cam_{part}");
        Ok(Self {
            mlp: Mlp::load(weights, &name("injector_layer1"), &name("injector_layer2"), Activation::Silu)?,
            scale: Linear::load(weights, &name("scale_layer"))?,
            shift: Linear::load(weights, &name("shift_layer"))?,
        })
    }

    /// `(1 + scale(h)) · x + shift(h)`
    fn forward(&self, mut x: Tensor, camera: &Tensor) -> Result<Tensor> {
        let hidden = self.mlp.forward(camera)?.f_add_(camera)?;
        let change = self.shift.forward(&hidden)?.f_addcmul_(&x, &self.scale.forward(&hidden)?)?;
        Ok(x.f_add_(&change)?)
    }
}

/// The N rows of a matrix, as views.
fn rows<const N: usize>(matrix: &Tensor) -> Result<[Tensor; N]> {
    let rows = matrix.f_unbind(0)?;
    <[Tensor; N]>::try_from(rows).map_err(|rows| anyhow::anyhow!("{} rows where {N} belong", rows.len()))
}
