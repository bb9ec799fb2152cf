//! What NVIDIA's driver tells of the GPU that the workers use, through `nvidia-smi`.
//!
//! That is the first GPU, or the first that `CUDA_VISIBLE_DEVICES` names by an index or a UUID. CUDA counts the fastest GPU
//! first and `nvidia-smi` the one on the first bus: where they differ, an index means the same to both with
//! `CUDA_DEVICE_ORDER=PCI_BUS_ID`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::finding::{Finding, Topic};
use super::{command, linux, slug};

/// What decides the GPU's speed and what is known of its state; `None` for what the driver does not tell.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Gpu {
    name: String,
    total_mib: Option<f64>,
    free_mib: Option<f64>,
    used_mib: Option<f64>,
    driver: Option<String>,
    sm_clock_mhz: Option<f64>,
    max_sm_clock_mhz: Option<f64>,
    power_limit_watts: Option<f64>,
    temperature_celsius: Option<f64>,
    persistence: Option<String>,
    utilization_percent: Option<f64>,
    clock_reasons: Option<u64>,
}

/// What is asked for, in the order of [`Gpu`]'s fields; a driver that does not know the later ones is asked for fewer.
const FIELDS: [&str; 12] = [
    "name",
    "memory.total",
    "memory.free",
    "memory.used",
    "driver_version",
    "clocks.sm",
    "clocks.max.sm",
    "power.limit",
    "temperature.gpu",
    "persistence_mode",
    "utilization.gpu",
    "clocks_event_reasons.active",
];
/// How drivers before 535 call the last field.
const OLD_CLOCK_REASONS: &str = "clocks_throttle_reasons.active";
/// Fields that every driver knows.
const OLDEST_FIELDS: usize = 2;

/// Bits of the reasons for which clocks are lower than they could be. Source: `nvmlClocksEventReasons` in nvml.h.
const IDLE: u64 = 0x1;
const POWER_CAP: u64 = 0x4;
const HARDWARE_SLOWDOWN: u64 = 0x8;
const THERMAL_SLOWDOWN: u64 = 0x20;
const HARDWARE_THERMAL_SLOWDOWN: u64 = 0x40;
const POWER_BRAKE: u64 = 0x80;

/// Memory in use, in MiB, that is more than a display and the driver itself take.
const MUCH_USED_MIB: f64 = 1024.0;
/// Utilization in percent that is more than a display causes.
const BUSY_PERCENT: f64 = 10.0;
/// Share of the highest clock below which an idle GPU's clock is not held there.
const HELD_SHARE: f64 = 0.9;

/// The GPU that the workers use; `None` where there is no driver.
pub fn gpu() -> Option<Gpu> {
    let without_reasons = &FIELDS[..FIELDS.len() - 1];
    let queries = [
        FIELDS.to_vec(),
        [without_reasons, &[OLD_CLOCK_REASONS]].concat(),
        without_reasons.to_vec(),
        FIELDS[..OLDEST_FIELDS].to_vec(),
    ];
    queries.iter().find_map(|fields| parse(&query(fields)?))
}

/// The folder in `cache` of all kernels that were compiled at run time.
pub fn kernels_folder(cache: &Path) -> PathBuf {
    cache.join("kernels")
}

/// The folder in `cache` of the kernels that `framework` of this version compiled for this machine's GPU.
///
/// The GPU is part of its name, since a cache may be shared by machines and a kernel's file does not tell what it was compiled
/// for; no process is started to ask for it.
pub fn kernels_folder_of(cache: &Path, framework: &str, version: &str) -> PathBuf {
    let gpu = linux::nvidia_gpu().map_or_else(|| "gpu".to_owned(), |gpu| slug(&gpu, 64));
    // Which of several GPUs it is.
    let visible =
        std::env::var("CUDA_VISIBLE_DEVICES").map_or_else(|_| String::new(), |it| format!("-{}", slug(&it, 64)));
    kernels_folder(cache).join(format!("{framework}-{}-{gpu}{visible}", slug(version, 32)))
}

fn query(fields: &[&str]) -> Option<String> {
    let query = format!("--query-gpu={}", fields.join(","));
    let index = std::env::var("CUDA_VISIBLE_DEVICES").ok().and_then(|visible| first_visible(&visible));
    let mut arguments = vec![query.as_str(), "--format=csv,noheader,nounits"];
    arguments.extend(index.iter().flat_map(|index| ["-i", index]));
    command::output("nvidia-smi", &arguments)
}

/// The first GPU of `CUDA_VISIBLE_DEVICES`, as `nvidia-smi -i` takes it.
fn first_visible(visible: &str) -> Option<String> {
    let first = visible.split(',').next()?.trim();
    let is_index = !first.is_empty() && first.bytes().all(|byte| byte.is_ascii_digit());
    (is_index || first.starts_with("GPU-")).then(|| first.to_owned())
}

/// The first line is the first GPU: the fields that were asked for, parted by commas.
fn parse(text: &str) -> Option<Gpu> {
    let mut fields = text.lines().next()?.split(',').map(str::trim);
    let name = fields.next().filter(|name| !name.is_empty())?.to_owned();
    let mut word = || fields.next().filter(|field| !field.starts_with('[')).map(str::to_owned);
    // Struct fields are evaluated in the order in which they are written: that of `FIELDS`.
    let gpu = Gpu {
        name,
        total_mib: number(word()),
        free_mib: number(word()),
        used_mib: number(word()),
        driver: word(),
        sm_clock_mhz: number(word()),
        max_sm_clock_mhz: number(word()),
        power_limit_watts: number(word()),
        temperature_celsius: number(word()),
        persistence: word(),
        utilization_percent: number(word()),
        clock_reasons: word().and_then(|mask| u64::from_str_radix(mask.strip_prefix("0x")?, 16).ok()),
    };
    // `No devices were found` has one field.
    text.lines().next()?.contains(',').then_some(gpu)
}

fn number(word: Option<String>) -> Option<f64> {
    word?.parse().ok().filter(|number: &f64| number.is_finite() && *number >= 0.0)
}

impl Gpu {
    /// Whether it has memory of its own, and does not share the host's.
    pub fn has_own_memory(&self) -> bool {
        self.total_mib.is_some()
    }

    /// Its name with its memory, such as `NVIDIA GeForce RTX 4090 24GB`. Names of some server GPUs tell the memory already.
    pub fn described(&self) -> String {
        match self.total_mib {
            Some(mib) if !self.name.contains("GB") => format!("{} {:.0}GB", self.name, mib / 1024.0),
            _ => self.name.clone(),
        }
    }

    /// Memory that nobody uses, in bytes.
    pub fn free_bytes(&self) -> Option<u64> {
        self.free_mib.map(|mib| (mib * f64::from(1 << 20)) as u64)
    }

    /// What distinguishes its kernels from another GPU's: its name and its driver.
    pub fn compiles_for(&self) -> String {
        format!("{} {}", self.name, self.driver.as_deref().unwrap_or("of an unknown driver"))
    }

    /// What of it decides the speed of a whole run, and is the same in the next one: its state of a moment is left out.
    pub fn settings(&self) -> BTreeMap<String, String> {
        let unit = |value: Option<f64>, unit: &str| value.map(|value| format!("{value:.0} {unit}"));
        let settings = [
            ("nvidia.driver", self.driver.clone()),
            ("nvidia.max_sm_clock", unit(self.max_sm_clock_mhz, "MHz")),
            ("nvidia.power_limit", unit(self.power_limit_watts, "W")),
            ("nvidia.persistence_mode", self.persistence.clone()),
        ];
        settings.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect()
    }

    /// What of it would spoil a measurement, and what it is.
    pub fn findings(&self) -> Vec<Finding> {
        let own = Finding::ok(Topic::Power, self.summary());
        let others = [self.heat(), self.power(), self.clocks(), self.use_by_others()];
        [own].into_iter().chain(others.into_iter().flatten()).collect()
    }

    /// `NVIDIA H200, 140 of 140 GiB free, driver 580.159.04, SM clock 345 of 1980 MHz, power limit 700 W, 34 °C`.
    fn summary(&self) -> String {
        let memory = self.total_mib.map(|total| match self.free_mib {
            Some(free) => format!("{:.0} of {:.0} GiB free", free / 1024.0, total / 1024.0),
            None => format!("{:.0} GiB", total / 1024.0),
        });
        let clock = match (self.sm_clock_mhz, self.max_sm_clock_mhz) {
            (Some(now), Some(max)) => Some(format!("SM clock {now:.0} of {max:.0} MHz")),
            (Some(now), None) => Some(format!("SM clock {now:.0} MHz")),
            (None, _) => None,
        };
        let parts = [
            Some(self.name.clone()),
            memory,
            self.driver.as_ref().map(|driver| format!("driver {driver}")),
            clock,
            self.power_limit_watts.map(|watts| format!("power limit {watts:.0} W")),
            self.temperature_celsius.map(|celsius| format!("{celsius:.0} °C")),
        ];
        parts.into_iter().flatten().collect::<Vec<_>>().join(", ")
    }

    fn is_slowed_by(&self, reasons: u64) -> bool {
        self.clock_reasons.is_some_and(|active| active & reasons != 0)
    }

    fn heat(&self) -> Option<Finding> {
        let way_out = "let it cool down, and check the airflow";
        self.is_slowed_by(THERMAL_SLOWDOWN | HARDWARE_THERMAL_SLOWDOWN)
            .then(|| Finding::warning(Topic::Heat, "the GPU is throttled by heat", way_out))
    }

    fn power(&self) -> Option<Finding> {
        let warning = |what: &str, way_out: &str| Some(Finding::warning(Topic::Power, what, way_out));
        if self.is_slowed_by(POWER_CAP) {
            let way_out = "quit what else uses it, or raise the limit: `sudo nvidia-smi -pl WATTS`";
            warning("the GPU is throttled by its power limit", way_out)
        } else if self.is_slowed_by(POWER_BRAKE) {
            warning("the GPU is throttled by the system's power supply", "check the power supply and its cables")
        } else if self.is_slowed_by(HARDWARE_SLOWDOWN) && self.heat().is_none() {
            let way_out = "look at `nvidia-smi -q -d PERFORMANCE`: it is slow for heat or for power";
            warning("the GPU's hardware halves its clock", way_out)
        } else {
            None
        }
    }

    /// An idle GPU whose clock went down has no clock that is held: no field tells more.
    fn clocks(&self) -> Option<Finding> {
        let (now, max) = (self.sm_clock_mhz?, self.max_sm_clock_mhz?);
        let what = format!("the GPU's clock follows its load: {now:.0} of {max:.0} MHz while it is idle");
        let way_out =
            "`sudo nvidia-smi -lgc MHZ` holds it at a value that it can keep; `sudo nvidia-smi -rgc` undoes that";
        (self.is_slowed_by(IDLE) && now < HELD_SHARE * max).then(|| Finding::note(Topic::Power, what, way_out))
    }

    fn use_by_others(&self) -> Option<Finding> {
        let busy = self.utilization_percent.filter(|percent| *percent >= BUSY_PERCENT);
        let used = self.used_mib.filter(|mib| *mib >= MUCH_USED_MIB);
        let parts = [
            busy.map(|percent| format!("are using {percent:.0}% of the GPU's time")),
            used.map(|mib| format!("hold {:.1} GiB of the GPU's memory", mib / 1024.0)),
        ];
        let parts: Vec<String> = parts.into_iter().flatten().collect();
        let what = format!("other programs {}", parts.join(" and "));
        let way_out = "wait for them or quit them; `nvidia-smi` lists them";
        (!parts.is_empty()).then(|| Finding::note(Topic::Load, what, way_out))
    }
}

#[cfg(test)]
mod tests {
    use super::super::Severity;
    use super::*;

    // Recorded from driver 580, and given a neighbour.
    const H200: &str = "NVIDIA H200, 143771, 143156, 0, 580.159.04, 345, 1980, 700.00, 34, Enabled, 0, 0x0000000000000001\n\
        NVIDIA A10G, 23028, 22000, 0, 580.159.04, 210, 1710, 300.00, 29, Enabled, 0, 0x0000000000000001\n";

    fn with(change: impl FnOnce(&mut Gpu)) -> Vec<(Topic, Severity, String)> {
        let mut gpu = parse(H200).unwrap();
        (gpu.sm_clock_mhz, gpu.clock_reasons) = (Some(1980.0), Some(0));
        change(&mut gpu);
        let findings = gpu.findings().into_iter().skip(1);
        findings.map(|finding| (finding.topic, finding.severity, finding.what)).collect()
    }

    #[test]
    fn the_first_gpu_is_told_in_one_line() {
        let findings = parse(H200).unwrap().findings();
        assert_eq!(findings[0].severity, Severity::Ok);
        assert_eq!(
            findings[0].what,
            "NVIDIA H200, 140 of 140 GiB free, driver 580.159.04, SM clock 345 of 1980 MHz, power limit 700 W, 34 °C"
        );
        assert_eq!(findings[1].what, "the GPU's clock follows its load: 345 of 1980 MHz while it is idle");
        assert_eq!((findings[1].severity, findings.len()), (Severity::Note, 2));
    }

    #[test]
    fn what_the_driver_does_not_tell_gives_no_finding() {
        let gpu = parse("NVIDIA GB10, [N/A], [N/A], [N/A], 580.95.05, [Unknown Error], [N/A], [N/A], [N/A], [N/A]\n");
        let findings = gpu.unwrap().findings();
        assert_eq!(
            findings.iter().map(|finding| finding.what.as_str()).collect::<Vec<_>>(),
            ["NVIDIA GB10, driver 580.95.05"]
        );
        let oldest = parse("NVIDIA H100 80GB HBM3, 81559\n").unwrap();
        assert_eq!(oldest.summary(), "NVIDIA H100 80GB HBM3, 80 GiB");
        for nothing in ["", "\n", "No devices were found\n", ", 3\n"] {
            assert_eq!(parse(nothing), None, "{nothing:?}");
        }
    }

    #[test]
    fn throttling_is_warned_of_by_its_reason() {
        let told = |reasons| with(|gpu| gpu.clock_reasons = Some(reasons));
        let warning = |topic, what: &str| vec![(topic, Severity::Warning, what.to_owned())];
        assert_eq!(told(0), []);
        assert_eq!(told(IDLE), [], "its clock is held");
        assert_eq!(told(POWER_CAP), warning(Topic::Power, "the GPU is throttled by its power limit"));
        for heat in [THERMAL_SLOWDOWN, HARDWARE_THERMAL_SLOWDOWN | HARDWARE_SLOWDOWN] {
            assert_eq!(told(heat), warning(Topic::Heat, "the GPU is throttled by heat"));
        }
        let brake = told(POWER_BRAKE | HARDWARE_SLOWDOWN);
        assert_eq!(brake, warning(Topic::Power, "the GPU is throttled by the system's power supply"));
        assert_eq!(told(HARDWARE_SLOWDOWN), warning(Topic::Power, "the GPU's hardware halves its clock"));
    }

    #[test]
    fn what_other_programs_take_is_noted() {
        let note = |what: &str| vec![(Topic::Load, Severity::Note, what.to_owned())];
        let told = |percent, mib| with(|gpu| (gpu.utilization_percent, gpu.used_mib) = (Some(percent), Some(mib)));
        assert_eq!(told(3.0, 400.0), [], "a display");
        assert_eq!(told(97.0, 400.0), note("other programs are using 97% of the GPU's time"));
        assert_eq!(told(0.0, 20480.0), note("other programs hold 20.0 GiB of the GPU's memory"));
        let both = "other programs are using 97% of the GPU's time and hold 20.0 GiB of the GPU's memory";
        assert_eq!(told(97.0, 20480.0), note(both));
    }

    #[test]
    fn a_gpu_is_named_with_its_memory_once() {
        let described = |text| parse(text).map(|gpu| gpu.described());
        assert_eq!(described("NVIDIA GeForce RTX 4090, 24564\n").as_deref(), Some("NVIDIA GeForce RTX 4090 24GB"));
        let two = "NVIDIA H100 80GB HBM3, 81559\nNVIDIA A10G, 23028\n";
        assert_eq!(described(two).as_deref(), Some("NVIDIA H100 80GB HBM3"));
        assert_eq!(described("NVIDIA GB10, [N/A]\n").as_deref(), Some("NVIDIA GB10"));
        assert_eq!(parse(H200).unwrap().free_bytes(), Some(143_156 << 20));
    }

    #[test]
    fn what_lasts_is_recorded_and_what_belongs_to_a_moment_is_not() {
        let settings = parse(H200).unwrap().settings();
        let settings: Vec<String> = settings.iter().map(|(name, value)| format!("{name}={value}")).collect();
        assert_eq!(
            settings,
            [
                "nvidia.driver=580.159.04",
                "nvidia.max_sm_clock=1980 MHz",
                "nvidia.persistence_mode=Enabled",
                "nvidia.power_limit=700 W"
            ]
        );
        assert_eq!(parse("NVIDIA GB10, [N/A]\n").unwrap().settings().len(), 0);
    }

    #[test]
    fn the_gpu_that_cuda_uses_is_asked_for() {
        assert_eq!(first_visible("1").as_deref(), Some("1"));
        assert_eq!(first_visible(" 2,0").as_deref(), Some("2"));
        assert_eq!(first_visible("GPU-8c2f8a37-1f0e").as_deref(), Some("GPU-8c2f8a37-1f0e"));
        for unknown in ["", ",1", "-1", "MIG-1", "all"] {
            assert_eq!(first_visible(unknown), None, "{unknown}");
        }
    }
}
