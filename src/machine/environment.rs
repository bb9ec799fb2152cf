//! What surrounds the workers and decides figures as the machine does: environment variables that change what a framework
//! does, and the settings of an NVIDIA GPU.

use std::collections::BTreeMap;

use super::finding::{Finding, Topic};
use super::{macos, nvidia};
use crate::protocol::DeviceKind;

/// Beginnings of the names of variables that frameworks read.
const FRAMEWORKS: [&str; 3] = ["MLX_", "PYTORCH_", "OMP_"];
/// The end of the names by which every library of linear algebra limits its threads.
const THREADS: &str = "_NUM_THREADS";
/// Beginnings of the names by which the system's loader is led to other libraries. They may be needed to find a GPU's
/// driver, so no worker goes without them; the built-in ones check what was loaded.
const LOADER: [&str; 2] = ["LD_LIBRARY_PATH", "DYLD_"];
/// Characters of a value that are kept.
const LONGEST_VALUE: usize = 500;

/// The variables that the built-in workers run without, so that their figures do not depend on who starts them.
pub fn kept_from_built_in() -> impl Iterator<Item = String> {
    names().filter(|name| is_read_by_frameworks(name))
}

/// What a run's record keeps: the variables that reach the workers; where they run on an NVIDIA GPU its settings, whose names begin
/// with `nvidia.`; and on a Mac the system's version, which decides what a kernel is compiled to (`macos.`).
pub fn recorded(device: DeviceKind, has_own: bool) -> BTreeMap<String, String> {
    let mut recorded = reaching_workers(has_own);
    if device == DeviceKind::Gpu {
        recorded.extend(nvidia::gpu().map(|gpu| gpu.settings()).unwrap_or_default());
    }
    if cfg!(target_os = "macos") {
        recorded.extend(macos::versions());
    }
    recorded
}

/// The variables that reach the workers and may change what they do, with their values; `has_own` tells whether one of the
/// workers is the user's own, which gets all of them.
fn reaching_workers(has_own: bool) -> BTreeMap<String, String> {
    let reaches = |name: &String| is_read_by_loader(name) || (has_own && is_read_by_frameworks(name));
    let value = |name: &String| std::env::var_os(name).unwrap_or_default().to_string_lossy().into_owned();
    let kept = |name: String| (value(&name).chars().take(LONGEST_VALUE).collect(), name);
    names().filter(reaches).map(kept).map(|(value, name)| (name, value)).collect()
}

/// What of them is set now.
pub fn survey() -> Option<Finding> {
    let names: Vec<String> = kept_from_built_in().collect();
    let what = format!("set and kept from the built-in workers: {}", names.join(", "));
    let way_out =
        "unset them, or measure with them by a backend's command: [\"env\", \"NAME=VALUE\", \"wanbench-torch\"]";
    (!names.is_empty()).then(|| Finding::note(Topic::Host, what, way_out))
}

fn names() -> impl Iterator<Item = String> {
    std::env::vars_os().filter_map(|(name, _)| name.into_string().ok())
}

fn is_read_by_frameworks(name: &str) -> bool {
    FRAMEWORKS.iter().any(|start| name.starts_with(start)) || name.ends_with(THREADS)
}

fn is_read_by_loader(name: &str) -> bool {
    LOADER.iter().any(|start| name.starts_with(start))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_variables_that_matter_are_known_by_their_names() {
        for name in ["MLX_METAL_JIT", "PYTORCH_ENABLE_MPS_FALLBACK", "OMP_PROC_BIND", "OPENBLAS_NUM_THREADS"] {
            assert!(is_read_by_frameworks(name) && !is_read_by_loader(name), "{name}");
        }
        for name in ["LD_LIBRARY_PATH", "DYLD_INSERT_LIBRARIES"] {
            assert!(is_read_by_loader(name) && !is_read_by_frameworks(name), "{name}");
        }
        assert!(!["PATH", "HOME", "NUM_THREADS_MAX"].iter().any(|name| is_read_by_frameworks(name)));
    }
}
