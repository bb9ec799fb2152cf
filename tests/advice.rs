//! The commands that reports advise: each can be pasted as it stands.

mod support;

use support::{Project, READY, worker, worker_without_output};

const FLAGS: &[&str] = &[
    "--config",
    "./config.toml",
    "--baselines",
    "baselines",
    "--device",
    "cpu",
    "--seed",
    "7",
    "--markdown",
    "report.md",
];

/// Two backends, the launches of whose suite are `launches`, with a baseline and the same workers in `base/`.
fn project(launches: usize) -> Project {
    let project = Project::new(&[("slow", &worker(0.2, 4000)), ("fast", &worker(0.1, 1000))]);
    for folder in ["base", "baselines"] {
        std::fs::create_dir(project.path(folder)).unwrap();
    }
    project.write("base/slow.sh", &worker(0.2, 4000));
    project.write("base/fast.sh", &worker(0.1, 1000));
    let config = std::fs::read_to_string(project.path("config.toml")).unwrap();
    project.write("config.toml", &config.replace("launches = 3", &format!("launches = {launches}")));
    project
}

fn with_baseline(project: Project) -> Project {
    let seeded = &["run", "--device", "cpu", "--seed", "7"];
    assert_eq!(project.wanbench(seeded).status, 0);
    project.pretend_release_build();
    assert_eq!(project.wanbench(&["baseline", "update", "--from", "results.json", "--yes", "--force"]).status, 0);
    project
}

/// The commands of this wanbench in the backticks of what is advised.
fn advised(report: &str) -> Vec<String> {
    let quoted = report.split('`').skip(1).step_by(2);
    quoted.filter(|quoted| quoted.starts_with(env!("CARGO_BIN_EXE_wanbench"))).map(str::to_owned).collect()
}

/// What `check` with `more` flags advises, which does not pass; with it what is advised of the same results of a release build,
/// which may become a baseline. Each of the commands is one: a shell that asks for its help finds no unknown flag before that.
fn advice(project: &Project, more: &[&str]) -> Vec<String> {
    let ran = project.wanbench(&[&["check"], FLAGS, more].concat());
    assert!(matches!(ran.status, 1 | 3), "{more:?}: {}{}", ran.stdout, ran.stderr);
    let mut report = std::fs::read_to_string(project.path("report.md")).unwrap();
    assert!(report.contains("What to do next"), "{report}");
    if project.path("results.json").exists() {
        project.pretend_release_build();
        let sources = ["--config", "./config.toml", "--baselines", "baselines", "--format", "markdown"];
        report += &project.wanbench(&[&["report", "results.json"], &sources[..]].concat()).stdout;
    }
    let commands = advised(&report);
    for command in &commands {
        let mut shell = std::process::Command::new("sh");
        let ran = shell.args(["-c", &format!("{command} --help")]).current_dir(project.path("")).output().unwrap();
        assert!(ran.status.success(), "{command}: {}", String::from_utf8_lossy(&ran.stderr));
    }
    commands
}

fn has(commands: &[String], parts: &[&str]) {
    let holds = |command: &&String| parts.iter().all(|part| command.contains(part));
    assert!(commands.iter().any(|command| holds(&command)), "{parts:?}: {commands:#?}");
}

#[test]
fn a_failed_case_and_a_failed_base() {
    let project = project(3);
    project.write("fast.sh", "exit 1");
    let commands = advice(&project, &[]);
    has(&commands, &[" doctor --config ./config.toml"]);
    has(&commands, &[" run ", "--filter fast/5f/none", "--device cpu", "--seed 7", "--baselines baselines"]);

    project.write("fast.sh", &worker(0.1, 1000));
    project.write("base/fast.sh", &format!("{READY}\ncase \"$request\" in *measure*) exit 7;; esac"));
    let commands = advice(&project, &["--base-workers", "base"]);
    has(&commands, &[" check --suite tiny", "--base-workers base", "--device cpu", "--seed 7"]);
}

#[test]
fn what_was_undecided_or_regressed() {
    let project = with_baseline(project(1));
    project.write("fast.sh", &worker(0.12, 1000));
    let commands = advice(&project, &["--filter", "fast"]);
    has(&commands, &[" check ", "--filter fast", "--launches "]);

    let project = with_baseline(self::project(3));
    project.write("fast.sh", &worker(0.12, 1200));
    has(&advice(&project, &[]), &[" baseline accept fast/5f/none", "--from results.json", "--baselines baselines"]);
    project.write("fast.sh", &worker(0.1, 1200));
    has(&advice(&project, &[]), &[" baseline update --from results.json", "--baselines baselines"]);

    let file = project.machine_baseline();
    project.edit(&file, |baseline| baseline["cases"]["fast/5f/none"]["anchor"]["speedup"] = serde_json::json!(4.0));
    has(&advice(&project, &[]), &[" baseline anchor --reason", "--filter fast/5f/none", "--baselines baselines"]);
}

#[test]
fn what_was_not_compared() {
    let project = with_baseline(project(3));
    project.write("fast.sh", &worker_without_output(0.05, 1000));
    has(&advice(&project, &[]), &[" check --suite tiny", "--seed 7"]);
    project.write("fast.sh", &worker(0.1, 1000).replace("104857600", "null"));
    has(&advice(&project, &[]), &[" baseline update --from results.json"]);
    project.write("slow.sh", "exit 1");
    has(&advice(&project, &[]), &[" run ", "--filter slow/5f/none"]);
}

#[test]
fn what_was_demanded_and_what_could_not_be_saved() {
    let project = project(3);
    has(&advice(&project, &["--require-baseline"]), &[" baseline update --from results.json"]);
    std::fs::remove_file(project.path("results.json")).unwrap();
    project.write("fast.sh", &format!("rm -rf out\n: > out\n{}", worker(0.1, 1000)));
    has(&advice(&project, &["--json", "out/results.json"]), &[" check --suite tiny"]);
}
