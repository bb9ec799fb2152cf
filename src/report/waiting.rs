//! Waiting for a single worker to load a network, where nothing else is shown.

use std::io::Write;
use std::time::Instant;

use indicatif::{ProgressBar, ProgressDrawTarget};

use super::progress::{LINE_INTERVAL, REDRAWS_PER_SECOND, Style, case_style, loading_words};
use crate::protocol::Loading;
use crate::text::escape::one_line;

/// How the wait for one worker's loading is shown, where nothing else is.
pub struct Waiting {
    what: String,
    style: Style,
    line: Option<ProgressBar>,
    told: Instant,
}

impl Waiting {
    /// Shows nothing yet; `what` is waited for.
    pub fn new(what: &str, style: Style) -> Self {
        let line = (style == Style::Live).then(|| {
            let target = ProgressDrawTarget::stderr_with_hz(REDRAWS_PER_SECOND);
            ProgressBar::with_draw_target(None, target).with_style(case_style())
        });
        Self { what: one_line(what), style, line, told: Instant::now() }
    }

    /// Shows how far it is.
    pub fn show(&mut self, loading: &Loading) {
        let words = format!("{}: {}", self.what, loading_words(loading));
        match &self.line {
            Some(line) => line.set_message(words),
            None if self.style != Style::Off && self.told.elapsed() >= LINE_INTERVAL => {
                self.told = Instant::now();
                // Progress is a courtesy: what cannot be shown ends nothing.
                let _ = writeln!(std::io::stderr(), "{words}");
            }
            None => {}
        }
    }

    /// Clears the line.
    pub fn finish(&mut self) {
        if let Some(line) = self.line.take() {
            line.finish_and_clear();
        }
    }
}
