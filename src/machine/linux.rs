//! What Linux reports in `/proc` and `/sys`.
//!
//! Thin functions read, pure ones judge the text. A missing file is not a finding.

use std::fs;
use std::path::{Path, PathBuf};

use super::finding::{Finding, Topic, processors};

/// The state of this machine, as far as Linux tells.
pub fn survey() -> Vec<Finding> {
    let cpuinfo = read("/proc/cpuinfo").unwrap_or_default();
    let policies: Vec<Policy> = entries("/sys/devices/system/cpu/cpufreq", "policy").map(Policy::read).collect();
    let coolers = entries("/sys/class/thermal", "cooling_device");
    let coolers: Vec<_> =
        coolers.filter_map(|path| Some((read_in(&path, "type")?, read_in(&path, "cur_state")?))).collect();
    let supplies: Vec<_> = entries("/sys/class/power_supply", "").filter_map(|path| read_in(&path, "uevent")).collect();
    let counts: Vec<_> = entries("/sys/devices/system/cpu", "cpu").filter_map(throttle_count).collect();
    let findings = [
        power(&supplies),
        frequency(&policies),
        read("/sys/firmware/acpi/platform_profile").and_then(|text| platform_profile(&text)),
        cooling(&coolers),
        throttling(&counts),
        read("/proc/pressure/memory").and_then(|text| memory_pressure(&text)),
        virtual_machine(&cpuinfo, &read("/proc/stat").unwrap_or_default()),
        read("/sys/fs/cgroup/cpu.max").and_then(|text| quota(&text, processor_count(&cpuinfo))),
    ];
    findings.into_iter().flatten().collect()
}

/// Threads of other programs that run or wait for a processor at this moment.
pub fn running_threads() -> Option<usize> {
    parse_running(&read("/proc/loadavg")?)
}

/// The first NVIDIA GPU by the driver's own folder, which tells no more than its name.
pub fn nvidia_gpu() -> Option<String> {
    let mut gpus: Vec<_> = entries("/proc/driver/nvidia/gpus", "").collect();
    gpus.sort();
    gpus.iter().find_map(|gpu| parse_nvidia_information(&read_in(gpu, "information")?))
}

/// The fields of a `/sys/devices/system/cpu/cpufreq/policy*` that decide the speed; empty where missing.
#[derive(Clone, Debug, Default)]
struct Policy {
    driver: String,
    governor: String,
    preference: String,
}

impl Policy {
    fn read(path: PathBuf) -> Self {
        let field = |name| read_in(&path, name).unwrap_or_default();
        Self {
            driver: field("scaling_driver"),
            governor: field("scaling_governor"),
            preference: field("energy_performance_preference"),
        }
    }

    /// Whether the driver picks frequencies by itself, so that its `powersave` follows the load like any other.
    ///
    /// Source: Documentation/admin-guide/pm/intel_pstate.rst ("Active Mode") and amd-pstate.rst; their passive modes
    /// call themselves `intel_cpufreq` and `amd-pstate`.
    fn is_autonomous(&self) -> bool {
        ["intel_pstate", "amd-pstate-epp"].contains(&self.driver.as_str())
    }

    fn is_slow(&self) -> bool {
        let lowest = self.governor == "powersave" && !self.is_autonomous();
        lowest || (self.is_autonomous() && self.preference == "power")
    }
}

/// Judges the `uevent` files of all power supplies.
fn power(supplies: &[String]) -> Option<Finding> {
    let is = |supply: &String, line: &str| supply.lines().any(|found| found.trim() == line);
    // A mouse's battery says nothing about the machine.
    let own: Vec<&String> = supplies.iter().filter(|supply| !is(supply, "POWER_SUPPLY_SCOPE=Device")).collect();
    let battery = |supply: &String| supply.contains("POWER_SUPPLY_STATUS=");
    let mains = own.iter().any(|supply| !battery(supply) && is(supply, "POWER_SUPPLY_ONLINE=1"));
    let drained =
        own.iter().any(|supply| is(supply, "POWER_SUPPLY_STATUS=Discharging") && is(supply, "POWER_SUPPLY_PRESENT=1"));
    if mains {
        Some(Finding::ok(Topic::Power, "on mains power"))
    } else if drained {
        Some(Finding::warning(Topic::Power, "on battery power", "plug in the charger"))
    } else {
        None
    }
}

fn frequency(policies: &[Policy]) -> Option<Finding> {
    let first = policies.first()?;
    let Some(slow) = policies.iter().find(|policy| policy.is_slow()) else {
        return Some(Finding::ok(Topic::Power, format!("frequency governor {} ({})", first.governor, first.driver)));
    };
    Some(if slow.is_autonomous() {
        let what = format!("the energy preference of {} is \"power\", which slows the processor", slow.driver);
        let way_out = "`echo balance_performance | sudo tee \
            /sys/devices/system/cpu/cpufreq/policy*/energy_performance_preference`";
        Finding::warning(Topic::Power, what, way_out)
    } else {
        let what =
            format!("frequency governor powersave ({}) keeps the processor at its lowest frequency", slow.driver);
        let way_out = "`echo performance | sudo tee /sys/devices/system/cpu/cpufreq/policy*/scaling_governor`";
        Finding::warning(Topic::Power, what, way_out)
    })
}

/// Judges the firmware's profile. Source: Documentation/ABI/testing/sysfs-platform_profile.
fn platform_profile(text: &str) -> Option<Finding> {
    let profile = text.trim();
    let slow = ["low-power", "cool", "quiet"].contains(&profile);
    let way_out = "`echo performance | sudo tee /sys/firmware/acpi/platform_profile`";
    slow.then(|| Finding::warning(Topic::Power, format!("platform profile {profile} saves power"), way_out))
}

/// Judges the cooling devices, as (type, current state): those that cool by slowing the processor are idle at 0 or -1.
fn cooling(devices: &[(String, String)]) -> Option<Finding> {
    let slows = |kind: &str| kind == "Processor" || kind == "intel_powerclamp" || kind.contains("cpufreq");
    let mut slowing = devices.iter().filter(|(kind, _)| slows(kind)).peekable();
    slowing.peek()?;
    let active = slowing.any(|(_, state)| state.parse::<i64>().is_ok_and(|state| state > 0));
    Some(if active {
        let way_out = "let the machine cool down, and check the airflow";
        Finding::warning(Topic::Heat, "the processor is throttled by heat", way_out)
    } else {
        Finding::ok(Topic::Heat, "the processor is not throttled by heat")
    })
}

/// Judges how often each processor was throttled since the start of the system. Source:
/// Documentation/admin-guide/thermal/intel_thermal_throttle.rst. The counters cannot tell when.
fn throttling(counts: &[u64]) -> Option<Finding> {
    let most = *counts.iter().max()?;
    let what = format!("throttled by heat since the system started: {most} times on one processor");
    let way_out = "watch /sys/devices/system/cpu/cpu0/thermal_throttle during a run; if it grows, improve the cooling";
    Some(match most {
        0 => Finding::ok(Topic::Heat, "not throttled by heat since the system started"),
        _ => Finding::note(Topic::Heat, what, way_out),
    })
}

/// Judges pressure stall information. Source: Documentation/accounting/psi.rst.
fn memory_pressure(text: &str) -> Option<Finding> {
    let some = text.lines().find(|line| line.starts_with("some "))?;
    let share: f64 = some.split_whitespace().find_map(|field| field.strip_prefix("avg60="))?.parse().ok()?;
    let what = format!("programs waited for memory {share:.1}% of the last minute");
    let way_out = "quit programs that use memory; `top` lists them";
    (share >= 1.0).then(|| Finding::warning(Topic::Memory, what, way_out))
}

/// Whether a hypervisor runs this system, by `/proc/cpuinfo`; `/proc/stat` tells what it took. Known on x86 only.
fn virtual_machine(cpuinfo: &str, stat: &str) -> Option<Finding> {
    let flags = cpuinfo.lines().find(|line| line.starts_with("flags"))?;
    if !flags.split_whitespace().any(|flag| flag == "hypervisor") {
        return Some(Finding::ok(Topic::Host, "not a virtual machine"));
    }
    let way_out = "compare only runs of this machine, or measure on physical hardware";
    let stolen = stolen_share(stat).unwrap_or(0.0);
    let what = "a virtual machine: other guests of the host share the processor";
    Some(if stolen >= 0.01 {
        let what = format!("{what}, and got {:.0}% of its time since the system started", 100.0 * stolen);
        Finding::warning(Topic::Host, what, way_out)
    } else {
        Finding::note(Topic::Host, what, way_out)
    })
}

/// Share of processor time, 0 to 1, that the host gave to others while this system wanted it. Source: proc_stat(5).
fn stolen_share(stat: &str) -> Option<f64> {
    let line = stat.lines().find_map(|line| line.strip_prefix("cpu "))?;
    // The guest times after the eighth column are counted in the first two already.
    let ticks: Vec<f64> = line.split_whitespace().take(8).filter_map(|field| field.parse().ok()).collect();
    let total: f64 = ticks.iter().sum();
    (ticks.len() == 8 && total > 0.0).then(|| ticks[7] / total)
}

/// Judges a control group's `cpu.max`: microseconds per period, or `max`. Source: cgroup-v2.rst.
fn quota(text: &str, cores: usize) -> Option<Finding> {
    let (quota, period) = text.trim().split_once(' ')?;
    let share = quota.parse::<f64>().ok()? / period.parse::<f64>().ok()?;
    let what = format!("this container may use {share:.1} of {}", processors(cores));
    let way_out = "start it without a limit on processors (`docker run` without `--cpus`)";
    (share < cores as f64).then(|| Finding::warning(Topic::Load, what, way_out))
}

fn processor_count(cpuinfo: &str) -> usize {
    cpuinfo.lines().filter(|line| line.starts_with("processor")).count()
}

/// The fourth field of `/proc/loadavg` is `running/all`; the thread that reads it is running.
fn parse_running(loadavg: &str) -> Option<usize> {
    let (running, _) = loadavg.split_whitespace().nth(3)?.split_once('/')?;
    Some(running.parse::<usize>().ok()?.saturating_sub(1))
}

fn parse_nvidia_information(text: &str) -> Option<String> {
    let model = text.lines().find_map(|line| line.strip_prefix("Model:"))?.trim();
    (!model.is_empty()).then(|| model.to_owned())
}

fn throttle_count(cpu: PathBuf) -> Option<u64> {
    let count = |name| read_in(&cpu, name)?.parse::<u64>().ok();
    let core = count("thermal_throttle/core_throttle_count")?;
    Some(core + count("thermal_throttle/package_throttle_count").unwrap_or(0))
}

/// The entries of `folder` whose names start with `prefix`.
fn entries(folder: &str, prefix: &'static str) -> impl Iterator<Item = PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.filter(move |entry| entry.file_name().to_string_lossy().starts_with(prefix)).map(|entry| entry.path())
}

fn read(path: impl AsRef<Path>) -> Option<String> {
    fs::read_to_string(path).ok()
}

fn read_in(folder: &Path, name: &str) -> Option<String> {
    Some(read(folder.join(name))?.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::super::Severity;
    use super::*;

    // The forms of uevent files are those published for laptops (ThinkPad, Legion Go S) and for Logitech's receivers.
    const CHARGER_OFF: &str = "POWER_SUPPLY_NAME=ADP0\nPOWER_SUPPLY_TYPE=Mains\nPOWER_SUPPLY_ONLINE=0\n";
    const CHARGER_ON: &str = "POWER_SUPPLY_NAME=ADP0\nPOWER_SUPPLY_TYPE=Mains\nPOWER_SUPPLY_ONLINE=1\n";
    const BATTERY: &str = "DEVTYPE=power_supply\nPOWER_SUPPLY_NAME=BAT0\nPOWER_SUPPLY_TYPE=Battery\n\
        POWER_SUPPLY_STATUS=Discharging\nPOWER_SUPPLY_PRESENT=1\nPOWER_SUPPLY_CAPACITY=58\n";
    const MOUSE: &str = "POWER_SUPPLY_NAME=hidpp_battery_0\nPOWER_SUPPLY_TYPE=Battery\nPOWER_SUPPLY_ONLINE=1\n\
        POWER_SUPPLY_STATUS=Discharging\nPOWER_SUPPLY_SCOPE=Device\nPOWER_SUPPLY_CAPACITY=35\n";

    fn severity(finding: Option<Finding>) -> Option<Severity> {
        finding.map(|finding| finding.severity)
    }

    #[test]
    fn a_battery_that_drains_without_a_charger_is_warned_of() {
        let judge = |texts: &[&str]| severity(power(&texts.iter().map(|&text| text.to_owned()).collect::<Vec<_>>()));
        assert_eq!(judge(&[CHARGER_OFF, BATTERY]), Some(Severity::Warning));
        assert_eq!(judge(&[CHARGER_ON, BATTERY]), Some(Severity::Ok));
        assert_eq!(judge(&[MOUSE]), None);
        assert_eq!(judge(&[MOUSE, CHARGER_OFF, BATTERY]), Some(Severity::Warning));
        assert_eq!(judge(&[]), None);
    }

    #[test]
    fn powersave_is_slow_only_where_a_governor_decides() {
        let judge = |driver: &str, governor: &str, preference: &str| {
            let policy = Policy { driver: driver.into(), governor: governor.into(), preference: preference.into() };
            severity(frequency(&[policy]))
        };
        assert_eq!(judge("acpi-cpufreq", "powersave", ""), Some(Severity::Warning));
        assert_eq!(judge("intel_cpufreq", "powersave", ""), Some(Severity::Warning));
        assert_eq!(judge("acpi-cpufreq", "schedutil", ""), Some(Severity::Ok));
        assert_eq!(judge("intel_pstate", "powersave", "balance_performance"), Some(Severity::Ok));
        assert_eq!(judge("amd-pstate-epp", "powersave", "balance_performance"), Some(Severity::Ok));
        assert_eq!(judge("intel_pstate", "powersave", "power"), Some(Severity::Warning));
        assert_eq!(severity(frequency(&[])), None);
    }

    #[test]
    fn one_slow_processor_is_enough() {
        let fast = Policy { driver: "acpi-cpufreq".into(), governor: "performance".into(), ..Policy::default() };
        let slow = Policy { governor: "powersave".into(), ..fast.clone() };
        assert_eq!(severity(frequency(&[fast, slow])), Some(Severity::Warning));
    }

    #[test]
    fn a_saving_profile_is_warned_of() {
        assert_eq!(severity(platform_profile("low-power\n")), Some(Severity::Warning));
        assert_eq!(severity(platform_profile("balanced\n")), None);
    }

    #[test]
    fn only_coolers_that_slow_the_processor_count() {
        let judge = |devices: &[(&str, &str)]| {
            severity(cooling(
                &devices.iter().map(|(kind, state)| (kind.to_string(), state.to_string())).collect::<Vec<_>>(),
            ))
        };
        assert_eq!(judge(&[("Processor", "0"), ("intel_powerclamp", "-1"), ("Fan", "1")]), Some(Severity::Ok));
        assert_eq!(judge(&[("Processor", "0"), ("Processor", "3")]), Some(Severity::Warning));
        assert_eq!(judge(&[("cpufreq-cpu0", "2")]), Some(Severity::Warning));
        assert_eq!(judge(&[("Fan", "1"), ("TCC Offset", "5")]), None);
    }

    #[test]
    fn past_throttling_is_noted() {
        assert_eq!(severity(throttling(&[0, 0])), Some(Severity::Ok));
        assert_eq!(severity(throttling(&[0, 21])), Some(Severity::Note));
        assert_eq!(severity(throttling(&[])), None);
    }

    #[test]
    fn waiting_for_memory_is_warned_of() {
        let pressure = |share| {
            format!(
                "some avg10=0.00 avg60={share} avg300=0.12 total=8123\nfull avg10=0.00 avg60=9.99 avg300=0.00 total=0\n"
            )
        };
        assert_eq!(severity(memory_pressure(&pressure("0.00"))), None);
        assert_eq!(severity(memory_pressure(&pressure("3.27"))), Some(Severity::Warning));
        assert_eq!(memory_pressure("some nonsense"), None);
    }

    // Recorded on the virtual machine this was written on, flags shortened.
    const CPUINFO: &str =
        "processor\t: 0\nmodel name\t: AMD EPYC\nflags\t\t: fpu vme x2apic hypervisor lahf_lm\nbugs\t\t: srso\n";
    const STAT: &str = "cpu  148200 0 23540 211856 586 0 178 173 0 0\ncpu0 74100 0 11770 105928 293 0 89 86 0 0\n";

    #[test]
    fn a_virtual_machine_is_noted_and_stolen_time_warned_of() {
        assert_eq!(severity(virtual_machine(CPUINFO, STAT)), Some(Severity::Note));
        let robbed = "cpu  8000 0 1000 500 0 0 0 500 0 0\n";
        let finding = virtual_machine(CPUINFO, robbed).unwrap();
        assert_eq!(finding.severity, Severity::Warning);
        assert!(finding.what.contains("5% of its time"), "{}", finding.what);
        assert_eq!(severity(virtual_machine(&CPUINFO.replace(" hypervisor", ""), STAT)), Some(Severity::Ok));
        assert_eq!(severity(virtual_machine("Features\t: fp asimd\n", STAT)), None);
    }

    #[test]
    fn a_containers_limit_is_warned_of() {
        assert_eq!(severity(quota("max 100000\n", 8)), None);
        assert_eq!(severity(quota("800000 100000\n", 8)), None);
        assert_eq!(quota("150000 100000\n", 8).unwrap().what, "this container may use 1.5 of 8 processors");
        assert_eq!(processor_count(CPUINFO), 1);
    }

    #[test]
    fn the_thread_that_asks_does_not_count_as_load() {
        assert_eq!(parse_running("8.32 5.49 2.72 7/123 30839\n"), Some(6));
        assert_eq!(parse_running("0.00 0.01 0.05 1/123 30839\n"), Some(0));
        assert_eq!(parse_running(""), None);
    }

    #[test]
    fn the_drivers_folder_names_a_gpu_too() {
        let text =
            "Model: \t\t NVIDIA GeForce RTX 3090\nIRQ:   \t\t 143\nGPU UUID: \t GPU-0\nVideo BIOS: \t 94.02.42.00.a9\n";
        assert_eq!(parse_nvidia_information(text).as_deref(), Some("NVIDIA GeForce RTX 3090"));
        assert_eq!(parse_nvidia_information("IRQ: 1\n"), None);
    }
}
