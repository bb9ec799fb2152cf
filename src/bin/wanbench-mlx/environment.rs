//! The environment variables by which MLX is told how to compute. It reads them when it starts.

use std::env;

use wanbench::files::cache;
use wanbench::machine;

use crate::native;

/// Where MLX keeps the kernels that it compiles for an NVIDIA GPU. Source: mlx/backend/cuda/jit_module.cpp.
const KERNELS: &str = "MLX_PTX_CACHE_DIR";

/// Sets what decides the figures.
///
/// # Safety
/// No other thread may read or write the environment meanwhile.
pub unsafe fn set_up() {
    // SAFETY: as the caller promises.
    unsafe {
        // f32 must mean f32, also on GPUs whose matrix units would round to TF32.
        env::set_var("MLX_ENABLE_TF32", "0");
        // MLX builds CUDA graphs anew in every step, which takes longer than to launch the kernels one by one.
        env::set_var("MLX_USE_CUDA_GRAPHS", "0");
        // Intermediate results are freed when the commands that they belong to are done, and up to 11 lots of commands are under way:
        // large lots keep those of a whole step. Metal has its own size, by the GPU.
        if cfg!(target_os = "linux") {
            env::set_var("MLX_MAX_OPS_PER_BUFFER", "3");
        }
    }
    // MLX's own choice is the temporary folder, which a restart empties: kernels would be compiled again, for minutes.
    if let (None, Ok(version)) = (env::var_os(KERNELS), native::version()) {
        let folder = machine::kernels_folder_of(&cache::folder(), "mlx", &version);
        // SAFETY: as the caller promises.
        unsafe { env::set_var(KERNELS, folder) };
    }
}
