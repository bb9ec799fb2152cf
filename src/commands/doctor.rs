//! `wanbench doctor`: what is here, and what would spoil a measurement.

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

/// Asks every configured backend for its device; 3 if one of them cannot be opened.
pub fn doctor(args: &cli::Doctor, terminal: &Terminal) -> Result<ExitStatus> {
    let config = Config::open(&args.config)?;
    let backends = programs(&config).into_iter().map(|(name, program)| {
        let state = runner::probe(&program, DeviceChoice::Auto).map_err(|failure| failure.reason);
        let found = program.command.first().and_then(|command| find_program(command));
        let is_built_in = config.backends[&name].command.is_none();
        BackendState { name, is_built_in, command: program.command, program: found, state }
    });
    let doctor = Doctor { machine: Machine::detect(), findings: machine::survey(), backends: backends.collect() };
    terminal.print(&doctor::render(&doctor))?;
    Ok(if doctor.healthy() { ExitStatus::Passed } else { ExitStatus::Incomplete })
}
