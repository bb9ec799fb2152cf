//! results.json: what is accepted reads back the same, can be recorded, and every report on it is harmless.
#![no_main]

use std::path::Path;

use libfuzzer_sys::{fuzz_mutator, fuzz_target};
use wanbench::store::record::RunRecord;
use wanbench_fuzz::{FILE, assert_reads_back, assert_reported, mutate_json};

fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| { mutate_json(data, size, max_size, seed) });

fuzz_target!(|text: &str| {
    if let Ok(record) = RunRecord::parse(text, Path::new(FILE)) {
        assert_reads_back(&record);
        assert_reported(&record, None);
    }
});
