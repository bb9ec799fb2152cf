//! A calibration for a terminal: noise, false alarms, tolerances, and last the values to paste.

use comfy_table::{CellAlignment, ContentArrangement, Table, presets};

use super::{Calibration, CaseNoise, DRAWS, Noise, TOLERANCE_LAUNCHES, job_noise_factors};
use crate::stats::{median, wilson};
use crate::text::NOTHING;
use crate::text::escape::one_line;
use crate::text::format;
use crate::text::wrap::wrap;

/// The calibration as text, its prose in `width` columns.
pub fn render(calibration: &Calibration, width: usize) -> String {
    [header, noise, alarms, tolerances, proposal].map(|part| part(calibration, width)).join("\n")
}

fn header(calibration: &Calibration, width: usize) -> String {
    let jobs = calibration.jobs;
    let Some(first) = jobs.records.first() else { return "No job was measured.\n".to_owned() };
    let mut text = format!(
        "{}\nCalibration by suite {} on the {}: {}, {} per case, {}\n",
        one_line(&first.machine.describe()),
        one_line(&first.suite),
        first.device.name().to_uppercase(),
        format::count(jobs.records.len(), "job"),
        format::launches(jobs.launches()),
        format::duration(jobs.span_seconds())
    );
    text.push_str("Head and base are the same programs: any difference comes from the machine.\n");
    if jobs.records.len() < jobs.planned {
        let planned = format::count(jobs.planned, "job");
        text.push_str(&format!("Interrupted: {} of {planned} are complete and counted.\n", jobs.records.len()));
    }
    if jobs.records.iter().any(|record| record.tool.debug_build) {
        text.push_str("Warning: a debug build was measured\n");
    }
    // What was noticed before the second job is, as a load average, the first one's doing.
    for warning in &first.warnings {
        text.push_str(&wrap(&format!("Warning: {warning}"), "", "  ", width));
    }
    for left_out in &calibration.left_out {
        let line = format!("Left out: {} of job {}: {}", left_out.name, left_out.job, left_out.reason);
        text.push_str(&wrap(&line, "", "  ", width));
    }
    text
}

const LAYERS: [&str; 6] = ["Standard deviation", "Step", "Launch", "Block", "Job", "Speedup"];

fn noise(calibration: &Calibration, width: usize) -> String {
    let cases = &calibration.cases;
    if cases.is_empty() {
        return "No case was measured, so there is no noise to report.\n".to_owned();
    }
    let largest = |values: &[f64]| values.iter().copied().fold(0.0, f64::max);
    let all = || cases.iter().map(|case| &case.noise);
    let row = |case: &CaseNoise| (one_line(&case.name), case.noise);
    let mut rows: Vec<(String, Noise)> = cases.iter().map(row).collect();
    rows.push(("median of the cases".to_owned(), Noise::over(all(), median)));
    rows.push(("largest of the cases".to_owned(), Noise::over(all(), largest)));
    let cells = |(name, noise): &(String, Noise)| {
        let percent = |deviation: Option<f64>| deviation.map_or_else(|| NOTHING.to_owned(), percent);
        [vec![name.clone()], noise.layers().map(percent).to_vec()].concat()
    };
    let mut text = table(&LAYERS, rows.iter().map(cells));
    for line in [
        "Step: of a step within its launch (1.0483 × the median absolute difference of two).",
        "Launch: of a launch's time (its fastest quarter of steps) within its job: the noise of an unpaired comparison, times √2 for two arms.",
        "Block: of the log-ratio of head and base in a block: the noise of `wanbench check --base`.",
        "Job: of a job's mean of these log-ratios, beyond what its blocks explain.",
        "Speedup: of a job's speedup over the reference: the noise of a comparison with a committed baseline.",
    ] {
        text.push_str(&wrap(line, "  ", "    ", width));
    }
    text.push_str(&job_doubt(calibration, width));
    text
}

/// How little few jobs, close in time, tell of what differs between jobs.
fn job_doubt(calibration: &Calibration, width: usize) -> String {
    let jobs = calibration.jobs.records.len();
    let line = match job_noise_factors(jobs) {
        Some((low, high)) => format!(
            "Job and Speedup come from {jobs} jobs, {}: the true ones lie between {low:.2} and {high:.1} times these \
             (95%). The jobs ran within {}: differences from day to day are not included.",
            if jobs == 2 { "1 degree of freedom".to_owned() } else { format!("{} degrees of freedom", jobs - 1) },
            format::duration(calibration.jobs.span_seconds())
        ),
        None => "Job and Speedup need two jobs.".to_owned(),
    };
    wrap(&line, "  ", "    ", width)
}

fn alarms(calibration: &Calibration, width: usize) -> String {
    let (alarms, gate) = (&calibration.alarms, calibration.gate);
    let mut text = wrap(
        &format!(
            "False alarms at the present gate (base_tolerance_percent = {}, planned for {} of all runs at most)",
            gate.base_tolerance_percent,
            share(gate.alpha())
        ),
        "",
        "  ",
        width,
    );
    let observed = |count: usize| {
        let (low, high) = wilson(count, alarms.jobs);
        format!("{count} of {} (95%: {} to {})", format::count(alarms.jobs, "job"), share(low), share(high))
    };
    text.push_str(&format!("  Step time, measured: {}\n", observed(alarms.step_time)));
    text.push_str(&format!("  Peak memory, measured: {}\n", observed(alarms.peak)));
    if alarms.unfit > 0 {
        let line = format!("Not judged, since the control showed an unfit machine: {}", observed(alarms.unfit));
        text.push_str(&wrap(&line, "  ", "    ", width));
    }
    if let Some(simulated) = alarms.simulated {
        let line = format!(
            "Step time, simulated: {} of {DRAWS} runs, each of {} in a row out of the {} that were measured; they show \
             no more than those contain",
            share(simulated),
            format::count(calibration.jobs.launches(), "block"),
            alarms.blocks
        );
        text.push_str(&wrap(&line, "  ", "    ", width));
    }
    text
}

fn tolerances(calibration: &Calibration, width: usize) -> String {
    let figures = TOLERANCE_LAUNCHES.iter().zip(calibration.tolerances_percent);
    let cell = |(launches, percent): (&usize, Option<f64>)| {
        let percent = percent.map_or_else(|| NOTHING.to_owned(), |percent| format!("{percent:.2}%"));
        format!("  at {:>2} launches: {percent}\n", launches)
    };
    let text = "Smallest tolerance of a step time against the base revision's, by the noisiest case: an unchanged case \
                passes, and a slowdown of that size is significant at the last look, each with a probability of 80%";
    wrap(text, "", "  ", width) + &figures.map(cell).collect::<String>()
}

fn proposal(calibration: &Calibration, width: usize) -> String {
    let gate = calibration.gate;
    let present = format!(
        "Proposed for config.toml, in place of {}% and {}%:",
        gate.base_tolerance_percent, gate.speedup_tolerance_percent
    );
    format!("{present}\n\n{}", calibration.proposal.toml(width))
}

/// The first column to the left, the figures to the right.
fn table(head: &[&str], rows: impl Iterator<Item = Vec<String>>) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled).set_header(head);
    table.add_rows(rows);
    for (index, column) in table.column_iter_mut().enumerate() {
        column.set_cell_alignment(if index == 0 { CellAlignment::Left } else { CellAlignment::Right });
        column.set_padding((0, 2));
    }
    table.lines().map(|line| format!("{}\n", line.trim_end())).collect()
}

/// A standard deviation of logarithms: `0.43%`.
fn percent(deviation: f64) -> String {
    format!("{:.2}%", 100.0 * deviation)
}

/// A share: `0.4%`.
fn share(share: f64) -> String {
    format!("{:.1}%", 100.0 * share)
}
