//! What the control groups of Linux leave of the machine's memory: the tightest of the group of this process and all around
//! it, as a container or a service with `MemoryMax=` has.
//!
//! Source: Documentation/admin-guide/cgroup-v2.rst and cgroup-v1/memory.rst.

use std::fs;
use std::path::{Path, PathBuf};

/// A limit on memory and what is left of it, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit {
    /// The most that the group may hold.
    pub limit_bytes: u64,
    /// What it may still take, with the file cache that the system would drop for it.
    pub left_bytes: u64,
}

/// The files of one version of control groups.
struct Files {
    limit: &'static str,
    used: &'static str,
    /// The key in `memory.stat` of the file cache that is dropped first.
    cache: &'static str,
}

const V1: Files = Files { limit: "memory.limit_in_bytes", used: "memory.usage_in_bytes", cache: "total_inactive_file" };
const V2: Files = Files { limit: "memory.max", used: "memory.current", cache: "inactive_file" };

/// The tightest limit on this process; `None` where there is none.
pub fn memory_limit() -> Option<Limit> {
    let groups = fs::read_to_string("/proc/self/cgroup").ok()?;
    tightest(&groups, Path::new("/sys/fs/cgroup"))
}

/// The tightest limit of the groups that `groups`, a `/proc/PID/cgroup`, names below `root`.
fn tightest(groups: &str, root: &Path) -> Option<Limit> {
    let limits = groups.lines().flat_map(|line| {
        let mut fields = line.splitn(3, ':').skip(1);
        let (controllers, path) = (fields.next().unwrap_or_default(), fields.next().unwrap_or_default());
        match controllers {
            "" => around(root, path, &V2),
            _ if controllers.split(',').any(|it| it == "memory") => around(&root.join("memory"), path, &V1),
            _ => Vec::new(),
        }
    });
    limits.min_by_key(|limit| limit.left_bytes)
}

/// The limits of the group `path` below `root` and of all around it.
fn around(root: &Path, path: &str, files: &Files) -> Vec<Limit> {
    // In a container with a view of its own, the path may lead out of what is mounted: the root is then its own group.
    let path = Path::new(path.trim_start_matches('/'));
    let is_below = path.components().all(|part| matches!(part, std::path::Component::Normal(_)));
    let group = if is_below { root.join(path) } else { root.to_owned() };
    let groups = group.ancestors().take_while(|group| group.starts_with(root)).map(Path::to_owned);
    groups.filter_map(|group: PathBuf| limit(&group, files)).collect()
}

fn limit(group: &Path, files: &Files) -> Option<Limit> {
    let number = |name: &str| fs::read_to_string(group.join(name)).ok()?.trim().parse::<u64>().ok();
    // `max` is no number, and version 1 writes one that no machine has.
    let limit_bytes = number(files.limit).filter(|limit| *limit < 1 << 60)?;
    let used = number(files.used).unwrap_or(0);
    let stat = fs::read_to_string(group.join("memory.stat")).unwrap_or_default();
    let cache = stat.lines().find_map(|line| line.strip_prefix(files.cache)?.trim().parse().ok()).unwrap_or(0);
    Some(Limit { limit_bytes, left_bytes: limit_bytes.saturating_sub(used.saturating_sub(cache)) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn group(folder: &Path, files: &[(&str, &str)]) {
        fs::create_dir_all(folder).unwrap();
        for (name, text) in files {
            fs::write(folder.join(name), text).unwrap();
        }
    }

    #[test]
    fn the_tightest_group_around_the_process_counts() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path();
        group(
            &path.join("a"),
            &[("memory.max", "1000\n"), ("memory.current", "900\n"), ("memory.stat", "file 500\ninactive_file 300\n")],
        );
        group(&path.join("a/b"), &[("memory.max", "max\n"), ("memory.current", "10\n")]);
        group(&path.join("c"), &[("memory.max", "7\n")]);
        let nested = tightest("0::/a/b\n", path);
        assert_eq!(nested, Some(Limit { limit_bytes: 1000, left_bytes: 400 }));
        group(&path.join("a/b"), &[("memory.max", "50\n")]);
        assert_eq!(tightest("0::/a/b\n", path).unwrap().left_bytes, 40);
        assert_eq!(tightest("0::/none\n", path), None);
        assert_eq!(tightest("0::/../../c\n", path), None, "what is not mounted is not guessed");
    }

    #[test]
    fn version_one_is_read_by_its_own_names() {
        let root = tempfile::tempdir().unwrap();
        let files = [
            ("memory.limit_in_bytes", "100"),
            ("memory.usage_in_bytes", "80"),
            ("memory.stat", "total_inactive_file 5\n"),
        ];
        group(&root.path().join("memory/docker"), &files);
        group(&root.path().join("memory"), &[("memory.limit_in_bytes", "9223372036854771712")]);
        let groups = "3:cpu,cpuacct:/docker\n2:memory:/docker\n0::/\n";
        assert_eq!(tightest(groups, root.path()), Some(Limit { limit_bytes: 100, left_bytes: 25 }));
    }
}
