//! Every row of docs/verdicts.md: what a case needs to pass, and what becomes of it otherwise.

use super::*;
use crate::config::{OutputDemand, Thresholds};
use crate::evidence::parts::tests::pairs;
use crate::store::baseline::{Acceptance, Accepted, Baseline, Import};
use crate::store::record::{ArmKind, Outcome as LaunchOutcome, PairedProfile, Parity, ProfiledPair, RunRecord, WAKES};
use crate::testing::{MIB, Scenario};

const CASE: &str = "mlx/41f/int8";
const REFERENCE: &str = "torch/41f/none";

fn judged(scenario: &Scenario) -> Outcome {
    scenario.clone().report().outcome
}

fn of<'a>(outcome: &'a Outcome, name: &str) -> &'a Judged {
    outcome.cases.iter().find(|case| case.name == name).unwrap()
}

fn forget(scenario: &mut Scenario, name: &str) {
    scenario.baseline.as_mut().unwrap().cases.remove(name);
}

/// The scenario judged by its own plan, changed.
fn planned(scenario: &Scenario, change: impl FnOnce(&mut Plan)) -> Outcome {
    let mut plan = Plan::of_record(&scenario.record);
    change(&mut plan);
    judged(&Scenario { plan: Some(plan), ..scenario.clone() })
}

/// That the run is not judged for `CASE`, for a reason that contains `words`.
#[track_caller]
fn assert_not_judged(outcome: &Outcome, words: &str) {
    let case = of(outcome, CASE);
    assert_eq!(outcome.standing, Standing::NotJudged, "{case:?}");
    assert!(case.is_gap, "{case:?}");
    let all: Vec<&str> = case.findings.iter().map(|it| it.message.as_str()).chain(case.reason.as_deref()).collect();
    assert!(all.iter().any(|message| message.contains(words)), "{words}: {all:?}");
}

/// That the run has a gap as a whole, for a reason that contains `words`.
#[track_caller]
fn assert_gap(outcome: &Outcome, words: &str) {
    assert_eq!(outcome.standing, Standing::NotJudged);
    assert!(outcome.gaps.iter().any(|gap| gap.reason.contains(words)), "{words}: {:?}", outcome.gaps);
}

fn stretch(scenario: &mut Scenario, name: &str, kind: ArmKind, factor: f64) {
    for launch in scenario.case(name).launches_mut(kind) {
        let LaunchOutcome::Measured(measured) = &mut launch.outcome else { continue };
        measured.step_seconds.iter_mut().for_each(|step| *step *= factor);
    }
}

#[test]
fn what_is_shown_to_be_unchanged_passes() {
    assert_eq!(judged(&Scenario::new()).standing, Standing::Passed);
    let outcome = judged(&Scenario::beside_base());
    assert_eq!((outcome.standing, outcome.exemptions.len(), outcome.gaps.len()), (Standing::Passed, 0, 0));
    assert!(outcome.cases.iter().all(|case| case.verdict == Verdict::Unchanged), "{outcome:?}");
}

#[test]
fn a_base_that_failed_is_not_judged_however_slow_head_is() {
    let mut now = Scenario::beside_base();
    now.slow_down(CASE, 10.0);
    let failed = now.case(CASE).base_launches.pop().unwrap();
    let failure = crate::store::record::Failure { reason: "exited with status 7".to_owned(), stderr_tail: Vec::new() };
    let outcome = LaunchOutcome::Failed(failure);
    now.case(CASE).base_launches.push(crate::store::record::Launch { outcome, ..failed });
    now.baseline = None;
    assert_not_judged(&judged(&now), "the base revision's worker failed: exited with status 7");
}

#[test]
fn a_reference_that_failed_leaves_the_speedup_unjudged() {
    let mut now = Scenario::new();
    now.fail(REFERENCE, "out of memory", &[]);
    assert_not_judged(&judged(&now), "the reference failed: out of memory");
    let mut skipped = Scenario::new();
    skipped.skip(REFERENCE, 71);
    assert_not_judged(&judged(&skipped), "the reference was skipped (needs 71 GiB, has 36 GiB)");
}

#[test]
fn an_unfit_machine_judges_no_time() {
    let mut now = Scenario::beside_base();
    now.slow_down(CASE, 1.5);
    // The controls of both backends together show it, where each alone has too few blocks.
    for case in [REFERENCE, "mlx/41f/none"] {
        stretch(&mut now, case, ArmKind::Control, 1.05);
    }
    assert_not_judged(&judged(&now), "not judged, since the machine is unfit");
    // Nor is a run a first measure, whose cases have nothing before them.
    let new = Scenario { baseline: None, ..now.clone() };
    assert_gap(&judged(&new), "the machine is unfit");
}

#[test]
fn an_interrupted_run_and_one_that_ended_early_are_not_judged() {
    let mut now = Scenario::new();
    now.record.interrupted = true;
    assert_gap(&judged(&now), "interrupted");
    let mut new = Scenario::new();
    new.baseline = None;
    new.record.ended_early = Some("the machine did not come to rest".to_owned());
    assert_gap(&judged(&new), "the machine did not come to rest");
    // What was decided before the end is decided.
    let mut decided = Scenario::new();
    decided.record.ended_early = Some("the time limit".to_owned());
    assert_eq!(judged(&decided).standing, Standing::Passed);
}

#[test]
fn fewer_launches_than_the_judging_configuration_plans_are_not_judged_unless_decided() {
    let mut now = Scenario::beside_base();
    for (launch, factor) in now.launches(CASE).into_iter().zip([1.0, 1.2, 1.0]) {
        launch.step_seconds.iter_mut().for_each(|step| *step *= factor);
    }
    let inconclusive = judged(&now);
    assert_eq!(of(&inconclusive, CASE).verdict, Verdict::Inconclusive);
    let short = planned(&now, |plan| plan.launches = 10);
    assert_not_judged(&short, "only 3 of the 10 launches planned were made");
    let allowed = Demands { allows_inconclusive: true, ..Demands::default() };
    assert_eq!(judged(&Scenario { demands: allowed, ..now.clone() }).standing, Standing::Passed);
    now.demands = allowed;
    assert_not_judged(&planned(&now, |plan| plan.launches = 10), "only 3 of the 10");
}

#[test]
fn what_the_launches_cannot_tell_is_inconclusive_and_no_pass() {
    let mut now = Scenario::new();
    for (launch, factor) in now.launches(CASE).into_iter().zip([1.0, 1.25, 1.02]) {
        launch.step_seconds.iter_mut().for_each(|step| *step *= factor);
    }
    let outcome = judged(&now);
    assert_eq!((outcome.standing, of(&outcome, CASE).verdict), (Standing::NotJudged, Verdict::Inconclusive));
    assert!(!of(&outcome, CASE).is_gap);
}

#[test]
fn a_case_that_is_not_in_the_results_is_a_gap_unless_left_out_by_hand() {
    let now = Scenario::new();
    let mut without = now.clone();
    without.record.cases.retain(|case| case.case.name != CASE);
    let plan = Plan { may_leave_out: false, ..Plan::of_record(&now.record) };
    let outcome = judged(&Scenario { plan: Some(plan.clone()), ..without.clone() });
    assert_not_judged(&outcome, "the suite has it, but the results do not");
    let by_hand = judged(&Scenario { plan: Some(Plan { may_leave_out: true, ..plan.clone() }), ..without.clone() });
    assert_eq!(
        (by_hand.standing, &by_hand.exemptions[..]),
        (Standing::Passed, &["1 case left out by hand".to_owned()][..])
    );
    without.record.cases.clear();
    assert_eq!(judged(&Scenario { plan: Some(plan), ..without.clone() }).standing, Standing::NotJudged);
    assert_gap(&judged(&Scenario { baseline: None, ..without }), "nothing was measured");
}

#[test]
fn a_case_that_the_configuration_lost_is_missed_in_the_baseline() {
    let mut now = Scenario::new();
    now.record.cases.retain(|case| case.case.name != CASE);
    let outcome = judged(&now);
    assert_eq!(of(&outcome, CASE).verdict, Verdict::Missing);
    assert_not_judged(&outcome, "the configuration no longer does");
    forget(&mut now, CASE);
    assert_eq!(judged(&now).standing, Standing::Passed);
}

#[test]
fn a_case_measured_under_other_terms_than_asked_is_not_judged() {
    let now = Scenario::new();
    let required = |plan: &mut Plan| plan.may_leave_out = false;
    let mut alone = now.clone();
    alone.case(CASE).case.reference = None;
    let plan = Plan { may_leave_out: false, ..Plan::of_record(&now.record) };
    assert_not_judged(&judged(&Scenario { plan: Some(plan), ..alone }), "measured without its reference");
    let other = planned(&now, |plan| {
        required(plan);
        plan.cases.iter_mut().find(|case| case.name == CASE).unwrap().workload.steps += 1;
    });
    assert_not_judged(&other, "a different workload");
}

#[test]
fn an_output_that_nobody_compared_is_told_and_no_improvement_counts_by_it() {
    let mut now = Scenario::beside_base();
    now.case(CASE).parity = None;
    now.case(CASE).base_parity = None;
    let exempt = judged(&now);
    assert_eq!(
        (exempt.standing, &exempt.exemptions[..]),
        (Standing::Passed, &["1 case whose output was not compared".to_owned()][..])
    );
    let demand = |demand| move |plan: &mut Plan| plan.outputs = [("mlx".to_owned(), demand)].into();
    assert_not_judged(&planned(&now, demand(OutputDemand::Required)), "the output is not compared");
    now.slow_down(CASE, 0.5);
    assert_not_judged(&judged(&now), "so an improvement does not count");
    assert_eq!(planned(&now, demand(OutputDemand::Waived)).standing, Standing::Passed);
}

#[test]
fn a_wrong_output_fails_against_the_reference_and_against_the_base() {
    type Change = fn(&mut crate::store::record::CaseRecord, Option<Parity>);
    let changes: [(&str, Change); 3] = [
        (CASE, |case, parity| case.parity = parity),
        (CASE, |case, parity| case.base_parity = parity),
        (REFERENCE, |case, parity| case.base_parity = parity),
    ];
    for (name, change) in changes {
        for relative_error in [Some(0.5), None] {
            let mut now = Scenario::beside_base();
            change(now.case(name), Some(Parity { relative_error }));
            // Eight times as fast, and wrong.
            now.slow_down(name, 0.125);
            let outcome = judged(&now);
            assert_eq!(
                (outcome.standing, of(&outcome, name).verdict),
                (Standing::Failed, Verdict::Regressed),
                "{name}"
            );
        }
    }
}

#[test]
fn outputs_of_another_number_of_elements_fail() {
    let mut now = Scenario::new();
    let digest = |elements| crate::protocol::Digest { sha256: "0".repeat(64), elements, norm: 1.0 };
    now.launches(REFERENCE).into_iter().for_each(|launch| launch.output = Some(digest(128)));
    now.launches(CASE).into_iter().for_each(|launch| launch.output = Some(digest(64)));
    let outcome = judged(&now);
    assert_eq!((outcome.standing, of(&outcome, CASE).fails()), (Standing::Failed, true));
    // There is no error to tell, however great.
    let finding = of(&outcome, CASE).finding(Figure::Output, Against::Reference).unwrap();
    assert_eq!(finding.now, None);
}

#[test]
fn a_machine_without_baseline_where_others_have_one_is_not_judged_but_beside_a_base() {
    let mut now = Scenario::new();
    now.baseline = None;
    let first = judged(&now);
    assert_eq!((first.standing, of(&first, CASE).verdict), (Standing::Passed, Verdict::New));
    now.others = 2;
    assert_gap(&judged(&now), "although 2 other machines or devices have one");
    let demanding = Demands { baseline: true, ..Demands::default() };
    assert_eq!(judged(&Scenario { demands: demanding, ..now.clone() }).standing, Standing::Failed);
    let mut beside = Scenario::beside_base();
    (beside.baseline, beside.others) = (None, 2);
    assert_eq!(judged(&beside).standing, Standing::Passed);
}

#[test]
fn a_peak_that_the_worker_no_longer_reports_is_not_judged() {
    let mut now = Scenario::new();
    now.launches(CASE).into_iter().for_each(|launch| launch.process_peak_bytes = None);
    assert_not_judged(&judged(&now), "the worker reports none");
}

#[test]
fn the_frameworks_peak_is_gated_too() {
    let mut now = Scenario::new();
    for launch in now.launches(CASE) {
        launch.process_peak_bytes = None;
        launch.framework_peak_bytes = launch.framework_peak_bytes.map(|bytes| 100 * bytes);
    }
    now.baseline.as_mut().unwrap().cases.get_mut(CASE).unwrap().process_peak_bytes = None;
    let outcome = judged(&now);
    assert_eq!(outcome.standing, Standing::Failed);
    assert!(of(&outcome, CASE).findings.iter().any(|it| it.figure == Figure::FrameworkPeak && it.fails));
}

#[test]
fn where_a_gpu_has_memory_of_its_own_the_frameworks_peak_alone_is_gated() {
    for own_memory in [false, true] {
        for mut now in [Scenario::new(), Scenario::beside_base(), anchored(Scenario::new(), 0.5)] {
            if own_memory {
                now.with_own_memory(CASE);
            }
            let mut grown = now.clone();
            for launch in grown.launches(CASE) {
                launch.process_peak_bytes = launch.process_peak_bytes.map(|bytes| bytes + 200 * MIB);
            }
            let outcome = judged(&grown);
            let fails =
                |outcome: &Outcome, figure| of(outcome, CASE).findings.iter().any(|it| it.figure == figure && it.fails);
            assert_eq!(fails(&outcome, Figure::ProcessPeak), !own_memory);
            let finding = of(&outcome, CASE).compared(Figure::ProcessPeak).unwrap();
            assert_eq!(finding.message.contains("not gated, since the GPU has memory of its own"), own_memory);
            assert!(outcome.exemptions.iter().all(|it| !it.contains("process peak")), "{:?}", outcome.exemptions);
            for launch in now.launches(CASE) {
                launch.framework_peak_bytes = launch.framework_peak_bytes.map(|bytes| bytes + 200 * MIB);
            }
            assert!(fails(&judged(&now), Figure::FrameworkPeak));
        }
    }
}

#[test]
fn a_gpus_own_memory_that_nothing_tells_of_is_not_judged() {
    let mut now = Scenario::new();
    now.launches(CASE).into_iter().for_each(|launch| launch.framework_peak_bytes = None);
    let stored = now.baseline.as_mut().unwrap().cases.get_mut(CASE).unwrap();
    stored.framework_peak_bytes = None;
    stored.anchor.iter_mut().for_each(|anchor| anchor.framework_peak_bytes = None);
    assert_eq!(judged(&now).standing, Standing::Passed);
    now.with_own_memory(CASE);
    assert_not_judged(&judged(&now), "its framework peak cannot be judged: the worker reports none, and nothing else");
}

#[test]
fn a_gpus_own_memory_that_was_never_recorded_is_named_as_not_compared() {
    let mut now = Scenario::new();
    let stored = now.baseline.as_mut().unwrap().cases.get_mut(CASE).unwrap();
    stored.framework_peak_bytes = None;
    stored.anchor.iter_mut().for_each(|anchor| anchor.framework_peak_bytes = None);
    let words = "whose framework peak on the GPU has none recorded to compare with";
    let is_named = |now: &Scenario| judged(now).exemptions.iter().any(|exemption| exemption.contains(words));
    assert!(!is_named(&now));
    now.with_own_memory(CASE);
    assert!(is_named(&now), "{:?}", judged(&now).exemptions);
}

/// The scenario with so many launches of [`CASE`], of which `grown` have a process peak that is 200 MiB above the baseline's.
fn grown(grown: usize, launches: usize) -> Scenario {
    let mut now = Scenario::new();
    let case = now.case(CASE);
    let template = case.launches[0].clone();
    case.launches = (0..launches).map(|block| crate::store::record::Launch { block, ..template.clone() }).collect();
    for launch in now.launches(CASE).into_iter().take(grown) {
        launch.process_peak_bytes = launch.process_peak_bytes.map(|bytes| bytes + 200 * MIB);
    }
    now
}

#[test]
fn a_peak_has_grown_where_most_launches_show_it() {
    use Verdict::{Inconclusive, Regressed, Unchanged};
    for (all, beyond, verdict) in [
        (1, 1, Regressed),
        (3, 3, Regressed),
        (4, 3, Inconclusive),
        (5, 4, Regressed),
        (10, 8, Regressed),
        (10, 7, Inconclusive),
        (10, 4, Inconclusive),
        (10, 2, Unchanged),
        // The sign test asks for less than four in five.
        (24, 19, Regressed),
        (24, 18, Inconclusive),
    ] {
        let outcome = judged(&grown(beyond, all));
        let finding = of(&outcome, CASE).finding(Figure::ProcessPeak, Against::Baseline).unwrap();
        assert_eq!((finding.verdict, finding.fails), (verdict, verdict == Regressed), "{beyond} of {all}: {finding:?}");
    }
    let outcome = judged(&grown(8, 10));
    let finding = of(&outcome, CASE).finding(Figure::ProcessPeak, Against::Baseline).unwrap();
    assert!(finding.message.ends_with("(1% + 16 MiB) in 8 of 10 launches"), "{}", finding.message);
}

/// The scenario, of which a job was recorded since its anchors, which are `share` of what they were.
fn anchored(mut now: Scenario, share: f64) -> Scenario {
    let later = "2026-02-28T09:00:00Z".parse().unwrap();
    let again = RunRecord { started: later, ..Scenario::new().record };
    let mut baseline = now.baseline.take().unwrap().updated(&again, &Thresholds::default());
    let anchor = baseline.cases.get_mut(CASE).unwrap().anchor.as_mut().unwrap();
    anchor.speedup = anchor.speedup.map(|speedup| speedup / share);
    anchor.process_peak_bytes = anchor.process_peak_bytes.map(|bytes| (bytes as f64 * share) as u64);
    now.baseline = Some(baseline);
    now
}

#[test]
fn drift_since_the_anchor_fails_and_says_how_to_move_it() {
    let verdicts = |outcome: &Outcome| {
        [Figure::Speedup, Figure::ProcessPeak]
            .map(|figure| of(outcome, CASE).finding(figure, Against::Anchor).map(|it| it.verdict))
    };
    let outcome = judged(&anchored(Scenario::new(), 0.7));
    assert_eq!((outcome.standing, verdicts(&outcome)), (Standing::Failed, [Some(Verdict::Regressed); 2]));
    for finding in of(&outcome, CASE).findings.iter().filter(|finding| finding.fails) {
        assert_eq!(finding.against, Against::Anchor);
        for part in ["the anchor of 2026-02-27", "wanbench baseline anchor --reason"] {
            assert!(finding.message.contains(part), "{}", finding.message);
        }
    }
    let within = judged(&anchored(Scenario::new(), 0.98));
    assert_eq!((within.standing, verdicts(&within)), (Standing::Passed, [Some(Verdict::Unchanged); 2]));
    // Nothing that an update could record: it is shown.
    let better = judged(&anchored(Scenario::new(), 1.5));
    assert_eq!((better.standing, verdicts(&better)), (Standing::Passed, [Some(Verdict::NotGated); 2]));
    assert_eq!(of(&better, CASE).verdict, Verdict::Unchanged);
    // Until something is recorded, the anchor is the baseline.
    assert_eq!(verdicts(&judged(&Scenario::new())), [None; 2]);
}

#[test]
fn beside_a_base_the_drift_since_the_anchor_is_told_and_fails_no_change_that_did_nothing() {
    let mut now = anchored(Scenario::beside_base(), 0.7);
    let outcome = judged(&now);
    assert_eq!((outcome.standing, of(&outcome, CASE).verdict), (Standing::Passed, Verdict::Drifted));
    stretch(&mut now, CASE, ArmKind::Head, 1.1);
    let outcome = judged(&now);
    assert!(of(&outcome, CASE).finding(Figure::Speedup, Against::Anchor).unwrap().fails);
    assert!(!of(&outcome, CASE).finding(Figure::ProcessPeak, Against::Anchor).unwrap().fails);
}

#[test]
fn what_jobs_differ_by_may_explain_is_told_and_passes() {
    let mut now = Scenario::new();
    now.slow_down(CASE, 1.07);
    let outcome = judged(&now);
    assert_eq!((outcome.standing, of(&outcome, CASE).verdict), (Standing::Passed, Verdict::Unconfirmed));
    let finding = of(&outcome, CASE).finding(Figure::Speedup, Against::Baseline).unwrap();
    assert!(finding.message.contains("but jobs on this machine differ by 1.9% (standard deviation)"), "{finding:?}");
    // Nine more jobs show that they do not.
    for day in 1..10 {
        let started = now.record.started + jiff::SignedDuration::from_hours(-24 + day);
        let job = RunRecord { started, ..Scenario::new().record };
        now.baseline = Some(now.baseline.unwrap().updated(&job, &Thresholds::default()));
    }
    assert_eq!(judged(&now).standing, Standing::Failed);
}

#[test]
fn a_base_that_lacks_a_case_makes_it_new() {
    let mut now = Scenario::beside_base();
    now.case(CASE).base_launches.clear();
    now.baseline = None;
    assert_not_judged(&judged(&now), "the base revision's worker was not launched");
    now.record.base.as_mut().unwrap().lacks.push(CASE.to_owned());
    let outcome = judged(&now);
    assert_eq!((outcome.standing, of(&outcome, CASE).verdict), (Standing::Passed, Verdict::New));
    // A stranger's record does not decide which cases are new.
    assert_not_judged(&planned(&now, |plan| plan.trusts_record = false), "the base revision's worker was not launched");
}

#[test]
fn base_launches_that_are_copies_of_heads_are_not_judged() {
    let mut now = Scenario::beside_base();
    now.baseline = None;
    let case = now.case(CASE);
    case.base_launches = case.launches.clone();
    assert_not_judged(&judged(&now), "copies of this revision's");
}

#[test]
fn a_skipped_case_is_a_gap_only_where_the_baseline_has_it() {
    let mut now = Scenario::new();
    now.skip(CASE, 71);
    let outcome = judged(&now);
    let case = of(&outcome, CASE);
    assert_eq!((case.verdict, case.skipped), (Verdict::Skipped, now.record.case(CASE).unwrap().skipped));
    // Nothing is known of it: neither its bytes nor a failure.
    assert_eq!((&case.now, &case.failure, case.findings.len()), (&None, &None, 0));
    assert_not_judged(&outcome, "needs 71 GiB");
    assert_eq!(outcome.with_verdict(Verdict::Unchanged).count(), 7);

    forget(&mut now, CASE);
    let outcome = judged(&now);
    assert_eq!((outcome.standing, of(&outcome, CASE).verdict), (Standing::Passed, Verdict::Skipped));
    assert_eq!(outcome.exemptions, ["1 case skipped for lack of memory, without a baseline"]);

    // What the baseline has under the name is of another shape, so it is of another case.
    let mut other = Scenario::new();
    other.skip(CASE, 71);
    let stored = other.baseline.as_mut().unwrap().cases.get_mut(CASE).unwrap();
    stored.shape.as_mut().unwrap().latent = [1, 1, 1];
    assert!(!of(&judged(&other), CASE).is_gap);
}

#[test]
fn a_run_in_which_all_is_skipped_has_measured_nothing() {
    let mut now = Scenario::new();
    now.baseline = None;
    let names: Vec<String> = now.record.cases.iter().map(|case| case.case.name.clone()).collect();
    for name in &names {
        assert_eq!(judged(&now).standing, Standing::Passed, "{name}");
        now.skip(name, 71);
    }
    assert_gap(&judged(&now), "nothing was measured: no case fits into memory");
    assert_eq!(now.record.blocks(), 0);
}

#[test]
fn a_times_rise_that_the_reference_shares_fails_against_the_baseline() {
    let mut now = Scenario::new();
    let names: Vec<String> = now.record.cases.iter().map(|case| case.case.name.clone()).collect();
    names.iter().for_each(|name| now.slow_down(name, 2.0));
    let outcome = judged(&now);
    assert_eq!((outcome.standing, outcome.with_verdict(Verdict::Regressed).count()), (Standing::Failed, 8));
    // One backend alone, which no speedup tells anything of.
    let mut alone = Scenario::new();
    alone.record.cases.retain(|case| case.case.backend == "torch");
    alone.baseline.as_mut().unwrap().cases.retain(|name, _| name.starts_with("torch"));
    alone.slow_down(REFERENCE, 2.3);
    let outcome = judged(&alone);
    let finding = of(&outcome, REFERENCE).compared(Figure::StepTime).unwrap();
    assert!(finding.fails && finding.message.contains("rose from the baseline's"), "{finding:?}");
}

#[test]
fn beside_a_base_old_drift_is_told_and_does_not_fail() {
    let mut now = Scenario::beside_base();
    // The machine has become slower on MLX; this change did nothing.
    for kind in [ArmKind::Head, ArmKind::Base] {
        stretch(&mut now, CASE, kind, 1.3);
    }
    let outcome = judged(&now);
    assert_eq!((outcome.standing, of(&outcome, CASE).verdict), (Standing::Passed, Verdict::Drifted));
    // Where this change is slower itself, the baseline counts too.
    stretch(&mut now, CASE, ArmKind::Head, 1.05);
    let outcome = judged(&now);
    let fails = |against| of(&outcome, CASE).findings.iter().any(|it| it.fails && it.against == against);
    assert!(fails(Against::Base) && fails(Against::Baseline), "{outcome:?}");
}

#[test]
fn a_part_of_the_steps_that_became_slower_is_no_pass() {
    let mut now = Scenario::beside_base();
    for launch in now.launches(CASE) {
        // More than half of them, so that the fastest quarter is what it was.
        launch
            .step_seconds
            .iter_mut()
            .enumerate()
            .filter(|(index, _)| index % 3 > 0)
            .for_each(|(_, step)| *step *= 1.5);
    }
    now.baseline = None;
    let outcome = judged(&now);
    let finding = of(&outcome, CASE).finding(Figure::StepTime, Against::Base).unwrap();
    let whole = of(&outcome, CASE).finding(Figure::MeanStep, Against::Base).unwrap();
    assert_eq!((outcome.standing, finding.verdict), (Standing::Failed, Verdict::Unchanged));
    assert!(whole.fails && whole.message.starts_with("its mean step rose from"), "{whole:?}");
    // What is printed of base is what was measured of it.
    let base = Some(evidence_step(&now, CASE));
    assert_eq!(finding.before, base);
}

fn evidence_step(scenario: &Scenario, name: &str) -> crate::evidence::quantity::Quantity {
    let evidence = crate::evidence::Evidence::of(&scenario.record);
    crate::evidence::quantity::Quantity::Time(evidence.case(name).unwrap().base.as_ref().unwrap().step)
}

#[test]
fn an_acceptance_holds_until_a_run_shows_more_than_was_accepted() {
    let mut now = Scenario::beside_base();
    now.slow_down(CASE, 1.25);
    let acceptance = |change| Acceptance {
        reason: "a correct mask".to_owned(),
        date: "2026-03-01T00:00:00Z".parse().unwrap(),
        commit: None,
        change: Some(change),
        times: Default::default(),
        covers: Accepted::before_outputs(),
    };
    now.record.base.as_mut().unwrap().accepted.push(CASE.to_owned());
    let before = now.baseline.clone().unwrap();
    let standing = |now: &Scenario, change: f64| {
        let baseline = before.accepting(&now.record, CASE, acceptance(change), &Thresholds::default());
        judged(&Scenario { baseline: Some(baseline), ..now.clone() }).standing
    };
    assert_eq!(standing(&now, 0.25), Standing::Passed);
    assert_eq!(standing(&now, 0.20), Standing::Failed);
    // The same, measured again with more scatter: its interval reaches what was accepted.
    for (launch, factor) in now.launches(CASE).into_iter().zip([1.01, 1.0, 1.005]) {
        launch.step_seconds.iter_mut().for_each(|step| *step *= factor);
    }
    assert_eq!(standing(&now, 0.25), Standing::Passed);
}

/// A run beside a base in which both sides of a case are so much slower than the baseline has it.
fn drifted(factor: f64) -> Scenario {
    let mut now = Scenario::beside_base();
    for kind in [ArmKind::Head, ArmKind::Base] {
        stretch(&mut now, CASE, kind, factor);
    }
    now
}

#[test]
fn old_drift_fails_no_change_that_moved_the_figure_the_other_way() {
    // This change made the case faster; main is slower than its baseline.
    let mut faster = drifted(1.3);
    stretch(&mut faster, CASE, ArmKind::Head, 0.9);
    let outcome = judged(&faster);
    assert_eq!(outcome.standing, Standing::Passed, "{:?}", of(&outcome, CASE));
    assert_eq!(of(&outcome, CASE).verdict, Verdict::Drifted);
    // This change made the reference faster: the speedup is its doing, the case's own step time is not.
    let mut reference = drifted(1.3);
    for kind in [ArmKind::Head, ArmKind::Control] {
        stretch(&mut reference, REFERENCE, kind, 0.9);
    }
    let outcome = judged(&reference);
    let case = of(&outcome, CASE);
    assert!(case.finding(Figure::Speedup, Against::Baseline).unwrap().fails, "{case:?}");
    assert!(!case.finding(Figure::StepTime, Against::Baseline).unwrap().fails, "{case:?}");
}

#[test]
fn model_bytes_alone_make_no_case_unchanged() {
    let mut now = Scenario::new();
    now.slow_down(CASE, 10.0);
    let stored = now.baseline.as_mut().unwrap().cases.get_mut(CASE).unwrap();
    (stored.step_seconds, stored.speedup) = (None, None);
    (stored.jobs, stored.anchor) = (Vec::new(), None);
    let outcome = judged(&now);
    assert_eq!(of(&outcome, CASE).verdict, Verdict::New, "{:?}", of(&outcome, CASE));
    // An imported table's step times are not gated, and the reference was left out by hand.
    let mut imported = Scenario::new();
    imported.slow_down(CASE, 10.0);
    imported.baseline.as_mut().unwrap().imported =
        Some(Import { source: "table.md".to_owned(), generated: "2026-02-27".to_owned(), model: None });
    imported.record.cases.retain(|case| case.case.name == CASE);
    imported.record.cases[0].case.reference = None;
    let outcome = judged(&imported);
    assert_eq!(of(&outcome, CASE).verdict, Verdict::NotGated, "{:?}", of(&outcome, CASE));
}

#[test]
fn a_case_that_the_base_lacks_is_judged_by_the_baseline_that_this_change_brings() {
    let mut now = Scenario::beside_base();
    now.case(CASE).base_launches.clear();
    now.record.base.as_mut().unwrap().lacks.push(CASE.to_owned());
    assert_eq!(of(&judged(&now), CASE).verdict, Verdict::Unchanged);
    now.slow_down(CASE, 1.5);
    assert_eq!(judged(&now).standing, Standing::Failed);
}

#[test]
fn model_bytes_that_are_not_recorded_are_the_base_revisions() {
    let mut now = Scenario::beside_base();
    now.memory.models.clear();
    assert_eq!(judged(&now).standing, Standing::Passed);
    for launch in now.launches(CASE) {
        launch.model_bytes += 1;
    }
    let outcome = judged(&now);
    assert_eq!(outcome.standing, Standing::Failed);
    assert!(of(&outcome, CASE).finding(Figure::ModelBytes, Against::Base).unwrap().message.contains("1 more than"));
}

#[test]
fn an_improvement_whose_output_nothing_agrees_with_is_not_judged() {
    let mut alone = Scenario::new();
    alone.record.cases.retain(|case| case.case.name == REFERENCE);
    alone.baseline.as_mut().unwrap().cases.retain(|name, _| name == REFERENCE);
    assert_eq!(judged(&alone).standing, Standing::Passed);
    for kind in [ArmKind::Head, ArmKind::Control] {
        stretch(&mut alone, REFERENCE, kind, 0.5);
    }
    let outcome = judged(&alone);
    let case = of(&outcome, REFERENCE);
    assert_eq!(case.verdict, Verdict::NotJudged, "{case:?}");
    assert!(case.findings.iter().any(|finding| finding.message.contains("compared with nothing")), "{case:?}");
}

#[test]
fn an_output_compared_with_nothing_is_counted() {
    let mut alone = Scenario::new();
    alone.record.cases.retain(|case| case.case.name == REFERENCE);
    alone.baseline.as_mut().unwrap().cases.retain(|name, _| name == REFERENCE);
    let outcome = judged(&alone);
    assert_eq!(
        (outcome.standing, &outcome.exemptions[..]),
        (Standing::Passed, &["1 case whose output was not compared".to_owned()][..])
    );
}

#[test]
fn a_base_that_wrote_no_output_leaves_it_exempt() {
    let mut now = Scenario::beside_base();
    let case = now.case(CASE);
    (case.base_parity, case.has_output, case.has_base_output) = (None, Some(true), Some(false));
    for launch in case.launches_mut(ArmKind::Base) {
        let LaunchOutcome::Measured(measured) = &mut launch.outcome else { continue };
        measured.output = None;
    }
    let outcome = judged(&now);
    assert_eq!(outcome.standing, Standing::Passed, "{:?}", of(&outcome, CASE));
    assert_eq!(outcome.exemptions, ["1 case whose output was not compared"]);
}

#[test]
fn a_base_of_which_nothing_was_measured_is_named_in_the_first_line() {
    let mut now = Scenario::beside_base();
    for case in &mut now.record.cases {
        case.base_launches.clear();
        now.record.base.as_mut().unwrap().lacks.push(case.case.name.clone());
    }
    let outcome = judged(&now);
    assert_eq!(outcome.exemptions, ["nothing was measured of the base revision, which has none of these cases"]);
}

#[test]
fn a_case_recorded_with_another_workload_is_new_and_counted() {
    let mut now = Scenario::new();
    now.baseline.as_mut().unwrap().cases.get_mut(CASE).unwrap().shape.as_mut().unwrap().latent = [1, 2, 2];
    let outcome = judged(&now);
    assert_eq!(of(&outcome, CASE).verdict, Verdict::New);
    assert_eq!(outcome.exemptions, ["1 case recorded with another workload or reference, so without a baseline"]);
}

#[test]
fn a_case_imported_for_another_model_is_new_and_counted_with_that_model() {
    let mut now = Scenario::new();
    now.slow_down(CASE, 10.0);
    let baseline = now.baseline.as_mut().unwrap();
    let (source, generated) = ("table.md".to_owned(), "2026-02-27".to_owned());
    baseline.imported = Some(Import { source, generated, model: Some("WanModel (14B parameters)".to_owned()) });
    for case in baseline.cases.values_mut() {
        (case.shape, case.jobs, case.anchor) = (None, Vec::new(), None);
        case.model = Some("synthetic".to_owned());
    }
    let outcome = judged(&now);
    assert_eq!((of(&outcome, CASE).verdict, outcome.standing), (Verdict::NotGated, Standing::Passed), "{outcome:?}");

    now.baseline.as_mut().unwrap().cases.get_mut(CASE).unwrap().model = Some("14B parameters".to_owned());
    let outcome = judged(&now);
    assert_eq!((of(&outcome, CASE).verdict, outcome.standing), (Verdict::New, Standing::Passed));
    let told = "1 case imported for another model (WanModel (14B parameters)), so without a baseline";
    assert_eq!(outcome.exemptions, [told]);
}

#[test]
fn drift_is_told_only_where_the_base_revision_decides() {
    let mut now = drifted(1.3);
    now.case(CASE).base_launches.truncate(1);
    let outcome = judged(&now);
    let case = of(&outcome, CASE);
    assert!(matches!(case.verdict, Verdict::Inconclusive | Verdict::NotJudged), "{case:?}");
    assert!(!case.findings.iter().any(|finding| finding.message.contains("this change did not cause it")), "{case:?}");
}

#[test]
fn a_failed_base_says_nothing_of_the_output() {
    let mut now = Scenario::beside_base();
    let failure = crate::store::record::Failure { reason: "exited with status 7".to_owned(), stderr_tail: Vec::new() };
    now.case(CASE).base_launches[0].outcome = LaunchOutcome::Failed(failure);
    now.case(CASE).base_parity = None;
    assert!(of(&judged(&now), CASE).finding(Figure::Output, Against::Base).is_none());
}

#[test]
fn rules_that_the_change_relaxes_are_counted() {
    let mut now = Scenario::beside_base();
    now.record.base.as_mut().unwrap().loosened.push("removes suite wide (63 cases)".to_owned());
    assert_eq!(judged(&now).exemptions, ["this change relaxes 1 rule that it is judged by"]);
}

#[test]
fn a_worker_that_never_reported_a_peak_is_counted() {
    let mut now = Scenario::new();
    let stored = now.baseline.as_mut().unwrap().cases.get_mut(CASE).unwrap();
    stored.process_peak_bytes = None;
    for launch in now.launches(CASE) {
        launch.process_peak_bytes = None;
    }
    let outcome = judged(&now);
    assert_eq!(outcome.standing, Standing::Passed);
    assert_eq!(outcome.exemptions, ["1 case whose worker reports no process peak"]);
}

#[test]
fn a_run_goes_on_until_each_step_time_is_settled_too() {
    // The speedup is unchanged, since the reference became slower as well.
    let mut now = Scenario::new();
    assert!(open_of(now.clone(), 10).is_empty());
    let all: Vec<String> = now.record.cases.iter().map(|case| case.case.name.clone()).collect();
    all.iter().for_each(|name| stretch(&mut now, name, ArmKind::Head, 1.09));
    for (launch, factor) in now.launches(CASE).into_iter().zip([1.0, 1.03, 1.06]) {
        launch.step_seconds.iter_mut().for_each(|step| *step *= factor);
    }
    assert!(open_of(now.clone(), 10).contains(&CASE.to_owned()));
    // What is clearly slower needs no further launches: what that means is decided at the end.
    let mut slower = Scenario::new();
    all.iter().for_each(|name| stretch(&mut slower, name, ArmKind::Head, 1.5));
    assert!(open_of(slower, 10).is_empty());
    // Alone, a case has its step time only; without a baseline it goes on until it has enough launches for one.
    let mut alone = Scenario::new();
    alone.record.cases.retain(|case| case.case.name == CASE);
    alone.record.cases[0].case.reference = None;
    assert!(open_of(alone.clone(), 10).is_empty());
    alone.baseline = None;
    assert_eq!(open_of(alone.clone(), 10), [CASE]);
    assert!(open_of(alone, 3).is_empty());
}

#[test]
fn cases_stop_one_by_one_and_beside_a_base_the_reference_too() {
    // Without a base, the reference goes on with the case that is asked about its speedup over it.
    let mut now = Scenario::new();
    for (launch, factor) in now.launches(CASE).into_iter().zip([1.3, 1.0, 0.8]) {
        launch.step_seconds.iter_mut().for_each(|step| *step *= factor);
    }
    assert_eq!(open_of(now, 10), [REFERENCE, CASE]);
    let mut beside_base = beside_base_of(4);
    stretch(&mut beside_base, CASE, ArmKind::Head, 1.021);
    assert_eq!(open_of(beside_base, 10), [CASE]);
}

/// The cases of `scenario` that go on after its launches, were 20 planned and `enough` enough for a baseline.
fn open_of(mut scenario: Scenario, enough: usize) -> Vec<String> {
    scenario.record.launches = 20;
    let thresholds = Thresholds { looks: vec![3, 4, 10], ..Thresholds::default() };
    let settled = settled(&scenario.record, scenario.baseline.as_ref(), &thresholds, enough);
    let names = scenario.record.cases.iter().map(|case| case.case.name.clone());
    names.filter(|name| !settled.contains(name)).collect()
}

#[test]
fn a_skipped_case_holds_up_no_look() {
    let mut now = Scenario::new();
    for case in &mut now.record.cases {
        for launch in &mut case.launches {
            let LaunchOutcome::Measured(measured) = &mut launch.outcome else { continue };
            measured.step_seconds.fill(if case.case.is_reference() { 0.2 } else { 0.1 });
        }
    }
    let before = RunRecord { started: "2026-02-27T09:00:00Z".parse().unwrap(), ..now.record.clone() };
    now.baseline =
        Some(Baseline::empty(before.machine.clone(), before.device).updated(&before, &Thresholds::default()));
    assert!(open_of(now.clone(), 10).is_empty());
    // A new case goes on, for its baseline, with its reference; not one of which there is nothing to come.
    forget(&mut now, CASE);
    assert_eq!(open_of(now.clone(), 10), [REFERENCE, CASE]);
    now.skip(CASE, 71);
    assert!(open_of(now.clone(), 10).is_empty());
    // Nor one whose reference was skipped: it has no speedup, as if it had been measured alone.
    forget(&mut now, "mlx/41f/nf4");
    assert_eq!(open_of(now.clone(), 10), [REFERENCE, "mlx/41f/nf4"]);
    now.skip(REFERENCE, 71);
    assert!(open_of(now, 10).is_empty());
}

/// The plan of a configuration that has just what was measured, for somebody else's record.
fn strange(plan: &mut Plan) {
    (plan.trusts_record, plan.may_leave_out) = (false, false);
}

fn acceptance(covers: &[Accepted]) -> Acceptance {
    Acceptance {
        reason: "a correct mask".to_owned(),
        date: "2026-03-01T00:00:00Z".parse().unwrap(),
        commit: None,
        change: Some(0.25),
        times: Default::default(),
        covers: covers.iter().copied().collect(),
    }
}

/// The scenario whose baseline accepts what was measured of [`CASE`], by this change.
fn accepting(scenario: &Scenario, covers: &[Accepted]) -> Scenario {
    let mut now = scenario.clone();
    let before = now.baseline.take().unwrap();
    now.baseline = Some(before.accepting(&now.record, CASE, acceptance(covers), &Thresholds::default()));
    now.record.base.as_mut().unwrap().accepted.push(CASE.to_owned());
    now
}

#[test]
fn a_stranger_does_not_say_which_change_an_acceptance_is_of() {
    let mut now = Scenario::beside_base();
    now.slow_down(CASE, 1.25);
    let now = accepting(&now, &[Accepted::Speed]);
    assert_eq!(judged(&now).standing, Standing::Passed);
    assert_eq!(planned(&now, strange).standing, Standing::Failed);
}

#[test]
fn an_acceptance_covers_what_it_was_given_for_alone() {
    let mut other = Scenario::beside_base();
    other.case(CASE).base_parity = Some(Parity { relative_error: Some(0.5) });
    assert_eq!(judged(&accepting(&other, &[Accepted::Output])).standing, Standing::Passed);
    assert_eq!(judged(&accepting(&other, &[Accepted::Speed, Accepted::Memory])).standing, Standing::Failed);
    let mut slow = Scenario::beside_base();
    slow.slow_down(CASE, 1.25);
    assert_eq!(judged(&accepting(&slow, &[Accepted::Memory])).standing, Standing::Failed);
}

#[test]
fn a_peak_is_held_against_the_base_unless_this_change_accepts_its_growth() {
    let mut now = Scenario::beside_base();
    for launch in now.launches(CASE) {
        launch.process_peak_bytes = launch.process_peak_bytes.map(|bytes| 2 * bytes);
    }
    let accepted = accepting(&now, &[Accepted::Memory]);
    assert_eq!(judged(&accepted).standing, Standing::Passed);
    // An acceptance of an earlier change, and one that recorded no peak.
    let mut earlier = accepted.clone();
    earlier.record.base.as_mut().unwrap().accepted.clear();
    assert_eq!(judged(&earlier).standing, Standing::Failed);
    let mut none = accepted;
    none.baseline.as_mut().unwrap().cases.get_mut(CASE).unwrap().process_peak_bytes = None;
    assert_eq!(judged(&none).standing, Standing::Failed);
}

#[test]
fn a_reference_without_a_control_is_a_gap_where_a_configuration_asks_and_so_is_one_that_failed() {
    let mut now = Scenario::beside_base();
    let asks = |plan: &mut Plan| plan.asks_controls = true;
    assert_eq!(planned(&now, asks).standing, Standing::Passed);
    let failed = now.case(REFERENCE).control_launches.pop().unwrap();
    for (case, backend) in [(REFERENCE, "torch"), ("mlx/41f/none", "mlx")] {
        let mut without = now.clone();
        without.case(case).control_launches.clear();
        let gap = format!("no A/A control: no case of {backend} in 41f was launched twice in any block");
        assert_gap(&planned(&without, asks), &gap);
    }
    // One block has one control.
    let mut one = now.clone();
    for case in &mut one.record.cases {
        ArmKind::ALL.into_iter().for_each(|kind| case.launches_mut(kind).truncate(1));
    }
    one.case("mlx/41f/none").control_launches.clear();
    assert!(planned(&one, asks).gaps.iter().all(|gap| !gap.reason.contains("control")));
    let mut without = now.clone();
    without.case(REFERENCE).control_launches.clear();
    without.case("mlx/41f/none").control_launches.clear();
    assert_eq!(judged(&without).standing, Standing::Passed);
    let failure = crate::store::record::Failure { reason: "out of memory".to_owned(), stderr_tail: Vec::new() };
    let failed = crate::store::record::Launch { outcome: LaunchOutcome::Failed(failure), ..failed };
    now.case(REFERENCE).control_launches.push(failed);
    assert_gap(&judged(&now), "the control of torch/41f/none failed: out of memory");
    // Of a reference that was not measured there is none to ask for.
    let mut alone = Scenario::beside_base();
    alone.record.cases.retain(|case| case.case.name != REFERENCE);
    forget(&mut alone, REFERENCE);
    assert!(planned(&alone, asks).gaps.is_empty());
}

#[test]
fn that_a_case_does_not_fit_is_not_taken_from_a_stranger() {
    let mut now = Scenario::new();
    now.skip(CASE, 71);
    forget(&mut now, CASE);
    assert_eq!(judged(&now).standing, Standing::Passed);
    assert_not_judged(&planned(&now, strange), "needs 71 GiB");
}

#[test]
fn the_suite_and_its_terms_are_the_configurations() {
    let now = Scenario::beside_base();
    assert_gap(&planned(&now, |plan| plan.terms = Terms::Unknown), "the configuration has no suite synthetic");
    let terms = Terms::Suite { warmup_steps: 2, side_by_side: true, canary: true, wakes: false };
    let strange = |plan: &mut Plan| {
        strange(plan);
        plan.terms = terms;
    };
    assert_eq!(planned(&now, strange).standing, Standing::Passed);
    let mut other = now.clone();
    (other.record.side_by_side, other.record.canary) = (false, None);
    assert_gap(&planned(&other, strange), "one process at a time");
    assert_gap(&planned(&other, strange), "without a canary");
    let mut failed = now.clone();
    failed.record.canary.as_mut().unwrap().failed = Some("before block 2 of 41f: out of memory".to_owned());
    assert_gap(&planned(&failed, strange), "without a canary");
    let mut woken = now.clone();
    woken.record.tool.environment.insert(WAKES.to_owned(), "true".to_owned());
    assert_gap(&planned(&woken, strange), "with wake passes");
    let asks_wakes = |plan: &mut Plan| {
        strange(plan);
        plan.terms = Terms::Suite { warmup_steps: 2, side_by_side: true, canary: true, wakes: true };
    };
    assert_gap(&planned(&now, asks_wakes), "without wake passes");
    assert_eq!(planned(&woken, asks_wakes).standing, Standing::Passed);
    // Where the record is trusted, there was too little memory, and the canary could not be started.
    assert_eq!(planned(&other, |plan| plan.terms = terms).standing, Standing::Passed);
    other.record.warmup_steps = 1;
    assert_gap(&planned(&other, |plan| plan.terms = terms), "with 1 of 2 warm-up steps");
}

#[test]
fn what_other_suites_have_and_what_no_suite_has_is_named() {
    let now = Scenario::new();
    let mut smaller = now.clone();
    smaller.record.cases.retain(|case| case.case.name != CASE);
    let known = |plan: &mut Plan| plan.known.extend([CASE.to_owned()]);
    let outcome = planned(&smaller, known);
    assert_eq!(outcome.standing, Standing::Passed);
    assert_eq!(outcome.exemptions, [format!("1 case of the baseline in other suites, not measured ({CASE})")]);
    let outcome = planned(&now, |plan| {
        strange(plan);
        plan.cases.retain(|case| case.name != CASE);
    });
    assert_eq!(outcome.exemptions, [format!("1 case that the configuration does not have ({CASE})")]);
}

#[test]
fn a_base_of_which_nothing_was_launched_is_no_measure() {
    let mut now = Scenario::beside_base();
    let names: Vec<String> = now.record.cases.iter().map(|case| case.case.name.clone()).collect();
    now.record.cases.iter_mut().for_each(|case| case.base_launches.clear());
    now.record.base.as_mut().unwrap().lacks = names;
    now.baseline = None;
    assert_eq!(judged(&now).standing, Standing::Passed);
    now.others = 1;
    assert_gap(&judged(&now), "although another machine or device has one");
}

#[test]
fn copied_steps_are_found_whatever_their_launches_say() {
    let mut now = Scenario::beside_base();
    for launch in now.launches(CASE) {
        launch.step_seconds.iter_mut().enumerate().for_each(|(index, step)| *step *= 1.0 + 1e-4 * index as f64);
    }
    let case = now.case(CASE);
    case.base_launches = case.launches.clone();
    case.base_launches.iter_mut().for_each(|launch| launch.wall_seconds = 0.0);
    assert_not_judged(&judged(&now), "copies of this revision's");
}

#[test]
fn fewer_model_bytes_fail_until_they_are_recorded() {
    let mut now = Scenario::new();
    now.launches(CASE).into_iter().for_each(|launch| launch.model_bytes -= 1024);
    let outcome = judged(&now);
    assert_eq!((outcome.standing, of(&outcome, CASE).verdict), (Standing::Failed, Verdict::Improved));
    let finding = of(&outcome, CASE).finding(Figure::ModelBytes, Against::Recorded).unwrap();
    assert!(finding.fails && finding.message.contains("1,024 fewer"), "{finding:?}");
}

#[test]
fn a_failed_launch_of_head_is_not_judged() {
    let mut now = Scenario::beside_base();
    now.fail(CASE, "exited with status 7", &[]);
    let outcome = judged(&now);
    assert_eq!(of(&outcome, CASE).verdict, Verdict::Failed);
    assert_not_judged(&outcome, "exited with status 7");
}

#[test]
fn a_case_that_shares_no_block_with_the_base_is_not_judged() {
    let mut now = Scenario::beside_base();
    now.case(CASE).base_launches.iter_mut().for_each(|launch| launch.block += 3);
    assert_not_judged(&judged(&now), "no block measured both head and base");
}

/// Stretches head's launches of these blocks, and the base revision's of those.
fn slow_launches(scenario: &mut Scenario, head: &[usize], base: &[usize]) {
    for (kind, blocks) in [(ArmKind::Head, head), (ArmKind::Base, base)] {
        for launch in scenario.case(CASE).launches_mut(kind) {
            let crate::store::record::Outcome::Measured(measured) = &mut launch.outcome else { continue };
            if blocks.contains(&launch.block) {
                measured.step_seconds.iter_mut().for_each(|step| *step *= 2.1);
            }
        }
    }
}

/// A run beside a base of so many launches, no two of which are quite alike.
fn beside_base_of(launches: usize) -> Scenario {
    let mut now = Scenario::beside_base();
    (now.record.launches, now.baseline) = (launches, None);
    for case in &mut now.record.cases {
        for kind in ArmKind::ALL {
            let first = case.launches_of(kind).to_vec();
            let again = (0..if first.is_empty() { 0 } else { launches }).map(|block| {
                let mut launch = first[block % first.len()].clone();
                launch.block = block;
                if let crate::store::record::Outcome::Measured(measured) = &mut launch.outcome {
                    let factor = 1.0 + 1e-4 * (block * block % 7) as f64;
                    measured.step_seconds.iter_mut().for_each(|step| *step *= factor);
                }
                launch
            });
            *case.launches_mut(kind) = again.collect();
        }
    }
    now
}

#[test]
fn launches_that_are_slow_as_a_whole_are_told_and_a_changed_share_is_a_finding() {
    // In as many launches of both: times are compared within the modes.
    let mut alike = beside_base_of(10);
    slow_launches(&mut alike, &[1, 4], &[2, 7]);
    let outcome = judged(&alike);
    let case = of(&outcome, CASE);
    let slow = case.finding(Figure::SlowLaunches, Against::Base).unwrap();
    assert_eq!((outcome.standing, slow.verdict), (Standing::Passed, Verdict::Unchanged), "{case:?}");
    assert!(slow.message.starts_with("it was slow in 2 of 10 launches by 2.11×, the base revision in 2"), "{slow:?}");
    // In most of head's, and none of the base's.
    let mut changed = beside_base_of(10);
    slow_launches(&mut changed, &[0, 1, 2, 4, 5, 6, 7, 9], &[]);
    let outcome = judged(&changed);
    let slow = of(&outcome, CASE).finding(Figure::SlowLaunches, Against::Base).unwrap();
    assert!(slow.fails && slow.message.contains("in 8 of 10 launches"), "{slow:?}");
    // In more than chance easily explains: no pass, and no failure.
    let mut open = beside_base_of(10);
    slow_launches(&mut open, &[0, 2, 4, 6], &[]);
    let outcome = judged(&open);
    let slow = of(&outcome, CASE).finding(Figure::SlowLaunches, Against::Base).unwrap();
    assert_eq!((outcome.standing, slow.verdict), (Standing::NotJudged, Verdict::Inconclusive), "{slow:?}");
}

#[test]
fn a_load_that_somebody_waits_for_is_gated_and_a_short_one_is_not() {
    for (seconds, standing) in [(0.5, Standing::Passed), (20.0, Standing::Failed)] {
        let mut now = beside_base_of(10);
        for (kind, factor) in [(ArmKind::Head, 1.2), (ArmKind::Base, 1.0)] {
            for launch in now.case(CASE).launches_mut(kind) {
                let crate::store::record::Outcome::Measured(measured) = &mut launch.outcome else { continue };
                measured.load_seconds = seconds * factor * (1.0 + 1e-3 * (launch.block % 3) as f64);
            }
        }
        let outcome = judged(&now);
        let load = of(&outcome, CASE).finding(Figure::Load, Against::Base);
        assert_eq!((outcome.standing, load.is_some_and(|load| load.fails)), (standing, standing == Standing::Failed));
    }
}

#[test]
fn an_accepted_time_does_not_let_the_others_stay_open() {
    let mut now = beside_base_of(4);
    now.record.launches = 24;
    stretch(&mut now, CASE, ArmKind::Head, 1.06);
    // The steps after the fastest quarter scatter so widely that the mean step is open.
    for (number, launch) in now.launches(CASE).into_iter().enumerate() {
        let slow = [3.0, 1.0, 1.6, 1.1][number];
        launch.step_seconds.iter_mut().skip(6).for_each(|step| *step *= slow);
    }
    now.plan = Some(Plan { launches: 24, ..Plan::of_record(&now.record) });
    assert_eq!(judged(&now).standing, Standing::Failed, "by its step time, whatever its mean step is");
    now.baseline = Some(Baseline::empty(now.record.machine.clone(), now.record.device));
    let before = now.baseline.take().unwrap();
    let mut accepted = acceptance(&[Accepted::Speed]);
    accepted.change = Some(0.06);
    now.baseline = Some(before.accepting(&now.record, CASE, accepted, &Thresholds::default()));
    now.record.base.as_mut().unwrap().accepted.push(CASE.to_owned());
    let outcome = judged(&now);
    let whole = of(&outcome, CASE).finding(Figure::MeanStep, Against::Base).unwrap();
    assert_eq!((outcome.standing, whole.verdict), (Standing::NotJudged, Verdict::NotJudged), "{whole:?}");
    assert!(open_of_as_it_is(&now).contains(&CASE.to_owned()), "it goes on");
}

/// The cases of `scenario` that go on after its launches, as it is planned.
fn open_of_as_it_is(scenario: &Scenario) -> Vec<String> {
    let settled = settled(&scenario.record, scenario.baseline.as_ref(), &Thresholds::default(), 10);
    let names = scenario.record.cases.iter().map(|case| case.case.name.clone());
    names.filter(|name| !settled.contains(name)).collect()
}

#[test]
fn slow_launches_in_a_control_make_no_machine_unfit() {
    let mut now = beside_base_of(10);
    slow_launches(&mut now, &[1], &[2]);
    let case = now.case("mlx/41f/none");
    case.control_launches = case.launches.clone();
    for launch in case.control_launches.iter_mut().filter(|launch| launch.block == 5) {
        let crate::store::record::Outcome::Measured(measured) = &mut launch.outcome else { continue };
        measured.step_seconds.iter_mut().for_each(|step| *step *= 2.1);
    }
    let outcome = judged(&now);
    assert!(outcome.unfit().next().is_none(), "{:?}", outcome.controls);
}

#[test]
fn a_peak_that_some_launches_reach_is_open_and_keeps_the_case_going() {
    let mut now = beside_base_of(10);
    for launch in now.launches(CASE).into_iter().take(4) {
        launch.process_peak_bytes = Some(8 << 30);
    }
    let outcome = judged(&now);
    let peak = of(&outcome, CASE).finding(Figure::ProcessPeak, Against::Base).unwrap();
    assert_eq!((outcome.standing, peak.verdict), (Standing::NotJudged, Verdict::Inconclusive), "{peak:?}");
    now.record.launches = 24;
    assert_eq!(open_of_as_it_is(&now), [CASE]);
}

/// The scenario with an override of `CASE` alone, as config.toml has it.
fn overriding(mut scenario: Scenario, values: &str) -> Scenario {
    let own = toml::from_str(&format!("filter = \"{CASE}\"\n{values}")).unwrap();
    scenario.thresholds.overrides.push(own);
    scenario
}

/// Whether `CASE` fails, and whether another case with the same change does.
fn fail(scenario: &Scenario) -> [bool; 2] {
    let outcome = judged(scenario);
    [CASE, "mlx/41f/nf4"].map(|name| of(&outcome, name).fails())
}

#[test]
fn a_case_is_judged_by_the_tolerances_of_its_own() {
    let slower = |mut scenario: Scenario, factor: f64| {
        [CASE, "mlx/41f/nf4"].iter().for_each(|name| scenario.slow_down(name, factor));
        scenario
    };
    let larger = |scenario: &mut Scenario, mebibytes: u64| {
        for name in [CASE, "mlx/41f/nf4"] {
            for launch in scenario.launches(name) {
                launch.process_peak_bytes = launch.process_peak_bytes.map(|peak| peak + mebibytes * MIB);
            }
        }
    };
    let beside = slower(Scenario::beside_base(), 1.1);
    let mut alone = slower(Scenario::new(), 1.25);
    alone.record.cases.retain(|case| case.case.backend != "torch");
    alone.record.cases.iter_mut().for_each(|case| case.case.reference = None);
    let mut large = Scenario::new();
    larger(&mut large, 30);
    let mut wrong = Scenario::new();
    for name in [CASE, "mlx/41f/nf4"] {
        wrong.case(name).parity = Some(Parity { relative_error: Some(0.5) });
    }
    let both_of_base = "base_tolerance_percent = 20\nwhole_tolerance_percent = 20\nspeedup_tolerance_percent = 20";
    for (now, values, told) in [
        (beside, both_of_base, "within the tolerance of 20%"),
        (
            slower(Scenario::new(), 1.25),
            "speedup_tolerance_percent = 30\nstep_time_tolerance_percent = 30",
            "within the tolerance of 30%",
        ),
        (large.clone(), "peak_tolerance_mib = 40", "(1% + 40 MiB)"),
        (large, "peak_tolerance_percent = 30", "(30% + 16 MiB)"),
        (wrong, "parity_tolerance_factor = 1e9", "the output agrees"),
    ] {
        assert_eq!(fail(&now), [true, true], "{values}");
        let now = overriding(now, values);
        assert_eq!(fail(&now), [false, true], "{values}");
        let outcome = judged(&now);
        assert!(
            of(&outcome, CASE).findings.iter().any(|finding| finding.message.contains(told)),
            "{told}: {outcome:?}"
        );
    }
    assert!(fail(&alone)[0]);
    assert_eq!(fail(&overriding(alone, "step_time_tolerance_percent = 30")), [false, true]);
}

#[test]
fn the_anchor_is_held_against_with_the_tolerance_of_the_case() {
    let now = anchored(Scenario::new(), 0.7);
    assert!(fail(&now)[0]);
    assert!(!fail(&overriding(now, "anchor_tolerance_percent = 60"))[0]);
}

#[test]
fn a_step_that_is_too_short_to_time_is_named_and_spoils_no_other_workload() {
    let mut now = Scenario::beside_base();
    for case in ["torch/5f/none", "mlx/5f/none"] {
        ArmKind::ALL.into_iter().for_each(|kind| stretch(&mut now, case, kind, 0.3));
        stretch(&mut now, case, ArmKind::Control, 1.05);
    }
    let outcome = judged(&now);
    let unfit: Vec<&str> = outcome.unfit().collect();
    let told = "; a step of 2.43 ms is too short to time on this machine: use more frames";
    assert!(unfit.len() == 1 && unfit[0].ends_with(told), "{unfit:?}");
    let verdicts_at_41 = outcome.cases.iter().filter(|case| case.name.contains("41f")).map(|case| case.verdict);
    assert!(verdicts_at_41.into_iter().all(|verdict| verdict == Verdict::Unchanged));
    assert!(of(&outcome, "mlx/5f/int8").is_gap);
    // A step of 74 ms is long enough: the machine is disturbed.
    let mut long = Scenario::beside_base();
    stretch(&mut long, REFERENCE, ArmKind::Control, 1.05);
    stretch(&mut long, "mlx/41f/none", ArmKind::Control, 1.05);
    let outcome = judged(&long);
    assert!(outcome.unfit().count() == 1 && outcome.unfit().all(|unfit| !unfit.contains("frames")));
}

#[test]
fn a_control_has_the_tolerance_of_its_case() {
    let unfit = |scenario: &Scenario| judged(scenario).controls.iter().filter(|it| it.unfit.is_some()).count();
    let mut now = Scenario::beside_base();
    stretch(&mut now, "torch/5f/none", ArmKind::Control, 1.05);
    stretch(&mut now, "mlx/5f/none", ArmKind::Control, 1.05);
    assert!(unfit(&now) > 0);
    let of = |filter: &str| {
        let own = toml::from_str(&format!("filter = \"{filter}\"\nbase_tolerance_percent = 20")).unwrap();
        let mut now = now.clone();
        now.thresholds.overrides.push(own);
        unfit(&now)
    };
    assert_eq!(of("5f/none"), 0);
    // Both together are held to the stricter one.
    assert!(of("mlx/5f/none") > 0);
}

#[test]
fn what_is_not_known_to_its_own_tolerance_is_a_doubt() {
    let mut now = Scenario::new();
    for (name, factor) in [(CASE, 1.1), ("mlx/41f/nf4", 1.1)] {
        now.launches(name)[0].step_seconds.iter_mut().for_each(|step| *step *= factor);
    }
    let doubts = |scenario: &Scenario| doubts::Doubts::about(&scenario.record, &scenario.thresholds).cases;
    assert!(
        doubts(&now)[0]
            .starts_with("the speedup of mlx/41f/int8 and 1 case more is not known to within its tolerance of 5%")
    );
    let doubts = doubts(&overriding(now, "speedup_tolerance_percent = 2"));
    let starts = [
        "the speedup of mlx/41f/int8 is not known to within its tolerance of 2%",
        "the speedup of mlx/41f/nf4 is not known to within its tolerance of 5%",
    ];
    assert_eq!(doubts.len(), 2);
    assert!(doubts.iter().zip(starts).all(|(doubt, start)| doubt.starts_with(start)), "{doubts:?}");
}

#[test]
fn of_each_backend_the_case_that_slowed_down_most_is_worth_a_profile() {
    let mut now = beside_base_of(10);
    assert!(worth_profiling(&now.record, &now.thresholds).is_empty());
    stretch(&mut now, "mlx/41f/none", ArmKind::Head, 1.05);
    stretch(&mut now, CASE, ArmKind::Head, 1.08);
    stretch(&mut now, CASE, ArmKind::Control, 1.08);
    stretch(&mut now, "mlx/41f/none", ArmKind::Control, 1.05);
    assert_eq!(worth_profiling(&now.record, &now.thresholds), [CASE]);
    stretch(&mut now, REFERENCE, ArmKind::Head, 1.05);
    stretch(&mut now, REFERENCE, ArmKind::Control, 1.05);
    assert_eq!(worth_profiling(&now.record, &now.thresholds), [CASE, REFERENCE]);
}

/// The message about a step that is 5% slower, where the case was profiled in these pairs.
fn message_about_parts(pairs: Vec<ProfiledPair>) -> String {
    let mut now = beside_base_of(10);
    stretch(&mut now, CASE, ArmKind::Head, 1.05);
    now.case(CASE).paired_profile = Some(PairedProfile::Profiled(pairs));
    let outcome = judged(&now);
    let step = of(&outcome, CASE).finding(Figure::StepTime, Against::Base).unwrap();
    assert!(step.fails, "{step:?}");
    step.message.clone()
}

#[test]
fn a_slower_step_names_its_part_or_says_that_none_is_known() {
    let message = message_about_parts(pairs(6, 1.16));
    let words = "; by part: FFN +16.0% (95%: +16.0% to +16.0%), self-attention 0.0% ±0.0%; FFN accounts for +480 µs of the step's +480 µs";
    assert!(message.contains(words), "{message}");
    assert!(message_about_parts(pairs(6, 1.0)).ends_with("the slowdown did not show, so no part of it is named"));
    let mut elsewhere = pairs(6, 1.0);
    for pair in &mut elsewhere {
        pair.head.step_seconds.iter_mut().for_each(|seconds| *seconds += 0.5e-3);
    }
    let message = message_about_parts(elsewhere);
    assert!(message.contains("timed one by one, took") && message.contains("look between them"), "{message}");
}
