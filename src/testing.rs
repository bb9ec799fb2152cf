//! A run of the founding table with plausible figures, for tests to change.

use std::collections::BTreeMap;
use std::path::Path;

use crate::config::Thresholds;
use crate::config::{Case, Workload, link_references};
use crate::gate::doubts::Doubts;
use crate::gate::{Baselines, Demands, Judge, Plan};
use crate::history;
use crate::machine::Machine;
use crate::protocol::{Device, DeviceKind, MemoryKind, Rates};
use crate::report::{Invocation, Report, Source};
use crate::store::baseline::{Baseline, ModelMemory};
use crate::store::history::Entry;
use crate::store::record::{
    ArmKind, BaseRevision, Canary, CaseRecord, Failure, Launch, Measured, Outcome, Parity, RunRecord, SCHEMA, Skipped,
    Tool,
};
use crate::wan::quant::model_bytes;
use crate::wan::{DType, Experts, Quant, Spec, work};

pub(crate) const MIB: u64 = 1024 * 1024;

/// A run of the founding table's cases and the baselines it is judged by; equal until a test changes one.
#[derive(Clone)]
pub(crate) struct Scenario {
    pub(crate) record: RunRecord,
    pub(crate) baseline: Option<Baseline>,
    pub(crate) memory: ModelMemory,
    pub(crate) thresholds: Thresholds,
    pub(crate) demands: Demands,
    /// What is asked for; by default what was measured.
    pub(crate) plan: Option<Plan>,
    /// Other machines with baselines.
    pub(crate) others: usize,
}

impl Scenario {
    pub(crate) fn new() -> Self {
        let record = record();
        let before = RunRecord { started: "2026-02-27T09:00:00Z".parse().unwrap(), ..record.clone() };
        let baseline = Baseline::empty(before.machine.clone(), before.device).updated(&before, &Thresholds::default());
        let memory = ModelMemory::default().updated(&before);
        Self { baseline: Some(baseline), memory, ..Self::of(record) }
    }

    /// Without anything before it.
    fn of(record: RunRecord) -> Self {
        Self {
            record,
            baseline: None,
            memory: ModelMemory::default(),
            thresholds: Thresholds::default(),
            demands: Demands::default(),
            plan: None,
            others: 0,
        }
    }

    /// The same beside a base revision that is as fast, with a control and a canary.
    pub(crate) fn beside_base() -> Self {
        let mut now = Self::new();
        for case in &mut now.record.cases {
            // No two launches are quite alike.
            case.base_launches = varied(&case.launches, [1.002, 0.999, 1.001]);
            case.base_parity = Some(Parity { relative_error: Some(0.0) });
            // The backends take turns.
            let blocks: &[usize] = match (case.case.is_reference(), case.case.quant) {
                (true, _) => &[0, 2],
                (false, Quant::None) => &[1],
                (false, _) => &[],
            };
            case.control_launches = varied(&case.launches, [0.999, 1.002, 1.0]);
            case.control_launches.retain(|launch| blocks.contains(&launch.block));
        }
        now.record.base = Some(BaseRevision {
            name: "origin/main".to_owned(),
            commit: Some("0ffee1f837a6c0ffee1f837a6c0ffee1f837a6c0".to_owned()),
            loosened: Vec::new(),
            accepted: Vec::new(),
            lacks: Vec::new(),
        });
        now.record.canary = Some(Canary {
            backend: "torch".to_owned(),
            cold_seconds: 0.005,
            tolerance_percent: 1.0,
            reading_seconds: vec![0.005; 6],
            dropped: Vec::new(),
            shifts: Vec::new(),
            unrested: Vec::new(),
            failed: None,
        });
        now
    }

    pub(crate) fn report(self) -> Report {
        let thresholds = self.thresholds;
        let plan = self.plan.clone().unwrap_or_else(|| Plan::of_record(&self.record));
        let baselines = Baselines { machine: self.baseline.as_ref(), memory: &self.memory, others: self.others };
        let outcome =
            Judge { record: &self.record, plan: &plan, baselines, thresholds: &thresholds, demands: self.demands }
                .outcome();
        let file = "baselines/apple-m3-ultra-512gb.json";
        Report {
            outcome,
            doubts: Doubts::about(&self.record, &thresholds),
            thresholds,
            baseline: self.baseline.as_ref().map(|baseline| Source::new(Path::new(file), baseline)),
            baseline_file: file.to_owned(),
            is_comparison: false,
            invocation: Invocation {
                program: "wanbench".to_owned(),
                results_file: "results.json".to_owned(),
                ..Invocation::default()
            },
            record: self.record,
        }
    }

    pub(crate) fn case(&mut self, name: &str) -> &mut CaseRecord {
        self.record.cases.iter_mut().find(|case| case.case.name == name).unwrap()
    }

    pub(crate) fn launches(&mut self, name: &str) -> Vec<&mut Measured> {
        let outcomes = self.case(name).launches.iter_mut().map(|launch| &mut launch.outcome);
        outcomes.filter_map(|outcome| if let Outcome::Measured(it) = outcome { Some(it) } else { None }).collect()
    }

    pub(crate) fn slow_down(&mut self, name: &str, factor: f64) {
        for launch in self.launches(name) {
            launch.step_seconds.iter_mut().for_each(|step| *step *= factor);
        }
    }

    /// Every launch of the case ran on a GPU with memory of its own.
    pub(crate) fn with_own_memory(&mut self, name: &str) {
        let case = self.case(name);
        for kind in ArmKind::ALL {
            for launch in case.launches_mut(kind) {
                let Outcome::Measured(measured) = &mut launch.outcome else { continue };
                measured.device =
                    Device { memory: Some(MemoryKind::Discrete), name: "cuda".to_owned(), ..measured.device.clone() };
            }
        }
    }

    pub(crate) fn fail(&mut self, name: &str, reason: &str, stderr: &[&str]) {
        let stderr_tail = stderr.iter().map(|line| (*line).to_owned()).collect();
        self.case(name).launches[1].outcome = Outcome::Failed(Failure { reason: reason.to_owned(), stderr_tail });
    }

    /// Nothing is launched of a case that needs so many GiB, on a device that has 36.
    pub(crate) fn skip(&mut self, name: &str, needs_gib: u64) {
        let case = self.case(name);
        for kind in ArmKind::ALL {
            case.launches_mut(kind).clear();
        }
        case.skipped = Some(Skipped::Memory { needs_bytes: needs_gib << 30, has_bytes: 36 << 30 });
    }

    pub(crate) fn link(&mut self) {
        let mut cases: Vec<Case> = self.record.cases.iter().map(|record| record.case.clone()).collect();
        link_references(&mut cases, "torch");
        for (record, case) in self.record.cases.iter_mut().zip(cases) {
            record.case = case;
        }
    }
}

/// The founding table's eight cases with plausible figures.
fn record() -> RunRecord {
    let mut cases = Vec::new();
    for (frames, torch, mlx) in [(5, 0.0081, 0.0077), (41, 0.0743, 0.0298)] {
        cases.push(case_record(Case::new("torch", workload(frames), Quant::None, DType::F32), torch));
        for (index, quant) in [Quant::None, Quant::Int8, Quant::Nf4].into_iter().enumerate() {
            let step = mlx * (1.0 + 0.01 * index as f64);
            cases.push(case_record(Case::new("mlx", workload(frames), quant, DType::F32), step));
        }
    }
    let record = RunRecord {
        schema: SCHEMA,
        started: "2026-03-01T12:34:56Z".parse().unwrap(),
        tool: Tool {
            version: "0.1.0".to_owned(),
            commit: Some("1f837a6c0ffee1f837a6c0ffee1f837a6c0ffee1".to_owned()),
            debug_build: false,
            environment: BTreeMap::new(),
        },
        machine: machine(),
        device: DeviceKind::Gpu,
        suite: "synthetic".to_owned(),
        seed: 42,
        launches: 3,
        warmup_steps: 2,
        side_by_side: true,
        base: None,
        is_selection: false,
        canary: None,
        wall_seconds: 184.0,
        interrupted: false,
        ended_early: None,
        warnings: Vec::new(),
        cases,
    };
    let mut scenario = Scenario::of(record);
    scenario.link();
    scenario.record
}

/// The launches again, each slower by its factor.
fn varied(launches: &[Launch], factors: [f64; 3]) -> Vec<Launch> {
    let mut launches = launches.to_vec();
    for (launch, factor) in launches.iter_mut().zip(factors) {
        let Outcome::Measured(measured) = &mut launch.outcome else { continue };
        measured.step_seconds.iter_mut().for_each(|step| *step *= factor);
    }
    launches
}

fn machine() -> Machine {
    Machine {
        chip: "Apple M3 Ultra".to_owned(),
        cpu_cores: Some(32),
        gpu_cores: Some(80),
        gpu: None,
        memory_gib: 512,
        os: "macos".to_owned(),
    }
}

pub(crate) fn plain_workload(frames: usize) -> Workload {
    Workload {
        name: format!("{frames}f"),
        model: "synthetic".to_owned(),
        frames,
        steps: 5,
        latent: [4, 16, 32],
        text_rows: 100,
        camera: false,
        experts: Experts::Low,
    }
}

pub(crate) fn workload(frames: usize) -> Workload {
    let (steps, latent) = if frames == 5 { (5, [4, 16, 32]) } else { (20, [12, 30, 52]) };
    Workload { steps, latent, camera: true, ..plain_workload(frames) }
}

/// Three launches around `step` seconds, the same in every test run.
pub(crate) fn case_record(case: Case, step: f64) -> CaseRecord {
    let (spec, Workload { latent, camera, experts, .. }) = (Spec::synthetic(), &case.workload);
    let network_bytes = model_bytes(&spec, case.quant, case.dtype);
    let bytes = network_bytes * experts.resident() as u64;
    let launches = [1.0, 1.004, 0.997].into_iter().enumerate().map(|(block, factor)| {
        // Not in proportion between cases, or the speedups' intervals would have no width.
        let wobble = if case.backend == "mlx" && block == 1 { 1.006 } else { 1.0 };
        let mut measured = measured(step * factor * wobble, case.workload.steps, Some(bytes + 300 * MIB));
        measured.model_bytes = bytes;
        measured.load_peak_bytes = Some(bytes + 250 * MIB);
        let is_mlx = case.backend == "mlx";
        let (device, framework) = if is_mlx { ("metal", "mlx") } else { ("mps", "libtorch") };
        measured.device.name = device.to_owned();
        measured.versions = BTreeMap::from([(framework.to_owned(), "2.9.1".to_owned())]);
        measured.load_seconds = if is_mlx { 0.182 } else { 0.314 } * factor * experts.resident() as f64;
        if case.quant != Quant::None {
            measured.quantize_seconds = Some(0.0437 * factor);
            measured.load_seconds += 0.0437 * factor;
        }
        measured.switch_seconds = match experts {
            Experts::Low | Experts::High => None,
            Experts::Both => Some(0.000_000_4),
            Experts::Swap => Some(0.229 * factor),
        };
        let (gemm, copy) = if is_mlx { (15.1e12, 641e9) } else { (12.8e12, 587e9) };
        measured.rates = Some(Rates { gemm_flops_per_second: gemm / factor, copy_bytes_per_second: copy / factor });
        Launch { block, position: 0, wall_seconds: 7.0, outcome: Outcome::Measured(measured) }
    });
    let work = work::of_forward_pass(&spec, spec.tokens(*latent), *camera, network_bytes, case.dtype.size_bytes());
    let parity = (case.backend != "torch").then_some(Parity { relative_error: Some(3e-7) });
    CaseRecord { launches: launches.collect(), work: Some(work), parity, ..CaseRecord::new(&case) }
}

/// A launch of equal steps.
pub(crate) fn measured(step: f64, steps: usize, process_peak_bytes: Option<u64>) -> Measured {
    Measured {
        device: Device { kind: DeviceKind::Gpu, name: "metal".to_owned(), memory: None },
        versions: BTreeMap::new(),
        model_bytes: 99_164_288,
        startup_seconds: 0.1,
        load_seconds: 0.2,
        quantize_seconds: None,
        load_peak_bytes: None,
        switch_seconds: None,
        rates: None,
        warmup_seconds: 0.3,
        step_seconds: vec![step; steps],
        wake_seconds: Vec::new(),
        framework_peak_bytes: process_peak_bytes.map(|peak| peak / 2),
        process_peak_bytes,
        output: None,
    }
}

/// The entry of the history of [`Scenario::new`].
pub(crate) fn history_entry() -> Entry {
    let report = Scenario::new().report();
    history::entry(&report.record, &report.outcome, &report.doubts, None)
}

/// The entry of such a run, days later, in which the case `name` takes so many times as long.
pub(crate) fn history_run(day: usize, name: &str, factor: f64) -> Entry {
    let mut scenario = Scenario::new();
    scenario.slow_down(name, factor);
    scenario.record.started += jiff::SignedDuration::from_hours(24 * day as i64);
    scenario.record.tool.commit = Some(format!("{day:07}{}", &"1f837a6c0ffee1f837a6c0ffee1f837a6c0ffee1"[7..]));
    let report = scenario.report();
    history::entry(&report.record, &report.outcome, &report.doubts, None)
}
