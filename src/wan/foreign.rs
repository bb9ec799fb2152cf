//! What a file or a network is that is not taken: its name, and the way on.

use safetensors::Dtype;

use crate::text::escape::cut;

/// The way on from a network that is none of those that are computed.
const TAKE_ANOTHER: &str = "take a T2V, I2V or TI2V checkpoint of Wan, or LingBot-World's base-cam";

/// What a file is that begins with `head` and is no safetensors file; `None` where that is not known.
pub fn file(head: &[u8]) -> Option<&'static str> {
    let text = String::from_utf8_lossy(head).trim_start().to_lowercase();
    let begins = |starts: &[&[u8]]| starts.iter().any(|start| head.starts_with(start));
    let reads = |starts: &[&str]| starts.iter().any(|start| text.starts_with(start));
    Some(match () {
        () if head.is_empty() => "is empty: the download broke off, or the disk was full; download it again",
        () if reads(&["version https://git-lfs"]) => {
            "is a Git LFS pointer in place of the weights: run `git lfs pull` in the repository that it came with"
        }
        () if reads(&["<!doctype html", "<html"]) => {
            "is an HTML page, as a download without access gives: log in, accept the model's terms and download it again"
        }
        () if reads(&["<"]) => "is an XML document, as a server sends for an error: download it again",
        () if reads(&["{"]) => "is a JSON document, as a server sends for an error: download it again",
        () if begins(&[b"GGUF"]) => "is a GGUF file, packed for llama.cpp: take the release in safetensors",
        () if begins(&[b"PK\x03\x04", b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05"]) => {
            "is a PyTorch pickle (.bin, .pt, .pth): take the release in safetensors, or convert it"
        }
        () if begins(&[b"\x89HDF"]) => "is an HDF5 file: take the release in safetensors",
        () if begins(&[b"\x93NUMPY"]) => "is a NumPy file: take the release in safetensors",
        () if begins(&[b"\x1f\x8b", b"\x28\xb5\x2f\xfd", b"BZh", b"\xfd7zXZ", b"7z\xbc\xaf"]) => {
            "is compressed: unpack it first"
        }
        () => return None,
    })
}

/// What a network is that declares itself so and has tensors of these Wan names, where it is none that is computed; with the
/// way on.
pub fn network<'a>(
    class: Option<&str>,
    model_type: Option<&str>,
    tensors: impl Iterator<Item = (&'a str, Dtype)> + Clone,
) -> Option<String> {
    let declared = format!("{} {}", class.unwrap_or_default(), model_type.unwrap_or_default()).to_lowercase();
    let says = |words: &[&str]| words.iter().any(|word| declared.contains(word));
    let has = |parts: &[&str]| tensors.clone().any(|(name, _)| parts.iter().any(|part| name.contains(part)));
    let has_dtype = |dtypes: &[Dtype]| tensors.clone().any(|(_, dtype)| dtypes.contains(&dtype));
    let (what, way) = match () {
        () if has(&["lora_", ".lora.", "lokr_", "hada_"]) => {
            ("a LoRA, an addition to a network", "pass the network's checkpoint, with the LoRA merged into it")
        }
        () if has(&["scaled_fp8", ".scale_weight", ".weight_scale"]) => {
            ("weights scaled in fp8, as ComfyUI has them", "take the fp16 or bf16 file of the same model")
        }
        () if has_dtype(&[Dtype::F8_E4M3, Dtype::F8_E5M2]) => {
            ("weights in fp8", "take the fp16 or bf16 file of the same model")
        }
        () if has(&[".absmax", ".quant_state", ".quant_map"]) => {
            ("weights quantized by bitsandbytes", "take the checkpoint that they were made from, with --quant")
        }
        () if has(&[".scales", ".qweight", ".qzeros"]) => {
            ("weights that are quantized already", "take the checkpoint that they were made from, with --quant")
        }
        () if has(&["decoder.conv1.", "decoder.conv_in.", "decoder.up_blocks.", "decoder.upsamples."]) => {
            ("a VAE", "pass the network's checkpoint; wanbench measures the network alone")
        }
        () if has(&["token_embedding.weight", "shared.weight", "embed_tokens.weight"]) => {
            ("a text encoder", "pass the network's checkpoint; wanbench measures the network alone")
        }
        () if has(&["visual.", "vision_model."]) => {
            ("an image encoder", "pass the network's checkpoint; wanbench measures the network alone")
        }
        () if says(&["vace"]) || has(&["vace_"]) => ("VACE", TAKE_ANOTHER),
        () if says(&["s2v"]) || has(&["audio"]) => ("Wan S2V (speech to video)", TAKE_ANOTHER),
        () if says(&["animate"]) || has(&["face_adapter", "motion_encoder"]) => ("Wan Animate", TAKE_ANOTHER),
        () if says(&["flf2v"]) || has(&["img_emb.emb_pos"]) => {
            ("Wan FLF2V (first and last frame to video)", TAKE_ANOTHER)
        }
        () if has(&["control_adapter", "ref_conv"]) => ("Wan Fun (a control adapter)", TAKE_ANOTHER),
        () if class.is_some_and(|class| !CLASSES.contains(&class)) => {
            return Some(format!("is of the class {:?}, not a WanModel: {TAKE_ANOTHER}", shown(class)));
        }
        () if model_type.is_some_and(|kind| !MODEL_TYPES.contains(&kind)) => {
            return Some(format!(
                "has the model_type {:?}, which is none of {}: {TAKE_ANOTHER}",
                shown(model_type),
                MODEL_TYPES.join(", ")
            ));
        }
        () if !has(&["blocks.", "patch_embedding.", "head.head."]) => {
            let first = tensors.clone().next().map_or("none at all", |(name, _)| name);
            return Some(format!(
                "holds no tensor of a WanModel, but such as {:?}: {TAKE_ANOTHER}",
                shown(Some(first))
            ));
        }
        () => return None,
    };
    Some(format!("holds {what}: {way}"))
}

/// A name that a file gives itself, as far as anybody reads it.
fn shown(name: Option<&str>) -> String {
    cut(name.unwrap_or_default(), LONGEST_NAME)
}

/// Characters of a name in a message.
const LONGEST_NAME: usize = 100;

/// The classes of the networks that are computed.
const CLASSES: [&str; 2] = ["WanModel", "WanTransformer3DModel"];
/// Their model types; the last is Wan2GP's name for an `i2v` without CLIP.
const MODEL_TYPES: [&str; 4] = ["t2v", "i2v", "ti2v", "i2v2_2"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_known_by_its_first_bytes() {
        for (head, words) in [
            (&b""[..], "is empty"),
            (b"version https://git-lfs.github.com/spec/v1\n", "git lfs pull"),
            (b"\n<!DOCTYPE HTML>", "HTML page"),
            (b"<?xml version", "XML"),
            (b"{\"error\": \"not found\"}", "JSON"),
            (b"GGUF\x03\0\0\0", "GGUF"),
            (b"PK\x03\x04", "pickle"),
            (b"\x80\x02}q", "pickle"),
            (b"\x1f\x8b\x08", "unpack"),
        ] {
            assert!(file(head).is_some_and(|told| told.contains(words)), "{words}: {:?}", file(head));
        }
        assert_eq!(file(b"\x10\0\0\0\0\0\0\0{\"a\""), None);
    }

    #[test]
    fn another_network_is_known_by_what_it_declares_or_holds() {
        let of = |class, kind, name| network(class, kind, [(name, Dtype::F32)].into_iter()).unwrap_or_default();
        assert!(of(Some("VaceWanModel"), Some("vace"), "a").contains("VACE"));
        assert!(of(None, None, "vace_blocks.0.after_proj.bias").contains("VACE"));
        assert!(of(Some("WanModel"), Some("t2v"), "blocks.0.ffn.0.lora_A.weight").contains("LoRA"));
        assert!(of(Some("FluxTransformer2DModel"), None, "a").contains("FluxTransformer2DModel"));
        assert!(of(None, Some("x2v"), "a").contains("\"x2v\", which is none of t2v"));
        assert_eq!(of(Some("WanModel"), Some("ti2v"), "blocks.0.ffn.0.weight"), "");
        assert!(of(None, None, "decoder.conv1.weight").contains("a VAE"));
        assert!(of(None, None, "token_embedding.weight").contains("a text encoder"));
        assert!(
            of(None, None, "double_blocks_x")
                .contains("holds no tensor of a WanModel, but such as \"double_blocks_x\"")
        );
        assert!(of(Some(&"x".repeat(100_000)), None, "a").len() < 300);
    }
}
