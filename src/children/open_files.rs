//! The limit on open files, which the pipes of many children reach: macOS starts with 256.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Pipes of one child, and what is open for a moment while it starts.
const FILES_PER_CHILD: u64 = 4;
/// Whatever else is open.
const OTHERS: u64 = 64;

/// Raises the soft limit as far as `children` at a time need it; it is never lowered.
///
/// # Errors
/// Where that is not allowed: how many files are needed, and how many are allowed.
pub fn allow_for(children: usize) -> Result<(), String> {
    let needed = FILES_PER_CHILD * children as u64 + OTHERS;
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if current.is_none_or(|current| current >= needed) {
        return Ok(());
    }
    let is_allowed = maximum.is_none_or(|maximum| maximum >= needed);
    if is_allowed && setrlimit(Resource::Nofile, Rlimit { current: Some(needed), maximum }).is_ok() {
        return Ok(());
    }
    let allowed = maximum.or(current).map_or_else(|| "fewer".to_owned(), |allowed| allowed.to_string());
    Err(format!("{children} processes at a time need {needed} open files, but {allowed} are allowed"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_allowed_already_changes_nothing_and_what_nobody_may_is_told() {
        let before = getrlimit(Resource::Nofile);
        allow_for(1).unwrap();
        assert_eq!(getrlimit(Resource::Nofile), before);
        if before.maximum.is_some() {
            let refused = allow_for(usize::MAX >> 8).unwrap_err();
            assert!(refused.contains("open files, but"), "{refused}");
        }
    }
}
