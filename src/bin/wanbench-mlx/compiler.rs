//! Whether MLX's compiler works here, and how to be alone with it.

use std::fs::File;
use std::process::{Command, Stdio};

use mlx_rs::error::Exception;
use mlx_rs::transforms::compile::compile;
use mlx_rs::{Array, ops};
use wanbench::worker::say;

use crate::hardware::Hardware;

/// Whether `transforms::compile` works here; says so on standard error where it does not.
///
/// On a CPU, MLX calls `g++` at run time and loads what it wrote to the temporary folder. Without `g++` it would silently
/// not compile; without the folder every step would fail.
pub fn probe(hardware: Hardware) -> bool {
    let outcome = match hardware {
        Hardware::Cpu if !has_gxx() => Err(Exception::custom("g++ is missing")),
        _ => compile_and_run(),
    };
    if let Err(error) = &outcome {
        let reason = error.what();
        say(&format!("wanbench-mlx: MLX cannot compile here, so steps run uncompiled and slower: {reason}"));
    }
    outcome.is_ok()
}

/// Held while MLX may compile. On a CPU it writes kernels into a temporary folder that all processes share, and a process
/// that loads one half-written by another fails ("file too short").
///
/// `None` where the file is another user's: then it goes on as MLX does by itself.
pub fn lock() -> Option<File> {
    let path = std::env::temp_dir().join("wanbench-mlx-compiling");
    let file = File::options().create(true).truncate(false).write(true).open(path).ok()?;
    file.lock().ok()?;
    Some(file)
}

fn has_gxx() -> bool {
    let gxx = Command::new("g++").arg("--version").stdin(Stdio::null()).output();
    gxx.is_ok_and(|output| output.status.success())
}

fn compile_and_run() -> Result<(), Exception> {
    let _alone = lock();
    let mut silu = compile(|x: &Array| -> Result<Array, Exception> { x.multiply(ops::sigmoid(x)?) }, None);
    silu(&Array::from_f32(1.0))?.eval()
}
