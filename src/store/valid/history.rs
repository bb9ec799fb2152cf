//! Entries of the history.

use std::collections::BTreeSet;

use super::baseline::accepted;
use super::figure::{bytes, change, computed_step_seconds, known, rates, ratio, seconds};
use super::{Checked, require};
use crate::store::history::{Entry, EntryCase, EntryFigures, Spread};
use crate::text::escape::is_plain;

/// Bytes of the longest name: of a case, a suite, a label.
const LONGEST_NAME: usize = 500;

/// Whether a run's entry can be true: a machine's name that a folder can have, no case twice, figures within their bounds.
///
/// # Errors
/// The case, the figure and its value.
pub fn entry(entry: &Entry) -> Checked {
    let machine = &entry.machine;
    require(is_plain(machine) && !machine.starts_with('.') && machine.len() <= 200, || {
        format!("machine is {machine:?}: only letters, digits, -, _ and . are allowed, and no . at its beginning")
    })?;
    name("suite", &entry.suite)?;
    entry.label.iter().try_for_each(|label| name("label", label))?;
    let mut names = BTreeSet::new();
    for case in &entry.cases {
        name("a case's name", &case.name)?;
        require(names.insert(&case.name), || format!("case {} appears twice", case.name))?;
        self::case(case).map_err(|reason| format!("case {}: {reason}", case.name))?;
    }
    Ok(())
}

fn name(what: &str, name: &str) -> Checked {
    let is_name = !name.trim().is_empty() && name.len() <= LONGEST_NAME && !name.chars().any(char::is_control);
    require(is_name, || format!("{what} is {name:?}: it must be one line of 1 to {LONGEST_NAME} bytes"))
}

fn case(case: &EntryCase) -> Checked {
    require(case.launches > 0 || case.figures == EntryFigures::default(), || "figures of no launch".to_owned())?;
    figures(&case.figures)?;
    case.findings.iter().try_for_each(|it| known(&format!("change of {}", it.figure), it.change, change))?;
    case.accepted.iter().try_for_each(|it| accepted(it).map_err(|reason| format!("accepted: {reason}")))
}

fn figures(figures: &EntryFigures) -> Checked {
    spread("step_seconds", figures.step_seconds, computed_step_seconds)?;
    spread("quiet_step_seconds", figures.quiet_step_seconds, computed_step_seconds)?;
    known("mean_step_seconds", figures.mean_step_seconds, computed_step_seconds)?;
    spread("load_seconds", figures.load_seconds, seconds)?;
    known("quantize_seconds", figures.quantize_seconds, seconds)?;
    known("switch_seconds", figures.switch_seconds, seconds)?;
    spread("speedup", figures.speedup, ratio)?;
    known("model_bytes", figures.model_bytes, bytes)?;
    known("framework_peak_bytes", figures.framework_peak_bytes, bytes)?;
    known("process_peak_bytes", figures.process_peak_bytes, bytes)?;
    known("device_peak_bytes", figures.device_peak_bytes, bytes)?;
    figures.rates.iter().try_for_each(rates)
}

/// The figure within the bounds of its kind; of its interval, which two launches can make as wide as numbers allow, only that
/// it is one.
fn spread(name: &str, spread: Option<Spread>, rule: impl Fn(&str, f64) -> Checked) -> Checked {
    known(name, spread.map(|spread| spread.value), rule)?;
    let interval = spread.and_then(|spread| spread.interval);
    require(interval.is_none_or(|(low, high)| 0.0 <= low && low <= high && high.is_finite()), || {
        format!("the interval of {name} is {interval:?}")
    })
}
