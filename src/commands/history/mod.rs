//! `wanbench history`: show, record.

mod record;

pub use record::record;
