//! `wanbench comment`: what saved results say, on the pull request.

use std::path::Path;

use wanbench::config::Config;
use wanbench::files::save;
use wanbench::github::artifact::Differences;
use wanbench::report::{Demands, Report};
use wanbench::store::record::RunRecord;

use crate::cli;
use crate::session::judged;
use crate::session::publish::Publisher;
use crate::session::status::{ExitStatus, OrStatus, Result};
use crate::session::terminal::Terminal;

/// Judges results, of several machines perhaps, and posts one comment about all of them; 3 if something could not be posted.
/// The verdict does not decide the exit status: that is a check's, or the check run's.
pub fn comment(args: &cli::Comment, terminal: &Terminal) -> Result<ExitStatus> {
    let config = Config::open(&args.sources.config)?;
    judged::read_baselines(&args.sources.baselines)?;
    let judge = |path: &Path| -> Result<Report> {
        let record = note_differences(RunRecord::open(path)?, &config);
        judged::build(record, path, &config, &args.sources, Demands::default())
    };
    let reports: Vec<Report> = args.results.iter().map(|path| judge(path)).collect::<Result<_>>()?;
    let publisher = Publisher::new(&args.publication, terminal)?;
    let rendered = publisher.render(reports, &args.sources.config);
    if let Some(path) = &args.markdown {
        save::atomically(path, |out| out.write_all(rendered.comment().as_bytes()))
            .or_incomplete(|| format!("cannot write {}", path.display()))?;
    }
    publisher.publish(&rendered, args.markdown.as_deref())
}

/// `record`, with a warning where its cases are not those of the configuration: a change may add some and leave out others,
/// and nothing that is committed vouches for that.
fn note_differences(mut record: RunRecord, config: &Config) -> RunRecord {
    let differences = config.suites.get(&record.suite).map(|suite| Differences::between(&record, suite));
    let Differences { unknown, left_out } = differences.unwrap_or_default();
    let notes =
        [("measured, but not so in this configuration", unknown), ("in this suite, but not measured", left_out)];
    let notes = notes.into_iter().filter(|(_, names)| !names.is_empty());
    record.warnings.extend(notes.map(|(what, names)| format!("{what}: {}", names.join(", "))));
    record
}
