//! Outputs of workers: compared with the reference's and the base revision's, and never passed over in silence.

mod support;

use serde_json::{Value, json};
use support::{
    Project, Ran, digest, measuring, worker, worker_with_output, worker_without_output, write_file, write_output,
};

const FULL: &[f32] = &[1.0, -2.0, 0.5, 4.0];
const HALF: &[f32] = &[1.0, -2.0];
/// A safetensors file without a tensor `output`.
const OTHER_TENSOR: &[u8] =
    b"\x3b\0\0\0\0\0\0\0{\"latent\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}\0\0\x80\x3f";

/// A reference with the output [`FULL`], and a case of this worker.
fn beside_reference(script: &str) -> Project {
    Project::new(&[("slow", &worker_with_output(0.2, 4000, FULL)), ("fast", script)])
}

fn check(project: &Project, arguments: &[&str]) -> Ran {
    project.wanbench(&[&["check"], arguments].concat())
}

fn case(project: &Project, index: usize) -> Value {
    project.json("results.json")["cases"][index].clone()
}

fn fast(write: &str, digest: &str) -> String {
    measuring(0.1, 1000, write, digest)
}

#[test]
fn an_output_like_the_references_passes() {
    let project = beside_reference(&worker_with_output(0.1, 1000, FULL));
    let ran = check(&project, &[]);
    assert_eq!(ran.status, 0, "{}{}", ran.stdout, ran.stderr);
    let (slow, fast) = (case(&project, 0), case(&project, 1));
    assert_eq!((&slow["has_output"], &slow["parity"]), (&json!(true), &Value::Null));
    assert_eq!((&fast["has_output"], &fast["parity"]), (&json!(true), &json!({"relative_error": 0.0})));
    assert_eq!(fast.get("base_parity"), None, "there is no base to compare with");
    // Files from before these fields were there go on reading.
    project.edit("results.json", |results| {
        results["cases"][1].as_object_mut().unwrap().remove("has_output").unwrap();
    });
    assert_eq!(project.wanbench(&["report", "results.json"]).status, 0);
}

/// Writes an output of 17 million zeros, which take no room on the disk.
fn write_huge() -> String {
    let header = r#"{"output":{"dtype":"F32","shape":[17000000],"data_offsets":[0,68000000]}}"#;
    let begin = write_file(&[&(header.len() as u64).to_le_bytes(), header.as_bytes()].concat());
    let size = 8 + header.len() + 68_000_000;
    format!("{begin}\n[ -z \"$path\" ] || truncate -s {size} \"${{path%%\\\"*}}\"")
}

/// Writes one element behind a header of so many bytes, most of them spaces.
fn write_header(bytes: usize) -> String {
    let tensor = r#"{"output":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}"#;
    let begin = write_file(&[&(bytes as u64).to_le_bytes(), tensor.as_bytes()].concat());
    let (spaces, file) = (bytes - tensor.len(), "\"${path%%\\\"*}\"");
    format!("{begin}\n[ -z \"$path\" ] || {{ printf '%{spaces}s' ''; printf '\\0\\0\\200\\77'; }} >> {file}")
}

#[test]
fn an_output_that_cannot_be_compared_fails() {
    let nan = &[1.0, -2.0, 0.5, f32::NAN];
    for (what, script) in [
        ("half as many elements", fast(&write_output(HALF), &digest(HALF))),
        ("half as many elements, told by the file alone", fast(&write_output(HALF), "null")),
        ("no elements", fast(&write_output(&[]), "null")),
        ("a value that is not finite", fast(&write_output(nan), "null")),
        ("no safetensors file", fast(&write_file(b"output"), "null")),
        ("an empty file", fast(&write_file(b""), "null")),
        ("a tensor of another name", fast(&write_file(OTHER_TENSOR), "null")),
        ("more than any latent has", fast(&write_huge(), "null")),
        ("a header without end", fast(&write_header(1 << 20), "null")),
    ] {
        let project = beside_reference(&script);
        let ran = check(&project, &["--launches", "2"]);
        assert_eq!(case(&project, 1)["parity"], json!({"relative_error": null}), "{what}");
        assert_eq!(ran.status, 1, "{what}: {}{}", ran.stdout, ran.stderr);
        let words = ["the output cannot be compared with slow/5f/none's", "has a different number of elements"];
        assert!(words.iter().any(|words| ran.flat().contains(words)), "{what}: {}", ran.stdout);
    }
    for (what, script) in [
        ("told by the digest alone", fast(":", &digest(HALF))),
        ("told by the digest beside a right file", fast(&write_output(FULL), &digest(HALF))),
    ] {
        let ran = check(&beside_reference(&script), &["--launches", "2"]);
        assert_eq!(ran.status, 1, "{what}: {}{}", ran.stdout, ran.stderr);
        assert!(ran.flat().contains("has a different number of elements"), "{what}: {}", ran.stdout);
    }
}

#[test]
fn a_later_launch_with_another_number_of_elements_fails() {
    let changing =
        format!("if [ -e once ]; then digest='{}'; else digest='{}'; fi; touch once", digest(HALF), digest(FULL));
    let script = fast(&format!("{}\n{changing}", write_output(FULL)), "'$digest'");
    let project = beside_reference(&script);
    let ran = check(&project, &["--launches", "2"]);
    let elements =
        |launch: usize| case(&project, 1)["launches"][launch]["outcome"]["measured"]["output"]["elements"].clone();
    assert_eq!((elements(0), elements(1)), (json!(4), json!(2)));
    assert_eq!(ran.status, 1, "{}{}", ran.stdout, ran.stderr);
}

#[test]
fn a_references_unreadable_output_is_the_references_fault() {
    let project = beside_reference(&worker_with_output(0.1, 1000, FULL));
    project.write("slow.sh", &measuring(0.2, 4000, &write_file(b"output"), "null"));
    let ran = check(&project, &["--launches", "2"]);
    assert_eq!(ran.status, 1, "{}{}", ran.stdout, ran.stderr);
    assert_eq!(case(&project, 0)["parity"], json!({"relative_error": null}));
    assert_eq!(case(&project, 1)["parity"], Value::Null);
}

#[test]
fn a_worker_without_output_is_told_from_one_with_nothing_to_compare() {
    let project = beside_reference(&worker_without_output(0.1, 1000));
    check(&project, &["--launches", "2"]);
    let fast = case(&project, 1);
    assert_eq!((&fast["has_output"], &fast["parity"]), (&json!(false), &Value::Null));

    project.write("fast.sh", &worker(0.1, 1000));
    project.write("slow.sh", &worker_without_output(0.2, 4000));
    check(&project, &["--launches", "2"]);
    let (slow, fast) = (case(&project, 0), case(&project, 1));
    assert_eq!((&slow["has_output"], &fast["has_output"]), (&json!(false), &json!(true)));
    assert_eq!(fast["parity"], Value::Null);
}

#[test]
fn the_output_of_a_launch_that_failed_is_none() {
    let project = beside_reference(&format!("{}\nexit 9", worker_with_output(0.1, 1000, FULL)));
    check(&project, &["--launches", "2"]);
    let fast = case(&project, 1);
    assert_eq!((fast.get("has_output"), &fast["parity"]), (None, &Value::Null));
}

/// [`beside_reference`], both beside the workers of a base revision with this output.
fn beside_base(output: &[f32], base: &str) -> Project {
    let project = beside_reference(&worker_with_output(0.1, 1000, FULL));
    project.write("slow.sh", &worker_with_output(0.2, 4000, output));
    std::fs::create_dir(project.path("base")).unwrap();
    project.write("base/slow.sh", base);
    project.write("base/fast.sh", &worker_with_output(0.1, 1000, FULL));
    project
}

#[test]
fn every_case_the_reference_included_is_compared_with_the_base_revision() {
    let base_parity = |output: &[f32], base: &str| {
        let project = beside_base(output, base);
        check(&project, &["--base-workers", "base", "--launches", "2"]);
        assert_eq!(case(&project, 1)["base_parity"], json!({"relative_error": 0.0}));
        case(&project, 0).get("base_parity").cloned()
    };
    let base = worker_with_output(0.2, 4000, FULL);
    assert_eq!(base_parity(FULL, &base), Some(json!({"relative_error": 0.0})));
    let other = base_parity(&[1.0, -2.0, 0.5, 5.0], &base).unwrap();
    let expected = f64::sqrt(1.0 / (1.0 + 4.0 + 0.25 + 16.0));
    assert_eq!(other["relative_error"].as_f64().unwrap(), expected);
    assert_eq!(base_parity(HALF, &base), Some(json!({"relative_error": null})));
    assert_eq!(base_parity(FULL, &worker_without_output(0.2, 4000)), None);
}

#[test]
fn a_base_that_tells_another_number_of_elements_cannot_be_compared() {
    let base = measuring(0.2, 4000, ":", &digest(HALF));
    let project = beside_base(FULL, &base);
    let ran = check(&project, &["--base-workers", "base", "--launches", "2"]);
    assert_eq!(ran.status, 1, "{}{}", ran.stdout, ran.stderr);
    assert!(ran.flat().contains("has a different number of elements"), "{}", ran.stdout);
}

#[test]
fn a_worker_that_stops_writing_is_found_without_any_digest() {
    let silent = worker_without_output(0.2, 4000);
    let project = beside_base(FULL, &measuring(0.2, 4000, &write_output(FULL), "null"));
    project.write("slow.sh", &silent);
    for script in ["fast.sh", "base/fast.sh"] {
        project.write(script, &worker_without_output(0.1, 1000));
    }
    let ran = check(&project, &["--base-workers", "base"]);
    let slow = case(&project, 0);
    assert_eq!((&slow["has_output"], &slow["has_base_output"]), (&json!(false), &json!(true)));
    assert_eq!(ran.status, 3, "{}{}", ran.stdout, ran.stderr);
    assert!(ran.flat().contains("one of the two is missing"), "{}", ran.stdout);
    // Where neither writes, there is nothing to compare.
    project.write("base/slow.sh", &silent);
    assert_eq!(check(&project, &["--base-workers", "base"]).status, 0);
}
