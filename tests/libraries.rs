//! The built-in workers run on the framework that they were built for, whatever the environment offers.
#![cfg(all(feature = "mlx", feature = "torch", target_os = "linux"))]

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};

use wanbench::protocol::{self, DeviceChoice, Event, Probe, Request};

/// A worker, its framework's folder, and a library there that it links.
const WORKERS: [(&str, Option<&str>, &str); 2] = [
    (env!("CARGO_BIN_EXE_wanbench-torch"), option_env!("TORCH_LIB"), "libc10.so"),
    (env!("CARGO_BIN_EXE_wanbench-mlx"), option_env!("WANBENCH_MLX_LIB"), "libscipy_openblas.so"),
];

/// What `worker` answers to a probe where the variable has this value.
fn probe(worker: &str, variable: &str, value: &Path) -> Event {
    let mut command = Command::new(worker);
    command.env(variable, value).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = command.spawn().unwrap();
    let request = Request::Probe(Probe { protocol: protocol::VERSION, device: DeviceChoice::Cpu });
    // Held until it has answered: a worker whose standard input closes ends at once.
    let mut input = child.stdin.take().unwrap();
    writeln!(input, "{}", serde_json::to_string(&request).unwrap()).unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    child.wait().unwrap();
    serde_json::from_str(&line).unwrap()
}

#[test]
fn the_library_path_leads_to_no_other_framework() {
    let junk = tempfile::tempdir().unwrap();
    for (worker, _, library) in WORKERS {
        std::fs::write(junk.path().join(library), "junk").unwrap();
        let answer = probe(worker, "LD_LIBRARY_PATH", junk.path());
        assert!(matches!(answer, Event::Ready(_)), "{answer:?}");
    }
}

#[test]
fn a_library_that_was_loaded_from_elsewhere_is_named() {
    let elsewhere = tempfile::tempdir().unwrap();
    for (worker, folder, library) in WORKERS {
        // What it needs itself is beside it.
        let folder = Path::new(folder.unwrap());
        for file in folder.read_dir().unwrap() {
            let file = file.unwrap();
            std::os::unix::fs::symlink(file.path(), elsewhere.path().join(file.file_name())).unwrap();
        }
        let copy = elsewhere.path().join(library);
        std::fs::remove_file(&copy).unwrap();
        std::fs::copy(folder.join(library), &copy).unwrap();
        let answer = probe(worker, "LD_PRELOAD", &copy);
        let Event::Failed(failed) = answer else { panic!("{answer:?}") };
        assert!(failed.message.starts_with(&format!("{} was loaded", copy.display())), "{}", failed.message);
    }
}
