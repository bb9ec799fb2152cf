//! The worker that runs the WanModel in PyTorch (libtorch through tch).
//!
//! Only the library's worker loop times anything; this program supplies the network. It calls the fallible `f_…`
//! methods of tch alone, since the others panic.

mod accelerator;
mod attention;
mod backend;
mod errors;
mod kernels;
mod layers;
mod model;
mod replay;
mod rope;
mod sample;
mod weights;

use std::process::ExitCode;

use wanbench::worker;

fn main() -> ExitCode {
    worker::run::<backend::Torch>()
}
