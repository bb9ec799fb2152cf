//! The saved form of a calibration: the records of its jobs, so that all its figures can be computed again.

use std::path::Path;

use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};

use crate::files::read::Limit;
use crate::files::save;
use crate::store::record::{self, RunRecord};
use crate::store::{ReadError, has_form, read_versioned, valid};

/// Schema version of calibration.json; the records in it have [`record::SCHEMA`].
pub const SCHEMA: u32 = 1;

/// A/A jobs, one after the other on one machine: the same programs are head and base.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Jobs {
    /// [`SCHEMA`] of the writer.
    pub schema: u32,
    /// Jobs that were to be measured; `records` has fewer where the calibration was interrupted.
    pub planned: usize,
    /// The jobs that went to their last launch, in the order they ran.
    pub records: Vec<RunRecord>,
}

/// What calibrations of every schema have.
#[derive(Deserialize)]
#[expect(dead_code, reason = "only whether it can be read is asked")]
struct AnyJobs {
    schema: u64,
    planned: u64,
    records: Vec<IgnoredAny>,
}

impl Jobs {
    /// Whether `path` holds saved jobs, of this wanbench or of one with another schema.
    pub fn is_in(path: &Path) -> bool {
        has_form::<AnyJobs>(path, Limit::CALIBRATION)
    }

    /// Nothing measured yet of `planned` jobs.
    pub fn new(planned: usize) -> Self {
        Self { schema: SCHEMA, planned, records: Vec::new() }
    }

    /// Saves the jobs, atomically.
    pub fn save(&self, path: &Path) -> std::io::Result<()> {
        save::compact_json(path, self)
    }

    /// Reads saved jobs; records of another schema, or with figures that cannot be true, are an error.
    pub fn open(path: &Path) -> Result<Self, ReadError> {
        let jobs: Self = read_versioned(path, Limit::CALIBRATION, "calibration", SCHEMA)?;
        for (index, record) in jobs.records.iter().enumerate() {
            let (found, expected) = (record.schema, record::SCHEMA);
            if found != expected {
                return Err(ReadError::Schema { path: path.display().to_string(), found: found.into(), expected });
            }
            valid::run(record).map_err(|reason| ReadError::invalid(path, format!("job {}: {reason}", index + 1)))?;
        }
        Ok(jobs)
    }

    /// Launches planned per case and job; 0 without a job.
    pub fn launches(&self) -> usize {
        self.records.first().map_or(0, |record| record.launches)
    }

    /// From the first job's begin to the last one's end, in seconds; 0 without a job.
    pub fn span_seconds(&self) -> f64 {
        let (Some(first), Some(last)) = (self.records.first(), self.records.last()) else { return 0.0 };
        last.started.duration_since(first.started).as_secs_f64() + last.wall_seconds
    }
}
