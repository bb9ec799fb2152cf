//! What the launches of a run say, in figures: computed once from a record, read by the gate and the reports. Pure.

pub mod figures;
pub mod parity;
pub mod profile;
pub mod throughput;
