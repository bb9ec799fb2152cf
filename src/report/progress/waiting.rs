//! Waiting for a single worker to load a network, or for pairs to be profiled, where nothing else is shown.

use std::io::Write;
use std::time::Instant;

use super::screen::Screen;
use super::{LINE_INTERVAL, Style};
use crate::protocol::Loading;
use crate::text::escape::one_line;
use crate::text::format;

/// How the wait for one thing is shown, where nothing else is.
pub struct Waiting {
    what: String,
    style: Style,
    screen: Option<Screen>,
    told: Instant,
}

impl Waiting {
    /// Shows nothing yet; `what` is waited for.
    pub fn new(what: &str, style: Style) -> Self {
        let screen = (style == Style::Live).then(Screen::stderr);
        Self { what: one_line(what), style, screen, told: Instant::now() }
    }

    /// Shows how far it is.
    pub fn show(&mut self, loading: &Loading) {
        let words = format!("{}: {}", self.what, self::loading(loading));
        match &mut self.screen {
            Some(screen) if screen.is_due() => screen.draw(&[words]),
            None if self.style != Style::Off && self.told.elapsed() >= LINE_INTERVAL => {
                self.told = Instant::now();
                // Progress is a courtesy: what cannot be shown ends nothing.
                let _ = writeln!(std::io::stderr(), "{words}");
            }
            _ => {}
        }
    }

    /// Shows what it is at now; where lines stay, on one of its own.
    pub fn tell(&mut self, words: &str) {
        let words = format!("{}: {words}", self.what);
        match &mut self.screen {
            Some(screen) => screen.draw(&[words]),
            None if self.style != Style::Off => drop(writeln!(std::io::stderr(), "{words}")),
            None => {}
        }
    }

    /// Removes the line.
    pub fn finish(&mut self) {
        if let Some(screen) = self.screen.take() {
            screen.clear();
        }
    }
}

/// How far a network's loading is: `loading 12 of 71 GiB, about 1 min 10 s left`.
pub(super) fn loading(loading: &Loading) -> String {
    let Loading { bytes, total_bytes, seconds } = *loading;
    let left = seconds / bytes.max(1) as f64 * total_bytes.saturating_sub(bytes) as f64;
    let read = format::gibibytes(bytes).replace(" GiB", "");
    format!("loading {read} of {}, about {} left", format::gibibytes(total_bytes), format::duration(left))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loading_tells_how_far_it_is_and_how_long_it_takes() {
        let halfway = Loading { bytes: 1 << 30, total_bytes: 2 << 30, seconds: 70.0 };
        assert_eq!(loading(&halfway), "loading 1.0 of 2.0 GiB, about 1 min 10 s left");
    }
}
