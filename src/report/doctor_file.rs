//! What `wanbench doctor --report` writes: all that is needed to see from afar what a machine is, how its tools speak, and what its
//! workers do.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::doctor::{BackendState, Doctor};
use crate::machine::{Finding, ToolOutput};
use crate::runner::Paused;
use crate::text::escape;

/// What is in the file beside what the doctor shows.
pub struct Examined {
    /// What the system's tools print.
    pub outputs: Vec<ToolOutput>,
    /// What surrounds the workers, as a run's record keeps it.
    pub environment: BTreeMap<String, String>,
    /// The steps of each backend after pauses, or why they could not be measured.
    pub pauses: BTreeMap<String, Result<Vec<Paused>, String>>,
}

/// The file: indented JSON with a final newline.
///
/// # Panics
/// Never: all keys are strings.
pub fn render(doctor: &Doctor, examined: &Examined) -> String {
    let pauses = examined.pauses.iter().map(|(backend, paused)| {
        let told = match paused {
            Ok(paused) => json!({ "steps": paused }),
            Err(reason) => json!({ "failed": reason }),
        };
        (backend.clone(), told)
    });
    let file = json!({
        "wanbench": env!("CARGO_PKG_VERSION"),
        "written": Timestamp::now(),
        "machine": doctor.machine,
        "findings": doctor.findings.iter().map(finding).collect::<Vec<_>>(),
        "backends": doctor.backends.iter().map(backend).collect::<Vec<_>>(),
        "environment": examined.environment,
        "tools": examined.outputs,
        "pauses": pauses.collect::<serde_json::Map<String, Value>>(),
    });
    escape::json_document(&file)
}

fn finding(finding: &Finding) -> Value {
    let Finding { topic, severity, what, way_out } = finding;
    json!({ "topic": format!("{topic:?}"), "severity": format!("{severity:?}"), "what": what, "way_out": way_out })
}

fn backend(backend: &BackendState) -> Value {
    let state = match &backend.state {
        Ok(probed) => json!({ "ready": probed.ready, "said": probed.said }),
        Err(reason) => json!({ "failed": reason }),
    };
    json!({ "name": backend.name, "command": backend.command, "state": state })
}
