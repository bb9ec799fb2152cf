//! Whatever a worker does, its case fails with the reason, the other cases are measured, and nothing is left running.

mod support;

use std::path::Path;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use support::process::{is_running, wait_for_number};
use support::{Project, READY, after_ready, say, worker};

const LOADING: &str = r#"{"type":"loading","bytes":1,"total_bytes":9,"seconds":1}"#;

fn forever(line: &str) -> String {
    format!("while :; do echo '{line}'; done")
}

fn failure<'a>(results: &'a Value, case: &str) -> &'a Value {
    let cases = results["cases"].as_array().unwrap();
    let case = cases.iter().find(|record| record["case"]["name"] == case).unwrap();
    let launches = case["launches"].as_array().unwrap();
    assert_eq!(launches.len(), 1, "a failed case is not launched again");
    &launches[0]["outcome"]["failed"]
}

#[test]
fn a_faulty_worker_fails_its_case_alone() {
    let done = r#"{"type":"done","framework_peak_bytes":null,"process_peak_bytes":1,"output":null}"#;
    let faults = [
        ("dies", "echo 'no such thing' >&2; exit 7".to_owned(), "exited with status 7"),
        ("killed", format!("{READY}\nkill -9 $$"), "killed by signal 9"),
        (
            "garbage",
            format!("{READY}\necho 'Hello from the framework'"),
            "not an event of the protocol: \"Hello from the framework\"",
        ),
        (
            "unknown",
            format!("{READY}\n{}", say(r#"{"type":"loaded","model_bytes":1,"seconds":1,"more":1}"#)),
            "unknown field `more`",
        ),
        ("disordered", format!("{READY}\n{}", say(done)), "where `loaded` was due"),
        (
            "zero",
            format!("{READY}\n{}", after_ready(0.0, 8)),
            "reported an impossible figure: seconds of step 0 is 0.0, which is not between 1e-9 and 432000.0",
        ),
        (
            "boasts",
            READY.replace("\"fake\":\"1\"", &format!("\"fake\":\"{}\"", "x".repeat(5_000))),
            "reported an impossible figure: versions holds a text of 5000 bytes, more than 1000",
        ),
        ("short", format!("{READY}\n{}", after_ready(0.1, 8)), "exited without finishing"),
        ("late", format!("{}\nexit 9", worker(0.1, 8)), "exited with status 9"),
        ("other", READY.replace("\"protocol\":3", "\"protocol\":1"), "speaks protocol 1"),
        (
            "sorry",
            format!("{READY}\n{}\nexit 3", say(r#"{"type":"failed","kind":"unsupported","message":"no GPU here"}"#)),
            "no GPU here",
        ),
        ("elsewhere", READY.replace("\"kind\":\"cpu\"", "\"kind\":\"gpu\""), "another device was requested"),
        ("talks", format!("{}\necho more", worker(0.1, 8)), "after its last event"),
        ("floods", format!("{READY}\n{}", forever(LOADING)), "did not finish within 5 s"),
        ("talkative", format!("{}\n{}", worker(0.1, 8), forever("more")), "after its last event"),
        ("shouts", format!("{READY}\nhead -c 90000000 /dev/zero | tr '\\0' x"), "printed a line of over 1 MiB"),
        ("lingers", format!("{}\nexec >&-; sleep 1000", worker(0.1, 8)), "did not exit within 10 s of its last event"),
        ("hangs", format!("{READY}\nsleep 1000 & echo $! > sleeper\nwait"), "did not finish within 5 s"),
    ];
    let good = worker(0.1, 8);
    let mut backends = vec![("good", good.as_str())];
    backends.extend(faults.iter().map(|(name, script, _)| (*name, script.as_str())));
    let project = Project::new(&backends);

    let ran = project.wanbench(&["run"]);
    assert_eq!(ran.status, 3, "{}{}", ran.stdout, ran.stderr);
    let results = project.json("results.json");
    for (name, _, reason) in &faults {
        let failure = failure(&results, &format!("{name}/5f/none"));
        let found = failure["reason"].as_str().unwrap_or_default();
        assert!(found.contains(reason), "{name}: {failure}");
        assert!(ran.stdout.contains(&format!("{name}/5f/none")), "{}", ran.stdout);
    }
    assert_eq!(failure(&results, "dies/5f/none")["stderr_tail"][0], "no such thing");
    assert_eq!(results["cases"][0]["launches"].as_array().unwrap().len(), 3);

    let sleeper = std::fs::read_to_string(project.path("sleeper")).unwrap().trim().parse().unwrap();
    assert!(!is_running(Pid::from_raw(sleeper).unwrap()), "the hanging worker's child still runs");
}

#[test]
fn the_loaders_words_are_passed_on_wherever_a_worker_does_not_start() {
    let words = "worker: error while loading shared libraries: libcudart.so.13: cannot open shared object file: No such \
        file or directory";
    // A terminal must not obey what it quotes.
    let script = format!("printf '%s\\033[2J\\n\\n' '{words}' >&2; exit 127");
    let project = Project::new(&[("good", &script)]);
    for arguments in [&["doctor"][..], &["run"], &["check"], &["plan"], &["calibrate"], &["profile", "good/5f/none"]] {
        let ran = project.wanbench(arguments);
        let all = format!("{}{}", ran.stdout, ran.stderr);
        let flat = all.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(flat.contains(&format!("exited with status 127; its last words: {words}")), "{arguments:?}: {all}");
        assert!(!all.contains('\u{1b}'), "{arguments:?}: {all}");
    }
}

#[test]
fn a_missing_program_of_the_users_own_says_how_it_is_found() {
    let project = Project::new(&[("good", &worker(0.1, 8))]);
    let config = std::fs::read_to_string(project.path("config.toml")).unwrap();
    for (program, words) in [
        ("no-such-program", "there is no program `no-such-program`: set `command` under [backends.NAME]"),
        ("THREADS=4", "for a variable begin the command with `env`, as in [\"env\", \"THREADS=4\", …]"),
    ] {
        project.write("config.toml", &config.replace("\"sh\"", &format!("\"{program}\"")));
        let ran = project.wanbench(&["run"]);
        assert_eq!(ran.status, 3);
        assert!(ran.flat().contains(words), "{}", ran.stdout);
    }
}

#[test]
fn a_process_that_the_worker_left_behind_holds_nothing_up_and_is_ended() {
    // In a session of its own, with the worker's output open.
    let leaving = format!("setsid sleep 1000 & echo $! > left\n{}", worker(0.1, 8));
    let project = Project::new(&[("good", &leaving)]);
    let ran = project.wanbench(&["run"]);
    assert_eq!(ran.status, 0, "{}{}", ran.stdout, ran.stderr);
    assert!(!is_running(wait_for_number(&project.path("left"))));
}

#[test]
fn what_a_worker_prints_takes_little_memory() {
    let flood = format!("{READY}\nyes '{}' >&2 & {}", "x".repeat(1000), forever(LOADING));
    let project = Project::new(&[("good", &flood)]);
    let program = env!("CARGO_BIN_EXE_wanbench");
    let mut limited = std::process::Command::new("sh");
    limited.args(["-c", &format!("ulimit -v 262144; exec '{program}' run")]).current_dir(project.path(""));
    limited.envs(project.command(&[]).get_envs().filter_map(|(name, value)| Some((name, value?))));
    let output = limited.output().unwrap();
    assert_eq!(output.status.code(), Some(3), "{}", String::from_utf8_lossy(&output.stderr));
    let results = project.json("results.json");
    let failure = failure(&results, "good/5f/none");
    assert!(failure["reason"].to_string().contains("did not finish within 5 s"), "{failure}");
    assert_eq!(failure["stderr_tail"][0].as_str().map(str::len), Some(500));
}

#[test]
fn a_worker_whose_interpreter_is_missing_is_told_from_one_that_is_not_there() {
    let project = Project::new(&[("good", "")]);
    project.write("worker", "#!/no/such/interpreter\n");
    std::fs::set_permissions(project.path("worker"), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let config = std::fs::read_to_string(project.path("config.toml")).unwrap();
    project.write("config.toml", &config.replace("[\"sh\", \"good.sh\"]", "[\"./worker\"]"));
    let ran = project.wanbench(&["run"]);
    assert_eq!(ran.status, 3);
    assert!(ran.flat().contains("although the file is there"), "{}", ran.stdout);
}

#[test]
fn the_deadline_holds_for_a_worker_that_does_not_read() {
    // A request far longer than a pipe holds, to a worker that never reads it.
    let project = Project::new(&[("deaf", "sleep 1000")]);
    let ran = project.wanbench(&["run", "--steps", "9999"]);
    assert_eq!(ran.status, 3, "{}", ran.stderr);
    assert!(ran.stdout.contains("did not finish within 5 s"), "{}", ran.stdout);
}

#[test]
fn two_runs_do_not_measure_each_other() {
    let project = Project::new(&[("good", &format!("echo $$ > marker; {READY}\nsleep 1000"))]);
    let mut first = project.command(&["run", "--no-progress"]).stderr(std::process::Stdio::null()).spawn().unwrap();
    wait_for_number(&project.path("marker"));
    let second = project.wanbench(&["run"]);
    assert_eq!(second.status, 3, "{}", second.stderr);
    assert!(second.stderr.contains(&format!("process {}", first.id())), "{}", second.stderr);
    kill_process(Pid::from_child(&first), Signal::INT).unwrap();
    first.wait().unwrap();
}

#[test]
fn the_example_worker_measures_a_case() {
    let project = Project::new(&[("one", ""), ("twin", "")]);
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/worker.py");
    let lines = std::fs::read_to_string(&example).unwrap().lines().count();
    assert!(lines < 100, "{lines} lines");
    let mut config = std::fs::read_to_string(project.path("config.toml")).unwrap();
    for name in ["one", "twin"] {
        let command = format!("[\"python3\", {:?}]", example.display().to_string());
        config = config.replace(&format!("[\"sh\", \"{name}.sh\"]"), &command);
    }
    project.write("config.toml", &config);
    let ran = project.wanbench(&["run", "--launches", "1"]);
    assert_eq!(ran.status, 0, "{}{}", ran.stdout, ran.stderr);
    let case = project.json("results.json")["cases"][1].clone();
    assert_eq!(case["parity"], json!({"relative_error": 0.0}), "both wrote the same output");
    let measured = &case["launches"][0]["outcome"]["measured"];
    assert_eq!(measured["model_bytes"], 99_164_288);
    assert_eq!(measured["step_seconds"].as_array().unwrap().len(), 2);
    assert_eq!(measured["output"]["elements"], 8 * 2 * 2);
}

#[test]
fn a_block_of_many_processes_has_the_open_files_that_it_needs() {
    let names: Vec<String> = (0..30).map(|index| format!("own{index}")).collect();
    let script = worker(0.1, 8);
    let backends: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), script.as_str())).collect();
    let project = Project::new(&backends);
    let run = |limits: &str| {
        let mut limited = std::process::Command::new("sh");
        let script = format!("{limits}; exec '{}' run --launches 1", env!("CARGO_BIN_EXE_wanbench"));
        limited.args(["-c", &script]).current_dir(project.path(""));
        limited.envs(project.command(&[]).get_envs().filter_map(|(name, value)| Some((name, value?))));
        limited.output().unwrap()
    };
    let raised = run("ulimit -Sn 40");
    assert_eq!(raised.status.code(), Some(0), "{}", String::from_utf8_lossy(&raised.stderr));
    let refused = run("ulimit -n 40");
    let said = String::from_utf8_lossy(&refused.stderr);
    assert_eq!(refused.status.code(), Some(2), "{said}");
    assert!(said.contains("31 processes at a time need 188 open files, but 40 are allowed"), "{said}");
}
