"""MLX for Linux, where the mlx-sys crate has no build of its own.

MLX itself comes from its wheel for the device. The C layer mlx-c is compiled from the mlx-sys crate's own source and linked with the
shims of this folder into one libmlxc.so, and the Rust bindings are generated as mlx-sys would. Result: `mlx/lib/` (which also holds
OpenBLAS), `mlx_cpu.libs/` or `mlx_cuda_13.libs/` where libmlx.so looks for its own needs, and `bindings/bindings.rs`; for CUDA also
`mlx/include/`, with headers for the kernels that MLX compiles at run time, and NVIDIA's libraries: recipe_nvidia.py.
"""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Optional, Sequence

import recipe_nvidia
from cache import Component
from devices import CPU, CUDA
from failure import Failure, output, run, say
from platforms import Platform, c_compiler, cxx_compiler
from wheels import below, fetch_all, unpack

NATIVE = Path(__file__).resolve().parent
BINDINGS = NATIVE / "bindings"
SHIM = NATIVE / "mlxc_shim.h"
C_SHIMS = (NATIVE / "mach_shim.c", NATIVE / "blas_shim.c")
INPUTS = (SHIM, *C_SHIMS, BINDINGS / "Cargo.toml", BINDINGS / "Cargo.lock", BINDINGS / "src" / "main.rs")

# Of one version: their headers are the same, and so is the code that is compiled with them.
WHEELS = {CPU: "mlx_cpu", CUDA: "mlx_cuda_13"}
DOWNLOADS = {CPU: "70 MB", CUDA: "150 MB"}
# Those that only the wheel for CUDA has.
KERNEL_HEADERS = ("mlx/include/cccl/", "mlx/include/cute/", "mlx/include/cutlass/")


def component(target: Platform, device: str, requirements: Sequence[Path], nvidia: Optional[Path], project: Path) -> Component:
    def make(whole: Path, work: Path) -> None:
        mlx_sys = mlx_sys_source(project)
        say(f"fetching MLX and its build tools: {DOWNLOADS[device]}; up to a minute")
        wheels = fetch_all(requirements, target, work)
        unpack_wheels(wheels, WHEELS[device], whole, work)
        if nvidia:
            recipe_nvidia.link(nvidia, whole)
        say("compiling mlx-c: 1 to 2 minutes on 2 cores")
        archive = compile_mlx_c(mlx_sys / "src" / "mlx-c", whole, work)
        link_mlx_c(archive, whole / "mlx" / "lib", work)
        say("generating the Rust bindings of mlx-c: half a minute")
        generate_bindings(mlx_sys, whole / "bindings", work)

    inputs = [path.read_bytes() for path in (Path(__file__), *requirements, *INPUTS)]
    inputs += [locked_mlx_sys(project).encode(), nvidia.name.encode() if nvidia else b""]
    return Component("mlx", tuple(inputs), make)


def locked_mlx_sys(project: Path) -> str:
    """Version and checksum of the mlx-sys crate, from Cargo.lock: cargo itself would take longer than the rest of a second run."""
    lock = project / "Cargo.lock"
    if not lock.is_file():
        raise Failure(f"{lock} is missing: run `git checkout Cargo.lock`, or `cargo generate-lockfile` to make a new one.")
    found = re.search(r'^name = "mlx-sys"\n(version = .*\nsource = .*\nchecksum = .*)$', lock.read_text(), re.MULTILINE)
    if found is None:
        raise Failure(f"{lock} does not name mlx-sys: run `cargo generate-lockfile`.")
    return found[1]


def mlx_sys_source(project: Path) -> Path:
    command = ["cargo", "metadata", "--format-version", "1", "--features", "mlx", "--manifest-path", project / "Cargo.toml"]
    metadata = json.loads(output(command, "asking cargo for the source of mlx-sys"))
    manifest = next(package["manifest_path"] for package in metadata["packages"] if package["name"] == "mlx-sys")
    return Path(manifest).parent


def unpack_wheels(wheels: list[Path], mlx: str, whole: Path, work: Path) -> None:
    unpack(wheels, mlx, whole, below("mlx/lib/", f"{mlx}.libs/", *KERNEL_HEADERS))
    unpack(wheels, mlx, work, below("mlx/include/mlx/"))
    unpack(wheels, "scipy_openblas32", whole / "mlx" / "lib", place_library)
    unpack(wheels, "cmake", work, below("cmake/data/"))
    unpack(wheels, "ninja", work, lambda name: "ninja-bin" if name.endswith("/scripts/ninja") else None)
    unpack(wheels, "libclang", work / "libclang", place_library)


def place_library(name: str) -> Optional[str]:
    file = name.rpartition("/")[2]
    return file if ".so" in file else None


def compile_mlx_c(source: Path, whole: Path, work: Path) -> Path:
    cmake, build = work / "cmake" / "data" / "bin" / "cmake", work / "mlx-c"
    # mlx-c asks for MLX's own configuration, which for CUDA asks for a whole toolkit; an empty one serves, as only headers are needed.
    (work / "MLXConfig.cmake").touch()
    flags = f'-isystem "{work}/mlx/include" -include "{SHIM}"'
    run(
        [cmake, "-S", source, "-B", build, "-G", "Ninja", f"-DCMAKE_MAKE_PROGRAM={work}/ninja-bin", "--log-level=WARNING",
         "-DCMAKE_BUILD_TYPE=Release", "-DMLX_C_USE_SYSTEM_MLX=ON", "-DMLX_C_BUILD_EXAMPLES=OFF", "-DBUILD_SHARED_LIBS=OFF",
         f"-DMLX_DIR={work}", f"-DCMAKE_CXX_FLAGS={flags}"],
        "configuring mlx-c",
    )
    run([cmake, "--build", build, "--target", "mlxc", "--parallel", str(os.cpu_count() or 1)], "compiling mlx-c")
    return build / "libmlxc.a"


def link_mlx_c(archive: Path, lib: Path, work: Path) -> None:
    objects = [work / f"{shim.stem}.o" for shim in C_SHIMS]
    for shim, compiled in zip(C_SHIMS, objects):
        run([*c_compiler(), "-O2", "-fPIC", "-Wall", "-Wextra", "-c", shim, "-o", compiled], f"compiling {shim.name}")
    # $ORIGIN: the folder is renamed once it is whole, and all libraries stay beside this one. As RPATH, not as RUNPATH, it goes
    # before LD_LIBRARY_PATH.
    run(
        [*cxx_compiler(), "-shared", "-o", lib / "libmlxc.so", "-Wl,-soname,libmlxc.so",
         "-Wl,--whole-archive", archive, "-Wl,--no-whole-archive", *objects,
         f"-L{lib}", "-lscipy_openblas", "-lmlx", "-Wl,-rpath,$ORIGIN", "-Wl,--disable-new-dtags", "-Wl,-z,defs", "-Wl,--allow-shlib-undefined"],
        "linking libmlxc.so",
    )


def generate_bindings(mlx_sys: Path, destination: Path, work: Path) -> None:
    destination.mkdir()
    # The wheel's libclang brings no headers of its own (stdbool.h, stddef.h): the compiler's serve.
    compiler_headers = output([*cxx_compiler(), "-print-file-name=include"], "asking the compiler for its headers").strip()
    run(
        ["cargo", "run", "--quiet", "--locked", "--manifest-path", BINDINGS / "Cargo.toml", "--target-dir", work / "bindings-target", "--",
         mlx_sys / "src" / "mlx-c", destination / "bindings.rs", "-isystem", compiler_headers, "-include", SHIM],
        "generating the bindings of mlx-c",
        env={**os.environ, "LIBCLANG_PATH": str(work / "libclang"), "MLX_SYS_DIR": str(mlx_sys)},
    )
