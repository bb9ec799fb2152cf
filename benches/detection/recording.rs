//! Real launches on this machine, some of them with real extra work, as data to judge rules by.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Barrier;
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

use anyhow::{Context, Error, Result, ensure};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tempfile::TempDir;
use wanbench::config::{Case, Model, Workload, link_references};
use wanbench::evidence::figures::log_ratio;
use wanbench::files::cache;
use wanbench::files::save;
use wanbench::machine::Machine;
use wanbench::protocol::{self, DeviceChoice, Measure};
use wanbench::runner::{self, Deadline, Interruptions, Materials, Program, RunningLaunch};
use wanbench::stats;
use wanbench::store::record::Measured;
use wanbench::wan::{DType, Experts, Quant, Spec, schedule};

/// What was recorded.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recording {
    /// When it began.
    pub started: Timestamp,
    /// Where.
    pub machine: Machine,
    /// What was computed.
    pub workload: Workload,
    /// Untimed passes per launch.
    pub warmup_steps: u32,
    /// Versions of what decides the speed, by backend.
    pub versions: BTreeMap<String, BTreeMap<String, String>>,
    /// What was launched in each block.
    pub arms: Vec<Arm>,
    /// The blocks in the order they ran.
    pub blocks: Vec<Block>,
}

/// One program with one load.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Arm {
    /// The worker.
    pub backend: String,
    /// Extra work that it should do, in percent of a step.
    pub extra_percent: f64,
    /// What the worker was asked for, in percent of the pass's operations, so that the step takes `extra_percent` longer.
    pub requested_percent: f64,
}

/// One launch of every arm, close in time.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Block {
    /// Since the recording's start.
    pub seconds: f64,
    /// The arms in the order they were launched.
    pub order: Vec<usize>,
    /// Each arm's timed steps, in microseconds.
    pub step_micros: Vec<Vec<u64>>,
}

/// Injected shares, in percent.
pub const EXTRA_PERCENT: [f64; 4] = [2.0, 3.0, 5.0, 10.0];

/// What is measured where: on a GPU enough at a time that it is the device that is timed, and not the host.
#[derive(Clone, Copy)]
struct Load {
    device: DeviceChoice,
    latent: [usize; 3],
    frames: usize,
    steps: usize,
    /// Blocks of launches that tell how much longer the asked-for work takes.
    calibration_blocks: usize,
}

const ON_CPU: Load =
    Load { device: DeviceChoice::Cpu, latent: [1, 8, 16], frames: 1, steps: 32, calibration_blocks: 14 };
const ON_GPU: Load =
    Load { device: DeviceChoice::Gpu, latent: [12, 30, 52], frames: 41, steps: 16, calibration_blocks: 6 };

const WARMUP_STEPS: u32 = 1;
const TIMEOUT: Duration = Duration::from_secs(120);
/// Shares of operations asked for in each block of the calibration, in percent. A pass's operations do not all cost the same, so that one
/// point is not enough.
const CALIBRATION_PERCENT: [f64; 7] = [0.0, 1.5, 3.0, 5.0, 8.0, 12.0, 18.0];

/// Records blocks until `minutes` are over, and saves them in `path` as it goes.
pub fn record(path: &Path, minutes: f64, on_gpu: bool) -> Result<Recording> {
    let launcher = Launcher::new(if on_gpu { ON_GPU } else { ON_CPU })?;
    let curve = launcher.calibrate()?;
    println!("percent of a pass's operations, and how much longer it takes: {curve:.2?}");
    let arm = |backend: &str, extra_percent| Arm {
        backend: backend.to_owned(),
        extra_percent,
        requested_percent: requested(&curve, extra_percent),
    };
    // The reference and the case that is tracked, each twice, and the case with more to do.
    let mut arms = vec![arm("torch", 0.0), arm("torch", 0.0), arm("mlx", 0.0), arm("mlx", 0.0)];
    arms.extend(EXTRA_PERCENT.map(|extra| arm("mlx", extra)));
    let mut recording = Recording {
        started: Timestamp::now(),
        machine: Machine::detect(),
        workload: launcher.cases["mlx"].workload.clone(),
        warmup_steps: WARMUP_STEPS,
        versions: BTreeMap::new(),
        arms,
        blocks: Vec::new(),
    };
    let arms: Vec<(String, f64)> =
        recording.arms.iter().map(|arm| (arm.backend.clone(), arm.requested_percent)).collect();
    let start = Instant::now();
    for order in runner::balanced(arms.len(), 1000, 0) {
        let seconds = start.elapsed().as_secs_f64();
        let mut step_micros = Vec::new();
        for ((backend, _), measured) in arms.iter().zip(launcher.block(&arms, &order)?) {
            step_micros.push(measured.step_seconds.iter().map(|step| (step * 1e6).round() as u64).collect());
            recording.versions.insert(backend.clone(), measured.versions);
        }
        recording.blocks.push(Block { seconds, order, step_micros });
        save::atomically(path, |out| Ok(serde_json::to_writer(out, &recording)?))?;
        if start.elapsed().as_secs_f64() > minutes * 60.0 {
            break;
        }
    }
    Ok(recording)
}

/// What launches need.
struct Launcher {
    load: Load,
    cases: BTreeMap<String, Case>,
    materials: Materials,
    /// A folder for each arm's temporary files.
    temporary: TempDir,
    interruptions: Interruptions,
}

impl Recording {
    /// Reads a saved recording.
    pub fn open(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
        serde_json::from_str(&text).with_context(|| format!("{} is no recording", path.display()))
    }

    /// The arms of `backend` that have `extra_percent` to do, by index.
    pub fn arms(&self, backend: &str, extra_percent: f64) -> Vec<usize> {
        let is_one = |arm: &Arm| arm.backend == backend && arm.extra_percent == extra_percent;
        (0..self.arms.len()).filter(|index| is_one(&self.arms[*index])).collect()
    }

    /// Every block's launch of one arm, each its timed steps in seconds.
    pub fn launches(&self, arm: usize) -> Vec<Vec<f64>> {
        let seconds = |micros: &u64| *micros as f64 * 1e-6;
        self.blocks.iter().map(|block| block.step_micros[arm].iter().map(seconds).collect()).collect()
    }
}

impl Launcher {
    fn new(load: Load) -> Result<Self> {
        let has_workers = cfg!(all(feature = "mlx", feature = "torch"));
        ensure!(
            has_workers,
            "a recording launches both workers: build with --features mlx,torch, or pass `judge` or `simulate`"
        );
        let workload = Workload {
            name: "detection".to_owned(),
            model: "synthetic".to_owned(),
            frames: load.frames,
            steps: load.steps,
            latent: load.latent,
            text_rows: 100,
            camera: false,
            experts: Experts::Low,
        };
        let mut cases = ["torch", "mlx"].map(|backend| Case::new(backend, workload.clone(), Quant::None, DType::F32));
        link_references(&mut cases, "torch");
        let models = BTreeMap::from([("synthetic".to_owned(), Model::Synthetic(Spec::synthetic()))]);
        let materials = Materials::prepare(&cases, &models, &cache::folder(), 0)?;
        let cases = cases.into_iter().map(|case| (case.backend.clone(), case)).collect();
        Ok(Self { load, cases, materials, temporary: tempfile::tempdir()?, interruptions: Interruptions::new() })
    }

    /// One fresh process of each arm, its backend and the work in vain that is asked of it, in percent, started in `order`;
    /// once all are ready, they take turns, as in `wanbench check`.
    fn block(&self, arms: &[(String, f64)], order: &[usize]) -> Result<Vec<Measured>> {
        // A worker is killed when the thread that started it ends, so each of these threads lasts as long as the block.
        let starters = Barrier::new(arms.len() + 1);
        let (sender, started) = channel();
        std::thread::scope(|scope| {
            for arm in order {
                let (starters, sender) = (&starters, sender.clone());
                scope.spawn(move || {
                    let (backend, percent) = &arms[*arm];
                    // The others wait for it at the barrier, so a panic is handed on as an error.
                    let started = catch_unwind(AssertUnwindSafe(|| self.start(*arm, backend, *percent)));
                    let started = started.unwrap_or_else(|_| Err(Error::msg("the start of a launch panicked")));
                    // The receiver is there until the block's end.
                    let _ = sender.send((*arm, started));
                    starters.wait();
                });
            }
            let measured = self.take_turns(started.iter().take(arms.len()));
            starters.wait();
            measured
        })
    }

    /// Waits until all launches are there, each with its arm, lets them step in turns, and ends them; in the arms' order.
    fn take_turns<'a>(
        &self,
        started: impl Iterator<Item = (usize, Result<RunningLaunch<'a>>)>,
    ) -> Result<Vec<Measured>> {
        let mut started: Vec<_> = started.collect();
        started.sort_by_key(|(arm, _)| *arm);
        let mut launches = started.into_iter().map(|(_, launch)| launch).collect::<Result<Vec<RunningLaunch>>>()?;
        for turns in runner::balanced(launches.len(), self.load.steps, 0) {
            for turn in turns {
                launches[turn].step().map_err(Error::msg)?;
            }
        }
        // Nothing is timed any more that another could disturb.
        std::thread::scope(|scope| {
            let finish = |launch: RunningLaunch<'a>| scope.spawn(move || launch.finish(None).0);
            let ending: Vec<_> = launches.into_iter().map(finish).collect();
            let ended = ending.into_iter().map(|it| it.join().map_err(|_| Error::msg("the end of a launch panicked")));
            ended.map(|measured| measured?.map_err(|failure| Error::msg(failure.reason))).collect()
        })
    }

    fn start(&self, arm: usize, backend: &str, extra_percent: f64) -> Result<RunningLaunch<'_>> {
        let worker = Path::new(env!("CARGO_BIN_EXE_wanbench")).with_file_name(format!("wanbench-{backend}"));
        // MLX's workers start one after the other, by a lock in the temporary folder: with one of their own they need not.
        let temporary = self.temporary.path().join(arm.to_string());
        std::fs::create_dir_all(&temporary)?;
        let command =
            ["env".to_owned(), format!("TMPDIR={}", temporary.display()), worker.display().to_string()].to_vec();
        let program = Program { command, folder: None };
        let request = Measure {
            protocol: protocol::VERSION,
            job: self.materials.job(&self.cases[backend], self.load.device, None),
            sigmas: schedule::sigmas(self.load.steps, schedule::SHIFT),
            warmup_steps: WARMUP_STEPS,
            second: None,
            wake: false,
            extra_work: (extra_percent > 0.0).then_some(extra_percent / 100.0),
        };
        RunningLaunch::start(&program, &request, Deadline::of_launch(TIMEOUT), &self.interruptions, &mut |_| {})
            .map_err(|failure| Error::msg(failure.reason))
    }

    /// What each of the calibration's shares of operations costs, both in percent, in rising order.
    fn calibrate(&self) -> Result<Vec<(f64, f64)>> {
        let mut logs = vec![Vec::new(); CALIBRATION_PERCENT.len()];
        let arms = CALIBRATION_PERCENT.map(|percent| ("mlx".to_owned(), percent));
        // One alone first: it compiles the kernels that are kept on the machine.
        self.block(&arms[..1], &[0])?;
        for order in runner::balanced(arms.len(), self.load.calibration_blocks, 0) {
            let launches = self.block(&arms, &order)?;
            for (logs, launch) in logs.iter_mut().zip(&launches) {
                logs.push(log_ratio(&launch.step_seconds, &launches[0].step_seconds));
            }
        }
        let cost = |logs: &Vec<f64>| 100.0 * stats::mean(logs).exp_m1();
        Ok(CALIBRATION_PERCENT.into_iter().zip(logs.iter().map(cost)).collect())
    }
}

/// The share of operations that costs `percent`, on straight lines between the calibration's points.
fn requested(curve: &[(f64, f64)], percent: f64) -> f64 {
    let mut pairs = curve.windows(2);
    let between = pairs.rfind(|pair| pair[0].1 <= percent).unwrap_or(&curve[..2]);
    let ((asked, cost), (more, dearer)) = (between[0], between[1]);
    asked + (more - asked) * (percent - cost) / (dearer - cost)
}
