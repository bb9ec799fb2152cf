//! Baselines: what is accepted reads back the same, and a run can be judged by it and recorded in it.
#![no_main]

use std::path::Path;

use libfuzzer_sys::{fuzz_mutator, fuzz_target};
use wanbench::config::Thresholds;
use wanbench::store::baseline::{Baseline, ModelMemory};
use wanbench::store::valid;
use wanbench_fuzz::{FILE, assert_reads_back, assert_reported, mutate_json, record};

fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| { mutate_json(data, size, max_size, seed) });

fuzz_target!(|text: &str| {
    if let Ok(memory) = ModelMemory::parse(text, Path::new(FILE)) {
        assert_reads_back(&memory);
    }
    if let Ok(baseline) = Baseline::parse(text, Path::new(FILE)) {
        assert_reads_back(&baseline);
        assert_reported(record(), Some(&baseline));
        assert_eq!(valid::baseline(&baseline.anchored(|_| true, "why", &Thresholds::default())), Ok(()));
    }
});
