//! Results go to standard output, everything else to standard error.

use std::io::{self, IsTerminal, Write};
use std::ops::RangeInclusive;

use console::Term;
use wanbench::report::progress::Style;

use crate::cli::{Color, Output};

/// Columns where standard output is no terminal.
const DEFAULT_COLUMNS: usize = 80;

/// Columns that prose is fit for: narrower it falls to pieces, wider the eye loses the line.
const PROSE_COLUMNS: RangeInclusive<usize> = 40..=100;

/// Where and how to print.
pub struct Terminal {
    pub output: Output,
}

impl Terminal {
    /// Printing as the flags say.
    pub fn new(output: Output) -> Self {
        Self { output }
    }

    /// Prints a result on standard output.
    pub fn print(&self, text: &str) -> io::Result<()> {
        let mut stdout = io::stdout().lock();
        stdout.write_all(text.as_bytes())?;
        stdout.flush()
    }

    /// Says something on standard error, unless quiet.
    pub fn say(&self, text: &str) {
        if !self.output.quiet {
            eprintln!("{text}");
        }
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

    /// The columns that prose on standard output is wrapped to.
    pub fn columns(&self) -> usize {
        let own = || Term::stdout().size_checked().map(|(_, columns)| columns.into());
        prose_columns(std::env::var("COLUMNS").ok().as_deref(), own)
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

/// `COLUMNS` where it is a number, else the terminal's `own` columns if it is one, within what prose is fit for.
fn prose_columns(variable: Option<&str>, own: impl FnOnce() -> Option<usize>) -> usize {
    let asked = variable.and_then(|columns| columns.parse().ok());
    asked.or_else(own).unwrap_or(DEFAULT_COLUMNS).clamp(*PROSE_COLUMNS.start(), *PROSE_COLUMNS.end())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prose_is_as_wide_as_the_terminal_within_reason() {
        for (variable, own, columns) in [
            (None, None, 80),
            (None, Some(72), 72),
            (None, Some(20), 40),
            (None, Some(240), 100),
            (Some("60"), Some(72), 60),
            (Some("60"), None, 60),
            (Some("wide"), Some(72), 72),
            (Some(""), None, 80),
        ] {
            assert_eq!(prose_columns(variable, || own), columns, "COLUMNS={variable:?} on {own:?}");
        }
    }
}
