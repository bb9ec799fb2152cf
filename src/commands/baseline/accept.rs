//! `wanbench baseline accept`: one case's regression, with the reason why it may stay.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use wanbench::config::{Config, Thresholds};
use wanbench::gate::doubts::Doubts;
use wanbench::gate::{Against, Baselines, Demands, Figure, Finding, Judge, Judged, Plan, Verdict};
use wanbench::store::baseline::{Acceptance, Accepted, AcceptedTime, Baseline, MODEL_MEMORY, ModelMemory};
use wanbench::store::record::{CaseRecord, RunRecord};

use super::change::{Change, apply, lock};
use super::reason::checked_reason;
use super::update::{check_can_ask, check_doubts, check_recordable, stored};
use wanbench::text::{format, shell};

use crate::cli;
use crate::session::status::{Error, ExitStatus, Result};
use crate::session::terminal::Terminal;

/// Records the figures of a case that regressed, with the reason, after showing what changes and asking.
pub fn accept(args: &cli::Accept, terminal: &Terminal) -> Result<ExitStatus> {
    let folder = &args.sources.baselines();
    check_can_ask("accept", args.yes)?;
    let reason = checked_reason(&args.reason)?;
    let config = Config::open(&args.sources.config)?;
    let record = RunRecord::open(&args.from)?;
    let doubts = Doubts::about(&record, &config.gate);
    check_recordable(&record, args.machine.as_deref())?;
    check_doubts(doubts.run.iter(), args.force)?;
    let Some(case) = record.case(&args.case) else {
        let names: Vec<&str> = record.cases.iter().map(|case| case.case.name.as_str()).collect();
        return Err(Error::usage(format!(
            "{} has no case `{}`; it has {}",
            args.from.display(),
            args.case,
            names.join(", ")
        )));
    };
    let locked = lock(folder, terminal)?;
    let memory = ModelMemory::open(folder)?;
    let (path, old) = stored(folder, &record)?;
    check_measured(&path, folder, &record)?;
    check_reference(&old, case)?;

    let judge = Judge {
        record: &record,
        plan: &Plan { outputs: Plan::of(&config, &record).outputs, ..Plan::of_record(&record) },
        baselines: Baselines { machine: Some(&old), memory: &memory, others: 0 },
        thresholds: &config.gate,
        demands: Demands::default(),
    };
    let outcome = judge.outcome();
    let judged = outcome.cases.iter().find(|judged| judged.name == args.case);
    let Some(regression) = judged.and_then(Regression::of) else {
        return Err(Error::usage(nothing_to_accept(args, judged)));
    };
    let acceptance = Acceptance {
        reason: reason.to_owned(),
        date: record.started,
        commit: record.tool.commit.clone(),
        change: regression.change,
        times: regression.times,
        covers: regression.covers,
    };
    let jobs = old.cases.get(&args.case).map_or(0, |stored| stored.jobs.len());
    if jobs > 0 {
        let jobs = format::count(jobs, "job");
        terminal.say(&format!(
            "{}: its history begins anew with the accepted run, without the {jobs} before it",
            args.case
        ));
    }
    let accepting = old.accepting(&record, &args.case, acceptance, &config.gate);
    let overridden = if args.force { doubts_about(&record, case, &config.gate) } else { Doubts::default() };
    let files = [
        Change::of_models(folder.join(MODEL_MEMORY), &memory.with(case))?,
        Change::of_machine(path, &accepting.forced(&record, &overridden))?,
    ];
    apply(&locked, &files, args.yes, terminal)
}

/// Why there is nothing to accept.
fn nothing_to_accept(args: &cli::Accept, judged: Option<&Judged>) -> String {
    let findings = judged.iter().flat_map(|judged| &judged.findings);
    match findings.filter(|finding| finding.fails).find(|finding| finding.against == Against::Ceiling) {
        Some(finding) => format!("nothing to accept: of {}, {}", args.case, finding.message),
        None => format!(
            "nothing to accept: {} did not regress in {}; `{}` shows how it was judged",
            args.case,
            args.from.display(),
            shell::command(["wanbench", "report", &args.from.display().to_string()])
        ),
    }
}

/// What there is to accept.
struct Regression {
    /// How much longer a step takes, as a share; `None` where it is no speed that regressed.
    change: Option<f64>,
    /// The times that regressed beside the base revision, by the figure's name.
    times: BTreeMap<String, AcceptedTime>,
    /// What regressed; never empty.
    covers: BTreeSet<Accepted>,
}

impl Regression {
    /// Of a case whose speed or memory regressed, or whose output is another than the base revision's; an output that is not
    /// the reference's is not to be accepted. What drifted from the anchor alone is no regression of this run, and neither is
    /// what is beyond its ceiling.
    fn of(judged: &Judged) -> Option<Self> {
        let regressed =
            |figure, against| judged.finding(figure, against).filter(|finding| finding.verdict == Verdict::Regressed);
        let beside_base = Figure::TIMES.map(|figure| (figure, Against::Base));
        let against_baseline = [Figure::Speedup, Figure::StepTime].map(|figure| (figure, Against::Baseline));
        let mut speeds = beside_base.into_iter().chain(against_baseline);
        let speed = speeds.find_map(|(figure, against)| regressed(figure, against));
        let time = |finding: &Finding| {
            let accepted = AcceptedTime { change: finding.change?.0, half_width: finding.half_width() };
            Some((finding.figure.name().to_owned(), accepted))
        };
        let times = beside_base.into_iter().filter_map(|(figure, against)| time(regressed(figure, against)?)).collect();
        let accepted = |finding: &Finding| match finding.figure {
            Figure::ModelBytes | Figure::ProcessPeak | Figure::FrameworkPeak => Some(Accepted::Memory),
            Figure::Output => (finding.against == Against::Base).then_some(Accepted::Output),
            _ => Some(Accepted::Speed),
        };
        let is_regressed = |finding: &&Finding| {
            finding.verdict == Verdict::Regressed && !matches!(finding.against, Against::Anchor | Against::Ceiling)
        };
        let regressed = judged.findings.iter().filter(is_regressed);
        let covers: BTreeSet<Accepted> = regressed.filter_map(accepted).collect();
        let change = speed.and_then(|speed| speed.change).map(|change| change.0);
        (!covers.is_empty()).then_some(Self { change, times, covers })
    }
}

/// The doubts about `record` as far as they are about `case`, or its reference.
fn doubts_about(record: &RunRecord, case: &CaseRecord, thresholds: &Thresholds) -> Doubts {
    let is_about = |other: &&CaseRecord| {
        other.case.name == case.case.name || Some(&other.case.name) == case.case.reference.as_ref()
    };
    let cases = record.cases.iter().filter(is_about).cloned().collect();
    Doubts::about(&RunRecord { cases, ..record.clone() }, thresholds)
}

/// Refuses where the machine of `record` is judged by another file than its `own`, or by an imported one: a measured case
/// cannot stand beside those cases, which would be lost.
fn check_measured(own: &Path, folder: &Path, record: &RunRecord) -> Result<()> {
    let found = Baseline::find(folder, &record.machine, record.device)?;
    match found.filter(|(path, baseline)| path != own || baseline.imported.is_some()) {
        Some((path, _)) => Err(Error::usage(format!(
            "{} was imported or belongs to a similar machine: first record this machine's own figures with `wanbench baseline update`",
            path.display()
        ))),
        None => Ok(()),
    }
}

/// Refuses a case measured without the reference that its recorded speedup is over: the new speedup is not known.
fn check_reference(old: &Baseline, case: &CaseRecord) -> Result<()> {
    let has_speedup = old.cases.get(&case.case.name).is_some_and(|stored| stored.speedup.is_some());
    if has_speedup && case.case.reference.is_none() {
        return Err(Error::usage(format!(
            "{} has a speedup in the baseline, but was measured without its reference: measure both",
            case.case.name
        )));
    }
    Ok(())
}
