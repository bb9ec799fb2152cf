//! The history's series, for a terminal and for programs. Each rendering is a pure function of the series.

pub mod csv;
pub mod json;
mod sparkline;
pub mod text;

/// Characters of a commit's name that are shown.
const COMMIT_DIGITS: usize = 7;

/// A commit as people write it; `–` where it is not known.
fn short(commit: Option<&str>, dirty: bool) -> String {
    let mark = if dirty { "*" } else { "" };
    commit.map_or_else(
        || crate::text::NOTHING.to_owned(),
        |commit| commit.chars().take(COMMIT_DIGITS).collect::<String>() + mark,
    )
}
