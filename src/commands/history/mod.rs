//! `wanbench history`: show, record.

mod record;
mod show;

pub use record::record;
pub use show::show;
