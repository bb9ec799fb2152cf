//! The runs of weeks and months: from a judged run to its entry in the history. Pure.

mod entry;

pub use entry::entry;
