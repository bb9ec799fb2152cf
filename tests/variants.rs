//! The two networks, written apart, agree on architectures that no golden case has. Needs both workers.
#![cfg(all(feature = "mlx", feature = "torch"))]

mod support;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use std::time::Duration;

use safetensors::tensor::{Dtype, TensorView};
use support::{checkpoint, reference};
use wanbench::evidence::parity::relative_error;
use wanbench::protocol::{self, DeviceChoice, Forward, Job};
use wanbench::runner::{self, Deadline, Interruptions, Program};
use wanbench::wan::inputs::HostTensor;
use wanbench::wan::params::params;
use wanbench::wan::spec::ModelType;
use wanbench::wan::tensor_file::TensorFile;
use wanbench::wan::{Checkpoint, DType, Inputs, Quant, Spec, synthetic};

const WORKERS: [&str; 2] = [env!("CARGO_BIN_EXE_wanbench-mlx"), env!("CARGO_BIN_EXE_wanbench-torch")];

/// The timestep of every pass.
const T: f32 = 871.5;

fn small() -> Spec {
    Spec { dim: 128, ffn_dim: 192, num_heads: 4, num_layers: 2, text_dim: 64, text_len: 24, ..Spec::synthetic() }
}

/// One variant: a seeded checkpoint and inputs in a folder of their own.
struct Variant {
    folder: tempfile::TempDir,
    spec: Spec,
    checkpoint: PathBuf,
    inputs: PathBuf,
}

impl Variant {
    fn new(spec: Spec, latent: [usize; 3], text_rows: usize, camera: bool) -> Self {
        spec.validate().unwrap();
        let folder = tempfile::tempdir().unwrap();
        let checkpoint = synthetic::checkpoint(folder.path(), &spec, 1).unwrap();
        let inputs = synthetic::inputs(folder.path(), &spec, latent, text_rows, camera, 1).unwrap();
        Self { folder, spec, checkpoint, inputs }
    }

    fn output(&self, worker: &str, quant: Quant) -> Vec<f32> {
        let output = self.folder.path().join("output.safetensors");
        let job = Job {
            case: "variant".to_owned(),
            checkpoint: self.checkpoint.clone(),
            quantized: None,
            spec: self.spec.clone(),
            quant,
            dtype: DType::F32,
            device: DeviceChoice::Cpu,
            inputs: self.inputs.clone(),
            output: Some(output.clone()),
        };
        let program = Program { command: vec![worker.to_owned()], folder: None };
        let request = Forward { protocol: protocol::VERSION, job, t: T };
        runner::forward(&program, &request, Deadline::of_launch(Duration::from_secs(120)), &Interruptions::new())
            .unwrap();
        TensorFile::open(&output).unwrap().tensor("output").unwrap().to_f32().unwrap()
    }

    fn agrees(&self) {
        let [mlx, torch] = WORKERS.map(|worker| self.output(worker, Quant::None));
        let error = relative_error(&mlx, &torch);
        assert!(error <= 1e-5, "{error:e} for {:?}", self.spec);
    }
}

#[test]
fn text_to_video_without_camera_layers() {
    Variant::new(
        Spec { model_type: ModelType::T2v, in_dim: 16, out_dim: 16, camera: false, ..small() },
        [3, 4, 6],
        24,
        false,
    )
    .agrees();
}

#[test]
fn patches_that_span_frames_and_heads_whose_pairs_do_not_divide_by_three() {
    // Head width 20: ten pairs, split four, three, three.
    let spec = Spec { patch_size: [2, 1, 3], dim: 60, num_heads: 3, ffn_dim: 100, freq_dim: 10, ..small() };
    Variant::new(spec.clone(), [4, 3, 9], 7, false).agrees();
    Variant::new(spec, [2, 5, 6], 24, true).agrees();
}

#[test]
fn one_token_and_a_single_row_of_text() {
    Variant::new(small(), [1, 2, 2], 1, true).agrees();
}

/// Weights in half precision are widened to f32 before anything is computed, on both backends.
/// Wan2.1's I2V: a network that is conditioned on CLIP's features of an image.
fn with_image() -> Variant {
    let spec = Spec { camera: false, patch_size: [1, 2, 2], image_dim: Some(64), ..small() };
    Variant::new(spec, [2, 4, 6], 10, false)
}

#[test]
fn an_image_is_attended_to_as_in_the_network_written_out_in_float64() {
    let variant = with_image();
    let (checkpoint, inputs) = (Checkpoint::open(&variant.checkpoint).unwrap(), Inputs::open(&variant.inputs).unwrap());
    assert_eq!(checkpoint.spec, variant.spec);
    let expected = reference::velocity(&checkpoint, &inputs, T);
    let outputs = WORKERS.map(|worker| variant.output(worker, Quant::None));
    for (worker, output) in WORKERS.iter().zip(&outputs) {
        let error = reference::relative_error(output, &expected);
        assert!(error < 1e-5, "{worker}: {error:e}");
    }
    variant.agrees();
    // The image matters: another one gives another output, by far.
    let without = Inputs {
        image: inputs.image.clone().map(|image| HostTensor { data: vec![0.5; image.data.len()], ..image }),
        ..inputs
    };
    let other = reference::velocity(&checkpoint, &without, T);
    assert!(reference::relative_error(&outputs[0], &other) > 1e-3);
    let int8 = variant.output(WORKERS[0], Quant::Int8);
    let error = reference::relative_error(&int8, &expected);
    assert!(error > 1e-4 && error < 0.05, "{error:e}");
}

#[test]
fn the_same_image_network_is_computed_under_diffusers_names() {
    let mut variant = with_image();
    let expected = WORKERS.map(|worker| variant.output(worker, Quant::None));
    let folder = variant.folder.path().join("transformer");
    std::fs::create_dir(&folder).unwrap();
    let file = variant.checkpoint.join("diffusion_pytorch_model.safetensors");
    let bytes = std::fs::read(&file).unwrap();
    let tensors = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    let renamed = tensors.tensors().into_iter().map(|(name, view)| (checkpoint::in_diffusers(&name), view));
    safetensors::serialize_to_file(renamed, None, &folder.join("diffusion_pytorch_model.safetensors")).unwrap();
    let Spec { num_heads, num_layers, ffn_dim, freq_dim, in_dim, out_dim, .. } = variant.spec;
    let config = serde_json::json!({
        "_class_name": "WanTransformer3DModel", "attention_head_dim": variant.spec.head_dim(), "num_attention_heads": num_heads,
        "num_layers": num_layers, "ffn_dim": ffn_dim, "freq_dim": freq_dim, "in_channels": in_dim, "out_channels": out_dim,
        "eps": variant.spec.eps, "image_dim": 64, "added_kv_proj_dim": variant.spec.dim,
    });
    std::fs::write(folder.join("config.json"), config.to_string()).unwrap();
    variant.checkpoint = folder;
    variant.spec = Checkpoint::open(&variant.checkpoint).unwrap().spec;
    assert_eq!(variant.spec.text_len, 512, "diffusers declares none");
    // With more padding of the text than Wan's own declaration asks for, so the output is another one: but the same of both.
    variant.agrees();
    variant.spec.text_len = 24;
    let config = serde_json::to_string(&variant.spec).unwrap();
    std::fs::write(variant.checkpoint.join("config.json"), config).unwrap();
    assert_eq!(WORKERS.map(|worker| variant.output(worker, Quant::None)), expected);
}

#[test]
fn checkpoints_in_half_precision() {
    for dtype in [Dtype::F16, Dtype::BF16] {
        let mut variant = Variant::new(small(), [2, 4, 6], 10, true);
        variant.checkpoint = rewritten(&variant, dtype);
        assert_eq!(Checkpoint::open(&variant.checkpoint).unwrap().tensor("head.head.weight").unwrap().dtype, dtype);
        variant.agrees();
        // Quantized from the widened weights: close to the unquantized output.
        let [plain, int8] = [Quant::None, Quant::Int8].map(|quant| variant.output(WORKERS[0], quant));
        let error = relative_error(&int8, &plain);
        assert!(error > 1e-4 && error < 0.05, "{error:e}");
    }
}

/// The variant's checkpoint again, its tensors rounded to `dtype`.
fn rewritten(variant: &Variant, dtype: Dtype) -> PathBuf {
    let folder = variant.folder.path().join(format!("{dtype:?}"));
    std::fs::create_dir(&folder).unwrap();
    std::fs::copy(variant.checkpoint.join("config.json"), folder.join("config.json")).unwrap();
    let checkpoint = Checkpoint::open(&variant.checkpoint).unwrap();
    let rounded: BTreeMap<String, (Vec<usize>, Vec<u8>)> = params(&variant.spec)
        .into_iter()
        .map(|param| {
            let values = checkpoint.tensor(&param.name).unwrap().to_f32().unwrap();
            let bytes = values.iter().flat_map(|value| match dtype {
                Dtype::F16 => half::f16::from_f32(*value).to_le_bytes(),
                _ => half::bf16::from_f32(*value).to_le_bytes(),
            });
            (param.name, (param.shape, bytes.collect()))
        })
        .collect();
    let views =
        rounded.iter().map(|(name, (shape, bytes))| (name, TensorView::new(dtype, shape.clone(), bytes).unwrap()));
    safetensors::serialize_to_file(views, None, Path::new(&folder.join("diffusion_pytorch_model.safetensors")))
        .unwrap();
    folder
}
