//! The history as comma-separated values (RFC 4180), a line for each run of each series.

use crate::history::{Point, Series};
use crate::text::escape::one_line;

/// The columns: `value`, `low` and `high` are in `unit`.
const HEAD: &str =
    "machine,device,case,metric,unit,date,commit,dirty,suite,value,low,high,verdict,accepted,doubted,imported\n";

/// The series as a table with a head.
pub fn render(series: &[Series]) -> String {
    let lines = series.iter().flat_map(|series| series.points.iter().map(move |point| line(series, point)));
    HEAD.to_owned() + &lines.collect::<String>()
}

fn line(series: &Series, point: &Point) -> String {
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    let end = |end: fn((f64, f64)) -> f64| point.interval.map(|interval| end(interval).to_string()).unwrap_or_default();
    let fields = [
        series.machine.clone(),
        series.device.name().to_owned(),
        series.case.clone(),
        series.metric.name().to_owned(),
        series.metric.unit().to_owned(),
        point.date.to_string(),
        text(&point.commit),
        point.dirty.to_string(),
        point.suite.clone(),
        point.value.to_string(),
        end(|(low, _)| low),
        end(|(_, high)| high),
        text(&point.verdict),
        text(&point.accepted),
        point.is_doubted.to_string(),
        text(&point.imported),
    ];
    fields.map(|field| quoted(&field)).join(",") + "\n"
}

/// In quotes where a comma or a quote is in it. A spreadsheet takes what begins with one of four signs for a formula.
fn quoted(field: &str) -> String {
    let field = one_line(field);
    let is_formula = field.starts_with(['=', '+', '-', '@']) && field.parse::<f64>().is_err();
    let field = if is_formula { format!("'{field}") } else { field };
    if field.contains([',', '"']) { format!("\"{}\"", field.replace('"', "\"\"")) } else { field }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::{Asked, Metric, series};
    use crate::testing::history_run;

    #[test]
    fn each_run_is_a_line_of_as_many_fields_as_the_head() {
        let mut entry = history_run(0, "mlx/41f/int8", 1.0);
        entry.suite = "quick, \"small\"".to_owned();
        let asked = Asked {
            metric: Metric::Step,
            machine: None,
            cases: vec!["torch/5f".to_owned()],
            label: None,
            since: None,
            last: None,
        };
        let text = render(&series(&[entry], &asked));
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 2);
        let start = "apple-m3-ultra-80gpu-512gb,gpu,torch/5f/none,step time,seconds,2026-03-01T12:34:56Z,0000000c0ffee";
        assert!(lines[1].starts_with(start), "{text}");
        assert!(lines[1].contains(",false,\"quick, \"\"small\"\"\",0.0081,"), "{text}");
        let fields = |line: &str| line.matches(',').count() - line.matches("quick, ").count();
        assert_eq!(fields(lines[0]), fields(lines[1]));
    }

    #[test]
    fn nothing_is_a_formula() {
        assert_eq!(["=1+1", "-x", "-0.5", "a", "+1e-3"].map(quoted), ["'=1+1", "'-x", "-0.5", "a", "+1e-3"]);
    }
}
