//! `[[gate.overrides]]` of config.toml: thresholds of some cases in place of `[gate]`'s.

use serde::{Deserialize, Serialize};

/// The thresholds that the cases of one filter have of their own; what is `None` stays as it is.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Override {
    /// Part of the names of the cases that it is about, as `--filter` takes it.
    pub filter: String,
    /// In place of [`super::Thresholds::base_tolerance_percent`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub base_tolerance_percent: Option<f64>,
    /// In place of [`super::Thresholds::whole_tolerance_percent`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub whole_tolerance_percent: Option<f64>,
    /// In place of [`super::Thresholds::speedup_tolerance_percent`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub speedup_tolerance_percent: Option<f64>,
    /// In place of [`super::Thresholds::step_time_tolerance_percent`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub step_time_tolerance_percent: Option<f64>,
    /// In place of [`super::Thresholds::anchor_tolerance_percent`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub anchor_tolerance_percent: Option<f64>,
    /// In place of [`super::Thresholds::peak_tolerance_percent`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub peak_tolerance_percent: Option<f64>,
    /// In place of [`super::Thresholds::peak_tolerance_mib`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub peak_tolerance_mib: Option<f64>,
    /// In place of [`super::Thresholds::parity_tolerance_factor`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parity_tolerance_factor: Option<f64>,
    /// In place of [`super::Thresholds::step_time_ceiling_ms`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub step_time_ceiling_ms: Option<f64>,
    /// In place of [`super::Thresholds::load_ceiling_seconds`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub load_ceiling_seconds: Option<f64>,
    /// In place of [`super::Thresholds::process_peak_ceiling_mib`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub process_peak_ceiling_mib: Option<f64>,
    /// In place of [`super::Thresholds::framework_peak_ceiling_mib`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub framework_peak_ceiling_mib: Option<f64>,
    /// In place of [`super::Thresholds::model_ceiling_mib`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model_ceiling_mib: Option<f64>,
    /// In place of [`super::Thresholds::speedup_floor`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub speedup_floor: Option<f64>,
}

impl Override {
    /// Whether the case `name` is one of those that it is about.
    pub fn is_about(&self, name: &str) -> bool {
        name.contains(&self.filter)
    }

    /// Whether it sets `key`.
    pub fn sets(&self, key: &str) -> bool {
        self.values().any(|(name, _)| name == key)
    }

    /// Whether `key` of `[gate]` is one that an override can set.
    pub fn has(key: &str) -> bool {
        Self::default().all().iter().any(|(name, _)| *name == key)
    }

    /// Whether it sets nothing at all.
    pub fn is_empty(&self) -> bool {
        self.values().next().is_none()
    }

    /// What it sets, by the keys.
    pub fn values(&self) -> impl Iterator<Item = (&'static str, f64)> {
        self.all().into_iter().filter_map(|(key, value)| Some((key, value?)))
    }

    /// Every key.
    pub(super) fn all(&self) -> [(&'static str, Option<f64>); 14] {
        [
            ("base_tolerance_percent", self.base_tolerance_percent),
            ("whole_tolerance_percent", self.whole_tolerance_percent),
            ("speedup_tolerance_percent", self.speedup_tolerance_percent),
            ("step_time_tolerance_percent", self.step_time_tolerance_percent),
            ("anchor_tolerance_percent", self.anchor_tolerance_percent),
            ("peak_tolerance_percent", self.peak_tolerance_percent),
            ("peak_tolerance_mib", self.peak_tolerance_mib),
            ("parity_tolerance_factor", self.parity_tolerance_factor),
            ("step_time_ceiling_ms", self.step_time_ceiling_ms),
            ("load_ceiling_seconds", self.load_ceiling_seconds),
            ("process_peak_ceiling_mib", self.process_peak_ceiling_mib),
            ("framework_peak_ceiling_mib", self.framework_peak_ceiling_mib),
            ("model_ceiling_mib", self.model_ceiling_mib),
            ("speedup_floor", self.speedup_floor),
        ]
    }
}
