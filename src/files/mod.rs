//! Files: read within limits, saved whole or not at all, changed by one process at a time; the cache that all checkouts share.

pub mod cache;
pub mod folder;
pub mod read;
pub mod save;
