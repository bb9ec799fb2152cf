//! Stub until the real one is merged.
use std::collections::BTreeMap;
use wanbench::record::BaseRevision;
use wanbench::runner::Program;

pub struct Base {
    pub programs: BTreeMap<String, Program>,
    pub revision: BaseRevision,
}
