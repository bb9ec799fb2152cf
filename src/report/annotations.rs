//! Findings as workflow commands, which GitHub Actions show on the run's and the change's pages.
//!
//! Source: GitHub's documentation, "Workflow commands for GitHub Actions". A step shows ten errors and ten warnings.

use super::{Report, headline};
use crate::gate::{Standing, Verdict};
use crate::text::escape::{cut, one_line};

/// Annotations of one kind that a step shows.
const MOST: usize = 10;
/// Characters of a message: it is shown in a small box.
const MESSAGE_LENGTH: usize = 500;
/// Characters of a title.
const TITLE_LENGTH: usize = 100;

/// The findings of `reports`, as annotations of `config_file`; a line each.
pub fn render(reports: &[Report], config_file: &str) -> String {
    let (mut errors, mut warnings) = (Vec::new(), Vec::new());
    for report in reports {
        let errors_before = errors.len();
        for notable in headline::notable(&report.outcome) {
            let names: Vec<&str> = notable.cases.iter().map(|case| case.name.as_str()).collect();
            let title = format!("wanbench: {} {}", notable.verdict, names.join(", "));
            let kind = match notable.verdict {
                _ if notable.fails || (notable.is_gap && report.standing() != Standing::Passed) => &mut errors,
                Verdict::Improved | Verdict::Unchanged | Verdict::New | Verdict::Skipped | Verdict::NotGated => {
                    continue;
                }
                _ => &mut warnings,
            };
            kind.push((title, notable.words));
        }
        // What concerns the whole run is said of no case.
        if report.standing() != Standing::Passed && errors.len() == errors_before {
            errors.push((format!("wanbench: {}", report.standing().name()), headline::reason(report)));
        }
    }
    let commands = |kind: &str, mut all: Vec<(String, String)>| {
        if all.len() > MOST {
            let more = format!("{} more are in the report", all.len() - (MOST - 1));
            all.truncate(MOST - 1);
            all.push(("wanbench".to_owned(), more));
        }
        let one = |(title, words): &(String, String)| command(kind, Some(config_file), title, words);
        all.iter().map(one).collect::<String>()
    };
    commands("error", errors) + &commands("warning", warnings)
}

/// A warning about wanbench itself rather than about a case.
pub fn warning(words: &str) -> String {
    command("warning", None, "wanbench", words)
}

/// An error: nothing could be measured, for `reason`.
pub fn failure(reason: &str) -> String {
    command("error", None, "wanbench: nothing could be measured", reason)
}

fn command(kind: &str, file: Option<&str>, title: &str, words: &str) -> String {
    let file = file.map_or_else(String::new, |file| format!("file={},", property(file)));
    let title = property(&cut(&one_line(title), TITLE_LENGTH));
    format!("::{kind} {file}title={title}::{}\n", data(&cut(&one_line(words), MESSAGE_LENGTH)))
}

/// `text` as a command's message, which ends with the line.
fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

/// `text` as a property, which commas and colons end too.
fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Scenario;

    #[test]
    fn a_command_has_one_line_and_no_other_command_in_it() {
        let text = command("error", Some("a,b:c.toml"), "x: y", "5% more\n::error::z");
        assert_eq!(text, "::error file=a%2Cb%3Ac.toml,title=x%3A y::5%25 more ::error::z\n");
    }

    #[test]
    fn a_gate_that_fails_on_no_case_says_why() {
        let mut now = Scenario::new();
        now.baseline = None;
        assert_eq!(render(&[now.clone().report()], "config.toml"), "");
        now.demands.baseline = true;
        let text = render(&[now.report()], "config.toml");
        assert!(text.starts_with("::error file=config.toml,title=wanbench%3A Gate failed::"), "{text}");
        assert!(text.contains("--require-baseline") && text.lines().count() == 1, "{text}");
    }

    #[test]
    fn a_skipped_case_is_an_error_where_it_is_due() {
        let mut now = Scenario::new();
        now.skip("mlx/41f/int8", 71);
        let text = render(&[now.clone().report()], "config.toml");
        assert!(
            text.starts_with("::error file=config.toml,title=wanbench%3A skipped mlx/41f/int8::needs 71"),
            "{text}"
        );
        assert_eq!(text.lines().count(), 1, "{text}");
        now.baseline = None;
        assert_eq!(render(&[now.clone().report()], "config.toml"), "");
        let names: Vec<String> = now.record.cases.iter().map(|case| case.case.name.clone()).collect();
        names.iter().for_each(|name| now.skip(name, 71));
        let text = render(&[now.report()], "config.toml");
        assert!(text.contains("title=wanbench%3A Not judged::nothing was measured"), "{text}");
        assert_eq!(text.lines().count(), 1, "{text}");
    }

    #[test]
    fn regressions_are_errors_and_at_most_ten() {
        let mut now = Scenario::new();
        let names: Vec<String> = now.record.cases.iter().map(|case| case.case.name.clone()).collect();
        for (index, name) in names.iter().filter(|name| name.starts_with("mlx")).enumerate() {
            now.slow_down(name, 1.25 + index as f64 / 100.0);
        }
        let report = now.report();
        let one = render(std::slice::from_ref(&report), "config.toml");
        assert_eq!(one.lines().count(), 6, "{one}");
        assert!(one.lines().all(|line| line.starts_with("::error file=config.toml,title=wanbench%3A regressed mlx/")));
        let three = render(&[report.clone(), report.clone(), report], "config.toml");
        assert_eq!(three.lines().count(), 10, "{three}");
        assert!(three.ends_with("::9 more are in the report\n"), "{three}");
    }
}
