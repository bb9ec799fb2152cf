//! Where in the text a fault is.

use std::ops::Range;
use std::path::Path;

use super::ConfigError;

/// The text that spans point into.
#[derive(Clone, Copy)]
pub(super) struct SourceText<'a> {
    pub(super) path: &'a Path,
    pub(super) text: &'a str,
}

impl SourceText<'_> {
    /// Where `key` is set in the table that begins at `table`; the table itself where it is not.
    ///
    /// A span of a whole table says where its header is; a wrong number is better shown on its own line.
    pub(super) fn key_in(&self, table: Range<usize>, key: &str) -> Range<usize> {
        let mut start = table.start;
        for line in self.text[table.start..].split_inclusive('\n') {
            let is_key = line.trim_start().strip_prefix(key).is_some_and(|rest| rest.trim_start().starts_with('='));
            if is_key {
                return start..start;
            }
            start += line.len();
        }
        table
    }

    /// Where the entry of this `index` begins in an array of tables with this `header`; `None` where the array is written
    /// otherwise.
    pub(super) fn entry(&self, header: &str, index: usize) -> Option<Range<usize>> {
        let lines = self.text.split_inclusive('\n').scan(0, |end, line| {
            *end += line.len();
            Some((*end - line.len(), line))
        });
        let mut entries = lines.filter(|(_, line)| line.trim_start().starts_with(header)).map(|(start, _)| start);
        entries.nth(index).map(|start| start..start)
    }

    pub(super) fn error(&self, span: Option<Range<usize>>, key: &str, message: String) -> ConfigError {
        let line = span.map(|span| 1 + self.text[..span.start.min(self.text.len())].matches('\n').count());
        ConfigError { path: self.path.to_owned(), line, key: key.to_owned(), message }
    }

    pub(super) fn syntax(&self, key: &str, error: &toml::de::Error) -> ConfigError {
        self.error(error.span(), key, error.message().to_owned())
    }
}
