//! `wanbench baseline anchor`: what drift is measured from, moved to the present level for a reason.

use wanbench::config::Config;
use wanbench::machine::Machine;
use wanbench::store::baseline::Baseline;

use super::change::{Change, apply, lock};
use super::reason::checked_reason;
use super::update::check_can_ask;
use crate::cli;
use crate::session::status::{Error, ExitStatus, Result};
use crate::session::terminal::Terminal;

/// Moves anchors to the present level of the recorded jobs, after showing what changes and asking.
pub fn anchor(args: &cli::Anchor, terminal: &Terminal) -> Result<ExitStatus> {
    check_can_ask("anchor", args.yes)?;
    let reason = checked_reason(&args.reason)?;
    let config = Config::open(&args.sources.config)?;
    let folder = args.sources.baselines();
    let machine = Machine::detect();
    let own = Baseline::path(&folder, &machine, machine.default_device());
    let path = args.machine.as_ref().map_or(own, |name| folder.join(format!("{name}.json")));
    if !path.exists() {
        return Err(Error::usage(format!(
            "{} does not exist: record figures with `wanbench baseline update`, which sets the first anchors",
            path.display()
        )));
    }
    let locked = lock(&folder, terminal)?;
    let old = Baseline::open(&path)?;
    let is_wanted =
        |name: &str| args.filter.is_empty() || args.filter.iter().any(|filter| name.contains(filter.as_str()));
    if !old.cases.iter().any(|(name, case)| is_wanted(name) && !case.jobs.is_empty()) {
        return Err(Error::usage(format!(
            "{} has no recorded job of such a case: there is no level to move to",
            path.display()
        )));
    }
    let moved = old.anchored(is_wanted, reason, &config.gate);
    apply(&locked, &[Change::of_machine(path, &moved)?], args.yes, terminal)
}
