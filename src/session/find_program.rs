//! Where a program is, as a shell would find it.

use std::env;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// The path of the program `command`: the command itself if it names a folder, else the first executable of that name in
/// `PATH`.
pub fn find_program(command: &str) -> Option<PathBuf> {
    let runs = |path: &Path| path.metadata().is_ok_and(|file| file.is_file() && file.permissions().mode() & 0o111 != 0);
    if command.contains('/') {
        return Some(PathBuf::from(command)).filter(|path| runs(path));
    }
    let folders = env::var_os("PATH")?;
    env::split_paths(&folders).map(|folder| folder.join(command)).find(|path| runs(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_are_found_by_path_or_by_name() {
        assert!(find_program("sh").unwrap().ends_with("sh"));
        assert_eq!(find_program("/bin/sh"), Some("/bin/sh".into()));
        assert_eq!(find_program("wanbench-has-no-such-command"), None);
        assert_eq!(find_program("/etc/passwd"), None);
        assert_eq!(find_program("/tmp"), None);
        assert_eq!(find_program(""), None);
    }
}
