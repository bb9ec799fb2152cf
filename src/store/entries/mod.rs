//! The files of the history: what they are called, how they are read, and those in a folder.

mod file;
mod folder;

pub use file::{EntryFile, Unusable, runs_name};
pub use folder::{Addition, add_to_folder, files_in_folder};
