//! Outputs: where the arms of the first block leave their final latents, and how these compare.

use std::path::{Path, PathBuf};

use super::RunPlan;
use crate::evidence::parity::relative_error;
use crate::store::record::{ArmKind, CaseRecord, Parity, measured};
use crate::wan::tensor_file::TensorFile;

/// Bytes of the largest output that is read: several times a latent of 720p with 81 frames.
const MOST_BYTES: u64 = 64 << 20;

/// Bytes of its header, which names one tensor.
const MOST_HEADER_BYTES: u64 = 64 << 10;

/// Compares the final latents of the first block of `cases`, given by their indices, with their references' and with the base
/// revision's.
pub fn compare_files(plan: &RunPlan, cases: &[usize], records: &mut [CaseRecord]) {
    for case in cases.iter().copied() {
        let output = Output::of(plan, records, case, ArmKind::Head);
        let base = Output::of(plan, records, case, ArmKind::Base);
        let reference = match reference(plan, case) {
            Some(reference) if reference != case => Output::of(plan, records, reference, ArmKind::Head),
            _ => Output::Missing,
        };
        let record = &mut records[case];
        let is_there = |output: &Output, kind| is_measured(record, kind).then_some(!matches!(output, Output::Missing));
        (record.has_output, record.has_base_output) =
            (is_there(&output, ArmKind::Head), is_there(&base, ArmKind::Base));
        record.parity = output.parity(&reference);
        record.base_parity = output.parity(&base);
    }
}

/// Where an arm leaves its final latent; `None` for one whose output is not compared.
pub fn path(plan: &RunPlan, case: usize, kind: ArmKind) -> Option<PathBuf> {
    let name = match kind {
        ArmKind::Head => format!("{case}.safetensors"),
        ArmKind::Base => format!("{case}-base.safetensors"),
        ArmKind::Control => return None,
    };
    Some(plan.outputs.join(name))
}

/// The elements of the tensor `output` in a worker's safetensors file; an error says what is wrong with the file.
pub fn read(path: &Path) -> Result<Vec<f32>, String> {
    let file = TensorFile::open_within(path, MOST_BYTES, MOST_HEADER_BYTES);
    let file = file.map_err(|error| format!("wrote an output that is none: {error}"))?;
    file.tensor("output").and_then(|view| view.to_f32()).ok_or_else(|| "wrote no float tensor `output`".to_owned())
}

/// What a launch of the first block left.
enum Output {
    /// No file; or the launch did not go to its end, and whatever it left may be half an output.
    Missing,
    /// A file that cannot be read as an output, or one with no elements or a value that is not finite.
    Unusable,
    Elements(Vec<f32>),
}

impl Output {
    fn of(plan: &RunPlan, records: &[CaseRecord], case: usize, kind: ArmKind) -> Self {
        let path = path(plan, case, kind).filter(|path| is_measured(&records[case], kind) && path.exists());
        let Some(path) = path else { return Self::Missing };
        match read(&path) {
            Ok(elements) if !elements.is_empty() && elements.iter().all(|value| value.is_finite()) => {
                Self::Elements(elements)
            }
            _ => Self::Unusable,
        }
    }

    /// How this output compares with `other`. An unusable one is wrong by itself, whatever the other is; it says nothing
    /// about outputs that are compared with it.
    fn parity(&self, other: &Self) -> Option<Parity> {
        match (self, other) {
            (Self::Unusable, _) => Some(Parity::INCOMPARABLE),
            (Self::Elements(output), Self::Elements(other)) => {
                let error = relative_error(output, other);
                Some(Parity { relative_error: error.is_finite().then_some(error) })
            }
            _ => None,
        }
    }
}

fn reference(plan: &RunPlan, case: usize) -> Option<usize> {
    let name = plan.cases[case].reference.as_ref()?;
    plan.cases.iter().position(|other| other.name == *name)
}

fn is_measured(record: &CaseRecord, kind: ArmKind) -> bool {
    measured(record.launches_of(kind)).next().is_some()
}
