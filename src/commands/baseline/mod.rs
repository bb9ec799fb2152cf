//! `wanbench baseline`: update, accept, anchor, show, diff, import.

mod accept;
mod anchor;
mod change;
mod import;
mod reason;
mod update;

use std::path::{Path, PathBuf};

use wanbench::machine::Machine;
use wanbench::store::baseline::Baseline;
use wanbench::store::committed;
use wanbench::text::escape;

use crate::cli;
use crate::session::status::{Error, ExitStatus, Result};
use crate::session::terminal::Terminal;

pub use accept::accept;
pub use anchor::anchor;
pub use import::import;
pub use update::update;

/// Prints a baseline file.
pub fn show(args: &cli::Show, terminal: &Terminal) -> Result<ExitStatus> {
    let folder = &args.sources.baselines();
    let path = match &args.name {
        Some(name) if Path::new(name).exists() => PathBuf::from(name),
        Some(name) => folder.join(format!("{}.json", name.trim_end_matches(".json"))),
        None => {
            let machine = Machine::detect();
            let device = machine.default_device();
            let found = Baseline::find(folder, &machine, device)?.map(|(path, _)| path);
            found.ok_or_else(|| {
                Error::usage(format!(
                    "{} has no baseline of this machine ({}); record one with `wanbench baseline update`",
                    folder.display(),
                    machine.name(device)
                ))
            })?
        }
    };
    let text = committed(&path)?;
    terminal.say(&format!("{}:", path.display()));
    terminal.print(&escape::json(&text))?;
    Ok(ExitStatus::Passed)
}

/// Prints the unified diff of two baseline files.
pub fn diff(args: &cli::Diff, terminal: &Terminal) -> Result<ExitStatus> {
    // As in git's diffs, /dev/null stands for a file that does not exist.
    let read = |path: &Path| if path == Path::new("/dev/null") { Ok(String::new()) } else { committed(path) };
    let (old, new) = (read(&args.old)?, read(&args.new)?);
    terminal.print(&change::unified(&old, &new, &args.old.display().to_string(), &args.new.display().to_string()))?;
    Ok(ExitStatus::Passed)
}
