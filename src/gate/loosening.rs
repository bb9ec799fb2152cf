//! What a change relaxes relative to its base: tolerances, suites, baselines. Pure.
//!
//! A change that slows a case down can pass by moving what it is judged by. A reviewer has to allow that, so the report lists
//! it. Only what is relaxed is listed; a threshold whose direction is not known here is listed whenever it changes. What is
//! of a case is compared case by case, wherever the configuration sets it.

use std::cmp::Ordering;

use jiff::tz::TimeZone;

use super::relaxed;
use crate::config::{Config, Suite};
use crate::store::baseline::{Anchor, Baseline, BaselineCase, KEPT_RUNS, ModelMemory, RecordedRun};
use crate::text::format;

/// The committed state of one side of a change; `None` for what it does not have.
#[derive(Clone, Copy, Debug, Default)]
pub struct Committed<'a> {
    /// Its config.toml.
    pub config: Option<&'a Config>,
    /// Its model bytes.
    pub memory: Option<&'a ModelMemory>,
    /// Its baseline of this machine.
    pub baseline: Option<&'a Baseline>,
}

/// What `head` relaxes relative to `base`, in words such as `gate.base_tolerance_percent from 2 to 4`.
///
/// A configuration that one side does not have is not compared; a baseline that only the base has is removed.
pub fn loosened(base: &Committed, head: &Committed) -> Vec<String> {
    let mut looser = Vec::new();
    if let (Some(base), Some(head)) = (base.config, head.config) {
        let cases = base.known_cases().into_iter().chain(head.known_cases()).collect();
        looser.extend(relaxed::thresholds(&base.gate, &head.gate, &cases));
        looser.extend(suites(base, head));
    }
    if let Some(base) = base.memory {
        looser.extend(memory(base, head.memory));
    }
    if let Some(base) = base.baseline {
        looser.extend(baseline(base, head.baseline));
    }
    looser
}

/// The cases whose regression `head` acknowledges, and `base` does not, or did for another run or reason.
pub fn accepted(base: &Committed, head: &Committed) -> Vec<String> {
    let of_base = |name: &String| base.baseline?.cases.get(name)?.accepted.as_ref();
    let cases = head.baseline.iter().flat_map(|baseline| &baseline.cases);
    cases
        .filter(|(name, case)| case.accepted.is_some() && case.accepted.as_ref() != of_base(name))
        .map(|(name, _)| name.clone())
        .collect()
}

fn suites(base: &Config, head: &Config) -> Vec<String> {
    let defaults = [
        ("gpu", &base.default_suite.gpu, &head.default_suite.gpu),
        ("cpu", &base.default_suite.cpu, &head.default_suite.cpu),
    ];
    let moved = defaults
        .into_iter()
        .filter(|(_, base, head)| base != head)
        .map(|(key, base, head)| format!("default_suite.{key} from {base} to {head}"));
    let commands = base
        .backends
        .iter()
        .filter(|(name, backend)| head.backends.get(*name).is_some_and(|now| now.command != backend.command));
    let commands = commands.map(|(name, _)| format!("changes the command of backend {name}"));
    let outputs = base.backends.iter().filter_map(|(name, backend)| {
        let now = head.backends.get(name)?;
        (now.output < backend.output).then(|| format!("requires less of the outputs of backend {name}"))
    });
    let models = base.models.iter().filter(|(name, model)| head.models.get(*name).is_some_and(|now| now != *model));
    let models = models.map(|(name, _)| format!("changes the checkpoint of model {name}"));
    let looser = base.suites.values().flat_map(|base| match head.suites.get(&base.name) {
        Some(head) => suite(base, head),
        None => vec![format!("removes suite {} ({})", base.name, format::count(base.cases.len(), "case"))],
    });
    moved.chain(commands).chain(outputs).chain(models).chain(looser).collect()
}

fn suite(base: &Suite, head: &Suite) -> Vec<String> {
    let name = &base.name;
    let mut looser = Vec::new();
    for (what, base, head) in [
        ("launches", base.launches, head.launches),
        ("max_launches", base.max_launches, head.max_launches),
        ("warmup_steps", base.warmup_steps as usize, head.warmup_steps as usize),
    ] {
        if head < base {
            looser.push(format!("{what} of suite {name} from {base} to {head}"));
        }
    }
    if base.side_by_side && !head.side_by_side {
        looser.push(format!("turns side_by_side off in suite {name}"));
    }
    if base.wake != Some(false) && head.wake == Some(false) {
        looser.push(format!("turns wake passes off in suite {name}"));
    }
    if base.canary && !head.canary {
        looser.push(format!("turns the canary off in suite {name}"));
    }
    if head.time_limit_minutes.is_some_and(|limit| base.time_limit_minutes.is_none_or(|base| limit < base)) {
        looser.push(format!("shortens the time limit of suite {name}"));
    }
    let (mut removed, mut other) = (Vec::new(), Vec::new());
    for case in &base.cases {
        match head.cases.iter().find(|head| head.name == case.name) {
            None => removed.push(case.name.as_str()),
            // Under the same name it computes another shape, or for another reference.
            Some(head) if head != case => other.push(case.name.as_str()),
            Some(_) => {}
        }
    }
    if !removed.is_empty() {
        looser.push(format!("removes {} from suite {name}", removed.join(", ")));
    }
    if !other.is_empty() {
        looser.push(format!("changes the workload or reference of {} in suite {name}", other.join(", ")));
    }
    looser
}

/// The bytes are exact: whatever changes them lets other bytes pass.
fn memory(base: &ModelMemory, head: Option<&ModelMemory>) -> Vec<String> {
    let changed = base.models.iter().filter_map(|(key, base)| match head.and_then(|head| head.models.get(key)) {
        Some(head) if head == base => None,
        Some(head) => Some(format!("model bytes of {key} from {} to {}", format::exact(*base), format::exact(*head))),
        None => Some(format!("removes the model bytes of {key}")),
    });
    changed.collect()
}

fn baseline(base: &Baseline, head: Option<&Baseline>) -> Vec<String> {
    let Some(head) = head else { return vec!["removes the machine's baseline".to_owned()] };
    let looser = base.cases.iter().filter_map(|(name, base)| {
        let Some(head) = head.cases.get(name) else { return Some(format!("removes the baseline of {name}")) };
        let changes = case(base, head);
        let accepted = if head.accepted.is_some() && head.accepted != base.accepted { " (accepted)" } else { "" };
        (!changes.is_empty()).then(|| format!("baseline of {name}: {}{accepted}", changes.join(", ")))
    });
    looser.collect()
}

/// What of a case's figures lets a worse one pass.
fn case(base: &BaselineCase, head: &BaselineCase) -> Vec<String> {
    let bytes = |bytes: Option<u64>| bytes.map(|bytes| bytes as f64);
    let mebibytes: fn(f64) -> String = |bytes| format::mebibytes(bytes as u64);
    let peak = |what, base, head| worse(what, bytes(base), bytes(head), Ordering::Greater, mebibytes);
    let is_other = base.shape.is_some() && base.shape != head.shape;
    let is_moved = |anchor: &&Anchor| head.anchor.as_ref() != Some(&completed(anchor, head.anchor.as_ref()));
    [
        worse("speedup", base.speedup, head.speedup, Ordering::Less, format::speedup),
        worse("step time", base.step_seconds, head.step_seconds, Ordering::Greater, format::seconds),
        peak("process peak", base.process_peak_bytes, head.process_peak_bytes),
        peak("framework peak", base.framework_peak_bytes, head.framework_peak_bytes),
        (!is_continued(&base.jobs, &head.jobs)).then(|| "recorded jobs edited".to_owned()),
        base.anchor.as_ref().filter(is_moved).map(|old| moved(old, head.anchor.as_ref())),
        is_other.then(|| "shape or reference changed".to_owned()),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// `anchor` with the figures that `head` adds to those that it lacks: adding one moves none.
fn completed(anchor: &Anchor, head: Option<&Anchor>) -> Anchor {
    Anchor {
        speedup: anchor.speedup.or(head.and_then(|head| head.speedup)),
        step_seconds: anchor.step_seconds.or(head.and_then(|head| head.step_seconds)),
        process_peak_bytes: anchor.process_peak_bytes.or(head.and_then(|head| head.process_peak_bytes)),
        framework_peak_bytes: anchor.framework_peak_bytes.or(head.and_then(|head| head.framework_peak_bytes)),
        ..anchor.clone()
    }
}

/// What became of the anchor `old`.
fn moved(old: &Anchor, new: Option<&Anchor>) -> String {
    let date = |anchor: &Anchor| anchor.date.to_zoned(TimeZone::UTC).date();
    match new {
        Some(new) => format!("anchor moved from {} to {}: {}", date(old), date(new), new.reason),
        None => format!("anchor of {} removed", date(old)),
    }
}

/// A figure that went into the `worse` direction, or away.
fn worse(
    what: &str,
    base: Option<f64>,
    head: Option<f64>,
    worse: Ordering,
    words: fn(f64) -> String,
) -> Option<String> {
    let base = base?;
    match head {
        None => Some(format!("{what} of {} removed", words(base))),
        Some(head) if head.partial_cmp(&base) == Some(worse) => {
            let change = if worse == Ordering::Less { base / head } else { head / base };
            let worse = format::percent(change - 1.0);
            Some(format!("{what} from {} to {} ({} worse)", words(base), words(head), worse.trim_start_matches('+')))
        }
        Some(_) => None,
    }
}

/// Whether `head` is what updates make of `base`: jobs at its end; gone are none, the oldest beyond [`KEPT_RUNS`], or all
/// where an acceptance began the history anew.
fn is_continued(base: &[RecordedRun], head: &[RecordedRun]) -> bool {
    let is_anew = head.first().is_some_and(|first| base.iter().all(|job| job.date < first.date));
    let mut gone = 0..base.len();
    let continues = |gone: usize| (gone == 0 || head.len() == KEPT_RUNS) && head.starts_with(&base[gone..]);
    base.is_empty() || is_anew || gone.any(continues)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::{OutputDemand, Thresholds};
    use crate::store::baseline::{Acceptance, Accepted};
    use crate::testing::Scenario;

    const SHIPPED: &str = include_str!("../../config.toml");

    fn config(changes: &[(&str, &str)]) -> Config {
        let text = changes.iter().fold(SHIPPED.to_owned(), |text, (old, new)| {
            assert!(text.contains(old), "{old}");
            text.replacen(old, new, 1)
        });
        Config::parse(&text, Path::new("config.toml")).unwrap()
    }

    fn loosened_configs(base: &Config, head: &Config) -> Vec<String> {
        loosened(
            &Committed { config: Some(base), ..Committed::default() },
            &Committed { config: Some(head), ..Committed::default() },
        )
    }

    /// What changing the shipped configuration loosens, and what changing it back does.
    fn both_ways(changes: &[(&str, &str)]) -> (Vec<String>, Vec<String>) {
        let (shipped, changed) = (config(&[]), config(changes));
        (loosened_configs(&shipped, &changed), loosened_configs(&changed, &shipped))
    }

    #[test]
    fn a_raised_tolerance_is_looser_and_a_lowered_one_is_not() {
        let (there, back) = both_ways(&[("speedup_tolerance_percent = 5.0", "speedup_tolerance_percent = 7.5")]);
        assert_eq!(there, ["gate.speedup_tolerance_percent from 5 to 7.5"]);
        assert_eq!(back, [""; 0]);
    }

    #[test]
    fn an_override_is_compared_over_the_cases_of_both_configurations() {
        let lax = "[gate]\noverrides = [{ filter = \"mlx/41f/nf4\", peak_tolerance_percent = 4 }]";
        let (there, back) = both_ways(&[("[gate]", lax)]);
        assert_eq!(there, ["peak_tolerance_percent of mlx/41f/nf4, mlx/41f/nf4/bf16, mlx/41f/nf4/f16 from 1 to 4"]);
        assert_eq!(back, [""; 0]);
    }

    #[test]
    fn looks_are_listed_whatever_their_change() {
        let looks = ("looks = [4, 7, 10, 16, 24]", "looks = [4, 24]");
        let (there, back) = both_ways(&[looks, ("[0.0002, 0.0008, 0.002, 0.003, 0.004]", "[0.002, 0.008]")]);
        let looser = [
            "gate.look_alphas from [0.0002, 0.0008, 0.002, 0.003, 0.004] to [0.002, 0.008]",
            "gate.looks from [4, 7, 10, 16, 24] to [4, 24]",
        ];
        assert_eq!(there, looser);
        assert_eq!(back.len(), 2);
    }

    #[test]
    fn outputs_that_need_not_be_compared_any_more_are_listed() {
        let (base, mut head) = (config(&[]), config(&[]));
        head.backends.get_mut("mlx").unwrap().output = OutputDemand::Waived;
        assert_eq!(loosened_configs(&base, &head), ["requires less of the outputs of backend mlx"]);
        assert_eq!(loosened_configs(&head, &base), [""; 0]);
    }

    #[test]
    fn what_a_suite_measures_less_is_looser() {
        let smoke = "[suites.smoke]\nmodel = \"synthetic\"\nreference = \"torch\"\nlaunches = 10\nwarmup_steps = 2";
        let less =
            smoke.replace("10", "4\nmax_launches = 16").replace("= 2", "= 1") + "\nside_by_side = false\nwake = false";
        let (there, back) =
            both_ways(&[(smoke, &less), ("quants = [\"none\", \"int8\", \"nf4\"]", "quants = [\"nf4\"]")]);
        let expected = [
            "launches of suite smoke from 10 to 4",
            "max_launches of suite smoke from 24 to 16",
            "warmup_steps of suite smoke from 2 to 1",
            "turns side_by_side off in suite smoke",
            "turns wake passes off in suite smoke",
            "removes mlx/5f/none, mlx/5f/int8, mlx/41f/none, mlx/41f/int8 from suite synthetic",
        ];
        assert_eq!(there, expected);
        assert_eq!(back, [""; 0]);
    }

    #[test]
    fn a_removed_suite_another_default_and_another_shape_are_listed() {
        let mut head = config(&[("cpu = \"smoke\"", "cpu = \"synthetic\"")]);
        head.suites.remove("wide");
        let case = head.suites.get_mut("smoke").unwrap().cases.last_mut().unwrap();
        case.workload.latent = [1, 2, 2];
        let expected = [
            "default_suite.cpu from smoke to synthetic",
            "changes the workload or reference of mlx/5f/nf4 in suite smoke",
            "removes suite wide (63 cases)",
        ];
        assert_eq!(loosened_configs(&config(&[]), &head), expected);
    }

    fn loosened_baselines(base: &Baseline, head: Option<&Baseline>) -> Vec<String> {
        loosened(
            &Committed { baseline: Some(base), ..Committed::default() },
            &Committed { baseline: head, ..Committed::default() },
        )
    }

    /// The baseline of the report's tests, changed in the case `mlx/41f/int8`; and what that loosens, and its way back.
    fn edited(change: impl FnOnce(&mut BaselineCase)) -> (Vec<String>, Vec<String>) {
        let base = Scenario::new().baseline.unwrap();
        let mut head = base.clone();
        change(head.cases.get_mut("mlx/41f/int8").unwrap());
        (loosened_baselines(&base, Some(&head)), loosened_baselines(&head, Some(&base)))
    }

    #[test]
    fn figures_edited_for_the_worse_are_listed() {
        let (there, back) = edited(|case| case.speedup = case.speedup.map(|speedup| speedup / 2.0));
        assert_eq!(there, ["baseline of mlx/41f/int8: speedup from 2.46x to 1.23x (100.0% worse)"]);
        assert_eq!(back, [""; 0]);
        let (there, back) = edited(|case| {
            case.step_seconds = Some(0.05);
            case.process_peak_bytes = Some(500 << 20);
        });
        assert_eq!(there.len(), 1);
        assert!(
            there[0].contains("step time from 30.1 ms to 50.0 ms (66.1% worse), process peak from 329MB to 500MB"),
            "{}",
            there[0]
        );
        assert_eq!(back, [""; 0]);
        assert!(edited(|case| case.speedup = None).0[0].contains("speedup of 2.46x removed"));
        assert!(
            edited(|case| case.shape.as_mut().unwrap().latent = [1, 2, 2]).0[0].contains("shape or reference changed")
        );
    }

    #[test]
    fn jobs_may_be_added_or_begun_anew_but_not_edited() {
        let scenario = Scenario::new();
        let base = scenario.baseline.unwrap();
        assert_eq!(loosened_baselines(&base, Some(&base.updated(&scenario.record, &Thresholds::default()))), [""; 0]);
        let mut longer = base.cases["mlx/41f/int8"].jobs.clone();
        for month in 3..=12 {
            let date = format!("2026-{month:02}-01T00:00:00Z").parse().unwrap();
            longer.push(RecordedRun { date, ..longer[0].clone() });
        }
        let whole = &longer[..KEPT_RUNS];
        assert!(is_continued(whole, &longer[1..]), "the oldest rolled off");
        assert!(is_continued(whole, &longer[KEPT_RUNS..]), "begun anew");
        assert!(!is_continued(whole, &whole[1..]));
        assert!(!is_continued(whole, &whole[5..8]));
        assert!(!is_continued(whole, &[]));
        let (there, _) = edited(|case| case.jobs[0].mean_log_speedup = Some(0.1));
        assert_eq!(there, ["baseline of mlx/41f/int8: recorded jobs edited"]);
    }

    #[test]
    fn a_moved_anchor_is_listed_and_a_completed_one_is_not() {
        let moved = |reason: &str| {
            let base = Scenario::new().baseline.unwrap();
            let head = base.anchored(|name| name == "mlx/41f/int8", reason, &Thresholds::default());
            loosened_baselines(&base, Some(&head))
        };
        let expected = "baseline of mlx/41f/int8: anchor moved from 2026-02-27 to 2026-02-27: intended";
        assert_eq!(moved("intended"), [expected]);
        assert_eq!(moved("first recorded"), [""; 0], "it is where it was");
        let (there, back) = edited(|case| case.anchor = None);
        assert_eq!(there, ["baseline of mlx/41f/int8: anchor of 2026-02-27 removed"]);
        assert_eq!(back, [""; 0]);
        let (there, back) = edited(|case| case.anchor.as_mut().unwrap().speedup = None);
        assert_eq!((there.len(), back.len()), (1, 0));
    }

    #[test]
    fn removed_baselines_and_changed_model_bytes_are_listed() {
        let base = Scenario::new().baseline.unwrap();
        assert_eq!(loosened_baselines(&base, None), ["removes the machine's baseline"]);
        let mut head = base.clone();
        head.cases.remove("mlx/5f/none");
        assert_eq!(loosened_baselines(&base, Some(&head)), ["removes the baseline of mlx/5f/none"]);
        assert_eq!(loosened_baselines(&head, Some(&base)), [""; 0]);

        let bytes = |models: &[(&str, u64)]| {
            let models = models.iter().map(|(key, bytes)| ((*key).to_owned(), *bytes)).collect();
            ModelMemory { models, ..ModelMemory::default() }
        };
        let (base, head) = (bytes(&[("a", 1000), ("b", 5), ("c", 7)]), bytes(&[("a", 1200), ("c", 7), ("d", 9)]));
        let looser = memory(&base, Some(&head));
        assert_eq!(looser, ["model bytes of a from 1,000 to 1,200", "removes the model bytes of b"]);
    }

    #[test]
    fn an_acceptance_is_of_the_change_that_makes_it() {
        let mut scenario = Scenario::new();
        scenario.slow_down("mlx/41f/int8", 1.25);
        let base = scenario.baseline.unwrap();
        let acceptance = |reason: &str| Acceptance {
            reason: reason.to_owned(),
            date: scenario.record.started,
            commit: None,
            change: Some(0.25),
            times: Default::default(),
            covers: Accepted::before_outputs(),
        };
        let head =
            base.accepting(&scenario.record, "mlx/41f/int8", acceptance("a correct mask"), &Thresholds::default());
        let newly = |base: Option<&Baseline>, head: &Baseline| {
            accepted(
                &Committed { baseline: base, ..Committed::default() },
                &Committed { baseline: Some(head), ..Committed::default() },
            )
        };
        assert_eq!(newly(Some(&base), &head), ["mlx/41f/int8"]);
        assert_eq!(newly(None, &head), ["mlx/41f/int8"]);
        assert_eq!(newly(Some(&head), &head), [""; 0]);
        let again =
            head.accepting(&scenario.record, "mlx/41f/int8", acceptance("another reason"), &Thresholds::default());
        assert_eq!(newly(Some(&head), &again), ["mlx/41f/int8"]);
        assert_eq!(newly(Some(&head), &base), [""; 0]);
        let looser = loosened_baselines(&base, Some(&head));
        let expected = "baseline of mlx/41f/int8: speedup from 2.46x to 1.97x (25.0% worse), step time from 30.1 ms to 37.6 ms (25.0% worse), anchor moved from 2026-02-27 to 2026-03-01: a correct mask (accepted)";
        assert_eq!(looser, [expected]);
    }
}
