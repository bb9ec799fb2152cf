//! `wanbench doctor`: what is here, and what would spoil a measurement.

use std::collections::BTreeSet;

use wanbench::config::Config;
use wanbench::machine::{self, Machine};
use wanbench::protocol::DeviceChoice;
use wanbench::report::doctor::{self, BackendState, Doctor};
use wanbench::runner;

use crate::cli;
use crate::session::find_program::find_program;
use crate::session::selected::programs;
use crate::session::status::{ExitStatus, Result};
use crate::session::terminal::Terminal;

/// Asks every backend that a suite uses for its device; 3 if one of them cannot be opened.
pub fn doctor(args: &cli::Doctor, terminal: &Terminal) -> Result<ExitStatus> {
    let config = Config::open(&args.config)?;
    let cases = config.suites.values().flat_map(|suite| &suite.cases);
    let used: BTreeSet<&str> = cases.map(|case| case.backend.as_str()).collect();
    let backends = programs(&config).into_iter().filter(|(name, _)| used.contains(name.as_str()));
    let backends = backends.map(|(name, program)| {
        let state = runner::probe(&program, DeviceChoice::Auto).map_err(|failure| {
            // Where it ended by itself, the reason has its last words.
            let mut said = failure.stderr_tail.iter().rev().map(|line| line.trim()).filter(|line| !line.is_empty());
            let said = said.next().filter(|line| !failure.reason.contains(line));
            said.map_or(failure.reason.clone(), |line| format!("{}\n{line}", failure.reason))
        });
        let found = program.command.first().and_then(|command| find_program(command));
        let is_built_in = config.backends[&name].command.is_none();
        BackendState { name, is_built_in, command: program.command, program: found, state }
    });
    let doctor = Doctor {
        machine: Machine::detect(),
        findings: machine::survey(),
        backends: backends.collect(),
        configuration: args.config.clone(),
    };
    terminal.print(&doctor::render(&doctor))?;
    Ok(if doctor.healthy() { ExitStatus::Passed } else { ExitStatus::Incomplete })
}
