//! All that a judgement needs: what was measured, what is asked for, what is committed.

use std::collections::{BTreeMap, BTreeSet};

use crate::config::{Case, Config, OutputDemand, Suite, Thresholds};
use crate::store::baseline::{Baseline, BaselineCase, ModelMemory};
use crate::store::record::RunRecord;
use crate::wan::video::TI2V_VAE_STRIDE;

/// All that a judgement needs.
pub struct Judge<'a> {
    /// What was measured.
    pub record: &'a RunRecord,
    /// What is asked for.
    pub plan: &'a Plan,
    /// What is committed.
    pub baselines: Baselines<'a>,
    /// The tolerances.
    pub thresholds: &'a Thresholds,
    /// What else the user asks for.
    pub demands: Demands,
}

/// What a configuration and the flags ask for.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// The cases that are asked for; each needs decided evidence.
    pub cases: Vec<Case>,
    /// The launches of each: evidence from fewer has to be decided at a look on the way.
    pub launches: usize,
    /// The names of all cases of all suites: what only a baseline has is missing.
    pub known: BTreeSet<String>,
    /// Whether cases of [`Plan::cases`] may be left out, since somebody left them out by hand.
    pub may_leave_out: bool,
    /// Whether the record may say for itself which cases the base revision lacks, which do not fit into memory and which
    /// acceptances are of its change: not where a stranger made it.
    pub trusts_record: bool,
    /// Whether a case of [`Plan::cases`] that nothing is compared with is not judged, rather than new: where a stranger could have
    /// left out what it would be compared with.
    pub asks_comparison: bool,
    /// Whether every reference that was measured must have an A/A control beside it.
    pub asks_controls: bool,
    /// How the cases were to be measured.
    pub terms: Terms,
    /// What is asked of each backend's outputs; of one that is not here they are [`OutputDemand::Expected`].
    pub outputs: BTreeMap<String, OutputDemand>,
}

/// How a suite's cases are to be measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Terms {
    /// However they were.
    Any,
    /// The configuration does not have the suite that the record names.
    Unknown,
    /// As a suite of the configuration says.
    Suite {
        /// Least forward passes before the timed steps of a launch.
        warmup_steps: u32,
        /// Whether the processes of a block live at the same time.
        side_by_side: bool,
        /// Whether a canary tells before each block how the machine is.
        canary: bool,
        /// Whether each timed pass has a wake pass before it.
        wakes: bool,
    },
}

/// What is committed.
#[derive(Clone, Copy, Debug)]
pub struct Baselines<'a> {
    /// This machine's figures, where they were recorded.
    pub machine: Option<&'a Baseline>,
    /// The bytes of the models.
    pub memory: &'a ModelMemory,
    /// How many comparable machines or devices have recorded figures of their own: see [`Baseline::is_comparable`].
    pub others: usize,
}

/// What a run must have beside evidence without a failure.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Demands {
    /// A baseline of its machine.
    pub baseline: bool,
    /// Inconclusive cases pass.
    pub allows_inconclusive: bool,
}

impl Plan {
    /// All cases of the suite that `record` is of, by its terms and with at least as many launches; of a suite that `config`
    /// does not have, the cases that were measured.
    pub fn of(config: &Config, record: &RunRecord) -> Self {
        let suite = config.suites.get(&record.suite);
        let backends = config.backends.iter();
        Self {
            cases: suite.map_or_else(|| cases_of(record), |suite| cases_for(suite, record)),
            launches: suite.map_or(0, |suite| suite.max_launches).max(record.launches),
            known: config.known_cases(),
            may_leave_out: false,
            trusts_record: true,
            asks_comparison: false,
            asks_controls: true,
            terms: suite.map_or(Terms::Unknown, |suite| Terms::Suite {
                warmup_steps: suite.warmup_steps,
                side_by_side: suite.side_by_side,
                canary: suite.canary,
                wakes: suite.side_by_side && suite.wakes(record.device),
            }),
            outputs: backends.map(|(name, backend)| (name.clone(), backend.output)).collect(),
        }
    }

    /// The same for a record of somebody at this machine: flags may have left cases out and lowered the launches.
    pub fn by_hand(config: &Config, record: &RunRecord) -> Self {
        Self { launches: record.launches, may_leave_out: record.is_selection, ..Self::of(config, record) }
    }

    /// The same for a record of somebody else, whose word counts for nothing.
    pub fn of_stranger(config: &Config, record: &RunRecord) -> Self {
        let suite = config.suites.get(&record.suite);
        let launches = suite.map_or(record.launches, |suite| suite.max_launches);
        Self { launches, trusts_record: false, ..Self::of(config, record) }
    }

    /// What was measured, and nothing more.
    pub fn of_record(record: &RunRecord) -> Self {
        let cases = cases_of(record);
        Self {
            launches: record.launches,
            known: cases.iter().map(|case| case.name.clone()).collect(),
            may_leave_out: true,
            trusts_record: true,
            asks_comparison: false,
            asks_controls: false,
            terms: Terms::Any,
            outputs: BTreeMap::new(),
            cases,
        }
    }

    pub(super) fn case(&self, name: &str) -> Option<&Case> {
        self.cases.iter().find(|case| case.name == name)
    }

    pub(super) fn output_demand(&self, backend: &str) -> OutputDemand {
        self.outputs.get(backend).copied().unwrap_or(OutputDemand::Expected)
    }
}

/// The cases of `suite`, with the latents that the VAE of the model that was measured makes: which one it was, only a checkpoint
/// tells, which need not be here.
fn cases_for(suite: &Suite, record: &RunRecord) -> Vec<Case> {
    let is_of = |suite: &Suite| {
        let measured = |case: &Case| record.case(&case.name).is_none_or(|it| it.case.workload == case.workload);
        suite.cases.iter().all(measured)
    };
    let of_wide_vae = suite.with_vae_stride(TI2V_VAE_STRIDE).ok().filter(is_of);
    of_wide_vae.filter(|_| !is_of(suite)).map_or_else(|| suite.cases.clone(), |suite| suite.cases)
}

fn cases_of(record: &RunRecord) -> Vec<Case> {
    record.cases.iter().map(|case| case.case.clone()).collect()
}

impl Judge<'_> {
    /// What the baseline holds of this case, in this shape.
    pub(super) fn stored(&self, case: &Case) -> Option<&BaselineCase> {
        self.baselines.machine?.case(case)
    }
}
