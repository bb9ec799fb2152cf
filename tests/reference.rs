//! The network written out in float64 gives the recorded golden output: so it may vouch for others.

mod support;

use std::path::Path;

use support::reference;
use wanbench::wan::tensor_file::TensorFile;
use wanbench::wan::{Checkpoint, Inputs};

#[test]
fn the_network_in_float64_gives_the_golden_output() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/wan/i2v");
    let inputs = Inputs::open(&folder.join("inputs.safetensors")).unwrap();
    let checkpoint = Checkpoint::open(&folder).unwrap();
    let velocity = reference::velocity(&checkpoint, &inputs, inputs.t.unwrap());
    let golden = TensorFile::open(&folder.join("outputs.safetensors")).unwrap();
    let golden = golden.tensor("none").unwrap().to_f32().unwrap();
    let error = reference::relative_error(&golden, &velocity);
    assert!(error < 1e-5, "{error:e}");
}
