//! Which thresholds a change relaxes: those of the whole run key by key, those of cases case by case, wherever they are set.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::config::{Ceiling, Override, Thresholds};
use crate::text::format::some_names;

/// What `head` relaxes relative to `base`, for any of `cases`.
pub(super) fn thresholds(base: &Thresholds, head: &Thresholds, cases: &BTreeSet<String>) -> Vec<String> {
    let mut looser = of_the_run(base, head);
    let tolerances = base.tolerances().into_iter().map(|(key, _)| key).filter(|key| Override::has(key));
    for key in tolerances {
        let value =
            |gate: &Thresholds| gate.tolerances().into_iter().find(|(it, _)| *it == key).map(|(_, value)| value);
        looser.extend(of_cases(key, value, |base, head| head > base, (base, head), cases));
    }
    for ceiling in Ceiling::ALL {
        let is_looser = |base: f64, head: f64| if ceiling == Ceiling::Speedup { head < base } else { head > base };
        looser.extend(of_cases(ceiling.key(), |gate| gate.ceiling(ceiling), is_looser, (base, head), cases));
    }
    looser
}

/// Key by key, as config.toml writes them, so that a new key cannot be forgotten. A lowered tolerance is stricter; of any other
/// key either change may be looser.
fn of_the_run(base: &Thresholds, head: &Thresholds) -> Vec<String> {
    let keys = |gate: &Thresholds| match serde_json::to_value(gate) {
        Ok(Value::Object(keys)) => keys,
        _ => serde_json::Map::new(),
    };
    let tolerances = base.tolerances().into_iter().zip(head.tolerances());
    let lowered: Vec<&str> = tolerances.filter(|((_, base), (_, head))| head < base).map(|((key, _), _)| key).collect();
    let base = keys(base);
    let of_the_run = keys(head).into_iter().filter(|(key, _)| key != "overrides" && !Override::has(key));
    let looser = of_the_run.filter_map(|(key, head)| {
        let base = base.get(&key)?;
        (head != *base && !lowered.contains(&key.as_str()))
            .then(|| format!("gate.{key} from {} to {}", number(base), number(&head)))
    });
    looser.collect()
}

/// What becomes of the threshold `key` for each case where it `is_looser` or gone, cases of the same change together.
fn of_cases(
    key: &str,
    value: impl Fn(&Thresholds) -> Option<f64>,
    is_looser: impl Fn(f64, f64) -> bool,
    (base, head): (&Thresholds, &Thresholds),
    cases: &BTreeSet<String>,
) -> Vec<String> {
    type Change = (f64, Option<f64>);
    let mut changes: Vec<(Change, Vec<&str>)> = Vec::new();
    for name in cases {
        let Some(before) = value(&base.of_case(name)) else { continue };
        let change = (before, value(&head.of_case(name)));
        if change.1.is_some_and(|after| !is_looser(before, after)) {
            continue;
        }
        match changes.iter_mut().find(|(other, _)| *other == change) {
            Some((_, names)) => names.push(name),
            None => changes.push((change, vec![name])),
        }
    }
    let words = |((before, after), names): (Change, Vec<&str>)| {
        let is_of_gate = value(base) == Some(before) && value(head) == after;
        let what = if is_of_gate { format!("gate.{key}") } else { format!("{key} of {}", some_names(&names)) };
        match after {
            Some(after) => format!("{what} from {before} to {after}"),
            None => format!("removes {what} ({before})"),
        }
    };
    changes.into_iter().map(words).collect()
}

/// As people write it in config.toml: `2`, not `2.0`.
fn number(value: &Value) -> String {
    match (value, value.as_f64()) {
        (Value::Array(values), _) => format!("[{}]", values.iter().map(number).collect::<Vec<_>>().join(", ")),
        (_, Some(number)) => number.to_string(),
        _ => value.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names() -> BTreeSet<String> {
        ["mlx/5f/none", "mlx/41f/none", "mlx/41f/int8", "torch/41f/none"].map(str::to_owned).into()
    }

    fn gate(text: &str) -> Thresholds {
        toml::from_str(text).unwrap()
    }

    /// What changing the gate `base` to `head` relaxes, and what changing it back does.
    #[track_caller]
    fn both_ways(base: &str, head: &str) -> (Vec<String>, Vec<String>) {
        let (base, head) = (gate(base), gate(head));
        (thresholds(&base, &head, &names()), thresholds(&head, &base, &names()))
    }

    const NOTHING: [&str; 0] = [];

    #[test]
    fn every_key_of_the_gate_is_compared() {
        let Ok(Value::Object(keys)) = serde_json::to_value(Thresholds::default()) else { panic!("a gate is a table") };
        let listed = |key: &str, value: Value| {
            let mut keys = keys.clone();
            keys[key] = value;
            let head = serde_json::from_value(Value::Object(keys)).unwrap();
            thresholds(&Thresholds::default(), &head, &names()).len()
        };
        for (key, value) in &keys {
            let changed = |factor: f64| match value {
                Value::Array(_) => Value::Array(Vec::new()),
                value if value.is_u64() => Value::from(value.as_u64().unwrap() + 1),
                value => Value::from(value.as_f64().unwrap() * factor),
            };
            assert!(listed(key, changed(1.5)) == 1, "{key}");
            assert!(listed(key, value.clone()) == 0, "{key}");
        }
        // A smaller share leaves more runs unjudged, a larger one judges on a worse machine.
        assert_eq!([0.4, 0.6].map(|share| listed("control_share", Value::from(share))), [1, 1]);
        assert_eq!(listed("peak_tolerance_mib", Value::from(8.0)), 0);
    }

    #[test]
    fn a_ceiling_that_is_raised_or_removed_is_looser_and_one_that_is_added_is_not() {
        for ceiling in Ceiling::ALL {
            let key = ceiling.key();
            let (of_900, of_950) = (format!("{key} = 900"), format!("{key} = 950"));
            let (raised, lowered) = both_ways(&of_900, &of_950);
            let (told, silent) = if ceiling == Ceiling::Speedup { (lowered, raised) } else { (raised, lowered) };
            let (from, to) = if ceiling == Ceiling::Speedup { (950, 900) } else { (900, 950) };
            assert_eq!(told, [format!("gate.{key} from {from} to {to}")]);
            assert_eq!(silent, NOTHING);
            let (removed, added) = both_ways(&of_900, "");
            assert_eq!(removed, [format!("removes gate.{key} (900)")]);
            assert_eq!(added, NOTHING);
        }
    }

    #[test]
    fn an_override_is_told_where_it_relaxes_a_case() {
        let lax = "[[overrides]]\nfilter = \"mlx/41f\"\nbase_tolerance_percent = 3\n";
        let (added, removed) = both_ways("", lax);
        assert_eq!(added, ["base_tolerance_percent of mlx/41f/int8, mlx/41f/none from 2 to 3"]);
        assert_eq!(removed, NOTHING);
        // With another filter it is laxer for one case, and stricter for others.
        let (there, back) = both_ways(lax, &lax.replace("mlx/41f", "41f/none"));
        assert_eq!(there, ["base_tolerance_percent of torch/41f/none from 2 to 3"]);
        assert_eq!(back, ["base_tolerance_percent of mlx/41f/int8 from 2 to 3"]);
        let ceiling = "[[overrides]]\nfilter = \"torch\"\nload_ceiling_seconds = 9.5\n";
        assert_eq!(both_ways(ceiling, "").0, ["removes load_ceiling_seconds of torch/41f/none (9.5)"]);
        // A stricter one that is removed leaves the case to [gate].
        let strict = "[[overrides]]\nfilter = \"mlx/5f\"\npeak_tolerance_mib = 1\n";
        assert_eq!(both_ways(strict, "").0, ["peak_tolerance_mib of mlx/5f/none from 1 to 16"]);
        assert_eq!(both_ways(strict, "").1, NOTHING);
    }

    #[test]
    fn what_is_said_otherwise_and_is_the_same_for_every_case_is_not_told() {
        let (of_gate, of_all) =
            ("base_tolerance_percent = 3", "[[overrides]]\nfilter = \"/\"\nbase_tolerance_percent = 3");
        assert_eq!(both_ways(of_gate, of_all), (vec![], vec![]));
        // A tolerance of [gate] that no case has any more relaxes nothing.
        let kept = "base_tolerance_percent = 4\n[[overrides]]\nfilter = \"/\"\nbase_tolerance_percent = 2";
        assert_eq!(both_ways("", kept), (vec![], vec![]));
    }
}
