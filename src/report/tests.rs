//! Golden files of the Markdown and the text, from records built here. `UPDATE_GOLDEN=1 cargo test --lib report`
//! writes them anew; read the difference before committing it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::comment::tests::{assert_whole, origin};
use super::{Demands, Report, Source, Standing, comment, json, markdown, text};
use crate::baseline::{Acceptance, Baseline, ModelMemory};
use crate::gate::{Gate, compare};
use crate::machine::Machine;
use crate::matrix::{Case, Workload, link_references};
use crate::protocol::{Device, DeviceKind};
use crate::record::{
    BaseRevision, Canary, CaseRecord, DroppedBlock, Failure, Launch, Measured, Outcome, Role, RunRecord, SCHEMA,
    Skipped, Tool,
};
use crate::wan::quant::model_bytes;
use crate::wan::{DType, Quant, Spec};

const MIB: u64 = 1024 * 1024;

#[test]
fn unchanged() {
    let report = Scenario::new().report();
    assert_eq!(report.standing(), Standing::Passed);
    golden("unchanged", &report);
}

#[test]
fn a_speedup_regression() {
    let mut now = Scenario::new();
    now.slow_down("mlx/41f/int8", 1.25);
    let report = now.report();
    assert_eq!(report.standing(), Standing::Failed);
    golden("speedup-regression", &report);
}

#[test]
fn model_bytes_raised() {
    let mut now = Scenario::new();
    for launch in now.launches("mlx/5f/int8").into_iter() {
        launch.model_bytes += 4;
    }
    golden("model-bytes-raised", &now.report());
}

#[test]
fn peaks_raised_and_models_shrunk() {
    let mut now = Scenario::new();
    for launch in now.launches("mlx/5f/none") {
        launch.process_peak_bytes = launch.process_peak_bytes.map(|peak| peak + 90 * MIB);
    }
    for launch in now.launches("mlx/41f/nf4") {
        launch.model_bytes -= 64;
    }
    golden("peak-raised", &now.report());
}

#[test]
fn a_failed_case() {
    let mut now = Scenario::new();
    now.fail(
        "mlx/41f/nf4",
        "the worker died: signal 9 (out of memory?) | see `dmesg` <or> ask @octocat about #12\nsecond line",
        &["loading weights", "\u{1b}[31merror\u{1b}[0m: no memory ``` </details>"],
    );
    let report = now.report();
    assert_eq!(report.standing(), Standing::NotMeasured);
    golden("failed", &report);
}

#[test]
fn skipped_cases_with_and_without_a_baseline() {
    let mut now = Scenario::new();
    now.skip("mlx/41f/none", 71);
    now.skip("mlx/41f/nf4", 40);
    now.baseline.as_mut().unwrap().cases.remove("mlx/41f/nf4");
    let report = now.clone().report();
    assert_eq!(report.standing(), Standing::NotMeasured);
    golden("skipped", &report);
    let document: serde_json::Value = serde_json::from_str(&json::render(&report)).unwrap();
    assert_eq!(document["cases"][5]["verdict"], "skipped");
    assert_eq!(document["cases"][5]["skipped"]["needs_bytes"], 71_u64 << 30);

    now.baseline.as_mut().unwrap().cases.remove("mlx/41f/none");
    assert_eq!(now.report().standing(), Standing::Passed);
}

#[test]
fn nothing_is_measured_where_all_is_skipped() {
    let mut now = Scenario::new();
    now.baseline = None;
    let names: Vec<String> = now.record.cases.iter().map(|case| case.case.name.clone()).collect();
    names.iter().for_each(|name| now.skip(name, 71));
    let report = now.report();
    assert_eq!(report.standing(), Standing::NotMeasured);
    golden("all-skipped", &report);
}

#[test]
fn a_skipped_reference_takes_the_speedups_with_it() {
    let mut now = Scenario::beside_base();
    now.skip("torch/41f/none", 71);
    golden("reference-skipped", &now.report());
}

#[test]
fn no_baseline() {
    let mut now = Scenario::new();
    now.baseline = None;
    golden("new", &now.report());
}

#[test]
fn a_regression_with_a_history_has_a_trend() {
    let mut now = Scenario::new();
    for (hour, factor) in [(3, 1.0), (4, 1.01), (5, 0.99)] {
        let started = format!("2026-02-28T{hour:02}:00:00Z").parse().unwrap();
        let job = RunRecord { started, ..now.record.clone() };
        let mut slower = Scenario { record: job, ..now.clone() };
        slower.slow_down("mlx/41f/int8", factor);
        now.baseline = now.baseline.map(|baseline| baseline.updated(&slower.record, &Gate::default()));
    }
    now.slow_down("mlx/41f/int8", 1.25);
    golden("trend", &now.report());
}

#[test]
fn a_missing_case() {
    let mut now = Scenario::new();
    now.record.cases.retain(|case| case.case.name != "mlx/41f/nf4");
    golden("missing", &now.report());
}

#[test]
fn several_dtypes_and_workloads_of_the_same_frames() {
    let mut now = Scenario::new();
    for (name, dtype) in [("41f", DType::Bf16), ("41f-480p", DType::F32)] {
        for backend in ["torch", "mlx"] {
            let workload = Workload { name: name.to_owned(), ..workload(41) };
            let case = Case::new(backend, workload, Quant::None, dtype);
            let step = if backend == "torch" { 0.074 } else { 0.031 };
            now.record.cases.push(case_record(case, step));
        }
    }
    now.link();
    golden("wide", &now.report());
}

#[test]
fn launches_that_disagree_are_inconclusive() {
    let mut now = Scenario::new();
    for (launch, factor) in now.launches("mlx/41f/int8").into_iter().zip([1.0, 1.25, 1.02]) {
        launch.step_seconds.iter_mut().for_each(|step| *step *= factor);
    }
    let report = now.report();
    assert_eq!(report.standing(), Standing::Passed);
    golden("inconclusive", &report);
}

#[test]
fn who_asks_for_conclusions_fails_without() {
    let mut now = Scenario::new();
    now.demands.conclusions = true;
    assert_eq!(now.clone().report().standing(), Standing::Passed);
    for (launch, factor) in now.launches("mlx/41f/int8").into_iter().zip([1.0, 1.25, 1.02]) {
        launch.step_seconds.iter_mut().for_each(|step| *step *= factor);
    }
    assert_eq!(now.report().standing(), Standing::Failed);
}

#[test]
fn slower_than_the_base_revision() {
    let mut now = Scenario::beside_base();
    now.slow_down("mlx/41f/int8", 1.05);
    let report = now.report();
    assert_eq!(report.standing(), Standing::Failed);
    golden("base-regression", &report);
}

#[test]
fn beside_the_base_revision_a_drifted_machine_passes() {
    let mut now = Scenario::beside_base();
    // Since the baseline all of PyTorch became 10% faster: not this change's doing.
    for case in &mut now.record.cases {
        let all = [&mut case.launches, &mut case.base_launches, &mut case.control_launches];
        for launch in all.into_iter().flatten().filter(|_| case.case.backend == "torch") {
            let Outcome::Measured(measured) = &mut launch.outcome else { continue };
            measured.step_seconds.iter_mut().for_each(|step| *step /= 1.1);
        }
    }
    let report = now.report();
    assert_eq!(report.standing(), Standing::Passed);
    golden("base-drift", &report);
}

#[test]
fn on_an_unfit_machine_no_speed_is_judged() {
    let mut now = Scenario::beside_base();
    now.slow_down("mlx/41f/int8", 1.05);
    for launch in &mut now.case("torch/41f/none").control_launches {
        let Outcome::Measured(measured) = &mut launch.outcome else { continue };
        measured.step_seconds.iter_mut().for_each(|step| *step *= 1.03);
    }
    now.record.canary.as_mut().unwrap().dropped.push(DroppedBlock {
        workload: "41f".to_owned(),
        block: 2,
        canary_seconds: 0.0052,
        reason: "the canary took 4.0% more than on the machine at rest: tried again after 1 s".to_owned(),
    });
    now.record.ended_early = Some("the time limit of 30 min 00 s left no room for another block".to_owned());
    let report = now.report();
    assert_eq!(report.standing(), Standing::NotMeasured);
    golden("unfit", &report);
}

#[test]
fn the_imported_seed_table_is_a_baseline() {
    let mut now = Scenario::new();
    let seed = include_str!("../../tests/fixtures/mlx-benchmarks-m3-ultra.md");
    now.baseline = Some(crate::import::import(seed, "mlx-benchmarks-m3-ultra.md").unwrap().baseline);
    golden("imported", &now.report());
}

#[test]
fn nothing_was_launched() {
    let mut now = Scenario::new();
    now.record.interrupted = true;
    for case in &mut now.record.cases {
        case.launches.clear();
    }
    golden("interrupted", &now.report());
}

#[test]
fn acceptances_and_what_a_change_loosens_are_told() {
    let mut now = Scenario::beside_base();
    let base = now.record.base.as_mut().unwrap();
    base.loosened =
        vec!["gate.base_tolerance_percent from 2 to 4".to_owned(), "removes a_b|c from suite smoke".to_owned()];
    base.accepted = vec!["mlx/41f/int8".to_owned()];
    now.slow_down("mlx/41f/int8", 1.25);
    let acceptance = Acceptance {
        reason: "the <mask> is right now, see #12".to_owned(),
        date: now.record.started,
        commit: None,
        change: Some(0.25),
    };
    now.baseline =
        now.baseline.map(|baseline| baseline.accepting(&now.record, "mlx/41f/int8", acceptance, &Gate::default()));
    let report = now.report();
    let document: serde_json::Value = serde_json::from_str(&json::render(&report)).unwrap();
    assert_eq!(document["loosened"][0], "gate.base_tolerance_percent from 2 to 4");
    assert_eq!(document["cases"][6]["baseline"]["accepted"]["change"], 0.25);
    golden("accepted", &report);
}

#[test]
fn json_is_valid_and_versioned() {
    let document: serde_json::Value = serde_json::from_str(&json::render(&Scenario::new().report())).unwrap();
    assert_eq!(document["schema"], 1);
    assert_eq!(document["standing"], "passed");
    assert_eq!(document["cases"].as_array().map(Vec::len), Some(8));
    assert_eq!(document["cases"][1]["findings"][0]["metric"], "speedup");
}

#[test]
fn colour_only_adds_escape_sequences() {
    let mut now = Scenario::new();
    now.slow_down("mlx/41f/int8", 1.25);
    let report = now.report();
    let plain = text::render(&report, false);
    assert!(!plain.contains('\u{1b}'));
    let mut uncoloured = String::new();
    for (index, part) in text::render(&report, true).split('\u{1b}').enumerate() {
        uncoloured.push_str(if index == 0 { part } else { part.split_once('m').unwrap().1 });
    }
    assert_eq!(uncoloured, plain);
}

/// A run of the seed table's cases and the baselines it is judged by; equal until a test changes one.
#[derive(Clone)]
pub(crate) struct Scenario {
    pub(crate) record: RunRecord,
    pub(crate) baseline: Option<Baseline>,
    memory: ModelMemory,
    demands: Demands,
}

impl Scenario {
    pub(crate) fn new() -> Self {
        let record = record();
        let before = RunRecord { started: "2026-02-27T09:00:00Z".parse().unwrap(), ..record.clone() };
        let baseline = Baseline::empty(before.machine.clone(), before.device).updated(&before, &Gate::default());
        let memory = ModelMemory::default().updated(&before);
        Self { record, baseline: Some(baseline), memory, demands: Demands::default() }
    }

    /// The same beside a base revision that is as fast, with a control and a canary.
    pub(crate) fn beside_base() -> Self {
        let mut now = Self::new();
        for case in &mut now.record.cases {
            // No two launches are quite alike.
            case.base_launches = varied(&case.launches, [1.002, 0.999, 1.001]);
            if case.case.is_reference() {
                case.control_launches = varied(&case.launches, [0.999, 1.002, 1.0]);
            }
        }
        now.record.base = Some(BaseRevision {
            name: "origin/main".to_owned(),
            commit: Some("0ffee1f837a6c0ffee1f837a6c0ffee1f837a6c0".to_owned()),
            loosened: Vec::new(),
            accepted: Vec::new(),
        });
        now.record.canary = Some(Canary {
            backend: "torch".to_owned(),
            cold_seconds: 0.005,
            tolerance_percent: 1.0,
            reading_seconds: vec![0.005; 6],
            dropped: Vec::new(),
        });
        now
    }

    pub(crate) fn report(self) -> Report {
        let known: BTreeSet<String> = self.record.cases.iter().map(|case| case.case.name.clone()).collect();
        let gate = Gate::default();
        let comparison = compare(&self.record, self.baseline.as_ref(), &self.memory, &known, &gate);
        let file = "baselines/apple-m3-ultra-512gb.json";
        Report {
            record: self.record,
            comparison,
            gate,
            baseline: self.baseline.as_ref().map(|baseline| Source::new(Path::new(file), baseline)),
            baseline_file: file.to_owned(),
            is_comparison: false,
            results_file: "results.json".to_owned(),
            demands: self.demands,
            program: "wanbench".to_owned(),
            flags: String::new(),
        }
    }

    fn case(&mut self, name: &str) -> &mut CaseRecord {
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

    pub(crate) fn fail(&mut self, name: &str, reason: &str, stderr: &[&str]) {
        let stderr_tail = stderr.iter().map(|line| (*line).to_owned()).collect();
        self.case(name).launches[1].outcome = Outcome::Failed(Failure { reason: reason.to_owned(), stderr_tail });
    }

    /// Nothing is launched of a case that needs so many GiB, on a device that has 36.
    pub(crate) fn skip(&mut self, name: &str, needs_gib: u64) {
        let case = self.case(name);
        for role in [Role::Head, Role::Base, Role::Control] {
            case.launches_mut(role).clear();
        }
        case.skipped = Some(Skipped { needs_bytes: needs_gib << 30, has_bytes: 36 << 30 });
    }

    pub(crate) fn link(&mut self) {
        let mut cases: Vec<Case> = self.record.cases.iter().map(|record| record.case.clone()).collect();
        link_references(&mut cases, "torch");
        for (record, case) in self.record.cases.iter_mut().zip(cases) {
            record.case = case;
        }
    }
}

/// The seed table's eight cases with plausible figures.
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
        },
        machine: machine(),
        device: DeviceKind::Gpu,
        suite: "synthetic".to_owned(),
        seed: 42,
        launches: 3,
        warmup_steps: 2,
        side_by_side: true,
        base: None,
        canary: None,
        wall_seconds: 184.0,
        interrupted: false,
        ended_early: None,
        warnings: Vec::new(),
        cases,
    };
    let mut scenario = Scenario { record, baseline: None, memory: ModelMemory::default(), demands: Demands::default() };
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

fn workload(frames: usize) -> Workload {
    let (steps, latent) = if frames == 5 { (5, [4, 16, 32]) } else { (20, [12, 30, 52]) };
    Workload { steps, latent, camera: true, ..crate::matrix::tests::workload(frames) }
}

/// Three launches around `step` seconds, the same in every test run.
fn case_record(case: Case, step: f64) -> CaseRecord {
    let bytes = model_bytes(&Spec::synthetic(), case.quant, case.dtype);
    let launches = [1.0, 1.004, 0.997].into_iter().enumerate().map(|(block, factor)| {
        // Not in proportion between cases, or the speedups' intervals would have no width.
        let wobble = if case.backend == "mlx" && block == 1 { 1.006 } else { 1.0 };
        let mut measured = measured(step * factor * wobble, case.workload.steps, Some(bytes + 300 * MIB));
        measured.model_bytes = bytes;
        let (device, framework) = if case.backend == "mlx" { ("metal", "mlx") } else { ("mps", "libtorch") };
        measured.device.name = device.to_owned();
        measured.versions = BTreeMap::from([(framework.to_owned(), "2.9.1".to_owned())]);
        Launch { block, position: 0, wall_seconds: 7.0, outcome: Outcome::Measured(measured) }
    });
    CaseRecord { launches: launches.collect(), ..CaseRecord::new(&case) }
}

/// A launch of equal steps.
pub(crate) fn measured(step: f64, steps: usize, process_peak_bytes: Option<u64>) -> Measured {
    Measured {
        device: Device { kind: DeviceKind::Gpu, name: "metal".to_owned() },
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
        framework_peak_bytes: process_peak_bytes.map(|peak| peak / 2),
        process_peak_bytes,
        output: None,
    }
}

fn golden(name: &str, report: &Report) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/report");
    let comment = comment::render(std::slice::from_ref(report), &origin(), 65_536);
    assert_whole(&comment);
    let renderings = [("md", markdown::render(report)), ("txt", text::render(report, false)), ("comment.md", comment)];
    for (extension, rendered) in renderings {
        assert_golden(&folder.join(format!("{name}.{extension}")), &rendered);
    }
}

/// Holds `rendered` against the file, or writes it where UPDATE_GOLDEN asks for that.
pub(crate) fn assert_golden(path: &Path, rendered: &str) {
    if std::env::var_os("UPDATE_GOLDEN").is_some_and(|value| value == "1") {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, rendered).unwrap();
    }
    let expected = std::fs::read_to_string(path).unwrap_or_default();
    assert!(
        rendered == expected,
        "{} differs; if that is intended, run with UPDATE_GOLDEN=1 and read the difference. Now:\n{rendered}",
        path.display()
    );
}
