//! Tells each worker program, and only that one, where its framework's libraries are at run time; and which version of its
//! binding it is built with.
//!
//! Every link argument here is a `rustc-link-arg-bin`: a `rustc-link-lib` of this package would reach all its programs through
//! the library target, and `wanbench` itself must run without any framework.

use std::process::Command;
use std::{env, fs};

/// On Linux, has the folder go before LD_LIBRARY_PATH: as RPATH, not as RUNPATH.
const BEFORE_THE_ENVIRONMENT: &str = "-Wl,--disable-new-dtags";

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    if for_system("macos") {
        tell_sdk();
    }
    if cfg!(feature = "mlx") {
        tell_version("mlx-rs", "MLX_RS_VERSION");
        find_mlx_at_run_time();
    }
    #[cfg(feature = "torch")]
    {
        tell_version("tch", "TCH_VERSION");
        torch::link();
    }
}

fn for_system(name: &str) -> bool {
    env::var("CARGO_CFG_TARGET_OS").is_ok_and(|os| os == name)
}

/// Sets WANBENCH_MACOS_SDK to the version of Apple's SDK that the programs are built with, which decides how the system treats them.
fn tell_sdk() {
    for variable in ["SDKROOT", "DEVELOPER_DIR"] {
        println!("cargo::rerun-if-env-changed={variable}");
    }
    let asked = Command::new("xcrun").args(["--sdk", "macosx", "--show-sdk-version"]).output().ok();
    let answer = asked.map(|asked| String::from_utf8_lossy(&asked.stdout).trim().to_owned()).unwrap_or_default();
    let is_version = answer.starts_with(|first: char| first.is_ascii_digit())
        && answer.chars().all(|character| character.is_ascii_digit() || character == '.');
    println!("cargo::rustc-env=WANBENCH_MACOS_SDK={}", if is_version { answer.as_str() } else { "unknown" });
}

/// Sets `variable` for the programs to the version that Cargo.lock has of `package`, which does not tell it itself.
fn tell_version(package: &str, variable: &str) {
    println!("cargo::rerun-if-changed=Cargo.lock");
    let lock = fs::read_to_string("Cargo.lock").expect("cargo writes Cargo.lock before it builds");
    let entry = lock.split_once(&format!("\nname = \"{package}\"\nversion = \""));
    let version = entry.and_then(|(_, rest)| rest.split_once('"'));
    let (version, _) = version.unwrap_or_else(|| panic!("Cargo.lock has no version of {package}"));
    println!("cargo::rustc-env={variable}={version}");
}

/// MLX is a shared library in the user's cache.
fn find_mlx_at_run_time() {
    println!("cargo::rerun-if-env-changed=WANBENCH_MLX_LIB");
    if let Ok(folder) = env::var("WANBENCH_MLX_LIB") {
        println!("cargo::rustc-link-arg-bin=wanbench-mlx=-Wl,-rpath,{folder}");
        if for_system("linux") {
            println!("cargo::rustc-link-arg-bin=wanbench-mlx={BEFORE_THE_ENVIRONMENT}");
        }
    }
}

#[cfg(feature = "torch")]
mod torch {
    use std::env;
    use std::path::{Path, PathBuf};

    const PROBE: &str = "native/accelerator_probe.cpp";

    pub fn link() {
        // Published by torch-sys, whichever way it found libtorch.
        let lib = env::var_os("DEP_TCH_LIBTORCH_LIB").map(PathBuf::from).expect("torch-sys names libtorch's folder");
        let archive = compile_probe(&include_root(&lib));
        // These arguments come last, after torch-sys's libraries: the probe's own needs are named behind it once more,
        // for a linker that keeps a library only where something before it asks for it (--as-needed, the default of
        // some distributions).
        let mut arguments = vec![
            archive.display().to_string(),
            format!("-L{}", lib.display()),
            "-ltorch_cpu".into(),
            "-lc10".into(),
            format!("-Wl,-rpath,{}", lib.display()),
        ];
        if super::for_system("linux") {
            arguments.push(super::BEFORE_THE_ENVIRONMENT.into());
            // libtorch needs it, and would find another one in LD_LIBRARY_PATH first.
            if lib.join("libgomp.so.1").exists() {
                arguments.extend(["-Wl,--no-as-needed", "-l:libgomp.so.1", "-Wl,--as-needed"].map(String::from));
            }
        }
        println!("cargo::rustc-env=TORCH_LIB={}", lib.display());
        // Nothing calls into libtorch_cuda by name: loading it is what registers the GPU.
        if lib.join("libtorch_cuda.so").exists() {
            arguments.extend(["-Wl,--no-as-needed", "-ltorch_cuda", "-Wl,--as-needed"].map(String::from));
        }
        for argument in arguments {
            println!("cargo::rustc-link-arg-bin=wanbench-torch={argument}");
        }
    }

    /// torch-sys takes headers from `LIBTORCH_INCLUDE` when set, else from beside the libraries.
    fn include_root(lib: &Path) -> PathBuf {
        println!("cargo::rerun-if-env-changed=LIBTORCH_INCLUDE");
        let beside = || lib.parent().unwrap_or(lib).to_path_buf();
        env::var_os("LIBTORCH_INCLUDE").map_or_else(beside, PathBuf::from).join("include")
    }

    fn compile_probe(include: &Path) -> PathBuf {
        println!("cargo::rerun-if-changed={PROBE}");
        println!("cargo::rerun-if-env-changed=LIBTORCH_CXX11_ABI");
        let abi = env::var("LIBTORCH_CXX11_ABI").unwrap_or_else(|_| "1".into());
        cc::Build::new()
            .cpp(true)
            .file(PROBE)
            .std("c++17")
            // As torch-sys compiles its own part.
            .define("_GLIBCXX_USE_CXX11_ABI", &*abi)
            // Headers of others: no warnings from them.
            .flag("-isystem")
            .flag(include)
            // Its rustc-link-lib would reach every program of the package.
            .cargo_metadata(false)
            .compile("accelerator_probe");
        PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets OUT_DIR")).join("libaccelerator_probe.a")
    }
}
