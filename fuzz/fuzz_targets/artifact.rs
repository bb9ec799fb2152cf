//! What a fork's job left, and the event that tells of it: what is accepted is reported harmlessly.
#![no_main]

use std::path::Path;

use jiff::Timestamp;
use libfuzzer_sys::{fuzz_mutator, fuzz_target};
use wanbench::github::artifact::Artifact;
use wanbench::github::event::WorkflowEvent;
use wanbench::github::{Caps, identity};
use wanbench_fuzz::{FILE, assert_harmless, assert_reported, mutate_json};

fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| { mutate_json(data, size, max_size, seed) });

fuzz_target!(|text: &str| {
    let now = Timestamp::MAX;
    match Artifact::record(text, Path::new(FILE), &Caps::default(), now) {
        Ok(record) => assert_reported(&record, None),
        Err(error) => assert_harmless(&error.to_string()),
    }
    if let Ok(event) = WorkflowEvent::parse(text.as_bytes(), Path::new(FILE))
        && let (Some(run), Some(claimed)) = (&event.workflow_run, &event.pull_request)
        && let Err(error) = identity::verify(run, claimed, &run.repository)
    {
        let _ = error.to_string();
    }
});
