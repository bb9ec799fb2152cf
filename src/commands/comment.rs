//! `wanbench comment`: what saved results say, on the pull request.

use std::path::Path;

use wanbench::config::Config;
use wanbench::files::save;
use wanbench::gate::{Demands, Plan};
use wanbench::report::Report;
use wanbench::store::record::RunRecord;

use crate::cli;
use crate::session::judged::{self, Judging};
use crate::session::publish::Publisher;
use crate::session::status::{ExitStatus, OrStatus, Result};
use crate::session::terminal::Terminal;

/// Judges results, of several machines perhaps, and posts one comment about all of them; 3 if something could not be posted.
/// The verdict does not decide the exit status: that is a check's, or the check run's.
pub fn comment(args: &cli::Comment, terminal: &Terminal) -> Result<ExitStatus> {
    let config = Config::open(&args.sources.config)?;
    judged::read_baselines(&args.sources)?;
    let judge = |path: &Path| -> Result<Report> {
        let record = RunRecord::open(path)?;
        let invocation = judged::invocation(path, &args.sources, judged::flags_of(&record, &args.sources));
        let plan = Plan::of_stranger(&config, &record);
        let judging = Judging::by_committed(&record, plan, Demands::default(), &config, &args.sources, invocation)?;
        Ok(judging.report(record))
    };
    let reports: Vec<Report> = args.results.iter().map(|path| judge(path)).collect::<Result<_>>()?;
    let publisher = Publisher::new(&args.publication, terminal)?;
    let rendered = publisher.render(reports, &args.sources.config);
    if let Some(path) = &args.markdown {
        save::atomically(path, |out| out.write_all(rendered.comment().as_bytes()))
            .or_incomplete(|| format!("cannot write {}", path.display()))?;
    }
    if args.publication.dry_run {
        terminal.print(&rendered.comment())?;
        terminal.say("wanbench: nothing was posted (--dry-run)");
        return Ok(ExitStatus::Passed);
    }
    let status = publisher.post(&rendered, args.markdown.as_deref());
    publisher.annotate(&rendered)?;
    Ok(if args.best_effort { ExitStatus::Passed } else { status })
}
