use jsonschema::Validator;
use serde_json::{Value, json};

use super::{action_benchmark, bencher, csv, junit, openmetrics};
use crate::gate::{Standing, Verdict};
use crate::report::Report;
use crate::report::tests::snapshot;
use crate::testing::{MIB, Scenario};

/// A run with a regression, a case that failed, one that does not fit into memory, and names that each format must escape.
fn mixed() -> Report {
    let mut now = Scenario::new();
    now.slow_down("mlx/41f/int8", 1.25);
    now.fail("mlx/41f/nf4", "exit status 1: \"no, memory\" <&> ]]> \\n\u{1b}[31m\nsecond line\u{ffff}", &[]);
    now.skip("mlx/5f/nf4", 71);
    now.baseline.as_mut().unwrap().cases.remove("mlx/5f/nf4");
    now.report()
}

#[test]
fn each_format_of_a_run_with_all_kinds_of_outcomes() {
    let report = mixed();
    assert_eq!(report.standing(), Standing::Failed);
    snapshot("mixed.csv", &csv::render(&report));
    snapshot("mixed.junit", &junit::render(&report));
    snapshot("mixed.bencher", &bencher::render(&report));
    snapshot("mixed.github-action-benchmark", &action_benchmark::render(&report));
    snapshot("mixed.openmetrics", &openmetrics::render(&report));
}

#[test]
fn a_verdicts_key_is_the_json_reports() {
    for verdict in Verdict::ALL {
        assert_eq!(json!(verdict), json!(verdict.key()));
    }
}

#[test]
fn a_junit_document_says_what_the_run_says() {
    let passed = Scenario::new();
    let (mut slow, mut failed, mut open) = (Scenario::new(), Scenario::new(), Scenario::new());
    slow.slow_down("mlx/41f/int8", 1.25);
    failed.fail("mlx/41f/nf4", "died", &[]);
    for (launch, factor) in open.launches("mlx/41f/int8").into_iter().zip([1.0, 1.25, 1.02]) {
        launch.step_seconds.iter_mut().for_each(|step| *step *= factor);
    }
    let mut allowed = open.clone();
    allowed.demands.allows_inconclusive = true;
    // Nothing of these is about a case of the run.
    let (mut missing, mut demanded) = (Scenario::new(), Scenario::new());
    missing.record.cases.retain(|case| case.case.name != "mlx/41f/nf4");
    demanded.baseline = None;
    demanded.demands.baseline = true;
    let lacking = Scenario::new().report().lacking("results.json could not be saved".to_owned());
    let reports = [passed, slow, failed, open, allowed, missing, demanded].map(Scenario::report);
    let mut standings = Vec::new();
    for report in reports.iter().chain([&lacking, &mixed()]) {
        let document = junit::render(report);
        let said = match (document.contains("<failure"), document.contains("<error")) {
            (true, _) => Standing::Failed,
            (false, true) => Standing::NotJudged,
            (false, false) => Standing::Passed,
        };
        assert_eq!(said, report.standing(), "{document}");
        standings.push(said);
    }
    assert_eq!(standings.iter().filter(|standing| **standing == Standing::Passed).count(), 2, "{standings:?}");
}

#[test]
fn junit_counts_what_it_has() {
    let document = junit::render(&mixed());
    let number = |name: &str| -> usize {
        let start = format!(" {name}=\"");
        let values = document.split(&start).skip(1).map(|rest| rest.split('"').next().unwrap());
        values.map(|value| value.parse::<usize>().unwrap()).sum()
    };
    for (attribute, element) in [("tests", "<testcase "), ("failures", "<failure "), ("errors", "<error ")] {
        assert_eq!(number(attribute), document.matches(element).count(), "{attribute}: {document}");
    }
    assert_eq!((document.matches("<failure ").count(), document.matches("<skipped>").count()), (1, 1));
}

/// By Bencher's documentation, "Bencher Metric Format": its own schema, and the longest names that it gives in prose. Bencher
/// publishes no package with either.
#[test]
fn bencher_takes_what_it_gets() {
    let metric = json!({
        "type": "object", "required": ["value"], "additionalProperties": false,
        "properties": {
            "value": {"type": "number"}, "lower_value": {"type": "number"}, "upper_value": {"type": "number"},
        },
    });
    let name = |most: usize| json!({"type": "string", "minLength": 1, "maxLength": most});
    let slug = json!({"allOf": [name(64), {"pattern": "^[a-z0-9]+(-[a-z0-9]+)*$"}]});
    let schema = jsonschema::validator_for(&json!({
        "type": "object", "propertyNames": name(1024), "minProperties": 1,
        "additionalProperties": {
            "type": "object", "propertyNames": slug, "additionalProperties": metric, "required": ["latency"],
        },
    }));
    let document = valid(&schema.unwrap(), &bencher::render(&mixed()));
    assert_eq!(document.as_object().unwrap().len(), 6);
    let figures = &document["mlx/41f/none"];
    let step = &figures["latency"];
    assert_eq!(step["value"].as_f64().unwrap().round(), 29_800_000.0, "nanoseconds: {step}");
    assert!(step["lower_value"].as_f64() <= step["value"].as_f64(), "{step}");
    assert!(step["value"].as_f64() <= step["upper_value"].as_f64(), "{step}");
    assert!(figures["speedup-ratio"]["lower_value"].is_number() && figures["model-bytes"]["value"].is_number());
    assert_eq!(document.get("mlx/41f/nf4"), None, "a case that failed has no figure");
}

/// By the README of github-action-benchmark, "Custom Benchmark Tool"; the action is published as no package.
#[test]
fn github_action_benchmark_takes_what_it_gets() {
    let schema = jsonschema::validator_for(&json!({
        "type": "array", "minItems": 1,
        "items": {
            "type": "object", "required": ["name", "unit", "value"], "additionalProperties": false,
            "properties": {
                "name": {"type": "string", "minLength": 1}, "unit": {"type": "string", "minLength": 1},
                "value": {"type": "number"}, "range": {"type": "string"}, "extra": {"type": "string"},
            },
        },
    }));
    let document = valid(&schema.unwrap(), &action_benchmark::render(&mixed()));
    let entries = document.as_array().unwrap();
    let mut names: Vec<&str> = entries.iter().map(|entry| entry["name"].as_str().unwrap()).collect();
    assert!(names.contains(&"mlx/41f/int8: step time") && !names.iter().any(|name| name.contains("speedup")));
    let count = names.len();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), count, "the action knows a series by its name");
}

#[test]
fn figures_are_in_base_units_and_never_made_up() {
    let mut now = Scenario::new();
    for launch in now.launches("mlx/41f/none") {
        launch.process_peak_bytes = None;
        launch.framework_peak_bytes = Some(300 * MIB);
    }
    let text = openmetrics::render(&now.report());
    let of_case = |name: &str| text.lines().find(|line| line.starts_with(name) && line.contains("\"mlx/41f/none\""));
    assert_eq!(of_case("wanbench_case_process_peak_bytes{"), None);
    assert!(of_case("wanbench_case_framework_peak_bytes{").unwrap().ends_with(" 314572800"));
    assert!(of_case("wanbench_case_step_seconds{").unwrap().ends_with(" 0.0298"), "{text}");
}

/// `text` as JSON that `schema` allows.
fn valid(schema: &Validator, text: &str) -> Value {
    let document: Value = serde_json::from_str(text).unwrap();
    let problems: Vec<String> = schema.iter_errors(&document).map(|problem| problem.to_string()).collect();
    assert!(problems.is_empty(), "{problems:?}");
    document
}
