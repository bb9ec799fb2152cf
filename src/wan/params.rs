//! Every parameter of a WanModel, with the name and shape it has in a checkpoint.

use super::spec::{PLUCKER_CHANNELS, Spec};

/// One parameter tensor.
#[derive(Clone, Debug, PartialEq)]
pub struct Param {
    /// Checkpoint name.
    pub name: String,
    /// Shape; a linear weight is `[out, in]`.
    pub shape: Vec<usize>,
    /// What the tensor is, which decides how synthetic values are drawn and what can be quantized.
    pub role: Role,
}

/// What a parameter does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Weight of a linear layer or of the patch convolution.
    Weight,
    /// Bias of a layer or of an affine norm.
    Bias,
    /// Gain of a norm.
    Gain,
    /// Learned offset of the adaptive modulation.
    Modulation,
}

impl Param {
    /// Elements in the tensor.
    pub fn len(&self) -> usize {
        self.shape.iter().product()
    }

    /// Whether the tensor has no elements.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether this is the weight of a linear layer that quantization applies to: all but the patch
    /// embeddings and the output head.
    pub fn is_quantizable(&self) -> bool {
        self.role == Role::Weight
            && self.shape.len() == 2
            && !self.name.contains("patch_embedding")
            && !self.name.contains("head.head")
    }
}

/// All parameters of `spec`, in checkpoint order.
pub fn params(spec: &Spec) -> Vec<Param> {
    let mut list = List(Vec::new());
    let (dim, volume) = (spec.dim, spec.patch_volume());
    let [pt, ph, pw] = spec.patch_size;

    list.push("patch_embedding.weight", [dim, spec.in_dim, pt, ph, pw], Role::Weight);
    list.push("patch_embedding.bias", [dim], Role::Bias);
    if spec.camera {
        list.linear("patch_embedding_wancamctrl", dim, PLUCKER_CHANNELS * volume);
        list.linear("c2ws_hidden_states_layer1", dim, dim);
        list.linear("c2ws_hidden_states_layer2", dim, dim);
    }
    list.linear("text_embedding.0", dim, spec.text_dim);
    list.linear("text_embedding.2", dim, dim);
    list.linear("time_embedding.0", dim, spec.freq_dim);
    list.linear("time_embedding.2", dim, dim);
    list.linear("time_projection.1", 6 * dim, dim);
    if let Some(width) = spec.image_dim {
        list.norm("img_emb.proj.0", width);
        list.linear("img_emb.proj.1", width, width);
        list.linear("img_emb.proj.3", dim, width);
        list.norm("img_emb.proj.4", dim);
    }
    for block in 0..spec.num_layers {
        list.block(&format!("blocks.{block}"), spec);
    }
    list.linear("head.head", volume * spec.out_dim, dim);
    list.push("head.modulation", [1, 2, dim], Role::Modulation);
    list.0
}

struct List(Vec<Param>);

impl List {
    fn push<const N: usize>(&mut self, name: &str, shape: [usize; N], role: Role) {
        self.0.push(Param { name: name.to_owned(), shape: shape.to_vec(), role });
    }

    fn linear(&mut self, name: &str, out: usize, input: usize) {
        self.push(&format!("{name}.weight"), [out, input], Role::Weight);
        self.push(&format!("{name}.bias"), [out], Role::Bias);
    }

    fn norm(&mut self, name: &str, width: usize) {
        self.push(&format!("{name}.weight"), [width], Role::Gain);
        self.push(&format!("{name}.bias"), [width], Role::Bias);
    }

    fn block(&mut self, prefix: &str, spec: &Spec) {
        let dim = spec.dim;
        self.norm(&format!("{prefix}.norm3"), dim);
        for attention in ["self_attn", "cross_attn"] {
            for projection in ["q", "k", "v", "o"] {
                self.linear(&format!("{prefix}.{attention}.{projection}"), dim, dim);
            }
            for norm in ["norm_q", "norm_k"] {
                self.push(&format!("{prefix}.{attention}.{norm}.weight"), [dim], Role::Gain);
            }
        }
        if spec.image_dim.is_some() {
            self.linear(&format!("{prefix}.cross_attn.k_img"), dim, dim);
            self.linear(&format!("{prefix}.cross_attn.v_img"), dim, dim);
            self.push(&format!("{prefix}.cross_attn.norm_k_img.weight"), [dim], Role::Gain);
        }
        self.linear(&format!("{prefix}.ffn.0"), spec.ffn_dim, dim);
        self.linear(&format!("{prefix}.ffn.2"), dim, spec.ffn_dim);
        self.push(&format!("{prefix}.modulation"), [1, 6, dim], Role::Modulation);
        if spec.camera {
            for layer in ["cam_injector_layer1", "cam_injector_layer2", "cam_scale_layer", "cam_shift_layer"] {
                self.linear(&format!("{prefix}.{layer}"), dim, dim);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_synthetic_model_has_the_founding_reports_parameters() {
        let count: usize = params(&Spec::synthetic()).iter().map(Param::len).sum();
        assert_eq!(count, 24_791_072);
    }

    #[test]
    fn patch_embeddings_and_head_stay_unquantized() {
        let plain: Vec<_> = params(&Spec::synthetic())
            .into_iter()
            .filter(|p| p.role == Role::Weight && !p.is_quantizable())
            .map(|p| p.name)
            .collect();
        assert_eq!(plain, ["patch_embedding.weight", "patch_embedding_wancamctrl.weight", "head.head.weight"]);
    }
}
