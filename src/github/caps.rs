//! The limits on what is read of an untrusted artifact.

/// How much an artifact may hold: several times what an honest one does, and little enough to read at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Caps {
    /// Number of files.
    pub files: usize,
    /// Bytes of one file.
    pub file_bytes: u64,
    /// Bytes of all files together.
    pub total_bytes: u64,
    /// Cases of a record.
    pub cases: usize,
    /// Launches of each arm of a case.
    pub launches: usize,
    /// Timed steps of a launch.
    pub steps: usize,
    /// Entries of any list.
    pub list_entries: usize,
    /// Bytes of any text.
    pub text_bytes: usize,
}

impl Default for Caps {
    fn default() -> Self {
        Self {
            files: 17,
            file_bytes: 32 << 20,
            total_bytes: 64 << 20,
            cases: 1_000,
            launches: 1_000,
            steps: 10_000,
            list_entries: 100_000,
            text_bytes: 64 << 10,
        }
    }
}
