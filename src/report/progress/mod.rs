//! Live progress on standard error, from the runner's events alone.
//!
//! Drawing takes processor time from what is measured: there is no timer, a terminal is redrawn only when an event arrives,
//! and at most five times a second for events that arrive while a step is timed.

mod screen;
mod tally;
mod waiting;

use std::io::Write;
use std::time::{Duration, Instant};

pub use waiting::Waiting;

use screen::Screen;
use tally::{Tally, compiling_words};

use crate::config::Case;
use crate::runner::{RunEvent, Wait};
use crate::store::record::Outcome;
use crate::text::escape::one_line;
use crate::text::format;

/// How often a line tells of loading where lines stay.
const LINE_INTERVAL: Duration = Duration::from_secs(10);

/// A wait has a line of its own where lines stay if it is at least so long.
const LONG_WAIT_SECONDS: u64 = 5;

/// How progress is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// On a terminal: lines that are redrawn in place, one for each case that is not over, and two for the run.
    Live,
    /// Elsewhere: a plain line per finished launch and per long wait.
    Lines,
    /// As lines, with the parts of each launch, or what a failed worker said last.
    Verbose,
    /// Not at all.
    Off,
}

/// What is shown of a run.
pub struct Progress {
    style: Style,
    tally: Tally,
    /// Only in [`Style::Live`].
    screen: Option<Screen>,
    started: Instant,
    /// When a line last told of loading.
    told: Instant,
}

impl Progress {
    /// Shows nothing yet of `arms`: each a name, its case, and the most launches that are planned for it.
    pub fn new(arms: &[(String, &Case, usize)], style: Style) -> Self {
        let (tally, now) = (Tally::new(arms), Instant::now());
        Self { style, tally, screen: (style == Style::Live).then(Screen::stderr), started: now, told: now }
    }

    /// Shows what happened. An event of an arm that was not announced is ignored.
    pub fn handle(&mut self, event: &RunEvent) {
        let waited_for = self.tally.waits_for();
        self.tally.handle(event);
        match self.style {
            Style::Live => self.draw(event),
            Style::Lines | Style::Verbose => {
                if let Some(line) = self.line(event, waited_for) {
                    // Progress is a courtesy: what cannot be shown ends nothing.
                    let _ = writeln!(std::io::stderr(), "{line}");
                }
            }
            Style::Off => {}
        }
    }

    /// Replaces the live lines by those of the cases that are over: the report comes next.
    pub fn finish(&mut self) {
        if let Some(screen) = self.screen.take() {
            screen.keep(&self.tally.take_finished());
            screen.clear();
        }
    }

    fn draw(&mut self, event: &RunEvent) {
        let Some(screen) = &mut self.screen else { return };
        match event {
            RunEvent::CanaryTold { .. } | RunEvent::BlockDropped { .. } | RunEvent::NotCompiled { .. } => {
                screen.keep(&obstacle(event).into_iter().collect::<Vec<_>>());
            }
            RunEvent::Waiting { .. } | RunEvent::Resumed => screen.keep(&self.tally.take_finished()),
            _ => {}
        }
        if !matches!(event, RunEvent::Step { .. } | RunEvent::Loading { .. }) || screen.is_due() {
            screen.draw(&self.tally.lines(screen.height(), self.started.elapsed()));
        }
    }

    /// The plain line for `event`, if it is worth one; before it the run waited for `waited_for`.
    fn line(&mut self, event: &RunEvent, waited_for: Option<Wait>) -> Option<String> {
        let index = event.arm().and_then(|arm| self.tally.position(arm));
        match (event, index) {
            (RunEvent::LaunchEnded { outcome, .. }, Some(index)) => {
                let details = if self.style == Style::Verbose { details(outcome) } else { String::new() };
                Some(format!("{}{details}", self.tally.launch_line(index)))
            }
            (RunEvent::Loading { .. }, Some(index)) if self.told.elapsed() >= LINE_INTERVAL => {
                self.told = Instant::now();
                Some(self.tally.case_line(index))
            }
            // Of a block that is put off, the line below tells.
            (RunEvent::Waiting { wait: Wait::CoolDown, remaining_seconds: Some(seconds @ LONG_WAIT_SECONDS..) }, _)
                if waited_for != Some(Wait::CoolDown) =>
            {
                Some(format!("cooling down for {}", format::duration(*seconds as f64)))
            }
            (RunEvent::Compiling { case }, _) => Some(compiling_words(case)),
            _ => obstacle(event),
        }
    }
}

/// The line for a block that was put off or begins on another machine than the one at rest, or for kernels that could not be
/// compiled.
fn obstacle(event: &RunEvent) -> Option<String> {
    match event {
        RunEvent::NotCompiled { case, reason } => {
            Some(one_line(&format!("the kernels of {case} could not be compiled: {reason}")))
        }
        RunEvent::BlockDropped { workload, block, reason: words } | RunEvent::CanaryTold { workload, block, words } => {
            Some(one_line(&format!("{workload}, block {}: {words}", block + 1)))
        }
        _ => None,
    }
}

/// The parts of a launch, or the tail of a failed worker's standard error, on lines of their own.
fn details(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Measured(launch) => {
            let steps: Vec<String> = launch.step_seconds.iter().map(|seconds| format::seconds(*seconds)).collect();
            format!(
                "\n    start {}, load {}, warm-up {}; steps {}",
                format::seconds(launch.startup_seconds),
                format::seconds(launch.load_seconds),
                format::seconds(launch.warmup_seconds),
                steps.join(", ")
            )
        }
        Outcome::Failed(failure) => {
            failure.stderr_tail.iter().map(|line| format!("\n    {}", one_line(line))).collect()
        }
    }
}

#[cfg(test)]
mod tests {
    use indicatif::ProgressDrawTarget;

    use super::*;
    use crate::testing::measured;
    use crate::testing::plain_workload as workload;
    use crate::wan::{DType, Quant};

    const CASE: &str = "mlx/5f/int8";

    fn progress(style: Style) -> Progress {
        let case = Case::new("mlx", workload(5), Quant::Int8, DType::F32);
        Progress::new(&[(CASE.to_owned(), &case, 2)], style)
    }

    #[test]
    fn a_long_wait_has_one_plain_line() {
        let mut progress = progress(Style::Lines);
        let mut lines = Vec::new();
        let dropped = "the canary took 1.40× as long as on the machine at rest: tried again after 8 s";
        let told = "the canary stays at 200 ms, and was 100 ms: the machine is taken to be at rest there";
        let cool_down = |seconds| RunEvent::Waiting { wait: Wait::CoolDown, remaining_seconds: Some(seconds) };
        let rest = Wait::Rest { next_try: 2, tries: 6 };
        for event in [
            cool_down(30),
            cool_down(29),
            RunEvent::Waiting { wait: Wait::CanaryReading, remaining_seconds: None },
            RunEvent::BlockDropped { workload: "5f", block: 1, reason: dropped },
            RunEvent::Waiting { wait: rest, remaining_seconds: Some(8) },
            RunEvent::CanaryTold { workload: "5f", block: 1, words: told },
            RunEvent::Resumed,
            cool_down(4),
            RunEvent::Resumed,
            cool_down(30),
        ] {
            let waited_for = progress.tally.waits_for();
            progress.tally.handle(&event);
            lines.extend(progress.line(&event, waited_for));
        }
        let of_block = [dropped, told].map(|words| format!("5f, block 2: {words}"));
        assert_eq!(lines, ["cooling down for 30 s", &of_block[0], &of_block[1], "cooling down for 30 s"]);
    }

    #[test]
    fn every_style_takes_any_order_of_events() {
        let outcome = Outcome::Measured(measured(0.030, 1, None));
        for style in [Style::Live, Style::Off] {
            let hidden = (style == Style::Live).then(|| Screen::on(ProgressDrawTarget::hidden()));
            let mut progress = Progress { screen: hidden, ..progress(style) };
            progress.handle(&RunEvent::Resumed);
            progress.handle(&RunEvent::Step { arm: "unknown", index: 0, seconds: 1.0 });
            progress.handle(&RunEvent::Step { arm: CASE, index: 9, seconds: 1.0 });
            for _ in 0..3 {
                progress.handle(&RunEvent::LaunchEnded { arm: CASE, outcome: &outcome, seconds: 1.0 });
            }
            progress.handle(&RunEvent::CaseSettled { case: "unknown" });
            progress.finish();
        }
    }
}
