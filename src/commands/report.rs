//! `wanbench report`: render saved results.

use wanbench::config::Config;
use wanbench::gate::{Demands, Plan};
use wanbench::store::record::RunRecord;

use crate::cli;
use crate::session::judged::{self, Judging};
use crate::session::status::{ExitStatus, Result};
use crate::session::terminal::Terminal;

/// Prints saved results, judged by today's baselines.
pub fn report(args: &cli::Report, terminal: &Terminal) -> Result<ExitStatus> {
    let config = Config::open(&args.sources.config)?;
    judged::read_baselines(&args.sources)?;
    let record = RunRecord::open(&args.results)?;
    let flags = judged::flags_of(&record);
    let invocation = judged::invocation(&args.results, &args.sources, flags);
    let plan = Plan { may_leave_out: record.is_selection, ..Plan::of(&config, &record) };
    let judging = Judging::by_committed(&record, plan, Demands::default(), &config, &args.sources, invocation)?;
    judged::print(&judging.report(record), args.format, terminal)?;
    Ok(ExitStatus::Passed)
}
