//! Ceilings: whether a figure is within what the configuration allows it at most, whatever it was before.

use super::limit::{Held, Limit, limits};
use super::outcome::{Against, Finding, Verdict};
use super::plan::Judge;
use super::speed::Decision;
use super::time::{MOST_ADVISED_LAUNCHES, lost_reference, withdraw};
use super::words::{short_of, with_interval};
use crate::config::{Case, Ceiling, Thresholds};
use crate::evidence::CaseEvidence;
use crate::store::record::CaseRecord;
use crate::text::format;

/// The findings on the ceilings of a case that was measured. Where the machine `is_unfit`, its times are not judged.
pub(super) fn judge(judge: &Judge, case: &CaseRecord, evidence: &CaseEvidence, is_unfit: bool) -> Vec<Finding> {
    let Some(now) = &evidence.figures else { return Vec::new() };
    let thresholds = judge.thresholds.of_case(&case.case.name);
    let of_ceiling = |limit: Limit| {
        let mut finding = match limit.held(evidence, now) {
            Some(held) => limit.finding(&held, judge),
            None => limit.lost(judge, case)?,
        };
        if is_unfit && limit.is_speed() {
            withdraw(&mut finding);
        }
        Some(finding)
    };
    limits(&case.case.name, &thresholds).filter_map(of_ceiling).collect()
}

/// The finding on a case that was skipped and has a ceiling, by the first of them: its figure was asked for.
pub(super) fn of_skipped(case: &Case, thresholds: &Thresholds) -> Option<Finding> {
    let limit = limits(&case.name, thresholds).find(|limit| limit.ceiling != Ceiling::Speedup || case.has_speedup())?;
    let (figure, name, place) = (limit.figure(), limit.ceiling.name(), &limit.place);
    let message = format!("its {figure} has a {name} ({place}), so it should have been measured");
    Some(limit.new_finding(Verdict::NotJudged, message).between(Some(limit.quantity()), None))
}

impl Limit {
    fn finding(&self, held: &Held, judge: &Judge) -> Finding {
        let is_short = self.is_speed() && held.launches < judge.plan.launches;
        let verdict = match held.decision {
            Decision::Slower => Verdict::Regressed,
            Decision::Open if is_short => Verdict::NotJudged,
            Decision::Open => Verdict::Inconclusive,
            _ => Verdict::Unchanged,
        };
        let message = format!("{}{}", self.comparison(held), self.consequence(held, is_short, judge.plan.launches));
        Finding {
            change: Some(held.change),
            interval: held.interval,
            settling_launches: held.settling_launches,
            fails: verdict == Verdict::Regressed,
            ..self.new_finding(verdict, message).between(Some(self.quantity()), Some(held.now))
        }
    }

    /// `its step time of 950 ms is above the ceiling of 900 ms (gate, step_time_ceiling_ms): +5.6% (95%: +5.0% to +6.2%)`.
    fn comparison(&self, held: &Held) -> String {
        let side = match (held.decision, self.ceiling) {
            (Decision::Unchanged, _) => "within",
            (_, Ceiling::Speedup) => "below",
            _ => "above",
        };
        let name = self.ceiling.name();
        let (limit, place) = (self.quantity(), &self.place);
        let figures = format!("its {} of {} is {side} the {name} of {limit} ({place})", self.figure(), held.now);
        match held.beyond {
            None => format!("{figures}: {}", with_interval(held.change, held.interval)),
            Some(beyond) if held.decision == Decision::Unchanged || beyond == held.launches => figures,
            Some(beyond) => format!("{figures} in {beyond} of {}", format::launches(held.launches)),
        }
    }

    /// What follows from it, and the way out.
    fn consequence(&self, held: &Held, is_short: bool, planned: usize) -> String {
        let (name, key) = (self.ceiling.name(), self.ceiling.key());
        let why = match held.decision {
            Decision::Slower => {
                let change = if self.ceiling == Ceiling::Speedup { "lower" } else { "raise" };
                return format!("; no acceptance excuses it: find the cause, or {change} {key}");
            }
            Decision::Open if held.beyond.is_some() => format!("; the launches are on both sides of the {name}"),
            Decision::Open if held.interval.is_none() => {
                ", but one launch cannot distinguish it from chance".to_owned()
            }
            Decision::Open => format!(", but its interval reaches within the {name}"),
            _ => return String::new(),
        };
        match held.settling_launches {
            _ if is_short => why + &short_of(held.launches, planned),
            Some(launches) if launches <= MOST_ADVISED_LAUNCHES => {
                format!("{why}; about {launches} launches would decide it")
            }
            _ => why,
        }
    }

    /// The finding where the figure was not measured; `None` where the case has none to measure.
    fn lost(&self, judge: &Judge, case: &CaseRecord) -> Option<Finding> {
        let (verdict, why) = match self.ceiling {
            Ceiling::Speedup => {
                let asked = judge.plan.case(&case.case.name);
                if !asked.unwrap_or(&case.case).has_speedup() {
                    return None;
                }
                let (verdict, why) = lost_reference(judge, case);
                (verdict, format!("the reference {why}"))
            }
            _ => (Verdict::NotJudged, "the worker reports none".to_owned()),
        };
        let (figure, name, limit, place) = (self.figure(), self.ceiling.name(), self.quantity(), &self.place);
        let message = format!("its {figure} cannot be held against the {name} of {limit} ({place}): {why}");
        Some(self.new_finding(verdict, message).between(Some(limit), None))
    }

    fn new_finding(&self, verdict: Verdict, message: String) -> Finding {
        Finding::new(self.figure(), Against::Ceiling, verdict, message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Override;
    use crate::gate::{Figure, Judged, Outcome, Plan, Standing, settled};
    use crate::store::baseline::{Acceptance, Accepted};
    use crate::store::record::{ArmKind, Launch, Outcome as LaunchOutcome};
    use crate::testing::{MIB, Scenario};

    /// Its step takes 30.1 ms, its weights 95 MiB, its process 395 MiB, its speedup is 2.46.
    const CASE: &str = "mlx/41f/int8";
    const REFERENCE: &str = "torch/41f/none";

    /// The scenario with an override of `CASE` alone.
    fn with(mut scenario: Scenario, change: impl FnOnce(&mut Override)) -> Scenario {
        let mut own = Override { filter: CASE.to_owned(), ..Override::default() };
        change(&mut own);
        scenario.thresholds.overrides.push(own);
        scenario
    }

    fn judged(scenario: &Scenario) -> (Outcome, Judged) {
        let outcome = scenario.clone().report().outcome;
        let case = outcome.cases.iter().find(|case| case.name == CASE).unwrap().clone();
        (outcome, case)
    }

    /// The finding on the only ceiling of `CASE`, with the standing of the run.
    #[track_caller]
    fn the_finding(scenario: &Scenario) -> (Finding, Standing) {
        let (outcome, case) = judged(scenario);
        let mut ceilings = case.findings.into_iter().filter(|finding| finding.against == Against::Ceiling);
        let finding = ceilings.next().expect("a ceiling");
        assert_eq!(ceilings.next(), None);
        (finding, outcome.standing)
    }

    #[test]
    fn every_figure_beyond_its_ceiling_fails_and_within_it_is_unchanged() {
        type Set = fn(&mut Override, f64);
        let ceilings: [(Set, [f64; 2], Figure, &str); 6] = [
            (|own, most| own.step_time_ceiling_ms = Some(most), [29.0, 31.0], Figure::StepTime, "step_time_ceiling_ms"),
            (|own, most| own.load_ceiling_seconds = Some(most), [0.2, 0.25], Figure::Load, "load_ceiling_seconds"),
            (|own, least| own.speedup_floor = Some(least), [2.6, 2.3], Figure::Speedup, "speedup_floor"),
            (|own, most| own.model_ceiling_mib = Some(most), [20.0, 40.0], Figure::ModelBytes, "model_ceiling_mib"),
            (
                |own, most| own.process_peak_ceiling_mib = Some(most),
                [328.0, 330.0],
                Figure::ProcessPeak,
                "process_peak_ceiling_mib",
            ),
            (
                |own, most| own.framework_peak_ceiling_mib = Some(most),
                [164.0, 166.0],
                Figure::FrameworkPeak,
                "framework_peak_ceiling_mib",
            ),
        ];
        for (set, [beyond, within], figure, key) in ceilings {
            let now = with(Scenario::new(), |own| set(own, beyond));
            let (finding, standing) = the_finding(&now);
            assert_eq!(
                (finding.figure, finding.verdict, standing),
                (figure, Verdict::Regressed, Standing::Failed),
                "{finding:?}"
            );
            assert!(finding.message.contains(&format!("(gate.overrides, {key})")), "{}", finding.message);
            let (outcome, case) = judged(&now);
            assert_eq!((outcome.failing().count(), case.verdict), (1, Verdict::Regressed), "{key}");
            let (finding, standing) = the_finding(&with(Scenario::new(), |own| set(own, within)));
            assert_eq!((finding.verdict, standing), (Verdict::Unchanged, Standing::Passed), "{finding:?}");
            assert!(finding.message.contains(" is within the "), "{}", finding.message);
        }
    }

    #[test]
    fn the_words_name_figure_limit_key_and_the_way_out() {
        let mut now = Scenario::new();
        now.thresholds.step_time_ceiling_ms = Some(29.0);
        let message = the_finding(&now).0.message;
        let expected =
            "its step time of 30.1 ms is above the ceiling of 29.0 ms (gate, step_time_ceiling_ms): +3.8% (95%: ";
        assert!(message.starts_with(expected), "{message}");
        assert!(
            message.ends_with("; no acceptance excuses it: find the cause, or raise step_time_ceiling_ms"),
            "{message}"
        );
        let message = the_finding(&with(Scenario::new(), |own| own.speedup_floor = Some(2.6))).0.message;
        assert!(
            message
                .starts_with("its speedup of 2.46x is below the floor of 2.60x (gate.overrides, speedup_floor): +5."),
            "{message}"
        );
        assert!(message.ends_with("or lower speedup_floor"), "{message}");
    }

    #[test]
    fn a_time_whose_interval_reaches_within_its_ceiling_is_inconclusive() {
        // The launches take 30.1 ms by up to 1%.
        let mut now = with(Scenario::new(), |own| own.step_time_ceiling_ms = Some(30.0));
        let (finding, standing) = the_finding(&now);
        assert_eq!((finding.verdict, standing), (Verdict::Inconclusive, Standing::NotJudged), "{finding:?}");
        assert!(finding.message.contains("but its interval reaches within the ceiling"), "{}", finding.message);
        assert!(finding.settling_launches.is_some(), "{finding:?}");
        now.demands.allows_inconclusive = true;
        assert_eq!(the_finding(&now).1, Standing::Passed);
        // Of fewer launches than planned nothing is inconclusive.
        now.plan = Some(Plan { launches: 10, ..Plan::of_record(&now.record) });
        let (finding, standing) = the_finding(&now);
        assert_eq!((finding.verdict, standing), (Verdict::NotJudged, Standing::NotJudged));
        assert!(finding.message.ends_with("; only 3 of the 10 launches planned were made"), "{}", finding.message);
    }

    #[test]
    fn a_peak_is_beyond_its_ceiling_in_four_of_five_launches_or_not_decided() {
        let now = |most: f64| {
            let mut now = with(Scenario::new(), |own| own.process_peak_ceiling_mib = Some(most));
            for (launch, mebibytes) in now.launches(CASE).into_iter().zip([320, 325, 332]) {
                launch.process_peak_bytes = Some(mebibytes * MIB);
            }
            the_finding(&now).0
        };
        let verdicts = [319.0, 321.0, 331.0, 332.0].map(|most| now(most).verdict);
        let open = Verdict::Inconclusive;
        assert_eq!(verdicts, [Verdict::Regressed, open, open, Verdict::Unchanged]);
        let message = now(321.0).message;
        assert!(message.contains(" in 2 of 3 launches; the launches are on both sides of the ceiling"), "{message}");
    }

    #[test]
    fn a_figure_that_was_not_measured_is_not_judged() {
        let mut now = with(Scenario::new(), |own| own.framework_peak_ceiling_mib = Some(1e4));
        now.launches(CASE).into_iter().for_each(|launch| launch.framework_peak_bytes = None);
        now.baseline = None;
        let (finding, standing) = the_finding(&now);
        assert_eq!((finding.verdict, standing), (Verdict::NotJudged, Standing::NotJudged), "{finding:?}");
        assert!(finding.message.contains("(gate.overrides, framework_peak_ceiling_mib): the worker reports none"));
        // A process peak that is null is else exempt.
        let mut now = with(Scenario::new(), |own| own.process_peak_ceiling_mib = Some(1e4));
        now.launches(CASE).into_iter().for_each(|launch| launch.process_peak_bytes = None);
        now.baseline = None;
        let (outcome, case) = judged(&now);
        assert!(case.is_gap && !outcome.exemptions.iter().any(|it| it.contains("process peak")), "{outcome:?}");
        // A case that does not fit into memory is else exempt, too.
        let mut now = with(Scenario::new(), |own| own.process_peak_ceiling_mib = Some(1e4));
        now.skip(CASE, 71);
        now.baseline.as_mut().unwrap().cases.remove(CASE);
        let (outcome, case) = judged(&now);
        assert_eq!((outcome.standing, case.verdict, case.is_gap), (Standing::NotJudged, Verdict::Skipped, true));
        now.thresholds.overrides.clear();
        assert_eq!(judged(&now).0.standing, Standing::Passed);
    }

    #[test]
    fn a_floor_asks_for_a_speedup_where_there_is_one_to_measure() {
        let mut now = Scenario::new();
        now.thresholds.speedup_floor = Some(0.5);
        let (outcome, _) = judged(&now);
        let floors = |outcome: &Outcome| {
            let floors = outcome.findings().filter(|(_, finding)| finding.against == Against::Ceiling);
            floors.map(|(case, finding)| (case.name.clone(), finding.verdict)).collect::<Vec<_>>()
        };
        // The references have none.
        assert_eq!((outcome.standing, floors(&outcome).len()), (Standing::Passed, 6));
        now.fail(REFERENCE, "out of memory", &[]);
        now.baseline = None;
        let (outcome, case) = judged(&now);
        assert!(case.is_gap, "{case:?}");
        assert_eq!(floors(&outcome).iter().filter(|(_, verdict)| *verdict == Verdict::NotJudged).count(), 3);
        // Left out by hand it is exempt, and counted.
        let mut alone = Scenario { thresholds: now.thresholds.clone(), baseline: None, ..Scenario::new() };
        let plan = Plan::of_record(&alone.record);
        alone.record.cases.retain(|case| case.case.backend != "torch");
        alone.record.cases.iter_mut().for_each(|case| case.case.reference = None);
        alone.plan = Some(plan);
        let (outcome, case) = judged(&alone);
        assert_eq!((case.is_gap, case.verdict), (false, Verdict::New), "{case:?}");
        assert!(
            outcome.exemptions.iter().any(|it| it.starts_with("6 cases whose speedup is not judged")),
            "{outcome:?}"
        );
    }

    #[test]
    fn a_new_case_within_its_ceilings_stays_new_and_beyond_them_fails() {
        let new = |most: f64| {
            let mut now = with(Scenario::new(), |own| own.step_time_ceiling_ms = Some(most));
            now.baseline.as_mut().unwrap().cases.remove(CASE);
            judged(&now)
        };
        let (outcome, case) = new(31.0);
        assert_eq!((outcome.standing, case.verdict), (Standing::Passed, Verdict::New), "{case:?}");
        assert!(case.compared(Figure::StepTime).is_none() && case.speed().is_none_or(|it| it.before.is_none()));
        let (outcome, case) = new(29.0);
        assert_eq!((outcome.standing, case.verdict), (Standing::Failed, Verdict::Regressed), "{case:?}");
    }

    #[test]
    fn no_acceptance_excuses_a_ceiling() {
        let mut now = with(Scenario::beside_base(), |own| own.step_time_ceiling_ms = Some(29.0));
        now.record.base.as_mut().unwrap().accepted.push(CASE.to_owned());
        let stored = now.baseline.as_mut().unwrap().cases.get_mut(CASE).unwrap();
        stored.accepted = Some(Acceptance {
            reason: "intended".to_owned(),
            date: now.record.started,
            commit: None,
            change: Some(1.0),
            times: Default::default(),
            covers: Accepted::before_outputs(),
        });
        let (finding, standing) = the_finding(&now);
        assert_eq!((finding.fails, standing), (true, Standing::Failed), "{finding:?}");
    }

    #[test]
    fn an_unfit_machine_judges_no_ceiling_of_a_time_but_those_of_memory() {
        let mut now = with(Scenario::beside_base(), |own| {
            own.step_time_ceiling_ms = Some(29.0);
            own.model_ceiling_mib = Some(20.0);
        });
        for control in ["mlx/41f/none", REFERENCE] {
            for launch in now.case(control).launches_mut(ArmKind::Control) {
                let LaunchOutcome::Measured(measured) = &mut launch.outcome else { continue };
                measured.step_seconds.iter_mut().for_each(|step| *step *= 1.05);
            }
        }
        let (_, case) = judged(&now);
        let of = |figure| case.finding(figure, Against::Ceiling).map(|finding| finding.verdict);
        assert_eq!(
            [of(Figure::StepTime), of(Figure::ModelBytes)],
            [Some(Verdict::NotJudged), Some(Verdict::Regressed)]
        );
    }

    #[test]
    fn a_case_goes_on_while_its_ceiling_is_open() {
        let mut now = Scenario::beside_base();
        now.record.launches = 10;
        for case in &mut now.record.cases {
            for kind in [ArmKind::Head, ArmKind::Base] {
                let launches = case.launches_mut(kind);
                let fourth = Launch { block: 3, ..launches[0].clone() };
                launches.push(fourth);
            }
        }
        let is_settled = |now: &Scenario| settled(&now.record, None, &now.thresholds, 4).contains(CASE);
        assert!(is_settled(&now));
        assert!(!is_settled(&with(now.clone(), |own| own.step_time_ceiling_ms = Some(30.05))));
        assert!(is_settled(&with(now.clone(), |own| own.step_time_ceiling_ms = Some(29.0))));
        // What nothing is asked about but its ceiling goes on like this, too.
        now.record.base = None;
        now.record.cases.iter_mut().for_each(|case| case.base_launches.clear());
        assert!(is_settled(&now));
        assert!(!is_settled(&with(now, |own| own.step_time_ceiling_ms = Some(30.05))));
    }
}
