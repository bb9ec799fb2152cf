//! The peak memory of this process, by the figure that sees what the GPU took too.

/// Peak resident set of this process in bytes, or `None` where the system does not tell.
///
/// `VmHWM` belongs to this program's address space alone; `ru_maxrss` would start from the parent's.
/// Source: proc_pid_status(5).
#[cfg(target_os = "linux")]
pub fn process_peak_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kib: u64 = line.trim().strip_suffix(" kB")?.parse().ok()?;
    Some(kib * 1024)
}

/// Lifetime maximum of this process's physical footprint in bytes, or `None` where the system does not tell.
///
/// The footprint counts Metal allocations, which `ru_maxrss` misses. Source: `proc_pid_rusage` in libproc.h.
#[cfg(target_os = "macos")]
pub fn process_peak_bytes() -> Option<u64> {
    let mut info = std::mem::MaybeUninit::<libc::rusage_info_v4>::zeroed();
    // SAFETY: the flavor names the struct that the pointer leads to, and zeroes are a valid value of it.
    let info = unsafe {
        let pid = libc::getpid();
        if libc::proc_pid_rusage(pid, libc::RUSAGE_INFO_V4, info.as_mut_ptr().cast()) != 0 {
            return None;
        }
        info.assume_init()
    };
    Some(info.ri_lifetime_max_phys_footprint)
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_peak_grows_with_touched_memory() {
        let before = super::process_peak_bytes().unwrap();
        let touched = std::hint::black_box(vec![1u8; 64 << 20]);
        let after = super::process_peak_bytes().unwrap();
        assert!(after >= before);
        assert!(after >= touched.len() as u64, "{after}");
    }
}
