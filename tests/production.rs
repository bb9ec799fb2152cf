//! What is told and decided before a network is loaded: plans, what does not fit, profiles. Fake workers, exact figures.

mod support;

use std::path::Path;

use wanbench::wan::Spec;

use support::{Project, READY, UNLESS_PROBED, checkpoint, say, worker};

const RATES: &str = r#"{"gemm_flops_per_second":1e9,"copy_bytes_per_second":1e18}"#;

/// A worker that also answers `rate` and `profile`; its matrix products run at 1 GFLOP/s.
fn knowing(seconds: f64) -> String {
    let parts = [
        r#"{"part":{"block":null,"kind":"patch"},"seconds":[0.1]}"#,
        r#"{"part":{"block":0,"kind":"self_attention"},"seconds":[0.3]}"#,
    ];
    let profiled =
        format!(r#"{{"type":"profiled","step_seconds":[0.5],"parts":[{}],"rates":{RATES}}}"#, parts.join(","));
    let loaded = r#"{"type":"loaded","model_bytes":8,"seconds":0.1}"#;
    let rated = say(&format!(r#"{{"type":"rated","rates":{RATES}}}"#));
    let asked = format!(
        r#"case "$request" in *'"type":"rate"'*) {rated}; exit;; *'"type":"profile"'*) {}; {}; exit;; esac"#,
        say(loaded),
        say(&profiled)
    );
    worker(seconds, 4000).replacen(UNLESS_PROBED, &format!("{UNLESS_PROBED}\n{asked}"), 1)
}

/// A suite with a workload of four patches, and one whose activations alone take gigabytes.
fn project() -> Project {
    let project = Project::new(&[("slow", &knowing(0.2)), ("fast", &knowing(0.1))]);
    let config = std::fs::read_to_string(project.path("config.toml")).unwrap();
    let large = "[[suites.tiny.workloads]]\nframes = 81\nsteps = 2\nlatent = [100, 60, 104]\n\n[[suites.tiny.cases]]";
    project.write("config.toml", &config.replacen("[[suites.tiny.cases]]", large, 1));
    project
}

#[test]
fn a_plan_tells_tokens_work_memory_time_and_what_does_not_fit() {
    let project = project();
    let ran = project.wanbench(&["plan", "--memory", "4", "--format", "json"]);
    assert_eq!(ran.status, 0, "{}", ran.stderr);
    let plan: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
    let cases = plan["cases"].as_array().unwrap();
    assert_eq!(cases.len(), 4);
    let small = &cases[0];
    assert_eq!((&small["case"]["name"], &small["forecast"]["tokens"]), (&"slow/5f/none".into(), &1.into()));
    assert_eq!(small["forecast"]["model_bytes"], 99_164_288);
    let flops = small["forecast"]["work"]["flops"].as_f64().unwrap();
    let step = small["step_seconds"].as_f64().unwrap();
    assert!((step * 1e9 / flops - 1.0).abs() < 1e-6, "{step}");
    // Three launches, each of the case and its control, of one warm-up pass and two steps.
    assert!((small["most_seconds"].as_f64().unwrap() / step - 18.0).abs() < 1e-9);
    assert!((cases[1]["most_seconds"].as_f64().unwrap() / step - 9.0).abs() < 1e-9);
    let large = &cases[2];
    assert_eq!((&large["forecast"]["tokens"], &large["skipped"]["has_bytes"]), (&156_000.into(), &(4u64 << 30).into()));
    assert!(large["most_seconds"].is_null());

    let text = project.wanbench(&["plan", "--memory", "4"]).stdout;
    assert!(text.contains("skipped: needs 5.6 GiB, has 4.0 GiB"), "{text}");
    assert!(text.contains("2 of 4 cases would be skipped."), "{text}");
    assert!(text.contains("slow in f32: matrix products at 0.00 TFLOP/s"), "{text}");
}

#[test]
fn a_plan_without_workers_leaves_the_time_out() {
    let silent = format!("{READY}\nexit 3");
    let ran = Project::new(&[("silent", &silent)]).wanbench(&["plan"]);
    assert_eq!(ran.status, 0, "{}", ran.stderr);
    assert!(ran.stdout.contains("rates unknown"), "{}", ran.stdout);
    assert!(ran.stdout.contains("Every case fits."), "{}", ran.stdout);
}

#[test]
fn what_does_not_fit_is_skipped_and_that_is_no_pass_where_the_baseline_has_it() {
    let project = project();
    // All fit, and both workloads go into the baseline.
    let ran = project.wanbench(&["run"]);
    assert_eq!(ran.status, 0, "{}{}", ran.stdout, ran.stderr);
    project.pretend_release_build();
    let recorded = project.wanbench(&["baseline", "update", "--from", "results.json", "--yes"]);
    assert_eq!(recorded.status, 0, "{}", recorded.stderr);

    let ran = project.wanbench(&["check", "--memory", "4"]);
    assert_eq!(ran.status, 3, "{}{}", ran.stdout, ran.stderr);
    assert!(ran.stdout.contains("needs 5.6 GiB, has 4.0 GiB"), "{}", ran.stdout);
    let results = project.json("results.json");
    let cases = results["cases"].as_array().unwrap();
    assert_eq!(cases[0]["launches"].as_array().unwrap().len(), 3);
    assert!(cases[2]["launches"].as_array().unwrap().is_empty() && cases[2]["skipped"].is_object());

    // Recording leaves what was skipped as it was.
    project.pretend_release_build();
    let before = project.json(&project.machine_baseline());
    let recorded = project.wanbench(&["baseline", "update", "--from", "results.json", "--yes"]);
    assert_eq!(recorded.status, 0, "{}", recorded.stderr);
    let after = project.json(&project.machine_baseline());
    assert_eq!(before["cases"]["slow/81f/none"], after["cases"]["slow/81f/none"]);

    // Where no baseline has it, it is told and passes; where nothing at all fits, nothing was measured.
    std::fs::remove_dir_all(project.path("baselines")).unwrap();
    let ran = project.wanbench(&["check", "--memory", "4"]);
    assert_eq!(ran.status, 0, "{}{}", ran.stdout, ran.stderr);
    let ran = project.wanbench(&["run", "--memory", "4", "--frames", "81"]);
    assert_eq!(ran.status, 3, "{}{}", ran.stdout, ran.stderr);
}

#[test]
fn a_profile_is_told_as_tables_and_as_json() {
    let project = project();
    let ran = project.wanbench(&["profile", "fast/5f/none", "--passes", "1"]);
    assert_eq!(ran.status, 0, "{}", ran.stderr);
    assert!(ran.stdout.contains("fast/5f/none: 500 ms as a step takes it"), "{}", ran.stdout);
    assert!(ran.stdout.contains("are not those of the step"), "0.4 s of 0.5 s: {}", ran.stdout);
    let json = project.wanbench(&["profile", "fast/5f/none", "--passes", "1", "--format", "json"]).stdout;
    let profile: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(profile["parts"][1]["part"]["kind"], "self_attention");
    let ran = project.wanbench(&["profile", "fast/81f/none", "--memory", "4"]);
    assert_eq!(ran.status, 3, "{}", ran.stderr);
    assert!(ran.stderr.contains("does not fit into memory: needs 5.6 GiB, has 4.0 GiB"), "{}", ran.stderr);
    let ran = project.wanbench(&["profile", "fast/5f/none", "--expert", "high"]);
    assert_eq!(ran.status, 2);
    assert!(ran.stderr.contains("runs the built-in model, which has only one network"), "{}", ran.stderr);
    let ran = project.wanbench(&["profile", "fast/6f/none"]);
    assert_eq!(ran.status, 2);
    assert!(ran.stderr.contains("no case `fast/6f/none`; suite `tiny` has slow/5f/none"), "{}", ran.stderr);
}

/// The sizes of production's networks.
fn production() -> Spec {
    Spec {
        dim: 5120,
        ffn_dim: 13824,
        num_heads: 40,
        num_layers: 40,
        in_dim: 36,
        out_dim: 16,
        freq_dim: 256,
        text_dim: 4096,
        text_len: 512,
        ..Spec::synthetic()
    }
}

#[test]
fn the_shipped_suite_is_planned_for_production() {
    let project = Project::new(&[("unused", "")]);
    for expert in ["low_noise_model", "high_noise_model"] {
        checkpoint::write_headers(&project.path(&format!("lingbot/{expert}")), &production());
    }
    let config = Path::new(env!("CARGO_MANIFEST_DIR")).join("config.toml");
    let plan = |more: &[&str]| {
        let all = ["plan", "--device", "cpu", "--ckpt-dir", "lingbot", "--memory", "36", "--format", "json"];
        let ran = project.wanbench(&[&all[..], &["--config", config.to_str().unwrap()], more].concat());
        assert_eq!(ran.status, 0, "{}", ran.stderr);
        serde_json::from_str::<serde_json::Value>(&ran.stdout).unwrap()
    };
    let whole = plan(&[]);
    let cases = whole["cases"].as_array().unwrap();
    assert_eq!(cases.len(), 2 * 4);
    let first = &cases[0];
    assert_eq!((&first["case"]["name"], &first["forecast"]["tokens"]), (&"torch/480p-41f/none".into(), &17_160.into()));
    // 18.5 billion parameters, 69 GiB of f32.
    assert_eq!(first["forecast"]["model_bytes"].as_u64().unwrap() >> 30, 69);
    assert_eq!(first["skipped"]["has_bytes"], 36u64 << 30);

    let planned = plan(&["--frames", "41", "--steps", "20", "--quant", "nf4", "--dtype", "bf16", "--expert", "both"]);
    let cases = planned["cases"].as_array().unwrap();
    let of = |name: &str| cases.iter().find(|case| case["case"]["name"] == name).unwrap_or_else(|| panic!("no {name}"));
    let [resident, swapped] = ["both", "swap"].map(|experts| of(&format!("mlx/480p-41f-{experts}/nf4/bf16")));
    let bytes = |case: &serde_json::Value| case["forecast"]["model_bytes"].as_u64().unwrap();
    assert_eq!(bytes(resident), 2 * bytes(swapped));
}

#[test]
fn quantizing_what_does_not_fit_is_refused_before_it_begins() {
    let project = Project::new(&[("unused", "")]);
    checkpoint::write_headers(&project.path("lingbot/low_noise_model"), &production());
    let quantize = ["quantize", "--device", "cpu", "--ckpt-dir", "lingbot", "--quant", "int8", "--out", "saved"];
    let ran = project.wanbench(&[&quantize[..], &["--memory", "8"]].concat());
    assert_eq!(ran.status, 3, "{}", ran.stderr);
    assert!(ran.stderr.contains("does not fit into memory as int8: needs 21 GiB, has 8.0 GiB"), "{}", ran.stderr);
    assert!(!project.path("saved").exists());
}
