//! Writes the Rust bindings of mlx-c, as mlx-sys's own build script would on macOS.
//!
//! Usage: `bindings MLX_C_ROOT OUTPUT [CLANG_ARG…]`. The environment variable `MLX_SYS_DIR` names the mlx-sys crate at
//! compile time: its settings are included rather than copied, so that they cannot drift apart.

use std::error::Error;
use std::path::PathBuf;

#[expect(dead_code, reason = "the module belongs to mlx-sys, which uses the rest")]
mod bindgen_config {
    include!(concat!(env!("MLX_SYS_DIR"), "/src/bindgen_config.rs"));
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args_os().skip(1).map(PathBuf::from);
    let mlx_c_root = arguments.next().ok_or("missing MLX_C_ROOT")?;
    let output = arguments.next().ok_or("missing OUTPUT")?;

    let headers = bindgen_config::discover_headers(&mlx_c_root)?;
    bindgen_config::builder(&mlx_c_root, &headers)
        .clang_args(arguments.map(|argument| argument.to_string_lossy().into_owned()))
        .generate()?
        .write_to_file(output)?;
    Ok(())
}
