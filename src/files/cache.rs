//! The per-user cache folder, shared by every checkout.

use std::path::PathBuf;

/// `$WANBENCH_CACHE`, else `wanbench` in the platform's cache folder, else in the temporary folder.
///
/// The set-up script under `native/` follows the same rule.
pub fn folder() -> PathBuf {
    match std::env::var_os("WANBENCH_CACHE") {
        Some(folder) if !folder.is_empty() => folder.into(),
        _ => dirs::cache_dir().unwrap_or_else(std::env::temp_dir).join("wanbench"),
    }
}
