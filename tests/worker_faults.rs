//! Whatever a worker does, its case fails with the reason, the other cases are measured, and nothing is left running.

mod support;

use std::path::Path;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process, test_kill_process};
use serde_json::{Value, json};
use support::{Project, READY, after_ready, say, worker};

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
fn a_missing_worker_says_how_to_build_it() {
    let project = Project::new(&[("good", &worker(0.1, 8))]);
    let config = std::fs::read_to_string(project.path("config.toml")).unwrap();
    project.write("config.toml", &config.replace("\"sh\"", "\"no-such-program\""));
    let ran = project.wanbench(&["run"]);
    assert_eq!(ran.status, 3);
    assert!(ran.stdout.contains("there is no worker `no-such-program`: `make build` builds"), "{}", ran.stdout);
}

#[test]
fn ctrl_c_ends_the_worker_and_keeps_what_was_measured() {
    // A block launches the reference twice: the second block's first launch waits for ever, and the marker tells that it
    // has begun.
    let script = format!(
        "if [ -e twice ]; then echo $$ > marker; sleep 1000; fi\nif [ -e once ]; then touch twice; fi\ntouch once\n{}",
        worker(0.1, 8)
    );
    let project = Project::new(&[("good", &script)]);
    let mut tool = project.command(&["run", "--no-progress"]).stderr(std::process::Stdio::piped()).spawn().unwrap();
    let worker = wait_for_number(&project.path("marker"));
    kill_process(Pid::from_child(&tool), Signal::INT).unwrap();
    assert_eq!(tool.wait().unwrap().code(), Some(3));
    assert!(!is_running(worker), "the worker still runs");
    let results = project.json("results.json");
    assert_eq!(results["interrupted"], true);
    assert_eq!(results["cases"][0]["launches"].as_array().unwrap().len(), 1);
}

#[test]
fn a_killed_tool_leaves_no_worker_behind_not_even_a_stopped_one() {
    // The first waits for its turn, stopped; the second reads and never answers.
    let warmed = after_ready(0.1, 8).lines().take(2).collect::<Vec<_>>().join("\n");
    let stopped = format!("echo $$ > stopped; {READY}\n{warmed}\nread -r turn; sleep 1000");
    let reading = format!("{READY}\necho $$ > marker; while read -r turn; do :; done");
    let project = Project::new(&[("stopped", &stopped), ("reading", &reading)]);
    let mut tool = project.command(&["run", "--backend", "stopped", "--backend", "reading"]);
    let mut tool = tool.stderr(std::process::Stdio::null()).spawn().unwrap();
    let workers = ["marker", "stopped"].map(|name| wait_for_number(&project.path(name)));
    kill_process(Pid::from_child(&tool), Signal::KILL).unwrap();
    tool.wait().unwrap();
    let deadline = Instant::now() + Duration::from_secs(60);
    while workers.iter().any(|worker| is_running(*worker)) {
        assert!(Instant::now() < deadline, "a worker still runs");
        std::thread::yield_now();
    }
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

/// Whether a process runs; a zombie, which an init that reaps nobody leaves for ever, does not.
fn is_running(process: Pid) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", process.as_raw_nonzero()));
    let is_zombie = stat.is_ok_and(|stat| stat.contains(") Z "));
    test_kill_process(process).is_ok() && !is_zombie
}

/// The process number that another process writes to `path`, as soon as it is there.
fn wait_for_number(path: &Path) -> Pid {
    let deadline = Instant::now() + Duration::from_secs(60);
    while Instant::now() < deadline {
        let text = std::fs::read_to_string(path).unwrap_or_default();
        if let (true, Ok(number)) = (text.ends_with('\n'), text.trim().parse()) {
            return Pid::from_raw(number).unwrap();
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    panic!("{} never came", path.display());
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
