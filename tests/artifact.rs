//! What is taken from an artifact of a stranger: records that wanbench wrote, and nothing that could do harm.

mod support;

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;
use serde_json::{Value, json};
use support::{Project, READY, UNLESS_PROBED, after_ready, say, write_output};
use wanbench::config::Config;
use wanbench::config::Thresholds;
use wanbench::evidence::Evidence;
use wanbench::gate::doubts::Doubts;
use wanbench::gate::{Baselines, Demands, Judge, Plan, Standing};
use wanbench::github::Caps;
use wanbench::github::artifact::{Artifact, ArtifactError, PULL_REQUEST};
use wanbench::report::text::Layout;
use wanbench::report::{self, Invocation, Report};
use wanbench::store::baseline::{Baseline, ModelMemory};
use wanbench::store::record::RunRecord;

/// What `wanbench check` saved and the configuration it ran by: two cases beside a base revision, with outputs.
fn saved() -> &'static (Value, Config) {
    static SAVED: OnceLock<(Value, Config)> = OnceLock::new();
    SAVED.get_or_init(|| {
        let done = json!({"type": "done", "framework_peak_bytes": 500, "process_peak_bytes": 104_857_600,
            "output": {"sha256": "5e".repeat(32), "elements": 64, "norm": 8.0},
            "rates": {"gemm_flops_per_second": 4e10, "copy_bytes_per_second": 1.2e10}});
        let (write, done) = (write_output(&[1.0; 64]), say(&done.to_string()));
        let worker = |seconds| format!("{READY}\n{UNLESS_PROBED}\n{}\n{write}\n{done}", after_ready(seconds, 1000));
        let (slow, fast) = (worker(0.2), worker(0.1));
        let project = Project::new(&[("slow", &slow), ("fast", &fast)]);
        fs::create_dir(project.path("base")).unwrap();
        for (name, script) in [("slow", &slow), ("fast", &fast)] {
            project.write(&format!("base/{name}.sh"), script);
        }
        let ran = project.wanbench(&["check", "--base-workers", "base"]);
        assert_eq!(ran.status, 0, "{}{}", ran.stdout, ran.stderr);
        (project.json("results.json"), Config::open(&project.path("config.toml")).unwrap())
    })
}

fn saved_json() -> Value {
    saved().0.clone()
}

/// The folder that a job uploads, as it should be until a test spoils it.
struct Upload(tempfile::TempDir);

impl Upload {
    fn new() -> Self {
        let upload = Self(tempfile::tempdir().unwrap());
        upload.write(PULL_REQUEST, "7\n");
        upload.write("results.json", saved_json().to_string());
        upload
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        fs::write(self.path(name), content).unwrap();
    }

    fn open(&self) -> Result<Artifact, ArtifactError> {
        self.open_within(&Caps::default())
    }

    fn open_within(&self, caps: &Caps) -> Result<Artifact, ArtifactError> {
        Artifact::open(self.0.path(), caps, Timestamp::now())
    }

    /// Why it is refused: one line without a folder of the test's own, that no log obeys.
    fn refusal(&self) -> String {
        self.refusal_within(&Caps::default())
    }

    fn refusal_within(&self, caps: &Caps) -> String {
        let text = self.open_within(caps).expect_err("it is refused").to_string();
        let text = text.replace(&self.0.path().display().to_string(), "DIR");
        assert!(text.starts_with("DIR") && !text.contains(['\n', '\r', '\u{1b}', '#', '[', ']']), "{text:?}");
        text
    }
}

/// Why a record is refused that `change` made of a good one.
fn refusal_of(change: impl FnOnce(&mut Value)) -> String {
    let upload = Upload::new();
    let mut record = saved_json();
    change(&mut record);
    upload.write("results.json", record.to_string());
    upload.refusal()
}

/// [`refusal_of`] where the value at `pointer` is another one.
fn refusal_with(pointer: &str, value: Value) -> String {
    refusal_of(|record| *record.pointer_mut(pointer).expect(pointer) = value)
}

#[test]
fn what_wanbench_saved_is_taken_whole() {
    let upload = Upload::new();
    upload.write("another-machine_2.json", saved_json().to_string());
    let artifact = upload.open().unwrap();
    assert_eq!(artifact.pull_request, Some(7));
    let paths: Vec<&PathBuf> = artifact.records.iter().map(|(path, _)| path).collect();
    assert_eq!(paths, [&upload.path("another-machine_2.json"), &upload.path("results.json")]);
    let record: RunRecord = serde_json::from_value(saved_json()).unwrap();
    assert!(artifact.records.iter().all(|(_, read)| *read == record));
    let case = &record.cases[0];
    assert!(!case.base_launches.is_empty() && !case.control_launches.is_empty(), "the test covers them");
}

#[test]
fn only_the_expected_plain_files_are_opened() {
    let secret = tempfile::tempdir().unwrap();
    fs::write(secret.path().join("results.json"), saved_json().to_string()).unwrap();
    type Spoil<'a> = &'a dyn Fn(&Upload);
    let cases: [(&str, Spoil); 9] = [
        ("holds notes.txt: only pull-request and plainly named *.json", &|upload| upload.write("notes.txt", "")),
        ("holds .hidden.json", &|upload| upload.write(".hidden.json", "{}")),
        ("holds a b.json", &|upload| upload.write("a b.json", "{}")),
        ("holds ??error::x", &|upload| upload.write("\n#error::x", "{}")),
        ("holds r?sum?.json", &|upload| upload.write("résumé.json", "{}")),
        ("holds folder", &|upload| fs::create_dir(upload.path("folder")).unwrap()),
        ("folder.json: is not a plain file", &|upload| fs::create_dir(upload.path("folder.json")).unwrap()),
        ("link.json: is not a plain file", &|upload| {
            symlink(secret.path().join("results.json"), upload.path("link.json")).unwrap();
        }),
        ("pull-request: is not a plain file", &|upload| {
            fs::remove_file(upload.path(PULL_REQUEST)).unwrap();
            symlink("results.json", upload.path(PULL_REQUEST)).unwrap();
        }),
    ];
    for (reason, spoil) in cases {
        let upload = Upload::new();
        spoil(&upload);
        let refusal = upload.refusal();
        assert!(refusal.contains(reason), "{reason}: {refusal}");
    }
}

#[test]
fn a_pipe_is_refused_and_not_waited_for() {
    let upload = Upload::new();
    let made = std::process::Command::new("mkfifo").arg(upload.path("pipe.json")).status().unwrap();
    assert!(made.success());
    assert!(upload.refusal().contains("pipe.json: is not a plain file"));
}

#[test]
fn the_number_is_of_ten_digits_at_most() {
    for (text, number) in [("1", 1), ("42\n", 42), ("9999999999\n", 9_999_999_999)] {
        let upload = Upload::new();
        upload.write(PULL_REQUEST, text);
        assert_eq!(upload.open().unwrap().pull_request, Some(number));
    }
    for text in
        ["", "\n", "0", "12345678901", "+7", "-7", "7 ", " 7", "7\n\n", "7\r\n", "7\nhead_sha=x", "７", "0x7", "1e3"]
    {
        let upload = Upload::new();
        upload.write(PULL_REQUEST, text);
        let refusal = upload.refusal();
        assert!(refusal.contains("pull-request: is not the number of a pull request"), "{text:?}: {refusal}");
    }
    let upload = Upload::new();
    upload.write(PULL_REQUEST, [0xff, 0xfe]);
    assert!(upload.refusal().contains("is not UTF-8 text"));
}

#[test]
fn an_artifact_without_record_is_refused_and_so_is_none() {
    let upload = Upload::new();
    fs::remove_file(upload.path(PULL_REQUEST)).unwrap();
    assert_eq!(upload.open().unwrap().pull_request, None);
    let upload = Upload::new();
    fs::remove_file(upload.path("results.json")).unwrap();
    assert!(upload.refusal().contains("DIR: has no run record"));
    let error = Artifact::open(Path::new("/no/such"), &Caps::default(), Timestamp::now()).unwrap_err();
    assert!(error.to_string().starts_with("/no/such: cannot be read"), "{error}");
}

#[test]
fn nothing_larger_than_the_caps_is_read() {
    let caps = Caps { files: 3, file_bytes: 100_000, total_bytes: 150_000, ..Caps::default() };
    let huge =
        |upload: &Upload, name: &str, bytes| fs::File::create(upload.path(name)).unwrap().set_len(bytes).unwrap();
    let upload = Upload::new();
    assert!(upload.open_within(&caps).is_ok());
    // A file of holes takes no room on the disk, and all of the reader's memory.
    huge(&upload, "holes.json", 1 << 40);
    assert!(upload.refusal_within(&caps).contains("holes.json: is larger than 100000 bytes"));

    let upload = Upload::new();
    huge(&upload, "a.json", 99_000);
    huge(&upload, "results.json", 99_000);
    assert!(upload.refusal_within(&caps).contains("DIR: is larger than 150000 bytes"));

    let upload = Upload::new();
    (0..100).for_each(|number| upload.write(&format!("{number}.json"), "{}"));
    assert!(upload.refusal_within(&caps).contains("DIR: holds more than 3 files"));
}

#[test]
fn a_record_must_be_of_its_form() {
    let upload = Upload::new();
    let text = saved_json().to_string();
    let deep = format!("{}{}", "[".repeat(200_000), "]".repeat(200_000));
    let seed = format!("\"seed\":{}", saved_json()["seed"]);
    assert!(text.contains(&seed));
    for (reason, spoilt) in [
        ("EOF while parsing", String::new()),
        ("trailing characters", format!("{text}{text}")),
        ("unknown field", text.replacen('{', r####"{"##[set-output name=pull_request;]8\n::error::":1,"####, 1)),
        ("invalid type", format!("{{\"schema\":3,\"warnings\":{deep}}}")),
        ("unknown field", format!("{{\"schema\":3,\"deep\":{deep}}}")),
        ("invalid type", deep),
        ("duplicate field", text.replacen('{', r#"{"schema":3,"#, 1)),
        ("duplicate field", text.replacen(&seed, &format!("{seed},{seed}"), 1)),
        ("number out of range", text.replacen(&seed, "\"seed\":1e999", 1)),
        ("invalid type", text.replacen(&seed, "\"seed\":18446744073709551616", 1)),
        ("invalid value", text.replacen(&seed, "\"seed\":-1", 1)),
        ("invalid type", text.replacen(&seed, "\"seed\":null", 1)),
        ("expected value", text.replacen(&seed, "\"seed\":NaN", 1)),
        ("has schema 1, but this wanbench reads schema 3", json!({"schema": 1}).to_string()),
        ("missing field", json!({"schema": 3}).to_string()),
    ] {
        upload.write("results.json", spoilt);
        let refusal = upload.refusal();
        assert!(refusal.contains("DIR/results.json: ") && refusal.contains(reason), "{reason}: {refusal}");
    }
}

#[test]
fn figures_that_nobody_measured_are_refused() {
    let launch = "/cases/1/launches/0";
    let measured = format!("{launch}/outcome/measured");
    for step in [0.0, -0.1, 1e-300, 1e300, 432_001.0] {
        for (arm, launch) in [
            ("/cases/1/launches", "case fast/5f/none: launch"),
            ("/cases/1/base_launches", "case fast/5f/none: base launch"),
            ("/cases/0/control_launches", "case slow/5f/none: control launch"),
        ] {
            let refusal = refusal_with(&format!("{arm}/0/outcome/measured/step_seconds/1"), json!(step));
            let reason =
                format!("DIR/results.json: {launch} of block 0: step_seconds of step 1 is {step:?}, which is not");
            assert!(refusal.contains(&reason), "{refusal}");
        }
    }
    for (pointer, value, reason) in [
        ("/wall_seconds".to_owned(), json!(-1.0), "wall_seconds is -1.0"),
        ("/wall_seconds".to_owned(), json!(432_001.0), "took 432001.0 s"),
        (format!("{launch}/wall_seconds"), json!(1e9), "wall_seconds is 1000000000.0"),
        (format!("{measured}/startup_seconds"), json!(-1e-3), "startup_seconds is -0.001"),
        (format!("{measured}/load_seconds"), json!(1e300), "load_seconds is 1e300"),
        (format!("{measured}/warmup_seconds"), json!(-1.0), "warmup_seconds is -1.0"),
        (format!("{measured}/model_bytes"), json!(0), "model_bytes is 0"),
        (format!("{measured}/model_bytes"), json!(u64::MAX), "model_bytes is 18446744073709551615"),
        (format!("{measured}/quantize_seconds"), json!(-1.0), "quantize_seconds is -1.0"),
        (format!("{measured}/quantize_seconds"), json!(1e9), "quantize_seconds is 1000000000.0"),
        (format!("{measured}/switch_seconds"), json!(1e300), "switch_seconds is 1e300"),
        (
            format!("{measured}/switch_seconds"),
            json!(0.1),
            "it has switch_seconds, but its workload has only one network",
        ),
        (format!("{measured}/rates/gemm_flops_per_second"), json!(0.0), "gemm_flops_per_second is 0.0"),
        (format!("{measured}/rates/gemm_flops_per_second"), json!(2e18), "gemm_flops_per_second is 2e18"),
        (format!("{measured}/rates/copy_bytes_per_second"), json!(-1.0), "copy_bytes_per_second is -1.0"),
        (format!("{measured}/rates/copy_bytes_per_second"), json!(1e-300), "copy_bytes_per_second is 1e-300"),
        (format!("{measured}/framework_peak_bytes"), json!(0), "framework_peak_bytes is 0"),
        (format!("{measured}/process_peak_bytes"), json!(0), "process_peak_bytes is 0"),
        (format!("{measured}/load_peak_bytes"), json!(0), "load_peak_bytes is 0"),
        (format!("{measured}/step_seconds"), json!([]), "step_seconds is empty"),
        (format!("{measured}/step_seconds"), json!([0.1]), "step_seconds has 1 steps, but the workload 2"),
        (format!("{measured}/step_seconds"), json!(vec![0.1; 100]), "step_seconds has 100 steps, but the workload 2"),
        (format!("{measured}/device/kind"), json!("gpu"), "it ran on the gpu, but the run on the cpu"),
        (format!("{measured}/output/norm"), json!(-1.0), "norm is -1.0"),
        (format!("{measured}/output/elements"), json!(0), "elements is 0"),
        (format!("{measured}/output/sha256"), json!("beef"), "sha256 is \"beef\", which is not 64 hexadecimal digits"),
        ("/cases/1/parity".to_owned(), json!({"relative_error": -0.5}), "relative_error is -0.5"),
        ("/cases/0/base_parity".to_owned(), json!({"relative_error": -0.5}), "relative_error is -0.5"),
        ("/cases/1/work/flops".to_owned(), json!(-1.0), "flops is -1.0"),
        ("/cases/1/work/flops".to_owned(), json!(1e300), "flops is 1e300"),
        ("/cases/1/work/bytes".to_owned(), json!(1e24), "bytes is 1e24"),
    ] {
        let refusal = refusal_with(&pointer, value);
        assert!(refusal.contains(reason), "{pointer}: {refusal}");
    }
}

#[test]
fn a_canary_that_cannot_be_is_refused() {
    let canary = json!({"backend": "slow", "cold_seconds": 0.01, "tolerance_percent": 25.0, "reading_seconds": [0.01],
        "shifts": [{"workload": "5f", "block": 1, "from_seconds": 0.01, "to_seconds": 0.02}],
        "unrested": [{"workload": "5f", "block": 2, "canary_seconds": 0.03}],
        "dropped": [{"workload": "5f", "block": 0, "canary_seconds": 0.02, "reason": "slow"}]});
    let spoilt = |pointer: &str, value: Value| {
        let mut canary = canary.clone();
        *canary.pointer_mut(pointer).unwrap() = value;
        refusal_with("/canary", canary)
    };
    assert!(spoilt("/cold_seconds", json!(0.0)).contains("canary: cold_seconds is 0.0"));
    assert!(spoilt("/reading_seconds/0", json!(-1.0)).contains("canary: reading_seconds is -1.0"));
    assert!(spoilt("/tolerance_percent", json!(-1.0)).contains("canary: tolerance_percent is -1.0"));
    assert!(spoilt("/dropped/0/workload", json!("a|b")).contains("the workload of a dropped block is "));
    assert!(spoilt("/dropped/0/canary_seconds", json!(0.0)).contains("canary: canary_seconds is 0.0"));
    assert!(spoilt("/unrested/0/canary_seconds", json!(0.0)).contains("canary: canary_seconds is 0.0"));
    assert!(spoilt("/shifts/0/to_seconds", json!(0.0)).contains("canary: to_seconds is 0.0"));
    let upload = Upload::new();
    let mut record = saved_json();
    record["canary"] = canary;
    upload.write("results.json", record.to_string());
    assert!(upload.open().is_ok());
}

#[test]
fn arms_that_no_run_has_are_refused() {
    let repeat = |pointer: &'static str| {
        refusal_of(move |record| {
            let list = record.pointer_mut(pointer).unwrap().as_array_mut().unwrap();
            list.push(list[0].clone());
        })
    };
    // A sample that appears twice would count as two.
    assert!(
        repeat("/cases/1/launches")
            .contains("case fast/5f/none: its launches are of the blocks 0, 1, 2, 0, not of one planned block")
    );
    assert!(repeat("/cases/1/base_launches").contains("not of one planned block"));
    assert!(repeat("/cases").contains("case slow/5f/none appears twice"));
    assert!(refusal_with("/cases/1/launches/2/block", json!(3)).contains("not of one planned block"));
    assert!(refusal_with("/base", Value::Null).contains("launches of a base revision"));
}

#[test]
fn a_skipped_case_lacks_memory_and_has_no_launch() {
    let skipped = |needs: u64, has: u64| json!({"needs_bytes": needs, "has_bytes": has});
    let with = |skipped: Value| refusal_with("/cases/1/skipped", skipped);
    assert!(
        with(skipped(1000, 1000))
            .contains("case fast/5f/none: it was skipped for lack of memory, but needs 1000 of 1000 bytes")
    );
    assert!(with(skipped(2000, 1000)).contains("it was skipped, but has launches"));
    let upload = Upload::new();
    let mut record = saved_json();
    let skip = |case: &mut Value| {
        case["skipped"] = skipped(71 << 30, 36 << 30);
        ["launches", "base_launches", "control_launches"].into_iter().for_each(|arm| case[arm] = json!([]));
    };
    skip(&mut record["cases"][1]);
    assert!(taken(record.to_string().as_bytes()));
    skip(&mut record["cases"][0]);
    assert!(taken(record.to_string().as_bytes()));
    record["cases"][0]["control_launches"] = saved_json()["cases"][0]["control_launches"].clone();
    upload.write("results.json", record.to_string());
    assert!(upload.refusal().contains("case slow/5f/none: it was skipped, but has launches"));
}

#[test]
fn counts_beyond_the_caps_are_refused() {
    assert!(refusal_with("/cases", json!([])).contains("has 0 cases"));
    assert!(refusal_with("/launches", json!(0)).contains("launches is 0, which is not from 1 to 65535"));
    assert!(refusal_with("/launches", json!(1_001)).contains("has 1001 launches"));
    assert!(refusal_with("/launches", json!(u64::MAX)).contains("which is not from 1 to 65535"));
    assert!(refusal_with("/warmup_steps", json!(u32::MAX)).contains("warm-up steps"));
    let with_workload = |pointer: &str, value: Value| {
        refusal_of(|record| {
            for case in record["cases"].as_array_mut().unwrap() {
                *case["case"]["workload"].pointer_mut(pointer).unwrap() = value.clone();
            }
        })
    };
    for (pointer, value) in [("/frames", json!(0)), ("/text_rows", json!(u64::MAX)), ("/latent/1", json!(1_u64 << 40))]
    {
        let refusal = with_workload(pointer, value);
        assert!(refusal.contains("a shape that no configuration allows"), "{refusal}");
    }
    assert!(with_workload("/steps", json!(0)).contains("case slow/5f/none: steps is 0"));
    let long = refusal_of(|record| {
        for case in record["cases"].as_array_mut().unwrap() {
            case["case"]["workload"]["steps"] = json!(10_001);
            for arm in ["launches", "base_launches", "control_launches"] {
                for launch in case[arm].as_array_mut().unwrap() {
                    launch["outcome"]["measured"]["step_seconds"] = json!(vec![0.1; 10_001]);
                }
            }
        }
    });
    assert!(long.contains("a number of steps outside 1 to 10000"), "{long}");
    let caps = Caps { cases: 1, ..Caps::default() };
    assert!(Upload::new().refusal_within(&caps).contains("has 2 cases, which is not from 1 to 1"));
}

#[test]
fn every_text_and_list_has_a_cap() {
    let long = Value::from("x".repeat(70_000));
    for pointer in ["/tool/version", "/machine/chip", "/machine/os", "/suite", "/base/name"] {
        assert!(refusal_with(pointer, long.clone()).contains("a text of over 65536 bytes"), "{pointer}");
    }
    let texts = Value::from(vec![long.clone()]);
    for pointer in ["/warnings", "/base/loosened", "/base/accepted"] {
        assert!(refusal_with(pointer, texts.clone()).contains("a text of over"), "{pointer}");
        assert!(refusal_with(pointer, json!(vec![""; 100_001])).contains("a list of over 100000"), "{pointer}");
    }
    let failed = json!({"failed": {"reason": "died", "stderr_tail": texts}});
    assert!(refusal_with("/cases/1/launches/0/outcome", failed).contains("a text of over"));
    let mut versions = json!({});
    versions["x".repeat(70_000)] = json!("1");
    assert!(refusal_with("/cases/1/launches/0/outcome/measured/versions", versions).contains("a text of over"));
}

#[test]
fn names_commits_and_dates_must_be_such() {
    for name in ["../../etc/passwd", "fast/5f/none\n::error::x", "fast/5f/int8", ""] {
        let refusal = refusal_with("/cases/1/case/name", json!(name));
        assert!(refusal.contains("its name does not match its content, fast/5f/none"), "{refusal}");
    }
    for (pointer, value) in [("backend", "a|b"), ("backend", ""), ("workload/name", "../x"), ("workload/name", "@me")] {
        let refusal = refusal_with(&format!("/cases/1/case/{pointer}"), json!(value));
        assert!(refusal.contains("only letters, digits, -, _ and . are allowed"), "{refusal}");
    }
    let long = refusal_of(|record| {
        let name = "x".repeat(101);
        record["cases"][1]["case"]["name"] = json!(format!("{name}/5f/none"));
        record["cases"][1]["case"]["backend"] = json!(name);
    });
    assert!(long.contains("a backend or workload whose name has more than 100 characters"), "{long}");
    for reference in [json!("none/5f/none"), json!("fast/5f/none\n"), json!("")] {
        let refusal = refusal_with("/cases/1/case/reference", reference);
        assert!(
            refusal.contains("case fast/5f/none: reference is ")
                && refusal.contains("but the run has no such reference"),
            "{refusal}"
        );
    }
    let apart = refusal_with("/cases/1/case/workload/camera", json!(true));
    assert!(
        apart.contains("case fast/5f/none: another case has a different shape or number of steps for the workload 5f"),
        "{apart}"
    );
    let shapes = refusal_of(|record| {
        for case in record["cases"].as_array_mut().unwrap() {
            case["case"]["reference"] = Value::Null;
            case["control_launches"] = json!([]);
        }
        record["cases"][1]["case"]["workload"]["camera"] = json!(true);
    });
    assert!(
        shapes.contains("case fast/5f/none: another case has a different shape or number of steps for the workload 5f"),
        "{shapes}"
    );
    for commit in ["main", "", "../x", &"g".repeat(40), &"a".repeat(41)] {
        assert!(refusal_with("/tool/commit", json!(commit)).contains("not a full commit hash"), "{commit}");
        assert!(refusal_with("/base/commit", json!(commit)).contains("not a full commit hash"), "{commit}");
    }
    let at = |hours| (Timestamp::now() + SignedDuration::from_hours(hours)).to_string();
    assert!(refusal_with("/started", json!(at(25))).contains("which is in the future"));
    assert!(refusal_with("/started", json!("9999-12-01T00:00:00Z")).contains("which is in the future"));
    let upload = Upload::new();
    let mut record = saved_json();
    record["started"] = json!(at(23));
    record["tool"]["commit"] = json!("a".repeat(64));
    upload.write("results.json", record.to_string());
    assert!(upload.open().is_ok(), "clocks differ");
}

/// An artifact whose record `change` made of a good one.
fn changed(change: impl FnOnce(&mut Value)) -> Artifact {
    let upload = Upload::new();
    let mut record = saved_json();
    change(&mut record);
    upload.write("results.json", record.to_string());
    upload.open().unwrap()
}

#[test]
fn what_the_base_branch_does_not_have_so_is_told() {
    let outcome = |change: &dyn Fn(&mut Value)| {
        let record = &changed(change).records[0].1;
        Judge {
            record,
            plan: &Plan::of_stranger(&saved().1, record),
            baselines: Baselines { machine: None, memory: &ModelMemory::default(), others: 0 },
            thresholds: &Thresholds::default(),
            demands: Demands::default(),
        }
        .outcome()
    };
    assert_eq!(outcome(&|_| {}).standing, Standing::Passed);
    let added = |record: &mut Value| {
        let mut case = record["cases"][1].clone();
        case["case"]["name"] = json!("fast/5f/int8");
        case["case"]["quant"] = json!("int8");
        record["cases"].as_array_mut().unwrap().push(case);
    };
    assert_eq!(outcome(&added).exemptions[0], "1 case that the configuration does not have (fast/5f/int8)");
    let without_reference = |record: &mut Value| {
        record["cases"].as_array_mut().unwrap().remove(0);
        record["cases"][0]["case"]["reference"] = Value::Null;
    };
    let smaller = |record: &mut Value| {
        for case in record["cases"].as_array_mut().unwrap() {
            case["case"]["workload"]["latent"] = json!([1, 1, 1]);
        }
    };
    let itself = |record: &mut Value| record["cases"][1]["case"]["reference"] = json!("fast/5f/none");
    type Change<'a> = &'a dyn Fn(&mut Value);
    let changes: [(Change, &str); 3] = [
        (&without_reference, "without its reference"),
        (&smaller, "a different workload"),
        (&itself, "a different reference"),
    ];
    for (change, words) in changes {
        let outcome = outcome(change);
        let fast = outcome.cases.iter().find(|case| case.name == "fast/5f/none").unwrap();
        assert!(fast.is_gap && fast.reason.as_ref().unwrap().contains(words), "{words}: {fast:?}");
    }
}

#[test]
fn a_suite_that_the_base_branch_does_not_have_is_refused() {
    let artifact = changed(|record| record["suite"] = json!("easy\n##[x]"));
    let error = artifact.check_against(&saved().1).unwrap_err().to_string();
    assert!(
        error.ends_with("is of the suite easy????x?, which the base branch does not have: measure tiny"),
        "{error}"
    );
}

/// Judges and renders an accepted record as a comment does. All figures are finite.
fn judge(record: &RunRecord) {
    let honest: RunRecord = serde_json::from_value(saved_json()).unwrap();
    let baseline = Baseline::empty(honest.machine.clone(), honest.device).updated(&honest, &Thresholds::default());
    let memory = ModelMemory::default().updated(&honest);
    let evidence = Evidence::of(record);
    for figures in record.cases.iter().filter_map(|case| evidence.figures(&case.case.name)) {
        let speedup = figures.speedup.map_or([1.0; 3], |speedup| {
            let (low, high) = speedup.interval.unwrap_or((1.0, 1.0));
            [speedup.point, low, high]
        });
        let times = [figures.step_seconds, figures.total_seconds, figures.load_seconds].map(|time| time.0);
        let parts = [figures.quantize_seconds, figures.switch_seconds].into_iter().flatten().map(|time| time.0);
        let throughput = figures.throughput.iter().flat_map(|throughput| {
            let shares = throughput.shares.iter().flat_map(|shares| [shares.gemm, shares.copy]);
            [throughput.flops_per_second, throughput.bytes_per_second].into_iter().chain(shares).collect::<Vec<_>>()
        });
        let rates = figures.rates.iter().flat_map(|it| [it.gemm_flops_per_second, it.copy_bytes_per_second]);
        let all = times.into_iter().chain(parts).chain(throughput).chain(rates).chain(speedup);
        assert!(all.into_iter().all(|figure| figure.is_finite() && figure >= 0.0), "{figures:?}");
    }
    for baseline in [None, Some(&baseline)] {
        let thresholds = Thresholds::default();
        let judge = Judge {
            record,
            plan: &Plan::of_stranger(&saved().1, record),
            baselines: Baselines { machine: baseline, memory: &memory, others: 0 },
            thresholds: &thresholds,
            demands: Demands::default(),
        };
        let report = Report {
            outcome: judge.outcome(),
            doubts: Doubts::about(record, &thresholds),
            record: record.clone(),
            thresholds,
            baseline: None,
            baseline_file: "baselines/machine.json".to_owned(),
            is_comparison: false,
            invocation: Invocation::default(),
        };
        assert!(report::markdown::render(&report).contains("## Verdict"));
        assert!(
            !report::text::render(&report, Layout { color: false, width: 80, table_width: 80, verbose: true })
                .contains('\u{1b}')
        );
        assert!(serde_json::from_str::<Value>(&report::json::render(&report)).is_ok());
    }
}

/// Reads `text` as an artifact's record; judged where it is taken.
fn taken(text: &[u8]) -> bool {
    let upload = Upload::new();
    upload.write("results.json", text);
    match upload.open() {
        Ok(artifact) => artifact.records.iter().for_each(|(_, record)| judge(record)),
        Err(_) => drop(upload.refusal()),
    }
    upload.open().is_ok()
}

/// Values that are no figure of a run, or the utmost ones.
fn odd_value() -> impl Strategy<Value = Value> {
    prop_oneof![
        prop::sample::select(vec![
            json!(null),
            json!(0),
            json!(-1),
            json!(1),
            json!(u64::MAX),
            json!(1e-9),
            json!(1e-300),
            json!(432_000.0),
            json!(1e308),
            json!(""),
            json!("fast/5f/none"),
            json!("| <img> ``` @octocat #1 \u{1b}[31m\n::error::"),
            json!([]),
            json!({}),
            json!(true),
        ]),
        any::<f64>().prop_filter("JSON has no other", |value| value.is_finite()).prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ]
}

/// The paths of all values in `value`.
fn pointers(value: &Value, at: &str, all: &mut Vec<String>) {
    all.push(at.to_owned());
    match value {
        Value::Array(entries) => {
            entries.iter().enumerate().for_each(|(index, entry)| pointers(entry, &format!("{at}/{index}"), all));
        }
        Value::Object(entries) => entries.iter().for_each(|(key, entry)| pointers(entry, &format!("{at}/{key}"), all)),
        _ => {}
    }
}

proptest! {
    // A failing case is printed, and belongs into a test of its own.
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn random_bytes_are_refused(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        prop_assert!(!taken(&bytes));
    }

    #[test]
    fn a_damaged_record_is_refused_or_harmless(
        damages in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0..3_u8), 1..4),
    ) {
        let mut bytes = saved_json().to_string().into_bytes();
        for (place, byte, kind) in damages {
            let place = place.index(bytes.len());
            match kind {
                0 => bytes[place] = byte,
                1 => drop(bytes.remove(place)),
                _ => bytes.insert(place, byte),
            }
        }
        taken(&bytes);
    }

    #[test]
    fn a_record_of_odd_values_is_refused_or_harmless(
        changes in prop::collection::vec((any::<prop::sample::Index>(), odd_value()), 1..3),
    ) {
        let mut record = saved_json();
        for (place, value) in changes {
            let mut all = Vec::new();
            pointers(&record, "", &mut all);
            *record.pointer_mut(&all[place.index(all.len())]).unwrap() = value;
        }
        taken(record.to_string().as_bytes());
    }

    #[test]
    fn the_utmost_figures_are_taken_and_stay_finite(
        steps in prop::collection::vec(prop::sample::select(vec![1e-9, 1e-3, 0.1, 432_000.0]), 1..20),
        peaks in prop::collection::vec(prop::sample::select(vec![json!(null), json!(1), json!(1_u64 << 60)]), 1..5),
        bytes in prop::collection::vec(prop::sample::select(vec![1, 1000, 1_u64 << 60]), 1..5),
        rates in prop::collection::vec(prop::sample::select(vec![1.0, 1e12, 9.9e17]), 1..5),
        work in prop::sample::select(vec![0.0, 1e12, 4e23]),
    ) {
        let (mut steps, mut peaks, mut bytes) = (steps.iter().cycle(), peaks.iter().cycle(), bytes.iter().cycle());
        let mut rates = rates.iter().cycle();
        let mut record = saved_json();
        for case in record["cases"].as_array_mut().unwrap() {
            case["work"] = json!({"flops": work, "bytes": work});
        }
        let mut all = Vec::new();
        pointers(&record, "", &mut all);
        for pointer in all.iter().filter(|pointer| pointer.ends_with("/outcome/measured")) {
            let measured = record.pointer_mut(pointer).unwrap();
            measured["step_seconds"] = json!([steps.next(), steps.next()]);
            measured["process_peak_bytes"] = peaks.next().unwrap().clone();
            measured["model_bytes"] = json!(bytes.next());
            measured["rates"] =
                json!({"gemm_flops_per_second": rates.next(), "copy_bytes_per_second": rates.next()});
        }
        prop_assert!(taken(record.to_string().as_bytes()));
    }
}
