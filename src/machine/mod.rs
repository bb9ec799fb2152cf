//! The machine: its fingerprint, and what about its present state would spoil a measurement.
//!
//! Everything read from the system is text first and judged by pure functions after, so that what only macOS or
//! only a laptop shows is tested everywhere. Nothing here fails: what the system does not report stays unknown.

mod awake;
mod cgroup;
mod command;
pub mod environment;
mod finding;
mod fitness;
mod linux;
mod lock;
mod macos;
mod memory;
mod nvidia;
mod outputs;

use std::fmt::Write;
use std::num::NonZero;

use serde::{Deserialize, Serialize};
use sysinfo::{CpuRefreshKind, MemoryRefreshKind, RefreshKind, System};

use crate::protocol::DeviceKind;
use crate::text::format;

pub use finding::{Finding, Severity, Topic};
pub use fitness::{fitness, survey};
pub use lock::{LockError, MeasuringLock};
pub use memory::available_bytes;
pub use nvidia::{Gpu, gpu as nvidia_gpu, kernels_folder, kernels_folder_of};
pub use outputs::{ToolOutput, outputs};

/// What decides a machine's speed; two machines of one fingerprint share baselines.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Machine {
    /// The processor's marketing name, such as `Apple M3 Ultra`.
    pub chip: String,
    /// Logical processors; `None` where a baseline was imported without knowing.
    pub cpu_cores: Option<usize>,
    /// Cores of an Apple GPU, or `None`.
    pub gpu_cores: Option<usize>,
    /// A discrete GPU's name, such as `NVIDIA H100`, or `None`.
    pub gpu: Option<String>,
    /// Memory in GiB, rounded.
    pub memory_gib: u64,
    /// `macos` or `linux`.
    pub os: String,
}

impl Machine {
    /// This machine.
    ///
    /// Runs `ioreg` on a Mac and `nvidia-smi` elsewhere, if they exist; of several NVIDIA GPUs the one counts that the
    /// workers use: the first, or the first of `CUDA_VISIBLE_DEVICES`.
    pub fn detect() -> Self {
        let mac = cfg!(target_os = "macos");
        let wanted = RefreshKind::nothing()
            .with_cpu(CpuRefreshKind::nothing())
            .with_memory(MemoryRefreshKind::nothing().with_ram());
        let system = System::new_with_specifics(wanted).ok();
        let brand = system.as_ref().and_then(|system| system.cpus().first()).map_or("", |cpu| cpu.brand());
        Self {
            chip: chip_name(brand),
            // What this process may use decides the speed: a container's share is a machine of its own.
            cpu_cores: std::thread::available_parallelism().ok().map(NonZero::get),
            gpu_cores: if mac { macos::gpu_cores() } else { None },
            gpu: if mac { None } else { nvidia_gpu().map(|gpu| gpu.described()).or_else(linux::nvidia_gpu) },
            memory_gib: gib_rounded(system.map_or(0, |system| system.total_memory())),
            os: std::env::consts::OS.to_owned(),
        }
    }

    /// As in the founding report, `Apple Silicon (Apple M3 Ultra), 512GB`, with the cores behind it.
    pub fn describe(&self) -> String {
        let platform = match self.os.as_str() {
            "macos" if self.chip.starts_with("Apple ") => "Apple Silicon",
            "macos" => "macOS",
            "linux" => "Linux",
            other => other,
        };
        let mut text = format!("{platform} ({}), {}GB", self.chip, self.memory_gib);
        let cores = [(self.cpu_cores, "logical CPU"), (self.gpu_cores, "GPU")];
        for (number, kind) in cores.into_iter().filter_map(|(number, kind)| Some((number?, kind))) {
            let _ = write!(text, ", {}", format::count(number, &format!("{kind} core")));
        }
        if let Some(gpu) = &self.gpu {
            let _ = write!(text, ", GPU {gpu}");
        }
        text
    }

    /// Whether the workers find a GPU to run on: Apple's own under macOS, or an NVIDIA one.
    pub fn has_gpu(&self) -> bool {
        self.is_apple_silicon_mac() || self.gpu.is_some()
    }

    /// The device that `auto` means on this machine.
    pub fn default_device(&self) -> DeviceKind {
        if self.has_gpu() { DeviceKind::Gpu } else { DeviceKind::Cpu }
    }

    /// The name of this machine's baseline when `device` runs, such as `apple-m3-ultra-512gb`.
    ///
    /// Holds only `a` to `z`, `0` to `9`, `.` and `-`, begins with a letter or digit, has at most 200 bytes. A device
    /// other than the machine's default is named at the end.
    pub fn name(&self, device: DeviceKind) -> String {
        let apple = self.is_apple_silicon_mac();
        let mut parts = vec![slug(&self.chip, 64)];
        if !apple {
            parts.extend(self.cpu_cores.map(|cores| format!("{cores}cpu")));
        }
        parts.extend(self.gpu_cores.map(|cores| format!("{cores}gpu")));
        parts.push(format!("{}gb", self.memory_gib));
        parts.extend(self.gpu.as_deref().map(|gpu| slug(gpu, 48)));
        if !apple {
            parts.push(slug(&self.os, 16));
        }
        if device != self.default_device() {
            parts.push(device.name().to_owned());
        }
        parts.retain(|part| !part.is_empty());
        parts.join("-")
    }

    /// Whether all that this (a baseline's) machine knows is so on `other`; what either does not know agrees.
    ///
    /// Elsewhere than on a Mac the memory may differ by 1 GiB: the kernel keeps a share that changes with its version,
    /// so the rest rounds one way or the other.
    pub fn agrees_with(&self, other: &Self) -> bool {
        let slack = if self.os == "macos" { 0 } else { 1 };
        self.chip == other.chip
            && self.os == other.os
            && self.memory_gib.abs_diff(other.memory_gib) <= slack
            && known_agree(&self.cpu_cores, &other.cpu_cores)
            && known_agree(&self.gpu_cores, &other.gpu_cores)
            && known_agree(&self.gpu, &other.gpu)
    }

    fn is_apple_silicon_mac(&self) -> bool {
        self.os == "macos" && self.chip.starts_with("Apple ")
    }
}

fn known_agree<T: PartialEq>(one: &Option<T>, other: &Option<T>) -> bool {
    match (one, other) {
        (Some(one), Some(other)) => one == other,
        _ => true,
    }
}

/// The system's name for the processor, or a stand-in where it gives none, as on some Arm boards.
fn chip_name(brand: &str) -> String {
    let brand = brand.split_whitespace().collect::<Vec<_>>().join(" ");
    if brand.is_empty() { format!("unknown {} processor", std::env::consts::ARCH) } else { brand }
}

/// Bytes as the nearest number of GiB.
fn gib_rounded(bytes: u64) -> u64 {
    const GIB: u64 = 1 << 30;
    (bytes + GIB / 2) / GIB
}

/// `text` as a part of a file name of at most `limit` bytes, or `unknown` if no usable character is in it.
fn slug(text: &str, limit: usize) -> String {
    let text = text.to_lowercase().replace("(r)", "").replace("(tm)", "");
    let mut slug = String::new();
    for character in text.chars() {
        match character {
            'a'..='z' | '0'..='9' => slug.push(character),
            // A point is for `2.80ghz`; at a part's start it would hide a file or lead out of the folder.
            '.' if slug.ends_with(|last: char| last.is_ascii_alphanumeric()) => slug.push('.'),
            _ if !slug.is_empty() && !slug.ends_with(['-', '.']) => slug.push('-'),
            _ => {}
        }
    }
    slug.truncate(limit);
    let slug = slug.trim_end_matches(['-', '.']);
    if slug.is_empty() { "unknown".to_owned() } else { slug.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn m3_ultra(gpu_cores: Option<usize>) -> Machine {
        Machine {
            chip: "Apple M3 Ultra".into(),
            cpu_cores: None,
            gpu_cores,
            gpu: None,
            memory_gib: 512,
            os: "macos".into(),
        }
    }

    fn xeon(gpu: Option<&str>) -> Machine {
        Machine {
            chip: "Intel(R) Xeon(R) Processor @ 2.80GHz".into(),
            cpu_cores: Some(2),
            gpu_cores: None,
            gpu: gpu.map(str::to_owned),
            memory_gib: 23,
            os: "linux".into(),
        }
    }

    #[test]
    fn names_of_macs_tell_the_gpu_cores_where_known() {
        assert_eq!(m3_ultra(None).name(DeviceKind::Gpu), "apple-m3-ultra-512gb");
        assert_eq!(m3_ultra(Some(80)).name(DeviceKind::Gpu), "apple-m3-ultra-80gpu-512gb");
        assert_eq!(m3_ultra(Some(80)).name(DeviceKind::Cpu), "apple-m3-ultra-80gpu-512gb-cpu");
    }

    #[test]
    fn names_elsewhere_tell_processors_gpu_and_system() {
        assert_eq!(xeon(None).name(DeviceKind::Cpu), "intel-xeon-processor-2.80ghz-2cpu-23gb-linux");
        let h100 = xeon(Some("NVIDIA H100 80GB HBM3"));
        let name = "intel-xeon-processor-2.80ghz-2cpu-23gb-nvidia-h100-80gb-hbm3-linux";
        assert_eq!(h100.name(DeviceKind::Gpu), name);
        assert_eq!(h100.name(DeviceKind::Cpu), format!("{name}-cpu"));
        let intel_mac = Machine { os: "macos".into(), ..xeon(None) };
        assert_eq!(intel_mac.name(DeviceKind::Cpu), "intel-xeon-processor-2.80ghz-2cpu-23gb-macos");
    }

    #[test]
    fn a_gpu_that_was_not_seen_gets_a_name_of_its_own() {
        assert_ne!(xeon(None).name(DeviceKind::Gpu), xeon(None).name(DeviceKind::Cpu));
    }

    #[test]
    fn whatever_the_chip_the_name_is_a_plain_file_name() {
        let long = "x".repeat(5000);
        for chip in ["", "../../etc/passwd", "..", ".hidden", "龍芯 3A5000", "a/b\\c\0d\n", "(R)(TM)", "-.-", &long] {
            let machine = Machine {
                chip: chip.to_owned(),
                cpu_cores: Some(usize::MAX),
                gpu_cores: Some(usize::MAX),
                gpu: Some(long.clone()),
                memory_gib: u64::MAX,
                os: "../x".to_owned(),
            };
            for device in [DeviceKind::Cpu, DeviceKind::Gpu] {
                let name = machine.name(device);
                assert!(name.starts_with(|first: char| first.is_ascii_alphanumeric()), "{name}");
                let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || ".-".contains(c);
                assert!(name.chars().all(allowed), "{name}");
                assert!(!name.contains("..") && !name.contains("--") && name.len() <= 200, "{name}");
            }
        }
    }

    #[test]
    fn an_imported_baseline_fits_any_m3_ultra_of_its_memory() {
        let imported = m3_ultra(None);
        let measured = Machine { cpu_cores: Some(32), ..m3_ultra(Some(80)) };
        assert!(imported.agrees_with(&measured));
        assert!(!imported.agrees_with(&Machine { memory_gib: 511, ..measured.clone() }));
        assert!(!imported.agrees_with(&Machine { chip: "Apple M3 Max".into(), ..measured.clone() }));
        assert!(!imported.agrees_with(&Machine { os: "linux".into(), ..measured.clone() }));
        assert!(!measured.agrees_with(&Machine { gpu_cores: Some(60), ..measured.clone() }));
        assert!(!measured.agrees_with(&Machine { cpu_cores: Some(28), ..measured.clone() }));
    }

    #[test]
    fn a_kernel_that_keeps_a_little_more_memory_is_the_same_machine() {
        assert!(xeon(None).agrees_with(&Machine { memory_gib: 24, ..xeon(None) }));
        assert!(!xeon(None).agrees_with(&Machine { memory_gib: 25, ..xeon(None) }));
        assert!(!xeon(Some("NVIDIA A10G")).agrees_with(&xeon(Some("NVIDIA H100 80GB HBM3"))));
    }

    #[test]
    fn this_machine_is_seen_and_the_same_twice() {
        let machine = Machine::detect();
        assert!(!machine.chip.is_empty() && machine.memory_gib > 0 && machine.cpu_cores.is_some(), "{machine:?}");
        assert_eq!(machine, Machine::detect());
        assert!(machine.agrees_with(&machine));
    }
}
