//! Preparing launches: kernels that a framework compiles at run time are compiled before anything is measured.
//!
//! MLX on an NVIDIA GPU compiles each kernel when it is first used, which takes up to minutes, and keeps it on disk. So each
//! case has a preparing launch before the run, with a deadline of its own. Nothing of it is kept but a stamp beside the
//! kernels: without their folder the stamps are gone too, and it is done again.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::time::Duration;

use sha2::{Digest, Sha256};

use super::interruptions::Interruptions;
use super::process::{Deadline, Program};
use super::{Network, RunEvent, RunPlan, RunningLaunch};
use crate::config::{Case, Workload, compiles_kernels};
use crate::files::{read, save};
use crate::machine;
use crate::protocol::{self, DeviceKind, Measure};
use crate::store::record::{Failure, Measured};
use crate::text::format;

/// How long a preparing launch may take: so long that only one that hangs is ended.
const DEADLINE: Deadline = Deadline {
    limit: Duration::from_secs(600),
    way_out: "its kernels compile in two minutes: run its worker by hand to see what it waits for",
};

/// Kernels that are compiled at run time for one GPU, and kept in the cache.
#[derive(Clone, Debug)]
pub struct Kernels {
    /// The cache's folder.
    cache: PathBuf,
    /// The GPU and its driver.
    gpu: String,
}

/// One case that is to be launched once before the run.
struct Preparing<'a> {
    name: String,
    case: &'a Case,
    program: &'a Program,
}

impl Kernels {
    /// Those for this machine, kept in `cache`; `None` where no kernel is compiled for longer than a process lives: on a CPU,
    /// and on any GPU but NVIDIA's.
    pub fn of_machine(device: DeviceKind, cache: &Path) -> Option<Self> {
        let gpu = (device == DeviceKind::Gpu).then(machine::nvidia_gpu).flatten()?;
        Some(Self { cache: cache.to_owned(), gpu: gpu.compiles_for() })
    }

    /// Whether a stamp of that name lies beside the kernels of any version.
    fn have_stamp(&self, stamp: &str) -> bool {
        let folders = std::fs::read_dir(machine::kernels_folder(&self.cache)).into_iter().flatten().flatten();
        folders.into_iter().any(|folder| folder.path().join(stamp).is_file())
    }

    /// Leaves a stamp beside the kernels of the version that `measured` tells. A worker that keeps its kernels elsewhere gets
    /// none.
    fn leave_stamp(&self, stamp: &str, preparing: &Preparing, measured: &Measured) {
        let Some(version) = measured.versions.get(&preparing.case.backend) else { return };
        let folder = machine::kernels_folder_of(&self.cache, &preparing.case.backend, version);
        if folder.is_dir() {
            // Without it, the case is prepared once more.
            let _ = save::text(&folder.join(stamp), &format!("{}\n", preparing.name));
        }
    }

    /// The name of the stamp of `case`, run by the program with the content `worker`: it has all that decides which kernels
    /// there are.
    fn stamp(&self, worker: &str, case: &Case, network: &Network) -> String {
        let Workload { latent, text_rows, camera, .. } = &case.workload;
        let what = format!(
            "{worker} {} {:?} {latent:?} {text_rows} {camera} {} {}",
            self.gpu, network.spec, case.quant, case.dtype
        );
        format!("{}.prepared", format::hexadecimal(Sha256::digest(what)))
    }
}

/// Launches every case once whose kernels are not known to be compiled on this machine. One that fails is told: the case's
/// own launch will fail with its reason.
pub fn compile_kernels(plan: &RunPlan, interruptions: &Interruptions, on_event: &mut impl FnMut(&RunEvent)) {
    let Some(kernels) = &plan.kernels else { return };
    let (mut contents, mut seen) = (BTreeMap::new(), BTreeSet::new());
    for preparing in wanted(plan) {
        // A program that cannot be read cannot be launched either.
        let content = contents.entry(&preparing.program.command).or_insert_with(|| content(preparing.program).ok());
        let Some(content) = content else { continue };
        let stamp = kernels.stamp(content, preparing.case, plan.materials.network(preparing.case));
        if !seen.insert(stamp.clone()) || kernels.have_stamp(&stamp) {
            continue;
        }
        on_event(&RunEvent::Compiling { case: &preparing.name });
        let launched = launch(plan, &preparing, interruptions);
        if interruptions.is_interrupted() {
            return;
        }
        match launched {
            Ok(measured) => kernels.leave_stamp(&stamp, &preparing, &measured),
            Err(Failure { reason, .. }) => {
                on_event(&RunEvent::NotCompiled { case: &preparing.name, reason: &reason });
            }
        }
    }
}

/// The canary's case and all arms whose workers compile kernels. Of a backend of the user's own nothing is known.
fn wanted<'a>(plan: &'a RunPlan) -> Vec<Preparing<'a>> {
    let canary = plan.pace.canary.iter().map(|canary| (canary.case.name.clone(), canary.case, canary.program));
    let arms = plan.all_arms().into_iter().map(|(arm, _)| (arm.name(plan), &plan.cases[arm.case], arm.program));
    canary
        .chain(arms)
        .filter(|(_, case, program)| program.is_built_in() && compiles_kernels(&case.backend))
        .map(|(name, case, program)| Preparing { name, case, program })
        .collect()
}

/// One warm-up step and one step of the case. A network that takes over on the way has the same kernels.
fn launch(plan: &RunPlan, preparing: &Preparing, interruptions: &Interruptions) -> Result<Measured, Failure> {
    let request = Measure {
        protocol: protocol::VERSION,
        job: plan.materials.job(preparing.case, plan.device, None),
        sigmas: plan.materials.schedule(preparing.case).sigmas(1),
        warmup_steps: 1,
        second: None,
        wake: false,
        extra_work: None,
    };
    let mut launch = RunningLaunch::start(preparing.program, &request, DEADLINE, interruptions, &mut |_| {})?;
    let stepped = launch.step();
    launch.finish(stepped.err()).0
}

/// What identifies the content of a program's file.
fn content(program: &Program) -> io::Result<String> {
    let path = program.command.first().ok_or(io::ErrorKind::NotFound)?;
    let (mut file, mut hash) = (BufReader::new(read::open(Path::new(path))?), Sha256::new());
    loop {
        let chunk = file.fill_buf()?;
        if chunk.is_empty() {
            return Ok(format::hexadecimal(hash.finalize()));
        }
        hash.update(chunk);
        let length = chunk.len();
        file.consume(length);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::DeviceChoice;
    use crate::runner::{CanaryPlan, Materials, Pace, canary_case};
    use crate::testing::plain_workload;
    use crate::wan::{DType, Quant, Spec};

    fn case(backend: &str, quant: Quant) -> Case {
        Case::new(backend, plain_workload(5), quant, DType::F32)
    }

    fn programs(folder: Option<&str>) -> BTreeMap<String, Program> {
        let program = |name: &str| Program { command: vec![name.to_owned()], folder: folder.map(PathBuf::from) };
        ["mlx", "torch"].map(|name| (name.to_owned(), program(name))).into()
    }

    /// The names of the cases that are launched before the run.
    fn names(programs: &BTreeMap<String, Program>, base: Option<&BTreeMap<String, Program>>) -> Vec<String> {
        let cases = [case("torch", Quant::None), case("mlx", Quant::None), case("mlx", Quant::Int8)];
        let canary = canary_case("mlx", DeviceKind::Gpu);
        let canary = CanaryPlan { case: &canary, program: &programs["mlx"], tolerance_percent: 1.0, wakes: false };
        let plan = RunPlan {
            cases: &cases,
            launches: 1,
            warmup_steps: 1,
            timeout: Duration::ZERO,
            device: DeviceChoice::Gpu,
            seed: 1,
            side_by_side: true,
            wakes: false,
            programs,
            base_programs: base,
            base_lacks: &[],
            materials: &Materials::default(),
            outputs: Path::new(""),
            pace: Pace { cool_down: Duration::ZERO, time_limit: None, canary: Some(canary) },
            kernels: None,
        };
        wanted(&plan).into_iter().map(|preparing| preparing.name).collect()
    }

    #[test]
    fn every_arm_of_the_built_in_mlx_is_prepared_and_no_other() {
        let (built_in, own) = (programs(None), programs(Some("/own")));
        let head = ["mlx/(canary)/none", "mlx/5f/none", "mlx/5f/none (control)", "mlx/5f/int8"];
        assert_eq!(names(&built_in, None), head);
        assert_eq!(names(&own, None), [""; 0]);
        let with_base = names(&built_in, Some(&built_in));
        assert!(with_base.contains(&"mlx/5f/int8 (base)".to_owned()), "{with_base:?}");
        assert_eq!(names(&own, Some(&built_in)), ["mlx/5f/none (base)", "mlx/5f/int8 (base)"]);
    }

    #[test]
    fn a_stamp_belongs_to_a_worker_a_gpu_a_network_and_its_shapes() {
        let kernels = |gpu: &str| Kernels { cache: PathBuf::new(), gpu: gpu.to_owned() };
        let network = Network { folder: PathBuf::new(), spec: Spec::synthetic(), largest_tensor_bytes: 0 };
        let of = |worker: &str, gpu: &str, case: &Case| kernels(gpu).stamp(worker, case, &network);
        let int8 = case("mlx", Quant::Int8);
        let same = of("a", "H200 580", &int8);
        let longer = Case::new("mlx", Workload { steps: 50, ..int8.workload.clone() }, int8.quant, int8.dtype);
        assert_eq!(of("a", "H200 580", &longer), same, "the number of steps changes no kernel");
        let larger = Case::new("mlx", plain_workload(5), int8.quant, DType::Bf16);
        let wider = Case::new("mlx", Workload { latent: [8, 16, 32], ..plain_workload(5) }, int8.quant, int8.dtype);
        let others = [
            of("b", "H200 580", &int8),
            of("a", "H200 590", &int8),
            of("a", "H200 580", &case("mlx", Quant::Int4)),
            of("a", "H200 580", &larger),
            of("a", "H200 580", &wider),
        ];
        assert!(!others.contains(&same), "{others:?}");
    }
}
