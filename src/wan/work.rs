//! The work of one forward pass: floating-point operations and bytes moved, part by part.
//!
//! What decides a pass's time is its matrix products and its attention, so these are counted, a multiply-add as two
//! operations; norms, activations and rotations are not.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Spec;
use super::spec::{IMAGE_ROWS, PLUCKER_CHANNELS};

/// What one pass, or a part of it, computes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Work {
    /// Floating-point operations.
    pub flops: f64,
    /// Bytes that must at least move: each product's and attention's operands read once, its result written once.
    pub bytes: f64,
}

/// A part of the network, as a profile names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Part {
    /// The transformer block it belongs to, from 0; `None` outside the blocks.
    pub block: Option<usize>,
    /// What it does.
    pub kind: PartKind,
}

/// What a part of the network does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum PartKind {
    /// Cutting the latent into patches and embedding them.
    Patch,
    /// The timestep's embedding and its projection for all blocks.
    Time,
    /// The text's embedding.
    Text,
    /// The embedding of the image's features.
    Image,
    /// Outside the blocks the camera's embedding, in a block its injection.
    Camera,
    /// Attention among the tokens with its projections, QK-norm and rotations, and the residual's gate.
    SelfAttention,
    /// Attention to the text, and to the image where there is one, with its projections and QK-norm, and the residual.
    CrossAttention,
    /// The feed-forward layers, and the residual's gate.
    FeedForward,
    /// The block's modulation and layer norms.
    Norms,
    /// The head and putting the patches together again.
    Head,
}

/// The work of one pass over `tokens` tokens, with `camera` controlled or not; `model_bytes` are the weights' as they are
/// held, an activation has `element_bytes`.
pub fn of_forward_pass(spec: &Spec, tokens: usize, camera: bool, model_bytes: u64, element_bytes: usize) -> Work {
    let activations: Work = parts(spec, tokens, camera, element_bytes).into_iter().map(|(_, work)| work).sum();
    Work { bytes: activations.bytes + model_bytes as f64, ..activations }
}

/// The same, part by part in the order of computation, of activations alone: a weight's bytes depend on how it is held.
pub fn parts(spec: &Spec, tokens: usize, camera: bool, element_bytes: usize) -> Vec<(Part, Work)> {
    let count = Counter { element_bytes };
    let (dim, text, volume) = (spec.dim, spec.text_len, spec.patch_volume());
    let square = |rows| count.product(rows, dim, dim);
    let outside = |kind| Part { block: None, kind };
    let mut parts = vec![
        (outside(PartKind::Patch), count.product(tokens, spec.in_dim * volume, dim)),
        (outside(PartKind::Time), count.product(1, spec.freq_dim, dim) + square(1) + count.product(1, dim, 6 * dim)),
        (outside(PartKind::Text), count.product(text, spec.text_dim, dim) + square(text)),
    ];
    if let Some(width) = spec.image_dim {
        let embedding = count.product(IMAGE_ROWS, width, width) + count.product(IMAGE_ROWS, width, dim);
        parts.push((outside(PartKind::Image), embedding));
    }
    if camera {
        let embedding = count.product(tokens, PLUCKER_CHANNELS * volume, dim);
        parts.push((outside(PartKind::Camera), embedding + square(tokens) + square(tokens)));
    }
    // Queries, keys, values and output; the text's keys and values have its rows.
    let own = (0..4).map(|_| square(tokens)).sum::<Work>() + count.attention(tokens, tokens, dim);
    let cross = square(tokens) + square(tokens) + square(text) + square(text) + count.attention(tokens, text, dim);
    let image = square(IMAGE_ROWS) + square(IMAGE_ROWS) + count.attention(tokens, IMAGE_ROWS, dim);
    let cross = if spec.image_dim.is_some() { cross + image } else { cross };
    let feed_forward = count.product(tokens, dim, spec.ffn_dim) + count.product(tokens, spec.ffn_dim, dim);
    let injection = (0..4).map(|_| square(tokens)).sum::<Work>();
    for block in 0..spec.num_layers {
        let inside = |kind| Part { block: Some(block), kind };
        parts.push((inside(PartKind::Norms), Work::default()));
        parts.push((inside(PartKind::SelfAttention), own));
        if camera {
            parts.push((inside(PartKind::Camera), injection));
        }
        parts.push((inside(PartKind::CrossAttention), cross));
        parts.push((inside(PartKind::FeedForward), feed_forward));
    }
    parts.push((outside(PartKind::Head), count.product(tokens, dim, volume * spec.out_dim)));
    parts
}

/// The text rows whose embedding is about `share` of a pass over `latent`'s work.
pub fn text_rows(spec: &Spec, latent: [usize; 3], camera: bool, share: f64) -> usize {
    let tokens = spec.tokens(latent);
    let row = 2.0 * (spec.text_dim * spec.dim + spec.dim * spec.dim) as f64;
    (share * of_forward_pass(spec, tokens, camera, 0, 4).flops / row).round() as usize
}

struct Counter {
    element_bytes: usize,
}

impl Counter {
    /// `rows` rows through a linear layer.
    fn product(&self, rows: usize, input: usize, output: usize) -> Work {
        let (rows, input, output) = (rows as f64, input as f64, output as f64);
        Work { flops: 2.0 * rows * input * output, bytes: rows * (input + output) * self.element_bytes as f64 }
    }

    /// Scores and weighted sums of `rows` queries over `keys` keys, fused.
    fn attention(&self, rows: usize, keys: usize, dim: usize) -> Work {
        let (rows, keys, dim) = (rows as f64, keys as f64, dim as f64);
        Work { flops: 4.0 * rows * keys * dim, bytes: 2.0 * (rows + keys) * dim * self.element_bytes as f64 }
    }
}

impl std::ops::Add for Work {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self { flops: self.flops + other.flops, bytes: self.bytes + other.bytes }
    }
}

impl std::iter::Sum for Work {
    fn sum<I: Iterator<Item = Self>>(works: I) -> Self {
        works.fold(Self::default(), |sum, work| sum + work)
    }
}

impl PartKind {
    /// In words, as a table has it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Patch => "patch",
            Self::Time => "time",
            Self::Text => "text",
            Self::Image => "image",
            Self::Camera => "camera",
            Self::SelfAttention => "self-attention",
            Self::CrossAttention => "cross-attention",
            Self::FeedForward => "FFN",
            Self::Norms => "norms",
            Self::Head => "head",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec() -> Spec {
        let patch_size = [1, 2, 2];
        Spec {
            dim: 2,
            ffn_dim: 3,
            text_len: 4,
            text_dim: 3,
            num_layers: 1,
            freq_dim: 2,
            patch_size,
            ..Spec::synthetic()
        }
    }

    #[test]
    fn two_tokens_by_hand() {
        let parts = parts(&spec(), 2, true, 4);
        let of = |block, kind| parts.iter().find(|(part, _)| *part == Part { block, kind }).unwrap().1;
        // Projections: q k v o on 2 tokens: 8·8 = 64. Scores and sums, 4·2·2 per key, over 2 keys: 32.
        assert_eq!(of(Some(0), PartKind::SelfAttention).flops, 64.0 + 32.0);
        // q o on 2 tokens, k v on 4 text rows: 8·(4 + 8) = 96; over 4 keys: 64.
        assert_eq!(of(Some(0), PartKind::CrossAttention).flops, 96.0 + 64.0);
        assert_eq!(of(Some(0), PartKind::FeedForward).flops, 48.0);
        assert_eq!(of(Some(0), PartKind::Camera).flops, 64.0);
        // 16 channels of 4 latent positions on 2 tokens: in 64, out 2.
        assert_eq!(of(None, PartKind::Patch), Work { flops: 512.0, bytes: 2.0 * 66.0 * 4.0 });
        assert_eq!(of(None, PartKind::Head).flops, 2.0 * 2.0 * 2.0 * 32.0);
        // The text's embedding: 2·4·(3·2 + 2·2) = 80; its rows move as 3 in, 2 out, 2 in, 2 out.
        assert_eq!(of(None, PartKind::Text), Work { flops: 80.0, bytes: 4.0 * 9.0 * 4.0 });
    }

    #[test]
    fn an_image_adds_its_embedding_and_its_keys_and_values() {
        let with = Spec { image_dim: Some(3), ..spec() };
        let flops = |spec: &Spec| of_forward_pass(spec, 2, false, 0, 4).flops;
        // 257 rows through 3·3 and 3·2, then k and v of 2·2 each; 4·2·2 a key and token.
        let rows = 257.0;
        assert_eq!(flops(&with) - flops(&spec()), 2.0 * rows * (9.0 + 6.0 + 8.0) + 4.0 * 2.0 * rows * 2.0);
    }

    #[test]
    fn without_camera_its_parts_are_gone_and_weights_count_once() {
        let (with, without) = (of_forward_pass(&spec(), 2, true, 1000, 4), of_forward_pass(&spec(), 2, false, 1000, 4));
        let camera: Work = parts(&spec(), 2, true, 4)
            .into_iter()
            .filter_map(|(part, work)| (part.kind == PartKind::Camera).then_some(work))
            .sum();
        assert_eq!((with.flops, with.bytes), (without.flops + camera.flops, without.bytes + camera.bytes));
        assert_eq!(without.bytes - of_forward_pass(&spec(), 2, false, 0, 4).bytes, 1000.0);
    }

    #[test]
    fn rows_in_vain_are_a_share_of_the_work() {
        assert_eq!(text_rows(&spec(), [1, 2, 4], false, 0.0), 0);
        let whole = of_forward_pass(&spec(), 2, false, 0, 4).flops;
        assert_eq!(text_rows(&spec(), [1, 2, 4], false, 40.0 / whole), 2);
    }
}
