//! What a check adds to measuring: a base revision, looks, a canary, limits; and judging one run by another.

mod support;

use std::path::Path;

use serde_json::{Value, json};
use support::{Project, READY, UNLESS_PROBED, say, worker};

/// A reference of 0.2 s and a case of 0.1 s at most ten times, with the workers of a base revision in `base/`.
fn beside_base() -> Project {
    let project = Project::new(&[("slow", &worker(0.2, 4000)), ("fast", &worker(0.1, 1000))]);
    std::fs::create_dir(project.path("base")).unwrap();
    project.write("base/slow.sh", &worker(0.2, 4000));
    project.write("base/fast.sh", &worker(0.1, 1000));
    configure(&project, "launches = 3", "launches = 10");
    project
}

fn configure(project: &Project, old: &str, new: &str) {
    let config = std::fs::read_to_string(project.path("config.toml")).unwrap();
    assert!(config.contains(old));
    project.write("config.toml", &config.replace(old, new));
}

fn launches(project: &Project, kind: &str) -> usize {
    project.json("results.json")["cases"][1][kind].as_array().unwrap().len()
}

#[test]
fn an_unchanged_revision_passes_at_the_first_look() {
    let project = beside_base();
    let ran = project.wanbench(&["check", "--base-workers", "base"]);
    assert_eq!(ran.status, 0, "{}{}", ran.stdout, ran.stderr);
    assert!(ran.stdout.contains("2 unchanged"), "{}", ran.stdout);
    assert_eq!((launches(&project, "launches"), launches(&project, "base_launches")), (4, 4));
}

/// The blocks of the launches of a kind of each case.
fn blocks(project: &Project, kind: &str) -> Vec<Vec<u64>> {
    let results = project.json("results.json");
    let of_case = |case: &Value| {
        let launches = case[kind].as_array().unwrap();
        launches.iter().map(|launch| launch["block"].as_u64().unwrap()).collect()
    };
    results["cases"].as_array().unwrap().iter().map(of_case).collect()
}

#[test]
fn cases_stop_one_by_one_and_the_backends_take_turns_as_control() {
    let project = beside_base();
    // The base revision's launches are slower by 6% in turns: four launches do not tell, and neither do twelve.
    let (slow, fast) = (worker(0.106, 1000), worker(0.1, 1000));
    project.write("base/fast.sh", &format!("if [ -e odd ]; then rm odd; {slow}\nelse touch odd\n{fast}\nfi"));
    project.write("fast.sh", &worker(0.103, 1000));
    configure(&project, "max_launches = 10", "max_launches = 12");
    let ran = project.wanbench(&["check", "--base-workers", "base"]);
    assert_eq!(ran.status, 3, "{}{}", ran.stdout, ran.stderr);
    let all: Vec<u64> = (0..12).collect();
    assert_eq!(blocks(&project, "launches"), [all[..4].to_vec(), all.clone()]);
    assert_eq!(blocks(&project, "base_launches"), [all[..4].to_vec(), all.clone()]);
    // In turns as long as both go on, and then the one that is left.
    let of_fast = [vec![1, 3], all[4..].to_vec()].concat();
    assert_eq!(blocks(&project, "control_launches"), [vec![0, 2], of_fast]);
    assert!(ran.stdout.contains("--filter fast/5f/none --launches"), "{}", ran.stdout);
}

/// A worker whose steps take `attention` and `ffn` seconds, and that tells so in a profile, turn by turn.
fn of_parts(attention: f64, ffn: f64) -> String {
    let step = attention + ffn;
    let part = |kind: &str, seconds: f64| json!({"part": {"block": 0, "kind": kind}, "seconds": [seconds, seconds]});
    let parts = [part("self_attention", attention), part("feed_forward", ffn)];
    let profiled = json!({"type": "profiled", "step_seconds": [step, step], "parts": parts, "rates": null});
    let turns = [0, 1].map(|index| {
        let step = json!({"type": "step", "index": index, "seconds": step});
        format!("read -r turn; {}", say(&step.to_string()))
    });
    let ready =
        [r#"{"type":"loaded","model_bytes":1000,"seconds":0.1}"#, r#"{"type":"warmed","seconds":0.1}"#].map(say);
    let told = [&ready[..], &turns, &[say(&profiled.to_string())]];
    let at_once = [&ready[..1], told[2]].concat().join("; ");
    let asked = format!(
        r#"case "$request" in *'"in_turns":true'*) {}; exit;; *'"type":"profile"'*) {at_once}; exit;; esac"#,
        told.concat().join("; ")
    );
    profiling(&worker(step, 1000).replacen(UNLESS_PROBED, &format!("{UNLESS_PROBED}\n{asked}"), 1))
}

/// The same worker, which says that it profiles.
fn profiling(script: &str) -> String {
    script.replacen(r#""versions""#, r#""profiles":true,"versions""#, 1)
}

#[test]
fn a_worker_that_does_not_say_that_it_profiles_is_not_asked() {
    let project = beside_base();
    // It takes every request for a measurement, and waits for turns that never come.
    let waits = worker(0.1, 1000).replacen(
        UNLESS_PROBED,
        &format!("{UNLESS_PROBED}\ncase \"$request\" in *profile*) sleep 600;; esac"),
        1,
    );
    project.write("base/fast.sh", &waits);
    project.write("fast.sh", &of_parts(0.07, 0.036));
    let ran = project.wanbench(&["check", "--base-workers", "base"]);
    assert_eq!(ran.status, 1, "{}{}", ran.stdout, ran.stderr);
    assert!(!ran.stdout.contains("profiled"), "{}", ran.stdout);
}

#[test]
fn a_slower_case_is_profiled_in_turns_with_the_base_and_its_part_is_named() {
    let project = beside_base();
    project.write("base/fast.sh", &of_parts(0.07, 0.03));
    project.write("fast.sh", &of_parts(0.07, 0.036));
    let ran = project.wanbench(&["check", "--base-workers", "base", "--markdown", "report.md"]);
    assert_eq!(ran.status, 1, "{}{}", ran.stdout, ran.stderr);
    let found = "by part: FFN +20.0% (95%: +20.0% to +20.0%), self-attention 0.0% ±0.0% FFN accounts for +6.00 ms of the step's +6.00 ms";
    assert!(ran.flat().contains(found), "{}", ran.stdout);
    assert!(
        ran.stderr.contains("fast/5f/none is slower than the base revision: profiling both in turns"),
        "{}",
        ran.stderr
    );
    for pair in ["pair 1 of 6", "pair 6 of 6"] {
        let told = format!("fast/5f/none: profiling head and base: {pair}");
        assert!(ran.stderr.contains(&told), "{}", ran.stderr);
    }
    let results = project.json("results.json");
    let pairs = |case: usize| results["cases"][case]["paired_profile"]["profiled"].as_array().map(Vec::len);
    assert_eq!((pairs(0), pairs(1)), (None, Some(6)));
    let report = std::fs::read_to_string(project.path("report.md")).unwrap();
    assert!(report.contains("| `fast/5f/none` | FFN | 30.0 ms | 36.0 ms | **+20.0% ±0.0%** | +6.00 ms |"), "{report}");
    // What is saved gives the same report.
    let again = project.wanbench(&["report", "results.json"]);
    assert!(again.flat().contains(found), "{}", again.stdout);

    let without = project.wanbench(&["check", "--base-workers", "base", "--no-profile"]);
    assert_eq!(without.status, 1);
    assert!(!without.stdout.contains("by part"), "{}", without.stdout);
}

#[test]
fn a_pair_that_fails_late_takes_nothing_from_the_pairs_before() {
    let project = beside_base();
    project.write("base/fast.sh", &of_parts(0.07, 0.03));
    let fifth_dies =
        "case \"$request\" in *'\"type\":\"profile\"'*) echo >> pairs; [ $(wc -l < pairs) -lt 5 ] || exit 9;; esac";
    let head = of_parts(0.07, 0.036).replacen(UNLESS_PROBED, &format!("{UNLESS_PROBED}\n{fifth_dies}"), 1);
    project.write("fast.sh", &head);
    let ran = project.wanbench(&["check", "--base-workers", "base"]);
    assert_eq!(ran.status, 1, "{}{}", ran.stdout, ran.stderr);
    assert!(ran.flat().contains("by part: FFN +20.0%"), "{}", ran.stdout);
    let note = "Profile: fast/5f/none was profiled beside the base revision in no more than 4 pairs of processes: exited with status 9";
    for told in [ran.flat(), project.wanbench(&["report", "results.json"]).flat()] {
        assert!(told.contains(note), "{told}");
    }
}

#[test]
fn a_profile_with_other_parts_or_passes_is_told_and_what_was_measured_can_still_be_read() {
    let project = beside_base();
    let other = of_parts(0.07, 0.036);
    let renamed = other.replace("feed_forward", "cross_attention");
    let short = other.replace(r#""seconds":[0.036,0.036]"#, r#""seconds":[0.036]"#);
    for (head, reason) in
        [(renamed, "head and the base revision have different parts"), (short, "told 1 times of FFN in 2 passes")]
    {
        project.write("base/fast.sh", &of_parts(0.07, 0.03));
        project.write("fast.sh", &head);
        let ran = project.wanbench(&["check", "--base-workers", "base"]);
        assert_eq!(ran.status, 1, "{}{}", ran.stdout, ran.stderr);
        assert!(ran.flat().contains(reason), "{}", ran.stdout);
        assert_eq!(project.wanbench(&["report", "results.json"]).status, 0);
    }
}

#[test]
fn a_wake_pass_that_was_promised_and_not_made_fails_the_launch() {
    let project =
        Project::new(&[("slow", &waking(0.3)), ("fast", &waking(0.15).replace(r#","wake_seconds":0.2"#, ""))]);
    configure(&project, "canary = false", "canary = false\nwake = true");
    let ran = project.wanbench(&["run"]);
    assert_eq!(ran.status, 3);
    assert!(ran.stdout.contains("made no wake pass, although `ready` said that it does"), "{}", ran.stdout);
}

#[test]
fn where_one_process_lives_at_a_time_each_is_profiled_by_itself() {
    let project = beside_base();
    configure(&project, "canary = false", "canary = false\nside_by_side = false");
    project.write("base/fast.sh", &of_parts(0.07, 0.03));
    project.write("fast.sh", &of_parts(0.07, 0.036));
    let ran = project.wanbench(&["check", "--base-workers", "base"]);
    assert!(ran.flat().contains("by part: FFN +20.0%"), "{}{}", ran.stdout, ran.stderr);
}

#[test]
fn a_process_that_is_being_profiled_is_not_stopped_with_what_the_other_one_waits_for() {
    let project = beside_base();
    // As MLX does with its compiler: one process at a time, until it is warmed up. The pause makes sure that it is still so when
    // `loaded` was read.
    let locked = |script: String| {
        script
            .replacen(
                r#"echo '{"type":"loaded""#,
                r#"until mkdir lock 2>/dev/null; do :; done; echo '{"type":"loaded""#,
                1,
            )
            .replacen(r#"echo '{"type":"warmed""#, r#"sleep 0.2; rmdir lock; echo '{"type":"warmed""#, 1)
    };
    for (name, script) in [("base/fast.sh", of_parts(0.07, 0.03)), ("fast.sh", of_parts(0.07, 0.036))] {
        project.write(name, &locked(script).replace(" lock", &format!(" {}", project.path("lock-of-both").display())));
    }
    let ran = project.wanbench(&["check", "--base-workers", "base", "--launches", "4"]);
    assert!(ran.flat().contains("by part: FFN +20.0%"), "{}{}", ran.stdout, ran.stderr);
}

#[test]
fn a_worker_that_cannot_be_profiled_leaves_the_verdict_as_it_is() {
    let project = beside_base();
    let refuses = say(r#"{"type":"failed","kind":"unsupported","message":"no profile here"}"#);
    let asked = format!(r#"case "$request" in *'"type":"profile"'*) {refuses}; exit 3;; esac"#);
    let refusing = worker(0.1, 1000).replacen(UNLESS_PROBED, &format!("{UNLESS_PROBED}\n{asked}"), 1);
    project.write("base/fast.sh", &profiling(&refusing));
    project.write("fast.sh", &of_parts(0.07, 0.036));
    let ran = project.wanbench(&["check", "--base-workers", "base"]);
    assert_eq!(ran.status, 1, "{}{}", ran.stdout, ran.stderr);
    let told = "Profile: fast/5f/none could not be profiled beside the base revision: the base revision's worker: no profile here";
    assert!(ran.flat().contains(told), "{}", ran.stdout);
}

/// A worker whose steps take `seconds` and that makes a wake pass of twice as long where one is asked for.
fn waking(seconds: f64) -> String {
    let plain = worker(seconds, 1000);
    let woken =
        plain.replace(&format!(r#""seconds":{seconds}}}'"#), &format!(r#""seconds":{seconds},"wake_seconds":0.2}}'"#));
    let body = |script: &str| script.split_once(UNLESS_PROBED).unwrap().1.to_owned();
    let ready = READY.replace(r#""versions""#, r#""wakes":true,"versions""#);
    format!(
        "{ready}\n{UNLESS_PROBED}\ncase \"$request\" in *'\"wake\":true'*)\n{}\n;;*)\n{}\n;;esac",
        body(&woken),
        body(&plain)
    )
}

#[test]
fn wake_passes_are_made_by_all_workers_or_by_none_and_are_recorded() {
    let project = Project::new(&[("slow", &waking(0.3)), ("fast", &waking(0.15))]);
    let with = |value: &str| configure(&project, "canary = false", &format!("canary = false\nwake = {value}"));
    let passes = || {
        let results = project.json("results.json");
        let wakes = results["tool"]["environment"]["wanbench.wake"] == "true";
        (wakes, results["cases"][1]["launches"][0]["outcome"]["measured"]["wake_seconds"].clone())
    };
    project.wanbench(&["run"]);
    assert_eq!(passes(), (false, Value::Null), "a CPU needs none");
    with("true");
    let ran = project.wanbench(&["run", "--markdown", "report.md"]);
    assert_eq!((ran.status, passes()), (0, (true, json!([0.2, 0.2]))), "{}", ran.stderr);
    let report = std::fs::read_to_string(project.path("report.md")).unwrap();
    assert!(report.contains("Each timed step has a wake pass right before it"), "{report}");
    project.edit("results.json", |results| results["tool"]["environment"] = json!({}));
    let contradicts = project.wanbench(&["report", "results.json"]);
    assert_eq!(contradicts.status, 2, "{}", contradicts.stdout);
    let words = "it has wake passes, but the environment does not say wanbench.wake";
    assert!(contradicts.stderr.contains(words), "{}", contradicts.stderr);
    project.write("slow.sh", &worker(0.3, 1000));
    let ran = project.wanbench(&["run"]);
    assert_eq!((ran.status, passes()), (0, (false, Value::Null)));
    assert!(ran.stderr.contains("wake passes are off, because slow does not support them"), "{}", ran.stderr);
}

#[test]
fn a_base_worker_that_makes_no_wake_passes_turns_them_off_for_all() {
    let project = Project::new(&[("slow", &waking(0.3)), ("fast", &waking(0.15))]);
    configure(&project, "canary = false", "canary = false\nwake = true");
    std::fs::create_dir(project.path("base")).unwrap();
    project.write("base/slow.sh", &waking(0.3));
    project.write("base/fast.sh", &worker(0.15, 1000));
    let ran = project.wanbench(&["check", "--base-workers", "base"]);
    let told = "wake passes are off, because fast of the base revision does not support them";
    assert!(ran.stderr.contains(told), "{}", ran.stderr);
    assert!(!std::fs::read_to_string(project.path("results.json")).unwrap().contains("wake_seconds"));
}

#[test]
fn processes_that_take_no_turns_make_no_wake_passes() {
    let project = Project::new(&[("slow", &waking(0.3)), ("fast", &waking(0.15))]);
    configure(&project, "canary = false", "canary = false\nwake = true\nside_by_side = false");
    let ran = project.wanbench(&["run"]);
    assert_eq!(ran.status, 0, "{}{}", ran.stdout, ran.stderr);
    let results = std::fs::read_to_string(project.path("results.json")).unwrap();
    assert!(!results.contains("wake_seconds") && !results.contains("wanbench.wake"), "{results}");
}

#[test]
fn a_slower_revision_fails_and_its_backend_is_named() {
    let project = beside_base();
    project.write("fast.sh", &worker(0.105, 1000));
    let ran = project.wanbench(&["check", "--base-workers", "base"]);
    assert_eq!(ran.status, 1, "{}{}", ran.stdout, ran.stderr);
    let found = "fast's own step time rose from the base revision's 100 ms to 105 ms: +5.0%";
    assert!(ran.stdout.contains(found), "{}", ran.stdout);
    let verdicts: Vec<String> = verdicts(&project);
    assert_eq!(verdicts, ["unchanged", "regressed"]);
}

#[test]
fn a_change_within_the_tolerance_passes_whatever_its_direction() {
    for seconds in [0.1015, 0.0985] {
        let project = beside_base();
        project.write("fast.sh", &worker(seconds, 1000));
        let ran = project.wanbench(&["check", "--base-workers", "base"]);
        assert_eq!(ran.status, 0, "{}", ran.stdout);
        assert_eq!(verdicts(&project), ["unchanged", "unchanged"]);
    }
}

fn verdicts(project: &Project) -> Vec<String> {
    let report = project.wanbench(&["report", "results.json", "--format", "json"]).stdout;
    let report: Value = serde_json::from_str(&report).unwrap();
    report["outcome"]["cases"]
        .as_array()
        .unwrap()
        .iter()
        .map(|case| case["verdict"].as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn a_failing_base_leaves_the_case_unjudged_and_is_told() {
    let project = beside_base();
    // It answers the probe, and dies when it is to measure.
    let dying = format!("{READY}\ncase \"$request\" in *measure*) echo 'no such kernel' >&2; exit 7;; esac");
    project.write("base/fast.sh", &dying);
    let ran = project.wanbench(&["check", "--base-workers", "base"]);
    assert_eq!(ran.status, 3, "{}", ran.stdout);
    assert!(ran.stdout.contains("the base revision's worker failed: exited with status 7"), "{}", ran.stdout);
    assert_eq!(verdicts(&project), ["unchanged", "not_judged"]);
    // However slow head is: nothing was compared.
    project.write("fast.sh", &worker(1.0, 1000));
    assert_eq!(project.wanbench(&["check", "--base-workers", "base", "--allow-inconclusive"]).status, 3);
}

#[test]
fn a_time_limit_ends_the_run_with_what_there_is() {
    let project = beside_base();
    let ran = project.wanbench(&["check", "--base-workers", "base", "--cool-down", "3600", "--time-limit", "1"]);
    assert_eq!(ran.status, 3, "{}{}", ran.stdout, ran.stderr);
    assert_eq!(launches(&project, "launches"), 1);
    assert!(ran.flat().contains("the time limit of 1 min 00 s left no room"), "{}", ran.stdout);
    assert_eq!(project.json("results.json")["interrupted"], false);
}

/// A worker that measures as [`worker`] does, and as a canary takes 0.1 s a step but for what the shell's `change` makes of
/// `$seconds` at the step `$index`, which is step `$((index % 5))` of reading `$reading`.
fn with_canary(change: &str) -> String {
    let loaded = say(r#"{"type":"loaded","model_bytes":8,"seconds":0.1}"#);
    let warmed = say(r#"{"type":"warmed","seconds":0.1}"#);
    format!(
        "read -r request\n\
         case \"$request\" in *canary*) ;; *) echo \"$request\" | sh measure.sh; exit;; esac\n\
         {ready}\n{loaded}\n{warmed}\nindex=0\n\
         while read -r turn; do\n\
           seconds=0.1\n\
           reading=$((index / 5))\n\
           {change}\n\
           echo '{{\"type\":\"step\",\"index\":'$index',\"seconds\":'$seconds'}}'\n\
           index=$((index + 1))\n\
         done\n",
        ready = READY.lines().nth(1).unwrap()
    )
}

/// Three cold readings of five steps come first, 0 to 2, then one before each block.
fn canary_project(change: &str) -> Project {
    let project = Project::new(&[("slow", &with_canary(change))]);
    project.write("measure.sh", &worker(0.2, 4000));
    configure(&project, "canary = false", "canary = true");
    project
}

/// Runs all three blocks whatever the canary says, and tells what it said.
#[track_caller]
fn canary_of_a_whole_run(project: &Project) -> (Value, support::Ran) {
    let ran = project.wanbench(&["run"]);
    assert_eq!(ran.status, 0, "{}{}", ran.stdout, ran.stderr);
    let results = project.json("results.json");
    assert_eq!(results["cases"][0]["launches"].as_array().unwrap().len(), 3, "every block ran");
    assert_eq!(results["ended_early"], Value::Null);
    (results["canary"].clone(), ran)
}

#[test]
fn a_block_that_would_start_on_a_busy_machine_starts_later() {
    let (canary, ran) = canary_of_a_whole_run(&canary_project("[ $reading -eq 4 ] && seconds=0.2"));
    assert_eq!((&canary["cold_seconds"], &canary["tolerance_percent"]), (&json!(0.1), &json!(25.0)));
    let dropped = canary["dropped"].as_array().unwrap();
    assert_eq!(dropped.len(), 1, "{canary}");
    assert_eq!((&dropped[0]["block"], &dropped[0]["canary_seconds"]), (&json!(1), &json!(0.2)));
    assert!(ran.stderr.contains("5f, block 2: the canary took 2.00× as long"), "{}", ran.stderr);
    assert!(ran.stdout.contains("1 block postponed"), "{}", ran.stdout);
}

#[test]
fn a_faster_canary_is_the_new_measure_of_rest() {
    // Slow while the cold value was taken: later blocks must not be held against that.
    let (canary, ran) = canary_of_a_whole_run(&canary_project("[ $reading -lt 3 ] && seconds=0.2"));
    assert_eq!((&canary["cold_seconds"], &canary["dropped"]), (&json!(0.1), &json!([])));
    let shift = json!({"workload": "5f", "block": 0, "from_seconds": 0.2, "to_seconds": 0.1});
    assert_eq!(canary["shifts"], json!([shift]));
    assert!(ran.flat().contains("it moved from 200 ms to 100 ms before block 1 of 5f"), "{}", ran.stdout);
}

#[test]
fn a_machine_that_stays_at_another_level_is_measured_there() {
    let (canary, ran) = canary_of_a_whole_run(&canary_project("[ $reading -ge 4 ] && seconds=0.2"));
    assert_eq!((&canary["cold_seconds"], canary["dropped"].as_array().unwrap().len()), (&json!(0.2), 5));
    let shift = json!({"workload": "5f", "block": 1, "from_seconds": 0.1, "to_seconds": 0.2});
    assert_eq!((&canary["shifts"], &canary["unrested"]), (&json!([shift]), &Value::Null));
    assert!(ran.stderr.contains("5f, block 2: the canary stays at 200 ms, and was 100 ms"), "{}", ran.stderr);
    let told = "1 block postponed while it was over 25% slower; it moved from 100 ms to 200 ms before block 2 of 5f";
    assert!(ran.flat().contains(told), "{}", ran.stdout);
}

#[test]
fn a_machine_that_does_not_come_to_rest_is_measured_all_the_same_and_told() {
    let unsteady = "if [ $reading -ge 4 ] && [ $reading -lt 10 ]; then seconds=0.$((2 + reading % 2 * 2)); fi";
    let (canary, ran) = canary_of_a_whole_run(&canary_project(unsteady));
    assert_eq!((&canary["cold_seconds"], &canary["shifts"]), (&json!(0.1), &Value::Null));
    assert_eq!(canary["unrested"], json!([{"workload": "5f", "block": 1, "canary_seconds": 0.4}]));
    assert!(ran.stderr.contains("5f, block 2: the canary did not come to rest in 6 readings"), "{}", ran.stderr);
    assert!(ran.flat().contains("1 block began before it came to rest (block 2 of 5f)"), "{}", ran.stdout);
}

#[test]
fn a_canary_that_dies_ends_nothing_else() {
    let (canary, ran) = canary_of_a_whole_run(&canary_project("[ $reading -lt 4 ] || exit 5"));
    assert_eq!(canary["reading_seconds"], json!([0.1]));
    let reason = canary["failed"].as_str().unwrap();
    assert!(reason.starts_with("before block 2 of 5f: exited with status 5"), "{reason}");
    assert!(ran.stderr.contains("5f, block 2: the canary failed"), "{}", ran.stderr);
    assert!(
        ran.flat().contains("the blocks from there on began without it, since it failed before block 2 of 5f: exited"),
        "{}",
        ran.stdout
    );
}

#[test]
fn a_canary_that_cannot_be_is_told_and_missed() {
    let project = Project::new(&[("slow", &worker(0.2, 4000))]);
    configure(&project, "canary = false", "canary = true");
    project.write("slow.sh", "read -r request; case \"$request\" in *canary*) exit 4;; esac; echo $request | sh m.sh");
    project.write("m.sh", &worker(0.2, 4000));
    let ran = project.wanbench(&["run"]);
    assert_eq!(ran.status, 0, "{}{}", ran.stdout, ran.stderr);
    let results = project.json("results.json");
    assert_eq!(results["canary"], Value::Null);
    assert!(results["warnings"].to_string().contains("there is no canary"), "{}", results["warnings"]);
}

#[test]
fn a_run_is_judged_by_an_earlier_one() {
    let project = beside_base();
    assert_eq!(project.wanbench(&["run", "--json", "before.json"]).status, 0);
    assert_eq!(project.wanbench(&["run", "--json", "now.json"]).status, 0);
    let same = project.wanbench(&["compare", "before.json", "now.json"]);
    assert_eq!(same.status, 0, "{}{}", same.stdout, same.stderr);
    assert!(same.stdout.contains("2 unchanged"), "{}", same.stdout);

    project.write("fast.sh", &worker(0.12, 1000));
    assert_eq!(project.wanbench(&["run", "--json", "now.json"]).status, 0);
    let slower = project.wanbench(&["compare", "before.json", "now.json"]);
    assert_eq!(slower.status, 1, "{}", slower.stdout);
    for part in ["fast/5f/none", "fell from the baseline's 2.00x to 1.67x", ": fast moved"] {
        assert!(slower.stdout.contains(part), "{part}: {}", slower.stdout);
    }
    assert!(!slower.stdout.contains("baseline update"), "{}", slower.stdout);
    project.edit("now.json", |now| now["machine"]["chip"] = json!("Apple M9"));
    let elsewhere = project.wanbench(&["compare", "before.json", "now.json"]);
    assert_eq!(elsewhere.status, 2, "{}", elsewhere.stderr);
    assert!(elsewhere.stderr.contains("only runs of the same machine"), "{}", elsewhere.stderr);
    assert!(elsewhere.stderr.contains("--side-by-side"), "{}", elsewhere.stderr);
}

#[test]
fn two_machines_are_shown_side_by_side_and_nothing_is_judged() {
    let project = beside_base();
    assert_eq!(project.wanbench(&["run", "--json", "results.json"]).status, 0);
    project.pretend_release_build();
    assert_eq!(project.wanbench(&["baseline", "update", "--from", "results.json", "--yes"]).status, 0);
    project.write("fast.sh", &worker(0.15, 1500));
    assert_eq!(project.wanbench(&["run", "--json", "there.json"]).status, 0);
    project.edit("there.json", |there| there["machine"]["chip"] = json!("Apple M9"));
    let baseline = project.machine_baseline();
    for file in ["results.json", &baseline] {
        let side_by_side = ["compare", file, "there.json", "--side-by-side"];
        let ran = project.wanbench(&side_by_side);
        assert_eq!(ran.status, 0, "{}", ran.stderr);
        for part in [&format!("A: {file} "), "B: there.json ", "Apple M9", "100 ms 150 ms 1.50×"] {
            assert!(ran.flat().contains(part), "{part}: {}", ran.stdout);
        }
        assert!(!ran.stdout.contains("regressed") && !ran.stdout.contains("Gate"), "{}", ran.stdout);
        for format in ["markdown", "json"] {
            let ran = project.wanbench(&[&side_by_side[..], &["--format", format]].concat());
            assert!(ran.status == 0 && ran.stdout.contains("Apple M9"), "{}{}", ran.stdout, ran.stderr);
        }
    }
    project.write("neither.json", "{}");
    let ran = project.wanbench(&["compare", "neither.json", "there.json", "--side-by-side"]);
    assert_eq!(ran.status, 2, "{}", ran.stderr);
    assert!(ran.stderr.contains("neither.json"), "{}", ran.stderr);
}

#[test]
fn earlier_results_that_are_no_evidence_are_no_measure() {
    let project = beside_base();
    assert_eq!(project.wanbench(&["run", "--seed", "7", "--json", "before.json"]).status, 0);
    std::fs::copy(project.path("before.json"), project.path("now.json")).unwrap();
    assert_eq!(project.wanbench(&["compare", "before.json", "now.json"]).status, 0);
    project.edit("before.json", |before| before["interrupted"] = true.into());
    let ran = project.wanbench(&["compare", "before.json", "now.json"]);
    assert_eq!(ran.status, 3, "{}", ran.stdout);
    assert!(ran.flat().contains("the earlier results are no measure: the run was interrupted"), "{}", ran.stdout);
    assert!(ran.flat().contains("check --suite tiny --seed 7"), "{}", ran.stdout);

    project.write("fast.sh", "exit 1");
    assert_eq!(project.wanbench(&["run", "--json", "before.json"]).status, 3);
    let ran = project.wanbench(&["compare", "before.json", "now.json"]);
    assert_eq!(ran.status, 3, "{}", ran.stdout);
    assert!(ran.flat().contains("the earlier results are no measure: fast/5f/none failed"), "{}", ran.stdout);
}

fn git(project: &Project, arguments: &[&str]) {
    let user = ["-c", "user.name=nobody", "-c", "user.email=nobody@localhost"];
    let ran = std::process::Command::new("git").args(user).args(arguments).current_dir(project.path("")).status();
    assert!(ran.unwrap().success(), "{arguments:?}");
}

#[test]
fn a_regression_that_is_accepted_in_the_change_passes_with_its_reason() {
    let project = beside_base();
    git(&project, &["init", "--quiet"]);
    std::fs::create_dir(project.path("baselines")).unwrap();
    let elsewhere = Path::new(env!("CARGO_MANIFEST_DIR")).join("baselines/apple-m3-ultra-512gb.json");
    std::fs::copy(elsewhere, project.path("baselines/elsewhere.json")).unwrap();
    git(&project, &["add", "config.toml", "slow.sh", "fast.sh", "baselines"]);
    git(&project, &["commit", "--quiet", "-m", "base"]);
    project.write("fast.sh", &worker(0.105, 1000));
    let check = || project.wanbench(&["check", "--base", "HEAD"]);
    let refused = check();
    assert_eq!(refused.status, 1, "{}{}", refused.stdout, refused.stderr);
    project.pretend_release_build();
    let report = project.wanbench(&["report", "results.json"]).stdout;
    assert!(report.contains("baseline accept fast/5f/none --reason"), "{report}");

    let accepted = project.wanbench(&["baseline", "accept", "fast/5f/none", "--reason", "a right mask", "--yes"]);
    assert_eq!(accepted.status, 0, "{}{}", accepted.stdout, accepted.stderr);
    let passed = check();
    assert_eq!(passed.status, 0, "{}{}", passed.stdout, passed.stderr);
    assert!(passed.stdout.contains("Accepted: fast/5f/none: a right mask"), "{}", passed.stdout);
    assert!(passed.stdout.contains("accepted in this change's baseline"), "{}", passed.stdout);

    // What was accepted is not a licence for more.
    project.write("fast.sh", &worker(0.12, 1000));
    assert_eq!(check().status, 1);

    configure(&project, "launches = 10", "launches = 5");
    std::fs::remove_file(project.path("baselines/elsewhere.json")).unwrap();
    let loosened = check().stdout;
    for part in ["launches of suite tiny from 10 to 5", "elsewhere.json: removes the machine's baseline"] {
        assert!(loosened.contains(part), "{part}: {loosened}");
    }
}

#[test]
fn a_configuration_that_is_moved_is_told_since_its_cases_are_compared_with_nothing() {
    let project = beside_base();
    git(&project, &["init", "--quiet"]);
    git(&project, &["add", "config.toml", "slow.sh", "fast.sh"]);
    git(&project, &["commit", "--quiet", "-m", "base"]);
    std::fs::create_dir(project.path("bench")).unwrap();
    for name in ["config.toml", "slow.sh", "fast.sh"] {
        std::fs::rename(project.path(name), project.path(&format!("bench/{name}"))).unwrap();
    }
    project.write("bench/fast.sh", &worker(0.2, 1000));
    let moved = project.wanbench(&["check", "--base", "HEAD", "--config", "bench/config.toml"]);
    assert_eq!(moved.status, 0, "{}{}", moved.stdout, moved.stderr);
    assert!(moved.flat().contains("the configuration is no longer config.toml: what it measures"), "{}", moved.stdout);
}

#[test]
fn a_base_whose_worker_needs_what_is_not_committed_says_so() {
    let project = beside_base();
    git(&project, &["init", "--quiet"]);
    git(&project, &["add", "config.toml", "slow.sh"]);
    git(&project, &["commit", "--quiet", "-m", "base"]);
    let ran = project.wanbench(&["check", "--base", "HEAD"]);
    assert_eq!(ran.status, 3, "{}", ran.stdout);
    let said = ran.stderr.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(said.contains("what is not committed, such as a virtual environment"), "{}", ran.stderr);
    assert!(!said.contains("remove"), "{}", ran.stderr);
}
