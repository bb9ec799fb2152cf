//! Snapshots of the Markdown, the text and the comment. `INSTA_UPDATE=always cargo test --lib report` rewrites them; read
//! the difference before committing it.

mod outside;

use super::comment::tests::{assert_whole, origin};
use super::{Report, comment, json, markdown, text};
use crate::config::Thresholds;
use crate::config::{Case, Workload};
use crate::gate::Standing;
use crate::store::baseline::Acceptance;
use crate::store::record::{ArmKind, CanaryShift, DroppedBlock, Outcome, RunRecord, UnrestedBlock};
use crate::testing::{MIB, Scenario, case_record, workload};
use crate::wan::{DType, Experts, Quant};

#[test]
fn unchanged() {
    let report = Scenario::new().report();
    assert_eq!(report.standing(), Standing::Passed);
    golden("unchanged", &report);
}

#[test]
fn the_drift_since_the_anchors_is_told() {
    let mut now = Scenario::new();
    let mut later = RunRecord { started: "2026-02-28T09:00:00Z".parse().unwrap(), ..now.record.clone() };
    for case in later.cases.iter_mut().chain(&mut now.record.cases).filter(|case| case.case.name == "mlx/41f/nf4") {
        for launch in &mut case.launches {
            let Outcome::Measured(measured) = &mut launch.outcome else { continue };
            measured.step_seconds.iter_mut().for_each(|step| *step *= 1.03);
            measured.process_peak_bytes = measured.process_peak_bytes.map(|peak| peak + 7 * MIB);
        }
    }
    now.baseline = Some(now.baseline.unwrap().updated(&later, &Thresholds::default()));
    let report = now.report();
    assert_eq!(report.standing(), Standing::Passed);
    golden("drift", &report);
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
fn figures_beyond_their_ceilings() {
    let mut now = Scenario::new();
    let own = "filter = \"mlx/41f/nf4\"\nstep_time_ceiling_ms = 29\nspeedup_tolerance_percent = 7.5";
    now.thresholds.overrides.push(toml::from_str(own).unwrap());
    now.thresholds.process_peak_ceiling_mib = Some(394.0);
    let report = now.report();
    assert_eq!(report.standing(), Standing::Failed);
    golden("beyond-ceilings", &report);
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
    assert_eq!(report.standing(), Standing::NotJudged);
    golden("failed", &report);
}

#[test]
fn skipped_cases_with_and_without_a_baseline() {
    let mut now = Scenario::new();
    now.skip("mlx/41f/none", 71);
    now.skip("mlx/41f/nf4", 40);
    now.baseline.as_mut().unwrap().cases.remove("mlx/41f/nf4");
    let report = now.clone().report();
    assert_eq!(report.standing(), Standing::NotJudged);
    golden("skipped", &report);
    let document: serde_json::Value = serde_json::from_str(&json::render(&report)).unwrap();
    assert_eq!(document["outcome"]["cases"][5]["verdict"], "skipped");
    assert_eq!(document["outcome"]["cases"][5]["skipped"]["needs_bytes"], 71_u64 << 30);

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
    assert_eq!(report.standing(), Standing::NotJudged);
    golden("all-skipped", &report);
}

#[test]
fn a_skipped_reference_takes_the_speedups_with_it() {
    let mut now = Scenario::beside_base();
    now.skip("torch/41f/none", 71);
    golden("reference-skipped", &now.report());
}

#[test]
fn the_networks_of_a_workload_are_named() {
    let mut now = Scenario::new();
    now.record.cases.retain(|case| case.case.workload.frames == 41);
    now.baseline.as_mut().unwrap().cases.retain(|_, case| case.frames == 41);
    for experts in [Experts::High, Experts::Both, Experts::Swap] {
        for (backend, quant, step) in
            [("torch", Quant::None, 0.0743), ("mlx", Quant::None, 0.0298), ("mlx", Quant::Int8, 0.0301)]
        {
            let workload = Workload { name: format!("41f{}", experts.suffix()), experts, ..workload(41) };
            now.record.cases.push(case_record(Case::new(backend, workload, quant, DType::F32), step));
        }
    }
    now.link();
    golden("experts", &now.report());
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
        now.baseline = now.baseline.map(|baseline| baseline.updated(&slower.record, &Thresholds::default()));
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
    assert_eq!(report.standing(), Standing::NotJudged);
    golden("inconclusive", &report);
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
    // Since the baseline all of PyTorch became 8% faster: not this change's doing.
    for case in &mut now.record.cases {
        let all = [&mut case.launches, &mut case.base_launches, &mut case.control_launches];
        for launch in all.into_iter().flatten().filter(|_| case.case.backend == "torch") {
            let Outcome::Measured(measured) = &mut launch.outcome else { continue };
            measured.step_seconds.iter_mut().for_each(|step| *step /= 1.08);
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
    for case in ["torch/41f/none", "mlx/41f/none"] {
        for launch in &mut now.case(case).control_launches {
            let Outcome::Measured(measured) = &mut launch.outcome else { continue };
            measured.step_seconds.iter_mut().for_each(|step| *step *= 1.05);
        }
    }
    now.record.canary.as_mut().unwrap().dropped.push(DroppedBlock {
        workload: "41f".to_owned(),
        block: 2,
        canary_seconds: 0.0052,
        reason: "the canary took 1.04× as long as on the machine at rest: tried again after 1 s".to_owned(),
    });
    now.record.ended_early = Some("the time limit of 30 min 00 s left no room for another block".to_owned());
    let report = now.report();
    assert_eq!(report.standing(), Standing::NotJudged);
    golden("unfit", &report);
}

#[test]
fn a_gpu_with_memory_of_its_own_that_does_not_come_to_rest() {
    let mut now = Scenario::beside_base();
    let names: Vec<String> = now.record.cases.iter().map(|case| case.case.name.clone()).collect();
    names.iter().for_each(|name| now.with_own_memory(name));
    for launch in now.launches("mlx/41f/int8") {
        launch.process_peak_bytes = launch.process_peak_bytes.map(|peak| peak + 90 * MIB);
    }
    let canary = now.record.canary.as_mut().unwrap();
    canary.cold_seconds = 0.0119;
    let shift =
        |block, from_seconds, to_seconds| CanaryShift { workload: "41f".to_owned(), block, from_seconds, to_seconds };
    canary.shifts = vec![shift(0, 0.0121, 0.0113), shift(1, 0.0113, 0.0119)];
    canary.unrested = vec![UnrestedBlock { workload: "5f".to_owned(), block: 2, canary_seconds: 0.0142 }];
    canary.failed = Some("before block 3 of 41f: exited with status 1".to_owned());
    let report = now.report();
    assert_eq!(report.standing(), Standing::Passed);
    golden("own-memory", &report);
    let wide = |report: &Report| text::render(report, text::Layout { width: 200, verbose: true, ..PLAIN });
    assert!(wide(&report).contains("Peak Mem is the GPU's own memory, by the framework's account. Gated:"));
    assert!(wide(&Scenario::new().report()).contains("Peak Mem is the process's. Gated:"));
    let mut mixed = Scenario::new();
    mixed.with_own_memory("torch/41f/none");
    assert!(wide(&mixed.report()).contains("Peak Mem is the process's; of torch/41f/none the GPU's own memory"));
}

#[test]
fn a_step_that_is_too_short_to_time() {
    let mut now = Scenario::beside_base();
    for case in ["torch/5f/none", "mlx/5f/none"] {
        for (kind, factor) in [(ArmKind::Head, 0.3), (ArmKind::Base, 0.3), (ArmKind::Control, 0.33)] {
            for launch in now.case(case).launches_mut(kind) {
                let Outcome::Measured(measured) = &mut launch.outcome else { continue };
                measured.step_seconds.iter_mut().for_each(|step| *step *= factor);
            }
        }
    }
    let report = now.report();
    assert_eq!(report.standing(), Standing::NotJudged);
    golden("short-step", &report);
}

#[test]
fn the_imported_founding_table_is_a_baseline() {
    let mut now = Scenario::new();
    let founding = include_str!("../../../tests/fixtures/mlx-benchmarks-m3-ultra.md");
    now.baseline = Some(crate::store::import::import(founding, "mlx-benchmarks-m3-ultra.md").unwrap().baseline);
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
        times: Default::default(),
        covers: crate::store::baseline::Accepted::before_outputs(),
    };
    now.baseline = now
        .baseline
        .map(|baseline| baseline.accepting(&now.record, "mlx/41f/int8", acceptance, &Thresholds::default()));
    let report = now.report();
    let document: serde_json::Value = serde_json::from_str(&json::render(&report)).unwrap();
    assert_eq!(document["loosened"][0], "gate.base_tolerance_percent from 2 to 4");
    assert_eq!(document["outcome"]["cases"][6]["baseline"]["accepted"]["change"], 0.25);
    golden("accepted", &report);
}

#[test]
fn json_is_valid_and_versioned() {
    let document: serde_json::Value = serde_json::from_str(&json::render(&Scenario::new().report())).unwrap();
    assert_eq!(document["schema"], 2);
    assert_eq!(document["standing"], "passed");
    assert_eq!(document["outcome"]["cases"].as_array().map(Vec::len), Some(8));
    assert_eq!(document["outcome"]["cases"][1]["findings"][0]["figure"], "speedup");
}

#[test]
fn colour_only_adds_escape_sequences() {
    let mut now = Scenario::new();
    now.slow_down("mlx/41f/int8", 1.25);
    let report = now.report();
    let plain = text::render(&report, PLAIN);
    assert!(!plain.contains('\u{1b}'));
    let mut uncoloured = String::new();
    for (index, part) in text::render(&report, text::Layout { color: true, ..PLAIN }).split('\u{1b}').enumerate() {
        uncoloured.push_str(if index == 0 { part } else { part.split_once('m').unwrap().1 });
    }
    assert_eq!(uncoloured, plain);
}

fn golden(name: &str, report: &Report) {
    let has_step = report.standing() == Standing::Passed || !super::next_steps::steps(report).is_empty();
    assert!(has_step, "{name} does not pass, and nobody is told what to do");
    let comment = comment::render(std::slice::from_ref(report), &origin(), 65_536);
    assert_whole(&comment);
    snapshot(&format!("{name}.report"), &markdown::render(report));
    snapshot(&format!("{name}.terminal"), &text::render(report, PLAIN));
    snapshot(&format!("{name}.comment"), &comment);
}

/// A terminal of the usual size, without colour.
const PLAIN: text::Layout = text::Layout { color: false, width: 80, table_width: 80, verbose: false };

/// Holds `rendered` against the snapshot `name` in tests/snapshots.
pub(crate) fn snapshot(name: &str, rendered: &str) {
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/snapshots"));
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| insta::assert_snapshot!(name, rendered));
}
