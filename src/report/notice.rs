//! A run that fails, in some lines for a chat: what Slack calls mrkdwn.

use super::headline::{self, Notable};
use super::{Report, comment, short};
use crate::text::escape::{cut, one_line};

/// Findings that are told; the run's page has them all.
const MOST_FINDINGS: usize = 5;

/// Characters of one finding.
const FINDING_LENGTH: usize = 300;

/// The verdict over `reports`, what fails, and where the rest is.
pub fn render(reports: &[Report], run_url: Option<&str>) -> String {
    let mut lines = vec![format!("*wanbench* {}", escaped(&comment::title(reports)))];
    lines.extend(reports.iter().map(whose));
    let failing: Vec<Notable> =
        reports.iter().flat_map(|report| headline::notable(&report.outcome)).filter(|notable| notable.fails).collect();
    lines.extend(failing.iter().take(MOST_FINDINGS).map(finding));
    if failing.len() > MOST_FINDINGS {
        lines.push(format!("… and {} more", failing.len() - MOST_FINDINGS));
    }
    lines.extend(run_url.map(|url| format!("<{}|The run>", escaped(url))));
    lines.join("\n")
}

/// Which run it is.
fn whose(report: &Report) -> String {
    let record = &report.record;
    let commit = record.tool.commit.as_deref().map_or_else(String::new, |commit| format!(" at {}", short(commit)));
    escaped(&format!("{} on {}{commit}", record.suite, record.machine.name(record.device)))
}

fn finding(notable: &Notable) -> String {
    let names: Vec<&str> = notable.cases.iter().map(|case| case.name.as_str()).collect();
    let words = format!("{} {}: {}", notable.verdict, names.join(", "), notable.words);
    format!("• {}", escaped(&cut(&words, FINDING_LENGTH)))
}

/// On one line, without the three characters by which Slack knows links and mentions.
fn escaped(text: &str) -> String {
    one_line(text).replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Scenario;

    #[test]
    fn the_verdict_the_worst_cases_and_the_run_are_told_and_nobody_is_called() {
        let mut now = Scenario::new();
        now.slow_down("mlx/41f/int8", 1.25);
        now.record.suite = "<!channel> & *all*".to_owned();
        let text = render(&[now.report()], Some("https://github.test/octo/wan/actions/runs/42"));
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[0], "*wanbench* Gate failed: 1 figure outside its tolerance, in 1 of 8 cases");
        assert_eq!(lines[1], "&lt;!channel&gt; &amp; *all* on apple-m3-ultra-80gpu-512gb at 1f837a6c0ffe");
        assert!(
            lines[2].starts_with("• regressed mlx/41f/int8: speedup fell from the baseline's 2.46x to 1.97x"),
            "{text}"
        );
        assert_eq!(lines[3..], ["<https://github.test/octo/wan/actions/runs/42|The run>"]);
    }

    #[test]
    fn of_many_findings_the_first_are_told_and_the_rest_is_counted() {
        let mut now = Scenario::new();
        let names: Vec<String> = now.record.cases.iter().map(|case| case.case.name.clone()).collect();
        for (extra, name) in names.iter().enumerate() {
            now.launches(name).into_iter().for_each(|launch| launch.model_bytes += 4 * (1 + extra as u64));
        }
        let text = render(&[now.report()], None);
        assert_eq!(text.matches("\n• ").count(), MOST_FINDINGS);
        assert!(text.lines().last().unwrap().starts_with("… and "), "{text}");
    }
}
