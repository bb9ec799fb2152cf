//! `wanbench doctor`: what is here, and what would spoil a measurement.

use std::collections::BTreeSet;
use std::path::Path;

use wanbench::config::Config;
use wanbench::files::cache;
use wanbench::machine::{self, Machine};
use wanbench::protocol::{DeviceChoice, DeviceKind};
use wanbench::report::doctor::{self, BackendState, Doctor};
use wanbench::report::doctor_file::{self, Examined};
use wanbench::runner::{self, Materials, Paused, Probed, Program, canary_case};
use wanbench::store::record::Failure;

use crate::cli;
use crate::session::alone::alone;
use crate::session::find_program::find_program;
use crate::session::interrupt;
use crate::session::judged::save_text;
use crate::session::measure::check_writable;
use crate::session::selected::{exactly, programs};
use crate::session::status::{Error, ExitStatus, Result};
use crate::session::terminal::Terminal;

/// Asks every backend that a suite uses for its device; 3 if one of them cannot be opened.
pub fn doctor(args: &cli::Doctor, terminal: &Terminal) -> Result<ExitStatus> {
    let config = Config::open(&args.config)?;
    if let Some(path) = &args.report {
        check_writable(path, "report")?;
        if path.exists() {
            return Err(Error::usage(format!(
                "--report {}: the file exists: name another one, or remove it",
                path.display()
            )));
        }
    }
    let machine = Machine::detect();
    let cases = config.suites.values().flat_map(|suite| &suite.cases);
    let used: BTreeSet<&str> = cases.map(|case| case.backend.as_str()).collect();
    let backends = programs(&config).into_iter().filter(|(name, _)| used.contains(name.as_str()));
    let backends = backends.map(|(name, program)| {
        let state = runner::probe(&program, DeviceChoice::Auto).map_err(words);
        let found = program.command.first().and_then(|command| find_program(command));
        let is_built_in = config.backends[&name].command.is_none();
        let lacks_gpu = if is_built_in { lacks_gpu(&machine, &program, &state) } else { None };
        BackendState { name, is_built_in, command: program.command, program: found, state, lacks_gpu }
    });
    let backends = backends.collect();
    let doctor = Doctor { machine, findings: machine::survey(), backends, configuration: args.config.clone() };
    if let Some(path) = &args.report {
        write(path, &doctor, &config, args, terminal)?;
    }
    terminal.print(&doctor::render(&doctor))?;
    Ok(if doctor.healthy() { ExitStatus::Passed } else { ExitStatus::Incomplete })
}

/// Why a worker did not open, with its last words where the reason does not have them.
fn words(failure: Failure) -> String {
    let mut said = failure.stderr_tail.iter().rev().map(|line| line.trim()).filter(|line| !line.is_empty());
    let said = said.next().filter(|line| !failure.reason.contains(line));
    said.map_or(failure.reason.clone(), |line| format!("{}\n{line}", failure.reason))
}

/// Why a worker that was free to choose opened on the CPU of a machine with a GPU.
fn lacks_gpu(machine: &Machine, program: &Program, state: &Result<Probed, String>) -> Option<String> {
    let chose_cpu = state.as_ref().is_ok_and(|probed| probed.ready.device.kind == DeviceKind::Cpu);
    let is_amiss = chose_cpu && machine.default_device() == DeviceKind::Gpu;
    is_amiss.then(|| runner::probe(program, DeviceChoice::Gpu).err().map(|failure| failure.reason)).flatten()
}

/// Measures how pauses change a step of each built-in worker that opens, and writes all that is known to the file `path`.
fn write(path: &Path, doctor: &Doctor, config: &Config, args: &cli::Doctor, terminal: &Terminal) -> Result<()> {
    let _lock = alone(&args.alone, terminal)?;
    let device = doctor.machine.default_device();
    let programs = programs(config);
    let opened = doctor.backends.iter().filter(|backend| backend.is_built_in && backend.state.is_ok());
    let pauses = opened.map(|backend| {
        terminal.say(&format!("measuring how pauses change a step of {}", backend.name));
        (backend.name.clone(), pauses(&backend.name, &programs[&backend.name], config, device))
    });
    let pauses = pauses.collect();
    if interrupt::heed().is_interrupted() {
        return Err(Error::incomplete(format!("interrupted: {} was not written", path.display())));
    }
    let examined =
        Examined { pauses, outputs: machine::outputs(), environment: machine::environment::recorded(device, false) };
    save_text(path, &doctor_file::render(doctor, &examined))?;
    terminal.say(&format!(
        "wrote {}: look through it before you send it, since it has what the system's tools print, such as names of this machine and \
         its user, and serial numbers of displays",
        path.display()
    ));
    Ok(())
}

fn pauses(backend: &str, program: &Program, config: &Config, device: DeviceKind) -> Result<Vec<Paused>, String> {
    let case = canary_case(backend, device);
    let materials = Materials::prepare(std::slice::from_ref(&case), &config.models, &cache::folder(), 0);
    let materials = materials.map_err(|error| error.to_string())?;
    runner::pauses(program, &materials, &case, exactly(device), interrupt::heed()).map_err(|failure| failure.reason)
}
