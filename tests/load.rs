//! Results of a size that nobody has yet: 5,000 cases with 10 launches of 20 steps.

use std::collections::BTreeMap;
use std::path::Path;

use wanbench::config::{Case, Workload, link_references};
use wanbench::machine::Machine;
use wanbench::protocol::{Device, DeviceKind, Digest, Rates};
use wanbench::store::record::{CaseRecord, Launch, Measured, Outcome, RunRecord, SCHEMA, Tool};
use wanbench::wan::{DType, Experts, Quant};

const WORKLOADS: usize = 1250;
const LAUNCHES: usize = 10;
const STEPS: usize = 20;

#[test]
fn five_thousand_cases_take_less_than_20_mb_and_read_back_the_same() {
    // It stays there, for the time and memory of `wanbench report` on it.
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join("load.json");
    let record = record();
    assert_eq!(record.cases.len(), 5000);
    record.save(&path).unwrap();
    let bytes = path.metadata().unwrap().len();
    assert!(bytes < 20_000_000, "{bytes} bytes");
    assert!(RunRecord::open(&path).unwrap() == record);
}

#[test]
fn a_few_cases_are_plain_json() {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join("few.json");
    let record = record();
    let record = RunRecord { cases: record.cases[..8].to_vec(), ..record };
    record.save(&path).unwrap();
    let value: serde_json::Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    assert_eq!(value["cases"].as_array().unwrap().len(), 8);
}

fn record() -> RunRecord {
    let backends = [("torch", Quant::None), ("mlx", Quant::None), ("mlx", Quant::Int8), ("mlx", Quant::Nf4)];
    let workloads = (0..WORKLOADS).map(workload);
    let mut cases: Vec<Case> = workloads
        .flat_map(|workload| backends.map(|(backend, quant)| Case::new(backend, workload.clone(), quant, DType::F32)))
        .collect();
    link_references(&mut cases, "torch");
    // The same in every run; no two figures are alike.
    let mut state = 42_u64;
    let mut nanoseconds = move || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        25_000_000 + (state >> 44)
    };
    let record = |case: &Case| {
        let launches = (0..LAUNCHES).map(|block| launch(block, &mut nanoseconds));
        CaseRecord { launches: launches.collect(), ..CaseRecord::new(case) }
    };
    RunRecord {
        schema: SCHEMA,
        started: "2026-03-01T12:34:56Z".parse().unwrap(),
        tool: Tool { version: "0.1.0".to_owned(), commit: None, debug_build: false, environment: Default::default() },
        machine: Machine {
            chip: "Apple M3 Ultra".to_owned(),
            cpu_cores: Some(32),
            gpu_cores: Some(80),
            gpu: None,
            memory_gib: 512,
            os: "macos".to_owned(),
        },
        device: DeviceKind::Gpu,
        suite: "wide".to_owned(),
        seed: 0,
        launches: LAUNCHES,
        warmup_steps: 2,
        wall_seconds: 86_400.0,
        interrupted: false,
        ended_early: None,
        side_by_side: true,
        base: None,
        is_selection: false,
        canary: None,
        warnings: Vec::new(),
        cases: cases.iter().map(record).collect(),
    }
}

fn workload(index: usize) -> Workload {
    Workload {
        name: format!("{index}f"),
        model: "synthetic".to_owned(),
        frames: 41,
        steps: STEPS,
        latent: [12, 30, 52],
        text_rows: 100,
        camera: true,
        experts: Experts::Low,
    }
}

fn launch(block: usize, nanoseconds: &mut impl FnMut() -> u64) -> Launch {
    let mut seconds = || nanoseconds() as f64 / 1e9;
    let rates = Rates { gemm_flops_per_second: 1e12 / seconds(), copy_bytes_per_second: 1e10 / seconds() };
    let versions = [("libtorch", "2.9.1"), ("tch", "0.26.0"), ("wanbench-torch", "0.1.0")];
    let measured = Measured {
        device: Device { kind: DeviceKind::Gpu, name: "metal".to_owned(), memory: None },
        versions: BTreeMap::from(versions.map(|(name, version)| (name.to_owned(), version.to_owned()))),
        model_bytes: 99_164_288,
        startup_seconds: seconds(),
        load_seconds: seconds(),
        quantize_seconds: None,
        load_peak_bytes: Some(400_000_000),
        warmup_seconds: seconds(),
        step_seconds: (0..STEPS).map(|_| seconds()).collect(),
        wake_seconds: Vec::new(),
        switch_seconds: None,
        rates: Some(rates),
        framework_peak_bytes: Some(200_000_000),
        process_peak_bytes: Some(500_000_000),
        output: Some(Digest { sha256: "5e".repeat(32), elements: 299_520, norm: 500.0 + seconds() }),
    };
    Launch { block, position: 0, wall_seconds: seconds(), outcome: Outcome::Measured(measured) }
}
