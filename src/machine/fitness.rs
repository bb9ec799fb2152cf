//! What would spoil a measurement now, each with the way out.
//!
//! Cheap enough to ask before every check: files and one command on Linux, six short commands on macOS. What the system does not
//! tell is left out, never guessed.

use sysinfo::{CpuRefreshKind, MemoryRefreshKind, RefreshKind, System};

use super::Gpu;
use super::finding::{Finding, Severity, Topic, processors};
use super::memory::free_bytes;
use super::{cgroup, environment, linux, macos, nvidia};

/// What would spoil a measurement now: the notes and warnings of [`survey`].
pub fn fitness() -> Vec<Finding> {
    survey().into_iter().filter(|finding| finding.severity > Severity::Ok).collect()
}

/// All that the system tells about its state, the good included, ordered by topic.
pub fn survey() -> Vec<Finding> {
    let mut findings = if cfg!(target_os = "macos") { macos::survey() } else { linux::survey() };
    findings.extend(nvidia::gpu().iter().flat_map(Gpu::findings));
    findings.extend(everywhere());
    findings.extend(environment::survey());
    findings.sort_by_key(|finding| finding.topic);
    findings
}

/// The findings that are read alike on every system.
fn everywhere() -> Vec<Finding> {
    let mut findings = Vec::new();
    let wanted =
        RefreshKind::nothing().with_cpu(CpuRefreshKind::nothing()).with_memory(MemoryRefreshKind::everything());
    if let Ok(system) = System::new_with_specifics(wanted) {
        if let Ok(average) = System::load_average() {
            findings.push(load(average.one, system.cpus().len(), running()));
        }
        let limit = cgroup::memory_limit();
        let available = limit.iter().fold(free_bytes(&system), |free, limit| free.min(limit.left_bytes));
        let total = limit.iter().fold(system.total_memory(), |all, limit| all.min(limit.limit_bytes));
        findings.push(free_memory(available, total));
        findings.extend(swap(system.used_swap(), system.total_memory()));
    }
    findings
}

/// Other threads, on a Mac processes, that run at this moment, if the system tells.
fn running() -> Option<usize> {
    if cfg!(target_os = "macos") { macos::running_processes() } else { linux::running_threads() }
}

/// Judges the load average of the last minute; `running` other threads run at this moment, if the system tells.
///
/// The average still carries what ended a minute ago, such as the build that `make check` begins with: where no other
/// thread runs now it is only noted.
fn load(one_minute: f64, cores: usize, running: Option<usize>) -> Finding {
    let what = format!("load average {one_minute:.1} over the last minute on {}", processors(cores));
    if one_minute <= (0.25 * cores as f64).max(0.5) {
        return Finding::ok(Topic::Load, what);
    }
    let way_out = "wait until other programs have finished; `top` lists them";
    match running {
        Some(0) => Finding::note(Topic::Load, what + ", although nothing else is running now", way_out),
        _ => Finding::warning(Topic::Load, what, way_out),
    }
}

/// Judges memory in bytes: below a tenth or 2 GiB the system begins to compress, drop caches or swap.
fn free_memory(available: u64, total: u64) -> Finding {
    let what = format!("{} of {} memory available", gib(available), gib(total));
    if available < (total / 10).max(2 << 30) {
        Finding::warning(Topic::Memory, what, "quit programs that use memory; `top` lists them")
    } else {
        Finding::ok(Topic::Memory, what)
    }
}

/// Judges swap in use, in bytes. A little is long-idle programs, which cost nothing.
fn swap(used: u64, total_memory: u64) -> Option<Finding> {
    let way_out = "quit programs that use memory, or restart the machine";
    let what = || format!("{} of swap in use", gib(used));
    (used > total_memory / 4).then(|| Finding::warning(Topic::Memory, what(), way_out))
}

fn gib(bytes: u64) -> String {
    format!("{:.1} GiB", bytes as f64 / (1u64 << 30) as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    const GIB: u64 = 1 << 30;

    #[test]
    fn load_is_judged_by_the_processors() {
        assert_eq!(load(0.4, 2, Some(3)).severity, Severity::Ok);
        assert_eq!(load(1.1, 2, Some(1)).severity, Severity::Warning);
        assert_eq!(load(1.1, 2, None).severity, Severity::Warning);
        assert_eq!(load(6.9, 28, None).severity, Severity::Ok);
        assert_eq!(load(7.1, 28, None).severity, Severity::Warning);
    }

    #[test]
    fn the_load_of_a_build_that_just_ended_is_only_noted() {
        assert_eq!(load(2.1, 2, Some(0)).severity, Severity::Note);
    }

    #[test]
    fn little_memory_is_a_tenth_or_two_gib() {
        assert_eq!(free_memory(52 * GIB, 512 * GIB).severity, Severity::Ok);
        assert_eq!(free_memory(50 * GIB, 512 * GIB).severity, Severity::Warning);
        assert_eq!(free_memory(GIB, 8 * GIB).severity, Severity::Warning);
        assert_eq!(free_memory(3 * GIB, 8 * GIB).what, "3.0 GiB of 8.0 GiB memory available");
    }

    #[test]
    fn only_much_swap_is_told() {
        assert_eq!(swap(GIB, 8 * GIB), None);
        assert_eq!(swap(0, 0), None);
        assert_eq!(swap(3 * GIB, 8 * GIB).unwrap().severity, Severity::Warning);
    }

    #[test]
    fn every_note_and_warning_has_a_way_out() {
        let findings = survey();
        for finding in &findings {
            assert_eq!(finding.way_out.is_empty(), finding.severity == Severity::Ok, "{finding:?}");
            assert!(!finding.what.ends_with('.') && !finding.what.contains('\n'), "{finding:?}");
        }
        assert!(findings.is_sorted_by_key(|finding| finding.topic));
    }
}
