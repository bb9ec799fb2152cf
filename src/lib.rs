//! wanbench: a regression tracker for the Wan diffusion transformer on MLX and PyTorch.
//!
//! The library holds everything that needs no framework. Its modules are in layers: each uses only those above it in the list
//! below, which `tests/layers.rs` enforces. The two worker programs under `src/bin/` are the only users of MLX and libtorch.

pub mod stats;

pub mod text;

pub mod files;

pub mod children;

pub mod wan;

pub mod protocol;

pub mod config;

pub mod machine;

pub mod store;

pub mod evidence;

pub mod gate;

pub mod calibration;

pub mod forecast;

pub mod worker;

pub mod runner;

pub mod revision;

pub mod history;

pub mod report;

pub mod github;

#[cfg(test)]
mod testing;
