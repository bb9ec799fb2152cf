//! What is done in one place only: files are read and written by `src/files`, and nothing is printed or started in a way
//! that panics where that fails. Tests may.

use std::fs;
use std::path::{Path, PathBuf};

/// Calls that have a room.
struct Rule {
    calls: &'static [&'static str],
    /// What is used in their place.
    room: &'static str,
    /// Files and folders that may have them all the same, with the reason.
    exceptions: &'static [(&'static str, &'static str)],
}

const RULES: &[Rule] = &[
    Rule {
        calls: &["fs::read(", "fs::read_to_string(", " File::open("],
        room: "files::read, which refuses what is no regular file or too large",
        exceptions: &[
            ("src/files", "the room itself"),
            ("src/machine/linux.rs", "the kernel's own files"),
            ("src/worker/memory.rs", "the kernel's own files"),
            ("src/revision/checkout.rs", "opens a file that it wrote, to date it"),
        ],
    },
    Rule {
        calls: &["fs::write(", "fs::copy(", "fs::rename(", " File::create(", "NamedTempFile"],
        room: "files::save, which writes all or nothing",
        exceptions: &[
            ("src/files", "the room itself"),
            ("src/revision/checkout.rs", "a build's log, which is the build's standard output"),
        ],
    },
    Rule {
        calls: &["eprintln!(", "println!(", "eprint!(", " print!("],
        room: "session::terminal or worker::say, which do not panic where nobody reads",
        exceptions: &[],
    },
    Rule {
        calls: &["thread::spawn("],
        room: "std::thread::Builder, whose error can be told",
        exceptions: &[("src/runner/process.rs", "not mended yet"), ("src/machine/command.rs", "not mended yet")],
    },
];

#[test]
fn what_has_a_room_is_done_there() {
    let mut found = Vec::new();
    for path in sources(Path::new("src")) {
        let text = fs::read_to_string(&path).unwrap();
        // Tests are the last item of a file.
        let code = text.split("#[cfg(test)]\nmod tests").next().unwrap_or_default();
        for (number, line) in code.lines().enumerate().filter(|(_, line)| !line.trim_start().starts_with("//")) {
            for Rule { calls, room, exceptions } in RULES {
                let is_excepted = exceptions.iter().any(|(file, _)| path.starts_with(file));
                if !is_excepted && calls.iter().any(|call| line.contains(call)) {
                    found.push(format!("{}:{}: {}: use {room}", path.display(), number + 1, line.trim()));
                }
            }
        }
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}

/// The sources of the library and the programs, without files of tests alone.
fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut all = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let is_for_tests = ["tests.rs", "tests", "testing.rs"].iter().any(|name| path.ends_with(name));
        if path.is_dir() && !is_for_tests {
            all.extend(sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") && !is_for_tests {
            all.push(path);
        }
    }
    all.sort();
    all
}
