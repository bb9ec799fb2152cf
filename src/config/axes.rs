//! Axes of the matrix given by hand: other frames, steps, quantizations, dtypes or networks than a suite's own.

use std::collections::BTreeMap;
use std::fmt;

use super::{Case, Workload, link_references};
use crate::config::{Backend, Suite};
use crate::wan::{DType, Experts, Quant};

/// What stands in place of a suite's own entries; empty for the suite's.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Axes {
    /// Frames of the workloads: those of the suite, or such as its resolution gives.
    pub frames: Vec<usize>,
    /// Timed steps of every workload.
    pub steps: Option<usize>,
    /// Quantizations, of each backend that has them; the reference stays.
    pub quants: Vec<Quant>,
    /// Arithmetics, of each backend that has them.
    pub dtypes: Vec<DType>,
    /// The networks that compute every workload.
    pub experts: Vec<Experts>,
}

impl Axes {
    /// The cases of `suite` with these axes in place of its own, or why there are none.
    pub fn cases(&self, suite: &Suite, backends: &BTreeMap<String, Backend>) -> Result<Vec<Case>, String> {
        if *self == Self::default() {
            return Ok(suite.cases.clone());
        }
        let mut kinds = Vec::new();
        let first = suite.cases.first().map(|case| &case.workload.name);
        for case in suite.cases.iter().filter(|case| Some(&case.workload.name) == first) {
            let backend = &backends[&case.backend];
            let is_reference = case.backend == suite.reference && case.quant == Quant::None;
            let quants = axis(&self.quants, case.quant, |quant| backend.quants.contains(quant));
            let kept = (is_reference && !quants.contains(&Quant::None)).then_some(Quant::None);
            for quant in kept.into_iter().chain(quants) {
                for dtype in axis(&self.dtypes, case.dtype, |dtype| backend.dtypes.contains(dtype)) {
                    push(&mut kinds, (&case.backend, quant, dtype));
                }
            }
        }
        let workloads = self.workloads(suite)?;
        let mut cases: Vec<Case> = Vec::new();
        for workload in &workloads {
            cases.extend(
                kinds.iter().map(|(backend, quant, dtype)| Case::new(backend, workload.clone(), *quant, *dtype)),
            );
        }
        if cases.is_empty() {
            let asked = [words("--quant", &self.quants), words("--dtype", &self.dtypes)].concat();
            return Err(format!("no backend of suite `{}` has{asked}", suite.name));
        }
        link_references(&mut cases, &suite.reference);
        Ok(cases)
    }

    fn workloads(&self, suite: &Suite) -> Result<Vec<Workload>, String> {
        let mut own: Vec<&Workload> = Vec::new();
        suite.cases.iter().for_each(|case| push(&mut own, &case.workload));
        let mut chosen: Vec<Workload> = Vec::new();
        if self.frames.is_empty() {
            chosen.extend(own.iter().map(|workload| (*workload).clone()));
        }
        for frames in &self.frames {
            let mut found: Vec<Workload> =
                own.iter().filter(|workload| workload.frames == *frames).map(|workload| (*workload).clone()).collect();
            if found.is_empty() {
                for workload in &own {
                    let Some(video) = suite.videos.get(&workload.name) else { continue };
                    let latent = video
                        .latent(*frames, suite.vae_stride)
                        .map_err(|reason| format!("--frames {frames}: {reason}"))?;
                    push(&mut found, Workload { latent, ..renamed(workload, *frames) });
                }
            }
            if found.is_empty() {
                let mut there: Vec<String> = own.iter().map(|workload| workload.frames.to_string()).collect();
                there.dedup();
                return Err(format!(
                    "--frames {frames}: suite `{}` has {} frames, and no resolution from which another latent could be computed",
                    suite.name,
                    there.join(", ")
                ));
            }
            chosen.extend(found);
        }
        if let Some(steps) = self.steps {
            chosen.iter_mut().for_each(|workload| workload.steps = steps);
        }
        let mut workloads = Vec::new();
        for workload in chosen {
            for experts in axis(&self.experts, workload.experts, |_| true) {
                push(&mut workloads, of_experts(&workload, experts));
            }
        }
        Ok(workloads)
    }
}

/// The entries asked for that there are, or the suite's `own`.
fn axis<T: Copy>(asked: &[T], own: T, is_there: impl Fn(&T) -> bool) -> Vec<T> {
    if asked.is_empty() { vec![own] } else { asked.iter().copied().filter(is_there).collect() }
}

/// Adds `item` unless it is there: several of a suite's entries may become one.
fn push<T: PartialEq>(list: &mut Vec<T>, item: T) {
    if !list.contains(&item) {
        list.push(item);
    }
}

/// The workload with another number of frames, which its name tells.
fn renamed(workload: &Workload, frames: usize) -> Workload {
    let own = format!("{}f", workload.frames);
    let name = match workload.name.contains(&own) {
        true => workload.name.replacen(&own, &format!("{frames}f"), 1),
        false => format!("{}-{frames}f", workload.name),
    };
    Workload { name, frames, ..workload.clone() }
}

fn of_experts(workload: &Workload, experts: Experts) -> Workload {
    let plain = workload.name.strip_suffix(workload.experts.suffix()).unwrap_or(&workload.name);
    Workload { name: format!("{plain}{}", experts.suffix()), experts, ..workload.clone() }
}

fn words<T: fmt::Display>(flag: &str, values: &[T]) -> String {
    values.iter().map(|value| format!(" {flag} {value}")).collect()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::Config;

    fn names(suite: &str, axes: &Axes) -> Result<Vec<String>, String> {
        let config = Config::parse(include_str!("../../config.toml"), Path::new("config.toml")).unwrap();
        let cases = axes.cases(&config.suites[suite], &config.backends)?;
        assert!(cases.iter().all(|case| case.reference.is_some()), "{cases:?}");
        Ok(cases.into_iter().map(|case| case.name).collect())
    }

    #[test]
    fn the_founding_usage_picks_one_configuration_and_its_reference() {
        let axes = Axes { frames: vec![41], quants: vec![Quant::Nf4], ..Axes::default() };
        assert_eq!(names("synthetic", &axes).unwrap(), ["torch/41f/none", "mlx/41f/nf4"]);
        assert_eq!(names("production", &axes).unwrap()[..2], ["torch/480p-41f/none", "mlx/480p-41f/nf4"]);
    }

    #[test]
    fn quantizations_and_dtypes_that_the_suite_lacks_are_taken_from_the_backends() {
        let axes = Axes { quants: vec![Quant::Mxfp4], dtypes: vec![DType::Bf16, DType::F16], ..Axes::default() };
        assert_eq!(
            names("smoke", &axes).unwrap(),
            ["torch/5f/none/bf16", "torch/5f/none/f16", "mlx/5f/mxfp4/bf16", "mlx/5f/mxfp4/f16"]
        );
    }

    #[test]
    fn frames_follow_from_a_resolution_and_from_nothing_else() {
        let axes = Axes { frames: vec![17], quants: vec![Quant::None], ..Axes::default() };
        assert_eq!(names("production", &axes).unwrap()[..2], ["torch/480p-17f/none", "mlx/480p-17f/none"]);
        let error = names("synthetic", &axes).unwrap_err();
        assert!(error.contains("has 5, 41 frames, and no resolution"), "{error}");
        let error = names("production", &Axes { frames: vec![18], ..Axes::default() }).unwrap_err();
        assert!(error.contains("--frames 18: 18 frames of 480x832 do not fit"), "{error}");
    }

    #[test]
    fn both_experts_are_two_workloads() {
        let axes = Axes {
            frames: vec![41],
            quants: vec![Quant::None],
            experts: vec![Experts::Both, Experts::Swap],
            ..Axes::default()
        };
        let names = names("production", &axes).unwrap();
        for name in ["torch/480p-41f-both/none", "mlx/480p-41f-swap/none"] {
            assert!(names.contains(&name.to_owned()), "{names:?}");
        }
    }
}
