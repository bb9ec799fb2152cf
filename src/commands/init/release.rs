//! The release that the workflows of `init` install, pinned by a hash.

use sha2::{Digest, Sha256};
use wanbench::github::Repository;
use wanbench::github::download;
use wanbench::text::format;

use crate::cli;
use crate::session::actions::block_on;
use crate::session::status::{Error, Result};
use crate::session::terminal::Terminal;

pub(super) struct Release {
    /// Address of all releases; empty where there are none.
    pub(super) releases: String,
    /// SHA-256 of this version's install.sh in hexadecimal digits; empty where that is not to be had.
    pub(super) installer_sha256: String,
}

impl Release {
    /// This version, at the address that `args` name, else at wanbench's own; says where it cannot be pinned.
    pub(super) fn new(args: &cli::Init, terminal: &Terminal) -> Result<Self> {
        let Some(releases) = args.releases.clone().or_else(own) else {
            terminal.say(
                "note: this build is of no published repository, so the workflows run the\n\
                 `wanbench` that is on their runners' PATH. A runner of GitHub's has none:\n\
                 nothing is posted until WANBENCH_RELEASES in them names releases.",
            );
            return Ok(Self { releases: String::new(), installer_sha256: String::new() });
        };
        let releases = releases.trim_end_matches('/').to_owned();
        // It stands between quotes, in a workflow and in a shell.
        let is_harmless = |letter: char| letter.is_ascii_alphanumeric() || "-._~:/".contains(letter);
        if !download::is_address(&releases) || !releases.chars().all(is_harmless) {
            return Err(Error::usage(format!(
                "--releases {releases}: an address is expected, https://HOST/PATH, of letters, digits and - . _ ~ : /"
            )));
        }
        let installer = format!("{releases}/v{}/install.sh", env!("CARGO_PKG_VERSION"));
        let installer_sha256 = match block_on(download::small(&installer))? {
            Ok(script) => format::hexadecimal(Sha256::digest(&script)),
            Err(reason) => {
                terminal.say(&format!(
                    "warning: {installer} cannot be read\n({reason}): the jobs fail until WANBENCH_INSTALLER_SHA256\nin the workflows \
                     is its SHA-256."
                ));
                String::new()
            }
        };
        Ok(Self { releases, installer_sha256 })
    }
}

/// Where this repository's releases are, if it is anybody's.
fn own() -> Option<String> {
    let address = env!("CARGO_PKG_REPOSITORY");
    let repository: Repository = address.strip_prefix("https://github.com/")?.parse().ok()?;
    // No owner's name has a point: this one stands for an owner who is not known yet, and whom nobody can register.
    (!repository.owner.contains('.')).then(|| format!("{address}/releases/download"))
}
