//! A judged run as an entry.

use serde::Serialize;

use crate::evidence::figures::{Figures, log_time};
use crate::evidence::quantity::{Bytes, Seconds};
use crate::evidence::{CaseEvidence, Evidence};
use crate::gate::doubts::Doubts;
use crate::gate::{Finding, Judged, Outcome};
use crate::revision::git;
use crate::stats::{Estimate, paired_ratio};
use crate::store::baseline::Shape;
use crate::store::history::{Entry, EntryCase, EntryFigures, EntryFinding, SCHEMA, Spread};
use crate::store::record::{CaseRecord, RunRecord};

/// The entry of `record`, as it was judged: its `outcome`, and why its figures are in doubt. `label` names the runs that it
/// belongs to, where these are not the default branch's.
pub fn entry(record: &RunRecord, outcome: &Outcome, doubts: &Doubts, label: Option<&str>) -> Entry {
    let evidence = Evidence::of(record);
    let tool = &record.tool;
    let commit = tool.commit.as_deref();
    Entry {
        schema: SCHEMA,
        machine: record.machine.name(record.device),
        hardware: Some(record.machine.clone()),
        device: record.device,
        started: record.started,
        suite: record.suite.clone(),
        label: label.map(str::to_owned),
        commit: commit.map(|commit| git::clean(commit).to_owned()),
        dirty: commit.is_some_and(|commit| git::clean(commit) != commit),
        base: record.base.as_ref().and_then(|base| base.commit.clone()),
        wanbench: Some(tool.version.clone()),
        debug_build: tool.debug_build,
        environment: tool.environment.clone(),
        imported: None,
        standing: Some(key(outcome.standing)),
        doubts: doubts.all().cloned().collect(),
        cases: outcome.cases.iter().filter_map(|judged| case(judged, record, &evidence)).collect(),
    }
}

/// A case that the run has; of one that only a suite or a baseline has, nothing was learned.
fn case(judged: &Judged, record: &RunRecord, evidence: &Evidence) -> Option<EntryCase> {
    let of_record = record.case(&judged.name)?;
    let figures = judged.now.as_ref();
    let evidence = evidence.case(&judged.name);
    let failure = judged.failure.as_ref().map(|failure| failure.reason.clone());
    let skipped = judged.skipped.map(|skipped| skipped.to_string());
    Some(EntryCase {
        name: judged.name.clone(),
        shape: Some(Shape::of(&of_record.case)),
        steps: Some(of_record.case.workload.steps),
        launches: figures.map_or(0, |figures| figures.launches),
        versions: of_record.measured().next().map(|(_, launch)| launch.versions.clone()).unwrap_or_default(),
        figures: figures.zip(evidence).map(|(figures, it)| self::figures(figures, it, of_record)).unwrap_or_default(),
        verdict: Some(key(judged.verdict)),
        findings: judged.findings.iter().map(finding).collect(),
        accepted: judged.baseline.as_ref().and_then(|baseline| baseline.accepted.clone()),
        reason: failure.or(skipped).or_else(|| judged.reason.clone()),
    })
}

fn figures(figures: &Figures, evidence: &CaseEvidence, record: &CaseRecord) -> EntryFigures {
    let quiet: Vec<f64> = record.measured().map(|(_, launch)| log_time(&launch.step_seconds)).collect();
    let quiet = paired_ratio(&quiet);
    let (seconds, bytes) = (|Seconds(seconds)| seconds, |Bytes(bytes)| bytes);
    EntryFigures {
        step_seconds: Some(spread(figures.step_seconds.0, paired_ratio(&evidence.log_steps))),
        quiet_step_seconds: quiet.map(|quiet| spread(quiet.point, Some(quiet))),
        mean_step_seconds: Some(figures.mean_step_seconds.0),
        load_seconds: Some(spread(figures.load_seconds.0, paired_ratio(&evidence.log_loads))),
        quantize_seconds: figures.quantize_seconds.map(seconds),
        switch_seconds: figures.switch_seconds.map(seconds),
        speedup: figures.speedup.map(|speedup| spread(speedup.point, Some(speedup))),
        model_bytes: Some(figures.model_bytes.0),
        framework_peak_bytes: figures.framework_peak_bytes.map(bytes),
        process_peak_bytes: figures.process_peak_bytes.map(bytes),
        device_peak_bytes: figures.device_peak_bytes().map(bytes),
        rates: figures.rates,
    }
}

/// `value` with the interval of `estimate`, unless its few launches make that wider than numbers go.
pub(super) fn spread(value: f64, estimate: Option<Estimate>) -> Spread {
    let interval = estimate.and_then(|estimate| estimate.interval);
    Spread { value, interval: interval.filter(|(_, high)| high.is_finite()) }
}

fn finding(finding: &Finding) -> EntryFinding {
    EntryFinding {
        figure: key(finding.figure),
        against: key(finding.against),
        verdict: key(finding.verdict),
        change: finding.change.map(|change| change.0).filter(|change| change.is_finite()),
        fails: finding.fails,
    }
}

/// A word as the JSON report writes it.
fn key(word: impl Serialize) -> String {
    match serde_json::to_value(word) {
        Ok(serde_json::Value::String(key)) => key,
        other => unreachable!("a word is written as a string, not as {other:?}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::valid;
    use crate::testing::{Scenario, history_entry};

    fn of(scenario: Scenario) -> Entry {
        let report = scenario.report();
        entry(&report.record, &report.outcome, &report.doubts, None)
    }

    #[test]
    fn an_entry_has_the_figures_that_the_report_shows_and_the_verdicts() {
        let mut scenario = Scenario::beside_base();
        scenario.slow_down("mlx/41f/int8", 1.25);
        let report = scenario.clone().report();
        let entry = of(scenario);
        assert_eq!(valid::entry(&entry), Ok(()));
        assert_eq!((entry.standing.as_deref(), entry.dirty), (Some("failed"), false));
        let case = entry.cases.iter().find(|case| case.name == "mlx/41f/int8").unwrap();
        let judged = report.outcome.cases.iter().find(|case| case.name == "mlx/41f/int8").unwrap();
        let (figures, shown) = (&case.figures, judged.now.as_ref().unwrap());
        assert_eq!(case.verdict.as_deref(), Some("regressed"));
        let step = figures.step_seconds.unwrap();
        assert_eq!(step.value, shown.step_seconds.0);
        let (low, high) = step.interval.unwrap();
        assert!(low < step.value && step.value < high, "{step:?}");
        assert_eq!(figures.speedup.unwrap().interval, shown.speedup.unwrap().interval);
        assert_eq!(figures.device_peak_bytes, shown.process_peak_bytes.map(|peak| peak.0));
        let failing: Vec<_> = case.findings.iter().filter(|finding| finding.fails).collect();
        let words = failing.iter().map(|it| [it.figure.as_str(), &it.against, &it.verdict]).collect::<Vec<_>>();
        assert_eq!(words, [["step_time", "base", "regressed"], ["speedup", "baseline", "regressed"]]);
        assert!((failing[0].change.unwrap() - 0.25).abs() < 0.01, "{failing:?}");
    }

    #[test]
    fn a_dirty_checkout_a_failed_case_and_a_debug_build_are_told() {
        let mut scenario = Scenario::new();
        scenario.fail("mlx/41f/int8", "it crashed", &[]);
        scenario.skip("mlx/41f/nf4", 71);
        scenario.record.tool.debug_build = true;
        scenario.record.tool.commit = Some("1f837a6c0ffee1f837a6c0ffee1f837a6c0ffee1-dirty-0123456789ab".to_owned());
        let entry = of(scenario);
        assert_eq!(valid::entry(&entry), Ok(()));
        assert_eq!(entry.commit.as_deref(), Some("1f837a6c0ffee1f837a6c0ffee1f837a6c0ffee1"));
        assert!(entry.dirty && entry.debug_build);
        assert!(entry.doubts.iter().any(|doubt| doubt.contains("debug build")), "{:?}", entry.doubts);
        let reason = |name: &str| {
            let case = entry.cases.iter().find(|case| case.name == name).unwrap();
            assert_eq!((case.launches, &case.figures), (0, &EntryFigures::default()));
            case.reason.clone().unwrap()
        };
        assert_eq!([reason("mlx/41f/int8"), reason("mlx/41f/nf4")], ["it crashed", "needs 71 GiB, has 36 GiB"]);
    }

    #[test]
    fn the_entry_of_a_run_is_the_same_whenever_it_is_made() {
        assert_eq!(of(Scenario::new()).file().unwrap(), history_entry().file().unwrap());
    }
}
