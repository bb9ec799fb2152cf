//! One file per command: thin, over what [`crate::session`] does.

pub mod baseline;
pub mod calibrate;
pub mod check;
pub mod comment;
pub mod compare;
pub mod doctor;
pub mod guard;
pub mod history;
pub mod init;
pub mod parity;
pub mod plan;
pub mod profile;
pub mod quantize;
pub mod report;
pub mod run;
pub mod validate_artifact;
