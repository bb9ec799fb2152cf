//! The memory that a device has left at this moment: what a network is to fit into.

use sysinfo::{MemoryRefreshKind, RefreshKind, System};

use super::{cgroup, macos, nvidia};
use crate::protocol::DeviceKind;

/// Bytes that a process could take on `device` now; `None` where the system does not tell.
///
/// On a CPU it is what the system could free without swapping, within the limits of a container. Apple's GPU shares that
/// memory, and may hold a part of it. An NVIDIA GPU has its own, and where it has none, its driver says so.
pub fn available_bytes(device: DeviceKind) -> Option<u64> {
    let wanted = RefreshKind::nothing().with_memory(MemoryRefreshKind::nothing().with_ram());
    let system = System::new_with_specifics(wanted).ok()?;
    let left = cgroup::memory_limit().map(|limit| limit.left_bytes);
    let host = left.into_iter().fold(free_bytes(&system), u64::min);
    match device {
        DeviceKind::Cpu => Some(host),
        DeviceKind::Gpu if cfg!(target_os = "macos") => Some(host.min(macos::gpu_limit_bytes(system.total_memory()))),
        DeviceKind::Gpu => {
            let gpu = nvidia::gpu()?;
            if gpu.has_own_memory() { gpu.free_bytes() } else { Some(host) }
        }
    }
}

/// Bytes that the system could give without swapping or compressing. On a Mac `sysinfo` counts what programs use and did not touch for a
/// while as available; what is left of the whole beside what is used is not more than there is.
pub(super) fn free_bytes(system: &System) -> u64 {
    match cfg!(target_os = "macos") {
        true => system.total_memory().saturating_sub(system.used_memory()),
        false => system.available_memory(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machine_has_memory_and_not_more_than_it_says() {
        let total = super::super::Machine::detect().memory_gib + 1;
        let available = available_bytes(DeviceKind::Cpu).unwrap();
        assert!(available > 0 && available <= total << 30, "{available}");
    }
}
