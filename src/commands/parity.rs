//! `wanbench parity`: prove that a backend runs the right network.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use comfy_table::{Table, presets};
use wanbench::config::Config;
use wanbench::config::{Axes, Case};
use wanbench::evidence::parity::{golden_tolerance, mutual_tolerance, relative_error};
use wanbench::files::cache;
use wanbench::machine::Machine;
use wanbench::protocol::{self, DeviceKind, Forward, Job};
use wanbench::runner::{self, Deadline, Interruptions, Materials, Program};
use wanbench::wan::tensor_file::TensorFile;
use wanbench::wan::{Checkpoint, DType, Inputs, Quant, Spec, schedule};

use crate::cli;
use crate::session::alone::alone;
use crate::session::interrupt;
use crate::session::selected::Selected;
use crate::session::selected::{exactly, programs, resolve_device};
use crate::session::status::{Error, ExitStatus, OrStatus, Result};
use crate::session::terminal::Terminal;

/// How long a pass of a golden case may take: its network is tiny.
const GOLDEN: Deadline = Deadline {
    limit: Duration::from_secs(600),
    way_out: "a golden case is tiny: run the worker by hand to see what it waits for",
};

/// Compares outputs with a golden case or between backends; 1 beyond tolerance, 3 if a worker failed.
pub fn parity(args: &cli::Parity, terminal: &Terminal) -> Result<ExitStatus> {
    let config = Config::open(&args.sources.config)?;
    let programs = programs(&config);
    // It loads the machine, which a run that measures would see.
    let _lock = alone(&args.alone, terminal)?;
    let interruptions = interrupt::heed();
    let outputs = tempfile::tempdir().or_incomplete(|| "cannot create a temporary folder")?;
    let run = ParityRun { config: &config, programs: &programs, folder: outputs.path(), args, interruptions, terminal };
    let rows = match &args.golden {
        Some(folder) => run.golden(folder)?,
        None => run.mutual()?,
    };
    if interruptions.is_interrupted() {
        return Err(Error::incomplete("interrupted"));
    }
    terminal.print(&format!("{}\n", table(&rows)))?;
    Ok(status(&rows))
}

/// One comparison.
struct Row {
    backend: String,
    what: String,
    tolerance: f64,
    outcome: Result<f64, String>,
}

/// A golden case: a checkpoint with inputs and the outputs that were recorded.
struct Golden {
    folder: PathBuf,
    spec: Spec,
    inputs: PathBuf,
    t: f32,
    expected: TensorFile,
}

impl Golden {
    fn open(folder: &Path) -> Result<Self> {
        let folder = std::path::absolute(folder).or_usage(|| format!("--golden {}", folder.display()))?;
        let spec = Checkpoint::open(&folder)?.spec;
        let inputs = folder.join("inputs.safetensors");
        let t =
            Inputs::open(&inputs)?.t.ok_or_else(|| Error::usage(format!("{} has no tensor t", inputs.display())))?;
        let expected = TensorFile::open(&folder.join("outputs.safetensors"))?;
        Ok(Self { folder, spec, inputs, t, expected })
    }
}

/// What all comparisons of one call share.
struct ParityRun<'a> {
    config: &'a Config,
    programs: &'a BTreeMap<String, Program>,
    folder: &'a Path,
    args: &'a cli::Parity,
    interruptions: &'a Interruptions,
    terminal: &'a Terminal,
}

impl ParityRun<'_> {
    /// Every backend and quantization that has a recorded output, against it.
    fn golden(&self, folder: &Path) -> Result<Vec<Row>> {
        let golden = Golden::open(folder)?;
        let asked = &self.args.selection.backend;
        let is_wanted = |name: &String, own: bool| if asked.is_empty() { !own } else { asked.contains(name) };
        let backends: Vec<_> =
            self.config.backends.iter().filter(|(name, backend)| is_wanted(name, backend.command.is_some())).collect();
        let used = backends.iter().map(|(name, _)| &self.programs[*name]);
        let device = resolve_device(self.args.selection.device, &Machine::detect(), used, self.terminal);
        let asked = &self.args.dtype;
        let mut rows = Vec::new();
        for (name, backend) in backends {
            let wanted: Vec<Quant> = backend.quants.iter().copied().filter(|quant| self.is_wanted(*quant)).collect();
            if !wanted.is_empty() && wanted.iter().all(|quant| golden.expected.tensor(recorded_name(*quant)).is_none())
            {
                rows.push(Row {
                    backend: name.clone(),
                    what: wanted.iter().map(Quant::to_string).collect::<Vec<_>>().join(", "),
                    tolerance: golden_tolerance(Quant::None, DType::F32, device),
                    outcome: Err("the golden case has no output for it".to_owned()),
                });
            }
            let dtypes: Vec<DType> = if asked.is_empty() { vec![DType::F32] } else { asked.clone() };
            let dtypes: Vec<DType> = dtypes.into_iter().filter(|dtype| backend.dtypes.contains(dtype)).collect();
            for (quant, dtype) in wanted.iter().flat_map(|quant| dtypes.iter().map(|dtype| (*quant, *dtype))) {
                rows.extend(self.golden_row(&golden, name, quant, dtype, device)?);
            }
        }
        if rows.is_empty() {
            return Err(Error::usage(format!(
                "{} has no output for the given --backend, --quant and --dtype",
                folder.display()
            )));
        }
        Ok(rows)
    }

    /// One output against the recorded one of the same quantization, if there is one.
    fn golden_row(
        &self,
        golden: &Golden,
        backend: &str,
        quant: Quant,
        dtype: DType,
        device: DeviceKind,
    ) -> Result<Option<Row>> {
        let Some(expected) = golden.expected.tensor(recorded_name(quant)) else { return Ok(None) };
        let expected = expected.to_f32().ok_or_else(|| {
            Error::usage(format!("{}: the recorded output is not a float tensor", golden.expected.path().display()))
        })?;
        let job = Job {
            case: format!("{backend}/golden/{quant}/{dtype}"),
            checkpoint: golden.folder.clone(),
            quantized: None,
            spec: golden.spec.clone(),
            quant,
            dtype,
            device: exactly(device),
            inputs: golden.inputs.clone(),
            output: None,
        };
        let outcome = self.output(backend, job, golden.t, GOLDEN).map(|output| relative_error(&output, &expected));
        Ok(Some(Row {
            backend: backend.to_owned(),
            what: if dtype == DType::F32 { quant.to_string() } else { format!("{quant} in {dtype}") },
            tolerance: golden_tolerance(quant, dtype, device),
            outcome,
        }))
    }

    /// Every case of the suite against its workload's reference in f32.
    fn mutual(&self) -> Result<Vec<Row>> {
        let selection = &self.args.selection;
        let Selected { mut cases, models, device, suite, .. } =
            Selected::new(self.config, selection, &Axes::default(), self.terminal)?;
        let references: Vec<Case> =
            cases.iter().filter(|case| case.is_reference() && case.dtype == DType::F32).cloned().collect();
        cases.retain(|case| self.is_wanted(case.quant));
        let all: Vec<Case> = cases.iter().chain(&references).cloned().collect();
        let materials = Materials::prepare(&all, &models, &cache::folder(), selection.seed)?;
        let deadline = Deadline::of_launch(Duration::from_secs(suite.launch_timeout_seconds));
        let run = |case: &Case| {
            self.output(&case.backend, materials.job(case, exactly(device), None), schedule::timestep(1.0), deadline)
        };
        let mut rows = Vec::new();
        for reference in &references {
            let expected =
                run(reference).map_err(|reason| Error::incomplete(format!("{}: {reason}", reference.name)))?;
            for case in
                cases.iter().filter(|case| case.workload.name == reference.workload.name && case.name != reference.name)
            {
                rows.push(Row {
                    backend: case.backend.clone(),
                    what: format!("{} against {}", case.name, reference.name),
                    tolerance: mutual_tolerance(case.quant, case.dtype, device),
                    outcome: run(case).map(|output| relative_error(&output, &expected)),
                });
            }
        }
        if rows.is_empty() {
            return Err(Error::usage(
                "the selected cases are all of one backend: select cases of two backends to compare",
            ));
        }
        Ok(rows)
    }

    fn is_wanted(&self, quant: Quant) -> bool {
        self.args.quant.is_empty() || self.args.quant.contains(&quant)
    }

    /// Runs the network once and reads what it wrote.
    fn output(&self, backend: &str, job: Job, t: f32, deadline: Deadline) -> Result<Vec<f32>, String> {
        let path: PathBuf = self.folder.join("output.safetensors");
        let _ = std::fs::remove_file(&path);
        self.terminal.say(&format!("running {} …", job.case));
        let request = Forward { protocol: protocol::VERSION, job: Job { output: Some(path.clone()), ..job }, t };
        runner::forward(&self.programs[backend], &request, deadline, self.interruptions)
            .map_err(|failure| failure.reason)?;
        runner::read_output(&path)
    }
}

/// `nf4` is the founding report's name for the 4-bit affine mode, which golden cases record as `int4`.
fn recorded_name(quant: Quant) -> &'static str {
    if quant == Quant::Nf4 { Quant::Int4.name() } else { quant.name() }
}

fn table(rows: &[Row]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_header(["Backend", "Output", "Relative error", "Tolerance", "Verdict"]);
    for row in rows {
        let error = match &row.outcome {
            Ok(error) => format!("{error:.2e}"),
            Err(reason) => reason.clone(),
        };
        table.add_row([row.backend.as_str(), &row.what, &error, &format!("{:.0e}", row.tolerance), row.verdict()]);
    }
    table
}

impl Row {
    fn verdict(&self) -> &'static str {
        match &self.outcome {
            Ok(error) if *error <= self.tolerance => "agrees",
            Ok(_) => "DIFFERS",
            Err(_) => "FAILED",
        }
    }
}

fn status(rows: &[Row]) -> ExitStatus {
    if rows.iter().any(|row| row.verdict() == "DIFFERS") {
        ExitStatus::Failed
    } else if rows.iter().any(|row| row.outcome.is_err()) {
        ExitStatus::Incomplete
    } else {
        ExitStatus::Passed
    }
}
