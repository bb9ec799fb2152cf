//! Where the configuration is if none is named.

use std::path::{Path, PathBuf};

use crate::files::read::{self, Limit};

/// The names of a configuration; the second is one that others use, too.
pub const NAMES: [&str; 2] = ["wanbench.toml", "config.toml"];

/// The configuration for somebody in `folder`: the first upwards from there, up to the root of the repository. Where there is
/// none, the one that could be.
pub fn find(folder: &Path) -> PathBuf {
    let mut place = PathBuf::new();
    loop {
        let here = folder.join(&place);
        if let Some(name) = in_folder(&here) {
            return place.join(name);
        }
        let is_root = here.join(".git").exists() || here.canonicalize().is_ok_and(|here| here.parent().is_none());
        if is_root || !here.is_dir() {
            return NAMES[0].into();
        }
        place.push("..");
    }
}

/// The name of the configuration in `folder` itself; of both, the one that is ours alone.
pub fn in_folder(folder: &Path) -> Option<&'static str> {
    let is_there = |name: &&str| {
        let path = folder.join(name);
        let is_ours = || read::text(&path, Limit::CONFIGURATION).is_ok_and(|text| defines_suites(&text));
        path.is_file() && (*name == NAMES[0] || is_ours())
    };
    NAMES.into_iter().find(is_there)
}

/// Whether a text has a table of suites, be it valid or not; a config.toml that has none belongs to another tool.
pub fn defines_suites(text: &str) -> bool {
    text.lines().map(str::trim_start).any(|line| {
        let key = line.trim_start_matches('[').trim_start();
        let ends = |rest: &str| {
            let rest = rest.trim_start();
            rest.starts_with(['.', ']'])
                || rest.strip_prefix('=').is_some_and(|value| value.trim_start().starts_with('{'))
        };
        ["suites", "default_suite"].iter().any(|table| key.strip_prefix(table).is_some_and(ends))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_configuration_is_found_upwards_to_the_repositorys_root() {
        let folder = tempfile::tempdir().unwrap();
        let write = |path: &str, text: &str| {
            let path = folder.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        };
        let found = |place: &str| find(&folder.path().join(place)).display().to_string();
        write("config.toml", "[suites.outside]");
        write("site/.git/HEAD", "");
        write("site/config.toml", "baseURL = \"/\"");
        write("site/bench/deep/file", "");
        assert_eq!(found("site/bench/deep"), "wanbench.toml", "neither Hugo's nor one outside the repository");
        write("site/wanbench.toml", "");
        assert_eq!(found("site/bench/deep"), "../../wanbench.toml");
        assert_eq!(found("site"), "wanbench.toml");
        write("site/bench/config.toml", "  [ suites.near ]\nbroken");
        assert_eq!(found("site/bench/deep"), "../config.toml");
        write("site/tests/config.toml", "suites_dir = 3\nsuites = [\"a\"]");
        assert_eq!(found("site/tests"), "../wanbench.toml");
        write("site/bench/wanbench.toml", "");
        assert_eq!(found("site/bench/deep"), "../wanbench.toml");
        assert_eq!(found("site/no-such-folder"), "wanbench.toml");
    }
}
