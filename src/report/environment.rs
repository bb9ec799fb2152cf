//! The environment that the workers ran in, and what of it is not as it was when the baseline was recorded.

use std::collections::{BTreeMap, BTreeSet};

use super::Report;
use crate::store::record::WAKES;

/// In words; `None` where nothing that matters was set, then and now.
pub(super) fn line(report: &Report) -> Option<String> {
    let now = &report.record.tool.environment;
    let jobs = report.outcome.cases.iter().filter(|case| case.now.is_some()).filter_map(|case| {
        let baseline = case.baseline.as_ref()?;
        baseline.jobs.last()
    });
    let differences: BTreeSet<String> = jobs.flat_map(|job| differences(&job.environment, now)).collect();
    let set: Vec<String> = now.iter().map(|(name, value)| format!("{name}={value}")).collect();
    match (set.is_empty(), differences.is_empty()) {
        (true, true) => None,
        (_, true) => Some(set.join(", ")),
        _ => Some(format!(
            "not as in the job that was recorded last: {}",
            differences.into_iter().collect::<Vec<_>>().join(", ")
        )),
    }
}

fn differences(before: &BTreeMap<String, String>, now: &BTreeMap<String, String>) -> Vec<String> {
    let names: BTreeSet<&String> = before.keys().chain(now.keys()).collect();
    let is_other = |name: &&&String| before.get(**name) != now.get(**name);
    let words = |value: Option<&String>| value.map_or_else(|| "unset".to_owned(), |value| format!("{value:?}"));
    let difference = |name: &&String| match (name.as_str(), now.contains_key(*name)) {
        (WAKES, true) => "each timed step has a wake pass before it, and had none".to_owned(),
        (WAKES, false) => "no timed step has a wake pass before it, and each had one".to_owned(),
        _ => format!("{name} is {}, was {}", words(now.get(*name)), words(before.get(*name))),
    };
    names.iter().filter(is_other).map(difference).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_set_changed_or_removed_is_named() {
        let of = |entries: &[(&str, &str)]| -> BTreeMap<String, String> {
            entries.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
        };
        let before = of(&[("A", "1"), ("B", "2"), ("C", "3")]);
        let now = of(&[("A", "1"), ("B", "4"), ("D", "")]);
        let waking = of(&[(WAKES, "true")]);
        assert_eq!(differences(&BTreeMap::new(), &waking), ["each timed step has a wake pass before it, and had none"]);
        assert_eq!(
            differences(&waking, &BTreeMap::new()),
            ["no timed step has a wake pass before it, and each had one"]
        );
        let expected = ["B is \"4\", was \"2\"", "C is unset, was \"3\"", "D is \"\", was unset"];
        assert_eq!(differences(&before, &now), expected);
    }
}
