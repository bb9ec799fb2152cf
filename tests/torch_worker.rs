//! What PyTorch's worker owes the protocol beside a right output: memory, two networks, parts. Needs it alone.
#![cfg(feature = "torch")]

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use wanbench::protocol::{
    self, DeviceChoice, Event, FailureKind, Forward, Job, Loaded, Measure, Profile, Quantize, Request, Second, Turn,
};
use wanbench::wan::work::{self, Part};
use wanbench::wan::{Checkpoint, DType, Quant, Spec, synthetic};

const LATENT: [usize; 3] = [2, 4, 4];

fn small() -> Spec {
    Spec { dim: 64, ffn_dim: 96, num_heads: 2, num_layers: 2, text_dim: 32, text_len: 8, ..Spec::synthetic() }
}

/// Seeded networks and inputs in a folder of their own.
struct Place(tempfile::TempDir);

impl Place {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn checkpoint(&self, spec: &Spec, seed: u64) -> PathBuf {
        synthetic::checkpoint(self.0.path(), spec, seed).unwrap()
    }

    fn job(&self, spec: &Spec, dtype: DType) -> Job {
        Job {
            case: "torch".to_owned(),
            checkpoint: self.checkpoint(spec, 1),
            quantized: None,
            spec: spec.clone(),
            quant: Quant::None,
            dtype,
            device: DeviceChoice::Cpu,
            inputs: synthetic::inputs(self.0.path(), spec, LATENT, 5, spec.camera, 1).unwrap(),
            output: None,
        }
    }
}

/// All events that the worker answers `request` and `turns` turns with.
fn converse(request: &Request, turns: usize) -> Vec<Event> {
    let mut worker = Command::new(env!("CARGO_BIN_EXE_wanbench-torch"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    // Held until the last event: a worker whose standard input closes ends at once.
    let mut input = worker.stdin.take().unwrap();
    writeln!(input, "{}", serde_json::to_string(request).unwrap()).unwrap();
    for _ in 0..turns {
        writeln!(input, "{}", serde_json::to_string(&Turn::Step).unwrap()).unwrap();
    }
    let lines = BufReader::new(worker.stdout.take().unwrap()).lines();
    let events = lines.map(|line| serde_json::from_str(&line.unwrap()).unwrap()).collect();
    worker.wait().unwrap();
    events
}

fn loaded(job: Job) -> Loaded {
    let events = converse(&Request::Forward(Forward { protocol: protocol::VERSION, job, t: 500.0 }), 0);
    let loaded = events.iter().find_map(|event| if let Event::Loaded(loaded) = event { Some(loaded) } else { None });
    loaded.unwrap_or_else(|| panic!("{events:?}")).clone()
}

#[test]
fn loading_holds_the_model_and_one_stored_tensor() {
    // The largest tensor comes early, the second largest last: a copy too many of that one is beyond the largest's size.
    let spec = Spec { ffn_dim: 12288, num_layers: 1, text_dim: 16384, camera: false, ..Spec::synthetic() };
    let tiny = Spec { camera: false, ..small() };
    let place = Place::new();
    let largest = Checkpoint::open(&place.checkpoint(&spec, 1)).unwrap().largest_tensor_bytes();
    for dtype in [DType::F32, DType::Bf16] {
        let (model, nothing) = (loaded(place.job(&spec, dtype)), loaded(place.job(&tiny, dtype)));
        let taken = model.process_peak_bytes.unwrap() - nothing.process_peak_bytes.unwrap();
        let bound = model.model_bytes + largest;
        assert!(
            taken < bound,
            "loading as {dtype} took {taken} bytes beyond the process's own, at most {bound} may be"
        );
    }
}

/// Events of four steps, the last two by `second`.
fn steps(place: &Place, second: Option<(&Path, bool)>) -> Vec<Event> {
    let second = second.map(|(checkpoint, is_resident)| Second {
        checkpoint: checkpoint.to_owned(),
        quantized: None,
        from_step: 2,
        is_resident,
    });
    let request = Measure {
        protocol: protocol::VERSION,
        job: place.job(&small(), DType::F32),
        sigmas: vec![1.0, 0.75, 0.5, 0.25, 0.0],
        warmup_steps: 1,
        second,
        wake: false,
        extra_work: None,
    };
    converse(&Request::Measure(request), 4)
}

#[test]
fn a_second_network_computes_the_same_from_memory_and_from_disk() {
    let place = Place::new();
    let (same, other) = (place.checkpoint(&small(), 1), place.checkpoint(&small(), 2));
    let output = |second| {
        let events = steps(&place, second);
        assert_eq!(events.iter().filter(|event| matches!(event, Event::Step(_))).count(), 4, "{events:?}");
        let Some(Event::Done(done)) = events.last() else { panic!("{events:?}") };
        done.output.clone().unwrap()
    };
    let alone = output(None);
    for is_resident in [false, true] {
        assert_eq!(output(Some((&same, is_resident))), alone);
    }
    let swapped = output(Some((&other, false)));
    assert_eq!(swapped, output(Some((&other, true))));
    assert_ne!(swapped, alone);
}

#[test]
fn a_profile_has_the_parts_of_the_work_in_their_order() {
    let place = Place::new();
    for camera in [true, false] {
        let spec = Spec { camera, ..small() };
        let job = place.job(&spec, DType::F32);
        let request = Profile {
            protocol: protocol::VERSION,
            job,
            t: 500.0,
            warmup_steps: 1,
            passes: 3,
            in_turns: false,
            wake: false,
        };
        let events = converse(&Request::Profile(request), 0);
        let Some(Event::Profiled(profiled)) = events.last() else { panic!("{events:?}") };
        let parts: Vec<Part> = profiled.parts.iter().map(|time| time.part).collect();
        let expected = work::parts(&spec, spec.tokens(LATENT), camera, 4).into_iter().map(|(part, _)| part);
        assert_eq!(parts, expected.collect::<Vec<_>>());
        assert!(profiled.parts.iter().all(|time| time.seconds.len() == 3), "{profiled:?}");
    }
}

#[test]
fn quantizing_is_left_to_mlx() {
    let place = Place::new();
    for quant in [Quant::None, Quant::Int8] {
        let request = Quantize {
            protocol: protocol::VERSION,
            checkpoint: place.checkpoint(&small(), 1),
            quant,
            dtype: DType::F32,
            device: DeviceChoice::Cpu,
            output: place.0.path().join("output.safetensors"),
        };
        let events = converse(&Request::Quantize(request), 0);
        let Some(Event::Failed(failed)) = events.last() else { panic!("{events:?}") };
        assert_eq!(failed.kind, FailureKind::Unsupported);
        assert!(failed.message.contains("with backend mlx"), "{failed:?}");
    }
}
