//! Checkpoints of every form, made in folders of their own.

use std::fs;

use super::files::WEIGHTS;
use super::*;
use crate::wan::inputs::HostTensor;
use crate::wan::spec::ModelType;
use crate::wan::synthetic;

fn spec() -> Spec {
    Spec { dim: 64, ffn_dim: 64, num_heads: 2, num_layers: 1, text_dim: 64, ..Spec::synthetic() }
}

/// A checkpoint folder of `spec` whose tensors were changed.
fn folder(spec: &Spec, change: impl FnOnce(&mut Vec<(String, HostTensor)>)) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let zeros = |shape: &[usize]| HostTensor { shape: shape.to_vec(), data: vec![0.0; shape.iter().product()] };
    let mut tensors = params(spec).into_iter().map(|param| (param.name, zeros(&param.shape))).collect();
    change(&mut tensors);
    synthetic::write_tensors(&folder.path().join(WEIGHTS), &tensors).unwrap();
    fs::write(folder.path().join("config.json"), serde_json::to_string(spec).unwrap()).unwrap();
    folder
}

fn error(folder: &tempfile::TempDir) -> String {
    Checkpoint::open(folder.path()).err().expect("the checkpoint is faulty").to_string()
}

#[test]
fn every_difference_is_listed() {
    let folder = folder(&spec(), |tensors| {
        tensors.retain(|(name, _)| name != "blocks.0.ffn.0.bias" && name != "patch_embedding.weight");
        tensors.push(("blocks.7.ffn.0.bias".to_owned(), HostTensor { shape: vec![1], data: vec![0.0] }));
        let (_, head) = tensors.iter_mut().find(|(name, _)| name == "head.head.bias").unwrap();
        *head = HostTensor { shape: vec![2, 2], data: vec![0.0; 4] };
    });
    let error = error(&folder);
    for line in [
        "missing: blocks.0.ffn.0.bias",
        "missing: patch_embedding.weight",
        "extra: blocks.7.ffn.0.bias",
        "mis-shaped: head.head.bias is [2, 2], expected [32]",
    ] {
        assert!(error.contains(line), "{error}");
    }
    assert_eq!(error.lines().count(), 5, "{error}");
}

#[test]
fn one_lost_camera_tensor_is_missing_and_no_camera_tensor_is_another_model() {
    let partly = folder(&spec(), |tensors| {
        tensors.retain(|(name, _)| name != "patch_embedding_wancamctrl.weight");
    });
    assert!(error(&partly).contains("missing: patch_embedding_wancamctrl.weight"));
    let without = Spec { camera: false, model_type: ModelType::T2v, patch_size: [2, 2, 1], ..spec() };
    assert_eq!(Checkpoint::open(folder(&without, |_| {}).path()).unwrap().spec, without);
}

#[test]
fn a_truncated_file_is_no_checkpoint() {
    let folder = folder(&spec(), |_| {});
    let path = folder.path().join(WEIGHTS);
    let bytes = fs::read(&path).unwrap();
    fs::write(&path, &bytes[..bytes.len() - 1]).unwrap();
    assert!(error(&folder).contains("not a whole safetensors file"), "{}", error(&folder));
    fs::remove_file(&path).unwrap();
    assert!(error(&folder).contains("holds no weights"), "{}", error(&folder));
}

#[test]
fn a_tensor_that_the_index_promises_must_be_there() {
    let folder = folder(&spec(), |_| {});
    let index = |name: &str, file: &str| {
        fs::write(
            folder.path().join(format!("{WEIGHTS}.index.json")),
            format!(r#"{{"weight_map": {{"{name}": "{file}"}}}}"#),
        )
        .unwrap();
        error(&folder)
    };
    assert!(index("nowhere.weight", WEIGHTS).contains("says that \"nowhere.weight\" is in"));
    assert!(index("head.head.bias", "../other.safetensors").contains("is not a file name"));
    assert!(index("head.head.bias", "lost.safetensors").contains("names the shard \"lost.safetensors\""));
}

/// Renames the weights' file and its tensors.
fn renamed(spec: &Spec, file: &str, rename: impl Fn(&str) -> String) -> tempfile::TempDir {
    let folder = folder(spec, |tensors| tensors.iter_mut().for_each(|(name, _)| *name = rename(name)));
    fs::rename(folder.path().join(WEIGHTS), folder.path().join(file)).unwrap();
    folder
}

/// diffusers' name for one of Wan's.
fn in_diffusers(name: &str) -> String {
    if name == "head.modulation" {
        return "scale_shift_table".to_owned();
    }
    let pairs = [
        ("time_embedding.0", "condition_embedder.time_embedder.linear_1"),
        ("time_embedding.2", "condition_embedder.time_embedder.linear_2"),
        ("time_projection.1", "condition_embedder.time_proj"),
        ("text_embedding.0", "condition_embedder.text_embedder.linear_1"),
        ("text_embedding.2", "condition_embedder.text_embedder.linear_2"),
        ("head.head", "proj_out"),
        (".self_attn.", ".attn1."),
        (".cross_attn.", ".attn2."),
        (".q.", ".to_q."),
        (".k.", ".to_k."),
        (".v.", ".to_v."),
        (".o.", ".to_out.0."),
        (".ffn.0.", ".ffn.net.0.proj."),
        (".ffn.2.", ".ffn.net.2."),
        (".norm3.", ".norm2."),
        (".modulation", ".scale_shift_table"),
    ];
    pairs.iter().fold(name.to_owned(), |name, (ours, theirs)| name.replace(ours, theirs))
}

fn t2v() -> Spec {
    Spec {
        camera: false,
        model_type: ModelType::T2v,
        patch_size: [1, 2, 2],
        dim: 256,
        in_dim: 16,
        out_dim: 16,
        ..spec()
    }
}

#[test]
fn the_same_network_is_read_under_other_names() {
    let spec = t2v();
    let diffusers = renamed(&spec, WEIGHTS, in_diffusers);
    let declared = serde_json::json!({
        "_class_name": "WanTransformer3DModel", "attention_head_dim": 128, "num_attention_heads": 2, "num_layers": 1,
        "ffn_dim": 64, "freq_dim": spec.freq_dim, "in_channels": 16, "out_channels": 16, "eps": 1e-6, "image_dim": null,
        "patch_size": [1, 2, 2], "qk_norm": "rms_norm_across_heads", "cross_attn_norm": true,
    });
    fs::write(diffusers.path().join("config.json"), declared.to_string()).unwrap();
    let read = Checkpoint::open(diffusers.path()).unwrap();
    assert_eq!(read.spec, Spec { text_len: 512, ..spec.clone() }, "diffusers declares no text_len");
    assert_eq!(read.stored_name("blocks.0.norm3.bias"), "blocks.0.norm2.bias");
    assert!(read.tensor("blocks.0.self_attn.o.weight").is_some());

    // ComfyUI's single file declares nothing: the heads follow from Wan's head width, and there is one of another name.
    let comfy = renamed(&spec, "wan_t2v_fp16.safetensors", |name| format!("model.diffusion_model.{name}"));
    fs::remove_file(comfy.path().join("config.json")).unwrap();
    let whole = Checkpoint::open(comfy.path()).unwrap();
    assert_eq!(whole.spec, Spec { text_len: 512, num_heads: 2, ..spec.clone() });
    let file = Checkpoint::open(&comfy.path().join("wan_t2v_fp16.safetensors")).unwrap();
    assert_eq!(file.spec, whole.spec);
}

#[test]
fn shards_without_an_index_are_joined_by_their_names() {
    let spec = t2v();
    let folder = folder(&spec, |_| {});
    let path = |name: &str| folder.path().join(name);
    let stem = "diffusion_pytorch_model-0000";
    for (number, is_mine) in [(1, true), (2, false)] {
        let zeros = |shape: &[usize]| HostTensor { shape: shape.to_vec(), data: vec![0.0; shape.iter().product()] };
        let params = params(&spec).into_iter().filter(|param| param.name.starts_with("blocks.") == is_mine);
        let tensors: Vec<_> = params.map(|param| (param.name, zeros(&param.shape))).collect();
        synthetic::write_tensors(&path(&format!("{stem}{number}-of-00002.safetensors")), &tensors).unwrap();
    }
    fs::remove_file(path(WEIGHTS)).unwrap();
    assert_eq!(Checkpoint::open(folder.path()).unwrap().spec, spec);
    fs::copy(path(&format!("{stem}1-of-00002.safetensors")), path("other.safetensors")).unwrap();
    assert!(error(&folder).contains("several files of weights"), "{}", error(&folder));
    fs::remove_file(path("other.safetensors")).unwrap();
    fs::remove_file(path(&format!("{stem}2-of-00002.safetensors"))).unwrap();
    assert!(error(&folder).contains("lacks shard 2 of the 2"), "{}", error(&folder));
}

#[test]
fn a_refusal_is_short_and_names_what_the_file_is() {
    let other = folder(&spec(), |tensors| {
        for number in 0..2000 {
            tensors.push((format!("unknown.{number}\u{1b}[31m"), HostTensor { shape: vec![1], data: vec![0.0] }));
        }
    });
    let listed = error(&other);
    assert!(
        listed.lines().count() == 12 && listed.ends_with("  and 1990 more") && !listed.contains('\u{1b}'),
        "{listed}"
    );

    let declared = |key: &str, value: serde_json::Value| {
        let folder = folder(&spec(), |_| {});
        let mut config = serde_json::to_value(spec()).unwrap();
        config[key] = value;
        fs::write(folder.path().join("config.json"), config.to_string()).unwrap();
        error(&folder)
    };
    assert!(declared("qk_norm", false.into()).contains("config.json: qk_norm is false"));
    assert!(declared("window_size", vec![21, 21].into()).contains("window_size is [21,21]"));
    assert!(declared("control_type", "act".into()).contains("control_type is \"act\""));
    assert!(declared("_class_name", "VaceWanModel".into()).contains("holds VACE"));

    let pointer = folder(&spec(), |_| {});
    fs::write(pointer.path().join(WEIGHTS), "version https://git-lfs.github.com/spec/v1\noid sha256:0\n").unwrap();
    assert!(error(&pointer).contains("git lfs pull"), "{}", error(&pointer));
    fs::remove_file(pointer.path().join(WEIGHTS)).unwrap();
    fs::write(pointer.path().join("diffusion_pytorch_model.bin"), "PK").unwrap();
    assert!(error(&pointer).contains("holds no .safetensors file"), "{}", error(&pointer));
    let whole = folder(&spec(), |_| {});
    fs::copy(whole.path().join(WEIGHTS), whole.path().join("b.safetensors")).unwrap();
    let index = format!(r#"{{"weight_map": {{"head.head.bias": "{WEIGHTS}", "head.head.weight": "b.safetensors"}}}}"#);
    fs::write(whole.path().join(format!("{WEIGHTS}.index.json")), index).unwrap();
    assert!(error(&whole).contains("is in two files"), "{}", error(&whole));
}
