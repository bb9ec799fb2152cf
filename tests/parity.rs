//! Both backends run the right network: golden cases, model bytes, repeatable outputs. Needs both workers.
#![cfg(all(feature = "mlx", feature = "torch"))]

mod support;

use std::path::{Path, PathBuf};

use serde_json::Value;
use support::Project;
use wanbench::wan::{DType, Quant, Spec, quant};

// Named so that cargo builds them before this test runs; wanbench finds them beside itself.
const WORKERS: [&str; 2] = [env!("CARGO_BIN_EXE_wanbench-mlx"), env!("CARGO_BIN_EXE_wanbench-torch")];

fn root() -> &'static Path {
    assert!(WORKERS.iter().all(|worker| Path::new(worker).exists()));
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// A project with the real backends: `cases` as in config.toml, one launch of one step on a tiny latent.
fn project(cases: &[(&str, &str, &str)]) -> Project {
    let project = Project::new(&[("unused", "")]);
    let mut config = "[default_suite]\ngpu = \"tiny\"\ncpu = \"tiny\"\n[suites.tiny]\nmodel = \"synthetic\"\n\
        reference = \"torch\"\nlaunches = 2\nwarmup_steps = 1\ncanary = false\n\
        [[suites.tiny.workloads]]\nframes = 5\nsteps = 2\nlatent = [2, 6, 4]\n"
        .to_owned();
    for (backend, quants, dtypes) in cases {
        config += &format!("[[suites.tiny.cases]]\nbackend = \"{backend}\"\nquants = {quants}\ndtypes = {dtypes}\n");
    }
    project.write("config.toml", &config);
    project
}

fn golden(folder: &Path, more: &[&str]) -> support::Ran {
    let config = root().join("config.toml");
    let arguments =
        ["parity", "--device", "cpu", "--config", config.to_str().unwrap(), "--golden", folder.to_str().unwrap()];
    Project::new(&[("unused", "")]).wanbench(&[&arguments, more].concat())
}

#[test]
fn golden_cases_agree_on_every_backend_and_quantization() {
    for case in ["i2v", "i2v_camera"] {
        let ran = golden(&root().join("tests/golden/wan").join(case), &[]);
        assert_eq!(ran.status, 0, "{case}\n{}{}", ran.stdout, ran.stderr);
        // torch none; mlx none, int8, nf4, int4, nvfp4, mxfp4.
        assert_eq!(ran.stdout.matches("agrees").count(), 7, "{}", ran.stdout);
    }
}

/// What each golden case's own expectations say of its model's bytes.
#[test]
fn golden_models_take_the_bytes_that_were_recorded() {
    for case in ["i2v", "i2v_camera"] {
        let folder = root().join("tests/golden/wan").join(case);
        let spec = wanbench::wan::Checkpoint::open(&folder).unwrap().spec;
        let expected: Value = serde_json::from_slice(&std::fs::read(folder.join("expected.json")).unwrap()).unwrap();
        for (name, bytes) in expected["model_bytes_f32"].as_object().unwrap() {
            let quant: Quant = serde_json::from_value(name.as_str().into()).unwrap();
            assert_eq!(quant::model_bytes(&spec, quant, DType::F32), bytes.as_u64().unwrap(), "{case} {name}");
        }
    }
}

#[test]
fn a_wrong_output_is_a_failure() {
    let copy = copy_of("i2v");
    // Another case's recorded outputs: same names, other values.
    let path = copy.path().join("outputs.safetensors");
    let mut bytes = std::fs::read(&path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle..].iter_mut().step_by(4).for_each(|byte| *byte ^= 0x40);
    bytes[middle..].iter_mut().skip(3).step_by(4).for_each(|byte| *byte ^= 0x80);
    std::fs::write(&path, bytes).unwrap();
    let ran = golden(copy.path(), &[]);
    assert_eq!(ran.status, 1, "{}{}", ran.stdout, ran.stderr);
    assert!(ran.stdout.contains("DIFFERS"), "{}", ran.stdout);
}

#[test]
fn backend_and_quantization_can_be_chosen() {
    let folder = root().join("tests/golden/wan/i2v");
    let ran = golden(&folder, &["--backend", "mlx", "--quant", "int8"]);
    assert_eq!((ran.status, ran.stdout.matches("agrees").count()), (0, 1), "{}{}", ran.stdout, ran.stderr);
    let ran = golden(&folder, &["--backend", "torch", "--quant", "int8"]);
    assert_eq!(ran.status, 2, "{}", ran.stderr);
}

#[test]
fn model_bytes_are_those_of_the_definition_to_the_byte() {
    let quants = r#"["none", "int8", "nf4", "int4", "nvfp4", "mxfp4"]"#;
    let project =
        project(&[("torch", r#"["none"]"#, r#"["f32", "f16", "bf16"]"#), ("mlx", quants, r#"["f32", "f16", "bf16"]"#)]);
    let ran = project.wanbench(&["run", "--device", "cpu", "--launches", "1"]);
    assert_eq!(ran.status, 0, "{}{}", ran.stdout, ran.stderr);
    let results = project.json("results.json");
    let cases = results["cases"].as_array().unwrap();
    assert_eq!(cases.len(), 3 + 6 * 3);
    for case in cases {
        let quant: Quant = serde_json::from_value(case["case"]["quant"].clone()).unwrap();
        let dtype: DType = serde_json::from_value(case["case"]["dtype"].clone()).unwrap();
        let expected = quant::model_bytes(&Spec::synthetic(), quant, dtype);
        assert_eq!(measured(case, 0)["model_bytes"], expected, "{}", case["case"]["name"]);
    }
}

#[test]
fn launches_of_a_case_give_the_same_output() {
    let project = project(&[("torch", r#"["none"]"#, r#"["f32"]"#), ("mlx", r#"["none", "int8"]"#, r#"["f32"]"#)]);
    let ran = project.wanbench(&["run", "--device", "cpu"]);
    assert_eq!(ran.status, 0, "{}{}", ran.stdout, ran.stderr);
    let results = project.json("results.json");
    for case in results["cases"].as_array().unwrap() {
        let digest = &measured(case, 0)["output"];
        assert_eq!(digest["elements"], 8 * 2 * 6 * 4);
        assert_eq!(digest, &measured(case, 1)["output"], "{}", case["case"]["name"]);
    }
}

#[test]
fn backends_agree_with_each_other() {
    let quants = r#"["none", "int8", "nf4", "nvfp4", "mxfp4"]"#;
    let project =
        project(&[("torch", r#"["none"]"#, r#"["f32", "bf16"]"#), ("mlx", quants, r#"["f32", "f16", "bf16"]"#)]);
    let ran = project.wanbench(&["parity", "--device", "cpu"]);
    assert_eq!(ran.status, 0, "{}{}", ran.stdout, ran.stderr);
    assert_eq!(ran.stdout.matches("agrees").count(), 16, "{}", ran.stdout);
}

#[test]
fn a_gpu_that_is_not_there_is_named_with_the_way_out() {
    if cfg!(target_os = "macos") || Path::new("/dev/nvidia0").exists() {
        return;
    }
    let project = project(&[("torch", r#"["none"]"#, r#"["f32"]"#), ("mlx", r#"["none"]"#, r#"["f32"]"#)]);
    let ran = project.wanbench(&["run", "--device", "gpu"]);
    assert_eq!(ran.status, 3);
    assert!(ran.stdout.matches("--device cpu").count() >= 2, "{}", ran.stdout);
}

fn measured(case: &Value, launch: usize) -> &Value {
    &case["launches"][launch]["outcome"]["measured"]
}

fn copy_of(case: &str) -> tempfile::TempDir {
    let copy = tempfile::tempdir().unwrap();
    let source: PathBuf = root().join("tests/golden/wan").join(case);
    for file in std::fs::read_dir(source).unwrap() {
        let path = file.unwrap().path();
        std::fs::copy(&path, copy.path().join(path.file_name().unwrap())).unwrap();
    }
    copy
}
