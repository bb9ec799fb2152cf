//! What must hold of every verdict, whatever was measured.

use std::collections::BTreeMap;

use proptest::prelude::*;
use rand::SeedableRng;
use rand_distr::{Distribution, Normal, StudentT};
use rand_pcg::Pcg64;
use wanbench::config::{Case, Workload, link_references};
use wanbench::config::{Look, Thresholds};
use wanbench::evidence::figures::log_ratio;
use wanbench::evidence::quantity::{Change, Quantity};
use wanbench::gate::speed::{Answer, Decision, NoChange, Question, Recorded, answer};
use wanbench::gate::{Baselines, Between, Demands, Judge, Plan, Verdict, settled};
use wanbench::machine::Machine;
use wanbench::protocol::{Device, DeviceKind};
use wanbench::store::baseline::{Baseline, ModelMemory};
use wanbench::store::record::ArmKind;
use wanbench::store::record::{BaseRevision, CaseRecord, Failure, Launch, Measured, Outcome, RunRecord, SCHEMA, Tool};
use wanbench::wan::{DType, Quant};

fn looks(launches: usize) -> Vec<Look> {
    Thresholds::default().looks(launches, launches)
}

fn at_the_end(launches: usize) -> Vec<Look> {
    vec![Look { launches, alpha: 0.01, pass_error: 0.05, is_early: false }]
}

/// The answers where the last of `looks` is the planned one.
fn answers(questions: &[Question], looks: &[Look]) -> Vec<Answer> {
    answer(questions, looks, *looks.last().unwrap())
}

fn question(values: Vec<f64>, against: NoChange) -> Question {
    Question { against, ..Question::of_times(values, Vec::new(), 2.0) }
}

/// Log-ratios as machines give them, and as none does.
fn values(sizes: std::ops::Range<usize>) -> impl Strategy<Value = Vec<f64>> {
    prop_oneof![
        prop::collection::vec(-0.2..0.2, sizes.clone()),
        (Just(0.01), sizes.clone()).prop_map(|(value, size)| vec![value; size]),
        prop::collection::vec(prop_oneof![Just(0.0), Just(-30.0), Just(30.0), Just(1e-300)], sizes),
    ]
}

fn against() -> impl Strategy<Value = NoChange> {
    prop_oneof![
        Just(NoChange::SameBlocks),
        (-0.1..0.1, prop::collection::vec(-0.1..0.1, 0..10)).prop_map(|(mean, jobs)| recorded(mean, &jobs)),
    ]
}

/// A level in front of a history.
fn recorded(mean: f64, jobs: &[f64]) -> NoChange {
    NoChange::Recorded(Recorded { mean, jobs: jobs.len(), between: Between::of([jobs]) })
}

fn negated(question: &Question) -> Question {
    let against = match &question.against {
        NoChange::SameBlocks => NoChange::SameBlocks,
        NoChange::Recorded(recorded) => NoChange::Recorded(Recorded { mean: -recorded.mean, ..*recorded }),
    };
    Question { values: question.values.iter().map(|value| -value).collect(), against, ..question.clone() }
}

fn is_finite(answer: &Answer) -> bool {
    let ends = answer.interval.map_or([0.0; 2], |(low, high)| [low, high]);
    [answer.change, answer.detectable.unwrap_or(0.0), ends[0], ends[1]].iter().all(|figure| figure.is_finite())
}

proptest! {
    // A failing case is printed, and belongs into a test of its own.
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_order_of_blocks_and_of_cases_decides_nothing(
        (values, shuffled) in values(2..12).prop_flat_map(|values| (Just(values.clone()), Just(values).prop_shuffle())),
        others in prop::collection::vec(values(2..12), 0..4),
        against in against(),
    ) {
        let looks = at_the_end(12);
        let questions: Vec<Question> =
            std::iter::once(values).chain(others.iter().cloned()).map(|one| question(one, against.clone())).collect();
        let found = answers(&questions, &looks);
        let again = answers(&[&[question(shuffled, against)], &questions[1..]].concat(), &looks);
        prop_assert_eq!(found[0].decision, again[0].decision);
        prop_assert!((found[0].change - again[0].change).abs() <= 1e-12 * (1.0 + found[0].change.abs()));
        let mut reversed = answers(&questions.iter().rev().cloned().collect::<Vec<_>>(), &looks);
        reversed.reverse();
        prop_assert_eq!(found, reversed);
    }

    #[test]
    fn faster_and_slower_are_treated_alike(values in values(0..11), against in against()) {
        let question = question(values, against);
        // At one look: of several, the first one that shows a case unchanged, which is not slower, ends its questions.
        let turned = answers(&[negated(&question)], &at_the_end(10))[0];
        let answer = answers(&[question], &at_the_end(10))[0];
        prop_assert_eq!(answer.decision == Decision::Slower, turned.decision == Decision::Faster);
        prop_assert_eq!(answer.decision == Decision::Faster, turned.decision == Decision::Slower);
        // To the last digits: sorted values are added up in another order.
        let are_alike = |one: Option<f64>, other: Option<f64>| match (one, other) {
            (Some(one), Some(other)) => (one - other).abs() <= 1e-9 * (1.0 + one.abs()),
            _ => one == other,
        };
        let turned_interval = turned.interval.map(|(low, high)| (-high, -low));
        prop_assert!(are_alike(Some(answer.change), Some(-turned.change)));
        prop_assert!(are_alike(answer.interval.map(|it| it.0), turned_interval.map(|it| it.0)));
        prop_assert!(are_alike(answer.interval.map(|it| it.1), turned_interval.map(|it| it.1)));
        prop_assert!(are_alike(answer.detectable, turned.detectable));
    }

    #[test]
    fn the_unit_of_time_decides_nothing(
        times in prop::collection::vec((1e-4..10.0, 1e-4..10.0), 1..40),
        unit in 1e-6..1e6,
    ) {
        let (one, other): (Vec<f64>, Vec<f64>) = times.into_iter().unzip();
        let scaled = |times: &[f64]| times.iter().map(|time| time * unit).collect::<Vec<f64>>();
        let ratio = log_ratio(&one, &other);
        prop_assert!((ratio - log_ratio(&scaled(&one), &scaled(&other))).abs() < 1e-9);
        prop_assert!((ratio + log_ratio(&other, &one)).abs() < 1e-12);
    }

    #[test]
    fn every_answer_is_a_number(questions in prop::collection::vec((values(0..11), against()), 0..5), planned in 0..12usize) {
        let questions: Vec<Question> = questions.into_iter().map(|(values, against)| question(values, against)).collect();
        let found = answers(&questions, &looks(planned));
        prop_assert_eq!(found.len(), questions.len());
        for (answer, question) in found.iter().zip(&questions) {
            prop_assert!(is_finite(answer), "{:?}", answer);
            prop_assert!(question.values.len() >= 2 || answer.decision == Decision::Open, "{:?}", answer);
        }
    }

    #[test]
    fn every_run_is_judged(
        blocks in 0..4usize,
        has_base in any::<bool>(),
        missing in prop::option::of((0..2usize, prop_oneof![Just(ArmKind::Head), Just(ArmKind::Base), Just(ArmKind::Control)])),
        failing in prop::option::of((0..2usize, 0..4usize)),
        times in prop::collection::vec(prop_oneof![Just(0.1), 0.05..0.2], 40),
        has_baseline in any::<bool>(),
    ) {
        let mut record = record(blocks, has_base, &times);
        let baseline = has_baseline.then(|| Baseline::empty(record.machine.clone(), record.device).updated(&record, &Thresholds::default()));
        if let Some((case, kind)) = missing {
            record.cases[case].launches_mut(kind).clear();
        }
        if let Some((case, block)) = failing
            && let Some(launch) = record.cases[case].launches.get_mut(block)
        {
            launch.outcome = Outcome::Failed(Failure { reason: "it died".to_owned(), stderr_tail: Vec::new() });
        }
        let thresholds = Thresholds::default();
        settled(&record, baseline.as_ref(), &thresholds, 10);
        let memory = ModelMemory::default();
        let judge = Judge {
            record: &record,
            plan: &Plan::of_record(&record),
            baselines: Baselines { machine: baseline.as_ref(), memory: &memory, others: 0 },
            thresholds: &thresholds,
            demands: Demands::default(),
        };
        let outcome = judge.outcome();
        for (_, finding) in outcome.findings() {
            let number = |quantity: Quantity| match quantity {
                Quantity::Time(seconds) => seconds.0,
                Quantity::Speedup(ratio) => ratio.0,
                Quantity::Memory(bytes) => bytes.0 as f64,
                Quantity::Error(error) => error.0,
            };
            let ends = finding.interval.map_or([None; 2], |(low, high)| [Some(low), Some(high)]);
            let changes = [finding.change, finding.detectable, ends[0], ends[1]].map(|change| change.map(|Change(it)| it));
            let figures = [finding.before, finding.now].map(|quantity| quantity.map(number));
            prop_assert!(figures.into_iter().chain(changes).flatten().all(f64::is_finite), "{:?}", finding);
            prop_assert!(!finding.message.contains("NaN") && !finding.message.contains("inf"), "{}", finding.message);
        }
        let failed = outcome.cases.iter().filter(|case| case.verdict == Verdict::Failed).count();
        let unmeasured = record.cases.iter().filter(|case| case.failure().is_some() || case.launches.is_empty()).count();
        prop_assert_eq!(failed, unmeasured);
    }
}

/// A reference and a case, with a control and perhaps a base, of so many blocks.
fn record(blocks: usize, has_base: bool, times: &[f64]) -> RunRecord {
    let workload = Workload {
        name: "5f".to_owned(),
        model: "synthetic".to_owned(),
        frames: 5,
        steps: 2,
        latent: [1, 2, 2],
        text_rows: 100,
        camera: false,
        experts: Default::default(),
    };
    let mut cases = ["torch", "mlx"].map(|backend| Case::new(backend, workload.clone(), Quant::None, DType::F32));
    link_references(&mut cases, "torch");
    let mut times = times.iter().copied().cycle();
    let mut arm =
        || -> Vec<Launch> { (0..blocks).map(|block| launch(block, times.by_ref().take(2).collect())).collect() };
    let cases = cases.iter().map(|case| {
        let mut record = CaseRecord::new(case);
        record.launches = arm();
        if has_base {
            record.base_launches = arm();
        }
        if case.is_reference() {
            record.control_launches = arm();
        }
        record
    });
    let base = BaseRevision::new("main".to_owned(), None);
    RunRecord {
        schema: SCHEMA,
        started: "2026-03-01T12:34:56Z".parse().unwrap(),
        tool: Tool { version: "0.1.0".to_owned(), commit: None, debug_build: false, environment: Default::default() },
        machine: Machine {
            chip: "Apple M3 Ultra".to_owned(),
            cpu_cores: Some(32),
            gpu_cores: Some(80),
            gpu: None,
            memory_gib: 512,
            os: "macos".to_owned(),
        },
        device: DeviceKind::Gpu,
        suite: "tiny".to_owned(),
        seed: 0,
        launches: 10,
        warmup_steps: 1,
        wall_seconds: 1.0,
        interrupted: false,
        ended_early: None,
        side_by_side: true,
        base: has_base.then_some(base),
        is_selection: false,
        canary: None,
        warnings: Vec::new(),
        cases: cases.collect(),
    }
}

fn launch(block: usize, step_seconds: Vec<f64>) -> Launch {
    let measured = Measured {
        device: Device { kind: DeviceKind::Gpu, name: "gpu".to_owned(), memory: None },
        versions: BTreeMap::new(),
        model_bytes: 8,
        startup_seconds: 0.1,
        load_seconds: 0.1,
        warmup_seconds: 0.1,
        quantize_seconds: None,
        load_peak_bytes: None,
        switch_seconds: None,
        rates: None,
        step_seconds,
        wake_seconds: Vec::new(),
        framework_peak_bytes: None,
        process_peak_bytes: Some(100 << 20),
        output: None,
    };
    Launch { block, position: 0, wall_seconds: 1.0, outcome: Outcome::Measured(measured) }
}

/// An early look ends a run only where both sides are clear, or the case is slower; but never slower than earlier jobs.
#[test]
fn an_early_look_asks_more_of_a_pass() {
    let gate = Thresholds::default();
    let decided = |values: &[f64], against: NoChange| {
        let looks = gate.looks(10, values.len());
        answer(&[question(values.to_vec(), against)], &looks, gate.last_look(10))[0].decision
    };
    // Four blocks within the tolerance, then four that are faster by 1 to 7%: not slower, but by how much faster is open.
    let (close, wide) = ([0.001, -0.001, 0.002, 0.0], [-0.01, -0.07, -0.03, -0.05]);
    assert_eq!(decided(&close, NoChange::SameBlocks), Decision::Unchanged);
    assert_eq!(decided(&wide, NoChange::SameBlocks), Decision::Open);
    assert_eq!(decided(&[&wide[..], &wide[..1]].concat(), NoChange::SameBlocks), Decision::Unchanged, "at the end");
    let (jobs, slow) = (recorded(0.0, &[0.001, 0.0, -0.001, 0.002, 0.0]), close.map(|value| value + 0.5));
    assert_eq!(decided(&close, jobs.clone()), Decision::Unchanged);
    assert_eq!(decided(&slow, jobs.clone()), Decision::Unconfirmed, "what it means is decided at the end");
    assert_eq!(decided(&[&slow[..], &slow[..1]].concat(), jobs), Decision::Slower, "at the end");
}

/// How many of `runs` simulated checks of four cases find one of them slower, where nothing is.
fn false_alarms(runs: usize, tolerance: f64, mut noise: impl FnMut(&mut Pcg64) -> f64) -> usize {
    let mut random = Pcg64::seed_from_u64(7);
    let is_alarm = |_: &usize| {
        let questions: Vec<Question> = (0..4)
            .map(|_| Question {
                tolerance,
                ..Question::of_times((0..24).map(|_| noise(&mut random)).collect(), Vec::new(), 2.0)
            })
            .collect();
        answers(&questions, &looks(24)).iter().any(|answer| answer.decision == Decision::Slower)
    };
    (0..runs).filter(is_alarm).count()
}

/// The looks' probabilities add up to 1%. That is significance alone; with the tolerance there is next to nothing left.
#[test]
fn one_run_in_a_hundred_at_most_raises_a_false_alarm() {
    let runs = 6_000;
    let normal = Normal::new(0.0, 0.03).unwrap();
    // Two standard errors of a share of 1% of so many runs are 0.26%.
    let significant = false_alarms(runs, 1.0 + 1e-12, |random| normal.sample(random));
    assert!(significant as f64 / runs as f64 <= 0.0126, "{significant} of {runs}");
    assert!(
        significant as f64 / runs as f64 >= 0.004,
        "{significant} of {runs}: the test does not use what it is allowed"
    );
    let relevant = false_alarms(runs, 1.02, |random| normal.sample(random));
    assert!(relevant < significant, "{relevant} of {runs}");
    // Noise with heavy tails makes the test no bolder.
    let student = StudentT::new(3.0).unwrap();
    let heavy = false_alarms(runs, 1.0 + 1e-12, |random| 0.02 * student.sample(random));
    assert!(heavy as f64 / runs as f64 <= 0.0126, "{heavy} of {runs}");
}
