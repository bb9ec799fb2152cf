//! SGLang's diffusion tests.

use wanbench::stats;

use super::Job;

const DENOISE_AGG_TOLERANCE: f64 = 0.2;

/// Whether the mean or the median step exceeds the expected one by more than 20%. Expected are the mean and the median
/// of all earlier jobs; in the source they are numbers in a file.
///
/// Source: sgl-project/sglang, python/sglang/multimodal_gen/test/server: `denoise_agg` of `pr_test` in
/// perf_baselines/b200.json (040d4b1, 2026-07-01), `_validate_denoise_agg` in test_server_utils.py. Left out are the
/// tests that are laxer (25% for the whole request, 30% or 160 ms for single steps) and, in the rule's favour, that a
/// tolerance is never less than 20 ms: its own steps take 400 ms.
pub fn flags_slower(job: &Job) -> bool {
    let (expected, head) = (job.history.concat().concat(), job.head.concat());
    let exceeds =
        |statistic: fn(&[f64]) -> f64| statistic(&head) > statistic(&expected) * (1.0 + DENOISE_AGG_TOLERANCE);
    exceeds(stats::mean) || exceeds(stats::median)
}
