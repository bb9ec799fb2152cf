//! wanbench: parses the command line, calls the command, turns its outcome into an exit status.

mod cli;
mod commands;
mod session;

use std::process::ExitCode;

use clap::Parser;
use session::interrupt;
use session::status::{ExitStatus, Result};
use session::terminal::Terminal;
use wanbench::children;
use wanbench::files::save;

fn main() -> ExitCode {
    save::survive_size_limit();
    let cli = cli::Cli::parse();
    let terminal = Terminal::new(cli.output);
    let outcome = run(&cli.command, &terminal);
    let status = outcome.unwrap_or_else(|error| {
        terminal.say_always(&format!("wanbench: {error}"));
        error.status()
    });
    ExitCode::from(status as u8)
}

fn run(command: &cli::Command, terminal: &Terminal) -> Result<ExitStatus> {
    children::enable(cli::GUARD);
    if !matches!(command, cli::Command::Guard(_)) {
        interrupt::watch(*terminal)?;
    }
    match command {
        cli::Command::Check(args) => commands::check::check(args, terminal),
        cli::Command::Run(args) => commands::run::run(args, terminal),
        cli::Command::Plan(args) => commands::plan::plan(args, terminal),
        cli::Command::Profile(args) => commands::profile::profile(args, terminal),
        cli::Command::Quantize(args) => commands::quantize::quantize(args, terminal),
        cli::Command::Parity(args) => commands::parity::parity(args, terminal),
        cli::Command::Baseline(cli::Baseline::Update(args)) => commands::baseline::update(args, terminal),
        cli::Command::Baseline(cli::Baseline::Accept(args)) => commands::baseline::accept(args, terminal),
        cli::Command::Baseline(cli::Baseline::Anchor(args)) => commands::baseline::anchor(args, terminal),
        cli::Command::Baseline(cli::Baseline::Show(args)) => commands::baseline::show(args, terminal),
        cli::Command::Baseline(cli::Baseline::Diff(args)) => commands::baseline::diff(args, terminal),
        cli::Command::Baseline(cli::Baseline::Import(args)) => commands::baseline::import(args, terminal),
        cli::Command::History(cli::History { command: None, view }) => commands::history::show(view, terminal),
        cli::Command::History(cli::History { command: Some(command), .. }) => match command {
            cli::HistoryCommand::Record(args) => commands::history::record(args, terminal),
            cli::HistoryCommand::Import(args) => commands::history::import(args, terminal),
        },
        cli::Command::Compare(args) => commands::compare::compare(args, terminal),
        cli::Command::Report(args) => commands::report::report(args, terminal),
        cli::Command::Comment(args) => commands::comment::comment(args, terminal),
        cli::Command::ValidateArtifact(args) => commands::validate_artifact::validate_artifact(args, terminal),
        cli::Command::Calibrate(args) => commands::calibrate::calibrate(args, terminal),
        cli::Command::Init(args) => commands::init::init(args, terminal),
        cli::Command::Doctor(args) => commands::doctor::doctor(args, terminal),
        cli::Command::Guard(args) => commands::guard::guard(args),
    }
}
