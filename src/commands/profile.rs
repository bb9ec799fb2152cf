//! `wanbench profile`: where the time of one case's step goes.

use std::time::Duration;

use wanbench::config::Config;
use wanbench::evidence::profile;
use wanbench::files::cache;
use wanbench::protocol::{self, Profile as Request};
use wanbench::report;
use wanbench::report::Waiting;
use wanbench::runner::{self, Deadline, Materials};
use wanbench::store::record::Skipped;
use wanbench::wan::{schedule, work};

use crate::cli::{self, DataFormat};
use crate::session::alone::alone;
use crate::session::interrupt;
use crate::session::selected::exactly;
use crate::session::selected::{self, Selected, memory};
use crate::session::status::{Error, ExitStatus, Result};
use crate::session::terminal::Terminal;

/// Has one case's forward pass timed part by part, and prints it.
pub fn profile(args: &cli::Profile, terminal: &Terminal) -> Result<ExitStatus> {
    let cli::Asked { config, selection, axes, loading, alone: alone_asked } = &args.asked;
    let config = Config::open(config)?;
    let selected = Selected::new(&config, selection, &selected::axes(axes), terminal)?;
    let Some(case) = selected.cases.iter().find(|case| case.name == args.case) else {
        let names: Vec<&str> = selected.cases.iter().map(|case| case.name.as_str()).collect();
        return Err(Error::usage(format!(
            "no case `{}`; suite `{}` has {}",
            args.case,
            selected.suite.name,
            names.join(", ")
        )));
    };
    let cases = std::slice::from_ref(case);
    let materials = Materials::open(cases, &selected.models, &cache::folder(), selection.seed)?;
    let forecast = materials.forecast(case, selected.device);
    if let Some(has_bytes) = memory(loading, selected.device).filter(|has| *has < forecast.needs_bytes()) {
        let skipped = Skipped::Memory { needs_bytes: forecast.needs_bytes(), has_bytes };
        return Err(Error::incomplete(format!("{} does not fit into memory: {skipped}", case.name)));
    }
    let materials = materials.with_inputs(cases, &cache::folder(), selection.seed)?;
    let materials = if loading.no_cache { materials.without_quantized() } else { materials };
    let _lock = alone(alone_asked, terminal)?;
    let request = Request {
        protocol: protocol::VERSION,
        job: materials.job(case, exactly(selected.device), None),
        t: schedule::timestep(1.0),
        warmup_steps: selected.suite.warmup_steps,
        passes: args.passes.into(),
        in_turns: false,
        wake: false,
    };
    let mut waiting = Waiting::new(&case.name, terminal.progress_style());
    let deadline = Deadline::of_launch(Duration::from_secs(selected.suite.launch_timeout_seconds));
    let program = &selected.programs[&case.backend];
    let told = runner::profile(program, &request, deadline, interrupt::heed(), &mut |loading| waiting.show(loading));
    waiting.finish();
    let (_, _, profiled) = told.map_err(|failure| Error::incomplete(format!("{}: {}", case.name, failure.reason)))?;
    let spec = &materials.network(case).spec;
    let works = work::parts(spec, forecast.tokens, case.workload.camera, case.dtype.size_bytes());
    let profile = profile::Profile::new(&case.name, &profiled, &works);
    terminal.print(&match args.format {
        DataFormat::Text => report::profile::text(&profile, terminal.columns()),
        DataFormat::Json => report::profile::json(&profile),
    })?;
    Ok(ExitStatus::Passed)
}
