//! The devices that `native/setup.py` sets the frameworks up for. Nothing is fetched here: what it refuses, it refuses at once.
#![cfg(unix)]

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

const PLATFORMS: [&str; 2] = ["linux-x86_64", "linux-aarch64"];
const ON_A_MAC: &str = "import platform, runpy, sys; \
    sys.path.insert(0, 'native'); \
    platform.system, platform.machine = lambda: 'Darwin', lambda: 'arm64'; \
    runpy.run_path('native/setup.py', run_name='__main__')";

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The versions that a file of pins names, by package.
fn pins(platform: &str, file: &str) -> BTreeMap<String, String> {
    let path = root().join("native/requirements").join(platform).join(file);
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let pins = text.lines().filter_map(|line| line.trim_end_matches([' ', '\\']).split_once("=="));
    pins.map(|(name, version)| (name.to_owned(), version.to_owned())).collect()
}

/// What python3 says as it refuses `device`.
fn refusal(arguments: &[&str], device: &str) -> String {
    let cache = tempfile::tempdir().unwrap();
    let mut python = Command::new("python3");
    python.args(arguments).current_dir(root()).env("DEVICE", device).env("WANBENCH_CACHE", cache.path());
    let output = python.output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(cache.path().read_dir().unwrap().next().is_none(), "something was fetched");
    said
}

#[test]
fn both_devices_have_mlx_of_one_version_and_share_the_rest() {
    for platform in PLATFORMS {
        let version = |file: &str, package: &str| pins(platform, file)[package].clone();
        assert_eq!(version("mlx-cpu.txt", "mlx-cpu"), version("mlx-cuda.txt", "mlx-cuda-13"), "{platform}");
        for file in ["libtorch", "mlx", "nvidia"] {
            let shared = pins(platform, &format!("{file}.txt"));
            for device in ["cpu", "cuda"] {
                let own = root().join(format!("native/requirements/{platform}/{file}-{device}.txt"));
                let own = if own.exists() { pins(platform, &format!("{file}-{device}.txt")) } else { BTreeMap::new() };
                assert!(!own.keys().any(|package| shared.contains_key(package)), "{platform}: {file} for {device}");
            }
        }
    }
}

#[test]
fn every_platform_has_the_same_versions_for_cuda() {
    for file in ["libtorch.txt", "nvidia.txt", "nvidia-cuda.txt", "mlx-cuda.txt"] {
        let [first, second] = PLATFORMS.map(|platform| pins(platform, file));
        assert_eq!(first, second, "{file}");
    }
}

#[test]
fn a_device_that_is_unknown_is_refused_with_the_choices() {
    let said = refusal(&["native/setup.py"], "nonsense");
    assert!(said.contains("DEVICE=nonsense") && said.contains("cpu (") && said.contains("cuda ("), "{said}");
    assert_eq!(refusal(&["native/setup.py", "--device", "nonsense"], "cpu"), said);
}

#[test]
fn cuda_is_refused_on_a_mac() {
    let said = refusal(&["-c", ON_A_MAC], "cuda");
    assert!(said.contains("on Linux only") && said.contains("the Mac's own GPU"), "{said}");
}

#[test]
fn make_passes_the_device_on() {
    for goal in ["setup", "build", "check", "test"] {
        let mut make = Command::new("make");
        let output = make.args(["--dry-run", goal, "DEVICE=cuda"]).current_dir(root()).output().unwrap();
        let plan = String::from_utf8(output.stdout).unwrap();
        assert!(plan.contains("native/setup.py --device \"cuda\"\n"), "make {goal}: {plan}");
    }
}
