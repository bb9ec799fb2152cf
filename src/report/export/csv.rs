//! CSV by RFC 4180: a row for each case.

use super::super::Report;
use super::exported::{FIGURES, machine};
use crate::gate::Judged;
use crate::text::escape::one_line;

/// A column that is no figure: its name and what stands in it.
type Column = (&'static str, fn(&Report, &Judged) -> Option<String>);

/// Which run it is, and which case.
const IDENTITY: [Column; 13] = [
    ("suite", |report, _| Some(report.record.suite.clone())),
    ("machine", |report, _| Some(machine(report))),
    ("commit", |report, _| report.record.tool.commit.clone()),
    ("started", |report, _| Some(format!("{:.0}", report.record.started))),
    ("case", |_, case| Some(case.name.clone())),
    ("backend", |_, case| Some(case.case.as_ref()?.backend.clone())),
    ("workload", |_, case| Some(case.case.as_ref()?.workload.name.clone())),
    ("frames", |_, case| Some(case.case.as_ref()?.workload.frames.to_string())),
    ("steps", |_, case| Some(case.case.as_ref()?.workload.steps.to_string())),
    ("quant", |_, case| Some(case.case.as_ref()?.quant.name().to_owned())),
    ("dtype", |_, case| Some(case.case.as_ref()?.dtype.name().to_owned())),
    ("reference", |_, case| case.case.as_ref()?.reference.clone()),
    ("launches", |_, case| Some(case.now.as_ref()?.launches.to_string())),
];

/// What was judged. The change and its interval are of the speed that decides; positive is worse.
const JUDGEMENT: [Column; 8] = [
    ("standing", |report, _| Some(report.standing().key().to_owned())),
    ("verdict", |_, case| Some(case.verdict.key())),
    ("fails", |_, case| Some(case.fails().to_string())),
    ("is_judged", |_, case| Some(is_judged(case).to_string())),
    ("change_ratio", |_, case| Some(case.speed()?.change?.0.to_string())),
    ("change_low_ratio", |_, case| Some(case.speed()?.interval?.0.0.to_string())),
    ("change_high_ratio", |_, case| Some(case.speed()?.interval?.1.0.to_string())),
    ("reason", |_, case| reason(case)),
];

/// The report as CSV: a header, and a row for each case that was measured or asked for. What is not known is an empty field.
///
/// # Panics
/// Never: a buffer takes all that is written, and every row has as many fields as the header.
pub fn render(report: &Report) -> String {
    let mut writer = csv::WriterBuilder::new().terminator(csv::Terminator::CRLF).from_writer(Vec::new());
    let names = |columns: &'static [Column]| columns.iter().map(|(name, _)| *name);
    let header = names(&IDENTITY).chain(FIGURES.iter().map(|figure| figure.key)).chain(names(&JUDGEMENT));
    writer.write_record(header).expect("a buffer takes all");
    for case in &report.outcome.cases {
        let cells = |columns: &'static [Column]| columns.iter().map(move |(_, cell)| cell(report, case));
        let now = case.now.as_ref();
        let figures = FIGURES.iter().map(|figure| Some((figure.value)(now?)?.to_string()));
        let row = cells(&IDENTITY).chain(figures).chain(cells(&JUDGEMENT));
        writer.write_record(row.map(|cell| one_line(&cell.unwrap_or_default()))).expect("rows are of one length");
    }
    let bytes = writer.into_inner().expect("a buffer takes all");
    String::from_utf8(bytes).expect("strings were written")
}

/// Whether it has evidence, and all of that was decided.
fn is_judged(case: &Judged) -> bool {
    case.now.is_some() && !case.is_gap && !case.findings.iter().any(|finding| finding.verdict.is_open())
}

/// Why it was not measured, or what was found that fails or is open.
fn reason(case: &Judged) -> Option<String> {
    let found = case.findings.iter().filter(|finding| finding.fails || finding.verdict.is_open());
    let words: Vec<&str> = case.reason.as_deref().into_iter().chain(found.map(|it| it.message.as_str())).collect();
    (!words.is_empty()).then(|| words.join("; "))
}
