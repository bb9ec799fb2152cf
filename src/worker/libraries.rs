//! Whether the framework that was loaded is the one that this program was built for: the loader's environment variables lead
//! it to others.

use std::path::{Path, PathBuf};

use anyhow::{Result, bail};

/// Where a worker's framework lies.
#[derive(Clone, Copy, Debug)]
pub struct Libraries {
    /// The folder that it was linked with; `None` where it is a part of the program.
    pub folder: Option<&'static str>,
    /// Beginnings of the names of its files.
    pub names: &'static [&'static str],
}

/// Checks that every file of the framework that is loaded lies in its folder.
///
/// # Errors
/// The file that does not.
pub fn check(libraries: Libraries) -> Result<()> {
    let Some(folder) = libraries.folder else { return Ok(()) };
    match stranger(&loaded(), Path::new(folder), libraries.names) {
        None => Ok(()),
        Some(path) => bail!(
            "{} was loaded, which is not what this program was built for ({folder}): unset LD_LIBRARY_PATH and LD_PRELOAD (on \
             macOS DYLD_*), or `make build` again",
            path.display()
        ),
    }
}

/// The first of `loaded` that has one of `names` and lies elsewhere than in `folder`.
fn stranger<'a>(loaded: &'a [PathBuf], folder: &Path, names: &[&str]) -> Option<&'a PathBuf> {
    let canonical = |path: &Path| path.canonicalize().unwrap_or(path.to_owned());
    let folder = canonical(folder);
    loaded.iter().find(|path| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let is_of_framework = names.iter().any(|start| name.starts_with(start));
        is_of_framework && canonical(path.parent().unwrap_or(path)) != folder
    })
}

/// The files of the libraries in this process. Source: proc_pid_maps(5).
#[cfg(target_os = "linux")]
fn loaded() -> Vec<PathBuf> {
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap_or_default();
    let paths = maps.lines().filter_map(|line| Some(&line[line.find('/')?..]));
    paths.filter(|path| path.contains(".so")).map(PathBuf::from).collect()
}

/// The files of the libraries in this process. Source: dyld(3).
#[cfg(target_os = "macos")]
fn loaded() -> Vec<PathBuf> {
    use std::ffi::{CStr, OsStr};
    use std::os::unix::ffi::OsStrExt;

    use mach2::dyld;

    // SAFETY: an index below the count has a name, and no library is unloaded here.
    let name = |index| unsafe {
        let name = dyld::_dyld_get_image_name(index);
        (!name.is_null()).then(|| CStr::from_ptr(name))
    };
    // SAFETY: takes nothing.
    let count = unsafe { dyld::_dyld_image_count() };
    (0..count).filter_map(name).map(|name| OsStr::from_bytes(name.to_bytes()).into()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_of_the_framework_from_elsewhere_is_found() {
        let loaded: Vec<PathBuf> =
            ["/usr/lib/libc.so.6", "/pinned/libtorch.so", "/junk/libtorch_cpu.so"].map(Into::into).into();
        let names = ["libtorch", "libc10"];
        assert_eq!(stranger(&loaded, Path::new("/pinned"), &names), Some(&loaded[2]));
        assert_eq!(stranger(&loaded[..2], Path::new("/pinned"), &names), None);
    }

    #[test]
    fn the_libraries_of_this_process_are_seen() {
        assert!(loaded().iter().any(|path| path.to_string_lossy().contains("libc")), "{:?}", loaded());
    }
}
