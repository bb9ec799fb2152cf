//! Lines that are redrawn in place at the end of a terminal.

use std::time::{Duration, Instant};

use console::Term;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::text::columns::fit;

/// Between two redraws for what happens often.
const REDRAW_INTERVAL: Duration = Duration::from_millis(200);

/// Lines of the usual terminal. A taller one is not filled.
const USUAL_HEIGHT: usize = 24;

/// Lines on standard error, none of them wider than the terminal; nothing where that is no terminal.
pub struct Screen {
    terminal: Term,
    bar: ProgressBar,
    drawn: Option<Instant>,
}

impl Screen {
    /// No lines yet.
    pub fn stderr() -> Self {
        // The caller limits the rate: indicatif's own limit would drop the last redraw before minutes of silence.
        Self::on(ProgressDrawTarget::stderr_with_hz(u8::MAX))
    }

    pub(super) fn on(target: ProgressDrawTarget) -> Self {
        let style = ProgressStyle::with_template("{msg}").expect("the template is valid");
        let bar = ProgressBar::with_draw_target(None, target).with_style(style);
        Self { terminal: Term::stderr(), bar, drawn: None }
    }

    /// The most lines there is room for.
    pub fn height(&self) -> usize {
        usize::from(self.terminal.size().0).min(USUAL_HEIGHT)
    }

    /// Whether the last drawing is old enough for what happens often.
    pub fn is_due(&self) -> bool {
        self.drawn.is_none_or(|drawn| drawn.elapsed() >= REDRAW_INTERVAL)
    }

    /// Replaces the lines.
    pub fn draw(&mut self, lines: &[String]) {
        self.bar.set_message(self.fitted(lines));
        self.drawn = Some(Instant::now());
    }

    /// Writes lines above the others, which stay.
    pub fn keep(&self, lines: &[String]) {
        if !lines.is_empty() {
            self.bar.println(self.fitted(lines));
        }
    }

    /// Removes the lines that do not stay.
    pub fn clear(self) {
        self.bar.finish_and_clear();
    }

    fn fitted(&self, lines: &[String]) -> String {
        let columns = self.terminal.size().1.into();
        lines.iter().map(|line| fit(line, columns)).collect::<Vec<_>>().join("\n")
    }
}
