//! The command line: clap types without logic.

use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use clap::{Args, Parser, Subcommand, ValueEnum};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use secrecy::SecretString;
use wanbench::config;
use wanbench::protocol::DeviceChoice;
use wanbench::report::Flags;
use wanbench::wan::{DType, Quant};

/// Catches performance and memory regressions of the Wan transformer on MLX and PyTorch
///
/// Exit status: 0 passed, 1 the gate failed, 2 usage or configuration error, 3 something asked for could not be measured,
/// judged, saved or posted.
#[derive(Debug, Parser)]
#[command(name = "wanbench", version, propagate_version = true)]
pub struct Cli {
    #[command(subcommand)]
    pub command: Command,
    #[command(flatten)]
    pub output: Output,
}

#[derive(Debug, Subcommand)]
#[expect(clippy::large_enum_variant, reason = "one is parsed, once")]
pub enum Command {
    /// Measure a suite and judge it against the committed baselines
    Check(Check),
    /// Measure a suite and save the results
    Run(Measure),
    /// Show the memory and time that a suite will take, without running it
    Plan(Plan),
    /// Show where the time of one case's step goes
    Profile(Profile),
    /// Quantize a checkpoint's weights once and save them for later runs
    Quantize(Quantize),
    /// Compare the outputs of the backends with a golden case, or with each other
    Parity(Parity),
    /// Record, show and compare baselines
    #[command(subcommand)]
    Baseline(Baseline),
    /// Show how the figures developed over all recorded runs; record runs
    History(History),
    /// Judge saved results against earlier results of the same machine, or show two machines or versions side by side
    Compare(Compare),
    /// Render saved results
    Report(Report),
    /// Post saved results on the pull request, as one comment that is updated in place
    Comment(Comment),
    /// Validate the results artifact of a pull request's job before any of it is posted
    ValidateArtifact(ValidateArtifact),
    /// Measure this machine's noise and propose tolerances that it supports
    Calibrate(Calibrate),
    /// Write a configuration, a worker and GitHub workflows to begin with; existing files are kept
    Init(Init),
    /// Check this machine and its backends for what would spoil a measurement
    Doctor(Doctor),
    /// End the workers of a wanbench that was killed; started by wanbench itself
    #[command(name = GUARD, hide = true)]
    Guard(Guard),
}

/// The subcommand that [`wanbench::children`] starts.
pub const GUARD: &str = "guard";

/// How things are printed.
#[derive(Clone, Copy, Debug, Args)]
#[command(next_help_heading = "Output")]
pub struct Output {
    /// Print results only
    #[arg(long, short, global = true, conflicts_with = "verbose")]
    pub quiet: bool,
    /// Print a line for every launch, with its phases
    #[arg(long, short, global = true)]
    pub verbose: bool,
    /// Do not draw live progress
    #[arg(long, global = true)]
    pub no_progress: bool,
    /// When to use colour; colour never carries information alone
    #[arg(long, global = true, value_enum, default_value_t = Color::Auto)]
    pub color: Color,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum Color {
    /// On a terminal, unless NO_COLOR is set
    Auto,
    Always,
    Never,
}

/// The configuration if none is named, looked for once: many commands have the flag.
fn found() -> PathBuf {
    static FOUND: LazyLock<PathBuf> = LazyLock::new(|| config::find(Path::new(".")));
    FOUND.clone()
}

/// Where configuration and baselines are.
#[derive(Clone, Debug, Args)]
pub struct Sources {
    /// The configuration file [default: wanbench.toml or config.toml, here or in a folder above]
    #[arg(long, value_name = "FILE", default_value_os_t = found(), hide_default_value = true)]
    pub config: PathBuf,
    /// Folder of the committed baselines [default: `baselines` beside the configuration]
    #[arg(long = "baselines", value_name = "DIR")]
    pub baselines_given: Option<PathBuf>,
}

impl Sources {
    /// The folder of the baselines.
    pub fn baselines(&self) -> PathBuf {
        let beside = self.config.parent().unwrap_or(Path::new("")).join("baselines");
        self.baselines_given.clone().unwrap_or(beside)
    }

    /// The configuration's flag again, where it is not the default.
    pub fn config_flags(&self) -> Vec<String> {
        let mut words = Words::default();
        let is_default = self.config == found();
        words.optional("--config", (!is_default).then(|| self.config.display()));
        words.0
    }

    /// The baselines' flag again, where it was given.
    pub fn baselines_flags(&self) -> Vec<String> {
        let mut words = Words::default();
        words.optional("--baselines", self.baselines_given.as_ref().map(|folder| folder.display()));
        words.0
    }
}

/// Which cases, on which device.
#[derive(Clone, Debug, Args)]
pub struct Selection {
    /// The suite [default: the configuration's default_suite for a GPU or a CPU]
    #[arg(long, value_name = "NAME")]
    pub suite: Option<String>,
    /// Only cases whose name contains TEXT, such as mlx/41f/int8, and their references; may be repeated
    #[arg(long, value_name = "TEXT")]
    pub filter: Vec<String>,
    /// Only this backend's cases; may be repeated
    #[arg(long, value_name = "NAME")]
    pub backend: Vec<String>,
    /// The device to run on
    #[arg(long, value_enum, default_value_t = DeviceChoice::Auto)]
    pub device: DeviceChoice,
    /// Checkpoint of the suite's model: a download with low_noise_model and high_noise_model, or one network's folder
    /// [default: the configuration's]
    #[arg(long, alias = "ckpt_dir", value_name = "DIR")]
    pub ckpt_dir: Option<PathBuf>,
    /// Seed for weights, inputs and launch order
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub seed: u64,
}

/// How many launches, and how long.
#[derive(Clone, Debug, Args)]
pub struct Effort {
    /// Fresh processes per case [default: the suite's]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub launches: Option<u16>,
    /// Pause between blocks of launches, to cool down [default: the suite's]
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u32).range(..=3600))]
    pub cool_down: Option<u32>,
    /// Stop measuring after this time and judge what there is [default: the suite's]
    #[arg(long, value_name = "MINUTES")]
    pub time_limit: Option<NonZero<u32>>,
    #[command(flatten)]
    pub loading: LoadingArgs,
}

/// What is done where another run holds the machine.
#[derive(Clone, Copy, Debug, Args)]
pub struct Alone {
    /// Wait until other runs on this machine have finished, instead of refusing
    #[arg(long)]
    pub wait: bool,
}

/// How weights are loaded.
#[derive(Clone, Debug, Args)]
pub struct LoadingArgs {
    /// Memory that a case may use; cases that need more are skipped [default: the device's free memory]
    #[arg(long, value_name = "GIB")]
    pub memory: Option<NonZero<u32>>,
    /// Quantize from the checkpoint, even if `wanbench quantize` saved the result
    #[arg(long)]
    pub no_cache: bool,
}

/// Cases that are planned or profiled, not measured.
#[derive(Clone, Debug, Args)]
pub struct Asked {
    /// The configuration file [default: wanbench.toml or config.toml, here or in a folder above]
    #[arg(long, value_name = "FILE", default_value_os_t = found(), hide_default_value = true)]
    pub config: PathBuf,
    #[command(flatten)]
    pub selection: Selection,
    #[command(flatten)]
    pub axes: AxesArgs,
    #[command(flatten)]
    pub loading: LoadingArgs,
    #[command(flatten)]
    pub alone: Alone,
}

/// What replaces the suite's own entries.
#[derive(Clone, Debug, Default, Args)]
pub struct AxesArgs {
    /// Video frames: the suite's workloads of N frames, or its resolution with N frames; may be repeated
    #[arg(long, value_name = "N")]
    pub frames: Vec<usize>,
    /// Timed steps per launch
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub steps: Option<u16>,
    /// Weight quantization, in addition to the unquantized reference; may be repeated
    #[arg(long, value_enum, value_name = "QUANT")]
    pub quant: Vec<Quant>,
    /// Arithmetic; may be repeated
    #[arg(long, value_enum, value_name = "DTYPE")]
    pub dtype: Vec<DType>,
    /// Network of a checkpoint that has two; `both` measures whole denoising runs that switch from high to low noise, with
    /// both networks in memory and with one at a time
    #[arg(long, value_enum, value_name = "EXPERT")]
    pub expert: Option<ExpertChoice>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ExpertChoice {
    Low,
    High,
    Both,
}

#[derive(Clone, Debug, Args)]
pub struct Measure {
    #[command(flatten)]
    pub sources: Sources,
    #[command(flatten)]
    pub selection: Selection,
    #[command(flatten)]
    pub axes: AxesArgs,
    #[command(flatten)]
    pub effort: Effort,
    #[command(flatten)]
    pub alone: Alone,
    /// Where to save the results
    #[arg(long, value_name = "FILE", default_value = "results.json")]
    pub json: PathBuf,
    /// Also save the report as Markdown
    #[arg(long, value_name = "FILE")]
    pub markdown: Option<PathBuf>,
    /// List the cases without measuring
    #[arg(long)]
    pub list: bool,
}

impl Measure {
    /// The flags that measure the same again.
    pub fn flags(&self) -> Flags {
        let [mut flags, mut selection, mut axes] = [const { Words(Vec::new()) }; 3];
        let Selection { suite: _, filter, backend, device, ckpt_dir, seed } = &self.selection;
        selection.each("--filter", filter);
        selection.each("--backend", backend);
        flags.other_than("--device", device, &DeviceChoice::default());
        flags.optional("--ckpt-dir", ckpt_dir.as_ref().map(|folder| folder.display()));
        flags.optional("--seed", (*seed != 0).then_some(seed));
        let AxesArgs { frames, steps, quant, dtype, expert } = &self.axes;
        axes.each("--frames", frames);
        axes.optional("--steps", *steps);
        axes.each("--quant", quant);
        axes.each("--dtype", dtype);
        axes.optional("--expert", expert.map(|expert| value_name(&expert)));
        let Effort { cool_down, time_limit, loading, launches: _ } = &self.effort;
        flags.optional("--cool-down", *cool_down);
        flags.optional("--time-limit", *time_limit);
        flags.optional("--memory", loading.memory);
        flags.0.extend(loading.no_cache.then(|| "--no-cache".to_owned()));
        Flags { measure: flags.0, selection: selection.0, axes: axes.0, check: Vec::new() }
    }

    /// Whether flags leave some of the suite's cases out, or put others in their place.
    pub fn is_selection(&self) -> bool {
        let Flags { selection, axes, .. } = self.flags();
        !selection.is_empty() || !axes.is_empty()
    }
}

impl Check {
    /// The flags that check the same again.
    pub fn flags(&self) -> Flags {
        let mut flags = Words::default();
        flags.optional("--base", self.base.base.as_deref());
        flags.optional("--base-workers", self.base.base_workers.as_ref().map(|folder| folder.display()));
        for (flag, is_given) in [
            ("--require-baseline", self.require_baseline),
            ("--no-profile", self.base.no_profile),
            ("--strict", self.strict),
            ("--allow-inconclusive", self.allow_inconclusive),
        ] {
            flags.0.extend(is_given.then(|| flag.to_owned()));
        }
        Flags { check: flags.0, ..self.measure.flags() }
    }
}

/// Words of a command line.
#[derive(Default)]
struct Words(Vec<String>);

impl Words {
    fn optional(&mut self, flag: &str, value: Option<impl ToString>) {
        self.0.extend(value.into_iter().flat_map(|value| [flag.to_owned(), value.to_string()]));
    }

    fn each(&mut self, flag: &str, values: &[impl ToString]) {
        self.0.extend(values.iter().flat_map(|value| [flag.to_owned(), value.to_string()]));
    }

    fn other_than<T: ValueEnum + PartialEq>(&mut self, flag: &str, value: &T, default: &T) {
        self.optional(flag, (value != default).then(|| value_name(value)));
    }
}

/// A value as the command line writes it.
fn value_name(value: &impl ValueEnum) -> String {
    value.to_possible_value().map_or_else(String::new, |value| value.get_name().to_owned())
}

#[derive(Debug, Args)]
pub struct Plan {
    #[command(flatten)]
    pub asked: Asked,
    /// Fresh processes per case [default: the suite's]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub launches: Option<u16>,
    /// Standard deviation of a block's log-ratio in percent, as `wanbench calibrate` reports it [default: 3, or 7 where
    /// processes run one after the other]
    #[arg(long, value_name = "PERCENT", value_parser = percent)]
    pub noise: Option<f64>,
    /// Output format
    #[arg(long, value_enum, default_value_t = DataFormat::Text)]
    pub format: DataFormat,
}

/// A positive percentage.
fn percent(text: &str) -> Result<f64, String> {
    let value: f64 = text.parse().map_err(|_| "a number is expected".to_owned())?;
    if value.is_finite() && value > 0.0 { Ok(value) } else { Err("a number above 0 is expected".to_owned()) }
}

#[derive(Debug, Args)]
pub struct Profile {
    /// The case, such as mlx/41f/int8
    #[arg(value_name = "CASE")]
    pub case: String,
    #[command(flatten)]
    pub asked: Asked,
    /// Number of passes to time whole, and again part by part
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..))]
    pub passes: u16,
    /// Output format
    #[arg(long, value_enum, default_value_t = DataFormat::Text)]
    pub format: DataFormat,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum DataFormat {
    Text,
    Json,
}

#[derive(Debug, Args)]
pub struct Quantize {
    /// The checkpoint: a download with low_noise_model and high_noise_model, or one network's folder
    #[arg(long, alias = "ckpt_dir", value_name = "DIR")]
    pub ckpt_dir: PathBuf,
    /// The quantization
    #[arg(long, value_enum, value_name = "QUANT")]
    pub quant: Quant,
    /// Arithmetic of everything that is not quantized
    #[arg(long, value_enum, value_name = "DTYPE", default_value_t = DType::F32)]
    pub dtype: DType,
    /// Network of a checkpoint that has two
    #[arg(long, value_enum, value_name = "EXPERT", default_value_t = ExpertChoice::Low)]
    pub expert: ExpertChoice,
    /// Where to save it; runs look there too [default: the cache]
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// The device to quantize on
    #[arg(long, value_enum, default_value_t = DeviceChoice::Auto)]
    pub device: DeviceChoice,
    /// Memory that quantizing may use [default: the device's free memory]
    #[arg(long, value_name = "GIB")]
    pub memory: Option<NonZero<u32>>,
    #[command(flatten)]
    pub alone: Alone,
}

#[derive(Debug, Args)]
pub struct Check {
    #[command(flatten)]
    pub measure: Measure,
    #[command(flatten)]
    pub base: BaseArgs,
    /// Fail if this machine has no baseline
    #[arg(long)]
    pub require_baseline: bool,
    /// Refuse to measure on a machine whose state would distort the figures
    #[arg(long)]
    pub strict: bool,
    /// Let inconclusive cases pass
    #[arg(long)]
    pub allow_inconclusive: bool,
    /// Report to GitHub: job summary, annotations and, with a token, the pull request's comment
    #[arg(long)]
    pub github: bool,
    #[command(flatten)]
    pub publication: Publication,
}

/// What is posted on GitHub, and how.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "GitHub")]
pub struct Publication {
    #[command(flatten)]
    pub api: GitHubApi,
    /// Number of the pull request [default: the event's]
    #[arg(long, value_name = "N")]
    pub pull_request: Option<NonZero<u64>>,
    /// The commit that was measured, for a check run [default: the pull request's head, else GITHUB_SHA]
    #[arg(long, value_name = "SHA")]
    pub sha: Option<String>,
    /// Also report a check run on that commit, and the check `wanbench`, which is the worst of all
    #[arg(long)]
    pub check_run: bool,
    /// How many results the commit is to have, of several machines or suites: until all are there the check `wanbench`, which is
    /// the worst of all, is in progress
    #[arg(long, value_name = "N", default_value_t = 1, requires = "check_run")]
    pub checks: u8,
    /// Name of the comment and the check run; those of other names are left alone [default: the suites and machines]
    #[arg(long, value_name = "NAME")]
    pub id: Option<String>,
    /// Only update comments by this login [default: the token's owner, else github-actions[bot]]
    #[arg(long, value_name = "LOGIN")]
    pub author: Option<String>,
    /// Artifact with the results, for the commands in the comment
    #[arg(long, value_name = "NAME", default_value = "wanbench-results")]
    pub artifact: String,
    /// File that the job summary is appended to
    #[arg(long, value_name = "FILE", env = "GITHUB_STEP_SUMMARY", hide_env_values = true)]
    pub step_summary: Option<PathBuf>,
    /// Print what would be posted, without posting
    #[arg(long)]
    pub dry_run: bool,
}

/// How GitHub is reached. Actions sets all of it except the token, which a step must pass: `env: GITHUB_TOKEN`.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "GitHub")]
pub struct GitHubApi {
    /// The repository
    #[arg(long, value_name = "OWNER/NAME", env = "GITHUB_REPOSITORY", hide_env_values = true)]
    pub repository: Option<String>,
    /// JSON file of the event that started the workflow
    #[arg(long, value_name = "FILE", env = "GITHUB_EVENT_PATH", hide_env_values = true)]
    pub event: Option<PathBuf>,
    /// Address of the API [default: GitHub's own]
    #[arg(long, value_name = "URL", env = "GITHUB_API_URL", hide_env_values = true)]
    pub api_url: Option<String>,
    /// Token with permission to write pull requests and, for a check run, checks
    #[arg(long, value_name = "TOKEN", env = "GITHUB_TOKEN", hide_env_values = true)]
    pub token: Option<SecretString>,
    /// File that the step's outputs are appended to
    #[arg(long, value_name = "FILE", env = "GITHUB_OUTPUT", hide_env_values = true)]
    pub output: Option<PathBuf>,
}

/// The base that head is measured beside.
#[derive(Clone, Debug, Args)]
pub struct BaseArgs {
    /// Measure this revision's workers beside head's. It is taken exactly, so in CI pass the merge base. Built-in workers are
    /// built at first use, and one of your own runs in that revision's committed files; those of the five commits used last are
    /// cached
    #[arg(long, value_name = "REV")]
    pub base: Option<String>,
    /// Measure the workers in this folder (wanbench-mlx, wanbench-torch) beside head's
    #[arg(long, value_name = "DIR", conflicts_with = "base")]
    pub base_workers: Option<PathBuf>,
    /// Do not profile a case that is slower than the base beside it: which part of a step slowed down is then not told
    #[arg(long)]
    pub no_profile: bool,
}

#[derive(Debug, Args)]
pub struct Parity {
    #[command(flatten)]
    pub sources: Sources,
    #[command(flatten)]
    pub selection: Selection,
    /// A golden case: checkpoint, inputs.safetensors and outputs.safetensors
    #[arg(long, value_name = "DIR", conflicts_with_all = ["suite", "filter", "ckpt_dir", "seed"])]
    pub golden: Option<PathBuf>,
    /// Only this quantization; may be repeated
    #[arg(long, value_enum, value_name = "QUANT")]
    pub quant: Vec<Quant>,
    /// Run the golden case, which is in f32, in this arithmetic; may be repeated
    #[arg(long, value_enum, value_name = "DTYPE", requires = "golden")]
    pub dtype: Vec<DType>,
    #[command(flatten)]
    pub alone: Alone,
}

#[derive(Debug, Subcommand)]
#[expect(clippy::large_enum_variant, reason = "one is parsed, once")]
pub enum Baseline {
    /// Record this machine's figures, after showing what changes
    Update(Update),
    /// Accept one case's regression, with the reason
    Accept(Accept),
    /// Move the anchors, from which drift is measured, to the present level
    Anchor(Anchor),
    /// Print a baseline
    Show(Show),
    /// Print the differences between two baseline files
    Diff(Diff),
    /// Import a report in the founding report's format as a baseline
    Import(Import),
}

#[derive(Debug, Args)]
pub struct Update {
    #[command(flatten)]
    pub measure: Measure,
    /// Record these saved results [default: measure now]
    #[arg(long, value_name = "FILE", conflicts_with_all = ["suite", "filter", "backend", "ckpt_dir", "frames", "steps", "quant", "dtype", "expert", "launches", "cool_down", "time_limit", "memory", "no_cache", "wait", "list"])]
    pub from: Option<PathBuf>,
    /// The machine that measured the results [default: this one]
    #[arg(long, value_name = "NAME", requires = "from")]
    pub machine: Option<String>,
    /// Do not ask for confirmation
    #[arg(long)]
    pub yes: bool,
    /// Record the run even if it is unfit, incomplete or too uncertain; the baseline stores the reasons
    #[arg(long)]
    pub force: bool,
}

#[derive(Debug, Args)]
pub struct Accept {
    #[command(flatten)]
    pub sources: Sources,
    /// The case, such as mlx/41f/int8
    #[arg(value_name = "CASE")]
    pub case: String,
    /// Why the regression is acceptable: one line, shown in every report until the case's next update
    #[arg(long, value_name = "TEXT")]
    pub reason: String,
    /// The saved results with the regression
    #[arg(long, value_name = "FILE", default_value = "results.json")]
    pub from: PathBuf,
    /// The machine that measured the results [default: this one]
    #[arg(long, value_name = "NAME")]
    pub machine: Option<String>,
    /// Do not ask for confirmation
    #[arg(long)]
    pub yes: bool,
    /// Record the run even if it is unfit, incomplete or too uncertain; the baseline stores the reasons
    #[arg(long)]
    pub force: bool,
}

#[derive(Debug, Args)]
pub struct Anchor {
    #[command(flatten)]
    pub sources: Sources,
    /// Why the drift up to now is acceptable: one line, kept in the baseline
    #[arg(long, value_name = "TEXT")]
    pub reason: String,
    /// Only cases whose name contains this; may be repeated
    #[arg(long, value_name = "TEXT")]
    pub filter: Vec<String>,
    /// The machine whose baseline it is [default: this one]
    #[arg(long, value_name = "NAME")]
    pub machine: Option<String>,
    /// Do not ask for confirmation
    #[arg(long)]
    pub yes: bool,
}

#[derive(Debug, Args)]
pub struct Show {
    #[command(flatten)]
    pub sources: Sources,
    /// A baseline's name or file [default: this machine's]
    #[arg(value_name = "NAME")]
    pub name: Option<String>,
}

#[derive(Debug, Args)]
pub struct Diff {
    /// The older baseline file
    pub old: PathBuf,
    /// The newer baseline file
    pub new: PathBuf,
}

#[derive(Debug, Args)]
pub struct Import {
    #[command(flatten)]
    pub sources: Sources,
    /// The report, in Markdown
    #[arg(value_name = "FILE.md")]
    pub report: PathBuf,
    /// Replace an existing baseline
    #[arg(long)]
    pub replace: bool,
    /// The configuration's name of the report's model, where the report calls it otherwise
    #[arg(long, value_name = "NAME")]
    pub model: Option<String>,
}

#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct History {
    #[command(subcommand)]
    pub command: Option<HistoryCommand>,
    #[command(flatten)]
    pub view: HistoryView,
}

#[derive(Debug, Args)]
pub struct HistoryView {
    #[command(flatten)]
    pub place: HistoryPlace,
    /// The figure
    #[arg(long, value_enum, default_value_t = MetricArg::Step)]
    pub metric: MetricArg,
    /// Only machines whose name contains this
    #[arg(long, value_name = "TEXT")]
    pub machine: Option<String>,
    /// Only cases whose name contains this; may be repeated
    #[arg(long, value_name = "TEXT")]
    pub case: Vec<String>,
    /// The runs that were recorded with this label, in place of those without
    #[arg(long, value_name = "TEXT")]
    pub label: Option<String>,
    /// Only runs from this day on, in UTC, such as 2026-11-30
    #[arg(long, value_name = "DATE", value_parser = day)]
    pub since: Option<Timestamp>,
    /// Only the last N runs of each case
    #[arg(long, value_name = "N")]
    pub last: Option<NonZero<usize>>,
    /// Print comma-separated values, a line for each run
    #[arg(long, conflicts_with = "json")]
    pub csv: bool,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// The beginning of a day, or a moment.
fn day(text: &str) -> Result<Timestamp, String> {
    let beginning = |day: jiff::civil::Date| day.to_zoned(TimeZone::UTC).map(|beginning| beginning.timestamp());
    let day = text.parse().and_then(beginning);
    day.or_else(|_| text.parse()).map_err(|_| "a date such as 2026-11-30 is expected".to_owned())
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum MetricArg {
    /// Median step time
    Step,
    /// Step time of the reference over the case's
    Speedup,
    /// The device's peak
    Peak,
    /// Bytes of the weights
    Model,
    /// Loading time
    Load,
}

#[derive(Debug, Subcommand)]
pub enum HistoryCommand {
    /// Add a run to the history, judged by today's configuration and baselines; a run that is there stays as it is
    Record(Record),
    /// Add the runs of other files: a baseline's jobs, or github-action-benchmark's data.js
    Import(HistoryImport),
}

#[derive(Debug, Args)]
pub struct HistoryImport {
    #[command(flatten)]
    pub place: HistoryPlace,
    /// Baselines, or data.js of github-action-benchmark
    #[arg(value_name = "FILE", required = true)]
    pub files: Vec<PathBuf>,
    /// The machine that measured a data.js, which does not say it
    #[arg(long, value_name = "NAME")]
    pub machine: Option<String>,
    /// A data.js was measured on a GPU
    #[arg(long)]
    pub gpu: bool,
    /// Push the branch to this remote, on top of what others pushed
    #[arg(long, value_name = "REMOTE", conflicts_with = "folder")]
    pub push: Option<String>,
}

/// Where the history is.
#[derive(Clone, Debug, Args)]
pub struct HistoryPlace {
    /// Folder of the history, in place of a branch
    #[arg(long, value_name = "DIR", conflicts_with = "branch")]
    pub folder: Option<PathBuf>,
    /// Branch of this repository that holds the history
    #[arg(long, value_name = "NAME", default_value = "wanbench-data")]
    pub branch: String,
}

#[derive(Debug, Args)]
pub struct Record {
    #[command(flatten)]
    pub sources: Sources,
    #[command(flatten)]
    pub place: HistoryPlace,
    /// The saved results
    #[arg(long, value_name = "FILE", default_value = "results.json")]
    pub from: PathBuf,
    /// Name of the runs that it belongs to, where they are not the default branch's: `wanbench history --label` shows these alone
    #[arg(long, value_name = "TEXT")]
    pub label: Option<String>,
    /// Push the branch to this remote, on top of what others pushed
    #[arg(long, value_name = "REMOTE", conflicts_with = "folder")]
    pub push: Option<String>,
}

#[derive(Debug, Args)]
pub struct Report {
    #[command(flatten)]
    pub sources: Sources,
    /// Saved results
    #[arg(value_name = "RESULTS.json")]
    pub results: PathBuf,
    /// Output format; those of other tools are described in docs/exports.md
    #[arg(long, value_enum, default_value_t = ReportFormat::Text)]
    pub format: ReportFormat,
}

#[derive(Debug, Args)]
pub struct Comment {
    #[command(flatten)]
    pub sources: Sources,
    /// Saved results; those of several machines make one comment
    #[arg(long, value_name = "RESULTS.json", required_unless_present = "artifact_folder", num_args = 1..)]
    pub results: Vec<PathBuf>,
    /// The artifact of the run that a `workflow_run` event tells of, as untrusted data: posted at that run's pull request and
    /// commit. If it is missing or refused, the reason is posted
    #[arg(long = "artifact-folder", value_name = "DIR", conflicts_with_all = ["results", "pull_request", "sha"])]
    pub artifact_folder: Option<PathBuf>,
    /// The results are of this repository's own code: they may say for themselves which cases are new, which do not fit into
    /// memory, and which regressions the change accepts
    #[arg(long, conflicts_with = "artifact_folder")]
    pub trust_results: bool,
    /// Also save the comment as Markdown
    #[arg(long, value_name = "FILE")]
    pub markdown: Option<PathBuf>,
    /// Exit with 0 even if something could not be posted
    #[arg(long)]
    pub best_effort: bool,
    #[command(flatten)]
    pub publication: Publication,
}

#[derive(Debug, Args)]
pub struct ValidateArtifact {
    /// The configuration that judges the results
    #[arg(long, value_name = "FILE", default_value_os_t = found(), hide_default_value = true)]
    pub config: PathBuf,
    /// Folder of the artifact: results, and `pull-request` with the number
    #[arg(value_name = "DIR")]
    pub folder: PathBuf,
    #[command(flatten)]
    pub api: GitHubApi,
}

#[derive(Debug, Args)]
pub struct Compare {
    /// The configuration, for its tolerances
    #[arg(long, value_name = "FILE", default_value_os_t = found(), hide_default_value = true)]
    pub config: PathBuf,
    /// The earlier results; with --side-by-side, results or a baseline of any machine
    #[arg(value_name = "BEFORE.json")]
    pub before: PathBuf,
    /// The later results; with --side-by-side, results or a baseline of any machine
    #[arg(value_name = "NOW.json")]
    pub now: PathBuf,
    /// Show the figures of both beside each other, and what differs between their machines and versions, without judging: the exit
    /// status is 0, whatever they are
    #[arg(long)]
    pub side_by_side: bool,
    /// Output format
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub format: Format,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum Format {
    Markdown,
    Json,
    Text,
}

/// A format of one report: those for people, and those that other tools read.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum ReportFormat {
    /// For a terminal
    Text,
    /// A Markdown document
    Markdown,
    /// The whole judgement, for scripts
    Json,
    /// Comma-separated values: one row per case
    Csv,
    /// JUnit XML for test reports: a regression is a failure, a case that was not judged an error
    Junit,
    /// Bencher Metric Format (BMF) for `bencher run --adapter json`: figures without verdicts
    Bencher,
    /// Input of the action github-action-benchmark with `tool: customSmallerIsBetter`: figures without verdicts or speedups
    GithubActionBenchmark,
    /// OpenMetrics text for Prometheus: figures as gauges, verdicts as state sets
    Openmetrics,
}

impl From<Format> for ReportFormat {
    fn from(format: Format) -> Self {
        match format {
            Format::Markdown => Self::Markdown,
            Format::Json => Self::Json,
            Format::Text => Self::Text,
        }
    }
}

#[derive(Debug, Args)]
pub struct Init {
    /// A folder of the repository
    #[arg(value_name = "DIR", default_value = ".")]
    pub folder: PathBuf,
    /// The program to measure and its arguments, as in a shell, from the repository's root; a script in Python that is not there
    /// is written, to be filled in [default: asked for, else `python3 bench/worker.py`]
    #[arg(long, value_name = "COMMAND")]
    pub backend: Option<String>,
    /// The repository's default branch [default: that of `origin`, else a usual name that is there, else the present one]
    #[arg(long, value_name = "NAME")]
    pub default_branch: Option<String>,
    /// Labels of the runner that measures
    #[arg(long, value_name = "LABEL,...", value_delimiter = ',', default_value = "self-hosted,macOS,ARM64")]
    pub runner: Vec<String>,
    /// Also measure changes of forks and of Dependabot, each after an approval in the environment `approval`, which has to be there
    /// before, with required reviewers
    #[arg(long)]
    pub outside: bool,
    /// Address of wanbench's releases, from which the workflows install it [default: this build's repository]
    #[arg(long, value_name = "URL")]
    pub releases: Option<String>,
}

#[derive(Debug, Args)]
pub struct Doctor {
    /// The configuration, for its backends
    #[arg(long, value_name = "FILE", default_value_os_t = found(), hide_default_value = true)]
    pub config: PathBuf,
    /// Write all that is known of this machine to a file, for an issue: what its tools print, what the workers say, and how pauses
    /// change a step, which is measured for a minute
    #[arg(long, value_name = "FILE")]
    pub report: Option<PathBuf>,
    #[command(flatten)]
    pub alone: Alone,
}

#[derive(Debug, Args)]
pub struct Calibrate {
    /// The configuration file [default: wanbench.toml or config.toml, here or in a folder above]
    #[arg(long, value_name = "FILE", default_value_os_t = found(), hide_default_value = true)]
    pub config: PathBuf,
    #[command(flatten)]
    pub selection: Selection,
    /// Number of A/A jobs: runs of the suite with the same programs as head and as base
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u16).range(2..))]
    pub jobs: u16,
    #[command(flatten)]
    pub effort: Effort,
    #[command(flatten)]
    pub alone: Alone,
    /// Where to save the jobs
    #[arg(long, value_name = "FILE", default_value = "calibration.json")]
    pub json: PathBuf,
    /// Report these saved jobs again, without measuring
    #[arg(long, value_name = "FILE", conflicts_with_all = ["suite", "filter", "backend", "device", "seed", "jobs", "launches", "cool_down", "time_limit", "wait", "json"])]
    pub from: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub struct Guard {
    /// What marks the processes to end
    #[arg(value_name = "MARK")]
    pub mark: String,
}
