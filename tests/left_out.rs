//! What a checkpoint cannot compute is left out by `plan`, `run` and `check` alike, and named; networks that do not belong
//! together are refused by all, and a checkpoint named by hand is run as the configuration has it.

mod support;

use safetensors::Dtype;
use support::{Project, checkpoint, worker};
use wanbench::wan::Spec;
use wanbench::wan::spec::ModelType;

const CASE: &str = "good/5f-cam/none";

/// A suite with a plain workload, unless `only_camera`, and one with camera control, over a network without such layers.
fn project(only_camera: bool) -> Project {
    let project = Project::new(&[("good", &worker(0.1, 8))]);
    checkpoint::write(&project.path("plain"), &plain(1), Dtype::F32, 1, 1);
    let config = std::fs::read_to_string(project.path("config.toml")).unwrap();
    let plain = "[[suites.tiny.workloads]]\nframes = 5\nsteps = 2\nlatent = [1, 2, 2]\n";
    let camera = plain.replace("frames = 5", "name = \"5f-cam\"\nframes = 5\ncamera = true");
    let workloads = if only_camera { camera } else { format!("{plain}\n{camera}") };
    let config = config.replace(plain, &workloads).replace("model = \"synthetic\"", "model = \"plain\"");
    project.write("config.toml", &format!("[models.plain]\ncheckpoint = \"plain\"\n\n{config}"));
    project
}

/// A small network of so many layers, without camera control.
fn plain(num_layers: usize) -> Spec {
    let spec =
        Spec { dim: 64, ffn_dim: 64, num_layers, camera: false, model_type: ModelType::T2v, ..Spec::synthetic() };
    Spec { out_dim: spec.in_dim, ..spec }
}

#[test]
fn a_workload_whose_layers_the_checkpoint_lacks_is_left_out_everywhere() {
    let project = project(false);
    let plan = project.wanbench(&["plan"]);
    assert_eq!(plan.status, 0, "{}", plan.stderr);
    assert!(plan.flat().contains("skipped: the checkpoint has no camera layers"), "{}", plan.stdout);
    assert!(plan.stdout.contains("1 of 2 cases would be skipped."), "{}", plan.stdout);
    for command in ["run", "check"] {
        let ran = project.wanbench(&[command]);
        assert_eq!(ran.status, 0, "{command}: {}{}", ran.stdout, ran.stderr);
        assert!(
            ran.stderr.contains(&format!("{CASE} is skipped: the checkpoint has no camera layers")),
            "{}",
            ran.stderr
        );
        assert!(ran.flat().contains("1 case skipped, since the checkpoint lacks their layers"), "{}", ran.stdout);
        let results = project.json("results.json");
        assert_eq!(results["cases"][1]["skipped"], serde_json::json!({"lacks": "camera"}));
        assert_eq!(results["cases"][0]["launches"].as_array().unwrap().len(), 3);
    }
}

#[test]
fn where_nothing_is_left_nothing_was_measured() {
    let ran = project(true).wanbench(&["run"]);
    assert_eq!(ran.status, 3, "{}{}", ran.stdout, ran.stderr);
    assert!(ran.flat().contains("the checkpoint has no camera layers"), "{}", ran.stdout);
}

#[test]
fn two_experts_of_different_architectures_are_refused_before_anything_runs() {
    let project = project(false);
    checkpoint::write(&project.path("pair/high_noise_model"), &plain(1), Dtype::F32, 1, 1);
    checkpoint::write(&project.path("pair/low_noise_model"), &plain(2), Dtype::F32, 1, 2);
    for command in ["plan", "run", "check"] {
        let ran = project.wanbench(&[command, "--ckpt-dir", "pair", "--expert", "both"]);
        assert_eq!(ran.status, 2, "{command}: {}{}", ran.stdout, ran.stderr);
        assert!(ran.stderr.contains("low_noise_model: is of another architecture"), "{command}: {}", ran.stderr);
        assert_eq!(project.wanbench(&[command, "--ckpt-dir", "pair", "--filter", "good/5f/none"]).status, 0);
    }
}

#[test]
fn the_schedule_of_the_configuration_holds_for_a_checkpoint_that_is_named_by_hand() {
    let project = project(false);
    let config = std::fs::read_to_string(project.path("config.toml")).unwrap();
    project.write("config.toml", &config.replace("checkpoint = \"plain\"", "checkpoint = \"plain\"\nshift = 2.0"));
    let script = worker(0.1, 8).replace("read -r request", "read -r request; printf '%s' \"$request\" > request");
    project.write("good.sh", &script);
    let sigmas = |flags: &[&str]| {
        let ran = project.wanbench(&[&["run", "--filter", "good/5f/none"], flags].concat());
        assert_eq!(ran.status, 0, "{}{}", ran.stdout, ran.stderr);
        project.json("request")["sigmas"].clone()
    };
    let configured = sigmas(&[]);
    assert!(configured[1].as_f64().is_some(), "{configured}");
    assert_eq!(sigmas(&["--ckpt-dir", "plain"]), configured);
}
