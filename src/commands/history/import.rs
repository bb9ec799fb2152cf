//! `wanbench history import`: runs that were kept elsewhere.

use std::path::Path;

use wanbench::files::read::{self, Limit};
use wanbench::history::import::{self, Imported};
use wanbench::protocol::DeviceKind;
use wanbench::store::baseline::Baseline;
use wanbench::store::history::Entry;
use wanbench::text::format::{count, some_names};

use crate::cli;
use crate::session::history::Place;
use crate::session::status::{Error, ExitStatus, OrStatus, Result};
use crate::session::terminal::Terminal;

/// Adds the runs of baselines and of github-action-benchmark's data.js to the history.
pub fn import(args: &cli::HistoryImport, terminal: &Terminal) -> Result<ExitStatus> {
    let place = Place::of(&args.place)?;
    let mut entries = Vec::new();
    for file in &args.files {
        entries.extend(runs(file, args, terminal)?);
    }
    let message = format!("Imported {}", count(entries.len(), "run"));
    place.add(&entries, &message, args.push.as_deref(), terminal)?;
    Ok(ExitStatus::Passed)
}

/// The runs of a file.
fn runs(file: &Path, args: &cli::HistoryImport, terminal: &Terminal) -> Result<Vec<Entry>> {
    let name = file.display();
    let source = file.file_name().unwrap_or_default().to_string_lossy();
    let text = read::text(file, Limit::BASELINE).or_usage(|| format!("cannot read {name}"))?;
    let Imported { entries, skipped } = match import::is_data_js(&text) {
        true => {
            let Some(machine) = &args.machine else {
                return Err(Error::usage(format!(
                    "{name} does not say on which machine it was measured: pass --machine NAME"
                )));
            };
            let device = if args.gpu { DeviceKind::Gpu } else { DeviceKind::Cpu };
            let imported = import::of_data_js(&text, &source, machine, device);
            imported
                .map_err(|reason| Error::usage(format!("{name}: not a data.js of github-action-benchmark: {reason}")))?
        }
        false => {
            let entries = import::of_baseline(&Baseline::open(file)?, &source);
            Imported { entries, ..Imported::default() }
        }
    };
    if !skipped.is_empty() {
        let skipped: Vec<&str> = skipped.iter().map(String::as_str).collect();
        terminal.say(&format!(
            "{name}: not imported, since they are neither times, sizes nor speedups: {}",
            some_names(&skipped)
        ));
    }
    if entries.is_empty() {
        return Err(Error::usage(format!("{name} has no runs")));
    }
    Ok(entries)
}
