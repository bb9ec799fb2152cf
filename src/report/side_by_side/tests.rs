use std::path::Path;

use serde_json::Value;

use super::{Side, SideBySide, json, markdown, text};
use crate::config::Thresholds;
use crate::report::tests::snapshot;
use crate::report::text::Layout;
use crate::store::baseline::Baseline;
use crate::testing::Scenario;

const PLAIN: Layout = Layout { color: false, width: 80, table_width: 80, verbose: false };

/// An M3 Ultra, and a machine with an NVIDIA GPU that is four times as fast, with another version of MLX and without a case.
fn two_machines() -> SideBySide {
    let here = Scenario::new().record;
    let mut there = Scenario::new();
    let names: Vec<String> = there.record.cases.iter().map(|case| case.case.name.clone()).collect();
    for name in &names {
        there.slow_down(name, 0.25);
        there.with_own_memory(name);
        for launch in there.launches(name) {
            launch.versions.values_mut().for_each(|version| *version = "2.10.0".to_owned());
        }
    }
    there.fail("mlx/5f/int8", "the worker died: signal 9", &[]);
    there.record.cases.retain(|case| case.case.name != "mlx/41f/nf4");
    let wider = there.case("mlx/5f/nf4");
    wider.case.workload.latent = [4, 32, 32];
    let machine = &mut there.record.machine;
    (machine.chip, machine.os, machine.gpu_cores) = ("Intel Xeon Platinum".to_owned(), "linux".to_owned(), None);
    machine.gpu = Some("NVIDIA H200".to_owned());
    there.record.tool.environment.insert("nvidia.driver".to_owned(), "580.65".to_owned());
    SideBySide {
        sides: [Side::of_record("m3.json".to_owned(), &here), Side::of_record("h200.json".to_owned(), &there.record)],
    }
}

#[test]
fn two_machines_in_every_format() {
    let both = two_machines();
    snapshot("side-by-side.terminal", &text(&both, PLAIN));
    snapshot("side-by-side.markdown", &markdown(&both));
    snapshot("side-by-side.json", &json(&both));
}

#[test]
fn on_a_terminal_the_table_keeps_its_width_and_the_steps() {
    let both = two_machines();
    for (table_width, has_peak, has_speedup) in
        [(120, true, true), (80, true, true), (60, true, false), (20, false, false)]
    {
        let text = text(&both, Layout { table_width, ..PLAIN });
        let head = text.lines().find(|line| line.starts_with("Case")).unwrap();
        assert_eq!(
            (head.contains("Peak A"), head.contains("Speedup A")),
            (has_peak, has_speedup),
            "{table_width}: {head}"
        );
        assert!(head.contains("Step A") && head.contains("Step B") && head.contains("B/A"), "{head}");
        assert!(table_width == 20 || text.lines().all(|line| line.chars().count() <= table_width.max(80)), "{text}");
    }
    assert!(text(&both, Layout { verbose: true, ..PLAIN }).contains("Model B"));
}

#[test]
fn nothing_is_divided_that_is_not_of_the_same_work() {
    let document: Value = serde_json::from_str(&json(&two_machines())).unwrap();
    let case = |name: &str| {
        let cases = document["cases"].as_array().unwrap();
        cases.iter().find(|case| case["name"] == name).unwrap_or_else(|| panic!("{name}"))
    };
    let ratio = case("mlx/41f/none")["step_ratio"].as_f64().unwrap();
    assert!((ratio - 0.25).abs() < 1e-12, "{ratio}");
    assert_eq!(case("mlx/5f/nf4")["step_ratio"], Value::Null);
    assert_eq!(case("mlx/5f/nf4")["is_other_work"], true);
    assert_eq!(case("mlx/41f/nf4")["b"], Value::Null);
    assert_eq!(case("mlx/5f/int8")["b"]["reason"], "the worker died: signal 9");
    // Of a GPU with memory of its own the framework's peak counts.
    assert!(case("mlx/41f/none")["b"]["peak_bytes"].as_u64() < case("mlx/41f/none")["a"]["peak_bytes"].as_u64());
}

#[test]
fn results_stand_beside_a_baseline() {
    let record = Scenario::new().record;
    let baseline = Baseline::empty(record.machine.clone(), record.device).updated(&record, &Thresholds::default());
    let sides = [Side::of_baseline("a.json".to_owned(), &baseline), Side::of_record("b.json".to_owned(), &record)];
    let document: Value = serde_json::from_str(&json(&SideBySide { sides })).unwrap();
    for case in document["cases"].as_array().unwrap() {
        assert!((case["step_ratio"].as_f64().unwrap() - 1.0).abs() < 1e-12, "{case}");
        assert_eq!(case["a"]["peak_bytes"], case["b"]["peak_bytes"]);
    }
    let names: Vec<&str> =
        document["differences"].as_array().unwrap().iter().map(|it| it["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["seed", "suite", "wanbench"], "only results tell these");
}

#[test]
fn an_imported_table_stands_beside_another() {
    let founding = include_str!("../../../tests/fixtures/mlx-benchmarks-m3-ultra.md");
    let imported = crate::store::import::import(founding, "founding.md").unwrap().baseline;
    let side = || Side::of_baseline(Path::new("founding.json").display().to_string(), &imported);
    let both = SideBySide { sides: [side(), side()] };
    assert!(text(&both, PLAIN).contains("1.00×"), "{}", text(&both, PLAIN));
    assert!(!text(&both, PLAIN).contains(": A "), "nothing differs: {}", text(&both, PLAIN));
}
