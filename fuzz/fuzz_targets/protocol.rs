//! A worker's lines: what is accepted reads back the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use wanbench::protocol::{Event, Request, Turn};
use wanbench::store::valid;
use wanbench_fuzz::assert_reads_back;

fuzz_target!(|text: &str| {
    for line in text.lines() {
        if let Ok(event) = serde_json::from_str::<Event>(line)
            && valid::event(&event).is_ok()
        {
            assert_reads_back(&event);
        }
        if let Ok(request) = serde_json::from_str::<Request>(line) {
            assert_reads_back(&request);
        }
        let _ = serde_json::from_str::<Turn>(line);
    }
});
