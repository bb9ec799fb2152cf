//! What `native/setup.py` sets the frameworks up with: its pins, what it refuses, and how it is done on a Mac, played here.
//!
//! Nothing is fetched but by the test that is ignored, which `make test-macos-setup` runs.
#![cfg(unix)]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

const LINUX: [&str; 2] = ["linux-x86_64", "linux-aarch64"];
const MAC: &str = "macos-arm64";
const ON_A_MAC: &str = "tests/native/on_a_mac.py";

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The versions that a file of pins names, by package.
fn pins(platform: &str, file: &str) -> BTreeMap<String, String> {
    let text = read(&root().join("native/requirements").join(platform).join(file));
    let pins = text.lines().filter_map(|line| line.trim_end_matches([' ', '\\']).split_once("=="));
    pins.map(|(name, version)| (name.to_owned(), version.to_owned())).collect()
}

/// Runs python3 in this checkout, with a cache and `tools`, shell scripts by name, of its own.
fn python(arguments: &[&str], device: &str, tools: &[(&str, &str)]) -> Output {
    let folder = tempfile::tempdir().unwrap();
    let cache = folder.path().join("cache");
    let bin = folder.path().join("bin");
    std::fs::create_dir(&bin).unwrap();
    for (name, script) in tools {
        write_program(&bin.join(name), script);
    }
    let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap());
    let mut python = Command::new("python3");
    python.args(arguments).current_dir(root()).env("DEVICE", device).env("PATH", path).env("WANBENCH_CACHE", &cache);
    let output = python.output().unwrap();
    assert!(!cache.exists(), "something was fetched");
    output
}

fn write_program(path: &Path, script: &str) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::write(path, format!("#!/bin/sh\n{script}\n")).unwrap();
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
}

/// What python3 says as it refuses.
fn refusal(arguments: &[&str], device: &str, tools: &[(&str, &str)]) -> String {
    let output = python(arguments, device, tools);
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{said}");
    said
}

#[test]
fn both_devices_have_mlx_of_one_version_and_share_the_rest() {
    for platform in LINUX {
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
fn every_platform_has_the_same_versions() {
    for file in
        ["libtorch.txt", "mlx.txt", "mlx-cpu.txt", "mlx-tools.txt", "nvidia.txt", "nvidia-cuda.txt", "mlx-cuda.txt"]
    {
        let [first, second] = LINUX.map(|platform| pins(platform, file));
        assert_eq!(first, second, "{file}");
    }
    for file in ["libtorch.txt", "mlx-tools.txt"] {
        assert_eq!(pins(MAC, file), pins(LINUX[0], file), "{file}");
    }
    assert_eq!(pins(MAC, "mlx.txt")["mlx-metal"], pins(LINUX[0], "mlx-cpu.txt")["mlx-cpu"]);
}

#[test]
fn every_pin_has_the_hash_of_a_wheel_and_mlx_for_macos_has_three() {
    for platform in [LINUX[0], LINUX[1], MAC] {
        let files = root().join("native/requirements").join(platform).read_dir().unwrap();
        for file in files.map(|file| file.unwrap().path()) {
            let text = read(&file).replace("\\\n", "");
            for pin in text.lines().filter(|line| !line.starts_with('#')) {
                let (package, hashes) = pin.split_once(' ').unwrap_or((pin, ""));
                let hashes: Vec<_> =
                    hashes.split_whitespace().map(|hash| hash.strip_prefix("--hash=sha256:")).collect();
                let distinct: BTreeSet<_> = hashes.iter().flatten().filter(|hash| hash.len() == 64).collect();
                let expected = if package.starts_with("mlx-metal==") { 3 } else { 1 };
                assert!(package.contains("==") && hashes.len() == expected, "{}: {pin}", file.display());
                assert_eq!(distinct.len(), expected, "{}: {pin}", file.display());
            }
        }
    }
}

#[test]
fn each_macos_takes_the_newest_wheel_that_it_can_use() {
    let cases = [("14.7.1", 14), ("15.0", 15), ("16.0", 26), ("26.1", 26), ("27.0", 26)];
    for (version, wheel) in cases {
        let program = format!(
            "import platform, sys; sys.path.insert(0, 'native'); sys.dont_write_bytecode = True; import platforms; \
             platform.system, platform.machine = lambda: 'Darwin', lambda: 'arm64'; \
             platform.mac_ver = lambda: ('{version}', ('', '', ''), 'arm64'); \
             print(*platforms.current().wheel_tags)"
        );
        let output = python(&["-c", &program], "cpu", &[]);
        let tags = String::from_utf8(output.stdout).unwrap();
        let tags: Vec<_> = tags.split_whitespace().collect();
        assert_eq!(tags.first(), Some(&&*format!("macosx_{wheel}_0_arm64")), "macOS {version}");
        // PyTorch's wheel is for macOS 14.
        assert!(tags.contains(&"macosx_14_0_arm64"), "macOS {version}: {tags:?}");
    }
}

#[test]
fn a_device_that_is_unknown_is_refused_with_the_choices() {
    let said = refusal(&["native/setup.py"], "nonsense", &[]);
    assert!(said.contains("DEVICE=nonsense") && said.contains("cpu (") && said.contains("cuda ("), "{said}");
    assert_eq!(refusal(&["native/setup.py", "--device", "nonsense"], "cpu", &[]), said);
}

#[test]
fn cuda_is_refused_on_a_mac() {
    let said = refusal(&[ON_A_MAC, "arm64", "15.0"], "cuda", &[]);
    assert!(said.contains("on Linux only") && said.contains("the Mac's own GPU"), "{said}");
}

#[test]
fn a_mac_that_is_too_old_is_refused() {
    let said = refusal(&[ON_A_MAC, "arm64", "13.7"], "cpu", &[]);
    assert!(said.contains("needs macOS 14 or newer, and this is macOS 13.7"), "{said}");
}

#[test]
fn a_python_under_rosetta_is_told_from_an_intel_mac() {
    let said = refusal(
        &[ON_A_MAC, "x86_64", "15.0"],
        "cpu",
        &[("sysctl", "[ \"$*\" = '-n sysctl.proc_translated' ] && echo 1")],
    );
    assert!(said.contains("under Rosetta") && said.contains("PYTHON=/usr/bin/python3"), "{said}");
    let said = refusal(&[ON_A_MAC, "x86_64", "15.0"], "cpu", &[("sysctl", "echo unknown oid >&2; exit 1")]);
    assert!(said.contains("no MLX and libtorch for Darwin on x86_64"), "{said}");
}

#[test]
fn a_mac_without_a_compiler_is_told_what_xcrun_says() {
    let licence = "echo 'You have not agreed to the Xcode license agreements.' >&2; exit 69";
    let said = refusal(&[ON_A_MAC, "arm64", "15.0"], "cpu", &[("xcrun", licence)]);
    assert!(said.contains("You have not agreed") && said.contains("`sudo xcodebuild -license accept`"), "{said}");
    let missing = "echo 'xcrun: error: invalid active developer path' >&2; exit 1";
    let said = refusal(&[ON_A_MAC, "arm64", "15.0"], "cpu", &[("xcrun", missing)]);
    assert!(said.contains("invalid active developer path") && said.contains("`xcode-select --install`"), "{said}");
}

#[test]
fn a_component_that_lacks_a_part_is_named() {
    let program = "import sys; sys.path.insert(0, 'native'); sys.dont_write_bytecode = True; import setup; \
        from pathlib import Path; setup.present(Path('/nowhere/mlx-0'), 'mlx/lib')";
    let output = python(&["-c", program], "cpu", &[]);
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("/nowhere/mlx-0/mlx/lib is missing: remove /nowhere/mlx-0"), "{said}");
}

/// The recipe on the wheels for macOS, up to the compiler.
#[test]
#[ignore = "fetches 230 MB: make test-macos-setup"]
fn a_mac_is_set_up_from_wheels() {
    let folder = tempfile::tempdir().unwrap();
    let [cache, record, bin] = ["cache", "record", "bin"].map(|name| folder.path().join(name));
    std::fs::create_dir(&bin).unwrap();
    write_program(&bin.join("xcrun"), "echo /usr/bin/c++");
    let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap());
    let mut python = Command::new("python3");
    python.args([ON_A_MAC, "arm64", "15.5"]).current_dir(root());
    python.env("PATH", path).env("WANBENCH_CACHE", &cache).env("RECORD", &record).env_remove("CC").env_remove("CXX");
    let output = python.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));

    let commands: Vec<Value> = read(&record).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let [configure, compile, link, bindings] = &commands[..] else { panic!("{commands:#?}") };
    let arguments = |step: &Value| -> Vec<String> {
        assert_eq!(step["there"], true, "{step:#}");
        step["command"].as_array().unwrap().iter().map(|argument| argument.as_str().unwrap().to_owned()).collect()
    };
    let configure = arguments(configure);
    let work = PathBuf::from(configure[0].strip_suffix("/cmake/data/bin/cmake").unwrap());
    assert!(
        configure.contains(&format!("-DCMAKE_CXX_FLAGS=\"-isystem\" \"{}/mlx/include\"", work.display())),
        "{configure:?}"
    );
    assert!(configure.contains(&format!("-DCMAKE_MAKE_PROGRAM={}/ninja-bin", work.display())), "{configure:?}");
    assert_eq!(arguments(compile)[0], configure[0]);

    let link = arguments(link);
    let whole = work.with_file_name("whole");
    let expected = [
        "c++".into(),
        "-dynamiclib".into(),
        "-o".into(),
        format!("{}/mlx/lib/libmlxc.dylib", whole.display()),
        "-install_name".into(),
        "@rpath/libmlxc.dylib".into(),
        format!("-Wl,-force_load,{}/mlx-c/libmlxc.a", work.display()),
        format!("-L{}/mlx/lib", whole.display()),
        "-lmlx".into(),
        "-Wl,-rpath,@loader_path".into(),
    ];
    assert_eq!(link, expected);

    assert_eq!(bindings["libraries"], serde_json::json!(["libclang.dylib"]));
    assert_eq!(bindings["env"]["TARGET"], "aarch64-apple-darwin");
    let headers = arguments(bindings);
    assert_eq!(headers[headers.len() - 4..], ["-isystem", "/compiler/include", "-isysroot", "/sdk"]);

    let written: toml::Table = toml::from_str(&read(&folder.path().join(".cargo/native.toml"))).unwrap();
    let mlx = &written["target"]["aarch64-apple-darwin"]["mlx"];
    let lib = written["env"]["WANBENCH_MLX_LIB"].as_str().unwrap();
    assert_eq!(mlx["rustc-link-search"][0].as_str(), Some(&*format!("native={lib}")));
    assert_eq!(mlx["rustc-link-lib"][0].as_str(), Some("dylib=mlxc"));
    assert!(Path::new(mlx["rustc-env"]["OUT_DIR"].as_str().unwrap()).join("bindings.rs").is_file());
    for library in ["libmlx.dylib", "libjaccl.dylib", "libmlxc.dylib", "mlx.metallib"] {
        assert!(Path::new(lib).join(library).is_file(), "{library}");
    }
    let torch = Path::new(written["env"]["LIBTORCH"].as_str().unwrap());
    assert!(torch.join("lib/libtorch_cpu.dylib").is_file() && torch.join("include/torch").is_dir());
    assert!(!written["env"].as_table().unwrap().contains_key("CMAKE"));
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
