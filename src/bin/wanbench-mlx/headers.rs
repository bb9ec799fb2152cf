//! Whether the headers are there with which MLX compiles kernels for an NVIDIA GPU at run time.
//!
//! MLX looks for its own beside its library, and for CUDA's in NVIDIA's Python packages beside itself; where those are not,
//! in the toolkit. Source: `include_path_args` in mlx/backend/cuda/jit_module.cpp of MLX 0.32.

use std::env;
use std::path::{Path, PathBuf};

use wanbench::worker::say;

/// Of MLX's own, one of each library.
const OWN: [&str; 3] = ["cccl/cuda/std/type_traits", "cute/tensor.hpp", "cutlass/cutlass.h"];
/// Of CUDA's, those that MLX's kernels and ours include; the last one for the products of quantized matrices alone.
const CUDA: [&str; 8] = [
    "cooperative_groups.h",
    "cuda_bf16.h",
    "cuda_fp16.h",
    "cuda_fp8.h",
    "cuda_pipeline_primitives.h",
    "math_constants.h",
    "mma.h",
    "crt/mma.h",
];
/// Where a toolkit is without a variable that names it.
const TOOLKIT: &str = "/usr/local/cuda";

/// Says on standard error what is missing; `library` is the folder of MLX's library.
pub fn check(library: &Path) {
    let toolkit = ["CUDA_HOME", "CUDA_PATH"].into_iter().find_map(env::var_os).map_or(TOOLKIT.into(), PathBuf::from);
    if let Some(reason) = missing(library, &toolkit) {
        say(&format!("{}: MLX cannot compile all of its kernels: {reason}", env!("CARGO_BIN_NAME")));
    }
}

/// What is missing, with the way out.
fn missing(library: &Path, toolkit: &Path) -> Option<String> {
    let root = library.parent()?;
    let lacks = |folder: &Path, headers: &[&str]| {
        let missing: Vec<&str> = headers.iter().copied().filter(|header| !folder.join(header).is_file()).collect();
        (!missing.is_empty()).then(|| format!("{} lacks {}", folder.display(), missing.join(", ")))
    };
    let own = lacks(&root.join("include"), &OWN).map(|lacks| format!("{lacks}: `make build DEVICE=cuda` again"));
    let packages = root.parent()?.join("nvidia/cu13/include");
    let cuda = if packages.exists() {
        let way_out =
            "add them from the packages nvidia-cuda-runtime and nvidia-cuda-crt, or from a whole CUDA toolkit";
        lacks(&packages, &CUDA).map(|lacks| format!("{lacks}: {way_out}"))
    } else {
        let way_out = "install the whole CUDA toolkit, and set CUDA_HOME to its folder";
        lacks(&toolkit.join("include"), &CUDA).map(|lacks| format!("{lacks}: {way_out}"))
    };
    let reasons: Vec<String> = own.into_iter().chain(cuda).collect();
    (!reasons.is_empty()).then(|| reasons.join("; "))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn fill(folder: &Path, headers: &[&str]) {
        for header in headers {
            let path = folder.join(header);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "").unwrap();
        }
    }

    #[test]
    fn headers_are_looked_for_where_mlx_does() {
        let home = tempfile::tempdir().unwrap();
        let [library, toolkit] = ["site/mlx/lib", "toolkit"].map(|name| home.path().join(name));
        let packages = home.path().join("site/nvidia/cu13/include");
        fill(&home.path().join("site/mlx/include"), &OWN);
        let none = missing(&library, &toolkit).unwrap();
        assert!(none.contains("toolkit/include lacks cooperative_groups.h") && none.contains("CUDA_HOME"), "{none}");
        fill(&toolkit.join("include"), &CUDA);
        assert_eq!(missing(&library, &toolkit), None);

        // The packages come before the toolkit, whole or not.
        let (last, others) = CUDA.split_last().unwrap();
        fill(&packages, others);
        let partial = missing(&library, &toolkit).unwrap();
        assert!(partial.contains("nvidia/cu13/include lacks crt/mma.h: add them from"), "{partial}");
        fill(&packages, &[last]);
        assert_eq!(missing(&library, &toolkit), None);

        fs::remove_file(home.path().join("site/mlx/include/cute/tensor.hpp")).unwrap();
        let own = missing(&library, &toolkit).unwrap();
        assert!(own.ends_with("mlx/include lacks cute/tensor.hpp: `make build DEVICE=cuda` again"), "{own}");
    }
}
