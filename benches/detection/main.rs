//! Are regressions found, and false alarms not? On real launches, recorded on this machine: `make bench-detection`.

mod recording;

use std::path::Path;

fn main() -> anyhow::Result<()> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/detection/recording.json");
    let minutes = std::env::var("MINUTES").map_or(Ok(28.0), |minutes| minutes.parse())?;
    let recording = recording::record(&path, minutes)?;
    println!("{} blocks in {}", recording.blocks.len(), path.display());
    Ok(())
}
