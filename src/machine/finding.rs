//! What was observed about a machine, and how it is worded.

use std::fmt;

/// One observation about the machine's state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// What it is about.
    pub topic: Topic,
    /// How bad it is.
    pub severity: Severity,
    /// What was seen, without a final point.
    pub what: String,
    /// What to do about it; empty if nothing is to be done.
    pub way_out: String,
}

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// As it should be.
    Ok,
    /// Worth knowing when reading the figures.
    Note,
    /// It likely distorts the figures.
    Warning,
}

/// What a finding is about, in the order they are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Topic {
    /// Where the power comes from and how it is saved.
    Power,
    /// Heat and what is done against it.
    Heat,
    /// Other programs.
    Load,
    /// Memory left for the workers.
    Memory,
    /// What stands between this system and the hardware.
    Host,
}

impl Finding {
    pub(super) fn ok(topic: Topic, what: impl Into<String>) -> Self {
        Self { topic, severity: Severity::Ok, what: what.into(), way_out: String::new() }
    }

    pub(super) fn note(topic: Topic, what: impl Into<String>, way_out: &str) -> Self {
        Self { topic, severity: Severity::Note, what: what.into(), way_out: way_out.to_owned() }
    }

    pub(super) fn warning(topic: Topic, what: impl Into<String>, way_out: &str) -> Self {
        Self { topic, severity: Severity::Warning, what: what.into(), way_out: way_out.to_owned() }
    }
}

impl fmt::Display for Finding {
    /// One line: what was seen, and the way out.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)?;
        if self.way_out.is_empty() { Ok(()) } else { write!(f, ": {}", self.way_out) }
    }
}

/// A count of processors, in words.
pub(super) fn processors(count: usize) -> String {
    format!("{count} {}", if count == 1 { "processor" } else { "processors" })
}
