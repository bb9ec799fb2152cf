//! The two networks, written apart, agree on architectures that no golden case has. Needs both workers.
#![cfg(all(feature = "mlx", feature = "torch"))]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use std::time::Duration;

use safetensors::tensor::{Dtype, TensorView};
use wanbench::evidence::parity::relative_error;
use wanbench::protocol::{self, DeviceChoice, Forward, Job};
use wanbench::runner::{self, Deadline, Interruptions, Program};
use wanbench::wan::params::params;
use wanbench::wan::spec::ModelType;
use wanbench::wan::tensor_file::TensorFile;
use wanbench::wan::{Checkpoint, DType, Quant, Spec, synthetic};

const WORKERS: [&str; 2] = [env!("CARGO_BIN_EXE_wanbench-mlx"), env!("CARGO_BIN_EXE_wanbench-torch")];

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
        let request = Forward { protocol: protocol::VERSION, job, t: 871.5 };
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
