//! JUnit XML, for the test reports of CI systems: a suite for each backend, a test case for each case.
//!
//! A case that was not judged is an error, so that nobody reads it as passed. What concerns the whole run is a test case of its
//! own. So a document has a failure where the gate failed, an error where something was not judged, and neither where it passed.
//! `skipped` has what is exempt: cases that do not fit into memory and no baseline has, and those that were left out by hand.

use std::io;

use quick_xml::Writer;
use quick_xml::events::{BytesDecl, BytesText, Event};

use super::super::{Report, headline};
use super::exported::machine;
use crate::gate::{Finding, Gap, Judged, Standing, Verdict};
use crate::text::escape::one_line;

/// What writes the document.
type Xml = Writer<Vec<u8>>;

/// The report as a JUnit document.
///
/// # Panics
/// Never: a buffer takes all that is written.
pub fn render(report: &Report) -> String {
    let mut xml = Writer::new_with_indent(Vec::new(), b' ', 2);
    document(&mut xml, report).expect("a buffer takes all");
    String::from_utf8(xml.into_inner()).expect("strings were written") + "\n"
}

fn document(xml: &mut Xml, report: &Report) -> io::Result<()> {
    xml.write_event(Event::Decl(BytesDecl::new("1.0", Some("UTF-8"), None)))?;
    let suites = suites(report);
    xml.create_element("testsuites").write_inner_content(|xml| {
        suites.iter().enumerate().try_for_each(|(id, suite)| suite.write(xml, report, id))
    })?;
    Ok(())
}

/// A suite of the document.
struct Suite {
    name: String,
    tests: Vec<Test>,
}

/// A test case of the document.
struct Test {
    name: String,
    /// What its launches took.
    seconds: f64,
    came_to: CameTo,
}

/// What a test came to.
enum CameTo {
    Passed,
    Skipped {
        reason: String,
    },
    /// A failure, or an error.
    Problem {
        element: &'static str,
        kind: &'static str,
        message: String,
        details: String,
    },
}

/// The run as a whole where something concerns it, and each backend in the order of its first case.
fn suites(report: &Report) -> Vec<Suite> {
    let of_run = of_run(report).map(|test| Suite { name: "run".to_owned(), tests: vec![test] });
    let mut suites: Vec<Suite> = of_run.into_iter().collect();
    for case in &report.outcome.cases {
        let backend = one_line(backend(case));
        let test = Test { name: one_line(&case.name), seconds: seconds(report, case), came_to: came_to(report, case) };
        match suites.iter_mut().find(|suite| suite.name == backend) {
            Some(suite) => suite.tests.push(test),
            None => suites.push(Suite { name: backend, tests: vec![test] }),
        }
    }
    suites
}

/// A case that only a baseline knows has its backend in its name.
fn backend(case: &Judged) -> &str {
    let by_name = || case.name.split('/').next().unwrap_or_default();
    case.case.as_ref().map_or_else(by_name, |case| case.backend.as_str())
}

/// What its launches took.
fn seconds(report: &Report, case: &Judged) -> f64 {
    let launches = report.record.case(&case.name).into_iter().flat_map(|case| &case.launches);
    // A sum of nothing would be −0.
    launches.fold(0.0, |seconds, launch| seconds + launch.wall_seconds)
}

/// What is missing in the run as a whole.
fn of_run(report: &Report) -> Option<Test> {
    let gaps = &report.outcome.gaps;
    let (element, kind) = match gaps.iter().any(|gap| gap.fails) {
        true => ("failure", Verdict::Failed.name()),
        false => ("error", Verdict::NotJudged.name()),
    };
    let words = |gap: &Gap| gap.reason.clone();
    let details = lines(gaps.iter().map(words));
    let came_to = CameTo::Problem { element, kind, message: one_line(&gaps.first()?.reason), details };
    Some(Test { name: "the run as a whole".to_owned(), seconds: 0.0, came_to })
}

fn came_to(report: &Report, case: &Judged) -> CameTo {
    let is_open = |finding: &Finding| finding.verdict.is_open();
    let problem = |element, wanted: fn(&Finding) -> bool| {
        let found = case.findings.iter().filter(|finding| wanted(finding)).map(|finding| finding.message.clone());
        let words: Vec<String> = case.reason.iter().cloned().chain(found).collect();
        let message = words.first().map_or_else(|| case.verdict.name().to_owned(), |first| one_line(first));
        CameTo::Problem { element, kind: case.verdict.name(), message, details: lines(words) }
    };
    match () {
        () if case.fails() => problem("failure", |finding| finding.fails),
        // Where the run passed, what is open was allowed to be.
        () if case.is_gap || case.findings.iter().any(is_open) && report.standing() != Standing::Passed => {
            problem("error", is_open)
        }
        () if case.now.is_none() => CameTo::Skipped { reason: one_line(&headline::unmeasured(case)) },
        () => CameTo::Passed,
    }
}

fn lines(words: impl IntoIterator<Item = String>) -> String {
    words.into_iter().map(|words| one_line(&words)).collect::<Vec<_>>().join("\n")
}

impl Suite {
    fn write(&self, xml: &mut Xml, report: &Report, id: usize) -> io::Result<()> {
        let record = &report.record;
        let package = format!("wanbench.{}", record.suite);
        let count = |wanted| self.tests.iter().filter(|test| test.element() == Some(wanted)).count().to_string();
        let seconds = self.tests.iter().fold(0.0, |seconds, test| seconds + test.seconds);
        let class = format!("{package}.{}", self.name);
        // Ant's schema has no time zone.
        let started = record.started.strftime("%Y-%m-%dT%H:%M:%S").to_string();
        let attributes = [
            ("name", self.name.clone()),
            ("package", package),
            ("id", id.to_string()),
            ("timestamp", started),
            ("hostname", machine(report)),
            ("tests", self.tests.len().to_string()),
            ("failures", count("failure")),
            ("errors", count("error")),
            ("time", format!("{seconds:.3}")),
        ];
        element(xml, "testsuite", &attributes, |xml| {
            properties(xml, report)?;
            self.tests.iter().try_for_each(|test| test.write(xml, &class))?;
            // Ant's schema asks for both.
            empty(xml, "system-out", &[])?;
            empty(xml, "system-err", &[])
        })
    }
}

fn properties(xml: &mut Xml, report: &Report) -> io::Result<()> {
    let record = &report.record;
    let properties = [
        ("standing", report.standing().key()),
        ("suite", &record.suite),
        ("machine", &record.machine.describe()),
        ("device", record.device.name()),
        ("commit", record.tool.commit.as_deref().unwrap_or("unknown")),
        ("wanbench", &record.tool.version),
    ];
    element(xml, "properties", &[], |xml| {
        properties.iter().try_for_each(|(name, value)| {
            let attributes = [("name", (*name).to_owned()), ("value", one_line(value))];
            empty(xml, "property", &attributes)
        })
    })
}

impl Test {
    fn write(&self, xml: &mut Xml, class: &str) -> io::Result<()> {
        let time = format!("{:.3}", self.seconds);
        let attributes = [("name", self.name.clone()), ("classname", class.to_owned()), ("time", time)];
        match &self.came_to {
            CameTo::Passed => empty(xml, "testcase", &attributes),
            CameTo::Skipped { reason } => {
                element(xml, "testcase", &attributes, |xml| element(xml, "skipped", &[], |xml| text(xml, reason)))
            }
            CameTo::Problem { element: name, kind, message, details } => {
                let problem = [("type", (*kind).to_owned()), ("message", message.clone())];
                element(xml, "testcase", &attributes, |xml| element(xml, name, &problem, |xml| text(xml, details)))
            }
        }
    }

    /// The element that says that it is no success.
    fn element(&self) -> Option<&'static str> {
        match self.came_to {
            CameTo::Problem { element, .. } => Some(element),
            CameTo::Passed | CameTo::Skipped { .. } => None,
        }
    }
}

/// An element with nothing in it.
fn empty(xml: &mut Xml, name: &str, attributes: &[(&str, String)]) -> io::Result<()> {
    let attributes: Vec<(&str, String)> = attributes.iter().map(|(name, value)| (*name, legal(value))).collect();
    let attributes = attributes.iter().map(|(name, value)| (*name, value.as_str()));
    xml.create_element(name).with_attributes(attributes).write_empty()?;
    Ok(())
}

/// An element with what `inner` writes.
fn element(
    xml: &mut Xml,
    name: &str,
    attributes: &[(&str, String)],
    inner: impl FnOnce(&mut Xml) -> io::Result<()>,
) -> io::Result<()> {
    let attributes: Vec<(&str, String)> = attributes.iter().map(|(name, value)| (*name, legal(value))).collect();
    let attributes = attributes.iter().map(|(name, value)| (*name, value.as_str()));
    xml.create_element(name).with_attributes(attributes).write_inner_content(inner)?;
    Ok(())
}

fn text(xml: &mut Xml, text: &str) -> io::Result<()> {
    xml.write_event(Event::Text(BytesText::new(&legal(text))))
}

/// Without the two characters that are neither controls nor allowed in XML.
fn legal(text: &str) -> String {
    text.replace(['\u{fffe}', '\u{ffff}'], "")
}
