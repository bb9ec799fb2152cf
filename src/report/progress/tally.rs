//! What is known of a run so far, and the lines that say it. No drawing, and no clock beyond the events' own times.

use std::collections::BTreeMap;
use std::time::Duration;

use console::{Alignment, pad_str};

use crate::config::Case;
use crate::protocol::Loading;
use crate::runner::{RunEvent, Wait};
use crate::stats;
use crate::store::record::Outcome;
use crate::text::columns;
use crate::text::escape::{cut, one_line};
use crate::text::format;

/// Characters of a failure's reason on a line.
const REASON_LENGTH: usize = 100;

/// Lines that leave no room for cases: two for the run, and two for what was written before.
const OTHER_LINES: usize = 4;

const BAR_COLUMNS: usize = 16;

/// A run so far.
pub struct Tally {
    /// Most launches of an arm.
    launches: usize,
    /// Columns of the longest name.
    width: usize,
    /// In the order in which they were announced, which is that of their lines.
    cases: Vec<CaseTally>,
    phase: Phase,
    /// The pause after a block.
    cool_down_seconds: u64,
}

/// What the run does.
#[derive(Clone, Debug, PartialEq)]
enum Phase {
    Starting,
    Waiting { wait: Wait, remaining_seconds: Option<u64> },
    Compiling { case: String },
    Measuring { workload: String, block: usize },
}

/// One arm's launches.
struct CaseTally {
    name: String,
    /// The name of its case.
    case: String,
    workload: String,
    /// Most launches.
    planned: usize,
    steps: usize,
    /// Steps × latent positions: how long its timed steps take beside those of other cases, roughly.
    weight: f64,
    done: usize,
    failed: usize,
    /// The block of its last launch.
    block: Option<usize>,
    state: State,
    is_running: bool,
    /// Whether no further launch is wanted.
    is_settled: bool,
    /// Whether its last line was taken, to stay.
    is_taken: bool,
    /// Time spent on each of the launches that went to their end: how long one takes that failed tells nothing of others.
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
    /// Nothing has happened of `arms`: each a name, its case, and the most launches that are planned for it.
    pub fn new(arms: &[(String, &Case, usize)]) -> Self {
        let cases: Vec<CaseTally> =
            arms.iter().map(|(name, case, launches)| CaseTally::new(name, case, *launches)).collect();
        let launches = cases.iter().map(|case| case.planned).max().unwrap_or(0);
        let width = cases.iter().map(|case| columns::width(&case.name)).max().unwrap_or(0);
        Self { launches, width, cases, phase: Phase::Starting, cool_down_seconds: 0 }
    }

    /// Takes note of what happened.
    pub fn handle(&mut self, event: &RunEvent) {
        match *event {
            RunEvent::Waiting { wait, remaining_seconds } => {
                self.phase = Phase::Waiting { wait, remaining_seconds };
                if wait == Wait::CoolDown {
                    self.cool_down_seconds = self.cool_down_seconds.max(remaining_seconds.unwrap_or(0));
                }
            }
            RunEvent::Resumed => self.phase = Phase::Starting,
            RunEvent::Compiling { case } => self.phase = Phase::Compiling { case: case.to_owned() },
            RunEvent::NotCompiled { .. } => self.phase = Phase::Starting,
            RunEvent::CaseSettled { case } => {
                let settled = self.cases.iter_mut().filter(|arm| arm.case == case);
                settled.for_each(|case| case.is_settled = true);
            }
            RunEvent::BlockDropped { workload, block, .. } => {
                self.cases.iter_mut().for_each(|case| case.forget(workload, block));
            }
            _ => {}
        }
        let Some(index) = event.arm().and_then(|arm| self.position(arm)) else { return };
        if let RunEvent::LaunchStarted { block, .. } = *event {
            self.phase = Phase::Measuring { workload: self.cases[index].workload.clone(), block };
        }
        self.cases[index].handle(event);
    }

    /// The index of the arm of that name.
    pub fn position(&self, name: &str) -> Option<usize> {
        self.cases.iter().position(|case| case.name == name)
    }

    /// What the run waits for now.
    pub fn waits_for(&self) -> Option<Wait> {
        match self.phase {
            Phase::Waiting { wait, .. } => Some(wait),
            _ => None,
        }
    }

    /// The lines of a terminal with room for `height`: of the cases that are not over, of what the run does, and of how far
    /// it is after the time `elapsed`.
    pub fn lines(&self, height: usize, elapsed: Duration) -> Vec<String> {
        let mut lines = self.case_lines(height.saturating_sub(OTHER_LINES));
        lines.push(self.phase_words());
        lines.push(self.total_line(elapsed));
        lines
    }

    /// The last lines of the cases that are over since this was called before, in the order of the arms.
    pub fn take_finished(&mut self) -> Vec<String> {
        let is_over = |case: &CaseTally| case.done > 0 && case.left() == 0;
        let finished = |index: &usize| is_over(&self.cases[*index]) && !self.cases[*index].is_taken;
        let finished: Vec<usize> = (0..self.cases.len()).filter(finished).collect();
        finished.iter().for_each(|index| self.cases[*index].is_taken = true);
        finished.iter().map(|index| self.case_line(*index)).collect()
    }

    /// In the order of the arms. Where there are more than `most`, those that run come before those that wait.
    fn case_lines(&self, most: usize) -> Vec<String> {
        let (running, waiting): (Vec<usize>, Vec<usize>) = (0..self.cases.len())
            .filter(|index| !self.cases[*index].is_taken)
            .partition(|index| self.cases[*index].is_running);
        let open = running.len() + waiting.len();
        let shown = if open > most { most.saturating_sub(1) } else { open };
        let mut indices: Vec<usize> = running.into_iter().chain(waiting).take(shown).collect();
        indices.sort_unstable();
        let mut lines: Vec<String> = indices.into_iter().map(|index| self.case_line(index)).collect();
        if shown < open {
            lines.push(format!("and {} more", open - shown));
        }
        lines
    }

    /// `mlx/5f/int8  step 3/20     29.8 ms/step  2/6 launches, 48 s left`.
    pub fn case_line(&self, index: usize) -> String {
        let case = &self.cases[index];
        let step = case.step_seconds().map_or_else(|| "–".to_owned(), |step| format!("{}/step", format::seconds(step)));
        format!(
            "{}  {:<10}  {step:>12}  {}/{} launches{}",
            pad_str(&one_line(&case.name), self.width, Alignment::Left, None),
            case.state_words(),
            case.done,
            case.planned.max(case.done),
            case.time_left_words(),
        )
    }

    /// The line of a launch that just ended, with the whole run's progress before it.
    pub fn launch_line(&self, index: usize) -> String {
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
            case.planned.max(case.done),
            self.time_left_words()
        )
    }

    fn phase_words(&self) -> String {
        match &self.phase {
            Phase::Starting => "starting".to_owned(),
            Phase::Waiting { wait, remaining_seconds } => wait_words(*wait, *remaining_seconds),
            Phase::Compiling { case } => compiling_words(case),
            Phase::Measuring { workload, block } => {
                format!("measuring {}, block {} of {}", one_line(workload), block + 1, self.launches)
            }
        }
    }

    /// `[====            ] 3/12 launches, 48 s so far, about 2 min 24 s left`.
    fn total_line(&self, elapsed: Duration) -> String {
        let (done, planned) = (self.done(), self.planned());
        format!(
            "[{:<BAR_COLUMNS$}] {done}/{planned} launches, {} so far, {}",
            "=".repeat(BAR_COLUMNS * done / planned.max(1)),
            format::duration(elapsed.as_secs_f64()),
            self.time_left_words()
        )
    }

    /// Launches that have run or will; a failed case is not launched again.
    fn planned(&self) -> usize {
        self.cases.iter().map(|case| case.done + case.left()).sum()
    }

    fn done(&self) -> usize {
        self.cases.iter().map(|case| case.done).sum()
    }

    fn time_left_words(&self) -> String {
        match self.time_left_seconds() {
            Some(seconds) if seconds < 0.5 => "done".to_owned(),
            Some(seconds) => format!("about {} left", format::duration(seconds)),
            None => "time left unknown".to_owned(),
        }
    }

    /// From the finished launches, a case's own or those of others, and the pauses to come. Of others, the timed steps count in
    /// proportion to the work, and the rest as it is: a process starts and loads in its time, however long its steps are.
    fn time_left_seconds(&self) -> Option<f64> {
        let known: Vec<(&CaseTally, f64)> =
            self.cases.iter().filter_map(|case| Some((case, case.mean_wall_seconds()?))).collect();
        if known.is_empty() {
            return None;
        }
        let timed: f64 = known.iter().map(|(case, _)| case.timed_seconds()).sum();
        let weight: f64 = known.iter().map(|(case, _)| case.weight).sum();
        let beside = (known.iter().map(|(_, wall)| wall).sum::<f64>() - timed).max(0.0) / known.len() as f64;
        let left = self.cases.iter().map(|case| {
            let launch = case.mean_wall_seconds().unwrap_or(beside + timed / weight * case.weight);
            launch * case.left() as f64
        });
        Some(left.sum::<f64>() + self.cool_down_seconds as f64 * self.blocks_left() as f64)
    }

    /// Blocks that have not begun.
    fn blocks_left(&self) -> usize {
        let mut by_workload: BTreeMap<&str, usize> = BTreeMap::new();
        for case in &self.cases {
            let launches = case.left().saturating_sub(case.is_running.into());
            let blocks = by_workload.entry(&case.workload).or_default();
            *blocks = launches.max(*blocks);
        }
        by_workload.values().sum()
    }
}

impl CaseTally {
    fn new(name: &str, case: &Case, planned: usize) -> Self {
        let positions: usize = case.workload.latent.iter().product();
        Self {
            name: name.to_owned(),
            case: case.name.clone(),
            planned,
            workload: case.workload.name.clone(),
            steps: case.workload.steps,
            weight: (case.workload.steps * positions).max(1) as f64,
            done: 0,
            failed: 0,
            block: None,
            state: State::Waiting,
            is_running: false,
            is_settled: false,
            is_taken: false,
            wall_seconds: Vec::new(),
            current: Vec::new(),
            medians: Vec::new(),
        }
    }

    fn handle(&mut self, event: &RunEvent) {
        match event {
            RunEvent::LaunchStarted { block, .. } => {
                self.is_running = true;
                self.block = Some(*block);
                self.current.clear();
                self.state = State::Loading(None);
            }
            RunEvent::Loading { loading, .. } => self.state = State::Loading(Some((*loading).clone())),
            RunEvent::Loaded { .. } => self.state = State::WarmingUp,
            RunEvent::Warmed { .. } => self.state = State::Stepping,
            RunEvent::Step { seconds, .. } => self.current.push(*seconds),
            RunEvent::LaunchEnded { outcome, seconds, .. } => self.end(outcome, *seconds),
            RunEvent::Compiling { .. }
            | RunEvent::NotCompiled { .. }
            | RunEvent::Waiting { .. }
            | RunEvent::Resumed
            | RunEvent::CaseSettled { .. }
            | RunEvent::CanaryTold { .. }
            | RunEvent::BlockDropped { .. } => {}
        }
    }

    /// Forgets the launch of a block that counts for nothing, if it had one.
    fn forget(&mut self, workload: &str, block: usize) {
        if self.workload != workload || self.block != Some(block) {
            return;
        }
        self.block = None;
        let has_ended = !std::mem::take(&mut self.is_running);
        self.done -= usize::from(has_ended);
        match self.state {
            State::Failed(_) => self.failed -= 1,
            _ if has_ended => drop((self.wall_seconds.pop(), self.medians.pop())),
            _ => {}
        }
        self.state = State::Waiting;
    }

    fn end(&mut self, outcome: &Outcome, seconds: f64) {
        self.done += 1;
        self.is_running = false;
        self.current.clear();
        self.state = match outcome {
            Outcome::Measured(measured) => {
                self.wall_seconds.push(seconds);
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
    fn left(&self) -> usize {
        if self.failed > 0 || self.is_settled { 0 } else { self.planned.saturating_sub(self.done) }
    }

    /// The time that this case's own launches still take, once one of them told how long it is.
    fn time_left_words(&self) -> String {
        match (self.mean_wall_seconds(), self.left()) {
            (Some(seconds), left @ 1..) => format!(", {} left", format::duration(seconds * left as f64)),
            _ => String::new(),
        }
    }

    /// Median over finished launches, or over the steps of the first.
    fn step_seconds(&self) -> Option<f64> {
        let steps = if self.medians.is_empty() { &self.current } else { &self.medians };
        (!steps.is_empty()).then(|| stats::median(steps))
    }

    fn mean_wall_seconds(&self) -> Option<f64> {
        (!self.wall_seconds.is_empty()).then(|| stats::mean(&self.wall_seconds))
    }

    /// The timed steps of one launch, by the launches that went to their end.
    fn timed_seconds(&self) -> f64 {
        if self.medians.is_empty() { 0.0 } else { self.steps as f64 * stats::mean(&self.medians) }
    }

    fn state_words(&self) -> String {
        match &self.state {
            State::Failed(reason) => format!("failed: {reason}"),
            State::Waiting if self.left() == 0 => "done".to_owned(),
            State::Waiting => "waiting".to_owned(),
            State::Loading(None) => "loading".to_owned(),
            State::Loading(Some(loading)) => super::waiting::loading(loading),
            State::WarmingUp => "warming up".to_owned(),
            State::Stepping if self.current.len() == self.steps => "finishing".to_owned(),
            State::Stepping => format!("step {}/{}", self.current.len() + 1, self.steps),
        }
    }
}

/// `cooling down, 12 s left`.
/// What is done before the run, once for each case.
pub fn compiling_words(case: &str) -> String {
    format!("preparing the kernels of {} (up to 2 minutes where they are not compiled yet)", one_line(case))
}

fn wait_words(wait: Wait, remaining_seconds: Option<u64>) -> String {
    let remaining = format::duration(remaining_seconds.unwrap_or(0) as f64);
    match wait {
        Wait::CanaryStart => "starting the canary".to_owned(),
        Wait::CanaryReading => "reading the canary".to_owned(),
        Wait::CoolDown => format!("cooling down, {remaining} left"),
        Wait::Rest { next_try, tries } => {
            format!("waiting for the machine to come to rest: try {next_try} of {tries} in {remaining}")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::record::Failure;
    use crate::testing::measured;
    use crate::testing::plain_workload as workload;
    use crate::wan::{DType, Quant};

    const CASE: &str = "mlx/5f/int8";

    #[test]
    fn compiling_is_told_until_something_else_happens() {
        let mut tally = tally();
        tally.handle(&RunEvent::Compiling { case: CASE });
        let words = "preparing the kernels of mlx/5f/int8 (up to 2 minutes where they are not compiled yet)";
        assert_eq!(tally.phase_words(), words);
        tally.handle(&RunEvent::Waiting { wait: Wait::CanaryStart, remaining_seconds: None });
        assert_eq!(tally.phase_words(), "starting the canary");
    }

    fn tally() -> Tally {
        let case = |frames, quant| Case::new("mlx", workload(frames), quant, DType::F32);
        let cases = [case(5, Quant::Int8), case(5, Quant::None), case(41, Quant::None)];
        Tally::new(&cases.each_ref().map(|case| (case.name.clone(), case, 2)))
    }

    fn started(arm: &str) -> RunEvent<'_> {
        RunEvent::LaunchStarted { arm, block: 0 }
    }

    #[test]
    fn a_line_follows_the_launch() {
        let mut tally = tally();
        let outcome = Outcome::Measured(measured(0.030, 1, Some(1)));
        let failure = Failure { reason: "it died\nof thirst".to_owned(), stderr_tail: Vec::new() };
        let failed = Outcome::Failed(failure);
        let mut lines = vec![tally.case_line(0)];
        for event in [
            started(CASE),
            RunEvent::Loaded { arm: CASE },
            RunEvent::Warmed { arm: CASE },
            RunEvent::Step { arm: CASE, index: 0, seconds: 0.031 },
            RunEvent::LaunchEnded { arm: CASE, outcome: &outcome, seconds: 100.0 },
            RunEvent::LaunchEnded { arm: CASE, outcome: &failed, seconds: 1.0 },
        ] {
            tally.handle(&event);
            lines.push(tally.case_line(0));
        }
        assert_eq!(
            lines,
            [
                "mlx/5f/int8   waiting                –  0/2 launches",
                "mlx/5f/int8   loading                –  0/2 launches",
                "mlx/5f/int8   warming up             –  0/2 launches",
                "mlx/5f/int8   step 1/5               –  0/2 launches",
                "mlx/5f/int8   step 2/5    31.0 ms/step  0/2 launches",
                "mlx/5f/int8   waiting     30.0 ms/step  1/2 launches, 1 min 40 s left",
                "mlx/5f/int8   failed: it died of thirst  30.0 ms/step  2/2 launches",
            ]
        );
        assert!(tally.launch_line(0).starts_with("[2/6] mlx/5f/int8 launch 2/2: failed: it died of thirst, "));
    }

    #[test]
    fn a_line_that_is_too_long_is_cut_at_the_terminals_width() {
        let mut tally = tally();
        let reason = format!("it printed {}", "x".repeat(80));
        let failed = Outcome::Failed(Failure { reason, stderr_tail: Vec::new() });
        tally.handle(&RunEvent::LaunchEnded { arm: CASE, outcome: &failed, seconds: 1.0 });
        let line = columns::fit(&tally.case_line(0), 80);
        assert!(line.starts_with("mlx/5f/int8   failed: it printed x"), "{line}");
        assert!(line.ends_with('…') && columns::width(&line) == 80, "{line}");
        let long = Outcome::Measured(measured(0.030, 1, None));
        tally.handle(&RunEvent::LaunchEnded { arm: "mlx/5f/none", outcome: &long, seconds: 3599.0 });
        for line in tally.lines(24, Duration::from_secs(36_000)).iter().skip(1) {
            assert!(columns::width(line) <= 80, "an ordinary line fits: {line}");
        }
    }

    #[test]
    fn lines_keep_the_order_of_the_arms() {
        let mut tally = tally();
        let names = |lines: Vec<String>| -> Vec<String> {
            lines.iter().map(|line| line.split("  ").next().unwrap_or_default().to_owned()).collect()
        };
        let lines = |tally: &Tally| names(tally.case_lines(20));
        assert_eq!(lines(&tally), ["mlx/5f/int8", "mlx/5f/none", "mlx/41f/none"]);
        let outcome = Outcome::Measured(measured(0.030, 1, None));
        for arm in ["mlx/41f/none", "mlx/5f/none", "mlx/5f/int8"] {
            tally.handle(&started(arm));
            assert_eq!(lines(&tally), ["mlx/5f/int8", "mlx/5f/none", "mlx/41f/none"]);
        }
        for arm in ["mlx/5f/none", "mlx/5f/int8", "mlx/5f/none", "mlx/5f/int8"] {
            tally.handle(&RunEvent::LaunchEnded { arm, outcome: &outcome, seconds: 1.0 });
        }
        assert_eq!(names(tally.take_finished()), ["mlx/5f/int8", "mlx/5f/none"]);
        assert!(tally.take_finished().is_empty(), "a line is taken once");
        assert_eq!(lines(&tally), ["mlx/41f/none"]);
    }

    #[test]
    fn running_cases_have_the_room_there_is() {
        let case = Case::new("mlx", workload(5), Quant::Int8, DType::F32);
        let arms: Vec<(String, &Case, usize)> = (0..30).map(|index| (format!("case {index}"), &case, 2)).collect();
        let mut tally = Tally::new(&arms);
        for arm in ["case 29", "case 7"] {
            tally.handle(&started(arm));
        }
        let lines = tally.lines(24, Duration::ZERO);
        assert_eq!(lines.len(), 22, "the whole screen but two lines");
        assert!(lines[7].starts_with("case 7   loading"), "{lines:#?}");
        assert!(lines[17].starts_with("case 17  waiting"), "{lines:#?}");
        assert!(lines[18].starts_with("case 29  loading"), "{lines:#?}");
        assert_eq!(lines[19], "and 11 more");
    }

    #[test]
    fn a_wait_says_what_for_and_how_long() {
        let mut tally = tally();
        let mut words = |event: RunEvent| {
            tally.handle(&event);
            tally.lines(24, Duration::ZERO)[3].clone()
        };
        let mut waiting = |wait, remaining_seconds| words(RunEvent::Waiting { wait, remaining_seconds });
        assert_eq!(waiting(Wait::CanaryStart, None), "starting the canary");
        assert_eq!(waiting(Wait::CanaryReading, None), "reading the canary");
        assert_eq!(waiting(Wait::CoolDown, Some(61)), "cooling down, 1 min 01 s left");
        assert_eq!(
            waiting(Wait::Rest { next_try: 2, tries: 6 }, Some(1)),
            "waiting for the machine to come to rest: try 2 of 6 in 1 s"
        );
        assert_eq!(words(RunEvent::Resumed), "starting");
        assert_eq!(words(RunEvent::LaunchStarted { arm: CASE, block: 1 }), "measuring 5f, block 2 of 2");
    }

    #[test]
    fn the_time_left_comes_from_finished_launches() {
        let mut tally = tally();
        let failed = Outcome::Failed(Failure { reason: "it died".to_owned(), stderr_tail: Vec::new() });
        tally.handle(&RunEvent::LaunchEnded { arm: "mlx/41f/none", outcome: &failed, seconds: 0.0 });
        assert_eq!(tally.time_left_seconds(), None);
        tally.cases[0].wall_seconds.push(10.0);
        tally.cases[0].done = 1;
        // One launch left of the first case, two of the second, which has as much work, and none of the one that failed.
        assert_eq!(tally.time_left_seconds(), Some(30.0));
        assert_eq!(tally.time_left_words(), "about 30 s left");
        // Two blocks are to come, each after a pause.
        tally.handle(&RunEvent::Waiting { wait: Wait::CoolDown, remaining_seconds: Some(3) });
        tally.handle(&RunEvent::Waiting { wait: Wait::CoolDown, remaining_seconds: Some(2) });
        assert_eq!(tally.time_left_seconds(), Some(36.0));
    }

    #[test]
    fn only_the_timed_steps_of_a_larger_workload_are_expected_to_take_longer() {
        let mut tally = tally();
        let outcome = Outcome::Measured(measured(0.030, 1, None));
        tally.handle(&RunEvent::LaunchEnded { arm: CASE, outcome: &outcome, seconds: 10.0 });
        tally.cases[2].weight = 100.0 * tally.cases[0].weight;
        let steps = tally.cases[0].steps as f64 * 0.030;
        // One launch of the same case, two of one with the same steps, and two whose steps are a hundred times as long.
        let expected = 3.0 * 10.0 + 2.0 * (10.0 - steps + 100.0 * steps);
        assert_eq!(tally.time_left_seconds().map(f64::round), Some(expected.round()));
    }

    #[test]
    fn a_settled_case_has_nothing_left() {
        let mut tally = tally();
        let outcome = Outcome::Measured(measured(0.030, 1, None));
        tally.handle(&RunEvent::LaunchEnded { arm: "mlx/5f/none", outcome: &outcome, seconds: 1.0 });
        tally.handle(&RunEvent::CaseSettled { case: "mlx/5f/none" });
        assert_eq!(tally.planned(), 5, "the launch that ran and the other cases' two each");
        assert_eq!(tally.take_finished(), ["mlx/5f/none   done        30.0 ms/step  1/2 launches"]);
    }
}
