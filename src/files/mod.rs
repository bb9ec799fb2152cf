//! Files: saved whole or not at all, and the cache that all checkouts share.

pub mod cache;
pub mod save;
