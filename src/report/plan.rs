//! A suite's plan: as a table for a terminal, and as JSON.

use comfy_table::{CellAlignment, Table, presets};

use crate::config::display_name;
use crate::forecast::{AIM_PERCENT, BackendRates, PlannedCase, Power, SuitePlan};
use crate::gate::speed::MOST_LAUNCHES;
use crate::text::NOTHING;
use crate::text::escape::{self, one_line};
use crate::text::format;
use crate::text::wrap::wrap;

/// The plan as text, its prose in `width` columns.
pub fn text(plan: &SuitePlan, width: usize) -> String {
    let has = plan.has_bytes.map_or_else(|| "unknown".to_owned(), format::gibibytes);
    let mut text = format!(
        "Suite {} on the {}, at most {} per case, each of {} and the steps; memory free: {has}\n",
        one_line(&plan.suite),
        plan.device.name().to_uppercase(),
        format::launches(plan.launches),
        format::count(plan.warmup_steps as usize, "warm-up pass"),
    );
    plan.rates.iter().for_each(|rates| text.push_str(&wrap(&rates_line(rates), "", "  ", width)));
    if let Some(warning) = &plan.warning {
        text.push_str(&wrap(&format!("Warning: {warning}"), "", "  ", width));
    }
    text.push('\n');
    text.push_str(&table(plan));
    text.push('\n');
    text.push_str(&wrap(&summary(plan), "", "", width));
    text.push_str(&wrap(&power(plan), "", "", width));
    text
}

/// The plan as indented JSON: times in seconds, sizes in bytes, rates per second.
///
/// # Panics
/// Never: all keys are strings, and serde_json writes a number that is not finite as `null`.
pub fn json(plan: &SuitePlan) -> String {
    escape::json_document(plan)
}

fn rates_line(rates: &BackendRates) -> String {
    let who = format!("{} in {}", display_name(&rates.backend), rates.dtype);
    match (&rates.rates, &rates.reason) {
        (Some(rates), _) => format!(
            "{who}: matrix products at {}, copies at {}",
            format::flop_rate(rates.gemm_flops_per_second),
            format::byte_rate(rates.copy_bytes_per_second)
        ),
        (None, reason) => format!("{who}: rates unknown: {}", one_line(reason.as_deref().unwrap_or("not asked"))),
    }
}

fn table(plan: &SuitePlan) -> String {
    let mut table = Table::new();
    let header = ["Case", "Steps", "Tokens", "TFLOP/Step", "Model", "Peak", "Step", "At Most", ""];
    table.load_style(presets::NOTHING).set_header(header);
    for case in &plan.cases {
        table.add_row(row(case));
    }
    for (index, column) in table.column_iter_mut().enumerate() {
        let is_number = (1..header.len() - 1).contains(&index);
        column.set_cell_alignment(if is_number { CellAlignment::Right } else { CellAlignment::Left });
        column.set_padding((0, 2));
    }
    table.lines().map(|line| format!("{}\n", line.trim_end())).collect()
}

fn row(planned: &PlannedCase) -> [String; 9] {
    let PlannedCase { case, forecast, .. } = planned;
    let dash = || NOTHING.to_owned();
    [
        one_line(&case.name),
        case.workload.steps.to_string(),
        format::exact(forecast.tokens as u64),
        format::teraflops(forecast.work.flops),
        format::memory(forecast.model_bytes),
        format::memory(forecast.peak_bytes),
        planned.step_seconds.map_or_else(dash, format::seconds),
        planned.most_seconds.map_or_else(dash, format::duration),
        planned.skipped.map_or_else(String::new, |skipped| format!("skipped: {skipped}")),
    ]
}

/// What a check finds beside a base revision, and in which time it would find what it should.
fn power(plan: &SuitePlan) -> String {
    let Power { noise_percent, is_assumed, detectable_percent, launches_for_aim } = plan.power;
    // Beside a base every launch is made twice.
    let taking = |launches: usize| match plan.most_seconds > 0.0 {
        true => {
            let seconds = 2.0 * plan.most_seconds * launches as f64 / plan.launches as f64;
            format!(", which take up to about {}", format::duration(seconds))
        }
        false => String::new(),
    };
    let source = if is_assumed { " (assumed; `wanbench calibrate` measures it, --noise takes it)" } else { "" };
    let found = match detectable_percent {
        Some(percent) => format!(
            "{} find a step that is {percent:.1}% slower with a probability of 80%{}.",
            format::launches(plan.launches),
            taking(plan.launches)
        ),
        None => "one launch finds no slowdown.".to_owned(),
    };
    let aim = match launches_for_aim {
        Some(launches) if launches > plan.launches => {
            format!(" They cannot find {AIM_PERCENT}%: that takes {}{}.", format::launches(launches), taking(launches))
        }
        Some(_) => String::new(),
        None => format!(" No budget of up to {MOST_LAUNCHES} launches finds {AIM_PERCENT}%."),
    };
    format!("Beside a base revision, where a block's ratio scatters by {noise_percent}%{source}, {found}{aim}")
}

fn summary(plan: &SuitePlan) -> String {
    let beyond = plan.cases.iter().filter(|case| case.skipped.is_some()).count();
    let fitting = match beyond {
        0 => "Every case fits.".to_owned(),
        _ => format!("{beyond} of {} would be skipped.", format::count(plan.cases.len(), "case")),
    };
    let time = match plan.cases.iter().any(|case| case.most_seconds.is_some()) {
        true => format!(
            " The steps of all launches take about {} at the machine's full rates, and seldom less; loading is not included.",
            format::duration(plan.most_seconds)
        ),
        false => String::new(),
    };
    fitting + &time
}
