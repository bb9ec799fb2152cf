//! The environment variables by which MLX is told how to compute. It reads them when it starts.

use std::env;

use wanbench::files::cache;
use wanbench::machine;

use crate::native;

/// Where MLX keeps the kernels that it compiles for an NVIDIA GPU. Source: mlx/backend/cuda/jit_module.cpp.
const KERNELS: &str = "MLX_PTX_CACHE_DIR";

/// What MLX does on CUDA unless the user says otherwise.
///
/// It would build CUDA graphs anew in every step, which takes longer than to launch the kernels one by one. And intermediate results
/// are freed when the commands they belong to are done: eleven buffers of commands may be under way, which with its own size are a
/// whole step. Metal has sizes of its own.
const ON_CUDA: [(&str, &str, &str); 2] =
    [("mlx-cuda-graphs", "MLX_USE_CUDA_GRAPHS", "0"), ("mlx-ops-per-buffer", "MLX_MAX_OPS_PER_BUFFER", "3")];

/// Sets what decides the figures.
///
/// # Safety
/// No other thread may read or write the environment meanwhile.
pub unsafe fn set_up() {
    let mut variables = Vec::new();
    if cfg!(target_os = "linux") {
        variables.extend(ON_CUDA.map(|(_, variable, value)| (variable, value.into())));
    }
    // MLX's own choice is the temporary folder, which a restart empties: kernels would be compiled again, for minutes.
    if let Ok(version) = native::version() {
        let folder = machine::kernels_folder_of(&cache::folder(), "mlx", &version);
        variables.push((KERNELS, folder.into_os_string()));
    }
    variables.retain(|(variable, _)| env::var_os(variable).is_none());
    // f32 must mean f32, also on GPUs whose matrix units would round to TF32.
    variables.push(("MLX_ENABLE_TF32", "0".into()));
    for (variable, value) in variables {
        // SAFETY: as the caller promises.
        unsafe { env::set_var(variable, value) };
    }
}

/// How MLX computes on CUDA, for the record: names and values.
pub fn settings() -> Vec<(&'static str, String)> {
    let value = |variable| env::var(variable).unwrap_or_default();
    let mut settings = vec![("mlx-tf32", "off".to_owned())];
    settings.extend(ON_CUDA.map(|(name, variable, _)| (name, value(variable))));
    settings
}
