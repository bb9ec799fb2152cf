//! wanbench: a regression tracker for the Wan diffusion transformer on MLX and PyTorch.
//!
//! The library holds everything that needs no framework: the model as data ([`wan`]), the JSON-lines
//! [`protocol`] between the tool and its workers, the [`worker`] loop that times steps, the
//! [`runner`] that launches workers, and what turns measurements into verdicts and reports.
//! The two worker programs under `src/bin/` are the only users of MLX and libtorch.

pub mod base;
pub mod baseline;
pub mod cache;
pub mod calibration;
pub mod config;
pub mod doctor;
pub mod figures;
pub mod forecast;
pub mod format;
pub mod gate;
pub mod git;
pub mod github;
pub mod import;
pub mod init;
pub mod loosening;
pub mod machine;
pub mod matrix;
pub mod memory;
pub mod parity;
pub mod profile;
pub mod protocol;
pub mod record;
pub mod report;
pub mod runner;
pub mod save;
pub mod stats;
pub mod throughput;
pub mod wan;
pub mod worker;
