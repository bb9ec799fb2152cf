//! The matrix: a suite's workloads × backends × quantizations × dtypes, as cases with stable names.

use std::collections::BTreeSet;
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::wan::schedule::Overrides;
use crate::wan::{DType, Experts, Quant, Spec};

/// One cell of the matrix on one backend.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Case {
    /// `backend/workload/quant`, with `/dtype` behind it for another dtype than f32.
    pub name: String,
    /// Name of the backend.
    pub backend: String,
    /// The shapes and the number of steps.
    pub workload: Workload,
    /// Weight quantization.
    pub quant: Quant,
    /// Arithmetic.
    pub dtype: DType,
    /// Name of the case whose step time divided by this one's is the speedup; the reference names itself.
    pub reference: Option<String>,
}

/// What one denoising run computes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Workload {
    /// Name, unique among workloads of other shapes; by default the frames, such as `41f`.
    pub name: String,
    /// Name of the model.
    pub model: String,
    /// Video frames.
    pub frames: usize,
    /// Timed denoising steps.
    pub steps: usize,
    /// Latent extent (frames, height, width).
    pub latent: [usize; 3],
    /// Text rows before padding.
    pub text_rows: usize,
    /// Whether the camera is controlled.
    pub camera: bool,
    /// The networks that compute it.
    #[serde(default, skip_serializing_if = "Experts::is_default")]
    pub experts: Experts,
}

/// A model that workloads refer to.
#[derive(Clone, Debug, PartialEq)]
pub enum Model {
    /// Seeded weights of a built-in architecture.
    Synthetic(Spec),
    /// A checkpoint.
    Checkpoint {
        /// Its folder or file.
        folder: PathBuf,
        /// What the configuration says of its schedule.
        schedule: Overrides,
    },
}

impl Case {
    /// Builds the case with its name.
    pub fn new(backend: &str, workload: Workload, quant: Quant, dtype: DType) -> Self {
        let name = case_name(backend, &workload.name, quant, dtype);
        Self { name, backend: backend.to_owned(), workload, quant, dtype, reference: None }
    }

    /// Whether this case is the one others are compared with.
    pub fn is_reference(&self) -> bool {
        self.reference.as_deref() == Some(&self.name)
    }

    /// Whether it has a speedup: a reference has none.
    pub fn has_speedup(&self) -> bool {
        self.reference.is_some() && !self.is_reference()
    }

    /// The part of the name that decides the model's bytes: they are the same on every machine, for every workload.
    pub fn memory_key(&self) -> String {
        let both = if self.workload.experts == Experts::Both { "/both" } else { "" };
        format!("{}/{}/{}/{}{both}", self.backend, self.workload.model, self.quant, self.dtype)
    }
}

/// Points every case at the unquantized case of `reference` in the same workload and dtype, where there is one.
pub fn link_references(cases: &mut [Case], reference: &str) {
    let names: BTreeSet<String> = cases.iter().map(|case| case.name.clone()).collect();
    for case in cases {
        let name = case_name(reference, &case.workload.name, Quant::None, case.dtype);
        case.reference = names.contains(&name).then_some(name);
    }
}

/// The cases that `filters` (any of them, as part of the name) and `backends` select; empty means all.
///
/// The reference of a selected case joins it, unless its backend is left out, since a speedup needs it.
pub fn select(cases: Vec<Case>, filters: &[String], backends: &[String]) -> Vec<Case> {
    let of_backend = |case: &&Case| backends.is_empty() || backends.contains(&case.backend);
    let wanted: BTreeSet<String> = cases
        .iter()
        .filter(of_backend)
        .filter(|case| filters.is_empty() || filters.iter().any(|filter| case.name.contains(filter.as_str())))
        .flat_map(|case| [Some(case.name.clone()), case.reference.clone()])
        .flatten()
        .collect();
    let mut selected: Vec<Case> =
        cases.into_iter().filter(|case| of_backend(&case) && wanted.contains(&case.name)).collect();
    let kept: BTreeSet<String> = selected.iter().map(|case| case.name.clone()).collect();
    for case in &mut selected {
        case.reference = case.reference.take().filter(|name| kept.contains(name));
    }
    selected
}

fn case_name(backend: &str, workload: &str, quant: Quant, dtype: DType) -> String {
    match dtype {
        DType::F32 => format!("{backend}/{workload}/{quant}"),
        _ => format!("{backend}/{workload}/{quant}/{dtype}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::plain_workload as workload;

    fn matrix() -> Vec<Case> {
        let mut cases = Vec::new();
        for frames in [5, 41] {
            cases.push(Case::new("torch", workload(frames), Quant::None, DType::F32));
            for quant in [Quant::None, Quant::Int8] {
                cases.push(Case::new("mlx", workload(frames), quant, DType::F32));
            }
            cases.push(Case::new("mlx", workload(frames), Quant::Int8, DType::Bf16));
        }
        link_references(&mut cases, "torch");
        cases
    }

    fn names(filters: &[&str], backends: &[&str]) -> Vec<String> {
        let owned = |list: &[&str]| list.iter().map(|item| (*item).to_owned()).collect::<Vec<_>>();
        select(matrix(), &owned(filters), &owned(backends)).into_iter().map(|case| case.name).collect()
    }

    #[test]
    fn a_filter_takes_the_reference_along() {
        assert_eq!(names(&["mlx/41f/int8"], &[]), ["torch/41f/none", "mlx/41f/int8", "mlx/41f/int8/bf16"]);
        assert_eq!(names(&[], &[]).len(), 8);
        assert_eq!(names(&["nothing"], &[]), [""; 0]);
    }

    #[test]
    fn a_backend_left_out_is_no_reference() {
        let selected = select(matrix(), &[], &["mlx".to_owned()]);
        assert_eq!(selected.len(), 6);
        assert!(selected.iter().all(|case| case.reference.is_none()));
    }

    #[test]
    fn another_dtype_has_its_own_reference_or_none() {
        let cases = matrix();
        assert_eq!(cases[1].reference.as_deref(), Some("torch/5f/none"));
        assert_eq!(cases[3].name, "mlx/5f/int8/bf16");
        assert_eq!(cases[3].reference, None);
    }
}
