//! Whose repository this is and which version it has stands in Cargo.toml alone; documents and templates follow.

use std::process::Command;

use regex::Regex;

const REPOSITORY: &str = env!("CARGO_PKG_REPOSITORY");

/// The committed texts by their paths, without what others wrote.
fn texts() -> Vec<(String, String)> {
    let output = Command::new("git").args(["ls-files", "-z"]).current_dir(env!("CARGO_MANIFEST_DIR")).output().unwrap();
    let files = String::from_utf8(output.stdout).unwrap();
    let of_ours = files.split('\0').filter(|path| !path.is_empty() && !path.ends_with("package-lock.json"));
    let read = |path: &str| {
        let text = std::fs::read_to_string(format!("{}/{path}", env!("CARGO_MANIFEST_DIR"))).ok()?;
        Some((path.to_owned(), text))
    };
    let texts: Vec<(String, String)> = of_ours.filter_map(read).collect();
    assert!(texts.iter().any(|(path, _)| path == "README.md"), "a checkout has its files");
    texts
}

#[test]
fn every_address_of_this_repository_is_the_one_in_the_manifest() {
    let address = Regex::new(r"github\.com/([^/\s]+)/wanbench\b").unwrap();
    let owner = address.captures(REPOSITORY).expect("a repository on GitHub, called wanbench")[1].to_owned();
    for (path, text) in texts().iter().filter(|(path, _)| !path.starts_with("tests/")) {
        for found in address.captures_iter(text) {
            assert_eq!(found[1], owner, "{path}");
        }
    }
}

#[test]
fn readme_installs_from_there() {
    let readme = include_str!("../../README.md");
    let line = format!("curl -fsSL {REPOSITORY}/releases/latest/download/install.sh | sh");
    assert!(readme.contains(&line), "README.md lacks: {line}");
    let line = format!("cargo binstall --git {REPOSITORY} wanbench");
    assert!(readme.contains(&line), "README.md lacks: {line}");
}

#[test]
fn the_version_stands_in_the_manifest_and_the_changelog_alone() {
    let version = env!("CARGO_PKG_VERSION");
    let is_ours = |path: &str| {
        let root = ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "action.yml", "Makefile"];
        root.contains(&path)
            || ["docs/", "release/", ".github/", "src/commands/init/"].iter().any(|it| path.starts_with(it))
    };
    // A version of something else may have the same digits: ours stands after a v or after the program's name.
    let ours = Regex::new(&format!(r"(v|wanbench[ -]){}\b", regex::escape(version))).unwrap();
    for (path, text) in texts().iter().filter(|(path, _)| is_ours(path)) {
        assert!(!ours.is_match(text), "{path} holds the version {version}");
    }
    let tag = format!("v{version}");
    let notes = Command::new(concat!(env!("CARGO_MANIFEST_DIR"), "/release/version.sh")).arg(tag).output().unwrap();
    assert!(notes.status.success() && !notes.stdout.is_empty(), "{}", String::from_utf8_lossy(&notes.stderr));
}

#[test]
fn what_cargo_binstall_looks_for_is_what_is_packed() {
    let manifest: toml::Table = include_str!("../../Cargo.toml").parse().unwrap();
    let binstall = &manifest["package"]["metadata"]["binstall"];
    let (archive, installer) = (include_str!("../../release/archive.sh"), include_str!("../../release/install.sh"));
    let name =
        |text: &str, version: &str, target: &str| text.replace("{ version }", version).replace("{ target }", target);
    let url = binstall["pkg-url"].as_str().unwrap();
    assert!(archive.contains("name=wanbench-v$version-$target\n") && archive.contains("$folder/$name.tar.gz"));
    assert_eq!(
        name(url, "$version", "$target"),
        "{ repo }/releases/download/v$version/wanbench-v$version-$target.tar.gz"
    );
    assert!(
        installer.contains("$releases/v$version/$name.tar.gz") && installer.contains("name=wanbench-v$version-$target")
    );
    assert_eq!(name(binstall["bin-dir"].as_str().unwrap(), "V", "T"), "wanbench-vV-T/{ bin }{ binary-ext }");
}
