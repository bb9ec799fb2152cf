//! The thresholds of one case: those of `[gate]`, with what `[[gate.overrides]]` set in their place.

use std::borrow::Cow;

use super::overrides::Override;
use super::thresholds::Thresholds;

impl Thresholds {
    /// The thresholds of the case `name`: of the overrides that are about it the last one counts, key by key.
    pub fn of_case(&self, name: &str) -> Cow<'_, Self> {
        let mut own = Cow::Borrowed(self);
        for it in self.overrides.iter().filter(|it| it.is_about(name)) {
            apply(it, own.to_mut());
        }
        own
    }

    /// The table of config.toml that sets `key` for the case `name`.
    pub fn table_of(&self, name: &str, key: &str) -> &'static str {
        let is_overridden = self.overrides.iter().any(|it| it.is_about(name) && it.sets(key));
        if is_overridden { "gate.overrides" } else { "gate" }
    }
}

fn apply(own: &Override, to: &mut Thresholds) {
    let tolerances = [
        (&mut to.base_tolerance_percent, own.base_tolerance_percent),
        (&mut to.whole_tolerance_percent, own.whole_tolerance_percent),
        (&mut to.speedup_tolerance_percent, own.speedup_tolerance_percent),
        (&mut to.step_time_tolerance_percent, own.step_time_tolerance_percent),
        (&mut to.anchor_tolerance_percent, own.anchor_tolerance_percent),
        (&mut to.peak_tolerance_percent, own.peak_tolerance_percent),
        (&mut to.peak_tolerance_mib, own.peak_tolerance_mib),
        (&mut to.parity_tolerance_factor, own.parity_tolerance_factor),
    ];
    for (place, value) in tolerances {
        *place = value.unwrap_or(*place);
    }
    let ceilings = [
        (&mut to.step_time_ceiling_ms, own.step_time_ceiling_ms),
        (&mut to.load_ceiling_seconds, own.load_ceiling_seconds),
        (&mut to.process_peak_ceiling_mib, own.process_peak_ceiling_mib),
        (&mut to.framework_peak_ceiling_mib, own.framework_peak_ceiling_mib),
        (&mut to.model_ceiling_mib, own.model_ceiling_mib),
        (&mut to.speedup_floor, own.speedup_floor),
    ];
    for (place, value) in ceilings {
        *place = value.or(*place);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Map, Value};

    use super::*;

    fn keys(value: &impl serde::Serialize) -> Map<String, Value> {
        match serde_json::to_value(value) {
            Ok(Value::Object(keys)) => keys,
            other => panic!("{other:?}"),
        }
    }

    /// An override that sets `key` alone, as config.toml does.
    fn setting(filter: &str, key: &str, value: f64) -> Override {
        toml::from_str(&format!("filter = \"{filter}\"\n{key} = {value:?}")).unwrap()
    }

    #[test]
    fn every_key_replaces_the_gates_own_for_its_cases_alone() {
        for (key, _) in Override::default().all() {
            let gate = Thresholds { overrides: vec![setting("mlx", key, 123.0)], ..Thresholds::default() };
            assert_eq!(keys(gate.of_case("mlx/5f/none").as_ref())[key], Value::from(123.0), "{key}");
            assert_eq!(gate.of_case("torch/5f/none").as_ref(), &gate, "{key}");
            assert!(gate.overrides[0].sets(key) && !gate.overrides[0].is_empty(), "{key}");
            let tables = ["mlx/5f/none", "torch/5f/none"].map(|name| gate.table_of(name, key));
            assert_eq!(tables, ["gate.overrides", "gate"], "{key}");
        }
    }

    #[test]
    fn the_later_override_wins_key_by_key() {
        let one = Override { whole_tolerance_percent: Some(8.0), ..setting("mlx", "base_tolerance_percent", 3.0) };
        let other = setting("int8", "base_tolerance_percent", 4.0);
        let gate = Thresholds { overrides: vec![one, other], ..Thresholds::default() };
        let of = |name: &str| {
            let own = gate.of_case(name);
            [own.base_tolerance_percent, own.whole_tolerance_percent]
        };
        assert_eq!(of("mlx/5f/int8"), [4.0, 8.0]);
        assert_eq!(of("mlx/5f/none"), [3.0, 8.0]);
        assert_eq!(of("torch/5f/none"), [2.0, 5.0]);
    }
}
