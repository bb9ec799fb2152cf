//! What the scripts need beside what every build machine has: the system's own `curl` and `shasum`, or stand-ins.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

const CURL: &str = r#"#!/usr/bin/env python3
import sys, urllib.request
output, address = sys.argv[sys.argv.index("-o") + 1], sys.argv[-1]
try:
    data = urllib.request.urlopen(address).read()
except OSError as error:
    sys.exit(f"curl: (22) {error}")
open(output, "wb").write(data)
"#;

/// `shasum -a 256 --check`, which reads the hashes from standard input.
const SHASUM: &str = r#"#!/usr/bin/env python3
import hashlib, sys
assert sys.argv[1:] == ["-a", "256", "--check"], sys.argv
digest, path = sys.stdin.read().split()
is_same = hashlib.sha256(open(path, "rb").read()).hexdigest() == digest
print(f"{path}: {'OK' if is_same else 'FAILED'}")
sys.exit(not is_same)
"#;

/// Writes into `folder` what this machine lacks; the `PATH` with that folder before the system's.
pub fn path(folder: &Path) -> String {
    let system = std::env::var("PATH").unwrap();
    for (name, script) in [("curl", CURL), ("shasum", SHASUM)] {
        if !std::env::split_paths(&system).any(|place| place.join(name).is_file()) {
            program(folder, name, script);
        }
    }
    format!("{}:{system}", folder.display())
}

/// Writes a script that can be called by its `name`.
pub fn program(folder: &Path, name: &str, script: &str) {
    let path = folder.join(name);
    std::fs::write(&path, script).unwrap();
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
}
