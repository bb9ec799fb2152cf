//! Floating-point operations of the network, a multiply-add as two.

use super::Spec;

/// Operations of the matrix products of one forward pass over `tokens` tokens: those of all blocks, which are all but a
/// few percent of it.
pub fn forward(spec: &Spec, tokens: usize) -> f64 {
    let (tokens, text, dim) = (tokens as f64, spec.text_len as f64, spec.dim as f64);
    let projections = 2.0 * dim * dim * (4.0 * tokens + 2.0 * tokens + 2.0 * text);
    let attention = 4.0 * tokens * dim * (tokens + text);
    spec.num_layers as f64 * (projections + attention + tokens * feed_forward_row(spec))
}

/// The text rows whose embedding is about `share` of a pass over `latent`'s work.
pub fn text_rows(spec: &Spec, latent: [usize; 3], share: f64) -> usize {
    let tokens = latent.iter().product::<usize>() / spec.patch_volume();
    let row = 2.0 * (spec.text_dim * spec.dim + spec.dim * spec.dim) as f64;
    (share * forward(spec, tokens) / row).round() as usize
}

fn feed_forward_row(spec: &Spec) -> f64 {
    4.0 * spec.dim as f64 * spec.ffn_dim as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_of_two_tokens_by_hand() {
        let spec = Spec { dim: 2, ffn_dim: 3, text_len: 4, text_dim: 3, num_layers: 1, ..Spec::synthetic() };
        // Projections: self q k v o on 2 tokens, cross q o on 2 tokens, cross k v on 4 text rows: 8·(8 + 4 + 8) = 160.
        // Attention: scores and sums, 4·2·2 per key, over 2 + 4 keys: 96. Feed-forward: 2·(4·2·3) = 48.
        assert_eq!(forward(&spec, 2), 160.0 + 96.0 + 48.0);
        // A text row's embedding: 2·(3·2 + 2·2) = 20.
        assert_eq!(text_rows(&spec, [1, 2, 4], 0.0), 0);
        assert_eq!(text_rows(&spec, [1, 2, 4], 40.0 / 304.0), 2);
    }
}
