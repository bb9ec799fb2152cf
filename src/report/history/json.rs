//! The history as JSON, for scripts. Schema [`SCHEMA`].
//!
//! | key | meaning |
//! |---|---|
//! | `schema` | 1; raised when a key changes its meaning or goes away, not when one is added |
//! | `series[]` | one [`Series`] for each machine, device and case |
//! | `series[].unit` | what `value` and `interval` of its points are in: `seconds`, `bytes` or `ratio` |
//! | `series[].change` | how much worse the latest runs are than the first ones, as a share; positive is worse |
//! | `series[].points[]` | its runs, oldest first |
//! | `series[].changes[]` | its change points: a `step`, or a `drift` from `date` to `reached`; it began after the commit `after` and had begun by `until`, with 95% confidence |
//! | `series[].left_out` | runs that are not comparable: of a debug build, or of another shape under the same name |

use serde::Serialize;

use crate::evidence::quantity::Change;
use crate::history::Series;
use crate::text::escape;

/// Version of the form.
pub const SCHEMA: u32 = 1;

#[derive(Serialize)]
struct Document<'a> {
    schema: u32,
    series: Vec<Shown<'a>>,
}

#[derive(Serialize)]
struct Shown<'a> {
    unit: &'static str,
    change: Option<Change>,
    #[serde(flatten)]
    series: &'a Series,
}

impl<'a> Shown<'a> {
    fn of(series: &'a Series) -> Self {
        Self { unit: series.metric.unit(), change: series.change(), series }
    }
}

/// The series as indented JSON, with a line feed at its end.
///
/// # Panics
/// Never: all keys are strings and serde_json writes a number that is not finite as `null`.
pub fn render(series: &[Series]) -> String {
    let document = Document { schema: SCHEMA, series: series.iter().map(Shown::of).collect() };
    escape::json_document(&document)
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::history::{Asked, Metric, series};
    use crate::testing::history_run;

    #[test]
    fn a_series_has_its_unit_its_change_and_its_runs() {
        let entries = [history_run(0, "mlx/41f/int8", 1.0), history_run(1, "mlx/41f/int8", 1.25)];
        let asked = Asked {
            metric: Metric::Step,
            machine: None,
            cases: vec!["mlx/41f/int8".to_owned()],
            label: None,
            since: None,
            last: None,
        };
        let document: Value = serde_json::from_str(&render(&series(&entries, &asked))).unwrap();
        assert_eq!(document["schema"], 1);
        let series = &document["series"][0];
        assert_eq!([&series["unit"], &series["metric"], &series["case"]], ["seconds", "step", "mlx/41f/int8"]);
        assert!((series["change"].as_f64().unwrap() - 0.25).abs() < 1e-9);
        let points = series["points"].as_array().unwrap();
        assert_eq!((points.len(), &points[1]["date"]), (2, &"2026-03-02T12:34:56Z".into()));
        assert_eq!(points[1]["verdict"], "regressed");
    }
}
