//! How often the thresholds in force report a regression where there is none.

use std::borrow::Cow;

use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64Mcg;

use super::sample::{Sample, Samples};
use crate::config::Thresholds;
use crate::evidence::pair::Pair;
use crate::gate::speed::{Decision, Question, answer};
use crate::gate::{Against, Baselines, Demands, Figure, Finding, Judge, Outcome, Plan};
use crate::store::baseline::ModelMemory;
use crate::store::record::RunRecord;

/// Runs that are simulated.
pub const DRAWS: usize = 2000;

/// False alarms at the present gate: any finding that fails is one, since head and base are the same programs; but for what
/// is held against a ceiling, which no program before it excuses.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct FalseAlarms {
    /// Jobs that were judged.
    pub jobs: usize,
    /// Jobs in which a step time failed.
    pub step_time: usize,
    /// Jobs in which a peak of memory failed.
    pub peak: usize,
    /// Jobs whose times were not judged, since the control said that the machine is unfit.
    pub unfit: usize,
    /// Share of simulated runs in which a step time failed; `None` without a block to draw from.
    pub simulated: Option<f64>,
    /// Blocks that the simulated runs are drawn from.
    pub blocks: usize,
}

impl FalseAlarms {
    pub(super) fn of(records: &[RunRecord], samples: &[Samples], launches: usize, thresholds: &Thresholds) -> Self {
        let memory = ModelMemory::default();
        let judge = |record: &RunRecord| {
            let baselines = Baselines { machine: None, memory: &memory, others: 0 };
            let plan = Plan::of_record(record);
            Judge { record, plan: &plan, baselines, thresholds, demands: Demands::default() }.outcome()
        };
        let is_judged = |outcome: &Outcome| {
            outcome.cases.iter().any(|case| case.finding(Figure::StepTime, Against::Base).is_some())
        };
        let judged: Vec<Outcome> = records.iter().map(judge).filter(is_judged).collect();
        let with = |figures: &[Figure]| {
            let is_alarm = |finding: &Finding| finding.against != Against::Ceiling && figures.contains(&finding.figure);
            let fails = |it: &&Outcome| it.failing().any(|(_, finding)| is_alarm(finding));
            judged.iter().filter(fails).count()
        };
        let sequence = Sequence::of(samples, launches);
        Self {
            jobs: judged.len(),
            step_time: with(&[Figure::StepTime]),
            peak: with(&[Figure::ProcessPeak, Figure::FrameworkPeak]),
            unfit: judged.iter().filter(|outcome| outcome.unfit().next().is_some()).count(),
            simulated: sequence.false_alarm_rate(launches, thresholds),
            blocks: sequence.blocks,
        }
    }
}

/// All jobs' blocks one after the other: for each case its name and its launches beside each other, `None` where a block has
/// none of it.
struct Sequence {
    cases: Vec<(String, Vec<Option<Pair>>)>,
    blocks: usize,
}

impl Sequence {
    fn of(samples: &[Samples], launches: usize) -> Self {
        let values = |samples: &Samples| {
            let job = |job: &Result<Sample, String>| {
                let pairs = job.as_ref().map_or(&[][..], |sample| &sample.pairs);
                (0..launches).map(|block| pairs.get(block).copied()).collect::<Vec<_>>()
            };
            (samples.name.clone(), samples.jobs.iter().flat_map(job).collect::<Vec<_>>())
        };
        let cases: Vec<(String, Vec<Option<Pair>>)> = samples.iter().map(values).collect();
        let blocks = cases.first().map_or(0, |(_, pairs)| pairs.len());
        Self { cases, blocks }
    }

    /// Draws whole runs of blocks that followed each other, the same for all cases, so that what disturbs a block or
    /// several in a row, or all cases at once, does so in the draw. After the last block comes the first one again.
    ///
    /// Head and base are the same program: which of a case's two arms is called head is a coin's toss in each run. The
    /// values are not centred, since a difference that lasts for a whole job is just what a gate must not fall for.
    fn false_alarm_rate(&self, launches: usize, thresholds: &Thresholds) -> Option<f64> {
        self.cases.iter().flat_map(|(_, pairs)| pairs).flatten().next()?;
        let own: Vec<Cow<Thresholds>> = self.cases.iter().map(|(name, _)| thresholds.of_case(name)).collect();
        let looks = thresholds.looks(launches, launches);
        let mut rng = Pcg64Mcg::seed_from_u64(0);
        let mut alarms = 0;
        for _ in 0..DRAWS {
            let start = rng.random_range(0..self.blocks);
            let run = |case: &Vec<Option<Pair>>, is_swapped: bool| {
                let places = (start..start + launches).map(|place| place % self.blocks);
                let pairs = places.filter_map(|place| case[place]);
                pairs.map(|pair| if is_swapped { pair.swapped() } else { pair }).collect::<Vec<Pair>>()
            };
            let questions: Vec<Question> = self
                .cases
                .iter()
                .zip(&own)
                .map(|((_, pairs), own)| (run(pairs, rng.random_bool(0.5)), own))
                .filter(|(pairs, _)| !pairs.is_empty())
                .flat_map(|(pairs, own)| Question::beside_base(&pairs, own))
                .collect();
            let is_alarm = answer(&questions, &looks, thresholds.last_look(launches))
                .iter()
                .any(|answer| answer.decision == Decision::Slower);
            alarms += usize::from(is_alarm);
        }
        Some(alarms as f64 / DRAWS as f64)
    }
}
