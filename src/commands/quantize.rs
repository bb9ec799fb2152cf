//! `wanbench quantize`: a checkpoint's weights quantized once, for runs to load.

use std::path::{Path, PathBuf};
use std::time::Duration;

use wanbench::config::BuiltIn;
use wanbench::files::cache;

use wanbench::files::save;
use wanbench::machine::{self, Machine};
use wanbench::protocol::{self, DeviceKind, Quantize as Request};
use wanbench::report::Waiting;
use wanbench::runner::{self, Deadline, Network, Program};
use wanbench::store::record::Skipped;
use wanbench::text::format;
use wanbench::wan::quant::{Layout, model_bytes};
use wanbench::wan::quantized::{self, Manifest};
use wanbench::wan::{DType, Expert, Quantized};

use crate::cli::{self, ExpertChoice};
use crate::session::alone::alone;
use crate::session::interrupt;
use crate::session::selected::{exactly, gibibytes, resolve_device};
use crate::session::status::{Error, ExitStatus, OrStatus, Result};
use crate::session::terminal::Terminal;

/// As long as reading 70 GiB from a slow disk takes, and packing them.
const DEADLINE: Deadline =
    Deadline { limit: Duration::from_secs(12 * 3600), way_out: "copy the checkpoint to a faster disk" };

/// Quantizes and saves the networks that are asked for; nothing is left behind of one that fails.
pub fn quantize(args: &cli::Quantize, terminal: &Terminal) -> Result<ExitStatus> {
    let layout = args.quant.layout().ok_or_else(|| Error::usage("--quant none: choose a quantization to save"))?;
    let experts: &[Expert] = match args.expert {
        ExpertChoice::Low => &[Expert::Low],
        ExpertChoice::High => &[Expert::High],
        ExpertChoice::Both => &[Expert::High, Expert::Low],
    };
    // All are checked before the first is read.
    let targets = experts.iter().map(|expert| Target::new(args, layout, *expert)).collect::<Result<Vec<_>>>()?;
    let program = Program::built_in(BuiltIn::Mlx.name());
    let device = resolve_device(args.device, &Machine::detect(), [&program].into_iter(), terminal);
    // It loads the machine, which a run that measures would see.
    let _lock = alone(&args.alone, terminal)?;
    for target in &targets {
        if target.is_there(layout, args.dtype)? {
            terminal.say(&format!("{} is up to date: nothing to do", target.out.display()));
        } else {
            target.check_memory(args, device)?;
            target.make(args, layout, &program, device, terminal)?;
        }
        target.link(&cache::folder(), layout, args.dtype)?;
    }
    Ok(ExitStatus::Passed)
}

/// One network and where it is saved.
struct Target {
    network: Network,
    fingerprint: String,
    out: PathBuf,
}

impl Target {
    fn new(args: &cli::Quantize, layout: Layout, expert: Expert) -> Result<Self> {
        let source =
            std::path::absolute(&args.ckpt_dir).or_usage(|| format!("--ckpt-dir {}", args.ckpt_dir.display()))?;
        let network = Network::open(expert.folder(&source)?)?;
        let fingerprint = quantized::fingerprint(&network.folder)?;
        let out = match &args.out {
            None => quantized::cached(&cache::folder(), &fingerprint, layout, args.dtype),
            // Of both, each has a folder as in the download.
            Some(out) if args.expert == ExpertChoice::Both => out.join(format!("{}_noise_model", expert.name())),
            Some(out) => out.clone(),
        };
        let out = std::path::absolute(&out).or_usage(|| format!("--out {}", out.display()))?;
        let is_free = !out.exists() || std::fs::read_dir(&out).is_ok_and(|mut entries| entries.next().is_none());
        if !is_free && Manifest::open(&out)?.is_none() {
            return Err(Error::usage(format!(
                "--out {}: exists and is not a quantized checkpoint: choose another folder",
                out.display()
            )));
        }
        Ok(Self { network, fingerprint, out })
    }

    /// Whether it was saved before; what was saved of something else is not replaced.
    fn is_there(&self, layout: Layout, dtype: DType) -> Result<bool> {
        let Some(manifest) = Manifest::open(&self.out)? else { return Ok(false) };
        if manifest.source == self.fingerprint && manifest.is_of(layout, dtype) {
            Quantized::open(&self.out, &self.network.spec)?;
            return Ok(true);
        }
        Err(Error::usage(format!(
            "{} holds another quantized checkpoint: remove it, or choose another folder",
            self.out.display()
        )))
    }

    /// Asked before anything is read: the packed weights are in memory until they are saved.
    fn check_memory(&self, args: &cli::Quantize, device: DeviceKind) -> Result<()> {
        let Network { spec, largest_tensor_bytes, .. } = &self.network;
        // The tensor that is being packed is there as stored and in the arithmetic asked for.
        let needs_bytes = model_bytes(spec, args.quant, args.dtype) + 2 * largest_tensor_bytes;
        let has_bytes = args.memory.map(gibibytes).or_else(|| machine::available_bytes(device));
        if let Some(has_bytes) = has_bytes.filter(|has| *has < needs_bytes) {
            let skipped = Skipped::Memory { needs_bytes, has_bytes };
            return Err(Error::incomplete(format!(
                "{} does not fit into memory as {}: {skipped}",
                self.network.folder.display(),
                args.quant
            )));
        }
        Ok(())
    }

    /// Has it made in a folder of its own beside the target, which it becomes when all is well.
    fn make(
        &self,
        args: &cli::Quantize,
        layout: Layout,
        program: &Program,
        device: DeviceKind,
        terminal: &Terminal,
    ) -> Result<()> {
        let cannot_write = || format!("cannot write {}", self.out.display());
        let making = save::folder_beside(&self.out).or_incomplete(cannot_write)?;
        let request = Request {
            protocol: protocol::VERSION,
            checkpoint: self.network.folder.clone(),
            quant: args.quant,
            dtype: args.dtype,
            device: exactly(device),
            output: making.path().join(quantized::WEIGHTS),
        };
        let name = self.network.folder.display().to_string();
        let mut waiting = Waiting::new(&name, terminal.progress_style());
        let made = runner::quantize(program, &request, DEADLINE, interrupt::heed(), &mut |loading| {
            waiting.show(loading);
        });
        waiting.finish();
        let (ready, loaded, _) = made.map_err(|failure| Error::incomplete(format!("{name}: {}", failure.reason)))?;
        let manifest = Manifest::new(args.quant, layout, args.dtype, self.fingerprint.clone(), ready.versions);
        save::json(&making.path().join(quantized::MANIFEST), &manifest).or_incomplete(cannot_write)?;
        // Its tensors stand under Wan's names, whatever those of the source are: so do its sizes.
        save::json(&making.path().join("config.json"), &self.network.spec).or_incomplete(cannot_write)?;
        Quantized::open(making.path(), &self.network.spec).or_incomplete(|| "the saved checkpoint cannot be read")?;
        if quantized::fingerprint(&self.network.folder)? != self.fingerprint {
            return Err(Error::incomplete(format!("{name} changed while it was being read: quantize it again")));
        }
        save::folder(making, &self.out).or_incomplete(cannot_write)?;
        terminal.print(&format!(
            "{}: {} as {} in {}, from {name}\n",
            self.out.display(),
            format::memory(loaded.model_bytes),
            args.quant,
            args.dtype,
        ))?;
        let quantizing = loaded
            .quantize_seconds
            .map_or_else(String::new, |seconds| format!(", {} of them for quantizing", format::duration(seconds)));
        terminal
            .say(&format!("read in {}{quantizing}; runs will load it from there", format::duration(loaded.seconds)));
        Ok(())
    }

    /// Lets runs find what was saved outside the cache.
    fn link(&self, cache: &Path, layout: Layout, dtype: DType) -> Result<()> {
        let link = quantized::cached(cache, &self.fingerprint, layout, dtype);
        if link == self.out {
            return Ok(());
        }
        save::link(&self.out, &link).or_incomplete(|| format!("cannot write {}", link.display()))
    }
}
