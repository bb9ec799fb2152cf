//! What `wanbench report --format` writes, read by the schemas and parsers of those who read it: `make test-exports`, which names
//! the two programs of `native/` that have them. Bencher and github-action-benchmark publish no package; their documentation is
//! held against the outputs in `src/report/export/tests.rs`.

mod support;

use std::collections::BTreeMap;
use std::process::Command;

use serde::Deserialize;
use serde_json::Value;
use support::{Project, worker};

/// A project whose results have a regression (of model bytes) and a case that failed, and one with the figures before that.
fn projects() -> [Project; 2] {
    let broken = format!("read -r request\n{}\nexit 1", r#"echo >&2 'no "memory" <&> ]]>'"#);
    [worker(0.1, 1000), broken].map(|third| {
        let backends = [("slow", &worker(0.2, 4000)), ("fast", &worker(0.1, 1000)), ("third", &third)];
        let project = Project::new(&backends.map(|(name, script)| (name, script.as_str())));
        assert!(matches!(project.wanbench(&["run"]).status, 0 | 3));
        project.pretend_release_build();
        let update = ["baseline", "update", "--from", "results.json", "--yes", "--force"];
        let ran = project.wanbench(&update);
        assert_eq!(ran.status, 0, "{}{}", ran.stdout, ran.stderr);
        if third.contains("exit 1") {
            project.write("fast.sh", &worker(0.1, 1500));
            assert_eq!(project.wanbench(&["run"]).status, 3);
            project.pretend_release_build();
        }
        project
    })
}

fn export(project: &Project, format: &str) -> String {
    let ran = project.wanbench(&["report", "results.json", "--format", format]);
    assert_eq!(ran.status, 0, "{format}: {}", ran.stderr);
    ran.stdout
}

/// What the program that `variable` names prints about `text`, which lies in a file.
fn read_by(variable: &str, arguments: &[&str], project: &Project, text: &str) -> String {
    let program = std::env::var_os(variable).expect("run `make test-exports`, which names the programs");
    let file = project.path("exported");
    std::fs::write(&file, text).unwrap();
    let ran = Command::new(program).args(arguments).arg(file).output().unwrap();
    let [stdout, stderr] = [ran.stdout, ran.stderr].map(|text| String::from_utf8(text).unwrap());
    assert!(ran.status.success(), "{stderr}\n{text}");
    stdout
}

#[test]
fn every_format_is_printed_as_it_is_named() {
    let [passed, failed] = projects();
    for project in [&passed, &failed] {
        for (format, start) in [
            ("csv", "suite,machine,"),
            ("junit", "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>"),
            ("bencher", "{\n"),
            ("github-action-benchmark", "[\n"),
            ("openmetrics", "# TYPE wanbench_run info\n"),
        ] {
            let text = export(project, format);
            assert!(text.starts_with(start), "{format}: {text}");
        }
    }
    assert!(export(&failed, "csv").ends_with("\r\n"), "RFC 4180 asks for CRLF");
    let junit = export(&failed, "junit");
    assert_eq!((junit.matches("<failure ").count(), junit.matches("<error ").count()), (1, 1), "{junit}");
    assert!(!export(&passed, "junit").contains("<error "));
}

#[derive(Deserialize)]
struct ByJunitSchema {
    schema: String,
    problems: Vec<String>,
}

#[test]
#[ignore = "needs the schemas: make test-exports"]
fn junit_is_valid_by_ants_and_by_jenkinss_schema() {
    let problems = |project: &Project, text: &str| -> BTreeMap<String, Vec<String>> {
        let said = read_by("WANBENCH_JUNIT_SCHEMA", &[], project, text);
        let lines = said.lines().map(|line| serde_json::from_str::<ByJunitSchema>(line).unwrap());
        lines.map(|line| (line.schema, line.problems)).collect()
    };
    for project in projects() {
        let document = export(&project, "junit");
        let none = ["ant", "jenkins"].map(|schema| (schema.to_owned(), Vec::new()));
        assert_eq!(problems(&project, &document), BTreeMap::from(none), "{document}");
        let broken = problems(&project, &document.replace(" tests=", " test="));
        assert!(broken.values().all(|problems| !problems.is_empty()), "{broken:?}");
        // Left out by hand. Ant knows no skipped test.
        let ran = project.wanbench(&["run", "--filter", "fast"]);
        assert!(matches!(ran.status, 0 | 3), "{}", ran.stderr);
        let document = export(&project, "junit");
        assert!(document.contains("<skipped>"), "{document}");
        let problems = problems(&project, &document);
        assert_eq!(problems["jenkins"], [""; 0], "{document}");
        assert!(problems["ant"].iter().all(|problem| problem.contains("'skipped'")), "{problems:?}");
    }
}

#[test]
#[ignore = "needs the parsers: make test-exports"]
fn openmetrics_is_what_prometheuss_parser_reads() {
    for project in projects() {
        let text = export(&project, "openmetrics");
        let families: Vec<Value> =
            serde_json::from_str(&read_by("WANBENCH_EXPORT_READERS", &["openmetrics"], &project, &text)).unwrap();
        let family = |name: &str| families.iter().find(|family| family["name"] == name).unwrap();
        for (name, unit) in [("step_seconds", "seconds"), ("model_bytes", "bytes"), ("speedup_ratio", "ratio")] {
            let family = family(&format!("wanbench_case_{name}"));
            assert_eq!((&family["type"], &family["unit"]), (&"gauge".into(), &unit.into()), "{family}");
            assert_ne!(family["help"], "", "{family}");
        }
        let steps = family("wanbench_case_step_seconds")["samples"].as_array().unwrap();
        let step = steps.iter().find(|sample| sample["labels"]["case"] == "slow/5f/none").unwrap();
        assert_eq!(step["value"], 0.2, "{step}");
        assert!(families.len() > 8, "{families:?}");
        let on = |name: &str| {
            let samples = family(name)["samples"].as_array().unwrap().iter();
            samples.filter(|sample| sample["value"] == 1.0).count()
        };
        assert_eq!((on("wanbench_standing"), on("wanbench_case_verdict")), (1, 3));
    }
}

#[test]
#[ignore = "needs the parsers: make test-exports"]
fn csv_is_what_pythons_reader_reads() {
    let [_, project] = projects();
    let text = export(&project, "csv");
    let rows: Vec<Vec<String>> =
        serde_json::from_str(&read_by("WANBENCH_EXPORT_READERS", &["csv"], &project, &text)).unwrap();
    assert_eq!(rows.len(), 4, "{rows:?}");
    assert!(rows.iter().all(|row| row.len() == rows[0].len()), "{rows:?}");
    let column = |name: &str| rows[0].iter().position(|column| column == name).unwrap();
    let cells = |name: &str| rows[1..].iter().map(|row| row[column(name)].as_str()).collect::<Vec<_>>();
    assert_eq!(cells("verdict"), ["unchanged", "regressed", "failed"]);
    assert_eq!(cells("step_seconds"), ["0.2", "0.1", ""]);
    assert_eq!(cells("model_bytes"), ["4000", "1500", ""]);
    // With quotation marks, which the format has to double.
    assert!(cells("reason")[2].contains("no \"memory\" <&> ]]>"), "{rows:?}");
}
