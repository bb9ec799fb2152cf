//! Kernels that the built-in MLX worker compiles at run time are compiled before the run, once on a machine; with a worker of
//! a shell script in its place, and a made-up GPU.

mod support;

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Output, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};

use support::{Project, Ran, UNLESS_PROBED, say};
use wanbench::machine;

const VERSION: &str = "9.9";

const CONFIG: &str = r#"
[default_suite]
gpu = "tiny"
cpu = "tiny"

[suites.tiny]
model = "synthetic"
reference = "mlx"
launches = 2
max_launches = 2
warmup_steps = 3
launch_timeout_seconds = 5
canary = false

[[suites.tiny.workloads]]
frames = 5
steps = 2
latent = [1, 2, 2]

[[suites.tiny.cases]]
backend = "mlx"
quants = ["none", "int8"]
"#;

/// Held while a program is written and while a process is started: a process that another test starts meanwhile would for a moment
/// hold the file open for writing, and nobody could run it.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A machine of its own: wanbench with `script` beside it as the worker of MLX, and the driver's tool on `PATH`.
struct GpuProject {
    project: Project,
}

impl GpuProject {
    fn new(script: &str) -> Self {
        let project = Project::new(&[("good", "")]);
        project.write("config.toml", CONFIG);
        std::fs::create_dir(project.path("bin")).unwrap();
        let alone = alone();
        std::fs::copy(env!("CARGO_BIN_EXE_wanbench"), project.path("bin/wanbench")).unwrap();
        drop(alone);
        let this = Self { project };
        this.program("wanbench-mlx", script);
        this.program("nvidia-smi", "echo 'NVIDIA Test, 8192, 8000, 0, 580.1, 1980, 1980, 700, 30, Enabled, 0, 0x0'");
        this
    }

    fn program(&self, name: &str, script: &str) {
        let _alone = alone();
        self.project.write(&format!("bin/{name}"), &format!("#!/bin/sh\n{script}\n"));
        let executable = std::fs::Permissions::from_mode(0o755);
        std::fs::set_permissions(self.project.path(&format!("bin/{name}")), executable).unwrap();
    }

    fn run(&self, arguments: &[&str]) -> Ran {
        let path = format!("{}:{}", self.project.path("bin").display(), std::env::var("PATH").unwrap());
        let mut command = std::process::Command::new(self.project.path("bin/wanbench"));
        command.args(["run"]).args(arguments).current_dir(self.project.path("")).env("PATH", path);
        let settings = self.project.command(&[]);
        command.envs(settings.get_envs().filter_map(|(name, value)| Some((name, value?))));
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let alone = alone();
        let child = command.spawn().unwrap();
        drop(alone);
        let Output { status, stdout, stderr } = child.wait_with_output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Ran { status: status.code().unwrap(), stdout: text(stdout), stderr: text(stderr) }
    }

    /// What the worker was asked for since the last call: warm-up and timed steps of each launch.
    fn launches(&self) -> Vec<String> {
        let path = self.project.path("launches");
        let text = std::fs::read_to_string(&path).unwrap_or_default();
        let _ = std::fs::remove_file(path);
        text.lines().map(str::to_owned).collect()
    }

    fn kernels(&self) -> std::path::PathBuf {
        machine::kernels_folder_of(&self.project.path("cache"), "mlx", VERSION)
    }
}

/// A worker that takes as many steps as it is asked for, and tells which.
fn worker(compile: &str) -> String {
    let ready = format!(
        r#"{{"type":"ready","protocol":3,"worker":"wanbench-mlx","device":{{"kind":"gpu","name":"cuda"}},"versions":{{"mlx":"{VERSION}"}}}}"#
    );
    let step = |index: usize| say(&format!(r#"{{"type":"step","index":{index},"seconds":0.1}}"#));
    [
        "read -r request".to_owned(),
        say(&ready),
        UNLESS_PROBED.to_owned(),
        r#"warmup=${request#*'"warmup_steps":'}; warmup=${warmup%%[,\}]*}"#.to_owned(),
        r#"case "$request" in *'"sigmas":[1.0,0.0]'*) steps=1;; *) steps=2;; esac"#.to_owned(),
        r#"echo "$warmup warm-up, $steps timed" >> launches"#.to_owned(),
        compile.to_owned(),
        say(r#"{"type":"loaded","model_bytes":8,"seconds":0.1}"#),
        say(r#"{"type":"warmed","seconds":0.1}"#),
        step(0),
        format!("if [ $steps = 2 ]; then {}; fi", step(1)),
        say(r#"{"type":"done","framework_peak_bytes":null,"process_peak_bytes":104857600,"output":null}"#),
    ]
    .join("\n")
}

fn keeps_kernels_in(folder: &Path) -> String {
    worker(&format!("mkdir -p {}", folder.display()))
}

const PREPARING: &str = "1 warm-up, 1 timed";
const MEASURING: &str = "3 warm-up, 2 timed";

fn count(launches: &[String], what: &str) -> usize {
    launches.iter().filter(|launch| *launch == what).count()
}

#[test]
fn each_case_is_launched_once_before_the_run_and_not_again_while_its_kernels_are_there() {
    let project = GpuProject::new("");
    project.program("wanbench-mlx", &keeps_kernels_in(&project.kernels()));
    let arguments = ["--device", "gpu"];

    let first = project.run(&arguments);
    let launches = project.launches();
    let told = |ran: &Ran| ran.stderr.matches("preparing the kernels of mlx/5f/").count();
    assert_eq!(launches[..2], [PREPARING, PREPARING], "{}{}", first.stdout, first.stderr);
    assert_eq!((count(&launches, PREPARING), told(&first)), (2, 2), "{launches:?} {}", first.stderr);
    let words = "preparing the kernels of mlx/5f/int8 (up to 2 minutes where they are not compiled yet)";
    assert!(first.stderr.contains(words), "{}", first.stderr);
    let results = project.project.json("results.json");
    assert_eq!(results["cases"][0]["launches"].as_array().unwrap().len(), 2, "nothing of it is kept");
    assert_eq!(results["tool"]["environment"]["nvidia.driver"], "580.1");

    let second = project.run(&arguments);
    assert_eq!((count(&project.launches(), PREPARING), told(&second)), (0, 0), "{}", second.stderr);

    std::fs::remove_dir_all(project.kernels()).unwrap();
    project.run(&arguments);
    assert_eq!(count(&project.launches(), PREPARING), 2, "the stamps went with the kernels");

    project.program("wanbench-mlx", &format!("{}\n# of another build", keeps_kernels_in(&project.kernels())));
    project.run(&arguments);
    assert_eq!(count(&project.launches(), PREPARING), 2, "another worker has other kernels");
}

#[test]
fn a_cpu_needs_no_preparing() {
    let project = GpuProject::new("");
    let script = keeps_kernels_in(&project.kernels()).replace(r#""kind":"gpu""#, r#""kind":"cpu""#);
    project.program("wanbench-mlx", &script);
    let ran = project.run(&["--device", "cpu"]);
    let launches = project.launches();
    assert_eq!(count(&launches, MEASURING), launches.len(), "{launches:?} {}", ran.stderr);
    assert!(!launches.is_empty() && !ran.stderr.contains("the kernels of"), "{}", ran.stderr);
}

#[test]
fn a_preparing_launch_that_fails_is_told_and_another_limit_than_the_launches_holds_it() {
    // Longer than a launch may take.
    let compile = "if [ $steps = 1 ]; then sleep 6; echo 'no header' >&2; exit 9; fi";
    let project = GpuProject::new(&worker(compile));
    let ran = project.run(&["--device", "gpu", "--filter", "none"]);
    let words = "the kernels of mlx/5f/none could not be compiled: exited with status 9; its last words: no header";
    assert!(ran.stderr.contains(words), "{}", ran.stderr);
    let results = project.project.json("results.json");
    assert!(results["cases"][0]["launches"][0]["outcome"]["measured"].is_object(), "its own launches are measured");
}
