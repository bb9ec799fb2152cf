//! `wanbench plan`: what a suite will take, before it is run.

use wanbench::config::Config;
use wanbench::files::cache;
use wanbench::forecast::{self, RatesByBackend, SuitePlan, Terms};
use wanbench::protocol::{self, Rate};
use wanbench::report;
use wanbench::runner::{self, Interruptions, Materials};

use crate::cli::{self, DataFormat};
use crate::session::alone::alone;
use crate::session::selected::exactly;
use crate::session::selected::{self, Selected, forecasts, memory};
use crate::session::status::{ExitStatus, Result};
use crate::session::terminal::Terminal;

/// Opens the checkpoints, measures the machine's rates, prints the plan; nothing of a network is loaded.
pub fn plan(args: &cli::Plan, terminal: &Terminal) -> Result<ExitStatus> {
    let cli::Asked { config, selection, axes, loading, alone } = &args.asked;
    let config = Config::open(config)?;
    let selected = Selected::new(&config, selection, &selected::axes(axes), terminal)?;
    let materials = Materials::open(&selected.cases, &selected.models, &cache::folder(), selection.seed)?;
    let forecasts = forecasts(&selected, &materials, false);
    let has_bytes = memory(loading, selected.device);
    // Without the canary, which needs no checkpoint of the suite's, as without a base revision.
    let fit = forecast::fit(&forecasts, 0, has_bytes, selected.suite.side_by_side);
    let terms = Terms {
        suite: selected.suite.name.clone(),
        device: selected.device,
        has_bytes,
        launches: args.launches.map_or(selected.suite.max_launches, usize::from),
        warmup_steps: selected.suite.warmup_steps,
        wakes: selected.suite.wakes(selected.device),
        noise_percent: args.noise,
        gate: config.gate.clone(),
    };
    let plan = SuitePlan::new(terms, &forecasts, &fit, &rates(&selected, alone, terminal)?);
    terminal.print(&match args.format {
        DataFormat::Text => report::plan::text(&plan, terminal.columns()),
        DataFormat::Json => report::plan::json(&plan),
    })?;
    Ok(ExitStatus::Passed)
}

/// What the machine does in each backend and arithmetic of the cases; a worker that cannot tell gives the reason.
fn rates(selected: &Selected, asked: &cli::Alone, terminal: &Terminal) -> Result<RatesByBackend> {
    let _lock = alone(asked, terminal)?;
    let mut all = RatesByBackend::new();
    for case in &selected.cases {
        let key = (case.backend.clone(), case.dtype);
        if all.contains_key(&key) {
            continue;
        }
        terminal.say(&format!("measuring the machine's rates in {} ({}) …", case.backend, case.dtype));
        let request = Rate { protocol: protocol::VERSION, device: exactly(selected.device), dtype: case.dtype };
        let rates = runner::rate(&selected.programs[&case.backend], &request, &Interruptions::new());
        all.insert(key, rates.map_err(|failure| failure.reason));
    }
    Ok(all)
}
