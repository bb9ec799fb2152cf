//! The comment on several machines, its limit, and what it makes of hostile text. The goldens of one machine's comment
//! are beside those of the reports, see `report::tests`.

use super::*;
use crate::config::Thresholds;
use crate::config::{Case, Workload};
use crate::report::tests::snapshot;
use crate::store::baseline::{Acceptance, Accepted, Baseline};
use crate::store::record::{BaseRevision, Outcome, RunRecord};
use crate::testing::Scenario;

/// Text that means something to Markdown, HTML, GitHub, Mermaid, the shell or Actions.
const HOSTILE: &str = "a|b `c` ``` </details> <img src=x> --> @octocat #12 %%{init} \"$(id)'\n::error::x\n\n# h";

#[test]
fn each_machine_has_a_section_the_gravest_first_and_what_fails_comes_before_all() {
    let (mut fine, mut slow, mut large) = (Scenario::new(), Scenario::beside_base(), Scenario::new());
    fine.record.machine.chip = "Apple M4 Max".to_owned();
    fine.fail("mlx/41f/nf4", "the worker died: signal 9", &["loading weights"]);
    slow.slow_down("mlx/41f/int8", 1.05);
    large.record.machine.chip = "Apple M5".to_owned();
    large.launches("mlx/5f/int8").into_iter().for_each(|launch| launch.model_bytes += 4);
    let comment = render(&[fine.report(), large.report(), slow.report()], &origin(), 65_536);
    let headings: Vec<&str> = comment.lines().filter(|line| line.starts_with("### ")).collect();
    assert!(headings[0].starts_with("### ✗ `apple-m5-"), "{headings:?}");
    assert!(headings[1].starts_with("### ✗ `apple-m3-ultra-"), "{headings:?}");
    assert!(headings[2].starts_with("### ? `apple-m4-max-"), "{headings:?}");
    assert!(comment.starts_with("**✗ Gate failed** at `1f837a6c0ffe` on 2 of 3 machines, apple-m5-"), "{comment}");
    let findings: Vec<&str> = comment.lines().filter(|line| line.starts_with("- **")).take(4).collect();
    assert!(findings[..2].iter().all(|line| line.starts_with("- **regressed** `mlx/")), "{findings:?}");
    assert_eq!(comment.matches("gh run download").count(), 1, "{comment}");
    assert_whole(&comment);
    snapshot("machines.comment", &comment);
}

#[test]
fn what_is_accepted_needs_a_reason_after_the_update_that_the_rest_needs() {
    let mut now = Scenario::beside_base();
    now.slow_down("mlx/41f/int8", 1.05);
    now.launches("mlx/5f/nf4").into_iter().for_each(|launch| launch.model_bytes += 4);
    let comment = render(&[now.report()], &origin(), 65_536);
    let block = comment.split("```").nth(1).unwrap();
    let commands: Vec<&str> = block.lines().skip(1).filter(|line| !line.starts_with('#')).collect();
    assert_eq!(
        commands,
        [
            "gh run download 42 --name wanbench-results",
            "wanbench baseline update --from results.json --machine apple-m3-ultra-80gpu-512gb",
            "wanbench baseline accept mlx/41f/int8 --reason 'WHY IT IS ACCEPTABLE' --from results.json --machine apple-m3-ultra-80gpu-512gb",
        ]
    );
}

#[test]
fn what_fails_in_memory_is_not_folded_away() {
    let mut now = Scenario::new();
    assert!(render(&[now.clone().report()], &origin(), 65_536).contains("<details><summary>Memory"));
    now.launches("mlx/5f/int8").into_iter().for_each(|launch| launch.model_bytes += 4);
    assert!(render(&[now.report()], &origin(), 65_536).contains("<details open><summary>Memory"));
}

#[test]
fn every_rendering_tells_of_a_skipped_case() {
    let mut now = of_cases("41f", 512);
    now.skip("mlx/41f/int8", 71);
    let report = now.report();
    let machines = vec![report.clone(); 3];
    for (reports, limit) in [(&[report][..], 1_000_000), (&machines, 9_000), (&machines, 0)] {
        let comment = render(reports, &origin(), limit);
        assert!(comment.starts_with("**? Not judged**"), "{comment}");
        assert!(comment.contains("**skipped** `mlx/41f/int8`"), "{comment}");
        assert_whole(&comment);
    }
    let brief = render(&machines, &origin(), 0);
    assert!(brief.contains("of 512 cases 0 fail, 1 not judged"), "{brief}");
}

#[test]
fn a_run_without_results_has_a_comment_that_says_so() {
    let comment = render(&[], &Origin::default(), 65_536);
    assert_eq!(comment, "**? Not judged**: there are no results. **Next:** See why the run has no results.\n");
    assert_eq!(title(&[]), "Not judged: there are no results");
}

#[test]
fn the_limit_is_kept_by_whole_renderings_however_many_cases_there_are() {
    let now = of_cases("41f", 512);
    let calm = now.clone().report();
    assert!(calm.outcome.cases.len() > 500);
    let slow = slowed(now).report();
    assert_eq!(slow.standing(), Standing::Failed);
    let machines = vec![slow.clone(); 20];
    let all_limits = [1_000_000_000, 65_536, 20_000, 5_000, 1_000];
    for (reports, limits, what) in
        [(&[calm][..], &all_limits[..], "calm"), (&[slow][..], &all_limits, "slow"), (&machines, &[65_536], "machines")]
    {
        let mut shorter = usize::MAX;
        for &limit in limits {
            let comment = render(reports, &origin(), limit);
            assert!(comment.len() <= limit.min(shorter), "{what} {limit}: {}", comment.len());
            shorter = comment.len();
            let standing = reports[0].standing().name();
            assert!(comment.lines().next().unwrap().contains(&format!(" {standing}**")), "{what} {limit}: {comment}");
            assert_whole(&comment);
        }
    }
}

#[test]
fn five_hundred_regressions_in_a_comment_name_the_first_and_count_the_rest() {
    let comment = render(&[slowed(of_cases("41f", 512)).report()], &origin(), 65_536);
    assert!(comment.contains("- and 364 more\n"), "{comment}");
    assert!(comment.contains("Left out to fit into a comment"), "{comment}");
}

#[test]
fn unchanged_rows_are_left_out_with_their_number_before_changed_ones_are() {
    let mut now = of_cases("41f", 512);
    now.slow_down("mlx/41f/int8", 1.5);
    let comment = render(&[now.report()], &origin(), 8_000);
    assert!(comment.contains("**regressed**") && comment.contains("\nNot shown: 511 unchanged cases.\n"), "{comment}");
    assert_whole(&comment);
}

#[test]
fn the_last_rendering_is_bounded_whatever_the_reports_hold() {
    let mut now = of_cases(&HOSTILE.repeat(3), 32);
    now.record.machine.chip = HOSTILE.repeat(40);
    now.record.suite = HOSTILE.repeat(400);
    let mut failed = now.clone();
    failed.record.cases.iter_mut().for_each(|case| case.launches.clear());
    let reports = [vec![slowed(now).report(); 3], vec![failed.report(); 3]].concat();
    for url in ["https://github.test/".to_owned() + &"x".repeat(180), "https://github.test/".repeat(1000)] {
        let comment = render(&reports, &Origin { run_url: Some(url), download: Some(HOSTILE.repeat(1000)) }, 0);
        assert!(comment.len() <= 1_000, "{}: {comment}", comment.len());
        assert!(comment.contains("**regressed** `mlx/"), "{comment}");
        assert_whole(&comment);
    }
}

#[test]
fn text_from_outside_is_shown_and_never_obeyed() {
    let mut now = hostile(HOSTILE);
    let hidden = now.record.started;
    let covers = Accepted::before_outputs();
    let acceptance = Acceptance {
        reason: HOSTILE.to_owned(),
        date: hidden,
        commit: None,
        change: Some(0.25),
        times: Default::default(),
        covers,
    };
    let name = now.record.cases[6].case.name.clone();
    let early = RunRecord { started: "2026-02-01T09:00:00Z".parse().unwrap(), ..now.record.clone() };
    let baseline = Baseline::empty(early.machine.clone(), early.device).updated(&early, &Thresholds::default());
    now.baseline = Some(baseline.accepting(&early, &name, acceptance, &Thresholds::default()));
    now.record.base =
        Some(BaseRevision { loosened: vec![HOSTILE.to_owned()], ..BaseRevision::new(HOSTILE.to_owned(), None) });
    now.slow_down(&name, 1.25);
    let report = now.report();
    for (reports, limit) in [(vec![report.clone()], 65_536), (vec![report.clone(), report], 6_000)] {
        let comment = render(&reports, &Origin { run_url: Some(HOSTILE.to_owned()), download: None }, limit);
        assert_whole(&comment);
        let prose = without_code(&comment);
        assert!(!prose.contains("@octocat") && !prose.contains("#12"), "{prose}");
        assert!(!prose.contains("-->") && !prose.contains("<img"), "{prose}");
        assert!(comment.lines().all(|line| !line.starts_with("::") && line != "# h"), "{comment}");
        let charts = comment.split("```mermaid\n").skip(1).map(|rest| rest.split("```").next().unwrap());
        let charts = charts.map(|chart| chart.strip_prefix(trend::LINE_COLOR).unwrap());
        assert!(
            charts.map(|chart| chart.matches(['`', '%', '{', '$', '<']).count()).all(|count| count == 0),
            "{comment}"
        );
    }
}

/// The founding table's cases with `text` in every name, with a failed one, on a machine of that name.
pub(in crate::report) fn hostile(text: &str) -> Scenario {
    let mut now = Scenario::new();
    for case in &mut now.record.cases {
        let workload = Workload { name: format!("{text}{}", case.case.workload.name), ..case.case.workload.clone() };
        case.case = Case::new(&case.case.backend, workload, case.case.quant, case.case.dtype);
    }
    now.link();
    now.record.machine.chip = text.to_owned();
    now.record.suite = text.to_owned();
    now.record.warnings = vec![text.to_owned()];
    let failed = now.record.cases[3].case.name.clone();
    now.fail(&failed, text, &[text, "```", "</details>"]);
    now.record.cases[5].case.backend = text.to_owned();
    if let Outcome::Measured(launch) = &mut now.record.cases[0].launches[0].outcome {
        launch.device.name = text.to_owned();
        launch.versions.insert(text.to_owned(), text.to_owned());
    }
    now
}

/// So many cases, eight of them under their own names and the others in workloads whose names begin with `name`;
/// unchanged.
fn of_cases(name: &str, number: usize) -> Scenario {
    let mut now = Scenario::new();
    let few = now.record.cases.clone();
    for round in 1..number / few.len() {
        for case in &few {
            let mut case = case.clone();
            let workload =
                Workload { name: format!("{name}-{round}-{}", case.case.workload.name), ..case.case.workload };
            case.case = Case::new(&case.case.backend, workload, case.case.quant, case.case.dtype);
            now.record.cases.push(case);
        }
    }
    now.link();
    let before = RunRecord { started: "2026-02-27T09:00:00Z".parse().unwrap(), ..now.record.clone() };
    now.baseline =
        Some(Baseline::empty(before.machine.clone(), before.device).updated(&before, &Thresholds::default()));
    now
}

/// All of MLX slower.
fn slowed(mut now: Scenario) -> Scenario {
    let names: Vec<String> = now.record.cases.iter().map(|case| case.case.name.clone()).collect();
    for (index, name) in names.iter().enumerate().filter(|(_, name)| name.starts_with("mlx")) {
        now.slow_down(name, 1.5 + index as f64 / 1000.0);
    }
    now
}

/// Every fold and fence is closed, and every table's row has as many cells as its header.
pub(in crate::report) fn assert_whole(markdown: &str) {
    let prose = without_code(markdown);
    assert_eq!(prose.matches("<details").count(), prose.matches("</details>").count(), "{markdown}");
    let cells = |line: &str| line.replace(r"\\", "").replace(r"\|", "").matches('|').count();
    let lines: Vec<&str> = markdown.lines().collect();
    for pair in lines.windows(2).filter(|pair| pair.iter().all(|line| line.starts_with('|'))) {
        assert_eq!(cells(pair[0]), cells(pair[1]), "{}\n{}", pair[0], pair[1]);
    }
}

/// `markdown` without its fenced blocks, code spans and escaped brackets; a fence that is not closed is a failure.
fn without_code(markdown: &str) -> String {
    let mut prose = String::new();
    let mut fence: Option<String> = None;
    for line in markdown.lines() {
        let ticks: String = line.chars().take_while(|letter| *letter == '`').collect();
        match &fence {
            None if ticks.len() >= 3 => fence = Some(ticks),
            // A line of HTML has no code spans, and no backslash escapes.
            None if line.starts_with("<details") => prose += &format!("{line}\n"),
            None => {
                let spans = line.replace(r"\`", "").replace(r"\<", "");
                spans.split('`').step_by(2).for_each(|part| prose += part);
                prose.push('\n');
            }
            Some(open) if line == open => fence = None,
            Some(_) => {}
        }
    }
    assert_eq!(fence, None, "{markdown}");
    prose
}

/// Where the comments of the tests come from.
pub(in crate::report) fn origin() -> Origin {
    Origin {
        run_url: Some("https://github.test/octo/wan/actions/runs/42".to_owned()),
        download: Some("gh run download 42 --name wanbench-results".to_owned()),
    }
}
