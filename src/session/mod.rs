//! What the commands share: from flags to a measured, judged and published run.

pub mod actions;
pub mod alone;
pub mod artifact;
pub mod base;
pub mod find_program;
pub mod history;
pub mod interrupt;
pub mod judged;
pub mod measure;
pub mod measurement;
pub mod outputs;
pub mod publish;
pub mod review;
pub mod selected;
pub mod status;
pub mod terminal;
