//! A project folder of its own for each test, with shell scripts as workers: exact times, no framework.
#![allow(dead_code, reason = "each test program uses a part of it")]

pub mod checkpoint;
pub mod process;
pub mod reference;

use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

/// A folder with a config.toml whose backends are shell scripts.
pub struct Project {
    folder: tempfile::TempDir,
}

/// What one call of wanbench gave.
pub struct Ran {
    pub status: i32,
    pub stdout: String,
    pub stderr: String,
}

/// Nothing more is said to a probe.
pub const UNLESS_PROBED: &str = r#"case "$request" in *'"type":"probe"'*) exit;; esac"#;

/// A well-behaved worker whose steps take `seconds` and whose model takes `bytes`; peak 100 MiB, output one element.
pub fn worker(seconds: f64, bytes: u64) -> String {
    worker_with_output(seconds, bytes, &[1.0])
}

/// [`worker`] with an output of these elements, written where the request asks for it and told as a digest.
pub fn worker_with_output(seconds: f64, bytes: u64, output: &[f32]) -> String {
    measuring(seconds, bytes, &write_output(output), &digest(output))
}

/// [`worker`] that writes no output and tells no digest.
pub fn worker_without_output(seconds: f64, bytes: u64) -> String {
    measuring(seconds, bytes, ":", "null")
}

/// A worker that measures: `write` is run before its `done`, which tells `digest`.
pub fn measuring(seconds: f64, bytes: u64, write: &str, digest: &str) -> String {
    format!(
        "{READY}\n{UNLESS_PROBED}\n{}\n{write}\n{}",
        after_ready(seconds, bytes),
        say(&format!(
            r#"{{"type":"done","framework_peak_bytes":null,"process_peak_bytes":104857600,"output":{digest}}}"#
        ))
    )
}

/// Writes a safetensors file of `output` where the request names one.
pub fn write_output(output: &[f32]) -> String {
    let data = little_endian(output);
    let header =
        format!(r#"{{"output":{{"dtype":"F32","shape":[{}],"data_offsets":[0,{}]}}}}"#, output.len(), data.len());
    let file = [&(header.len() as u64).to_le_bytes(), header.as_bytes(), &data].concat();
    write_file(&file)
}

/// Writes these bytes where the request names an output.
pub fn write_file(bytes: &[u8]) -> String {
    let escaped: String = bytes.iter().map(|byte| format!("\\{byte:03o}")).collect();
    format!(
        r#"case "$request" in *'"output":"'*) path=${{request#*'"output":"'}}; printf '{escaped}' > "${{path%%\"*}}";; esac"#
    )
}

/// What `done` tells of `output`.
pub fn digest(output: &[f32]) -> String {
    let sha256: String = Sha256::digest(little_endian(output)).iter().map(|byte| format!("{byte:02x}")).collect();
    let norm = output.iter().map(|value| f64::from(*value).powi(2)).sum::<f64>().sqrt();
    json!({"sha256": sha256, "elements": output.len(), "norm": norm}).to_string()
}

fn little_endian(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|value| value.to_le_bytes()).collect()
}

/// Reads the request and says `ready`.
pub const READY: &str = r#"read -r request
echo '{"type":"ready","protocol":3,"worker":"fake","device":{"kind":"cpu","name":"cpu"},"versions":{"fake":"1"}}'"#;

/// The events of two steps.
pub fn after_ready(seconds: f64, bytes: u64) -> String {
    [
        format!(r#"{{"type":"loaded","model_bytes":{bytes},"seconds":0.1}}"#),
        r#"{"type":"warmed","seconds":0.1}"#.to_owned(),
        format!(r#"{{"type":"step","index":0,"seconds":{seconds}}}"#),
        format!(r#"{{"type":"step","index":1,"seconds":{seconds}}}"#),
    ]
    .map(|line| say(&line))
    .join("\n")
}

pub fn say(line: &str) -> String {
    format!("echo '{line}'")
}

impl Ran {
    /// Standard output as one line, so that it can be searched for what a terminal's width breaks.
    pub fn flat(&self) -> String {
        self.stdout.split_whitespace().collect::<Vec<_>>().join(" ")
    }
}

impl Project {
    /// `backends` are (name, script); the first is the reference.
    pub fn new(backends: &[(&str, &str)]) -> Self {
        let project = Self { folder: tempfile::tempdir().unwrap() };
        // Seeded weights are made once for all tests.
        let data = Path::new(env!("CARGO_TARGET_TMPDIR")).join("data");
        std::fs::create_dir_all(&data).unwrap();
        std::fs::create_dir(project.path("cache")).unwrap();
        std::os::unix::fs::symlink(data, project.path("cache/data")).unwrap();
        project.write("config.toml", &config(backends));
        for (name, script) in backends {
            project.write(&format!("{name}.sh"), script);
        }
        project
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path(name), text).unwrap();
    }

    pub fn json(&self, name: &str) -> Value {
        serde_json::from_str(&std::fs::read_to_string(self.path(name)).unwrap()).unwrap()
    }

    /// Changes a JSON file in place.
    pub fn edit(&self, name: &str, change: impl FnOnce(&mut Value)) {
        let mut value = self.json(name);
        change(&mut value);
        self.write(name, &serde_json::to_string_pretty(&value).unwrap());
    }

    /// wanbench in this folder, outside any CI, with lines of one width whatever terminal the tests run in.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_wanbench"));
        command
            .args(arguments)
            .current_dir(self.folder.path())
            .env("WANBENCH_CACHE", self.path("cache"))
            .env("WANBENCH_LOCK", self.path("lock"))
            .env("COLUMNS", "100")
            .env_remove("CI");
        // Whoever runs the tests may have been started by `nohup`.
        // SAFETY: between fork and exec only this system call is made, which is safe there.
        unsafe {
            command.pre_exec(|| {
                libc::signal(libc::SIGHUP, libc::SIG_DFL);
                Ok(())
            })
        };
        for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("GITHUB_")) {
            command.env_remove(name);
        }
        command
    }

    pub fn wanbench(&self, arguments: &[&str]) -> Ran {
        let Output { status, stdout, stderr } = self.command(arguments).output().unwrap();
        Ran {
            status: status.code().expect("wanbench is not killed by a signal"),
            stdout: String::from_utf8(stdout).unwrap(),
            stderr: String::from_utf8(stderr).unwrap(),
        }
    }

    /// Saved results pass for those of a release build: a debug build's would be refused as a baseline.
    pub fn pretend_release_build(&self) {
        self.edit("results.json", |results| results["tool"]["debug_build"] = false.into());
    }

    /// The only machine baseline in the folder.
    pub fn machine_baseline(&self) -> String {
        let files = std::fs::read_dir(self.path("baselines")).unwrap();
        let names = files.map(|file| file.unwrap().file_name().into_string().unwrap());
        let mut machines: Vec<String> = names.filter(|name| name != "model-memory.json").collect();
        assert_eq!(machines.len(), 1, "{machines:?}");
        format!("baselines/{}", machines.remove(0))
    }
}

fn config(backends: &[(&str, &str)]) -> String {
    let reference = backends[0].0;
    let mut text = format!(
        "[default_suite]\ngpu = \"tiny\"\ncpu = \"tiny\"\n\n\
         [suites.tiny]\nmodel = \"synthetic\"\nreference = \"{reference}\"\nlaunches = 3\nmax_launches = 3\nwarmup_steps = 1\n\
         launch_timeout_seconds = 5\ncanary = false\n\n\
         [[suites.tiny.workloads]]\nframes = 5\nsteps = 2\nlatent = [1, 2, 2]\n"
    );
    for (name, _) in backends {
        text += &format!("\n[[suites.tiny.cases]]\nbackend = \"{name}\"\nquants = [\"none\"]\n");
        text += &format!("[backends.{name}]\ncommand = [\"sh\", \"{name}.sh\"]\nquants = [\"none\"]\n");
    }
    text
}
