//! config.toml: strict reading into suites, models, backends and gates. Every error names file, line and key.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::num::NonZero;
use std::ops::Range;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use toml::Spanned;

use crate::gate::Gate;
use crate::matrix::{Case, Model, Workload, link_references};
use crate::wan::{DType, Quant, Spec};

/// A checked configuration.
#[derive(Clone, Debug)]
pub struct Config {
    /// Suite for a machine with a GPU, and for one without.
    pub default_suite: DefaultSuite,
    /// Models by name; `synthetic` is always there.
    pub models: BTreeMap<String, Model>,
    /// Backends by name; `mlx` and `torch` are always there.
    pub backends: BTreeMap<String, Backend>,
    /// Suites by name.
    pub suites: BTreeMap<String, Suite>,
    /// Tolerances.
    pub gate: Gate,
    /// The configuration's folder: backends of the user's own run there.
    pub folder: PathBuf,
}

/// Which suite runs when none is named.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DefaultSuite {
    /// Where a GPU is present.
    pub gpu: String,
    /// Elsewhere.
    pub cpu: String,
}

/// A worker program and what it can run.
#[derive(Clone, Debug)]
pub struct Backend {
    /// Program and arguments; `None` for a built-in worker that stands beside the tool.
    pub command: Option<Vec<String>>,
    /// Quantizations it has.
    pub quants: BTreeSet<Quant>,
    /// Arithmetics it has.
    pub dtypes: BTreeSet<DType>,
}

/// A matrix and how it is measured.
#[derive(Clone, Debug)]
pub struct Suite {
    /// Its name.
    pub name: String,
    /// The cases, workload by workload.
    pub cases: Vec<Case>,
    /// Fresh processes per case.
    pub launches: usize,
    /// Untimed forward passes per launch.
    pub warmup_steps: u32,
    /// Longest a launch may be waited for, in seconds.
    pub launch_timeout_seconds: u64,
    /// Whether the processes of a block live at the same time and take turns.
    pub side_by_side: bool,
    /// The backend that speedups are over.
    pub reference: String,
    /// Whether a canary on the reference's backend tells before each block whether the machine is as it was.
    pub canary: bool,
    /// Pause between blocks, in seconds.
    pub cool_down_seconds: u32,
    /// Longest a run may take, if it is bound.
    pub time_limit_minutes: Option<NonZero<u32>>,
}

/// What is wrong with a configuration, and where.
#[derive(Debug, thiserror::Error)]
pub struct ConfigError {
    path: PathBuf,
    line: Option<usize>,
    key: String,
    message: String,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.path.display())?;
        if let Some(line) = self.line {
            write!(f, ":{line}")?;
        }
        if !self.key.is_empty() && self.key != "." {
            write!(f, ": {}", self.key)?;
        }
        write!(f, ": {}", self.message)
    }
}

impl Config {
    /// Reads and checks a configuration.
    pub fn open(path: &Path) -> Result<Self, ConfigError> {
        let text = std::fs::read_to_string(path).map_err(|error| ConfigError {
            path: path.to_owned(),
            line: None,
            key: String::new(),
            message: format!("cannot be read: {error}; name a configuration with --config"),
        })?;
        Self::parse(&text, path)
    }

    /// Checks the text of a configuration; `path` is for messages and for what is relative to it.
    pub fn parse(text: &str, path: &Path) -> Result<Self, ConfigError> {
        let place = Place { path, text };
        let deserializer = toml::Deserializer::parse(text).map_err(|error| place.syntax("", &error))?;
        let file: File = serde_path_to_error::deserialize(deserializer)
            // A spanned value reads as a struct of toml's own, whose field is no key of the user's.
            .map_err(|error| {
                place.syntax(&error.path().to_string().replace(".$__serde_spanned_private_value", ""), error.inner())
            })?;
        Checker { place, file: &file }.check()
    }

    /// The suite `name`, or the default one.
    pub fn suite(&self, name: Option<&str>, has_gpu: bool) -> Result<&Suite, String> {
        let default = if has_gpu { &self.default_suite.gpu } else { &self.default_suite.cpu };
        let name = name.unwrap_or(default);
        self.suites.get(name).ok_or_else(|| {
            format!("no suite `{name}`; there are {}", self.suites.keys().cloned().collect::<Vec<_>>().join(", "))
        })
    }

    /// The names of all cases of all suites.
    pub fn known_cases(&self) -> BTreeSet<String> {
        self.suites.values().flat_map(|suite| &suite.cases).map(|case| case.name.clone()).collect()
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    default_suite: DefaultSuite,
    #[serde(default)]
    models: BTreeMap<String, ModelEntry>,
    #[serde(default)]
    backends: BTreeMap<String, Spanned<BackendEntry>>,
    suites: BTreeMap<String, Spanned<SuiteEntry>>,
    #[serde(default)]
    gate: Gate,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ModelEntry {
    checkpoint: PathBuf,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct BackendEntry {
    command: Vec<String>,
    quants: Option<Vec<Quant>>,
    dtypes: Option<Vec<DType>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SuiteEntry {
    model: Spanned<String>,
    reference: Spanned<String>,
    launches: usize,
    warmup_steps: u32,
    #[serde(default = "ten_minutes")]
    launch_timeout_seconds: u64,
    #[serde(default = "yes")]
    side_by_side: bool,
    #[serde(default = "yes")]
    canary: bool,
    #[serde(default)]
    cool_down_seconds: u32,
    time_limit_minutes: Option<NonZero<u32>>,
    workloads: Vec<Spanned<WorkloadEntry>>,
    cases: Vec<Spanned<CasesEntry>>,
}

fn ten_minutes() -> u64 {
    600
}

fn yes() -> bool {
    true
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WorkloadEntry {
    name: Option<String>,
    frames: usize,
    steps: usize,
    latent: Option<[usize; 3]>,
    resolution: Option<[usize; 2]>,
    #[serde(default)]
    vae_stride: Option<[usize; 3]>,
    #[serde(default = "hundred_rows")]
    text_rows: usize,
    #[serde(default)]
    camera: bool,
}

fn hundred_rows() -> usize {
    100
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CasesEntry {
    backend: Spanned<String>,
    quants: Spanned<Vec<Quant>>,
    dtypes: Option<Spanned<Vec<DType>>>,
}

/// The text that spans point into.
#[derive(Clone, Copy)]
struct Place<'a> {
    path: &'a Path,
    text: &'a str,
}

impl Place<'_> {
    /// Where `key` is set in the table that begins at `table`; the table itself where it is not.
    ///
    /// A span of a whole table says where its header is; a wrong number is better shown on its own line.
    fn key_in(&self, table: Range<usize>, key: &str) -> Range<usize> {
        let mut start = table.start;
        for line in self.text[table.start..].split_inclusive('\n') {
            let is_key = line.trim_start().strip_prefix(key).is_some_and(|rest| rest.trim_start().starts_with('='));
            if is_key {
                return start..start;
            }
            start += line.len();
        }
        table
    }

    fn error(&self, span: Option<Range<usize>>, key: &str, message: String) -> ConfigError {
        let line = span.map(|span| 1 + self.text[..span.start.min(self.text.len())].matches('\n').count());
        ConfigError { path: self.path.to_owned(), line, key: key.to_owned(), message }
    }

    fn syntax(&self, key: &str, error: &toml::de::Error) -> ConfigError {
        self.error(error.span(), key, error.message().to_owned())
    }
}

/// What the types cannot say: names that must exist, entries that must be there once, sizes that must fit.
struct Checker<'a> {
    place: Place<'a>,
    file: &'a File,
}

type Checked<T> = Result<T, ConfigError>;

impl Checker<'_> {
    fn check(&self) -> Checked<Config> {
        let folder = match self.place.path.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
            _ => PathBuf::from("."),
        };
        let models = self.models(&folder)?;
        let backends = self.backends()?;
        let mut suites = BTreeMap::new();
        for (name, entry) in &self.file.suites {
            suites.insert(name.clone(), self.suite(name, entry, &models, &backends)?);
        }
        for (key, name) in [("gpu", &self.file.default_suite.gpu), ("cpu", &self.file.default_suite.cpu)] {
            if !suites.contains_key(name) {
                let table = self.place.text.find("[default_suite]").unwrap_or(0);
                return Err(self.place.error(
                    Some(self.place.key_in(table..table, key)),
                    &format!("default_suite.{key}"),
                    format!("no suite `{name}`"),
                ));
            }
        }
        self.shapes_agree(&suites)?;
        self.gate()?;
        Ok(Config {
            default_suite: self.file.default_suite.clone(),
            models,
            backends,
            suites,
            gate: self.file.gate.clone(),
            folder,
        })
    }

    fn models(&self, folder: &Path) -> Checked<BTreeMap<String, Model>> {
        let mut models = BTreeMap::from([("synthetic".to_owned(), Model::Synthetic(Spec::synthetic()))]);
        for (name, entry) in &self.file.models {
            let model = Model::Checkpoint(folder.join(&entry.checkpoint));
            if models.insert(name.clone(), model).is_some() {
                let span = self.place.text.find(&format!("[models.{name}]")).map(|start| start..start);
                return Err(self.place.error(
                    span,
                    &format!("models.{name}"),
                    "is built in: choose another name".to_owned(),
                ));
            }
        }
        Ok(models)
    }

    fn backends(&self) -> Checked<BTreeMap<String, Backend>> {
        let dtypes = BTreeSet::from(DType::ALL);
        let mut backends = BTreeMap::from([
            ("mlx".to_owned(), Backend { command: None, quants: BTreeSet::from(Quant::ALL), dtypes: dtypes.clone() }),
            ("torch".to_owned(), Backend { command: None, quants: BTreeSet::from([Quant::None]), dtypes }),
        ]);
        for (name, entry) in &self.file.backends {
            let key = format!("backends.{name}");
            let error = |message: &str| self.place.error(Some(entry.span()), &key, message.to_owned());
            let entry = entry.get_ref();
            if entry.command.first().is_none_or(String::is_empty) {
                return Err(error("command is empty: give the program and its arguments"));
            }
            if !is_name(name) {
                return Err(error("a backend's name is of letters, digits, - and _"));
            }
            let built_in = backends.get(name);
            let quants = match &entry.quants {
                Some(quants) => unique(quants).ok_or_else(|| error("quants is empty or names one twice"))?,
                None => built_in.map_or(BTreeSet::from([Quant::None]), |backend| backend.quants.clone()),
            };
            let dtypes = match &entry.dtypes {
                Some(dtypes) => unique(dtypes).ok_or_else(|| error("dtypes is empty or names one twice"))?,
                None => built_in.map_or(BTreeSet::from([DType::F32]), |backend| backend.dtypes.clone()),
            };
            backends.insert(name.clone(), Backend { command: Some(entry.command.clone()), quants, dtypes });
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
        let at_suite = |rest: &str, message: &str| self.place.error(Some(entry.span()), &key(rest), message.to_owned());
        let suite = entry.get_ref();
        let Some(model) = models.get(suite.model.get_ref()) else {
            let message = format!("no model `{}`", suite.model.get_ref());
            return Err(self.place.error(Some(suite.model.span()), &key(".model"), message));
        };
        if !backends.contains_key(suite.reference.get_ref()) {
            let message = format!("no backend `{}`", suite.reference.get_ref());
            return Err(self.place.error(Some(suite.reference.span()), &key(".reference"), message));
        }
        if suite.cool_down_seconds > 3_600 {
            let line = self.place.key_in(entry.span(), "cool_down_seconds");
            let message = format!("{} is not in 0..=3600", suite.cool_down_seconds);
            return Err(self.place.error(Some(line), &key(".cool_down_seconds"), message));
        }
        for (name, count, most) in [
            ("launches", suite.launches as u64, 1_000),
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
        let mut cases = Vec::new();
        for (index, workload) in suite.workloads.iter().enumerate() {
            let workload =
                self.workload(&key(&format!(".workloads[{index}]")), workload, suite.model.get_ref(), model)?;
            for (index, entry) in suite.cases.iter().enumerate() {
                let key = key(&format!(".cases[{index}]"));
                for case in self.cases(&key, entry, &workload, backends)? {
                    if cases.iter().any(|other: &Case| other.name == case.name) {
                        let message = format!("case `{}` is there twice", case.name);
                        return Err(self.place.error(Some(entry.span()), &key, message));
                    }
                    cases.push(case);
                }
            }
        }
        link_references(&mut cases, suite.reference.get_ref());
        if let Some(alone) = cases.iter().find(|case| case.dtype == DType::F32 && case.reference.is_none()) {
            let message = format!(
                "`{}` has no unquantized f32 case in this suite, so that {} would have no speedup",
                suite.reference.get_ref(),
                alone.name
            );
            return Err(self.place.error(Some(suite.reference.span()), &key(".reference"), message));
        }
        Ok(Suite {
            name: name.to_owned(),
            cases,
            launches: suite.launches,
            warmup_steps: suite.warmup_steps,
            launch_timeout_seconds: suite.launch_timeout_seconds,
            side_by_side: suite.side_by_side,
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
            |rest: &str, message: String| self.place.error(Some(span.clone()), &format!("{key}{rest}"), message);
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
        }
        let name = match &entry.name {
            Some(name) if !is_name(name) => {
                return Err(error(".name", "is of letters, digits, - and _".to_owned()));
            }
            Some(name) => name.clone(),
            None => format!("{}f", entry.frames),
        };
        Ok(Workload {
            name,
            model: model_name.to_owned(),
            frames: entry.frames,
            steps: entry.steps,
            latent,
            text_rows: entry.text_rows,
            camera: entry.camera,
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
            let message = format!("no backend `{name}`; there are {}", join(backends.keys()));
            return Err(self.place.error(Some(entry.backend.span()), &format!("{key}.backend"), message));
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
        let error = |message: String| Err(self.place.error(Some(list.span()), key, message));
        let values = list.get_ref();
        if values.is_empty() {
            return error("is empty".to_owned());
        }
        if let Some(foreign) = values.iter().find(|value| !has.contains(value)) {
            return error(format!("backend `{backend}` has no `{foreign}`; it has {}", join(has)));
        }
        let mut seen = BTreeSet::new();
        if let Some(twice) = values.iter().find(|value| !seen.insert(**value)) {
            return error(format!("`{twice}` is there twice"));
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
                    "two workloads of other shapes or models are named `{}`: give one of them another `name`",
                    other.name
                );
                let span = self.file.suites[suite].span();
                return Err(self.place.error(Some(span), &format!("suites.{suite}.workloads"), message));
            }
        }
        Ok(())
    }

    /// A count from 1 to `most`.
    fn within(&self, table: Range<usize>, key: &str, name: &str, count: u64, most: u64) -> Checked<()> {
        if (1..=most).contains(&count) {
            return Ok(());
        }
        let message = format!("is {count}, which is not from 1 to {most}");
        Err(self.place.error(Some(self.place.key_in(table, name)), &format!("{key}.{name}"), message))
    }

    fn gate(&self) -> Checked<()> {
        let Some((key, message)) = self.file.gate.fault() else { return Ok(()) };
        let table = self.place.text.find("\n[gate]").unwrap_or(0);
        Err(self.place.error(Some(self.place.key_in(table..table, key)), &format!("gate.{key}"), message))
    }
}

impl WorkloadEntry {
    /// The latent as given, or from the pixels through the VAE: frames (n − 1)/stride + 1, height and width / stride.
    fn latent_extent(&self) -> Result<[usize; 3], String> {
        let latent = self.unbounded_latent()?;
        // One channel of 2³¹ positions takes 8 GiB: whoever writes more has mistyped.
        let positions = latent.iter().try_fold(1usize, |product, extent| product.checked_mul(*extent));
        match positions {
            Some(positions) if positions < 1 << 31 => Ok(latent),
            _ => Err(format!("latent {latent:?} is too large")),
        }
    }

    fn unbounded_latent(&self) -> Result<[usize; 3], String> {
        match (self.latent, self.resolution) {
            (Some(latent), None) if self.vae_stride.is_none() => Ok(latent),
            (None, Some([height, width])) => {
                let [time, vertical, horizontal] = self.vae_stride.unwrap_or([4, 8, 8]);
                if time == 0 || vertical == 0 || horizontal == 0 {
                    return Err("vae_stride holds a 0".to_owned());
                }
                let multiples = [(self.frames - 1, time), (height, vertical), (width, horizontal)];
                if multiples.iter().any(|(size, stride)| !size.is_multiple_of(*stride)) {
                    return Err(format!(
                        "{} frames of {height}x{width} do not fit a VAE stride of [{time}, {vertical}, {horizontal}]: \
                         frames - 1, height and width must be multiples of it",
                        self.frames
                    ));
                }
                Ok([(self.frames - 1) / time + 1, height / vertical, width / horizontal])
            }
            _ => Err("give either latent = [frames, height, width], or resolution = [height, width] \
                      (with vae_stride = [time, height, width] if it is not [4, 8, 8])"
                .to_owned()),
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    const SHIPPED: &str = include_str!("../config.toml");

    fn parse(text: &str) -> Result<Config, String> {
        Config::parse(text, Path::new("config.toml")).map_err(|error| error.to_string())
    }

    fn names(suite: &str) -> Vec<String> {
        parse(SHIPPED).unwrap().suites[suite].cases.iter().map(|case| case.name.clone()).collect()
    }

    #[test]
    fn the_shipped_suites_are_the_seeds_its_half_and_everything() {
        let smoke = ["torch/5f/none", "mlx/5f/none", "mlx/5f/int8", "mlx/5f/nf4"];
        let seed: Vec<String> =
            smoke.iter().map(|name| (*name).to_owned()).chain(smoke.map(|name| name.replace("5f", "41f"))).collect();
        assert_eq!(names("smoke"), smoke);
        assert_eq!(names("synthetic"), seed);
        assert_eq!(names("wide").len(), 3 * (3 + 6 * 3));
        let config = parse(SHIPPED).unwrap();
        assert_eq!(config.gate, Gate::default());
        assert_eq!(config.suite(None, true).unwrap().name, "synthetic");
        assert_eq!(config.suite(None, false).unwrap().name, "smoke");
        assert!(config.suite(Some("x"), false).unwrap_err().contains("smoke, synthetic, wide"));
    }

    #[test]
    fn a_resolution_gives_the_latent_by_the_vaes_arithmetic() {
        let text = SHIPPED.replace("latent = [12, 30, 52]", "resolution = [480, 832]").replace("41", "33");
        let config = parse(&text).unwrap();
        assert_eq!(config.suites["synthetic"].cases[4].workload.latent, [9, 60, 104]);
        let error = parse(&text.replace("33", "34")).unwrap_err();
        assert!(error.contains("do not fit a VAE stride"), "{error}");
    }

    /// Every fault is named with file, line and key.
    #[test]
    fn faults_are_named_with_file_line_and_key() {
        let line = |needle: &str| 1 + SHIPPED.lines().position(|line| line.starts_with(needle)).unwrap();
        let workload = line("[[suites.synthetic.workloads]]");
        let cases = line("[[suites.synthetic.cases]]");
        for (old, new, expected) in [
            (
                "frames = 5",
                "frame = 5",
                format!("config.toml:{}: suites.synthetic.workloads[0].frame: unknown field `frame`", workload + 1),
            ),
            (
                "frames = 5",
                "frames = \"5\"",
                format!(
                    "config.toml:{}: suites.synthetic.workloads[0].frames: invalid type: string \"5\"",
                    workload + 1
                ),
            ),
            (
                "frames = 5",
                "frames = 0",
                format!("config.toml:{}: suites.synthetic.workloads[0].frames: is 0, which", workload + 1),
            ),
            (
                "[4, 16, 32]",
                "[4, 15, 32]",
                format!("config.toml:{workload}: suites.synthetic.workloads[0]: latent [4, 15, 32]"),
            ),
            (
                "quants = [\"none\"]",
                "quants = []",
                format!("config.toml:{}: suites.synthetic.cases[0].quants: is empty", cases + 2),
            ),
            (
                "quants = [\"none\"]",
                "quants = [\"none\", \"none\"]",
                format!("config.toml:{}: suites.synthetic.cases[0].quants: `none` is there twice", cases + 2),
            ),
            (
                "quants = [\"none\"]",
                "quants = [\"int8\"]",
                format!(
                    "config.toml:{}: suites.synthetic.cases[0].quants: backend `torch` has no `int8`; it has none",
                    cases + 2
                ),
            ),
            (
                "quants = [\"none\"]",
                "quants = [\"int7\"]",
                format!("config.toml:{}: suites.synthetic.cases[0].quants[0]: unknown variant `int7`", cases + 2),
            ),
            (
                "backend = \"torch\"",
                "backend = \"jax\"",
                format!("config.toml:{}: suites.synthetic.cases[0].backend: no backend `jax`", cases + 1),
            ),
            (
                "backend = \"torch\"\nquants = [\"none\"]",
                "backend = \"mlx\"\nquants = [\"int8\"]",
                "case `mlx/5f/int8` is there twice".to_owned(),
            ),
            (
                "gpu = \"synthetic\"",
                "gpu = \"seed\"",
                format!("config.toml:{}: default_suite.gpu: no suite `seed`", line("gpu =")),
            ),
            (
                "speedup_tolerance_percent = 5.0",
                "speedup_tolerance_percent = -1.0",
                format!("config.toml:{}: gate.speedup_tolerance_percent: -1 is not", line("speedup_tolerance")),
            ),
            (
                "launches = 10 ",
                "launches = 0 ",
                format!("config.toml:{}: suites.synthetic.launches: is 0", line("launches = 10")),
            ),
            (
                "launches = 10 ",
                "launches = 5000000000000 ",
                "suites.synthetic.launches: is 5000000000000, which is not from 1 to 1000".to_owned(),
            ),
            ("[12, 30, 52]", "[12, 30000000000, 52000000000]", "is too large".to_owned()),
            ("[gate]", "[gate", format!("config.toml:{}: ", line("[gate]"))),
        ] {
            let text = SHIPPED.replacen(old, new, 1);
            assert_ne!(text, SHIPPED, "{old}");
            let error = parse(&text).unwrap_err();
            assert!(error.contains(&expected), "{error}\n{expected}");
        }
    }

    #[test]
    fn one_name_means_one_shape() {
        let error = parse(&SHIPPED.replacen("latent = [4, 16, 32]", "latent = [2, 16, 32]", 1)).unwrap_err();
        assert!(error.contains("named `5f`"), "{error}");
    }

    #[test]
    fn a_backend_of_ones_own_needs_a_command() {
        let own = |entry: &str| parse(&format!("{SHIPPED}\n[backends.own]\n{entry}"));
        let config = own("command = [\"python3\", \"worker.py\"]\nquants = [\"none\", \"int8\"]").unwrap();
        assert_eq!(config.backends["own"].quants.len(), 2);
        assert!(own("command = []").unwrap_err().contains("backends.own: command is empty"));
        assert!(own("command = [\"x\"]\nquants = []").unwrap_err().contains("quants is empty"));
    }
}
