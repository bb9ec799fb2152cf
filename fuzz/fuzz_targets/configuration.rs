//! config.toml: what is accepted gives cases with names of their own, and what is not has a message of one piece.
#![no_main]

use std::path::Path;

use libfuzzer_sys::fuzz_target;
use wanbench::config::Config;
use wanbench::gate::Plan;
use wanbench_fuzz::{FILE, record};

fuzz_target!(|text: &str| {
    match Config::parse(text, Path::new(FILE)) {
        Ok(config) => {
            for suite in config.suites.values() {
                let mut names: Vec<&str> = suite.cases.iter().map(|case| case.name.as_str()).collect();
                names.sort_unstable();
                assert!(names.windows(2).all(|pair| pair[0] != pair[1]), "{names:?}");
            }
            assert!(config.suite(None, true).is_ok() && config.suite(None, false).is_ok());
            let _ = Plan::of(&config, record());
        }
        Err(error) => assert!(error.to_string().starts_with(FILE)),
    }
});
