//! What macOS's own tools report, as text. Compiled on every system, called on macOS only.
//!
//! The samples in the tests are taken from public sources that print these tools' output, as each says: nothing
//! here has run on a Mac yet.

use std::collections::BTreeMap;

use super::command;
use super::finding::{Finding, Topic};

/// The state of this machine, as far as macOS tells.
///
/// Tools are called by full path: a runner's daemon has a short `PATH`.
pub fn survey() -> Vec<Finding> {
    let findings = [
        command::output("/usr/bin/pmset", &["-g", "batt"]).and_then(|text| power(&text)),
        command::output("/usr/bin/pmset", &["-g"]).and_then(|text| low_power_mode(&text)),
        command::output("/usr/bin/notifyutil", &["-g", PRESSURE]).and_then(|text| thermal_pressure(&text)),
        command::output("/usr/bin/tmutil", &["status"]).and_then(|text| time_machine(&text)),
        sysctl("kern.hv_vmm_present").and_then(|text| virtual_machine(&text)),
        sysctl("sysctl.proc_translated").and_then(|text| translated(&text)),
    ];
    findings.into_iter().flatten().collect()
}

/// Other processes that run or wait for a processor at this moment.
pub fn running_processes() -> Option<usize> {
    command::output("/bin/ps", &["-axo", "stat="]).and_then(|text| parse_states(&text))
}

/// The version and build of macOS, by the names under which a run's record keeps them.
pub fn versions() -> BTreeMap<String, String> {
    command::output("/usr/bin/sw_vers", &[]).map_or_else(BTreeMap::new, |text| parse_versions(&text))
}

/// Cores of Apple's GPU: from the driver's registry entry, else from the slower system report.
pub fn gpu_cores() -> Option<usize> {
    let registry = command::output("/usr/sbin/ioreg", &["-r", "-d", "1", "-c", "AGXAccelerator"]);
    registry.and_then(|text| parse_registry(&text)).or_else(|| {
        let report = command::output("/usr/sbin/system_profiler", &["SPDisplaysDataType", "-json"]);
        report.and_then(|text| parse_report(&text))
    })
}

/// Most bytes that the GPU may hold of a memory of `total_bytes`: the administrator's limit, or else the share that macOS
/// leaves it.
pub fn gpu_limit_bytes(total_bytes: u64) -> u64 {
    let limit = sysctl("iogpu.wired_limit_mb").and_then(|text| parse_wired_limit(&text));
    limit.unwrap_or_else(|| usual_gpu_limit(total_bytes))
}

/// The notification that carries the level of thermal pressure. Source: `kOSThermalNotificationPressureLevelName` in
/// libkern/OSThermalNotification.h.
const PRESSURE: &str = "com.apple.system.thermalpressurelevel";

fn sysctl(name: &str) -> Option<String> {
    command::output("/usr/sbin/sysctl", &["-n", name])
}

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

fn power(text: &str) -> Option<Finding> {
    let source = text.lines().find_map(|line| line.strip_prefix("Now drawing from '"))?.trim_end_matches('\'');
    Some(match source {
        "AC Power" => Finding::ok(Topic::Power, "on mains power"),
        "Battery Power" => Finding::warning(Topic::Power, "on battery power", "plug in the charger"),
        // A UPS that carries the load is soon empty.
        _ => Finding::warning(Topic::Power, format!("drawing from {source}"), "wait for mains power"),
    })
}

/// Judges the settings in use. Macs with a High Power Mode call the key `powermode`: 0 automatic, 1 low, 2 high.
/// Source: pmset's readers, as <https://github.com/Jean-Tinland/simple-bar/pull/454>.
fn low_power_mode(text: &str) -> Option<Finding> {
    let mode = text.lines().find_map(|line| {
        let (key, value) = line.trim().split_once(char::is_whitespace)?;
        ["lowpowermode", "powermode"].contains(&key).then(|| value.trim())
    })?;
    let way_out = "System Settings > Battery (or Energy) > Low Power Mode: Never, or `sudo pmset -a lowpowermode 0`";
    Some(match mode {
        "1" => Finding::warning(Topic::Power, "Low Power Mode is on", way_out),
        "2" => Finding::ok(Topic::Power, "High Power Mode is on"),
        _ => Finding::ok(Topic::Power, "Low Power Mode is off"),
    })
}

/// Judges the level of thermal pressure, which on Apple Silicon `pmset -g therm` does not tell.
///
/// 0 is also what `notifyutil` prints for a notification nobody ever posted, so it proves nothing; any other level
/// means that the system already lowers clocks.
fn thermal_pressure(text: &str) -> Option<Finding> {
    let level: u32 = text.trim().strip_prefix(PRESSURE)?.trim().parse().ok()?;
    let name = match level {
        0 => return Some(Finding::ok(Topic::Heat, "no thermal pressure reported")),
        1 => "moderate",
        2 => "heavy",
        _ => "critical",
    };
    let way_out = "let the Mac cool down for some minutes, and check the airflow";
    Some(Finding::warning(Topic::Heat, format!("thermal pressure is {name}: macOS reduces the clock rates"), way_out))
}

fn time_machine(text: &str) -> Option<Finding> {
    let running = text.lines().any(|line| line.trim() == "Running = 1;");
    let way_out = "wait for it to finish, or run `tmutil stopbackup`";
    running.then(|| Finding::warning(Topic::Load, "Time Machine is backing up", way_out))
}

fn virtual_machine(text: &str) -> Option<Finding> {
    let way_out = "compare only runs of this machine, or measure on physical hardware";
    match text.trim() {
        "1" => {
            let what = "a virtual machine: its GPU is virtual, and other guests share the host";
            Some(Finding::warning(Topic::Host, what, way_out))
        }
        "0" => Some(Finding::ok(Topic::Host, "not a virtual machine")),
        _ => None,
    }
}

fn translated(text: &str) -> Option<Finding> {
    let what = "wanbench was built for Intel and runs under Rosetta, without MLX";
    let way_out = "install the arm64 toolchain (`rustup default stable-aarch64-apple-darwin`) and build again";
    (text.trim() == "1").then(|| Finding::warning(Topic::Host, what, way_out))
}

#[cfg(test)]
mod tests {
    use super::super::Severity;
    use super::*;

    fn severity(finding: Option<Finding>) -> Option<Severity> {
        finding.map(|finding| finding.severity)
    }

    // Sample of `ioreg` for an M3 Pro as printed in public tests of GPU monitors.
    const REGISTRY: &str = r#"+-o AGXAcceleratorG15X  <class AGXAcceleratorG15X>
    {
      "PerformanceStatistics" = {"Renderer Utilization %"=58,"Device Utilization %"=95,"In use system memory"=1234}
      "model" = "Apple M3 Pro"
      "gpu-core-count" = 18
    }
"#;

    // Sample of `system_profiler SPDisplaysDataType -json` for an M3 Max as printed in public tests, its display added.
    const REPORT: &str = r#"{
  "SPDisplaysDataType" : [
    {
      "_name" : "Apple M3 Max",
      "spdisplays_mtlgpufamilysupport" : "spdisplays_metal3",
      "spdisplays_ndrvs" : [ { "_name" : "Color LCD", "spdisplays_online" : "spdisplays_yes" } ],
      "spdisplays_vendor" : "sppci_vendor_Apple",
      "sppci_bus" : "spdisplays_builtin",
      "sppci_cores" : "40",
      "sppci_device_type" : "spdisplays_gpu",
      "sppci_model" : "Apple M3 Max"
    }
  ]
}"#;

    #[test]
    fn the_gpu_has_the_administrators_limit_or_the_usual_share() {
        assert_eq!(parse_wired_limit("180000\n"), Some(180_000 << 20));
        assert_eq!(parse_wired_limit("0\n"), None);
        assert_eq!(parse_wired_limit("unknown oid"), None);
        assert_eq!(usual_gpu_limit(64 << 30), 48 << 30);
        assert_eq!(usual_gpu_limit(24 << 30), 16 << 30);
    }

    #[test]
    fn gpu_cores_are_read_from_registry_and_report() {
        assert_eq!(parse_registry(REGISTRY), Some(18));
        assert_eq!(parse_registry("  |   \"gpu-core-count\" = 60\n"), Some(60));
        assert_eq!(parse_registry(""), None);
        assert_eq!(parse_report(REPORT), Some(40));
        // An Intel Mac's GPU has no such key.
        assert_eq!(parse_report(r#"{"SPDisplaysDataType":[{"sppci_model":"Intel Iris Pro"}]}"#), None);
        assert_eq!(parse_report("not json"), None);
    }

    // Samples of `pmset -g batt` as printed by its readers; the first is what a Mac without battery says.
    #[test]
    fn battery_power_is_warned_of() {
        assert_eq!(severity(power("Now drawing from 'AC Power'\n")), Some(Severity::Ok));
        let battery = "Now drawing from 'Battery Power'\n \
            -InternalBattery-0 (id=22806627)\t78%; discharging; 5:05 remaining present: true\n";
        assert_eq!(severity(power(battery)), Some(Severity::Warning));
        let charging = "Now drawing from 'AC Power'\n \
            -InternalBattery-0 (id=22806627)\t12%; charging; 1:00 remaining present: true\n";
        assert_eq!(severity(power(charging)), Some(Severity::Ok));
        assert_eq!(severity(power("Now drawing from 'UPS Power'\n")), Some(Severity::Warning));
        assert_eq!(severity(power("")), None);
    }

    // Sample of `pmset -g` from <https://github.com/AppHouseKitchen/AlDente-Battery_Care_and_Monitoring/issues/603>,
    // names of programs shortened.
    const SETTINGS: &str = "System-wide power settings:\n SleepDisabled\t\t1\nCurrently in use:\n standby              1\n \
        Sleep On Power Button 1\n hibernatefile        /var/vm/sleepimage\n powernap             1\n \
        networkoversleep     0\n disksleep            10\n sleep                1 (sleep prevented by powerd)\n \
        hibernatemode        3\n ttyskeepawake        1\n displaysleep         10\n tcpkeepalive         1\n \
        lowpowermode         0\n womp                 1\n";

    #[test]
    fn low_power_mode_is_warned_of_under_either_name() {
        assert_eq!(severity(low_power_mode(SETTINGS)), Some(Severity::Ok));
        let low = SETTINGS.replace("lowpowermode         0", "lowpowermode         1");
        assert_eq!(severity(low_power_mode(&low)), Some(Severity::Warning));
        let named = |mode| SETTINGS.replace("lowpowermode         0", &format!("powermode            {mode}"));
        assert_eq!(severity(low_power_mode(&named(0))), Some(Severity::Ok));
        assert_eq!(severity(low_power_mode(&named(1))), Some(Severity::Warning));
        assert_eq!(low_power_mode(&named(2)).unwrap().what, "High Power Mode is on");
        assert_eq!(low_power_mode("Currently in use:\n sleep                0\n"), None);
    }

    // The form is that of transcripts of `notifyutil -g` on Apple Silicon, the levels those of OSThermalNotification.h.
    #[test]
    fn any_thermal_pressure_is_warned_of() {
        let judge = |level| thermal_pressure(&format!("com.apple.system.thermalpressurelevel {level}\n"));
        assert_eq!(severity(judge("0")), Some(Severity::Ok));
        assert_eq!(severity(judge("1")), Some(Severity::Warning));
        assert!(judge("2").unwrap().what.contains("heavy"));
        assert!(judge("4").unwrap().what.contains("critical"));
        assert_eq!(judge("unknown"), None);
        assert_eq!(thermal_pressure(""), None);
    }

    // Samples of `tmutil status` as printed in public tests of its readers.
    #[test]
    fn a_running_backup_is_warned_of() {
        let idle = "Backup session status:\n{\n    ClientID = \"com.apple.backupd\";\n    \
            Percent = \"-1\";\n    Running = 0;\n}\n";
        let copying = "Backup session status:\n{\n    BackupPhase = Copying;\n    ClientID = \"com.apple.backupd\";\n    \
            Progress =     {\n        Percent = \"0.27\";\n        files = 83;\n    \
            };\n    Running = 1;\n    Stopping = 0;\n}\n";
        assert_eq!(severity(time_machine(idle)), None);
        assert_eq!(severity(time_machine(copying)), Some(Severity::Warning));
    }

    #[test]
    fn processes_that_run_are_counted_but_for_ps_itself() {
        assert_eq!(parse_states("Ss\nS\nR+\nU\nRs\nS+\n"), Some(1));
        assert_eq!(parse_states("S\nR+\n"), Some(0));
        assert_eq!(parse_states(""), None);
    }

    #[test]
    fn virtual_and_translated_machines_are_told() {
        assert_eq!(severity(virtual_machine("1\n")), Some(Severity::Warning));
        assert_eq!(severity(virtual_machine("0\n")), Some(Severity::Ok));
        assert_eq!(severity(virtual_machine("")), None);
        assert_eq!(severity(translated("1\n")), Some(Severity::Warning));
        assert_eq!(severity(translated("0\n")), None);
    }
}
