//! However a command ends, its workers end with it, what was measured is kept, and time in which it did not run counts for
//! nothing.

mod support;

use std::process::{Child, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use support::process::{wait_for_end, wait_for_number, wait_until};
use support::{Project, worker};

/// Never answers, whatever it is asked.
const HANGING: &str = "echo $$ > marker; sleep 1000";

fn started(project: &Project, arguments: &[&str]) -> Child {
    project.command(arguments).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}

fn with(project: &Project, from: &str, to: &str) {
    let config = std::fs::read_to_string(project.path("config.toml")).unwrap();
    assert!(config.contains(from), "{config}");
    project.write("config.toml", &config.replace(from, to));
}

#[test]
fn every_signal_ends_every_command_with_its_worker() {
    let commands: [&[&str]; 7] =
        [&["run"], &["check"], &["calibrate"], &["plan"], &["profile", "good/5f/none"], &["parity"], &["doctor"]];
    for (index, command) in commands.into_iter().enumerate() {
        let project = Project::new(&[("good", HANGING), ("twin", HANGING)]);
        // Only the signal ends it.
        with(&project, "launch_timeout_seconds = 5", "launch_timeout_seconds = 1000");
        let mut tool = started(&project, command);
        let worker = wait_for_number(&project.path("marker"));
        let signal = [Signal::INT, Signal::TERM, Signal::HUP][index % 3];
        kill_process(Pid::from_child(&tool), signal).unwrap();
        assert_eq!(tool.wait().unwrap().code(), Some(3), "{command:?}");
        wait_for_end(worker);
    }
}

/// Another system does not show which signals are watched for.
#[cfg(target_os = "linux")]
#[test]
fn a_signal_ends_what_writes_to_where_nobody_reads() {
    let project = Project::new(&[("good", HANGING)]);
    let (_reader, mut writer) = std::io::pipe().unwrap();
    let flags = rustix::fs::fcntl_getfl(&writer).unwrap();
    rustix::fs::fcntl_setfl(&writer, flags | rustix::fs::OFlags::NONBLOCK).unwrap();
    while std::io::Write::write(&mut writer, &[b' '; 4096]).is_ok() {}
    rustix::fs::fcntl_setfl(&writer, flags).unwrap();
    let mut tool = project.command(&["run"]).stdout(Stdio::null()).stderr(writer).spawn().unwrap();
    let process = Pid::from_child(&tool);
    wait_until("the watch for signals", || {
        let status = std::fs::read_to_string(format!("/proc/{}/status", tool.id())).unwrap();
        let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:")).unwrap();
        u64::from_str_radix(caught.trim(), 16).unwrap() & (1 << (Signal::TERM.as_raw() - 1)) != 0
    });
    kill_process(process, Signal::TERM).unwrap();
    wait_for_end(process);
    assert_eq!(tool.wait().unwrap().code(), Some(3));
}

#[test]
fn git_and_what_it_starts_end_with_wanbench() {
    for signal in [Signal::TERM, Signal::KILL] {
        let project = Project::new(&[("good", &worker(0.1, 8))]);
        project.write("Cargo.toml", "[package]\nname = \"wanbench\"\n");
        project.write("Makefile", "build:\n\ttrue\n");
        project.write("large.bin", "a pointer");
        project.write(".gitattributes", "*.bin filter=slow\n");
        let git = |arguments: &[&str]| {
            let user = ["-c", "user.name=nobody", "-c", "user.email=nobody@localhost"];
            let mut git = std::process::Command::new("git");
            assert!(git.args(user).args(arguments).current_dir(project.path("")).status().unwrap().success());
        };
        git(&["init", "--quiet"]);
        git(&["add", "--all"]);
        git(&["commit", "--quiet", "-m", "first"]);
        // As one that downloads does on a slow network.
        let marker = project.path("marker");
        git(&["config", "filter.slow.smudge", &format!("echo $$ > '{}'; sleep 1000; cat", marker.display())]);
        let mut tool = project.command(&["check", "--base", "HEAD"]);
        tool.env("WANBENCH_CACHE", project.path("cache")).stdout(Stdio::null()).stderr(Stdio::null());
        let mut tool = tool.spawn().unwrap();
        let filter = wait_for_number(&marker);
        kill_process(Pid::from_child(&tool), signal).unwrap();
        tool.wait().unwrap();
        wait_for_end(filter);
    }
}

#[test]
fn a_signal_that_is_ignored_from_the_start_ends_nothing() {
    let project = Project::new(&[(
        "good",
        &format!("echo $$ > marker; while ! [ -e go ]; do sleep 0.01; done; {}", worker(0.1, 8)),
    )]);
    let program = env!("CARGO_BIN_EXE_wanbench");
    let mut command = project.command(&["run"]);
    let script = format!("trap '' HUP; exec '{program}' run");
    let mut tool = std::process::Command::new("sh");
    tool.args(["-c", &script]).current_dir(project.path("")).stdout(Stdio::null()).stderr(Stdio::null());
    tool.envs(command.stdin(Stdio::null()).get_envs().filter_map(|(name, value)| Some((name, value?))));
    let mut tool = tool.spawn().unwrap();
    wait_for_number(&project.path("marker"));
    kill_process(Pid::from_child(&tool), Signal::HUP).unwrap();
    project.write("go", "");
    assert_eq!(tool.wait().unwrap().code(), Some(0));
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
    wait_for_end(worker);
    let results = project.json("results.json");
    assert_eq!(results["interrupted"], true);
    assert_eq!(results["cases"][0]["launches"].as_array().unwrap().len(), 1);
}

#[test]
fn finished_launches_are_kept_when_a_later_one_of_the_block_is_interrupted() {
    let second = format!("if [ -e once ]; then {HANGING}; fi; touch once\n{}", worker(0.1, 8));
    let project = Project::new(&[("good", &second)]);
    with(&project, "canary = false", "canary = false\nside_by_side = false");
    let mut tool = started(&project, &["run"]);
    let worker = wait_for_number(&project.path("marker"));
    kill_process(Pid::from_child(&tool), Signal::INT).unwrap();
    assert_eq!(tool.wait().unwrap().code(), Some(3));
    wait_for_end(worker);
    let results = project.json("results.json");
    let launches = |key: &str| results["cases"][0][key].as_array().map_or(0, Vec::len);
    assert_eq!((&results["interrupted"], launches("launches") + launches("control_launches")), (&true.into(), 1));
}

#[test]
fn the_results_of_a_block_are_saved_before_the_next_workloads_begins() {
    // Of the first workload there are two launches, one of them the control.
    let script = format!(
        "if [ -e twice ]; then {HANGING}; fi\nif [ -e once ]; then touch twice; fi\ntouch once\n{}",
        worker(0.1, 8)
    );
    let project = Project::new(&[("good", &script)]);
    let workload = "[[suites.tiny.workloads]]\nframes = 9\nsteps = 2\nlatent = [1, 2, 2]\n\n";
    with(&project, "[[suites.tiny.cases]]", &format!("{workload}[[suites.tiny.cases]]"));
    let mut tool = started(&project, &["run"]);
    wait_for_number(&project.path("marker"));
    kill_process(Pid::from_child(&tool), Signal::KILL).unwrap();
    tool.wait().unwrap();
    let results = project.json("results.json");
    assert_eq!(results["cases"][0]["launches"].as_array().unwrap().len(), 1);
}

/// Another system has no such adoption.
#[cfg(target_os = "linux")]
#[test]
fn a_killed_wanbench_leaves_no_process_even_where_this_session_adopts_its_workers() {
    // As PID 1 of a container does: the stopped group is not orphaned then, so the system does not hang up on it.
    use support::{READY, UNLESS_PROBED, after_ready};

    rustix::process::set_child_subreaper(Some(rustix::process::getpid())).unwrap();
    let warmed = after_ready(0.1, 8).lines().take(2).collect::<Vec<_>>().join("\n");
    let stopped = format!(
        "echo $$ > stopped; {READY}\n{UNLESS_PROBED}\nsetsid sleep 1000 & echo $! > left\n{warmed}\nsleep 1000"
    );
    let reading = format!("{READY}\necho $$ > marker; while read -r turn; do :; done");
    let project = Project::new(&[("stopped", &stopped), ("reading", &reading)]);
    let mut tool = started(&project, &["run"]);
    let workers = ["marker", "stopped", "left"].map(|name| wait_for_number(&project.path(name)));
    kill_process(Pid::from_child(&tool), Signal::KILL).unwrap();
    tool.wait().unwrap();
    workers.into_iter().for_each(wait_for_end);
}

#[test]
fn time_in_which_wanbench_was_stopped_counts_for_no_deadline_and_its_block_is_measured_again() {
    let waiting = format!(
        "if ! [ -e go ]; then echo $$ > marker; while ! [ -e go ]; do sleep 0.01; done; fi\n{}",
        worker(0.1, 8)
    );
    let project = Project::new(&[("good", &waiting)]);
    with(&project, "launch_timeout_seconds = 5", "launch_timeout_seconds = 2");
    let mut tool =
        project.command(&["run", "--no-progress"]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    wait_for_number(&project.path("marker"));
    let process = Pid::from_child(&tool);
    kill_process(process, Signal::STOP).unwrap();
    // The time is what is tested: longer than the deadline.
    std::thread::sleep(Duration::from_secs(4));
    project.write("go", "");
    kill_process(process, Signal::CONT).unwrap();
    assert_eq!(tool.wait().unwrap().code(), Some(0));
    let results = project.json("results.json");
    let warnings = results["warnings"].to_string();
    assert!(warnings.contains("5f, block 1: wanbench or the machine was suspended for 4"), "{warnings}");
    assert_eq!(results["cases"][0]["launches"].as_array().unwrap().len(), 3);
}

#[test]
fn a_second_run_waits_for_the_first_where_it_is_asked_to() {
    let waiting = format!("echo $$ > marker; while ! [ -e go ]; do sleep 0.01; done\n{}", worker(0.1, 8));
    let project = Project::new(&[("good", &waiting)]);
    let mut first = started(&project, &["run"]);
    wait_for_number(&project.path("marker"));
    let mut second = project.command(&["run", "--wait", "--json", "second.json", "--no-progress"]);
    let second = second.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let lock = project.path("lock").metadata().unwrap();
    wait_until("a second one that waits", || waits_for(&lock));
    project.write("go", "");
    assert_eq!(first.wait().unwrap().code(), Some(0));
    let second = second.wait_with_output().unwrap();
    let said = String::from_utf8(second.stderr).unwrap();
    assert_eq!(second.status.code(), Some(0), "{said}");
    assert!(said.contains(&format!("waiting until process {}", first.id())), "{said}");
    assert!(project.path("second.json").exists());
}

/// Whether a process waits for a lock of the file, by the system's list of locks.
fn waits_for(file: &std::fs::Metadata) -> bool {
    use std::os::unix::fs::MetadataExt;
    let inode = format!(":{} ", file.ino());
    let locks = std::fs::read_to_string("/proc/locks").unwrap();
    locks.lines().any(|line| line.contains("->") && line.contains(&inode))
}

#[test]
fn the_build_of_a_base_revision_ends_with_wanbench() {
    let project = Project::new(&[("good", &worker(0.1, 8))]);
    let git = |arguments: &[&str]| {
        let identity = ["-c", "user.name=x", "-c", "user.email=x@example.org"];
        let mut git = std::process::Command::new("git");
        assert!(git.args(identity).args(arguments).current_dir(project.path("")).status().unwrap().success());
    };
    // It passes for wanbench itself, whose programs are built.
    project.write("Cargo.toml", "[package]\nname = \"wanbench\"\n");
    let marker = project.path("marker");
    project.write("Makefile", &format!("build:\n\techo $$$$ > {}; sleep 1000\n", marker.display()));
    project.write(".gitignore", "cache\n");
    git(&["init", "--quiet"]);
    git(&["add", "."]);
    git(&["commit", "--quiet", "-m", "first"]);
    for signal in [Signal::TERM, Signal::KILL] {
        let _ = std::fs::remove_file(&marker);
        let mut tool = started(&project, &["check", "--base", "HEAD"]);
        let build = wait_for_number(&marker);
        kill_process(Pid::from_child(&tool), signal).unwrap();
        tool.wait().unwrap();
        wait_for_end(build);
    }
}
