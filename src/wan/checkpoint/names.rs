//! The names under which releases hold the same network: Wan's own, diffusers' and, with a prefix, ComfyUI's.

use std::collections::BTreeMap;

/// What some tools put before every name.
const PREFIXES: [&str; 4] = [COMFYUI, "diffusion_model.", "transformer.", "model."];

/// ComfyUI's prefix, beside which a file may hold a VAE and text encoders.
const COMFYUI: &str = "model.diffusion_model.";

/// Prefixes of those.
const OTHER_NETWORKS: [&str; 5] = ["vae.", "first_stage_model.", "text_encoders.", "cond_stage_model.", "conditioner."];

/// Buffers that a network computes anew when it is made.
const BUFFERS: [&str; 2] = ["freqs", "rope.freqs"];

/// Parts of diffusers' names between points, and Wan's; a longer one before those that it holds.
const DIFFUSERS: [(&str, &str); 24] = [
    ("condition_embedder.time_embedder.linear_1", "time_embedding.0"),
    ("condition_embedder.time_embedder.linear_2", "time_embedding.2"),
    ("condition_embedder.time_proj", "time_projection.1"),
    ("condition_embedder.text_embedder.linear_1", "text_embedding.0"),
    ("condition_embedder.text_embedder.linear_2", "text_embedding.2"),
    ("condition_embedder.image_embedder.pos_embed", "img_emb.emb_pos"),
    ("condition_embedder.image_embedder.norm1", "img_emb.proj.0"),
    ("condition_embedder.image_embedder.ff.net.0.proj", "img_emb.proj.1"),
    ("condition_embedder.image_embedder.ff.net.2", "img_emb.proj.3"),
    ("condition_embedder.image_embedder.norm2", "img_emb.proj.4"),
    ("attn1", "self_attn"),
    ("attn2", "cross_attn"),
    ("to_q", "q"),
    ("to_k", "k"),
    ("to_v", "v"),
    ("to_out.0", "o"),
    ("add_k_proj", "k_img"),
    ("add_v_proj", "v_img"),
    ("norm_added_k", "norm_k_img"),
    ("ffn.net.0.proj", "ffn.0"),
    ("ffn.net.2", "ffn.2"),
    ("norm2", "norm3"),
    ("proj_out", "head.head"),
    // In a block; the network's own is the head's, see below.
    ("scale_shift_table", "modulation"),
];

/// Wan's name for each of the `stored` names, with the stored one; without buffers.
pub fn canonical(mut stored: Vec<String>) -> BTreeMap<String, String> {
    if stored.iter().any(|name| name.starts_with(COMFYUI)) {
        stored.retain(|name| !OTHER_NETWORKS.iter().any(|prefix| name.starts_with(prefix)));
    }
    let prefix = PREFIXES.into_iter().find(|prefix| stored.iter().all(|name| name.starts_with(prefix))).unwrap_or("");
    let is_diffusers = stored.iter().any(|name| name[prefix.len()..].starts_with("condition_embedder."));
    let renamed = stored.into_iter().map(|name| {
        let bare = &name[prefix.len()..];
        (if is_diffusers { of_diffusers(bare) } else { bare.to_owned() }, name)
    });
    renamed.filter(|(name, _)| !BUFFERS.contains(&name.as_str())).collect()
}

fn of_diffusers(name: &str) -> String {
    if name == "scale_shift_table" {
        return "head.modulation".to_owned();
    }
    let name = DIFFUSERS
        .iter()
        .fold(format!(".{name}."), |name, (theirs, ours)| name.replace(&format!(".{theirs}."), &format!(".{ours}.")));
    name.trim_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn renamed(names: &[&str]) -> Vec<String> {
        canonical(names.iter().map(|name| (*name).to_owned()).collect()).into_keys().collect()
    }

    #[test]
    fn diffusers_names_are_wans() {
        for (theirs, ours) in [
            ("scale_shift_table", "head.modulation"),
            ("proj_out.bias", "head.head.bias"),
            ("blocks.12.scale_shift_table", "blocks.12.modulation"),
            ("blocks.0.attn1.to_out.0.weight", "blocks.0.self_attn.o.weight"),
            ("blocks.0.attn2.norm_k.weight", "blocks.0.cross_attn.norm_k.weight"),
            ("blocks.0.attn2.norm_added_k.weight", "blocks.0.cross_attn.norm_k_img.weight"),
            ("blocks.0.attn2.add_v_proj.bias", "blocks.0.cross_attn.v_img.bias"),
            ("blocks.0.ffn.net.0.proj.weight", "blocks.0.ffn.0.weight"),
            ("blocks.0.norm2.bias", "blocks.0.norm3.bias"),
            ("condition_embedder.image_embedder.norm2.bias", "img_emb.proj.4.bias"),
            ("patch_embedding.weight", "patch_embedding.weight"),
        ] {
            let telling = "condition_embedder.time_proj.weight";
            assert!(renamed(&[theirs, telling]).contains(&ours.to_owned()), "{theirs}");
        }
    }

    #[test]
    fn a_prefix_of_all_names_and_buffers_are_left_out() {
        let names = ["model.diffusion_model.blocks.0.norm3.bias", "model.diffusion_model.freqs"];
        assert_eq!(renamed(&names), ["blocks.0.norm3.bias"]);
        assert_eq!(renamed(&["model.a", "b"]), ["b", "model.a"]);
        assert_eq!(renamed(&["model.diffusion_model.a", "vae.b", "text_encoders.c"]), ["a"]);
        assert_eq!(
            renamed(&["transformer.blocks.0.attn1.to_q.bias", "transformer.condition_embedder.time_proj.bias"]),
            ["blocks.0.self_attn.q.bias", "time_projection.1.bias"]
        );
    }
}
