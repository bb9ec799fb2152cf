//! What git says of a checkout.

use std::path::Path;
use std::process::{Command, Stdio};

/// The commit checked out in `folder`; `None` outside a checkout or without git.
pub fn head(folder: &Path) -> Option<String> {
    let output = Command::new("git")
        .args(["rev-parse", "HEAD"])
        .current_dir(folder)
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .output()
        .ok()?;
    let commit = String::from_utf8(output.stdout).ok()?.trim().to_owned();
    (output.status.success() && !commit.is_empty()).then_some(commit)
}
