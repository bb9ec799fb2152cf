//! Reports: one model, rendered as Markdown, text or JSON.

pub mod format;
