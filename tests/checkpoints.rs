//! Checkpoints through both workers: loading within its memory, quantizing beforehand, two experts, every fault told.
#![cfg(all(feature = "mlx", feature = "torch"))]

mod support;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use std::time::Duration;

use safetensors::tensor::Dtype;
use serde_json::Value;
use support::{Project, Ran, checkpoint};
use wanbench::protocol::{self, DeviceChoice, Forward, Job, Loaded};
use wanbench::runner::{self, Deadline, Interruptions, Program};
use wanbench::wan::quant::model_bytes;
use wanbench::wan::{Checkpoint, DType, Quant, Spec, synthetic};

const MLX: &str = env!("CARGO_BIN_EXE_wanbench-mlx");
const TORCH: &str = env!("CARGO_BIN_EXE_wanbench-torch");

/// 2 GiB in f32; the largest tensor has 96 MiB.
fn large() -> Spec {
    Spec { dim: 2048, ffn_dim: 8192, num_heads: 16, num_layers: 6, ..Spec::synthetic() }
}

fn small() -> Spec {
    Spec { dim: 128, ffn_dim: 192, num_heads: 2, num_layers: 2, text_dim: 64, text_len: 24, ..Spec::synthetic() }
}

/// The large checkpoint in three shards, written once for all tests.
static LARGE: LazyLock<PathBuf> = LazyLock::new(|| {
    let home = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let folder = home.join("large-checkpoint");
    if !folder.exists() {
        let making = tempfile::tempdir_in(home).unwrap();
        checkpoint::write(&making.path().join("whole"), &large(), Dtype::F32, 3, 0);
        // Another process of tests may have been faster.
        if let Err(error) = fs::rename(making.path().join("whole"), &folder) {
            assert!(folder.exists(), "{error}");
        }
    }
    folder
});

/// What loading a checkpoint told, and the output's SHA-256.
fn forward(worker: &str, checkpoint: &Path, quant: Quant, dtype: DType) -> (Loaded, String) {
    let folder = tempfile::tempdir().unwrap();
    let spec = Checkpoint::open(checkpoint).unwrap().spec;
    let job = Job {
        case: "checkpoint".to_owned(),
        checkpoint: checkpoint.to_owned(),
        quantized: None,
        inputs: synthetic::inputs(folder.path(), &spec, [1, 4, 4], 16, true, 0).unwrap(),
        spec,
        quant,
        dtype,
        device: DeviceChoice::Cpu,
        output: None,
    };
    let program = Program { command: vec![worker.to_owned()], folder: None };
    let request = Forward { protocol: protocol::VERSION, job, t: 500.0 };
    let (_, loaded, done) =
        runner::forward(&program, &request, Deadline::of_launch(Duration::from_secs(300)), &Interruptions::new())
            .unwrap();
    (loaded, done.output.unwrap().sha256)
}

/// What a worker takes beside a model: the peak of loading one of some kilobytes.
fn own_bytes(worker: &str, quant: Quant, dtype: DType) -> u64 {
    let folder = tempfile::tempdir().unwrap();
    checkpoint::write(folder.path(), &small(), Dtype::F32, 1, 0);
    let (loaded, _) = forward(worker, folder.path(), quant, dtype);
    loaded.process_peak_bytes.unwrap() - loaded.model_bytes
}

#[test]
fn loading_takes_the_model_and_one_tensor() {
    let spec = large();
    let largest = Checkpoint::open(&LARGE).unwrap().largest_tensor_bytes();
    assert_eq!(largest, 6 * 2048 * 2048 * 4);
    for (worker, quant, dtype) in [
        (TORCH, Quant::None, DType::F32),
        (TORCH, Quant::None, DType::Bf16),
        (MLX, Quant::None, DType::F32),
        (MLX, Quant::None, DType::F16),
        (MLX, Quant::Int8, DType::F32),
        (MLX, Quant::Nf4, DType::Bf16),
    ] {
        let (loaded, _) = forward(worker, &LARGE, quant, dtype);
        assert_eq!(loaded.model_bytes, model_bytes(&spec, quant, dtype), "{worker} {quant} {dtype}");
        assert_eq!(loaded.quantize_seconds.is_some(), quant != Quant::None);
        let taken = loaded.process_peak_bytes.unwrap() - own_bytes(worker, quant, dtype);
        let allowed = loaded.model_bytes + largest;
        assert!(taken <= allowed, "{worker} {quant} {dtype}: {} MiB of {}", taken >> 20, allowed >> 20);
    }
}

/// A project whose suite runs a checkpoint of the user's, on both backends.
fn project(dtypes: &str) -> Project {
    let project = Project::new(&[("unused", "")]);
    project.write(
        "config.toml",
        &format!(
            "[default_suite]\ngpu = \"own\"\ncpu = \"own\"\ncheckpoint = \"own\"\n\
             [models.mine]\ncheckpoint = \"nowhere\"\n\
             [suites.own]\nmodel = \"mine\"\nreference = \"torch\"\nlaunches = 1\nwarmup_steps = 1\ncanary = false\n\
             [[suites.own.workloads]]\nframes = 5\nsteps = 4\nlatent = [2, 4, 4]\n\
             [[suites.own.cases]]\nbackend = \"torch\"\nquants = [\"none\"]\ndtypes = {dtypes}\n\
             [[suites.own.cases]]\nbackend = \"mlx\"\nquants = [\"none\", \"nf4\"]\ndtypes = {dtypes}\n"
        ),
    );
    project
}

fn measured<'a>(results: &'a Value, case: &str) -> &'a Value {
    let cases = results["cases"].as_array().unwrap();
    let case = cases.iter().find(|found| found["case"]["name"] == case).unwrap_or_else(|| panic!("no {case}"));
    &case["launches"][0]["outcome"]["measured"]
}

/// Load, quantize, save, reload, run: the same output, without quantizing again.
#[test]
fn weights_quantized_beforehand_give_the_same_output() {
    let project = project(r#"["f32"]"#);
    let source = LARGE.to_str().unwrap();
    let run = |more: &[&str]| {
        let arguments =
            ["run", "--device", "cpu", "--ckpt-dir", source, "--quant", "nf4", "--backend", "mlx", "--steps", "1"];
        let ran = project.wanbench(&[&arguments[..], more].concat());
        assert_eq!(ran.status, 0, "{}{}", ran.stdout, ran.stderr);
        measured(&project.json("results.json"), "mlx/5f/nf4").clone()
    };
    let fresh = run(&[]);
    assert!(fresh["quantize_seconds"].is_f64(), "{fresh}");

    let quantize = || {
        project.wanbench(&["quantize", "--device", "cpu", "--ckpt-dir", source, "--quant", "nf4", "--out", "saved/nf4"])
    };
    let ran = quantize();
    assert_eq!(ran.status, 0, "{}{}", ran.stdout, ran.stderr);
    let manifest = project.json("saved/nf4/quantization.json");
    assert_eq!(
        (&manifest["mode"], &manifest["bits"], &manifest["group_size"]),
        (&"affine".into(), &4.into(), &64.into())
    );
    let bytes = fs::metadata(project.path("saved/nf4/model.safetensors")).unwrap().len();
    assert!(bytes - model_bytes(&large(), Quant::Nf4, DType::F32) < 1 << 20, "{bytes}");
    assert_eq!(names(&project.path("saved")), ["nf4"]);
    assert!(quantize().stderr.contains("is up to date"));

    let reloaded = run(&[]);
    assert!(reloaded["quantize_seconds"].is_null(), "{reloaded}");
    assert_eq!(reloaded["output"], fresh["output"]);
    assert_eq!(reloaded["model_bytes"], fresh["model_bytes"]);
    let anew = run(&["--no-cache"]);
    assert!(anew["quantize_seconds"].is_f64(), "{anew}");
    assert_eq!(anew["output"], fresh["output"]);
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn a_touched_source_is_quantized_anew_and_a_broken_save_is_told() {
    let project = project(r#"["f32"]"#);
    checkpoint::write(&project.path("source"), &small(), Dtype::BF16, 2, 0);
    let quantize = |out: &str| {
        let arguments = ["quantize", "--device", "cpu", "--ckpt-dir", "source", "--quant", "nf4", "--out", out];
        let ran = project.wanbench(&arguments);
        assert_eq!(ran.status, 0, "{}{}", ran.stdout, ran.stderr);
    };
    let run =
        || project.wanbench(&["run", "--device", "cpu", "--ckpt-dir", "source", "--filter", "nf4", "--backend", "mlx"]);
    let quantizes = || measured(&project.json("results.json"), "mlx/5f/nf4")["quantize_seconds"].is_f64();
    quantize("one");
    assert_eq!(run().status, 0);
    assert!(!quantizes());
    let config = fs::File::options().append(true).open(project.path("source/config.json")).unwrap();
    config.set_modified(std::time::SystemTime::UNIX_EPOCH).unwrap();
    assert_eq!(run().status, 0);
    assert!(quantizes());

    quantize("two");
    let saved = project.path("two/model.safetensors");
    let bytes = fs::read(&saved).unwrap();
    fs::write(&saved, &bytes[..bytes.len() - 1]).unwrap();
    let ran = run();
    assert_eq!(ran.status, 2, "{}", ran.stderr);
    assert!(ran.stderr.contains("not a whole safetensors file") && ran.stderr.contains("--no-cache"), "{}", ran.stderr);
    let whole = ["quantize", "--ckpt-dir", "two", "--quant", "nf4", "--out", "three"];
    assert!(project.wanbench(&whole).stderr.contains("holds weights quantized as nf4: pass the checkpoint"));
}

#[test]
fn both_experts_run_one_after_the_other_resident_or_not() {
    let project = project(r#"["f32"]"#);
    checkpoint::write(&project.path("both/high_noise_model"), &small(), Dtype::F32, 1, 1);
    checkpoint::write(&project.path("both/low_noise_model"), &small(), Dtype::F32, 2, 2);
    let run = |expert: &str| {
        let ran = project.wanbench(&["run", "--device", "cpu", "--ckpt-dir", "both", "--expert", expert]);
        assert_eq!(ran.status, 0, "{}{}", ran.stdout, ran.stderr);
        project.json("results.json")
    };
    let both = run("both");
    for (backend, quant) in [("torch", "none"), ("mlx", "none"), ("mlx", "nf4")] {
        let resident = measured(&both, &format!("{backend}/5f-both/{quant}"));
        let swapped = measured(&both, &format!("{backend}/5f-swap/{quant}"));
        let quant: Quant = serde_json::from_value(quant.into()).unwrap();
        let bytes = model_bytes(&small(), quant, DType::F32);
        assert_eq!((&resident["model_bytes"], &swapped["model_bytes"]), (&(2 * bytes).into(), &bytes.into()));
        assert!(resident["switch_seconds"].is_f64() && swapped["switch_seconds"].is_f64());
        assert_eq!(resident["output"], swapped["output"], "{backend}: the same networks, however they are held");
    }
    // Each network alone comes to another end than both in turn.
    let output = |results: &Value, name: &str| measured(results, name)["output"]["sha256"].clone();
    let (low, high) = (run("low"), run("high"));
    let (low, high) = (output(&low, "torch/5f/none"), output(&high, "torch/5f-high/none"));
    let both = output(&both, "torch/5f-both/none");
    assert!(both != low && both != high && low != high);
}

#[test]
fn golden_cases_in_half_precision_are_within_what_rounding_costs() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for case in ["i2v", "i2v_camera"] {
        let golden = root.join("tests/golden/wan").join(case);
        let config = root.join("config.toml");
        let ran = Project::new(&[("unused", "")]).wanbench(&[
            "parity",
            "--device",
            "cpu",
            "--config",
            config.to_str().unwrap(),
            "--golden",
            golden.to_str().unwrap(),
            "--dtype",
            "f16",
            "--dtype",
            "bf16",
        ]);
        assert_eq!(ran.status, 0, "{case}\n{}{}", ran.stdout, ran.stderr);
        assert_eq!(ran.stdout.matches("agrees").count(), 14, "{}", ran.stdout);
    }
}

/// Spoils the checkpoint in a folder.
type Fault = Box<dyn FnOnce(&Path)>;

/// What both commands that load a checkpoint say of a faulty one; neither leaves anything behind.
fn told(fault: Fault) -> [Ran; 2] {
    let project = project(r#"["f32"]"#);
    checkpoint::write(&project.path("source"), &small(), Dtype::F32, 3, 0);
    fault(&project.path("source"));
    // The lock is no leftover: it stays for the next.
    let there = || names(&project.path("")).into_iter().filter(|name| name != "lock").collect::<Vec<_>>();
    let before = there();
    [&["run"][..], &["quantize", "--quant", "nf4", "--out", "saved"]].map(|command| {
        let ran = project.wanbench(&[command, &["--device", "cpu", "--ckpt-dir", "source"]].concat());
        assert_eq!(there(), before, "{command:?}: {}", ran.stderr);
        ran
    })
}

/// Replaces the first `from` in a file by `to`, of the same length.
fn edit(folder: &Path, file: &str, from: &str, to: &str) {
    let bytes = fs::read(folder.join(file)).unwrap();
    let at = bytes.windows(from.len()).position(|window| window == from.as_bytes()).unwrap();
    let edited = [&bytes[..at], to.as_bytes(), &bytes[at + from.len()..]].concat();
    fs::write(folder.join(file), edited).unwrap();
}

#[test]
fn faults_of_a_checkpoint_are_told_before_anything_is_loaded() {
    const SHARD: &str = "diffusion_pytorch_model-00002-of-00003.safetensors";
    const LAST_SHARD: &str = "diffusion_pytorch_model-00003-of-00003.safetensors";
    const INDEX: &str = "diffusion_pytorch_model.safetensors.index.json";
    let truncate = |folder: &Path| {
        let bytes = fs::read(folder.join(SHARD)).unwrap();
        fs::write(folder.join(SHARD), &bytes[..bytes.len() / 2]).unwrap();
    };
    let lose = |folder: &Path| fs::remove_file(folder.join(SHARD)).unwrap();
    let rename = |folder: &Path| {
        for file in [LAST_SHARD, INDEX] {
            edit(folder, file, "blocks.1.ffn.0.bias", "blocks.1.ffn.0.bogu");
        }
    };
    let faults: [(Fault, &str); 5] = [
        (Box::new(truncate), "00002-of-00003.safetensors: not a whole safetensors file"),
        (Box::new(lose), "names the shard"),
        (Box::new(|folder| edit(folder, SHARD, "\"F32\"", "\"I32\"")), "wrong dtype: "),
        (Box::new(rename), "extra: blocks.1.ffn.0.bogu"),
        (
            Box::new(|folder| edit(folder, INDEX, "blocks.1.ffn.0.bias", "blocks.1.ffn.9.bias")),
            "says that \"blocks.1.ffn.9.bias\" is in",
        ),
    ];
    for (fault, words) in faults {
        for ran in told(fault) {
            assert_eq!(ran.status, 2, "{words}: {}", ran.stderr);
            assert!(ran.stderr.contains(words), "{words}: {}", ran.stderr);
        }
    }
}

#[test]
fn what_is_no_checkpoint_is_told_with_the_way_out() {
    let project = project(r#"["f32"]"#);
    fs::create_dir(project.path("empty")).unwrap();
    checkpoint::write(&project.path("one"), &small(), Dtype::F32, 1, 0);
    for (arguments, words) in [
        (&["--ckpt-dir", "nowhere"][..], "there is no such file or folder"),
        (&["--ckpt-dir", "empty"], "holds no weights"),
        (&["--ckpt-dir", "one", "--expert", "high"], "is one network"),
        (&["--ckpt-dir", "one", "--frames", "7"], "--frames 7: suite `own` has 5 frames"),
    ] {
        let ran = project.wanbench(&[&["run", "--device", "cpu"], arguments].concat());
        assert_eq!(ran.status, 2, "{arguments:?}: {}", ran.stderr);
        assert!(ran.stderr.contains(words), "{arguments:?}: {}", ran.stderr);
    }
}
