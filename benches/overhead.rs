//! What wanbench itself costs, as shares and ratios of one run: `make bench`.
//!
//! Nothing here is a test: a timing never decides one. The goals stand beside the figures.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use wanbench::config::Case;
use wanbench::config::Config;
use wanbench::files::cache;
use wanbench::protocol::{self, DeviceChoice, Measure, Request};
use wanbench::runner::Materials;
use wanbench::stats;
use wanbench::store::record::{Measured, RunRecord};
use wanbench::wan::{Quant, schedule};

/// Pairs of a launch through the harness and a plain loop, per backend.
const PAIRS: usize = 16;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let tool = Path::new(env!("CARGO_BIN_EXE_wanbench"));
    let version = (0..20).map(|_| seconds(Command::new(tool).arg("--version"))).collect::<Result<Vec<_>, _>>()?;
    println!("wanbench --version: {:.1} ms (goal: under 10 ms)", 1e3 * stats::median(&version));

    let folder = tempfile::tempdir()?;
    let results = folder.path().join("results.json");
    let wall = seconds(Command::new(tool).args(["check", "--quiet", "--json"]).arg(&results))?;
    let record = RunRecord::open(&results)?;
    let all = record.cases.iter().flat_map(|case| case.launches.iter().chain(&case.control_launches));
    let launches: f64 = all.map(|launch| launch.wall_seconds).sum();
    println!(
        "wanbench check, outside its workers: {:.2}% of {wall:.1} s (goal: under 2%)",
        100.0 * (1.0 - launches / wall)
    );

    println!(
        "\nA worker's time outside starting, loading, warm-up and timed steps; it measures the machine's rates (goal: under 10%):"
    );
    for case in &record.cases {
        let of_wall = |seconds: fn(&Measured) -> f64| -> Vec<f64> {
            case.launches
                .iter()
                .zip(case.measured())
                .map(|(launch, (_, measured))| seconds(measured) / launch.wall_seconds)
                .collect()
        };
        let shares: Vec<f64> = of_wall(productive_seconds).iter().map(|share| 1.0 - share).collect();
        let starts = of_wall(|measured| measured.startup_seconds);
        println!(
            "  {:16} {:.2}%; starting, which is linking the framework and opening the device: {:.2}%",
            case.case.name,
            100.0 * stats::median(&shares),
            100.0 * stats::median(&starts)
        );
    }

    println!("\nStep time through the harness / in a plain loop of the framework (goal: within 2%), {PAIRS} pairs:");
    let config = Config::open(Path::new("config.toml"))?;
    let cases: Vec<Case> = record.cases.iter().map(|case| case.case.clone()).collect();
    let materials = Materials::prepare(&cases, &config.models, &cache::folder(), 0)?;
    // One case a backend: what a quantized case computes makes no difference to the harness around it.
    for case in cases.iter().filter(|case| case.quant == Quant::None) {
        println!("  {:16} {}", case.name, against_plain_loop(case, &materials, record.warmup_steps)?);
    }

    println!("\nA profile's parts together / the step they are of (goal: within 10%):");
    for case in &cases {
        let output = Command::new(tool).args(["profile", &case.name, "--passes", "10", "--format", "json"]).output()?;
        let profile: serde_json::Value = serde_json::from_slice(&output.stdout)?;
        let seconds = |key: &str| profile[key].as_f64().ok_or("the profile holds no time");
        println!("  {:16} {:.3}", case.name, seconds("sum_seconds")? / seconds("step_seconds")?);
    }
    Ok(())
}

fn productive_seconds(measured: &Measured) -> f64 {
    let steps: f64 = measured.step_seconds.iter().sum();
    measured.startup_seconds + measured.load_seconds + measured.warmup_seconds + steps
}

/// Wall time of a whole process that must succeed.
fn seconds(command: &mut Command) -> std::io::Result<f64> {
    let start = Instant::now();
    let status = command.stdout(Stdio::null()).status()?;
    if !matches!(status.code(), Some(0 | 1)) {
        return Err(std::io::Error::other(format!("{command:?}: {status}")));
    }
    Ok(start.elapsed().as_secs_f64())
}

/// The ratio of the two, pair by pair in alternating order, with its interval.
fn against_plain_loop(
    case: &Case,
    materials: &Materials,
    warmup_steps: u32,
) -> Result<String, Box<dyn std::error::Error>> {
    let worker = worker(&case.backend);
    let request = Request::Measure(Measure {
        protocol: protocol::VERSION,
        job: materials.job(case, DeviceChoice::Auto, None),
        sigmas: schedule::sigmas(case.workload.steps, schedule::SHIFT),
        warmup_steps,
        second: None,
        wake: false,
        extra_work: None,
    });
    let line = serde_json::to_string(&request)? + "\n";
    let mut log_ratios = Vec::new();
    for pair in 0..PAIRS {
        let (harness, plain) = if pair % 2 == 0 {
            let harness = through_harness(&worker, &line)?;
            (harness, plain_loop(&worker, &line)?)
        } else {
            let plain = plain_loop(&worker, &line)?;
            (through_harness(&worker, &line)?, plain)
        };
        log_ratios.push(harness.ln() - plain.ln());
    }
    let ratio = stats::paired_ratio(&log_ratios).ok_or("no pairs")?;
    let (low, high) = ratio.interval.ok_or("one pair")?;
    Ok(format!("{:.3} (95%: {low:.3} to {high:.3})", ratio.point))
}

fn worker(backend: &str) -> PathBuf {
    Path::new(env!("CARGO_BIN_EXE_wanbench")).with_file_name(format!("wanbench-{backend}"))
}

fn through_harness(worker: &Path, line: &str) -> Result<f64, Box<dyn std::error::Error>> {
    let steps = answer(worker, &[], line)?
        .lines()
        .filter_map(|line| match serde_json::from_str(line) {
            Ok(protocol::Event::Step(step)) => Some(step.seconds),
            _ => None,
        })
        .collect::<Vec<_>>();
    Ok(stats::median(&steps))
}

fn plain_loop(worker: &Path, line: &str) -> Result<f64, Box<dyn std::error::Error>> {
    Ok(answer(worker, &["plain-loop"], line)?.trim().parse()?)
}

fn answer(worker: &Path, arguments: &[&str], line: &str) -> Result<String, Box<dyn std::error::Error>> {
    let mut child = Command::new(worker).args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
    let mut stdin = child.stdin.take().ok_or("no standard input")?;
    stdin.write_all(line.as_bytes())?;
    // The harness wants its input open until it is done; the plain loop reads to the end.
    if arguments.is_empty() {
        // All turns at once: nobody else wants one.
        stdin.write_all("{\"type\":\"step\"}\n".repeat(1000).as_bytes())?;
    }
    let kept = arguments.is_empty().then_some(stdin);
    let output = child.wait_with_output()?;
    drop(kept);
    if !output.status.success() {
        return Err(format!("{} ended with {}", worker.display(), output.status).into());
    }
    Ok(String::from_utf8(output.stdout)?)
}
