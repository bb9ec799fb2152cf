//! Annotations of a GitHub Actions step: workflow commands on standard output, one a line.
//!
//! GitHub shows ten errors and ten warnings of a step and drops the rest, so the last one of each counts what is left.

use super::escape::{cut, one_line};
use super::headline::{self, Notable};
use super::{Report, Standing, review};
use crate::gate::Verdict;

/// Errors, and warnings, that GitHub shows of one step.
const SHOWN: usize = 10;

/// Longest message, in characters.
const MESSAGE_LENGTH: usize = 1000;

/// Cases that a message names.
const NAMED: usize = 3;

/// The annotations of `reports` at `config_file`, a path in the repository: an error for what the gate fails on or could
/// not measure, a warning for what deserves a look.
pub fn render(reports: &[Report], config_file: &str) -> String {
    let all: Vec<Annotation> = reports.iter().flat_map(of_report).collect();
    let commands = [("error", Level::Error), ("warning", Level::Warning)].map(|(command, level)| {
        let of_level: Vec<&Annotation> = all.iter().filter(|annotation| annotation.level == level).collect();
        shown(&of_level).iter().map(|it| it.command(command, config_file)).collect::<String>()
    });
    commands.concat()
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Level {
    Error,
    Warning,
}

#[derive(Clone)]
struct Annotation {
    level: Level,
    title: String,
    message: String,
}

impl Annotation {
    fn new(level: Level, report: &Report, what: &str, message: String) -> Self {
        let machine = report.record.machine.name(report.record.device);
        Self { level, title: format!("wanbench: {what} on {machine}"), message }
    }

    /// `::error file=config.toml,title=…::…`, and a line feed.
    fn command(&self, command: &str, file: &str) -> String {
        let message = escape_data(&cut(&one_line(&self.message), MESSAGE_LENGTH));
        format!("::{command} file={},title={}::{message}\n", escape_property(file), escape_property(&self.title))
    }
}

fn of_report(report: &Report) -> Vec<Annotation> {
    let new = |level, what: &str, message| Annotation::new(level, report, what, message);
    let notable = headline::notable(&report.comparison);
    let found = notable.iter().filter_map(|it| Some(new(level(it)?, it.verdict.name(), message(it))));
    let mut all: Vec<Annotation> = found.collect();
    all.extend(report.comparison.unfit().map(|reason| new(Level::Error, "machine unfit", reason.to_owned())));
    // What was demanded and is not there is no finding.
    if report.standing() != Standing::Passed && !all.iter().any(|annotation| annotation.level == Level::Error) {
        all.push(new(Level::Error, report.standing().name(), headline::reason(report)));
    }
    let loosened = review::loosened(report).iter();
    all.extend(loosened.map(|change| new(Level::Warning, review::LOOSENS, change.clone())));
    all
}

/// `None` for good news.
fn level(notable: &Notable) -> Option<Level> {
    match notable.verdict {
        _ if notable.fails => Some(Level::Error),
        Verdict::Failed => Some(Level::Error),
        Verdict::Improved => None,
        _ => Some(Level::Warning),
    }
}

fn message(notable: &Notable) -> String {
    let names: Vec<&str> = notable.cases.iter().take(NAMED).map(|case| case.name.as_str()).collect();
    let more = match notable.cases.len().saturating_sub(NAMED) {
        0 => String::new(),
        rest => format!(" and {rest} more"),
    };
    format!("{}{more}: {}", names.join(", "), notable.words)
}

/// As many as GitHub shows, the rest counted in the last.
fn shown(all: &[&Annotation]) -> Vec<Annotation> {
    let mut shown: Vec<Annotation> = all.iter().take(SHOWN).map(|annotation| (*annotation).clone()).collect();
    if let (Some(last), rest @ 1..) = (shown.last_mut(), all.len().saturating_sub(SHOWN)) {
        last.title = format!("wanbench: {} more", rest + 1);
        last.message = format!("{} more, which the job summary tells", rest + 1);
    }
    shown
}

/// As the runner reads a message back.
fn escape_data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

/// As the runner reads a property back, which ends at a comma, and with the next colons.
fn escape_property(text: &str) -> String {
    escape_data(text).replace(':', "%3A").replace(',', "%2C")
}
