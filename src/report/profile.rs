//! A profile: as tables for a terminal, and as JSON.

use comfy_table::{CellAlignment, Table, presets};

use crate::evidence::profile::{KindTime, Profile, TRUSTED_DIFFERENCE};
use crate::text::NOTHING;
use crate::text::escape::{self, one_line};
use crate::text::format;
use crate::text::wrap::wrap;

/// The profile as text: the parts, then each block's; its prose in `width` columns.
pub fn text(profile: &Profile, width: usize) -> String {
    let mut text = format!(
        "{}: {} as a step takes it ({}, {})\n\n",
        one_line(&profile.case),
        format::seconds(profile.step_seconds),
        format::flop_rate(profile.flops / profile.step_seconds),
        format::count(profile.passes, "pass"),
    );
    text.push_str(&kinds(profile));
    text.push('\n');
    text.push_str(&blocks(profile));
    text.push('\n');
    text.push_str(&wrap(&summary(profile), "", "", width));
    text
}

/// The profile as indented JSON: times in seconds.
///
/// # Panics
/// Never: all keys are strings, and serde_json writes a number that is not finite as `null`.
pub fn json(profile: &Profile) -> String {
    escape::json_document(profile)
}

fn kinds(profile: &Profile) -> String {
    let mut table = table(&["Part", "Time", "Share", "TFLOP/s", "of GEMM"]);
    for KindTime { kind, in_blocks, seconds, flops } in profile.by_kind() {
        let place = if in_blocks { "blocks: " } else { "" };
        let rate = (flops > 0.0).then_some(flops / seconds);
        let of_gemm = rate.zip(profile.rates).map(|(rate, rates)| rate / rates.gemm_flops_per_second);
        table.add_row([
            format!("{place}{}", kind.name()),
            format::seconds(seconds),
            format::share(seconds / profile.sum_seconds),
            rate.map_or_else(|| NOTHING.to_owned(), |rate| format::flop_rate(rate).replace(" TFLOP/s", "")),
            of_gemm.map_or_else(|| NOTHING.to_owned(), format::share),
        ]);
    }
    lines(&mut table)
}

fn blocks(profile: &Profile) -> String {
    let kinds = profile.block_kinds();
    let header: Vec<&str> = ["Block"].into_iter().chain(kinds.iter().map(|kind| kind.name())).chain(["sum"]).collect();
    let mut table = table(&header);
    for (block, seconds) in profile.blocks(&kinds) {
        let sum = seconds.iter().sum();
        let cells = seconds.into_iter().chain([sum]).map(|seconds| match seconds {
            0.0 => NOTHING.to_owned(),
            seconds => format::seconds(seconds),
        });
        table.add_row([block.to_string()].into_iter().chain(cells));
    }
    lines(&mut table)
}

fn summary(profile: &Profile) -> String {
    let difference = profile.difference();
    let mut text = format!(
        "Together the parts take {}, {} against the step; the device is synchronized after each part, which a step does not do.",
        format::seconds(profile.sum_seconds),
        format::percent(difference)
    );
    if difference.abs() > TRUSTED_DIFFERENCE {
        text.push_str(&format!(
            " They differ by more than {}, so the shares are not those of the step: profile a larger workload, or on a quieter machine.",
            format::share(TRUSTED_DIFFERENCE)
        ));
    }
    if let Some(rates) = &profile.rates {
        text.push_str(&format!(
            " In the same launch the machine's matrix products ran at {}, its copies at {}.",
            format::flop_rate(rates.gemm_flops_per_second),
            format::byte_rate(rates.copy_bytes_per_second)
        ));
    }
    text
}

fn table(header: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_header(header);
    table
}

fn lines(table: &mut Table) -> String {
    for (index, column) in table.column_iter_mut().enumerate() {
        column.set_cell_alignment(if index > 0 { CellAlignment::Right } else { CellAlignment::Left });
        column.set_padding((0, 2));
    }
    table.lines().map(|line| format!("{}\n", line.trim_end())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::profile::tests::profile;

    #[test]
    fn the_tables_hold_each_part_and_each_block() {
        let text = text(&profile(), 100);
        for line in [
            "mlx/5f/none: 10.0 ms as a step takes it (0.30 TFLOP/s, 3 passes)",
            "blocks: self-attention  7.00 ms  70.0%     0.43    42.9%",
            "head                    2.00 ms  20.0%        –        –",
            "0             3.00 ms        –  3.00 ms",
            "1             4.00 ms  1.00 ms  5.00 ms",
            "Together the parts take 10.0 ms, 0.0% against the step",
        ] {
            assert!(text.contains(line), "{line}\n{text}");
        }
        assert!(!text.contains("They differ by more than"));
    }

    #[test]
    fn parts_that_do_not_add_up_to_the_step_say_so() {
        let apart = Profile { sum_seconds: 0.012, ..profile() };
        assert!(text(&apart, 100).contains("They differ by more than"));
        assert_eq!(serde_json::from_str::<serde_json::Value>(&json(&apart)).unwrap()["parts"][0]["part"]["block"], 0);
    }
}
