//! How it was measured and judged.

use super::super::{Report, summary};
use super::syntax::code;
use crate::config::{BuiltIn, Ceiling, Thresholds};
use crate::protocol::MemoryKind;
use crate::stats;
use crate::store::record::{CaseRecord, RunRecord};
use crate::text::format;
use crate::wan::Experts;

pub(super) fn section(report: &Report) -> String {
    format!("## Methodology\n\n### Benchmark Procedure\n\n{}\n### Notes\n\n{}", procedure(report), notes(report))
}

/// A numbered list of what was done.
pub(in crate::report) fn procedure(report: &Report) -> String {
    let record = &report.record;
    format!(
        "\
         1. **Launch**: Every launch is a fresh worker process that loads, warms up and times its steps; {launches} per case\n\
         2. **Blocks**: {blocks} (seed {seed}); a change is the mean over the blocks of the log-ratio of two arms, so that drift of the machine cancels, or that mean without a fifth on either side, whichever is known better\n\
         3. **Warmup**: {warmup} at the exact shapes, to trigger compilation and allocation{wakes}\n\
         4. **Timing**: Each denoising step, one full forward pass, is timed individually; the times in the tables are medians, of a launch's steps and of a case's launches. Where two arms are compared, a launch counts with the mean of its fastest quarter of steps, since disturbances only add time\n\
         5. **Synchronization**: The device is synchronized before and after each timed step\n\
         6. **Schedule**: Euler steps of a flow-matching schedule; the update between two forward passes is not timed\n\
         7. **Memory**: Model memory is the exact bytes of the weights as the framework holds them, in MiB (printed `MB`). The process's peak is the lifetime maximum of the physical footprint on macOS, of the resident set on Linux; the framework's peak is its own allocator's. Where a GPU has memory of its own, the framework's peak alone tells what is held there, and the process's is shown only. Compare peaks within a backend only\n",
        blocks = match record.side_by_side {
            true =>
                "One launch of every case of a workload runs at the same time; they take turns, step by step, in a balanced order, and a waiting process is stopped",
            false => "One launch of every case of a workload runs close in time, in an order balanced over the blocks",
        },
        launches = summary::launches(record),
        seed = record.seed,
        warmup = format::count(record.warmup_steps as usize, "untimed step"),
        wakes = wakes(record),
    )
}

/// What wake passes are, and what they cost and did; nothing where none were made.
fn wakes(record: &RunRecord) -> String {
    let launches = record.cases.iter().flat_map(CaseRecord::measured).map(|(_, launch)| launch);
    let ratios = launches
        .filter(|launch| !launch.wake_seconds.is_empty())
        .map(|launch| stats::median(&launch.wake_seconds) / stats::median(&launch.step_seconds) - 1.0);
    let ratios: Vec<f64> = ratios.collect();
    if !record.wakes() || ratios.is_empty() {
        return String::new();
    }
    let ratio = stats::median(&ratios);
    let (size, direction) = (format::share(ratio.abs()), if ratio < 0.0 { "shorter" } else { "longer" });
    format!(
        ". Each timed step has a wake pass right before it, untimed, since a GPU that idles while others have their turn is slow at first: \
         in the median launch a wake pass took {size} {direction} than the step after it"
    )
}

/// A list of what the figures mean, and of the tolerances.
pub(in crate::report) fn notes(report: &Report) -> String {
    let gate = &report.thresholds;
    let runs =
        |experts: &[Experts]| report.record.cases.iter().any(|case| experts.contains(&case.case.workload.experts));
    let switch = match runs(&[Experts::Both, Experts::Swap]) {
        true => "; a total includes the switch from one network to the other",
        false => "",
    };
    let resident = if runs(&[Experts::Both]) { "; for two where both networks are resident" } else { "" };
    format!(
        "\
         - Times per step and totals exclude model loading and VAE encode/decode{switch}\n\
         - Memory figures are for a single DiT model (full pipeline uses 2x){resident}\n\
         - Throughput counts matrix products and attention, a multiply-add as two operations; as bytes it counts each weight, and each product's operands and results, once. The machine's rates are those of a large square product in the case's arithmetic and of a large copy\n\
         - `nf4` rows are MLX's 4-bit affine mode with group size 64, the same as `int4`; they keep the name of the founding report\n\
         - Arithmetic is f32 unless a row says otherwise: no TF32, no bf16 attention\n\
         {only_one}\
         - Tolerances: step time beside the base revision {base}%, mean step, switch and loading time (from a second on) beside it {whole}%, speedup against the baseline {speedup}%, own step time against the baseline {step}%, both and the peaks against the anchor {anchor}%, peaks {peak}% + {mib} MiB, model memory exact{limits}. A speed tolerance is a ratio, symmetric in both directions: 5% is −4.8% to +5.0%\n\
         - A change fails if it is beyond its tolerance and significant: the probability of any false alarm, over all cases and looks together, is at most {alpha}%, and against the baseline as much where jobs differ by up to 2%\n",
        base = gate.base_tolerance_percent,
        whole = gate.whole_tolerance_percent,
        alpha = 100.0 * gate.alpha(),
        speedup = gate.speedup_tolerance_percent,
        step = gate.step_time_tolerance_percent,
        anchor = gate.anchor_tolerance_percent,
        peak = gate.peak_tolerance_percent,
        mib = gate.peak_tolerance_mib,
        limits = limits(gate),
        only_one = if uses_cuda(report) { ONLY_ONE_ON_CUDA } else { "" },
    )
}

/// What only one of the built-in workers does on an NVIDIA GPU.
const ONLY_ONE_ON_CUDA: &str = "- On an NVIDIA GPU, PyTorch's pass is recorded once and replayed as a CUDA graph, while MLX's kernels \
    are launched one by one; MLX's attention in f32 is a kernel of wanbench's own, since MLX has a fused one for half precision \
    only, and its quantized products are of unpacked weights, since its own kernels round f32 to TF32, and are slower and less exact in \
    half precision\n";

/// Whether both built-in workers ran on an NVIDIA GPU.
fn uses_cuda(report: &Report) -> bool {
    let on_cuda = |backend: &str| {
        let mut measured =
            report.record.cases.iter().filter(|case| case.case.backend == backend).flat_map(|case| case.measured());
        measured.any(|(_, launch)| launch.device.memory == Some(MemoryKind::Discrete))
    };
    BuiltIn::ALL.into_iter().all(|built_in| on_cuda(built_in.name()))
}

/// The ceilings of all cases, and what some cases have of their own; nothing where there are none.
fn limits(gate: &Thresholds) -> String {
    let words = |(key, value): (&str, f64)| format!("{key} = {value}");
    let ceilings: Vec<String> =
        Ceiling::ALL.into_iter().filter_map(|it| Some(words((it.key(), gate.ceiling(it)?)))).collect();
    let mut all = Vec::from_iter((!ceilings.is_empty()).then(|| format!("; for every case {}", ceilings.join(", "))));
    all.extend(gate.overrides.iter().map(|own| {
        let values: Vec<String> = own.values().map(words).collect();
        format!("; for cases with {} in their name {}", code(&own.filter), values.join(", "))
    }));
    all.concat()
}
