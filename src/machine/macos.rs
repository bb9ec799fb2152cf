//! What macOS's own tools report, as text. Compiled on every system, called on macOS only.
//!
//! The tests read what people published of these tools' output (tests/fixtures/macos): nothing here has run on a Mac yet.

use std::collections::BTreeMap;

use super::command;
use super::finding::{Finding, Topic};

/// The state of this machine, as far as macOS tells. What a tool says that is not known here is noted: silence would pass for
/// fitness.
///
/// Tools are called by full path: a runner's daemon has a short `PATH`.
pub fn survey() -> Vec<Finding> {
    QUESTIONS
        .iter()
        .filter_map(|question| question.judge(ask((question.program, question.arguments)).as_deref()))
        .collect()
}

/// What a tool is asked, and how its answer is judged.
struct Question {
    topic: Topic,
    program: &'static str,
    arguments: &'static [&'static str],
    judge: fn(&str) -> Told,
}

/// What a tool's answer says.
#[derive(Debug, PartialEq)]
enum Told {
    /// This.
    Finding(Finding),
    /// That all is as it should be, which is not worth a line.
    Fine,
    /// Nothing that is known here.
    Unknown,
}

const SYSCTL: &str = "/usr/sbin/sysctl";

const QUESTIONS: [Question; 9] = [
    Question { topic: Topic::Power, program: "/usr/bin/pmset", arguments: &["-g", "batt"], judge: power },
    Question { topic: Topic::Power, program: "/usr/bin/pmset", arguments: &["-g"], judge: low_power_mode },
    Question {
        topic: Topic::Heat,
        program: "/usr/bin/notifyutil",
        arguments: &["-g", PRESSURE],
        judge: thermal_pressure,
    },
    Question { topic: Topic::Load, program: "/usr/bin/tmutil", arguments: &["status"], judge: time_machine },
    Question { topic: Topic::Host, program: SYSCTL, arguments: &["-n", "kern.hv_vmm_present"], judge: virtual_machine },
    Question { topic: Topic::Host, program: SYSCTL, arguments: &["-n", "sysctl.proc_translated"], judge: translated },
    // Asked for again where their answers are used: here only whether those are known.
    Question::of(Topic::Host, VERSIONS, |text| known(parse_versions(text).len() == 2)),
    Question::of(Topic::Load, PROCESS_STATES, |text| known(parse_states(text).is_some())),
    Question::of(Topic::Host, WIRED_LIMIT, |text| known(text.trim().parse::<u64>().is_ok())),
];

fn known(is_known: bool) -> Told {
    if is_known { Told::Fine } else { Told::Unknown }
}

/// A program and its arguments.
type Tool = (&'static str, &'static [&'static str]);

const VERSIONS: Tool = ("/usr/bin/sw_vers", &[]);
const WIRED_LIMIT: Tool = (SYSCTL, &["-n", "iogpu.wired_limit_mb"]);
const GPU_REGISTRY: Tool = ("/usr/sbin/ioreg", &["-r", "-d", "1", "-c", "AGXAccelerator"]);
const GPU_REPORT: Tool = ("/usr/sbin/system_profiler", &["SPDisplaysDataType", "-json"]);
const PROCESS_STATES: Tool = ("/bin/ps", &["-axo", "stat="]);

/// What else this module asks, and what only a report of all that macOS tells has.
const OTHERS: [Tool; 6] = [
    GPU_REGISTRY,
    GPU_REPORT,
    (SYSCTL, &["-n", "machdep.cpu.brand_string"]),
    (SYSCTL, &["-n", "hw.memsize"]),
    ("/usr/bin/vm_stat", &[]),
    ("/usr/bin/pmset", &["-g", "therm"]),
];

fn ask((program, arguments): Tool) -> Option<String> {
    command::output(program, arguments)
}

/// Every command that is asked on a Mac, program and arguments.
pub fn commands() -> impl Iterator<Item = Tool> {
    QUESTIONS.iter().map(|question| (question.program, question.arguments)).chain(OTHERS)
}

impl Question {
    const fn of(topic: Topic, (program, arguments): Tool, judge: fn(&str) -> Told) -> Self {
        Self { topic, program, arguments, judge }
    }

    /// The finding that `answer` is; `None` where all is fine.
    fn judge(&self, answer: Option<&str>) -> Option<Finding> {
        let what = match answer.map(self.judge) {
            Some(Told::Finding(finding)) => return Some(finding),
            Some(Told::Fine) => return None,
            Some(Told::Unknown) => "says nothing that wanbench knows",
            None => "does not run here",
        };
        let name = self.program.rsplit('/').next().unwrap_or(self.program);
        let command = format!("`{name} {}` {what}", self.arguments.join(" "));
        let way_out = "open an issue with the file that `wanbench doctor --report FILE` writes";
        Some(Finding::note(self.topic, command, way_out))
    }
}

/// Other processes that run or wait for a processor at this moment.
pub fn running_processes() -> Option<usize> {
    ask(PROCESS_STATES).and_then(|text| parse_states(&text))
}

/// The version and build of macOS, by the names under which a run's record keeps them.
pub fn versions() -> BTreeMap<String, String> {
    ask(VERSIONS).map_or_else(BTreeMap::new, |text| parse_versions(&text))
}

/// Cores of Apple's GPU: from the driver's registry entry, else from the slower system report.
pub fn gpu_cores() -> Option<usize> {
    let registry = ask(GPU_REGISTRY);
    registry.and_then(|text| parse_registry(&text)).or_else(|| {
        let report = ask(GPU_REPORT);
        report.and_then(|text| parse_report(&text))
    })
}

/// Most bytes that the GPU may hold of a memory of `total_bytes`: the administrator's limit, or else the share that macOS
/// leaves it.
pub fn gpu_limit_bytes(total_bytes: u64) -> u64 {
    let limit = ask(WIRED_LIMIT).and_then(|text| parse_wired_limit(&text));
    limit.unwrap_or_else(|| usual_gpu_limit(total_bytes))
}

/// The notification that carries the level of thermal pressure. Source: `kOSThermalNotificationPressureLevelName` in
/// libkern/OSThermalNotification.h.
const PRESSURE: &str = "com.apple.system.thermalpressurelevel";

/// The administrator's limit in bytes; 0 means that there is none.
fn parse_wired_limit(text: &str) -> Option<u64> {
    let mib: u64 = text.trim().parse().ok().filter(|&mib| mib > 0)?;
    mib.checked_mul(1 << 20)
}

/// Two thirds of a small memory, three quarters of a larger one. Only Metal tells the real figure, as
/// `recommendedMaxWorkingSetSize`; of those that people tell of (10.7 of 16, 21.3 of 32, 48 of 64, 107.5 of 128 GiB in
/// issues of llama.cpp and ds4) none is smaller than this. `--memory` says it better.
fn usual_gpu_limit(total_bytes: u64) -> u64 {
    if total_bytes < 36 << 30 { total_bytes / 3 * 2 } else { total_bytes / 4 * 3 }
}

/// Processes whose state begins with R, but for `ps` itself. Source: ps(1) of macOS.
fn parse_states(text: &str) -> Option<usize> {
    let states = || text.lines().map(str::trim).filter(|state| !state.is_empty());
    let running = states().filter(|state| state.starts_with('R')).count();
    (states().count() > 0).then(|| running.saturating_sub(1))
}

fn parse_versions(text: &str) -> BTreeMap<String, String> {
    let fields = text.lines().filter_map(|line| line.split_once(':'));
    let kept = fields.filter_map(|(key, value)| match key.trim() {
        "ProductVersion" => Some(("macos.version", value)),
        "BuildVersion" => Some(("macos.build", value)),
        _ => None,
    });
    kept.map(|(name, value)| (name.to_owned(), value.trim().to_owned())).collect()
}

fn parse_registry(text: &str) -> Option<usize> {
    let value = text.lines().find_map(|line| line.split_once("\"gpu-core-count\" = "))?.1;
    value.trim().parse().ok().filter(|&cores| cores > 0)
}

fn parse_report(text: &str) -> Option<usize> {
    let report: serde_json::Value = serde_json::from_str(text).ok()?;
    let gpus = report.get("SPDisplaysDataType")?.as_array()?;
    gpus.iter().find_map(|gpu| gpu.get("sppci_cores")?.as_str()?.parse().ok())
}

fn power(text: &str) -> Told {
    let source = text.lines().find_map(|line| line.strip_prefix("Now drawing from '"));
    let Some(source) = source.map(|source| source.trim_end_matches('\'')) else { return Told::Unknown };
    Told::Finding(match source {
        "AC Power" => Finding::ok(Topic::Power, "on mains power"),
        "Battery Power" => Finding::warning(Topic::Power, "on battery power", "plug in the charger"),
        // A UPS that carries the load is soon empty.
        _ => Finding::warning(Topic::Power, format!("drawing from {source}"), "wait for mains power"),
    })
}

/// Judges the settings in use. Macs with a High Power Mode call the key `powermode`: 0 automatic, 1 low, 2 high.
/// Source: pmset's readers, as <https://github.com/Jean-Tinland/simple-bar/pull/454>.
fn low_power_mode(text: &str) -> Told {
    let mode = text.lines().find_map(|line| {
        let (key, value) = line.trim().split_once(char::is_whitespace)?;
        ["lowpowermode", "powermode"].contains(&key).then(|| value.trim())
    });
    let way_out = "System Settings > Battery (or Energy) > Low Power Mode: Never, or `sudo pmset -a lowpowermode 0`";
    match mode {
        Some("1") => Told::Finding(Finding::warning(Topic::Power, "Low Power Mode is on", way_out)),
        Some("2") => Told::Finding(Finding::ok(Topic::Power, "High Power Mode is on")),
        Some("0") => Told::Finding(Finding::ok(Topic::Power, "Low Power Mode is off")),
        // Some desktop Macs have no such mode.
        None if text.contains("Currently in use:") => Told::Fine,
        _ => Told::Unknown,
    }
}

/// Judges the level of thermal pressure, which on Apple Silicon `pmset -g therm` does not tell.
///
/// 0 is also what `notifyutil` prints for a notification nobody ever posted, so it proves nothing; any other level
/// means that the system already lowers clocks.
fn thermal_pressure(text: &str) -> Told {
    let level = text.trim().strip_prefix(PRESSURE).and_then(|level| level.trim().parse::<u32>().ok());
    let name = match level {
        None => return Told::Unknown,
        Some(0) => return Told::Finding(Finding::ok(Topic::Heat, "no thermal pressure reported")),
        Some(1) => "moderate",
        Some(2) => "heavy",
        Some(_) => "critical",
    };
    let way_out = "let the Mac cool down for some minutes, and check the airflow";
    let what = format!("thermal pressure is {name}: macOS reduces the clock rates");
    Told::Finding(Finding::warning(Topic::Heat, what, way_out))
}

fn time_machine(text: &str) -> Told {
    let running = text.lines().find_map(|line| line.trim().strip_prefix("Running = "));
    let way_out = "wait for it to finish, or run `tmutil stopbackup`";
    match running {
        Some("1;") => Told::Finding(Finding::warning(Topic::Load, "Time Machine is backing up", way_out)),
        Some("0;") => Told::Fine,
        _ => Told::Unknown,
    }
}

fn virtual_machine(text: &str) -> Told {
    let way_out = "compare only runs of this machine, or measure on physical hardware";
    match text.trim() {
        "1" => {
            let what = "a virtual machine: its GPU is virtual, and other guests share the host";
            Told::Finding(Finding::warning(Topic::Host, what, way_out))
        }
        "0" => Told::Finding(Finding::ok(Topic::Host, "not a virtual machine")),
        _ => Told::Unknown,
    }
}

fn translated(text: &str) -> Told {
    let what = "wanbench was built for Intel and runs under Rosetta, without MLX";
    let way_out = "install the arm64 toolchain (`rustup default stable-aarch64-apple-darwin`) and build again";
    match text.trim() {
        "1" => Told::Finding(Finding::warning(Topic::Host, what, way_out)),
        "0" => Told::Fine,
        _ => Told::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::super::Severity;
    use super::*;

    /// How bad what is told is; `None` where all is fine.
    fn severity(told: Told) -> Option<Severity> {
        match told {
            Told::Finding(finding) => Some(finding.severity),
            Told::Fine => None,
            Told::Unknown => panic!("nothing is known of it"),
        }
    }

    fn what(told: Told) -> String {
        match told {
            Told::Finding(finding) => finding.what,
            other => panic!("{other:?}"),
        }
    }

    /// An output that was published; README.md beside it tells where, and of which macOS it is.
    macro_rules! printed {
        ($name:literal) => {
            include_str!(concat!("../../tests/fixtures/macos/", $name, ".txt"))
        };
    }

    #[test]
    fn the_gpu_has_the_administrators_limit_or_the_usual_share() {
        assert_eq!(parse_wired_limit(printed!("sysctl-n-iogpu.wired_limit_mb.set.m1max")), Some(26_000 << 20));
        assert_eq!(parse_wired_limit("0\n"), None);
        assert_eq!(parse_wired_limit("unknown oid"), None);
        assert_eq!(usual_gpu_limit(64 << 30), 48 << 30);
        assert_eq!(usual_gpu_limit(24 << 30), 16 << 30);
    }

    #[test]
    fn gpu_cores_are_read_from_registry_and_report() {
        let registries = [printed!("ioreg-IOAccelerator.m4.macos27"), printed!("ioreg-IOAccelerator.m1pro")];
        assert_eq!(registries.map(parse_registry), [Some(10), Some(14)]);
        assert_eq!(parse_registry(printed!("ioreg-IOAccelerator.m1")), Some(8));
        // Some of its excerpts have no such line.
        assert_eq!(parse_registry(printed!("ioreg-IOAccelerator.m3.no-depth")), None);
        assert_eq!(parse_registry("  |   \"gpu-core-count\" = 60\n"), Some(60));
        assert_eq!(parse_registry(""), None);
        let reports = [
            printed!("system_profiler-SPDisplays-json.m1-7core"),
            printed!("system_profiler-SPDisplays-json.m1pro-3displays"),
            printed!("system_profiler-SPDisplays-json.m2max-30core.macos15"),
            printed!("system_profiler-SPDisplays-json.m4-macmini-no-display"),
        ];
        assert_eq!(reports.map(parse_report), [Some(7), Some(16), Some(30), Some(10)]);
        // An Intel Mac's GPU has no such key.
        assert_eq!(parse_report(r#"{"SPDisplaysDataType":[{"sppci_model":"Intel Iris Pro"}]}"#), None);
        assert_eq!(parse_report("not json"), None);
    }

    #[test]
    fn battery_power_is_warned_of() {
        let on_mains = [
            printed!("pmset-g-batt.ac-no-battery"),
            printed!("pmset-g-ps.ac-ups.mac-studio"),
            printed!("pmset-g-batt.ac-charging"),
            printed!("pmset-g-batt.ac-charging.macos26.2"),
            printed!("pmset-g-batt.ac-not-charging.macos11"),
        ];
        for text in on_mains {
            assert_eq!(severity(power(text)), Some(Severity::Ok), "{text}");
        }
        let on_battery = [printed!("pmset-g-batt.battery.macos26.2"), printed!("pmset-g-ps.battery-warning")];
        assert_eq!(on_battery.map(|text| severity(power(text))), [Some(Severity::Warning); 2]);
        assert_eq!(severity(power("Now drawing from 'UPS Power'\n")), Some(Severity::Warning));
        assert_eq!(power(""), Told::Unknown);
    }

    #[test]
    fn low_power_mode_is_warned_of_under_either_name() {
        let settings = [
            printed!("pmset-g.lowpowermode.macos26.2"),
            printed!("pmset-g.lowpowermode.caffeinate"),
            printed!("pmset-g.powermode.sleepdisabled"),
            printed!("pmset-g.powermode"),
        ];
        for text in settings {
            assert_eq!(what(low_power_mode(text)), "Low Power Mode is off", "{text}");
        }
        let mode =
            |number: u32| settings[3].replace("powermode            0", &format!("powermode            {number}"));
        assert_eq!(severity(low_power_mode(&mode(1))), Some(Severity::Warning));
        assert_eq!(what(low_power_mode(&mode(2))), "High Power Mode is on");
        assert_eq!(low_power_mode(&mode(3)), Told::Unknown);
        let low = settings[0].replace("lowpowermode         0", "lowpowermode         1");
        assert_eq!(severity(low_power_mode(&low)), Some(Severity::Warning));
        assert_eq!(low_power_mode("Currently in use:\n sleep                0\n"), Told::Fine);
        assert_eq!(low_power_mode(""), Told::Unknown);
    }

    #[test]
    fn any_thermal_pressure_is_warned_of() {
        assert_eq!(severity(thermal_pressure(printed!("notifyutil-thermalpressure.0.macos26"))), Some(Severity::Ok));
        let moderate = thermal_pressure(printed!("notifyutil-thermalpressure.1.macos26.5.2"));
        assert!(what(moderate).contains("moderate"));
        assert_eq!(thermal_pressure(printed!("notifyutil.unknown-key")), Told::Unknown);
        // The levels are those of OSThermalNotification.h.
        let judge = |level| thermal_pressure(&format!("com.apple.system.thermalpressurelevel {level}\n"));
        assert_eq!(severity(judge("0")), Some(Severity::Ok));
        assert_eq!(severity(judge("1")), Some(Severity::Warning));
        assert!(what(judge("2")).contains("heavy"));
        assert!(what(judge("4")).contains("critical"));
        assert_eq!([judge("unknown"), thermal_pressure("")], [Told::Unknown, Told::Unknown]);
    }

    #[test]
    fn a_running_backup_is_warned_of() {
        let idle = [printed!("tmutil-status.idle.no-percent"), printed!("tmutil-status.idle.percent")];
        assert_eq!(idle.map(time_machine), [Told::Fine, Told::Fine]);
        for text in [
            printed!("tmutil-status.running-preparing"),
            printed!("tmutil-status.running-findingchanges"),
            printed!("tmutil-status.running-copying"),
            printed!("tmutil-status.running-thinning"),
        ] {
            assert_eq!(severity(time_machine(text)), Some(Severity::Warning), "{text}");
        }
        assert_eq!(time_machine("tmutil: no destinations\n"), Told::Unknown);
    }

    #[test]
    fn the_versions_of_the_system_are_read() {
        for (text, version, build) in [
            (printed!("sw_vers.14.6.1"), "14.6.1", "23G93"),
            (printed!("sw_vers.15.7.7"), "15.7.7", "24G720"),
            (printed!("sw_vers.26.3"), "26.3", "25D125"),
            (printed!("sw_vers.26.5.1"), "26.5.1", "25F80"),
        ] {
            let versions = parse_versions(text);
            assert_eq!((versions["macos.version"].as_str(), versions["macos.build"].as_str()), (version, build));
        }
        assert!(parse_versions("").is_empty());
    }

    #[test]
    fn what_is_not_known_or_does_not_run_is_told_with_the_way_out() {
        let pressure = &QUESTIONS[2];
        let finding = pressure.judge(Some("notify_get_state failed")).unwrap();
        assert_eq!((finding.severity, finding.topic), (Severity::Note, Topic::Heat));
        assert!(finding.to_string().contains("`notifyutil -g com.apple"), "{finding}");
        assert!(finding.to_string().contains("wanbench doctor --report"), "{finding}");
        assert!(pressure.judge(None).unwrap().what.ends_with("does not run here"));

        let known = [printed!("sw_vers.26.3"), printed!("ps-stat.2024"), "0\n"];
        for (question, known) in QUESTIONS[6..].iter().zip(known) {
            assert_eq!(question.judge(Some(known)), None, "{}", question.program);
            assert!(question.judge(Some("\n")).unwrap().what.ends_with("says nothing that wanbench knows"));
            assert!(question.judge(None).unwrap().what.ends_with("does not run here"));
        }
    }

    #[test]
    fn processes_that_run_are_counted_but_for_ps_itself() {
        assert_eq!(parse_states("Ss\nS\nR+\nU\nRs\nS+\n"), Some(1));
        assert_eq!(parse_states(printed!("ps-stat.2024")), Some(0));
        assert_eq!(parse_states("S\nR+\n"), Some(0));
        assert_eq!(parse_states(""), None);
    }

    #[test]
    fn virtual_and_translated_machines_are_told() {
        assert_eq!(severity(virtual_machine(printed!("sysctl-n-kern.hv_vmm_present.1"))), Some(Severity::Warning));
        assert_eq!(severity(virtual_machine("0\n")), Some(Severity::Ok));
        assert_eq!(virtual_machine(""), Told::Unknown);
        assert_eq!(severity(translated(printed!("sysctl-n-sysctl.proc_translated.1"))), Some(Severity::Warning));
        assert_eq!(severity(translated("0\n")), None);
    }
}
