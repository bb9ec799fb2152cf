//! `wanbench compare`: judge one recorded run by another.

use wanbench::config::Config;
use wanbench::report::Demands;
use wanbench::store::baseline::{Baseline, ModelMemory};
use wanbench::store::record::RunRecord;

use crate::cli;
use crate::session::judged;
use crate::session::status::{Error, ExitStatus, Result, status};
use crate::session::terminal::Terminal;

/// Judges the later run by the earlier one, as a check judges by a baseline, and prints the report; 1 on a regression.
pub fn compare(args: &cli::Compare, terminal: &Terminal) -> Result<ExitStatus> {
    let gate = Config::open(&args.config)?.gate;
    let (before, now) = (RunRecord::open(&args.before)?, RunRecord::open(&args.now)?);
    let names = [&before, &now].map(|record| record.machine.name(record.device));
    if !before.machine.agrees_with(&now.machine) || before.device != now.device {
        return Err(Error::usage(format!(
            "{} is of {}, {} of {}: only runs on one machine and device can be compared",
            args.before.display(),
            names[0],
            args.now.display(),
            names[1]
        )));
    }
    let judges = judged::Judges {
        baseline: Some((
            args.before.clone(),
            Baseline::empty(before.machine.clone(), before.device).updated(&before, &gate),
        )),
        memory: ModelMemory::default().updated(&before),
        // What only one of the two measured is not missing from anything.
        known_cases: [&before, &now].iter().flat_map(|run| &run.cases).map(|case| case.case.name.clone()).collect(),
        gate,
    };
    let report = judges.judge(now, &args.now, None, String::new(), Demands::default());
    terminal.print(&judged::render(&report, args.format, terminal))?;
    Ok(status(report.standing()))
}
