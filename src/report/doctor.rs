//! What `wanbench doctor` shows: the machine, its backends, and what would spoil a measurement.
//!
//! A model filled by the command, and its rendering as plain text that needs no colour: every line begins with
//! `ok`, `note`, `warn` or `fail`, and whatever is not `ok` is followed by the way out.

use std::fmt::Write;
use std::path::PathBuf;

use crate::machine::{Finding, Machine, Severity, Topic};
use crate::protocol;
use crate::runner::Probed;

/// All that the doctor looked at.
#[derive(Clone, Debug)]
pub struct Doctor {
    /// This machine.
    pub machine: Machine,
    /// Its state: [`crate::machine::survey`], or [`crate::machine::fitness`] without what is well.
    pub findings: Vec<Finding>,
    /// The backends that a suite uses, by their names.
    pub backends: Vec<BackendState>,
    /// The configuration's file.
    pub configuration: PathBuf,
}

/// One backend, and whether its worker could be opened.
#[derive(Clone, Debug)]
pub struct BackendState {
    /// Its name, such as `mlx`.
    pub name: String,
    /// Whether its worker is one that wanbench builds.
    pub is_built_in: bool,
    /// The command that starts its worker.
    pub command: Vec<String>,
    /// Path of its program; `None` if there is none.
    pub program: Option<PathBuf>,
    /// What the worker answered to a probe, or why it did not.
    pub state: Result<Probed, String>,
    /// Why it does not open on the machine's GPU, in the framework's words, where it opened on the CPU in its place.
    pub lacks_gpu: Option<String>,
}

/// The doctor's findings as text, with a final newline.
pub fn render(doctor: &Doctor) -> String {
    let (power, others): (Vec<_>, Vec<_>) =
        doctor.findings.iter().partition(|finding| matches!(finding.topic, Topic::Power | Topic::Heat));
    let silent = Line::new("note", "the system reports nothing about power and heat")
        .then("measure on mains power and on a cool machine");
    let mut text = String::new();
    section(&mut text, "Machine", &machine_lines(&doctor.machine));
    section(&mut text, "Backends", &backend_lines(doctor));
    section(&mut text, "Power and heat", &finding_lines(&power, silent));
    section(&mut text, "What would spoil a measurement", &finding_lines(&others, Line::new("ok", "nothing was found")));
    text.push_str(&summary(doctor));
    text
}

impl Doctor {
    /// Whether a measurement can be made: there are backends, and each of them could be opened.
    pub fn healthy(&self) -> bool {
        !self.backends.is_empty() && self.backends.iter().all(BackendState::is_open)
    }
}

impl BackendState {
    fn is_open(&self) -> bool {
        self.state.as_ref().is_ok_and(|probed| probed.ready.protocol == protocol::VERSION)
    }
}

/// One line of a section: how it stands, and the text with its continuations.
#[derive(Clone)]
struct Line {
    mark: &'static str,
    text: String,
    more: Vec<String>,
}

impl Line {
    fn new(mark: &'static str, text: impl Into<String>) -> Self {
        Self { mark, text: text.into(), more: Vec::new() }
    }

    fn then(mut self, more: impl Into<String>) -> Self {
        self.more.push(more.into());
        self
    }
}

fn machine_lines(machine: &Machine) -> Vec<Line> {
    let processors = machine.cpu_cores.map_or_else(String::new, |cores| format!(", {cores} logical processors"));
    let described = format!("{}{processors}, {} GiB memory, {}", machine.chip, machine.memory_gib, machine.os);
    let gpu = match (&machine.gpu, machine.gpu_cores, machine.has_gpu()) {
        (Some(gpu), ..) => Line::new("ok", format!("GPU {gpu}")),
        (None, Some(cores), _) => Line::new("ok", format!("GPU of the chip, {cores} cores")),
        (None, None, true) => Line::new("ok", "GPU of the chip, number of cores unknown"),
        (None, None, false) => Line::new("note", "no GPU found: measurements run on the CPU")
            .then("compare them only with measurements on this CPU; wanbench is made for Macs with Apple Silicon"),
    };
    let baseline = format!("its baseline file is {}.json", machine.name(machine.default_device()));
    vec![Line::new("ok", described), gpu, Line::new("ok", baseline)]
}

fn backend_lines(Doctor { backends, configuration, .. }: &Doctor) -> Vec<Line> {
    let configuration = configuration.display().to_string();
    let width = backends.iter().map(|backend| backend.name.chars().count()).max().unwrap_or(0);
    if backends.is_empty() {
        return vec![
            Line::new("fail", "no backend is configured")
                .then(format!("name one under [backends] in {configuration}, or none for mlx and torch")),
        ];
    }
    let lines = |backend| [vec![backend_line(backend, width, &configuration)], warnings(backend, width)].concat();
    backends.iter().flat_map(lines).collect()
}

fn warnings(backend: &BackendState, width: usize) -> Vec<Line> {
    let line = |words: &str| Line::new("warn", format!("{:<width$}  {words}", backend.name));
    let lacks_gpu =
        backend.lacks_gpu.iter().map(|reason| line("computes on the CPU of a machine with a GPU").then(reason));
    own_words(backend).into_iter().map(line).chain(lacks_gpu).collect()
}

/// What a worker that opened says of itself, with its name before it: that something is missing, and the way out. What its
/// libraries say is left out.
fn own_words(backend: &BackendState) -> Vec<&str> {
    let Ok(Probed { ready, said }) = &backend.state else { return Vec::new() };
    said.iter().filter_map(|line| line.strip_prefix(ready.worker.as_str())?.strip_prefix(": ")).collect()
}

fn backend_line(backend: &BackendState, width: usize, configuration: &str) -> Line {
    let way_out = |backend: &BackendState| match backend.is_built_in {
        true => "to build it: make build, with DEVICE=cuda for an NVIDIA GPU".to_owned(),
        false => format!("to correct it: `command` under [backends.{}] in {configuration}", backend.name),
    };
    let name = format!("{:<width$}", backend.name);
    let program = match &backend.program {
        Some(program) => program.display().to_string(),
        None => backend.command.first().cloned().unwrap_or_default(),
    };
    match &backend.state {
        Ok(Probed { ready, .. }) if backend.is_open() => {
            let versions: Vec<String> =
                ready.versions.iter().map(|(name, version)| format!("{name} {version}")).collect();
            let line = Line::new("ok", format!("{name}  {} ({})", ready.device.name, ready.device.kind.name()));
            if versions.is_empty() { line } else { line.then(versions.join(", ")) }.then(program)
        }
        Ok(Probed { ready, .. }) => {
            let what = format!("{name}  speaks protocol {}, this wanbench {}", ready.protocol, protocol::VERSION);
            Line::new("fail", what).then(program).then(way_out(backend))
        }
        Err(_) if backend.program.is_none() => {
            Line::new("fail", format!("{name}  not found: {program}")).then(way_out(backend))
        }
        Err(reason) => {
            let mut reasons = reason.lines();
            let first = Line::new("fail", format!("{name}  {}", reasons.next().unwrap_or("does not answer")));
            reasons.fold(first, Line::then).then(program).then(way_out(backend))
        }
    }
}

fn finding_lines(findings: &[&Finding], none: Line) -> Vec<Line> {
    if findings.is_empty() {
        return vec![none];
    }
    findings.iter().map(|finding| finding_line(finding)).collect()
}

fn finding_line(finding: &Finding) -> Line {
    let mark = match finding.severity {
        Severity::Ok => "ok",
        Severity::Note => "note",
        Severity::Warning => "warn",
    };
    let line = Line::new(mark, finding.what.as_str());
    if finding.way_out.is_empty() { line } else { line.then(finding.way_out.as_str()) }
}

fn summary(doctor: &Doctor) -> String {
    let of_machine = doctor.findings.iter().filter(|finding| finding.severity == Severity::Warning).count();
    let of_workers: usize = doctor.backends.iter().map(|backend| warnings(backend, 0).len()).sum();
    let warnings = of_machine + of_workers;
    let closed: Vec<&str> =
        doctor.backends.iter().filter(|backend| !backend.is_open()).map(|backend| backend.name.as_str()).collect();
    let warned = match warnings {
        0 => "nothing was found that would distort a measurement".to_owned(),
        1 => "the warning above would distort a measurement".to_owned(),
        _ => format!("the {warnings} warnings above would distort a measurement"),
    };
    match doctor.healthy() {
        true => format!("Ready to measure; {warned}.\n"),
        false if closed.is_empty() => "Not ready to measure: no backend.\n".to_owned(),
        false => format!("Not ready to measure: cannot open {}.\n", printable(&closed.join(", "))),
    }
}

fn section(text: &mut String, title: &str, lines: &[Line]) {
    // Writing to a string cannot fail.
    let _ = writeln!(text, "{title}");
    for line in lines {
        let _ = writeln!(text, "  {:<4}  {}", line.mark, printable(&line.text));
        for more in &line.more {
            let _ = writeln!(text, "          {}", printable(more));
        }
    }
    text.push('\n');
}

/// `text` on one line: what a worker prints must not move the cursor or forge a line.
fn printable(text: &str) -> String {
    text.trim_end().chars().map(|character| if character.is_control() { ' ' } else { character }).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::protocol::{Device, DeviceKind, Ready};

    fn doctor() -> Doctor {
        Doctor {
            configuration: PathBuf::from("config.toml"),
            machine: Machine {
                chip: "Apple M3 Ultra".into(),
                cpu_cores: Some(32),
                gpu_cores: Some(80),
                gpu: None,
                memory_gib: 512,
                os: "macos".into(),
            },
            findings: vec![
                finding(Topic::Power, Severity::Ok, "on mains power", ""),
                finding(Topic::Power, Severity::Warning, "Low Power Mode is on", "turn it off"),
                finding(Topic::Load, Severity::Note, "load average 8.0", "wait"),
            ],
            backends: vec![open("mlx", protocol::VERSION), closed("torch", None, "No such file")],
        }
    }

    fn finding(topic: Topic, severity: Severity, what: &str, way_out: &str) -> Finding {
        Finding { topic, severity, what: what.into(), way_out: way_out.into() }
    }

    fn open(name: &str, protocol: u32) -> BackendState {
        let ready = Ready {
            wakes: true,
            profiles: true,
            protocol,
            worker: format!("wanbench-{name}"),
            device: Device { kind: DeviceKind::Gpu, name: "metal".into(), memory: None },
            versions: BTreeMap::from([("mlx".into(), "0.29.1".into()), ("mlx-rs".into(), "0.33.0".into())]),
        };
        let program = format!("/repo/target/release/wanbench-{name}");
        BackendState {
            name: name.into(),
            is_built_in: true,
            command: vec![program.clone()],
            program: Some(program.into()),
            state: Ok(Probed { ready, said: Vec::new() }),
            lacks_gpu: None,
        }
    }

    fn closed(name: &str, program: Option<&str>, reason: &str) -> BackendState {
        let command = vec![format!("/repo/target/release/wanbench-{name}")];
        BackendState {
            name: name.into(),
            is_built_in: true,
            command,
            program: program.map(PathBuf::from),
            state: Err(reason.into()),
            lacks_gpu: None,
        }
    }

    #[test]
    fn a_whole_visit() {
        let expected = "\
Machine
  ok    Apple M3 Ultra, 32 logical processors, 512 GiB memory, macos
  ok    GPU of the chip, 80 cores
  ok    its baseline file is apple-m3-ultra-80gpu-512gb.json

Backends
  ok    mlx    metal (gpu)
          mlx 0.29.1, mlx-rs 0.33.0
          /repo/target/release/wanbench-mlx
  fail  torch  not found: /repo/target/release/wanbench-torch
          to build it: make build, with DEVICE=cuda for an NVIDIA GPU

Power and heat
  ok    on mains power
  warn  Low Power Mode is on
          turn it off

What would spoil a measurement
  note  load average 8.0
          wait

Not ready to measure: cannot open torch.
";
        assert_eq!(render(&doctor()), expected);
    }

    #[test]
    fn health_is_that_every_backend_opens() {
        assert!(!doctor().healthy());
        let healthy = Doctor { backends: vec![open("mlx", protocol::VERSION)], ..doctor() };
        assert!(healthy.healthy());
        assert!(render(&healthy).ends_with("Ready to measure; the warning above would distort a measurement.\n"));
        let none = Doctor { backends: Vec::new(), ..doctor() };
        assert!(!none.healthy());
        assert!(render(&none).contains("fail  no backend is configured"));
    }

    #[test]
    fn a_worker_of_another_protocol_is_not_open() {
        let old = Doctor { backends: vec![open("mlx", protocol::VERSION + 1)], ..doctor() };
        assert!(!old.healthy());
        let words =
            format!("fail  mlx  speaks protocol {}, this wanbench {}", protocol::VERSION + 1, protocol::VERSION);
        assert!(render(&old).contains(&words), "{}", render(&old));
    }

    #[test]
    fn what_an_open_worker_warns_of_is_told_and_not_what_its_libraries_say() {
        let mut mlx = open("mlx", protocol::VERSION);
        if let Ok(probed) = &mut mlx.state {
            probed.said = vec!["a library's line".into(), "wanbench-mlx: no header: install it\u{1b}[2K".into()];
        }
        let text = render(&Doctor { backends: vec![mlx], ..doctor() });
        assert!(text.contains("  warn  mlx  no header: install it [2K\n") && !text.contains("library"), "{text}");
        assert!(text.ends_with("Ready to measure; the 2 warnings above would distort a measurement.\n"), "{text}");
    }

    #[test]
    fn a_worker_on_the_cpu_of_a_machine_with_a_gpu_is_a_warning_with_the_frameworks_words() {
        let mut mlx = open("mlx", protocol::VERSION);
        mlx.lacks_gpu = Some("MLX finds no GPU here (no metallib)".into());
        let text = render(&Doctor { backends: vec![mlx], ..doctor() });
        let expected =
            "  warn  mlx  computes on the CPU of a machine with a GPU\n          MLX finds no GPU here (no metallib)\n";
        assert!(text.contains(expected), "{text}");
        assert!(text.ends_with("Ready to measure; the 2 warnings above would distort a measurement.\n"), "{text}");
    }

    #[test]
    fn a_failure_keeps_its_lines_but_cannot_forge_any() {
        let reason = "it died\n  ok    forged\n\u{1b}[2Kgone";
        let mine = BackendState { is_built_in: false, ..closed("mine", Some("/usr/bin/mine"), reason) };
        let failed = Doctor { backends: vec![mine], ..doctor() };
        let text = render(&failed);
        assert!(text.contains("  fail  mine  it died\n            ok    forged\n           [2Kgone\n"), "{text}");
        assert!(text.contains("[backends.mine]"), "{text}");
        assert!(!text.contains('\u{1b}'));
    }

    #[test]
    fn a_command_of_ones_own_under_a_built_in_name_is_corrected_not_built() {
        let mlx = BackendState { is_built_in: false, ..closed("mlx", None, "No such file") };
        let text = render(&Doctor { backends: vec![mlx], ..doctor() });
        assert!(text.contains("[backends.mlx]") && !text.contains("make build"), "{text}");
    }

    #[test]
    fn where_the_system_tells_nothing_the_sections_say_so() {
        let silent = Doctor { findings: Vec::new(), ..doctor() };
        let text = render(&silent);
        assert!(text.contains("  note  the system reports nothing about power and heat\n"), "{text}");
        assert!(text.contains("  ok    nothing was found\n"), "{text}");
    }
}
