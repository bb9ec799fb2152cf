//! The workers of another revision, to be measured beside those of this one, and what else git keeps: the history's branch.

mod checkout;
pub mod data_branch;
pub mod git;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

pub use checkout::{Checkout, KEPT};

use crate::config::Config;
use crate::runner::Program;

/// The worker of every backend that `config`'s suites name, as another revision has it.
///
/// What `base`, the configuration of that revision, says of a backend goes before what `config` says. A command of the
/// user's own runs in `folder`; `built_in` tells how the built-in workers of that revision are started.
pub fn programs(
    config: &Config,
    base: Option<&Config>,
    folder: &Path,
    built_in: impl Fn(&str) -> Program,
) -> BTreeMap<String, Program> {
    let used: BTreeSet<&String> =
        config.suites.values().flat_map(|suite| &suite.cases).map(|case| &case.backend).collect();
    let program = |name: &String| {
        let backend = base.and_then(|base| base.backends.get(name)).unwrap_or(&config.backends[name]);
        match &backend.command {
            Some(command) => Program { command: command.clone(), folder: Some(folder.to_owned()) },
            None => built_in(name),
        }
    };
    used.into_iter().map(|name| (name.clone(), program(name))).collect()
}
