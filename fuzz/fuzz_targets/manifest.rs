//! Manifests of quantized checkpoints, and the architecture of a checkpoint.
#![no_main]

use std::path::Path;

use libfuzzer_sys::{fuzz_mutator, fuzz_target};
use wanbench::wan::Spec;
use wanbench::wan::params::params;
use wanbench::wan::quantized::{Manifest, cached};
use wanbench_fuzz::{FILE, assert_reads_back, mutate_json};

fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| { mutate_json(data, size, max_size, seed) });

fuzz_target!(|text: &str| {
    if let Ok(manifest) = Manifest::parse(text, Path::new(FILE)) {
        assert_reads_back(&manifest);
        if let Some(layout) = manifest.quant.layout() {
            let _ = manifest.is_of(layout, manifest.dtype);
            let folder = cached(Path::new(FILE), &manifest.source, layout, manifest.dtype);
            assert!(folder.starts_with(FILE));
        }
    }
    if let Ok(spec) = serde_json::from_str::<Spec>(text)
        && spec.validate().is_ok()
        && spec.num_layers <= 100
    {
        assert_reads_back(&spec);
        assert!(!params(&spec).is_empty());
    }
});
