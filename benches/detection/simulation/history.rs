//! Simulated histories of one machine: runs that are judged by the one judge and recorded as `baseline update` does.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use rand::{RngExt, SeedableRng};
use rand_distr::{Distribution, StandardNormal};
use rand_pcg::Pcg64;
use wanbench::config::{Case, Thresholds, Workload, link_references};
use wanbench::gate::{Baselines, Demands, Judge, Outcome, Plan, Standing};
use wanbench::machine::Machine;
use wanbench::protocol::{Device, DeviceKind};
use wanbench::store::baseline::{Baseline, ModelMemory};
use wanbench::store::record::{
    BaseRevision, CaseRecord, Launch, Measured, Outcome as LaunchOutcome, Parity, RunRecord, SCHEMA, Tool,
};
use wanbench::wan::{DType, Quant};

const BLOCKS: usize = 10;

/// A machine, and what it measures.
#[derive(Clone, Copy)]
pub struct World {
    /// Cases beside their reference.
    pub cases: usize,
    /// Standard deviation of a job's mean about its level, by which the cases' times differ.
    pub between_jobs: f64,
    /// Whether that is one effect for all cases.
    pub is_shared: bool,
    /// Standard deviation of a block's log-ratio.
    pub between_blocks: f64,
    /// Whether a base revision is measured in the same blocks.
    pub has_base: bool,
}

impl World {
    /// A machine without a base revision, whose blocks differ by 1%.
    pub fn new(cases: usize, between_jobs: f64) -> Self {
        Self { cases, between_jobs, is_shared: false, between_blocks: 0.01, has_base: false }
    }
}

/// A sequence of runs on one machine, and the baseline that is recorded of them.
pub struct Sequence {
    world: World,
    random: Pcg64,
    baseline: Option<Baseline>,
    runs: i64,
}

impl Sequence {
    /// Nothing has run yet.
    pub fn new(world: World, seed: u64) -> Self {
        Self { world, random: Pcg64::seed_from_u64(seed), baseline: None, runs: 0 }
    }

    /// One more run, in which the first case takes `slower` longer, as a logarithm, and all processes `peak_mib` of memory.
    pub fn run(&mut self, slower: f64, peak_mib: u64) -> RunRecord {
        let World { cases, between_jobs, is_shared, between_blocks, has_base } = self.world;
        let mut normal = |deviation: f64| {
            let value: f64 = StandardNormal.sample(&mut self.random);
            deviation * value
        };
        let shared = normal(between_jobs);
        let names = cases_of(cases);
        let records = names.iter().enumerate().map(|(index, case)| {
            let job = match index {
                0 => 0.0,
                _ if is_shared => shared,
                _ => normal(between_jobs),
            };
            let mut arm = |level: f64| -> Vec<Launch> {
                let launch = |block| launch(block, level + normal(between_blocks / 2f64.sqrt()), peak_mib << 20);
                (0..BLOCKS).map(launch).collect()
            };
            let own = if index == 1 { slower } else { 0.0 };
            let launches = arm(job + own);
            let base_launches = if has_base { arm(job + own) } else { Vec::new() };
            let parity = (index > 0).then_some(Parity { relative_error: Some(0.0) });
            let base_parity = has_base.then_some(Parity { relative_error: Some(0.0) });
            CaseRecord { launches, base_launches, parity, base_parity, ..CaseRecord::new(case) }
        });
        let cases = records.collect();
        self.runs += 1;
        let first: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
        record(first + SignedDuration::from_hours(24 * self.runs), has_base, cases)
    }

    /// What the run comes to.
    pub fn judge(&self, record: &RunRecord) -> Outcome {
        let judge = Judge {
            record,
            plan: &Plan::of_record(record),
            baselines: Baselines { machine: self.baseline.as_ref(), memory: &ModelMemory::default(), others: 0 },
            thresholds: &Thresholds::default(),
            demands: Demands::default(),
        };
        judge.outcome()
    }

    /// Records the run, as `baseline update` does.
    pub fn record(&mut self, record: &RunRecord) {
        let empty = || Baseline::empty(record.machine.clone(), record.device);
        self.baseline = Some(self.baseline.take().unwrap_or_else(empty).updated(record, &Thresholds::default()));
    }

    /// Records so many runs without a change.
    pub fn with_jobs(mut self, jobs: usize) -> Self {
        for _ in 0..jobs {
            let run = self.run(0.0, 1024);
            self.record(&run);
        }
        self
    }
}

fn cases_of(cases: usize) -> Vec<Case> {
    let workload = Workload {
        name: "5f".to_owned(),
        model: "synthetic".to_owned(),
        frames: 5,
        steps: 2,
        latent: [1, 2, 2],
        text_rows: 100,
        camera: false,
        experts: Default::default(),
    };
    let quants = [Quant::None, Quant::Int8, Quant::Nf4, Quant::Int4];
    let reference = Case::new("torch", workload.clone(), Quant::None, DType::F32);
    let others = quants.into_iter().take(cases).map(|quant| Case::new("mlx", workload.clone(), quant, DType::F32));
    let mut all: Vec<Case> = std::iter::once(reference).chain(others).collect();
    link_references(&mut all, "torch");
    all
}

fn launch(block: usize, log_step: f64, peak_bytes: u64) -> Launch {
    let step = 0.1 * log_step.exp();
    let measured = Measured {
        device: Device { kind: DeviceKind::Cpu, name: "cpu".to_owned(), memory: None },
        versions: BTreeMap::new(),
        model_bytes: 1000,
        startup_seconds: 0.1,
        load_seconds: 0.1,
        quantize_seconds: None,
        load_peak_bytes: None,
        switch_seconds: None,
        rates: None,
        warmup_seconds: 0.1,
        step_seconds: vec![step, step],
        wake_seconds: Vec::new(),
        framework_peak_bytes: None,
        process_peak_bytes: Some(peak_bytes),
        output: None,
    };
    Launch { block, position: 0, wall_seconds: 1.0, outcome: LaunchOutcome::Measured(measured) }
}

fn record(started: Timestamp, has_base: bool, cases: Vec<CaseRecord>) -> RunRecord {
    let machine = Machine {
        chip: "A chip".to_owned(),
        cpu_cores: Some(2),
        gpu_cores: None,
        gpu: None,
        memory_gib: 4,
        os: "linux".to_owned(),
    };
    RunRecord {
        schema: SCHEMA,
        started,
        tool: Tool { version: "0.1.0".to_owned(), commit: None, debug_build: false, environment: Default::default() },
        machine,
        device: DeviceKind::Cpu,
        suite: "small".to_owned(),
        seed: 0,
        launches: BLOCKS,
        warmup_steps: 1,
        side_by_side: true,
        base: has_base.then(|| BaseRevision::new("main".to_owned(), None)),
        is_selection: false,
        canary: None,
        wall_seconds: 1.0,
        interrupted: false,
        ended_early: None,
        warnings: Vec::new(),
        cases,
    }
}

/// How many of `runs` judged runs after `jobs` recorded ones fail, where the first case takes `slower` longer, and how many have
/// something unconfirmed.
pub fn outcomes(world: World, jobs: usize, slower: f64, runs: u64) -> (usize, usize) {
    let outcomes = (0..runs).map(|seed| {
        let mut sequence = Sequence::new(world, seed).with_jobs(jobs);
        let run = sequence.run(slower, 1024);
        sequence.judge(&run)
    });
    outcomes.fold((0, 0), |(failed, unconfirmed), outcome| {
        let has_failed = outcome.standing == Standing::Failed;
        let is_unconfirmed = !has_failed && outcome.has(wanbench::gate::Verdict::Unconfirmed);
        (failed + usize::from(has_failed), unconfirmed + usize::from(is_unconfirmed))
    })
}

/// How many of `sequences` fail by the `last` of changes of 1% each, all recorded.
pub fn found_drifts(world: World, last: usize, sequences: u64) -> usize {
    let fails = |seed: &u64| {
        let mut sequence = Sequence::new(world, *seed).with_jobs(1);
        (1..=last).any(|change| {
            let run = sequence.run(change as f64 * 1.01f64.ln(), 1024);
            let fails = sequence.judge(&run).standing == Standing::Failed;
            sequence.record(&run);
            fails
        })
    };
    (0..sequences).filter(fails).count()
}

/// How many of `runs` fail beside a base revision that is as fast, on a main that is `drift` slower than its baseline.
pub fn blamed(drift: f64, jobs: usize, runs: u64) -> usize {
    let world = World { between_blocks: 0.018, ..World::new(1, 0.01) };
    let fails = |seed: &u64| {
        let mut sequence = Sequence::new(world, *seed).with_jobs(jobs);
        sequence.world.has_base = true;
        let run = sequence.run(drift, 1024);
        sequence.judge(&run).standing == Standing::Failed
    };
    (0..runs).filter(fails).count()
}

/// How many of `runs` fail whose peak grew by 200 MiB, but for one launch in ten, with so many launches.
pub fn found_growths(launches: usize, runs: u64) -> usize {
    let fails = |seed: &u64| {
        let mut sequence = Sequence::new(World::new(1, 0.0), *seed).with_jobs(1);
        let mut run = sequence.run(0.0, 1024 + 200);
        run.launches = launches;
        let case = run.cases.last_mut().unwrap();
        let template = case.launches[0].clone();
        case.launches = (0..launches)
            .map(|block| {
                let mut launch = Launch { block, ..template.clone() };
                let LaunchOutcome::Measured(measured) = &mut launch.outcome else { return launch };
                if sequence.random.random_bool(0.1) {
                    measured.process_peak_bytes = Some(1024 << 20);
                }
                launch
            })
            .collect();
        let outcome = sequence.judge(&run);
        outcome.cases.last().unwrap().fails()
    };
    (0..runs).filter(fails).count()
}
