//! Markdown reports: what is imported is a valid baseline, which reads back the same and can be judged by.
#![no_main]

use libfuzzer_sys::fuzz_target;
use wanbench::store::import::import;
use wanbench::store::valid;
use wanbench_fuzz::{FILE, assert_reads_back, assert_reported, record};

fuzz_target!(|text: &str| {
    if let Ok(imported) = import(text, FILE) {
        assert_eq!(valid::baseline(&imported.baseline), Ok(()));
        assert_reads_back(&imported.baseline);
        assert_reported(record(), Some(&imported.baseline));
    }
});
