//! Results go to standard output, everything else to standard error.

use std::io::{self, ErrorKind, IsTerminal, Write};

use wanbench::report::progress::Style;
use wanbench::report::text::Layout;

use super::status::{OrStatus, Result};
use crate::cli::{Color, Output};

/// Where and how to print.
pub struct Terminal {
    pub output: Output,
}

impl Terminal {
    /// Printing as the flags say.
    pub fn new(output: Output) -> Self {
        Self { output }
    }

    /// Prints a result on standard output. That its reader has gone is no error: the command's own status stands.
    pub fn print(&self, text: &str) -> Result<()> {
        let mut stdout = io::stdout().lock();
        match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
            Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
            written => written.or_incomplete(|| "cannot write to standard output"),
        }
    }

    /// Says something on standard error, unless quiet.
    pub fn say(&self, text: &str) {
        if !self.output.quiet {
            self.say_always(text);
        }
    }

    /// Says something on standard error, quiet or not.
    pub fn say_always(&self, text: &str) {
        // Where nobody reads it, the exit status still tells; `eprintln!` would panic.
        let _ = writeln!(io::stderr(), "{text}");
    }

    /// How progress is shown on standard error.
    pub fn progress_style(&self) -> Style {
        match () {
            () if self.output.quiet => Style::Off,
            () if io::stderr().is_terminal() && !self.output.no_progress && !self.output.verbose => Style::Live,
            () if self.output.no_progress && !self.output.verbose => Style::Off,
            () if self.output.verbose => Style::Verbose,
            () => Style::Lines,
        }
    }

    /// How a report is laid out on standard output.
    pub fn layout(&self) -> Layout {
        Layout { color: self.color(), width: self.columns(), verbose: self.output.verbose }
    }

    /// Columns of standard output.
    pub fn columns(&self) -> usize {
        80
    }

    /// Whether results are coloured.
    pub fn color(&self) -> bool {
        match self.output.color {
            Color::Always => true,
            Color::Never => false,
            Color::Auto => {
                io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
            }
        }
    }
}
