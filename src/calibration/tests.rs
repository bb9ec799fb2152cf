//! Noise that is put in is found again; whatever the jobs hold, the text has figures or says that it has none.

use proptest::prelude::*;
use rand::SeedableRng;
use rand_distr::{Distribution, Normal};
use rand_pcg::Pcg64Mcg;

use super::{Jobs, Noise, calibrate, samples, smallest_tolerance_percent, text};
use crate::config::Thresholds;
use crate::stats::median;
use crate::store::record::{ArmKind, BaseRevision, CaseRecord, Failure, Launch, Outcome, RunRecord};
use crate::store::valid;
use crate::testing::{Scenario, measured};

/// Standard deviations of what is put in.
#[derive(Clone, Copy, Debug, Default)]
struct Truth {
    step: f64,
    /// Of what all launches of a block share.
    shared: f64,
    /// Of what each launch has of its own.
    own: f64,
    /// Of what a job's MLX launches share, and PyTorch's do not.
    backend: f64,
    /// What a job's base launches share, and head's do not.
    base: f64,
}

/// The founding table's cases as A/A jobs of noise `truth`.
fn jobs(jobs: usize, launches: usize, steps: usize, truth: Truth) -> Jobs {
    let mut rng = Pcg64Mcg::seed_from_u64(7);
    let mut draw = |deviation: f64| Normal::new(0.0, deviation).unwrap().sample(&mut rng);
    let mut made = Jobs::new(jobs);
    for _ in 0..jobs {
        let (backend, base) = (draw(truth.backend), draw(truth.base));
        let shared: Vec<f64> = (0..launches).map(|_| draw(truth.shared)).collect();
        let mut record = template(launches, steps);
        for case in &mut record.cases {
            let arms = if case.case.is_reference() { 3 } else { 2 };
            for kind in ArmKind::ALL.into_iter().take(arms) {
                let common = if case.case.backend == "mlx" { backend } else { 0.0 }
                    + if kind == ArmKind::Base { base } else { 0.0 };
                let launch = |(block, shared): (usize, &f64)| {
                    let level = 0.1f64.ln() + shared + common + draw(truth.own);
                    launch(block, (0..steps).map(|_| (level + draw(truth.step)).exp()).collect())
                };
                *case.launches_mut(kind) = shared.iter().enumerate().map(launch).collect();
            }
        }
        made.records.push(record);
    }
    made
}

/// A job of so many launches of so many steps, none of which was measured yet.
fn template(launches: usize, steps: usize) -> RunRecord {
    let mut record = Scenario::new().record;
    let base = BaseRevision::new("itself".to_owned(), None);
    (record.launches, record.base) = (launches, Some(base));
    for case in &mut record.cases {
        case.case.workload.steps = steps;
        *case = CaseRecord::new(&case.case);
    }
    record
}

fn launch(block: usize, step_seconds: Vec<f64>) -> Launch {
    let mut measured = measured(1.0, 1, Some(1 << 30));
    measured.step_seconds = step_seconds;
    Launch { block, position: 0, wall_seconds: 1.0, outcome: Outcome::Measured(measured) }
}

fn assert_near(found: Option<f64>, expected: f64) {
    let found = found.expect("there is a figure");
    assert!((found / expected).ln().abs() < 0.2f64.ln_1p(), "{found} is not about {expected}");
}

#[test]
fn every_layer_is_found_again() {
    let truth = Truth { step: 0.01, shared: 0.02, own: 0.005, backend: 0.03, base: 0.004 };
    let jobs = jobs(200, 10, 5, truth);
    let cases: Vec<Noise> = samples(&jobs.records).iter().map(Noise::of).collect();
    let noise = Noise::over(cases.iter(), median);
    // A median of five steps scatters by 0.536 of a step.
    let of_steps = 0.01 * 0.536;
    let own = 0.005f64.hypot(of_steps);
    assert_near(noise.step, 0.01);
    assert_near(noise.launch, own.hypot(0.02));
    assert_near(noise.block, own * 2f64.sqrt());
    assert_near(noise.job, 0.004);
    assert_near(noise.speedup, 0.03);
}

#[test]
fn a_quiet_machine_is_offered_tighter_tolerances() {
    let truth = Truth { step: 0.005, shared: 0.02, own: 0.001, backend: 0.002, base: 0.0 };
    let (jobs, gate) = (jobs(6, 8, 10, truth), Thresholds::default());
    let calibration = calibrate(&jobs, &gate);
    assert_eq!((calibration.alarms.jobs, calibration.alarms.step_time), (6, 0));
    assert!(calibration.alarms.simulated.unwrap() < 0.01);
    let [proposed_base, proposed_speedup] =
        [&calibration.proposal.base_tolerance, &calibration.proposal.speedup_tolerance].map(|it| it.percent.unwrap());
    assert!(proposed_base < gate.base_tolerance_percent, "{proposed_base}");
    assert!(proposed_speedup < gate.speedup_tolerance_percent, "{proposed_speedup}");
    let pasted: toml::Table = toml::from_str(&calibration.proposal.toml(100)).unwrap();
    let pasted: Thresholds = pasted["gate"].clone().try_into().unwrap();
    assert_eq!(pasted.fault(), None);
    assert_eq!((pasted.base_tolerance_percent, pasted.speedup_tolerance_percent), (proposed_base, proposed_speedup));
}

#[test]
fn few_jobs_raise_a_baselines_tolerance_but_do_not_lower_it() {
    let gate = Thresholds::default();
    for (backend, expected) in [(0.0, 5.0..5.1), (0.05, 5.5..100.0)] {
        let jobs = jobs(4, 8, 5, Truth { own: 0.0005, backend, ..Truth::default() });
        let proposed = calibrate(&jobs, &gate).proposal.speedup_tolerance;
        assert!(expected.contains(&proposed.percent.unwrap()), "{proposed:?}");
        assert_eq!(proposed.reason.contains("too few"), backend == 0.0);
    }
}

#[test]
fn a_difference_that_lasts_for_a_job_is_a_false_alarm() {
    let truth = Truth { own: 0.001, base: 0.05, ..Truth::default() };
    let (jobs, gate) = (jobs(10, 8, 5, truth), Thresholds::default());
    let alarms = calibrate(&jobs, &gate).alarms;
    // A base that is faster by more than 2% in about every third job; the coin makes slower ones of as many again.
    assert!((1..=6).contains(&alarms.step_time), "{alarms:?}");
    assert!(alarms.simulated.unwrap() > 0.3, "{alarms:?}");
    assert_eq!((alarms.jobs, alarms.peak, alarms.blocks), (10, 0, 80));
}

#[test]
fn the_smallest_tolerance_is_the_formulas() {
    // Four launches have one look: alpha 1% over the three questions of two cases, halved between two estimates, 1/1200;
    // t of 3 degrees: 10.869 there, 0.978 at .8.
    let found = smallest_tolerance_percent(0.01, 4, 2, &Thresholds::default()).unwrap();
    assert!((found - 100.0 * (11.847f64 * 0.005).exp_m1()).abs() < 0.01, "{found}");
    assert_eq!(smallest_tolerance_percent(0.01, 1, 2, &Thresholds::default()), None);
    assert_eq!(smallest_tolerance_percent(1.0, 4, 2, &Thresholds::default()), None);
    assert_eq!(smallest_tolerance_percent(0.0, 4, 0, &Thresholds::default()), Some(0.0));
}

#[test]
fn the_text_says_what_it_rests_on() {
    let gate = Thresholds::default();
    let mut jobs = jobs(3, 8, 5, Truth { step: 0.01, own: 0.002, backend: 0.004, ..Truth::default() });
    jobs.planned = 5;
    jobs.records[0].warnings = vec!["on battery".to_owned()];
    jobs.records[1].cases[1].launches[2].outcome = failed("the worker died");
    let text = text::render(&calibrate(&jobs, &gate), 100);
    for part in [
        "Interrupted: 3 of 5 jobs are complete and counted.",
        "Warning: on battery",
        "Left out: mlx/5f/none of job 2: the worker died",
        "largest of the cases",
        "2 degrees of freedom: the true ones lie between 0.52 and 6.3 times these",
        "Step time, measured: 0 of 3 jobs (95%: 0.0% to 56.1%)",
        "8 blocks in a row out of the 24 that were measured",
        "at  4 launches: ",
        "\n[gate]\n",
        "2 jobs are too few to lower the present 5%: 5 would be enough",
        "\nspeedup_tolerance_percent = ",
    ] {
        assert!(unwrapped(&text).contains(&unwrapped(part)), "{part}:\n{text}");
    }
}

/// `text` without its line breaks, and without a comment's sign.
fn unwrapped(text: &str) -> String {
    text.split_whitespace().filter(|word| *word != "#").collect::<Vec<_>>().join(" ")
}

#[test]
fn jobs_are_read_as_they_were_saved() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("calibration.json");
    let mut jobs = jobs(2, 3, 2, Truth { own: 0.01, ..Truth::default() });
    jobs.save(&path).unwrap();
    assert_eq!(Jobs::open(&path).unwrap(), jobs);
    jobs.records[1].schema = 1;
    jobs.save(&path).unwrap();
    assert!(Jobs::open(&path).unwrap_err().to_string().contains("has schema 1, but"));
    jobs.records[1].schema = jobs.records[0].schema;
    jobs.records[1].cases[2].base_launches[1] = launch(1, vec![0.1, 0.0]);
    jobs.save(&path).unwrap();
    let error = Jobs::open(&path).unwrap_err().to_string();
    let reason =
        "calibration.json: job 2: case mlx/5f/int8: base launch of block 1: step_seconds of step 1 is 0.0, which";
    assert!(error.contains(reason), "{error}");
}

fn failed(reason: &str) -> Outcome {
    Outcome::Failed(Failure { reason: reason.to_owned(), stderr_tail: vec![] })
}

/// Steps of a launch, in [`any_jobs`].
const STEPS: usize = 3;

/// Launches of one arm, at most one in each of four blocks: some failed, some of the same time, some as short or long as a
/// launch can be.
fn any_launches() -> impl Strategy<Value = Vec<Launch>> {
    let step = prop_oneof![6 => Just(0.1), 6 => 0.05..0.2, 1 => 1e-9..432_000.0, 1 => Just(1e-9), 1 => Just(432_000.0)];
    let block = prop::option::weighted(0.8, (prop::collection::vec(step, STEPS), 0..20u8));
    prop::collection::vec(block, 0..4).prop_map(|blocks| {
        let made = blocks.into_iter().enumerate().filter_map(|(block, parts)| {
            let (steps, luck) = parts?;
            let made = launch(block, steps);
            Some(if luck == 2 { Launch { outcome: failed("it died"), ..made } } else { made })
        });
        made.collect()
    })
}

fn any_jobs() -> impl Strategy<Value = Jobs> {
    let case = (any_launches(), any_launches(), any_launches());
    let job = (prop::collection::vec(case, 0..5), 1..5usize);
    (prop::collection::vec(job, 0..4), 0..6usize).prop_map(|(made, planned)| {
        let record = |(cases, launches): (Vec<_>, usize)| {
            let mut record = template(launches, STEPS);
            record.cases.truncate(cases.len());
            for (case, (head, base, control)) in record.cases.iter_mut().zip(cases) {
                (case.launches, case.base_launches) = (head, base);
                case.control_launches = if case.case.is_reference() { control } else { vec![] };
                for kind in ArmKind::ALL {
                    case.launches_mut(kind).retain(|launch| launch.block < launches);
                }
            }
            record
        };
        Jobs { planned, records: made.into_iter().map(record).collect(), ..Jobs::new(0) }
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_the_jobs_hold_no_figure_is_nonsense(jobs in any_jobs()) {
        prop_assert_eq!(jobs.records.iter().try_for_each(valid::run), Ok(()));
        let gate = Thresholds::default();
        let calibration = calibrate(&jobs, &gate);
        let text = text::render(&calibration, 100);
        for word in ["NaN", "inf", "-0", "−0"] {
            prop_assert!(!text.contains(word), "{word}:\n{text}");
        }
        for deviation in calibration.cases.iter().flat_map(|case| case.noise.layers()).flatten() {
            prop_assert!(deviation.is_finite() && deviation >= 0.0);
        }
        let pasted: toml::Table = toml::from_str(&calibration.proposal.toml(100)).unwrap();
        let pasted: Thresholds = pasted["gate"].clone().try_into().unwrap();
        prop_assert_eq!(pasted.fault(), None);
        prop_assert!(calibration.alarms.step_time <= calibration.alarms.jobs);
    }

    #[test]
    fn the_smallest_tolerance_grows_with_noise_and_cases_and_falls_with_launches(
        block in 0.0..0.02f64, more in 0.0..0.01f64, launches in 3..20usize, cases in 1..20usize,
    ) {
        let gate = Thresholds { looks: vec![30], look_alphas: vec![0.01], ..Thresholds::default() };
        // None is beyond every tolerance.
        let of = |block, launches, cases| {
            smallest_tolerance_percent(block, launches, cases, &gate).unwrap_or(f64::INFINITY)
        };
        let tolerance = of(block, launches + 1, cases);
        prop_assert!(tolerance <= of(block + more, launches + 1, cases));
        prop_assert!(tolerance <= of(block, launches + 1, cases + 1));
        prop_assert!(tolerance <= of(block, launches, cases));
    }

    #[test]
    fn a_longer_unit_of_time_changes_no_noise(factor in 1e-3..1e3f64) {
        let truth = Truth { step: 0.01, shared: 0.02, own: 0.01, backend: 0.01, base: 0.01 };
        let before = jobs(3, 4, 3, truth);
        let mut after = before.clone();
        for launch in after.records.iter_mut().flat_map(|it| &mut it.cases).flat_map(|case| {
            case.launches.iter_mut().chain(&mut case.base_launches).chain(&mut case.control_launches)
        }) {
            if let Outcome::Measured(measured) = &mut launch.outcome {
                measured.step_seconds.iter_mut().for_each(|seconds| *seconds *= factor);
            }
        }
        for (before, after) in samples(&before.records).iter().zip(&samples(&after.records)) {
            for (before, after) in Noise::of(before).layers().into_iter().zip(Noise::of(after).layers()) {
                prop_assert_eq!(before.is_some(), after.is_some());
                prop_assert!((before.unwrap_or(0.0) - after.unwrap_or(0.0)).abs() < 1e-9);
            }
        }
    }
}

#[test]
fn the_canarys_tolerance_is_that_of_the_device_at_hand() {
    let mut jobs = jobs(2, 4, 5, Truth::default());
    for record in &mut jobs.records {
        record.canary = Scenario::beside_base().record.canary;
        // A GPU that warmed up to another level, and scatters by 3% there.
        let canary = record.canary.as_mut().unwrap();
        (canary.cold_seconds, canary.reading_seconds) = (0.012, vec![0.011, 0.012, 0.01235, 0.01235]);
    }
    let (key, proposed) = calibrate(&jobs, &Thresholds::default()).proposal.canary_tolerance.unwrap();
    assert_eq!((key, proposed.percent), ("canary_tolerance_gpu_percent", Some(3.0)));
}
