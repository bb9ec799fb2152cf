//! The runs of weeks and months: from a judged run to its entry in the history, and from entries to series and the places
//! where they change. Pure.

mod change_points;
mod entry;
pub mod import;
mod series;

pub use change_points::ShiftKind;
pub use entry::entry;
pub use series::{Asked, ChangePoint, Metric, Point, Series, series};
