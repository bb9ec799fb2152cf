//! Whatever is timed is computed when its clock is read: with a device that computes nothing before it is waited for.

use std::cell::Cell;
use std::path::Path;
use std::rc::Rc;
use std::sync::mpsc::{Receiver, channel};

use anyhow::Result;

use super::wire::Wire;
use super::{Backend, Enqueue, Kernel, Libraries, LoadingProgress, Source, clock, profile, rates, steps};
use crate::protocol::{
    self, Device, DeviceChoice, DeviceKind, Event, Job, Loaded, Measure, Profile, Profiled, Second, Step, Switched,
    Turn, Warmed,
};
use crate::wan::inputs::HostTensor;
use crate::wan::work::{Part, PartKind};
use crate::wan::{DType, Inputs, Quant, Spec, synthetic};

// Seconds of the device, all different, so that it shows whose work was waited for where.
const LOAD: f64 = 64.0;
const PREPARE: f64 = 32.0;
const FORWARD: f64 = 1.0;
const PART: f64 = 0.25;
const ADVANCE: f64 = 0.125;
const OPERANDS: f64 = 16.0;
const KERNEL: f64 = 2.0;

/// A backend whose device computes what is enqueued only when it is waited for; its clock moves then.
struct Lazy {
    enqueued: Rc<Cell<f64>>,
}

impl Lazy {
    fn new() -> Self {
        Self { enqueued: Rc::default() }
    }

    fn enqueue(&self, seconds: f64) -> Result<()> {
        self.enqueued.set(self.enqueued.get() + seconds);
        Ok(())
    }
}

impl Backend for Lazy {
    const NAME: &'static str = "lazy";
    const LIBRARIES: Libraries = Libraries { folder: None, names: &[] };

    fn open(_: DeviceChoice) -> Result<Self> {
        Ok(Self::new())
    }

    fn device(&self) -> Device {
        Device { kind: DeviceKind::Gpu, name: "lazy".to_owned(), memory: None }
    }

    fn versions(&self) -> Vec<(&'static str, String)> {
        Vec::new()
    }

    fn load(&mut self, _: &Source, _: &mut LoadingProgress) -> Result<u64> {
        self.enqueue(LOAD)?;
        Ok(8)
    }

    fn unload(&mut self) -> Result<()> {
        Ok(())
    }

    fn switch(&mut self) -> Result<()> {
        Ok(())
    }

    fn prepare(&mut self, _: &Inputs, _: &[f32]) -> Result<()> {
        self.enqueue(PREPARE)
    }

    fn forward(&mut self, _: usize) -> Result<()> {
        self.enqueue(FORWARD)
    }

    fn forward_by_parts(&mut self, _: usize, lap: &mut dyn FnMut(Part)) -> Result<()> {
        for kind in [PartKind::Patch, PartKind::Head] {
            self.enqueue(PART)?;
            self.synchronize()?;
            lap(Part { block: None, kind });
        }
        Ok(())
    }

    fn synchronize(&mut self) -> Result<()> {
        clock::fake::pass(self.enqueued.take());
        Ok(())
    }

    fn advance(&mut self, _: f32) -> Result<()> {
        self.enqueue(ADVANCE)
    }

    fn latent(&mut self) -> Result<HostTensor> {
        Ok(HostTensor { shape: vec![1], data: vec![0.0] })
    }

    fn velocity(&mut self) -> Result<HostTensor> {
        self.latent()
    }

    fn reset_peak(&mut self) -> Result<()> {
        Ok(())
    }

    fn peak_bytes(&mut self) -> Result<Option<u64>> {
        Ok(None)
    }

    fn kernel(&mut self, _: Kernel) -> Result<Enqueue> {
        self.enqueue(OPERANDS)?;
        let enqueued = Rc::clone(&self.enqueued);
        Ok(Box::new(move || {
            enqueued.set(enqueued.get() + KERNEL);
            Ok(())
        }))
    }

    fn save(&mut self, _: &Path) -> Result<()> {
        Ok(())
    }
}

/// A tiny network with its inputs in `folder`.
fn job(folder: &Path) -> Job {
    let spec = Spec { dim: 12, ffn_dim: 8, num_heads: 1, num_layers: 1, text_dim: 4, text_len: 4, ..Spec::synthetic() };
    Job {
        case: "lazy".to_owned(),
        checkpoint: synthetic::checkpoint(folder, &spec, 1).unwrap(),
        quantized: None,
        inputs: synthetic::inputs(folder, &spec, [1, 2, 2], 4, false, 1).unwrap(),
        spec,
        quant: Quant::None,
        dtype: DType::F32,
        device: DeviceChoice::Auto,
        output: None,
    }
}

/// What `tell` tells on its wire.
fn told(tell: impl FnOnce(&mut Wire)) -> Vec<Event> {
    let file = tempfile::NamedTempFile::new().unwrap();
    tell(&mut Wire::to(file.reopen().unwrap()));
    let text = std::fs::read_to_string(file.path()).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn a_step_is_timed_until_it_is_computed_and_nothing_else_is_in_its_time() {
    let folder = tempfile::tempdir().unwrap();
    let job = job(folder.path());
    let second = Second { checkpoint: job.checkpoint.clone(), quantized: None, from_step: 1, is_resident: false };
    let sigmas = vec![1.0, 0.5, 0.25, 0.0];
    let request = Measure {
        protocol: protocol::VERSION,
        job,
        sigmas,
        warmup_steps: 2,
        second: Some(second),
        wake: false,
        extra_work: None,
    };
    let (sender, turns) = channel();
    (0..3).for_each(|_| sender.send(Turn::Step).unwrap());
    let events = told(|wire| drop(steps::time_steps(&mut Lazy::new(), &request, &turns, wire).unwrap()));
    let seconds: Vec<(&str, f64)> = events
        .iter()
        .filter_map(|event| match event {
            Event::Loaded(Loaded { seconds, .. }) => Some(("loaded", *seconds)),
            Event::Warmed(Warmed { seconds }) => Some(("warmed", *seconds)),
            Event::Switched(Switched { seconds }) => Some(("switched", *seconds)),
            Event::Step(Step { seconds, .. }) => Some(("step", *seconds)),
            _ => None,
        })
        .collect();
    let step = ("step", FORWARD);
    let expected = [("loaded", LOAD + PREPARE), ("warmed", 2.0 * FORWARD), step, ("switched", LOAD), step, step];
    assert_eq!(seconds, expected);
}

#[test]
fn a_wake_pass_is_told_beside_the_step_and_is_no_part_of_it() {
    let folder = tempfile::tempdir().unwrap();
    let job = job(folder.path());
    let measure = Measure {
        protocol: protocol::VERSION,
        job,
        sigmas: vec![1.0, 0.0],
        warmup_steps: 0,
        second: None,
        wake: true,
        extra_work: None,
    };
    let (sender, turns) = channel();
    sender.send(Turn::Step).unwrap();
    let events = told(|wire| drop(steps::time_steps(&mut Lazy::new(), &measure, &turns, wire).unwrap()));
    assert_eq!(events.last(), Some(&Event::Step(Step { index: 0, seconds: FORWARD, wake_seconds: Some(FORWARD) })));
}

#[test]
fn the_plain_loop_times_the_same() {
    let mut backend = Lazy::new();
    backend.enqueue(LOAD).unwrap();
    steps::warm_up(&mut backend, 2).unwrap();
    assert_eq!(steps::plain_steps(&mut backend, &[1.0, 0.5, 0.0]).unwrap(), [FORWARD, FORWARD]);
}

fn profile_request(folder: &Path) -> Profile {
    let job = job(folder);
    Profile { protocol: protocol::VERSION, job, t: 500.0, warmup_steps: 1, passes: 2, in_turns: false, wake: false }
}

fn profiled(request: &Profile, turns: &Receiver<Turn>) -> Vec<Event> {
    told(|wire| drop(profile::profile(&mut Lazy::new(), request, turns, wire)))
}

#[test]
fn a_profile_gives_a_pass_and_its_parts_their_own_time() {
    let folder = tempfile::tempdir().unwrap();
    let events = profiled(&profile_request(folder.path()), &channel().1);
    let Some(Event::Profiled(Profiled { step_seconds, parts, .. })) = events.last() else { panic!("{events:?}") };
    assert_eq!(step_seconds, &[FORWARD, FORWARD]);
    assert_eq!(parts.iter().map(|part| part.seconds.as_slice()).collect::<Vec<_>>(), [[PART, PART], [PART, PART]]);
}

#[test]
fn a_profile_in_turns_makes_a_pass_of_each_kind_when_its_turn_comes() {
    let folder = tempfile::tempdir().unwrap();
    let request = Profile { in_turns: true, ..profile_request(folder.path()) };
    let (sender, turns) = channel();
    sender.send(Turn::Step).unwrap();
    sender.send(Turn::Step).unwrap();
    let steps = [0, 1].map(|index| Event::Step(Step { index, seconds: FORWARD, wake_seconds: None }));
    let events = profiled(&request, &turns);
    let [.., warmed, first, second, _] = events.as_slice() else { panic!("{events:?}") };
    assert_eq!(*warmed, Event::Warmed(Warmed { seconds: FORWARD }));
    assert_eq!([first, second], [&steps[0], &steps[1]]);
    assert!(matches!(events.last(), Some(Event::Profiled(_))), "{events:?}");

    let (sender, turns) = channel();
    sender.send(Turn::Step).unwrap();
    drop(sender);
    assert_eq!(profiled(&request, &turns).last(), Some(&steps[0]), "no second pass without a second turn");
}

#[test]
fn a_kernel_is_timed_until_it_is_computed_without_its_operands() {
    let rates = rates::rates(&mut Lazy::new(), DType::F32).unwrap();
    assert_eq!(rates.gemm_flops_per_second, 2.0 * 1024f64.powi(3) / KERNEL);
    assert_eq!(rates.copy_bytes_per_second, f64::from(2 * (128 << 20)) / KERNEL);
}
