//! What the types cannot say: names that must exist, entries that must be there once, sizes that must fit.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};

use toml::Spanned;

use super::file::{CasesEntry, File, SuiteEntry, WorkloadEntry};
use super::source_text::SourceText;
use super::thresholds::MOST_LAUNCHES;
use super::{Backend, BuiltIn, Config, ConfigError, OutputDemand, Override, Suite, Thresholds};
use crate::config::{Case, Model, Workload, link_references};
use crate::text::format;
use crate::wan::schedule::Overrides;
use crate::wan::video::VAE_STRIDE;
use crate::wan::{DType, Quant, Spec};

/// A configuration as it is written, on its way to a [`Config`].
pub(super) struct Checker<'a> {
    pub(super) source: SourceText<'a>,
    pub(super) file: &'a File,
}

type Checked<T> = Result<T, ConfigError>;

impl Checker<'_> {
    pub(super) fn check(&self) -> Checked<Config> {
        let folder = match self.source.path.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
            _ => PathBuf::from("."),
        };
        let models = self.models(&folder)?;
        let backends = self.backends()?;
        let mut suites = BTreeMap::new();
        for (name, entry) in &self.file.suites {
            suites.insert(name.clone(), self.suite(name, entry, &models, &backends)?);
        }
        let defaults = &self.file.default_suite;
        let named =
            [("gpu", Some(&defaults.gpu)), ("cpu", Some(&defaults.cpu)), ("checkpoint", defaults.checkpoint.as_ref())];
        for (key, name) in named.into_iter().filter_map(|(key, name)| Some((key, name?))) {
            if !suites.contains_key(name) {
                let table = self.source.text.find("[default_suite]").unwrap_or(0);
                return Err(self.source.error(
                    Some(self.source.key_in(table..table, key)),
                    &format!("default_suite.{key}"),
                    format!("no suite `{name}`"),
                ));
            }
        }
        self.shapes_agree(&suites)?;
        self.gate()?;
        self.overrides(&suites)?;
        self.notify()?;
        Ok(Config {
            default_suite: self.file.default_suite.clone(),
            models,
            backends,
            suites,
            gate: self.file.gate.clone(),
            github: self.file.github.clone(),
            notify: self.file.notify.clone(),
            folder,
        })
    }

    fn notify(&self) -> Checked<()> {
        let Some(fault) = self.file.notify.fault() else { return Ok(()) };
        let table = self.source.text.find("[notify]").unwrap_or(0);
        Err(self.source.error(Some(self.source.key_in(table..table, "webhook_env")), "notify.webhook_env", fault))
    }

    fn models(&self, folder: &Path) -> Checked<BTreeMap<String, Model>> {
        let mut models = BTreeMap::from([("synthetic".to_owned(), Model::Synthetic(Spec::synthetic()))]);
        for (name, entry) in &self.file.models {
            let key = format!("models.{name}");
            for (setting, value, most) in [("shift", entry.shift, 1000.0), ("boundary", entry.boundary, 1.0)] {
                if value.is_some_and(|value| !(value > 0.0 && value <= most)) {
                    let message = format!("is not above 0 and at most {most}");
                    return Err(self.source.error(None, &format!("{key}.{setting}"), message));
                }
            }
            let schedule = Overrides { shift: entry.shift, boundary: entry.boundary };
            let model = Model::Checkpoint { folder: folder.join(&entry.checkpoint), schedule };
            if models.insert(name.clone(), model).is_some() {
                let span = self.source.text.find(&format!("[models.{name}]")).map(|start| start..start);
                return Err(self.source.error(
                    span,
                    &format!("models.{name}"),
                    "is built in: choose another name".to_owned(),
                ));
            }
        }
        Ok(models)
    }

    fn backends(&self) -> Checked<BTreeMap<String, Backend>> {
        let mut backends =
            BTreeMap::from(BuiltIn::ALL.map(|built_in| (built_in.name().to_owned(), built_in.backend())));
        for (name, entry) in &self.file.backends {
            let key = format!("backends.{name}");
            let error = |message: &str| self.source.error(Some(entry.span()), &key, message.to_owned());
            let entry = entry.get_ref();
            if entry.command.first().is_none_or(String::is_empty) {
                return Err(error("command is empty: it needs the program and its arguments"));
            }
            if !is_name(name) {
                return Err(error("the name of a backend may have letters, digits, - and _ only"));
            }
            let built_in = backends.get(name);
            let quants = match &entry.quants {
                Some(quants) => unique(quants).ok_or_else(|| error("quants is empty or has duplicates"))?,
                None => built_in.map_or(BTreeSet::from([Quant::None]), |backend| backend.quants.clone()),
            };
            let dtypes = match &entry.dtypes {
                Some(dtypes) => unique(dtypes).ok_or_else(|| error("dtypes is empty or has duplicates"))?,
                None => built_in.map_or(BTreeSet::from([DType::F32]), |backend| backend.dtypes.clone()),
            };
            let output = match entry.output {
                None => OutputDemand::Expected,
                Some(true) => OutputDemand::Required,
                Some(false) => OutputDemand::Waived,
            };
            backends.insert(name.clone(), Backend { command: Some(entry.command.clone()), quants, dtypes, output });
        }
        Ok(backends)
    }

    fn suite(
        &self,
        name: &str,
        entry: &Spanned<SuiteEntry>,
        models: &BTreeMap<String, Model>,
        backends: &BTreeMap<String, Backend>,
    ) -> Checked<Suite> {
        let key = |rest: &str| format!("suites.{name}{rest}");
        let at_suite =
            |rest: &str, message: &str| self.source.error(Some(entry.span()), &key(rest), message.to_owned());
        let suite = entry.get_ref();
        let Some(model) = models.get(suite.model.get_ref()) else {
            let message = format!("no model `{}`", suite.model.get_ref());
            return Err(self.source.error(Some(suite.model.span()), &key(".model"), message));
        };
        if !backends.contains_key(suite.reference.get_ref()) {
            let message = format!("no backend `{}`", suite.reference.get_ref());
            return Err(self.source.error(Some(suite.reference.span()), &key(".reference"), message));
        }
        if suite.cool_down_seconds > 3_600 {
            let line = self.source.key_in(entry.span(), "cool_down_seconds");
            let message = format!("is {}: at most 3600 is allowed", suite.cool_down_seconds);
            return Err(self.source.error(Some(line), &key(".cool_down_seconds"), message));
        }
        let most_looked_at = self.file.gate.looks.last().copied().unwrap_or(suite.launches);
        let max_launches = suite.max_launches.unwrap_or_else(|| most_looked_at.max(suite.launches));
        if max_launches < suite.launches {
            let line = self.source.key_in(entry.span(), "max_launches");
            let message = format!("is {max_launches}: at least the {} of `launches` are expected", suite.launches);
            return Err(self.source.error(Some(line), &key(".max_launches"), message));
        }
        for (name, count, most) in [
            ("launches", suite.launches as u64, MOST_LAUNCHES as u64),
            ("max_launches", max_launches as u64, MOST_LAUNCHES as u64),
            ("warmup_steps", suite.warmup_steps.into(), 1_000),
            ("launch_timeout_seconds", suite.launch_timeout_seconds, 86_400),
        ] {
            self.within(entry.span(), &key(""), name, count, most)?;
        }
        for (rest, count) in [(".workloads", suite.workloads.len()), (".cases", suite.cases.len())] {
            if count == 0 {
                return Err(at_suite(rest, "is empty"));
            }
        }
        let (mut cases, mut videos) = (Vec::new(), BTreeMap::new());
        for (index, workload) in suite.workloads.iter().enumerate() {
            let video = workload.get_ref().video();
            let workload =
                self.workload(&key(&format!(".workloads[{index}]")), workload, suite.model.get_ref(), model)?;
            videos.extend(video.map(|video| (workload.name.clone(), video)));
            for (index, entry) in suite.cases.iter().enumerate() {
                let key = key(&format!(".cases[{index}]"));
                for case in self.cases(&key, entry, &workload, backends)? {
                    if cases.iter().any(|other: &Case| other.name == case.name) {
                        let message = format!("case `{}` appears twice", case.name);
                        return Err(self.source.error(Some(entry.span()), &key, message));
                    }
                    cases.push(case);
                }
            }
        }
        link_references(&mut cases, suite.reference.get_ref());
        if let Some(alone) = cases.iter().find(|case| case.dtype == DType::F32 && case.reference.is_none()) {
            let message = format!(
                "`{}` has no unquantized f32 case in this suite, so {} would have no speedup",
                suite.reference.get_ref(),
                alone.name
            );
            return Err(self.source.error(Some(suite.reference.span()), &key(".reference"), message));
        }
        Ok(Suite {
            name: name.to_owned(),
            model: suite.model.get_ref().clone(),
            cases,
            videos,
            vae_stride: VAE_STRIDE,
            launches: suite.launches,
            max_launches,
            warmup_steps: suite.warmup_steps,
            launch_timeout_seconds: suite.launch_timeout_seconds,
            side_by_side: suite.side_by_side,
            wake: suite.wake,
            reference: suite.reference.get_ref().clone(),
            canary: suite.canary,
            cool_down_seconds: suite.cool_down_seconds,
            time_limit_minutes: suite.time_limit_minutes,
        })
    }

    fn workload(
        &self,
        key: &str,
        entry: &Spanned<WorkloadEntry>,
        model_name: &str,
        model: &Model,
    ) -> Checked<Workload> {
        let span = entry.span();
        let error =
            |rest: &str, message: String| self.source.error(Some(span.clone()), &format!("{key}{rest}"), message);
        let entry = entry.get_ref();
        for (name, count, most) in [
            ("frames", entry.frames, 100_000),
            ("steps", entry.steps, 10_000),
            ("text_rows", entry.text_rows, 1_000_000),
        ] {
            self.within(span.clone(), key, name, count as u64, most)?;
        }
        let latent = entry.latent_extent().map_err(|message| error("", message))?;
        if let Model::Synthetic(spec) = model {
            spec.grid(latent).map_err(|message| error("", message))?;
            if entry.text_rows > spec.text_len {
                return Err(error(".text_rows", format!("is more than the model's {} rows", spec.text_len)));
            }
            if !entry.experts.is_default() {
                return Err(error(".experts", "the built-in model has only one network".to_owned()));
            }
        }
        let name = match &entry.name {
            Some(name) if !is_name(name) => {
                return Err(error(".name", "may have letters, digits, - and _ only".to_owned()));
            }
            Some(name) => name.clone(),
            None => entry.default_name(),
        };
        Ok(Workload {
            name: name + entry.experts.suffix(),
            model: model_name.to_owned(),
            frames: entry.frames,
            steps: entry.steps,
            latent,
            text_rows: entry.text_rows,
            camera: entry.camera,
            experts: entry.experts,
        })
    }

    fn cases(
        &self,
        key: &str,
        entry: &Spanned<CasesEntry>,
        workload: &Workload,
        backends: &BTreeMap<String, Backend>,
    ) -> Checked<Vec<Case>> {
        let entry = entry.get_ref();
        let name = entry.backend.get_ref();
        let Some(backend) = backends.get(name) else {
            let message = format!("no backend `{name}`; the configuration has {}", join(backends.keys()));
            return Err(self.source.error(Some(entry.backend.span()), &format!("{key}.backend"), message));
        };
        let quants = self.entries(&format!("{key}.quants"), &entry.quants, name, &backend.quants)?;
        let dtypes = match &entry.dtypes {
            Some(dtypes) => self.entries(&format!("{key}.dtypes"), dtypes, name, &backend.dtypes)?,
            None => vec![DType::F32],
        };
        let pairs = dtypes.iter().flat_map(|dtype| quants.iter().map(move |quant| (*quant, *dtype)));
        Ok(pairs.map(|(quant, dtype)| Case::new(name, workload.clone(), quant, dtype)).collect())
    }

    /// A list whose entries the backend has, each once.
    fn entries<T: Copy + Ord + fmt::Display>(
        &self,
        key: &str,
        list: &Spanned<Vec<T>>,
        backend: &str,
        has: &BTreeSet<T>,
    ) -> Checked<Vec<T>> {
        let error = |message: String| Err(self.source.error(Some(list.span()), key, message));
        let values = list.get_ref();
        if values.is_empty() {
            return error("is empty".to_owned());
        }
        if let Some(foreign) = values.iter().find(|value| !has.contains(value)) {
            return error(format!("backend `{backend}` does not support `{foreign}`; it supports {}", join(has)));
        }
        let mut seen = BTreeSet::new();
        if let Some(twice) = values.iter().find(|value| !seen.insert(**value)) {
            return error(format!("`{twice}` appears twice"));
        }
        Ok(values.clone())
    }

    /// A case's name is its identity in the baselines: one name, one shape, whatever the suite.
    fn shapes_agree(&self, suites: &BTreeMap<String, Suite>) -> Checked<()> {
        let mut shapes: BTreeMap<&str, &Workload> = BTreeMap::new();
        let cases = suites.iter().flat_map(|(suite, entry)| entry.cases.iter().map(move |case| (suite, case)));
        for (suite, case) in cases {
            let other = shapes.entry(&case.workload.name).or_insert(&case.workload);
            let same = Workload { steps: other.steps, ..case.workload.clone() } == **other;
            if !same {
                let message = format!(
                    "two workloads with different shapes or models are named `{}`: give one of them another `name`",
                    other.name
                );
                let span = self.file.suites[suite].span();
                return Err(self.source.error(Some(span), &format!("suites.{suite}.workloads"), message));
            }
        }
        Ok(())
    }

    /// A count from 1 to `most`.
    fn within(&self, table: Range<usize>, key: &str, name: &str, count: u64, most: u64) -> Checked<()> {
        if (1..=most).contains(&count) {
            return Ok(());
        }
        let message = format!("is {count}: a number from 1 to {most} is expected");
        Err(self.source.error(Some(self.source.key_in(table, name)), &format!("{key}.{name}"), message))
    }

    fn gate(&self) -> Checked<()> {
        let Some((key, message)) = self.file.gate.fault() else { return Ok(()) };
        let table = self.source.text.find("\n[gate]").unwrap_or(0);
        Err(self.source.error(Some(self.source.key_in(table..table, key)), &format!("gate.{key}"), message))
    }

    fn overrides(&self, suites: &BTreeMap<String, Suite>) -> Checked<()> {
        let cases: Vec<&Case> = suites.values().flat_map(|suite| &suite.cases).collect();
        if self.file.gate.speedup_floor.is_some() && !cases.iter().any(|case| case.has_speedup()) {
            let table = self.source.text.find("\n[gate]").unwrap_or(0);
            let place = self.source.key_in(table..table, "speedup_floor");
            return Err(self.source.error(Some(place), "gate.speedup_floor", "no case has a speedup".to_owned()));
        }
        for (index, own) in self.file.gate.overrides.iter().enumerate() {
            let Some((key, message)) = self.fault_of(own, &cases) else { continue };
            let entry = self.source.entry("[[gate.overrides]]", index);
            let name = format!("gate.overrides[{index}]");
            let (place, name) = match key {
                "" => (entry, name),
                key => (entry.map(|entry| self.source.key_in(entry, key)), format!("{name}.{key}")),
            };
            return Err(self.source.error(place, &name, message));
        }
        Ok(())
    }

    /// The key of an override that cannot be, and what is wrong with it; no key where it is the whole.
    fn fault_of(&self, own: &Override, cases: &[&Case]) -> Option<(&'static str, String)> {
        if own.filter.is_empty() {
            return Some(("filter", "is empty: it takes part of a case's name, as --filter does".to_owned()));
        }
        let Some(case) = cases.iter().find(|case| own.is_about(&case.name)) else {
            let names: Vec<&str> = cases.iter().map(|case| case.name.as_str()).collect();
            let message = format!("no case has `{}` in its name; there are {}", own.filter, format::some_names(&names));
            return Some(("filter", message));
        };
        if own.is_empty() {
            return Some(("", "sets nothing: give it a tolerance or a ceiling".to_owned()));
        }
        if own.speedup_floor.is_some() && !cases.iter().any(|case| own.is_about(&case.name) && case.has_speedup()) {
            return Some(("speedup_floor", "none of its cases has a speedup".to_owned()));
        }
        // Everything of [gate] itself is checked.
        Thresholds { overrides: vec![own.clone()], ..self.file.gate.clone() }.of_case(&case.name).fault()
    }
}

/// The values as a set; `None` if there is none or one is there twice.
fn unique<T: Copy + Ord>(values: &[T]) -> Option<BTreeSet<T>> {
    let set: BTreeSet<T> = values.iter().copied().collect();
    (!set.is_empty() && set.len() == values.len()).then_some(set)
}

/// Whether `name` can stand in a case's name.
fn is_name(name: &str) -> bool {
    !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_')
}

fn join<T: fmt::Display>(values: impl IntoIterator<Item = T>) -> String {
    values.into_iter().map(|value| value.to_string()).collect::<Vec<_>>().join(", ")
}
