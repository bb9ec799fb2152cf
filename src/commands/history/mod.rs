//! `wanbench history`: show, record, import.

mod import;
mod record;
mod show;

pub use import::import;
pub use record::record;
pub use show::show;
