//! Live progress on standard error, from the runner's events alone.
//!
//! Drawing takes processor time from what is measured: a terminal is redrawn at most five times a second, only when
//! an event arrives, and never by a timer.

use std::io::Write;
use std::time::{Duration, Instant};

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::config::Case;
use crate::protocol::Loading;
use crate::runner::Event;
use crate::stats;
use crate::store::record::Outcome;
use crate::text::escape::{cut, one_line};
use crate::text::format;

/// Redraws of a terminal per second, at most.
pub(super) const REDRAWS_PER_SECOND: u8 = 5;

/// Above so many cases only the running one has a line, for the lines must fit on a screen.
const MAX_LINES: usize = 16;

/// How often a line tells of loading where lines stay.
pub(super) const LINE_INTERVAL: Duration = Duration::from_secs(10);

/// Characters of a failure's reason on a line.
const REASON_LENGTH: usize = 100;

/// How progress is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// On a terminal: a line per case while it runs, and one for the whole run.
    Live,
    /// Elsewhere: a plain line per finished launch.
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
    screen: Option<Screen>,
    /// When a line last told of loading.
    told: Instant,
}

/// The lines on a terminal.
struct Screen {
    lines: MultiProgress,
    total: ProgressBar,
    cases: Vec<Option<ProgressBar>>,
}

impl Progress {
    /// Shows nothing yet. At most `launches` are planned for each of `arms`, a name and its case.
    pub fn new(arms: &[(String, &Case)], launches: usize, style: Style) -> Self {
        let target = ProgressDrawTarget::stderr_with_hz(REDRAWS_PER_SECOND);
        Self::with_target(arms, launches, style, target)
    }

    fn with_target(arms: &[(String, &Case)], launches: usize, style: Style, target: ProgressDrawTarget) -> Self {
        let tally = Tally::new(arms, launches);
        let screen = (style == Style::Live).then(|| Screen::new(&tally, target));
        Self { style, tally, screen, told: Instant::now() }
    }

    /// Shows what happened. An event of an arm that was not announced is ignored.
    pub fn handle(&mut self, event: &Event) {
        if let Event::BlockDropped { workload, block, reason } = event {
            self.tell(&format!("{workload}, block {}: {reason}", block + 1));
        }
        let Some(index) = event.arm().and_then(|arm| self.tally.position(arm)) else { return };
        self.tally.cases[index].handle(event);
        match (self.style, &mut self.screen, event) {
            (Style::Live, Some(screen), _) => screen.show(&self.tally, index),
            (Style::Lines | Style::Verbose, _, Event::Loading { .. }) if self.told.elapsed() >= LINE_INTERVAL => {
                self.told = Instant::now();
                // As below.
                let _ = writeln!(std::io::stderr(), "{}", self.tally.case_line(index));
            }
            (Style::Lines | Style::Verbose, _, Event::LaunchEnded { outcome, .. }) => {
                let details = if self.style == Style::Verbose { details(outcome) } else { String::new() };
                // Progress that nobody can read must not end a run.
                let _ = writeln!(std::io::stderr(), "{}{details}", self.tally.launch_line(index));
            }
            _ => {}
        }
    }

    /// A line of its own, above the live ones.
    fn tell(&self, line: &str) {
        // As above: progress is a courtesy.
        let _ = match (self.style, &self.screen) {
            (Style::Off, _) => Ok(()),
            (_, Some(screen)) => screen.lines.println(one_line(line)),
            (_, None) => writeln!(std::io::stderr(), "{}", one_line(line)),
        };
    }

    /// Clears the live lines: the report comes next.
    pub fn finish(&mut self) {
        if let Some(screen) = self.screen.take() {
            for line in screen.cases.iter().flatten() {
                line.finish_and_clear();
            }
            screen.total.finish_and_clear();
        }
    }
}

impl Screen {
    fn new(tally: &Tally, target: ProgressDrawTarget) -> Self {
        let lines = MultiProgress::with_draw_target(target);
        let total = lines.add(ProgressBar::new(tally.planned() as u64).with_style(total_style()));
        total.set_message(tally.time_left_words());
        Self { lines, total, cases: tally.cases.iter().map(|_| None).collect() }
    }

    /// A case's line stands from its first launch to its last; after that it stays above as plain text.
    fn show(&mut self, tally: &Tally, index: usize) {
        let case = &tally.cases[index];
        let line = self.cases[index].get_or_insert_with(|| {
            self.lines.insert_before(&self.total, ProgressBar::new_spinner().with_style(case_style()))
        });
        line.set_message(tally.case_line(index));
        let is_over = case.left(tally.launches) == 0;
        if is_over || (!case.is_running && tally.cases.len() > MAX_LINES) {
            line.finish_and_clear();
            self.cases[index] = None;
        }
        if is_over {
            // As above: progress is a courtesy.
            let _ = self.lines.println(tally.case_line(index));
        }
        self.total.set_length(tally.planned() as u64);
        self.total.set_message(tally.time_left_words());
        self.total.set_position(tally.done() as u64);
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

pub(super) fn case_style() -> ProgressStyle {
    ProgressStyle::with_template("{wide_msg}").expect("the template is valid")
}

fn total_style() -> ProgressStyle {
    ProgressStyle::with_template("[{bar:30}] {pos}/{len} launches, {elapsed} so far, {wide_msg}")
        .expect("the template is valid")
        .progress_chars("=> ")
}

/// What is known of the run so far; no drawing, no clock of its own beyond the launches'.
struct Tally {
    launches: usize,
    width: usize,
    cases: Vec<CaseTally>,
}

struct CaseTally {
    name: String,
    steps: usize,
    /// Steps × latent positions: how long a launch takes beside those of other cases, roughly.
    weight: f64,
    done: usize,
    failed: usize,
    state: State,
    is_running: bool,
    /// Time spent on each of the finished launches.
    wall_seconds: Vec<f64>,
    /// Timed steps of the running launch.
    current: Vec<f64>,
    /// Medians of the launches that went to their end.
    medians: Vec<f64>,
}

#[derive(Clone, Debug, PartialEq)]
enum State {
    Waiting,
    Loading(Option<Loading>),
    WarmingUp,
    Stepping,
    Failed(String),
}

impl Tally {
    fn new(arms: &[(String, &Case)], launches: usize) -> Self {
        let cases: Vec<CaseTally> = arms.iter().map(|(name, case)| CaseTally::new(name, case)).collect();
        let width = cases.iter().map(|case| case.name.chars().count()).max().unwrap_or(0);
        Self { launches, width, cases }
    }

    fn position(&self, name: &str) -> Option<usize> {
        self.cases.iter().position(|case| case.name == name)
    }

    /// Launches that have run or will; a failed case is not launched again.
    fn planned(&self) -> usize {
        self.cases.iter().map(|case| case.done + case.left(self.launches)).sum()
    }

    fn done(&self) -> usize {
        self.cases.iter().map(|case| case.done).sum()
    }

    /// `mlx/41f/int8   2/6 launches   29.8 ms/step   step 3 of 20`.
    fn case_line(&self, index: usize) -> String {
        let case = &self.cases[index];
        let step = case.step_seconds().map_or_else(|| "–".to_owned(), |step| format!("{}/step", format::seconds(step)));
        format!(
            "{:width$}  {}/{} launches  {step:>12}  {}{}",
            one_line(&case.name),
            case.done,
            self.launches,
            case.state_words(self.launches),
            case.time_left_words(self.launches),
            width = self.width
        )
    }

    /// The line of a launch that just ended, with the whole run's progress before it.
    fn launch_line(&self, index: usize) -> String {
        let case = &self.cases[index];
        let outcome = match (&case.state, case.medians.last()) {
            (State::Failed(reason), _) => format!("failed: {reason}"),
            (_, Some(median)) => format!("{}/step", format::seconds(*median)),
            (_, None) => "no step".to_owned(),
        };
        format!(
            "[{}/{}] {} launch {}/{}: {outcome}, {}",
            self.done(),
            self.planned(),
            one_line(&case.name),
            case.done,
            self.launches,
            self.time_left_words()
        )
    }

    fn time_left_words(&self) -> String {
        match self.time_left_seconds() {
            Some(seconds) if seconds < 0.5 => "done".to_owned(),
            Some(seconds) => format!("about {} left", format::duration(seconds)),
            None => "time left unknown".to_owned(),
        }
    }

    /// From the finished launches: a case's own, or those of others in proportion to the work.
    fn time_left_seconds(&self) -> Option<f64> {
        let known: Vec<(f64, f64)> =
            self.cases.iter().filter_map(|case| Some((case.mean_wall_seconds()?, case.weight))).collect();
        let (seconds, weight) = known.iter().fold((0.0, 0.0), |sum, one| (sum.0 + one.0, sum.1 + one.1));
        if known.is_empty() {
            return None;
        }
        let left = self.cases.iter().map(|case| {
            let launch = case.mean_wall_seconds().unwrap_or(seconds / weight * case.weight);
            launch * case.left(self.launches) as f64
        });
        Some(left.sum())
    }
}

impl CaseTally {
    fn new(name: &str, case: &Case) -> Self {
        let positions: usize = case.workload.latent.iter().product();
        Self {
            name: name.to_owned(),
            steps: case.workload.steps,
            weight: (case.workload.steps * positions).max(1) as f64,
            done: 0,
            failed: 0,
            state: State::Waiting,
            is_running: false,
            wall_seconds: Vec::new(),
            current: Vec::new(),
            medians: Vec::new(),
        }
    }

    /// The time that this case's own launches still take, once one of them told how long it is.
    fn time_left_words(&self, launches: usize) -> String {
        match (self.mean_wall_seconds(), self.left(launches)) {
            (Some(seconds), left @ 1..) => format!(", {} of its own left", format::duration(seconds * left as f64)),
            _ => String::new(),
        }
    }

    fn handle(&mut self, event: &Event) {
        match event {
            Event::LaunchStarted { .. } => {
                self.is_running = true;
                self.current.clear();
                self.state = State::Loading(None);
            }
            Event::Loading { loading, .. } => self.state = State::Loading(Some((*loading).clone())),
            Event::Loaded { .. } => self.state = State::WarmingUp,
            Event::Warmed { .. } => self.state = State::Stepping,
            Event::Step { seconds, .. } => self.current.push(*seconds),
            Event::LaunchEnded { outcome, seconds, .. } => self.end(outcome, *seconds),
            Event::BlockDropped { .. } => {}
        }
    }

    fn end(&mut self, outcome: &Outcome, seconds: f64) {
        self.done += 1;
        self.is_running = false;
        self.wall_seconds.push(seconds);
        self.current.clear();
        self.state = match outcome {
            Outcome::Measured(measured) => {
                self.medians.push(measured.median_step_seconds());
                State::Waiting
            }
            Outcome::Failed(failure) => {
                self.failed += 1;
                State::Failed(cut(&one_line(&failure.reason), REASON_LENGTH))
            }
        };
    }

    /// Launches to come, the running one included.
    fn left(&self, launches: usize) -> usize {
        if self.failed > 0 { 0 } else { launches.saturating_sub(self.done) }
    }

    /// Median over finished launches, or over the steps of the first.
    fn step_seconds(&self) -> Option<f64> {
        let steps = if self.medians.is_empty() { &self.current } else { &self.medians };
        (!steps.is_empty()).then(|| stats::median(steps))
    }

    fn mean_wall_seconds(&self) -> Option<f64> {
        (!self.wall_seconds.is_empty()).then(|| stats::mean(&self.wall_seconds))
    }

    fn state_words(&self, launches: usize) -> String {
        match &self.state {
            State::Failed(reason) => format!("failed: {reason}"),
            State::Waiting if self.done == launches => "done".to_owned(),
            State::Waiting => "waiting".to_owned(),
            State::Loading(None) => "loading".to_owned(),
            State::Loading(Some(loading)) => loading_words(loading),
            State::WarmingUp => "warming up".to_owned(),
            State::Stepping if self.current.len() == self.steps => "finishing".to_owned(),
            State::Stepping => format!("step {} of {}", self.current.len() + 1, self.steps),
        }
    }
}

/// How far a network's loading is: `loading 12 of 71 GiB, about 1 min 10 s left`.
pub(super) fn loading_words(loading: &Loading) -> String {
    let Loading { bytes, total_bytes, seconds } = *loading;
    let left = seconds / bytes.max(1) as f64 * total_bytes.saturating_sub(bytes) as f64;
    let read = format::gibibytes(bytes).replace(" GiB", "");
    format!("loading {read} of {}, about {} left", format::gibibytes(total_bytes), format::duration(left))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::record::Failure;
    use crate::testing::measured;
    use crate::testing::plain_workload as workload;
    use crate::wan::{DType, Quant};

    const CASE: &str = "mlx/5f/int8";

    fn tally() -> Tally {
        let case = |quant| Case::new("mlx", workload(5), quant, DType::F32);
        let cases = [case(Quant::Int8), case(Quant::None)];
        Tally::new(&cases.each_ref().map(|case| (case.name.clone(), case)), 2)
    }

    #[test]
    fn a_line_follows_the_launch() {
        let mut tally = tally();
        let outcome = Outcome::Measured(measured(0.030, 1, Some(1)));
        let failure = Failure { reason: "it died\nof thirst".to_owned(), stderr_tail: Vec::new() };
        let failed = Outcome::Failed(failure);
        let mut lines = vec![tally.case_line(0)];
        for event in [
            Event::LaunchStarted { arm: CASE, block: 0 },
            Event::Loaded { arm: CASE },
            Event::Warmed { arm: CASE },
            Event::Step { arm: CASE, index: 0, seconds: 0.031 },
            Event::LaunchEnded { arm: CASE, outcome: &outcome, seconds: 1.0 },
            Event::LaunchEnded { arm: CASE, outcome: &failed, seconds: 1.0 },
        ] {
            tally.cases[0].handle(&event);
            lines.push(tally.case_line(0));
        }
        assert!(lines[5].ends_with(" of its own left"), "{}", lines[5]);
        // How long this test takes is not its business.
        let lines = lines.iter().map(|line| line.split(", ").next().unwrap_or_default()).collect::<Vec<_>>();
        assert_eq!(
            lines,
            [
                "mlx/5f/int8  0/2 launches             –  waiting",
                "mlx/5f/int8  0/2 launches             –  loading",
                "mlx/5f/int8  0/2 launches             –  warming up",
                "mlx/5f/int8  0/2 launches             –  step 1 of 5",
                "mlx/5f/int8  0/2 launches  31.0 ms/step  step 2 of 5",
                "mlx/5f/int8  1/2 launches  30.0 ms/step  waiting",
                "mlx/5f/int8  2/2 launches  30.0 ms/step  failed: it died of thirst",
            ]
        );
        assert!(tally.launch_line(0).starts_with("[2/4] mlx/5f/int8 launch 2/2: failed: it died of thirst, "));
    }

    #[test]
    fn the_time_left_comes_from_finished_launches() {
        let mut tally = tally();
        assert_eq!(tally.time_left_seconds(), None);
        tally.cases[0].wall_seconds.push(10.0);
        tally.cases[0].done = 1;
        // One launch left of the first case, two of the other, which has as much work.
        assert_eq!(tally.time_left_seconds(), Some(30.0));
        assert_eq!(tally.time_left_words(), "about 30 s left");
    }

    #[test]
    fn every_style_takes_any_order_of_events() {
        let case = Case::new("mlx", workload(5), Quant::Int8, DType::F32);
        let cases = [(CASE.to_owned(), &case)];
        let outcome = Outcome::Measured(measured(0.030, 1, None));
        for style in [Style::Live, Style::Off] {
            let mut progress = Progress::with_target(&cases, 1, style, ProgressDrawTarget::hidden());
            progress.handle(&Event::Step { arm: "unknown", index: 0, seconds: 1.0 });
            progress.handle(&Event::Step { arm: CASE, index: 9, seconds: 1.0 });
            progress.handle(&Event::LaunchEnded { arm: CASE, outcome: &outcome, seconds: 1.0 });
            progress.handle(&Event::LaunchEnded { arm: CASE, outcome: &outcome, seconds: 1.0 });
            progress.finish();
        }
    }

    #[test]
    fn loading_tells_how_far_it_is_and_how_long_it_takes() {
        let halfway = Loading { bytes: 1 << 30, total_bytes: 2 << 30, seconds: 70.0 };
        assert_eq!(loading_words(&halfway), "loading 1.0 of 2.0 GiB, about 1 min 10 s left");
    }
}
