//! Results go to standard output, everything else to standard error.

use std::io::{self, ErrorKind, IsTerminal, Write};
use std::ops::RangeInclusive;

use console::Term;
use wanbench::report::progress::Style;
use wanbench::report::text::Layout;
use wanbench::text::escape;

use super::status::{OrStatus, Result};
use crate::cli::{Color, Output};

/// Columns where standard output is no terminal.
const DEFAULT_COLUMNS: usize = 80;

/// Columns that prose is fit for: narrower it falls to pieces, wider the eye loses the line.
const PROSE_COLUMNS: RangeInclusive<usize> = 40..=100;

/// Where and how to print.
#[derive(Clone, Copy)]
pub struct Terminal {
    pub output: Output,
}

impl Terminal {
    /// Printing as the flags say.
    pub fn new(output: Output) -> Self {
        Self { output }
    }

    /// Prints a result on standard output; whatever it holds, a terminal obeys colours at most. That its reader has gone is no error: the command's own status stands.
    pub fn print(&self, text: &str) -> Result<()> {
        self.print_exactly(&escape::terminal(text))
    }

    /// The same of a text that is made harmless already, to the byte.
    pub fn print_exactly(&self, text: &str) -> Result<()> {
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

    /// Says something on standard error, quiet or not; whatever it quotes, it is harmless there and of some length.
    pub fn say_always(&self, text: &str) {
        // Where nobody reads it, the exit status still tells; `eprintln!` would panic.
        let _ = writeln!(io::stderr(), "{}", escape::lines(text));
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
        let table_width = terminal_columns().unwrap_or(DEFAULT_COLUMNS).max(self.columns());
        Layout { color: self.color(), width: self.columns(), table_width, verbose: self.output.verbose }
    }

    /// The columns that prose on standard output is wrapped to.
    pub fn columns(&self) -> usize {
        prose_columns(terminal_columns())
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

/// The columns of standard output: `COLUMNS` where it is a number, else the terminal's own; `None` where it is no terminal.
fn terminal_columns() -> Option<usize> {
    let own = || Term::stdout().size_checked().map(|(_, columns)| columns.into());
    asked_columns(std::env::var("COLUMNS").ok().as_deref()).or_else(own)
}

fn asked_columns(variable: Option<&str>) -> Option<usize> {
    variable.and_then(|columns| columns.parse().ok())
}

/// The columns of a terminal within what prose is fit for.
fn prose_columns(columns: Option<usize>) -> usize {
    columns.unwrap_or(DEFAULT_COLUMNS).clamp(*PROSE_COLUMNS.start(), *PROSE_COLUMNS.end())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prose_is_as_wide_as_the_terminal_within_reason() {
        for (own, columns) in [(None, 80), (Some(72), 72), (Some(20), 40), (Some(240), 100)] {
            assert_eq!(prose_columns(own), columns, "{own:?}");
        }
        assert_eq!([Some("60"), Some("wide"), Some(""), None].map(asked_columns), [Some(60), None, None, None]);
    }
}
