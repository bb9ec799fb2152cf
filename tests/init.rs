//! `wanbench init` in repositories of several states.

use std::path::Path;
use std::process::{Command, Output};

fn init(folder: &Path) -> (i32, String, String) {
    let Output { status, stdout, stderr } =
        Command::new(env!("CARGO_BIN_EXE_wanbench")).arg("init").current_dir(folder).output().unwrap();
    (status.code().unwrap(), String::from_utf8(stdout).unwrap(), String::from_utf8(stderr).unwrap())
}

#[test]
fn a_starter_is_written_once_and_its_configuration_is_valid() {
    let folder = tempfile::tempdir().unwrap();
    let (status, stdout, _) = init(folder.path());
    assert_eq!((status, stdout.as_str()), (0, "wrote ./config.toml\nwrote ./.github/workflows/wanbench.yml\n"));
    let config = wanbench::config::Config::open(&folder.path().join("config.toml")).unwrap();
    assert!(!config.known_cases().is_empty());

    std::fs::write(folder.path().join("config.toml"), "mine").unwrap();
    let (status, stdout, _) = init(folder.path());
    assert_eq!(status, 0);
    assert!(stdout.contains("left as it is: ./config.toml"), "{stdout}");
    assert_eq!(std::fs::read_to_string(folder.path().join("config.toml")).unwrap(), "mine");
}

#[test]
fn what_is_missing_beside_a_configuration_is_added() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("config.toml"), "mine").unwrap();
    let (status, stdout, _) = init(folder.path());
    assert_eq!((status, stdout.contains("wrote ./.github/workflows/wanbench.yml")), (0, true), "{stdout}");
    assert_eq!(std::fs::read_to_string(folder.path().join("config.toml")).unwrap(), "mine");
}

#[test]
fn a_place_that_cannot_be_written_is_named() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join(".github"), "a file").unwrap();
    let (status, _, stderr) = init(folder.path());
    assert_eq!(status, 3);
    assert!(stderr.contains("cannot write ./.github/workflows/wanbench.yml"), "{stderr}");
}
