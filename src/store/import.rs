//! Reads a Markdown report, the founding one or wanbench's own, as a baseline.
//!
//! Columns are found by their names, so that further ones do no harm. A figure that the report prints as zero is
//! unknown, not zero: the founding report rounds times to a tenth of a second. A speedup counts only beside figures of its
//! reference: where that failed, the founding script prints 1.00x.

use std::collections::BTreeMap;
use std::fmt;

use thiserror::Error;

use crate::config::{Case, Workload, backend_of_founding_name};
use crate::machine::Machine;
use crate::protocol::DeviceKind;
use crate::store::baseline::{Baseline, BaselineCase, Import};
use crate::store::valid;
use crate::text::escape::unescape;
use crate::wan::{DType, Experts, Quant};

/// What a report holds.
#[derive(Clone, Debug, PartialEq)]
pub struct Imported {
    /// The figures of its machine, marked as imported.
    pub baseline: Baseline,
    /// Size of each model's weights by [`Case::memory_key`]: too coarse to gate by, enough to check exact bytes.
    pub model_bytes: BTreeMap<String, Size>,
    /// Names of the rows without figures (failed or missing cases), which are not in the baseline.
    pub skipped: Vec<String>,
    /// Names of the cases whose speedup is not taken, since the report has no figures of their reference.
    pub without_reference: Vec<String>,
}

/// A printed size, which stands for all that are rounded to it.
#[derive(Clone, Debug, PartialEq)]
pub struct Size {
    printed: String,
    bytes: f64,
    /// Half of the last digit's unit, in bytes.
    error_bytes: f64,
}

impl Size {
    /// Whether `bytes` are printed so.
    pub fn can_be(&self, bytes: u64) -> bool {
        // The founding script rounds a half to the even digit, others up.
        (bytes as f64 - self.bytes).abs() <= self.error_bytes
    }

    fn parse(cell: &str) -> Option<Self> {
        let (number, unit) = number_and_unit(cell)?;
        let unit_bytes = match unit {
            "MB" => f64::from(1 << 20),
            "GB" => f64::from(1 << 30),
            _ => return None,
        };
        let bytes = number.value * unit_bytes;
        Some(Self { printed: cell.to_owned(), bytes, error_bytes: number.error * unit_bytes })
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.printed)
    }
}

impl Imported {
    /// Takes the figures for those of the model that the configuration calls `name`.
    pub fn rename_model(&mut self, name: &str) {
        self.baseline.cases.values_mut().for_each(|case| case.model = Some(name.to_owned()));
        let of_name = |key: &str| {
            let mut parts: Vec<&str> = key.split('/').collect();
            if let [_, model, _, _] = &mut parts[..] {
                *model = name;
            }
            parts.join("/")
        };
        self.model_bytes = self.model_bytes.iter().map(|(key, size)| (of_name(key), size.clone())).collect();
    }
}

/// Why a report cannot be imported.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ImportError {
    /// A line is not what it should be.
    #[error("{source_name}, line {line}: {found:?}: expected {expected}")]
    Line {
        /// The report's name.
        source_name: String,
        /// The line, from 1.
        line: usize,
        /// What stands there.
        found: String,
        /// What should.
        expected: String,
    },
    /// A part of the report is not there.
    #[error("{source_name}: no {expected}: is it a report that `wanbench report --format markdown` wrote?")]
    Absent {
        /// The report's name.
        source_name: String,
        /// What should be there.
        expected: &'static str,
    },
    /// A figure of it cannot be true.
    #[error("{source_name}: {reason}")]
    Invalid {
        /// The report's name.
        source_name: String,
        /// The case, the figure and its value.
        reason: String,
    },
}

/// Reads the report `markdown`; `source` is its file's name, for the baseline's provenance and for errors.
///
/// # Errors
/// Where the Generated line, the Hardware line or the Results Summary table is missing or of another form, and where a
/// figure cannot be true.
pub fn import(markdown: &str, source: &str) -> Result<Imported, ImportError> {
    let document = Document { markdown: markdown.trim_start_matches('\u{feff}'), source };
    let generated = document.value("> Generated:", "Generated line (\"> Generated: DATE\")")?.1.to_owned();
    let machine = document.machine()?;
    let device = document.device()?;
    let model = document.model();
    let mut imported = Imported {
        baseline: Baseline::empty(machine, device),
        model_bytes: BTreeMap::new(),
        skipped: Vec::new(),
        without_reference: Vec::new(),
    };
    let model_words = document.model_words().map(unescape);
    imported.baseline.imported = Some(Import { source: source.to_owned(), generated, model: model_words });
    let table = document.table()?;
    let mut printed = Vec::new();
    for row in &table.rows {
        printed.extend(table.read(row, &model, &mut imported)?);
    }
    imported.drop_speedups_without_reference(&printed);
    if imported.baseline.cases.is_empty() {
        return Err(document.absent("row with figures in the Results Summary table"));
    }
    valid::baseline(&imported.baseline)
        .map_err(|reason| ImportError::Invalid { source_name: source.to_owned(), reason })?;
    Ok(imported)
}

/// The report's text, and its name for errors.
#[derive(Clone, Copy)]
struct Document<'a> {
    markdown: &'a str,
    source: &'a str,
}

impl<'a> Document<'a> {
    /// The lines with their number.
    fn lines(self) -> impl Iterator<Item = (usize, &'a str)> {
        self.markdown.lines().enumerate().map(|(index, line)| (index + 1, line.trim()))
    }

    /// What stands behind `key` on the first line that begins with it.
    fn value(self, key: &str, expected: &'static str) -> Result<(usize, &'a str), ImportError> {
        self.lines()
            .find_map(|(number, line)| Some((number, line.strip_prefix(key)?.trim())))
            .filter(|(_, value)| !value.is_empty())
            .ok_or_else(|| self.absent(expected))
    }

    fn machine(self) -> Result<Machine, ImportError> {
        let (number, value) = self.value("- **Hardware**:", "Hardware line (\"- **Hardware**: …\")")?;
        machine(&unescape(value)).ok_or_else(|| {
            self.error(
                number,
                value,
                "hardware such as \"Apple Silicon (Apple M3 Ultra), 512GB\" or \"Linux (CHIP), 64GB\"",
            )
        })
    }

    /// The founding report, which has no Device line, ran on GPUs.
    fn device(self) -> Result<DeviceKind, ImportError> {
        let Ok((number, value)) = self.value("- **Device**:", "") else { return Ok(DeviceKind::Gpu) };
        match value.split(' ').next() {
            Some("GPU") => Ok(DeviceKind::Gpu),
            Some("CPU") => Ok(DeviceKind::Cpu),
            _ => Err(self.error(number, value, "a device, \"GPU\" or \"CPU\"")),
        }
    }

    /// Such as `WanModel (synthetic, ~100M)`, where it is there.
    fn model_words(self) -> Option<&'a str> {
        self.value("- **Model**:", "").ok().map(|(_, value)| value)
    }

    /// The name in `WanModel (synthetic, ~100M)`; of other words all. A report without the line is of the founding model.
    fn model(self) -> String {
        let Some(words) = self.model_words() else { return "synthetic".to_owned() };
        let name = words.strip_prefix("WanModel (").and_then(|rest| rest.split([',', ')']).next());
        unescape(name.map(str::trim).filter(|name| !name.is_empty()).unwrap_or(words))
    }

    fn table(self) -> Result<Table<'a>, ImportError> {
        let after_heading = self.lines().skip_while(|(_, line)| *line != "## Results Summary").skip(1);
        let mut lines =
            after_heading.skip_while(|(_, line)| line.is_empty()).take_while(|(_, line)| line.starts_with('|'));
        let (number, header) = lines.next().ok_or_else(|| self.absent("table under \"## Results Summary\""))?;
        let (rule_number, rule) = lines.next().ok_or_else(|| self.absent("row in the Results Summary table"))?;
        if !rule.chars().all(|character| "|-: ".contains(character)) {
            return Err(self.error(rule_number, rule, "the rule below the table's header, such as |---|---|"));
        }
        let columns: Vec<String> = cells(header);
        for name in ["Backend", "Frames", "Steps", "Quant", "Time/Step", "Total", "Model Mem", "Speedup"] {
            if !columns.iter().any(|column| column == name) {
                return Err(self.error(number, header, &format!("a column {name:?} in the Results Summary table")));
            }
        }
        let rows = lines.map(|(number, line)| Row { number, line, cells: cells(line) }).collect();
        Ok(Table { document: self, columns, rows })
    }

    fn error(self, line: usize, found: &str, expected: &str) -> ImportError {
        let (source_name, found, expected) = (self.source.to_owned(), found.to_owned(), expected.to_owned());
        ImportError::Line { source_name, line, found, expected }
    }

    fn absent(self, expected: &'static str) -> ImportError {
        ImportError::Absent { source_name: self.source.to_owned(), expected }
    }
}

/// The Results Summary.
struct Table<'a> {
    document: Document<'a>,
    columns: Vec<String>,
    rows: Vec<Row<'a>>,
}

struct Row<'a> {
    number: usize,
    line: &'a str,
    cells: Vec<String>,
}

impl Table<'_> {
    /// Adds what `row` tells to `imported`; `None` for a row without figures.
    fn read(&self, row: &Row, model: &str, imported: &mut Imported) -> Result<Option<Printed>, ImportError> {
        if row.cells.len() != self.columns.len() {
            let expected = format!("{} cells, as in the header", self.columns.len());
            return Err(self.document.error(row.number, row.line, &expected));
        }
        let case = self.case(row, model)?;
        // A failed case's reason stands in the last column, whatever the others say.
        if is_dash(self.cell(row, "Time/Step")) || self.cell(row, "Speedup").starts_with("Error") {
            imported.skipped.push(case.name);
            return Ok(None);
        }
        let (stored, total) = self.figures(row, &case)?;
        let size = self.parse(row, "Model Mem", "a size such as 95MB or 19.5GB", Size::parse)?;
        if *imported.model_bytes.entry(case.memory_key()).or_insert_with(|| size.clone()) != size {
            return Err(self.document.error(
                row.number,
                row.line,
                "the Model Mem of the earlier rows of the same model",
            ));
        }
        let is_reference = self.cell(row, "Speedup").ends_with(')');
        let printed = Printed { speedup: stored.speedup, case: case.clone(), total, is_reference };
        if imported.baseline.cases.insert(case.name.clone(), stored).is_some() {
            return Err(self.document.error(row.number, row.line, &format!("a single row for {}", case.name)));
        }
        Ok(Some(printed))
    }

    /// The case under its name in the matrix. What the table does not tell of its workload stays empty.
    fn case(&self, row: &Row, model: &str) -> Result<Case, ImportError> {
        let frames: usize = self.parse(row, "Frames", "a number above 0", positive)?;
        let steps: usize = self.parse(row, "Steps", "a number above 0", positive)?;
        let quant = self.parse(row, "Quant", &format!("one of {}", names(Quant::ALL.map(Quant::name))), quant)?;
        let dtype = match self.has("DType") {
            true => self.parse(row, "DType", &format!("one of {}", names(DType::ALL.map(DType::name))), dtype)?,
            false => DType::F32,
        };
        let backend = match self.cell(row, "Backend") {
            "" => return Err(self.document.error(row.number, row.line, "a backend's name in the column Backend")),
            founding_name => backend_of_founding_name(founding_name),
        };
        let name = if self.has("Workload") { self.cell(row, "Workload").to_owned() } else { format!("{frames}f") };
        let model = if self.has("Model") { self.cell(row, "Model") } else { model };
        let workload = Workload {
            name,
            model: model.to_owned(),
            frames,
            steps,
            latent: [0; 3],
            text_rows: 0,
            camera: false,
            experts: Experts::Low,
        };
        Ok(Case::new(backend, workload, quant, dtype))
    }

    /// What is remembered of the case, and its total.
    fn figures(&self, row: &Row, case: &Case) -> Result<(BaselineCase, Time), ImportError> {
        let expected = "a time such as 1.5s, 74.3 ms or 2.8min";
        let step = self.parse(row, "Time/Step", expected, Time::parse)?;
        let total = self.parse(row, "Total", expected, Time::parse)?;
        let speedup = self.parse(row, "Speedup", "a speedup such as 2.49x, or 1.00x (baseline)", speedup)?;
        let figures = BaselineCase {
            frames: case.workload.frames,
            steps: case.workload.steps,
            shape: None,
            model: Some(case.workload.model.clone()),
            speedup,
            step_seconds: step_seconds(step, total, case.workload.steps),
            framework_peak_bytes: None,
            process_peak_bytes: None,
            jobs: Vec::new(),
            anchor: None,
            accepted: None,
        };
        Ok((figures, total))
    }

    fn has(&self, column: &str) -> bool {
        self.columns.iter().any(|name| name == column)
    }

    /// The cell under `column`; empty where there is no such column.
    fn cell<'r>(&self, row: &'r Row, column: &str) -> &'r str {
        let index = self.columns.iter().position(|name| name == column);
        index.and_then(|index| row.cells.get(index)).map_or("", String::as_str)
    }

    fn parse<T>(
        &self,
        row: &Row,
        column: &str,
        expected: &str,
        parse: impl Fn(&str) -> Option<T>,
    ) -> Result<T, ImportError> {
        let cell = self.cell(row, column);
        parse(cell).ok_or_else(|| self.document.error(row.number, cell, &format!("{expected} in the column {column}")))
    }
}

/// A row with figures.
struct Printed {
    case: Case,
    total: Time,
    speedup: Option<f64>,
    is_reference: bool,
}

impl Printed {
    /// Whether its speedup is over the time of `reference`.
    fn is_over(&self, reference: &Self) -> bool {
        let (case, other) = (&self.case, &reference.case);
        let is_beside = (&case.workload, case.dtype) == (&other.workload, other.dtype);
        reference.is_reference && is_beside && self.can_be_over(reference.total)
    }

    /// A reference that took no time at all, where this one took some, has failed.
    fn can_be_over(&self, reference: Time) -> bool {
        let least_total = self.speedup.unwrap_or_default() * (self.total.seconds - self.total.error_seconds);
        reference.digits > 0 || least_total <= reference.error_seconds
    }
}

impl Imported {
    fn drop_speedups_without_reference(&mut self, rows: &[Printed]) {
        for row in rows.iter().filter(|row| row.speedup.is_some()) {
            if !rows.iter().any(|reference| row.is_over(reference)) {
                self.without_reference.push(row.case.name.clone());
                self.baseline.cases.entry(row.case.name.clone()).and_modify(|case| case.speedup = None);
            }
        }
    }
}

/// A printed number.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Number {
    value: f64,
    /// Half of its last digit's unit.
    error: f64,
    /// Significant digits; 0 for a printed zero.
    digits: usize,
}

/// `2.8 min` as its number and its unit.
fn number_and_unit(cell: &str) -> Option<(Number, &str)> {
    let unit_at = cell.find(|character: char| !character.is_ascii_digit() && character != '.')?;
    let (number, unit) = cell.split_at(unit_at);
    let decimals = number.split_once('.').map_or(0, |(_, decimals)| decimals.len());
    let digits = number.chars().filter(char::is_ascii_digit).skip_while(|digit| *digit == '0').count();
    let error = 0.5 * 0.1_f64.powi(i32::try_from(decimals).ok()?);
    Some((Number { value: number.parse().ok()?, error, digits }, unit.trim()))
}

/// A printed time.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Time {
    seconds: f64,
    /// Half of the last digit's unit.
    error_seconds: f64,
    /// Significant digits it is printed with; 0 for a printed zero.
    digits: usize,
}

impl Time {
    fn parse(cell: &str) -> Option<Self> {
        let (number, unit) = number_and_unit(cell)?;
        let unit_seconds = match unit {
            "h" => 3600.0,
            "min" => 60.0,
            "s" => 1.0,
            "ms" => 1e-3,
            "µs" => 1e-6,
            "ns" => 1e-9,
            _ => return None,
        };
        let Number { value, error, digits } = number;
        Some(Self { seconds: value * unit_seconds, error_seconds: error * unit_seconds, digits })
    }

    /// How far off it may be, as a share of it; infinite for a printed zero.
    fn relative_error(self) -> f64 {
        if self.digits == 0 { f64::INFINITY } else { self.error_seconds / self.seconds }
    }
}

/// A step printed to three digits is taken as it is, else what is more precise of it and the total; a printed zero tells nothing.
fn step_seconds(step: Time, total: Time, steps: usize) -> Option<f64> {
    match (step, total) {
        (step, total) if step.digits == 0 && total.digits == 0 => None,
        (step, total) if step.digits >= 3 || step.relative_error() <= total.relative_error() => Some(step.seconds),
        (_, total) => Some(total.seconds / steps as f64),
    }
}

/// `2.49x`, perhaps with ` ±1.2%`; `None` inside for the reference, which has none, and for a dash.
#[expect(clippy::option_option, reason = "outside: whether it can be read; inside: whether there is a speedup")]
fn speedup(cell: &str) -> Option<Option<f64>> {
    if is_dash(cell) {
        return Some(None);
    }
    let (number, rest) = cell.split_once('x')?;
    let value: f64 = number.parse().ok().filter(|value: &f64| value.is_finite() && *value > 0.0)?;
    match rest.trim() {
        "(baseline)" | "(reference)" => Some(None),
        rest if rest.is_empty() || rest.starts_with('±') => Some(Some(value)),
        _ => None,
    }
}

/// `PLATFORM (CHIP), 512GB`, perhaps with `, 32 logical CPU cores`, `, 80 GPU cores`, `, GPU NAME` behind it.
fn machine(value: &str) -> Option<Machine> {
    let (platform, rest) = value.split_once(" (")?;
    let os = match platform {
        "Apple Silicon" | "macOS" => "macos",
        "Linux" => "linux",
        _ => return None,
    };
    // The chip's name may hold parentheses, as `Intel(R) …` does.
    let (chip, rest) = rest.split_once("), ")?;
    let mut parts = rest.split(", ");
    let memory_gib = parts.next()?.strip_suffix("GB")?.parse().ok()?;
    let mut machine =
        Machine { chip: chip.to_owned(), cpu_cores: None, gpu_cores: None, gpu: None, memory_gib, os: os.to_owned() };
    for part in parts {
        if let Some(gpu) = part.strip_prefix("GPU ") {
            machine.gpu = Some(gpu.to_owned());
        } else {
            let (number, kind) = part.split_once(' ')?;
            match kind.trim_end_matches('s') {
                "logical CPU core" => machine.cpu_cores = Some(number.parse().ok()?),
                "GPU core" => machine.gpu_cores = Some(number.parse().ok()?),
                _ => return None,
            }
        }
    }
    Some(machine)
}

/// The cells of a table's line, as they were before escaping.
fn cells(line: &str) -> Vec<String> {
    let mut cells = vec![String::new()];
    let mut is_escaped = false;
    for character in line.trim().trim_start_matches('|').chars() {
        match cells.last_mut() {
            Some(cell) if character != '|' || is_escaped => cell.push(character),
            _ => cells.push(String::new()),
        }
        is_escaped = character == '\\' && !is_escaped;
    }
    // What follows the closing bar.
    if cells.last().is_some_and(|last| last.trim().is_empty()) {
        cells.pop();
    }
    cells.iter().map(|cell| unescape(cell.trim())).collect()
}

fn is_dash(cell: &str) -> bool {
    matches!(cell, "–" | "-" | "—")
}

fn positive(cell: &str) -> Option<usize> {
    cell.parse().ok().filter(|number| *number > 0)
}

fn quant(cell: &str) -> Option<Quant> {
    Quant::ALL.into_iter().find(|quant| quant.name() == cell.to_lowercase())
}

fn dtype(cell: &str) -> Option<DType> {
    DType::ALL.into_iter().find(|dtype| dtype.name() == cell)
}

fn names<const N: usize>(names: [&str; N]) -> String {
    names.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::markdown;
    use crate::testing::Scenario;

    const FOUNDING: &str = include_str!("../../tests/fixtures/mlx-benchmarks-m3-ultra.md");

    #[test]
    fn the_founding_report() {
        let imported = import(FOUNDING, "founding.md").unwrap();
        let baseline = &imported.baseline;
        assert_eq!(
            baseline.machine,
            Machine {
                chip: "Apple M3 Ultra".to_owned(),
                cpu_cores: None,
                gpu_cores: None,
                gpu: None,
                memory_gib: 512,
                os: "macos".to_owned()
            }
        );
        assert_eq!(baseline.device, DeviceKind::Gpu);
        let import = baseline.imported.as_ref().unwrap();
        assert_eq!((import.source.as_str(), import.generated.as_str()), ("founding.md", "2026-02-05T18:38:18.358570"));
        let figures: Vec<_> = baseline
            .cases
            .iter()
            .map(|(name, case)| (name.as_str(), case.steps, case.speedup, case.step_seconds))
            .collect();
        assert_eq!(
            figures,
            [
                ("mlx/41f/int8", 20, Some(2.43), Some(0.6 / 20.0)),
                ("mlx/41f/nf4", 20, Some(2.42), Some(0.6 / 20.0)),
                ("mlx/41f/none", 20, Some(2.49), Some(0.6 / 20.0)),
                ("mlx/5f/int8", 5, Some(1.05), None),
                ("mlx/5f/nf4", 5, Some(1.03), None),
                ("mlx/5f/none", 5, Some(1.05), None),
                ("torch/41f/none", 20, None, Some(1.5 / 20.0)),
                ("torch/5f/none", 5, None, None),
            ]
        );
        assert_eq!(import.model.as_deref(), Some("WanModel (synthetic, ~100M)"));
        assert!(imported.without_reference.is_empty());
        let sizes: Vec<_> = imported.model_bytes.iter().map(|(key, size)| (key.as_str(), size.to_string())).collect();
        assert_eq!(
            sizes,
            [
                ("mlx/synthetic/int8/f32", "29MB".to_owned()),
                ("mlx/synthetic/nf4/f32", "18MB".to_owned()),
                ("mlx/synthetic/none/f32", "95MB".to_owned()),
                ("torch/synthetic/none/f32", "95MB".to_owned())
            ]
        );
    }

    #[test]
    fn wanbenchs_own_report_keeps_machine_speedups_and_three_digits() {
        let report = Scenario::new().report();
        let imported = import(&markdown::render(&report), "own.md").unwrap();
        assert_eq!(imported.baseline.machine, report.record.machine);
        assert_eq!(imported.baseline.cases.len(), 8);
        for compared in &report.outcome.cases {
            let (now, read) = (compared.now.as_ref().unwrap(), &imported.baseline.cases[&compared.name]);
            let error = read.step_seconds.unwrap() / now.step_seconds.0 - 1.0;
            assert!(error.abs() < 0.005, "{}: {error}", compared.name);
            let speedups =
                (now.speedup.map(|speedup| format!("{:.2}", speedup.point)), read.speedup.map(|it| format!("{it:.2}")));
            assert_eq!(speedups.0, speedups.1);
        }
    }

    #[test]
    fn rows_without_figures_are_named_not_imported() {
        let text = FOUNDING.replace("| 0.0s | 0.6s | 18MB | 2.42x |", "| – | – | – | – |");
        let imported = import(&text, "founding.md").unwrap();
        assert_eq!(imported.skipped, ["mlx/41f/nf4"]);
        assert!(!imported.baseline.cases.contains_key("mlx/41f/nf4"));
    }

    #[test]
    fn further_columns_decide_the_names() {
        let text = "> Generated: today\n- **Hardware**: Linux (Intel(R) Xeon(R) CPU @ 2.20GHz), 16GB, 1 logical CPU core\n\
            - **Device**: CPU (torch: cpu)\n## Results Summary\n\n\
            | Backend | Model | Workload | Frames | Steps | Quant | DType | Time/Step | Total | Model Mem | Speedup | Verdict |\n\
            |--|--|--|--|--|--|--|--|--|--|--|--|\n\
            | my\\|own | wan | 5f-a | 5 | 5 | int8 | bf16 | 812 µs | 4.06 ms | 29MB | 2.49x ±1.2% | new |\n\
            | ref | wan | 5f-a | 5 | 5 | none | bf16 | 2.02 ms | 10.1 ms | 95MB | 1.00x (reference) | new |\n";
        let imported = import(text, "own.md").unwrap();
        let case = &imported.baseline.cases["my|own/5f-a/int8/bf16"];
        assert_eq!((case.speedup, case.step_seconds), (Some(2.49), Some(812.0 * 1e-6)));
        assert!(imported.model_bytes["my|own/wan/int8/bf16"].can_be(29 << 20));
        assert_eq!(imported.baseline.device, DeviceKind::Cpu);
        assert_eq!(imported.baseline.machine.chip, "Intel(R) Xeon(R) CPU @ 2.20GHz");
        assert_eq!(imported.baseline.machine.cpu_cores, Some(1));
    }

    const PRODUCTION: &str = "> Generated: today\n- **Hardware**: Apple Silicon (Apple M1 Ultra), 128GB\n\
        - **Model**: WanModel (14B parameters)\n## Results Summary\n\n\
        | Backend | Frames | Steps | Quant | Time/Step | Total | Model Mem | Speedup |\n|--|--|--|--|--|--|--|--|\n\
        | PYTORCH | 41 | 20 | None | 9.1s | 3.0min | 69.1GB | 1.00x (baseline) |\n\
        | MLX | 41 | 20 | nf4 | 7.7s | 2.6min | 10.8GB | 1.18x |\n\
        | PYTORCH | 81 | 40 | None | 2.2min | 1.5h | 69.1GB | 1.00x (baseline) |\n";

    #[test]
    fn minutes_hours_and_gigabytes_of_the_founding_script_are_read() {
        let imported = import(PRODUCTION, "production.md").unwrap();
        let step = |name: &str| imported.baseline.cases[name].step_seconds.unwrap();
        // The more precise one: 9.1 s of 0.5%, 3.0 min of 1.7%.
        assert_eq!(step("torch/41f/none"), 9.1);
        assert_eq!(step("mlx/41f/nf4"), 7.7);
        assert_eq!(step("torch/81f/none"), 2.2 * 60.0);
        assert_eq!(imported.baseline.cases["mlx/41f/nf4"].speedup, Some(1.18));
        let size = &imported.model_bytes["torch/14B parameters/none/f32"];
        assert!(size.can_be((69.12 * f64::from(1 << 30)) as u64) && !size.can_be(69 << 30));
    }

    #[test]
    fn the_models_name_is_kept_and_its_figures_are_of_no_other_model() {
        let mut imported = import(PRODUCTION, "production.md").unwrap();
        assert_eq!(imported.baseline.imported.as_ref().unwrap().model.as_deref(), Some("WanModel (14B parameters)"));
        let mut record = Scenario::new().record;
        let case = &mut record.cases.iter_mut().find(|case| case.case.name == "mlx/41f/nf4").unwrap().case;
        assert_eq!(case.workload.model, "synthetic");
        assert_eq!(imported.baseline.case(case), None);
        case.workload.model = "wan14b".to_owned();
        imported.rename_model("wan14b");
        assert!(imported.baseline.case(case).is_some());
        assert!(imported.model_bytes.contains_key("mlx/wan14b/nf4/f32"));
    }

    #[test]
    fn there_is_no_speedup_over_a_reference_without_figures() {
        let row = "| PYTORCH | 41 | 20 | None | 9.1s | 3.0min | 69.1GB | 1.00x (baseline) |\n";
        for failed in [
            "",
            "| PYTORCH | 41 | 20 | None | - | - | - | Error: PyTorch not availab... |\n",
            "| PYTORCH | 41 | 20 | None | 0.0s | 0.0s | 0MB | Error: PyTorch not availab... |\n",
            "| PYTORCH | 41 | 20 | None | 0.0s | 0.0s | 69.1GB | 1.00x (baseline) |\n",
        ] {
            let imported = import(&PRODUCTION.replace(row, failed), "production.md").unwrap();
            assert_eq!(imported.without_reference, ["mlx/41f/nf4"], "{failed}");
            let case = &imported.baseline.cases["mlx/41f/nf4"];
            assert_eq!((case.speedup, case.step_seconds), (None, Some(7.7)));
        }
    }

    #[test]
    fn errors_name_line_and_expectation() {
        for (from, to, message) in [
            (
                "2.49x",
                "fast",
                "r.md, line 21: \"fast\": expected a speedup such as 2.49x, or 1.00x (baseline) in the column Speedup",
            ),
            ("| 41 | 20 | nf4 |", "| 41 | 20 | q4 |", "r.md, line 23: \"q4\": expected one of none, int8, nf4"),
            (
                "| 41 | 20 | nf4 |",
                "| 41 | 0 | nf4 |",
                "r.md, line 23: \"0\": expected a number above 0 in the column Steps",
            ),
            ("| 0.6s | 18MB |", "| 0.6 | 18MB |", "r.md, line 23: \"0.6\": expected a time"),
            ("| 0.6s | 18MB |", "| 0.6s | 19MB |", "expected the Model Mem of the earlier rows"),
            ("| MLX | 41 | 20 | nf4", "| MLX | 41 | 20 | int8", "expected the Model Mem of the earlier rows"),
            ("| 2.42x |", "|", "r.md, line 23: "),
            ("512GB", "512", "r.md, line 8: "),
            ("Apple Silicon (", "Amiga (", "expected hardware such as"),
            ("| Speedup |", "| Faster |", "expected a column \"Speedup\" in the Results Summary table"),
            ("## Results Summary", "## Results", "r.md: no table under \"## Results Summary\""),
            ("> Generated:", "> Made:", "r.md: no Generated line"),
        ] {
            let error = import(&FOUNDING.replace(from, to), "r.md").unwrap_err().to_string();
            assert!(error.contains(message), "{error}");
        }
    }
}
