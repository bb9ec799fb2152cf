"""MLX, in place of the build of the mlx-sys crate, which compiles all of it with Xcode and knows no Linux.

MLX itself comes from its wheel for the platform and the device. The C layer mlx-c is compiled from the mlx-sys crate's own source and
linked into one shared library, libmlxc, and the Rust bindings are generated as mlx-sys would. Result: `mlx/lib/`, with MLX's Metal
kernels on macOS and OpenBLAS on Linux, and `bindings/bindings.rs`. On Linux also `mlx_cpu.libs/` or `mlx_cuda_13.libs/`, where libmlx.so
looks for its own needs; for CUDA `mlx/include/` too, with headers for the kernels that MLX compiles at run time, and NVIDIA's
libraries: recipe_nvidia.py.
"""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Optional

import recipe_nvidia
from cache import Component
from devices import CPU, CUDA
from failure import Failure, output, run, say
from pins import device_pins, pins
from platforms import Platform, c_compiler, cxx_compiler
from wheels import below, fetch, fetch_all, unpack

NATIVE = Path(__file__).resolve().parent
BINDINGS = NATIVE / "bindings"
SHIM = NATIVE / "mlxc_shim.h"
# What macOS has itself: this Mach function, a fast BLAS, half precision in C and std::format.
C_SHIMS = (NATIVE / "mach_shim.c", NATIVE / "blas_shim.c")
INPUTS = (SHIM, *C_SHIMS, BINDINGS / "Cargo.toml", BINDINGS / "Cargo.lock", BINDINGS / "src" / "main.rs")

# Of one version: their headers are the same, and so is the code that is compiled with them.
MACOS_WHEEL = "mlx_metal"
LINUX_WHEELS = {CPU: "mlx_cpu", CUDA: "mlx_cuda_13"}
DOWNLOADS = {MACOS_WHEEL: "140 MB", "mlx_cpu": "70 MB", "mlx_cuda_13": "150 MB"}
# Those that only the wheel for CUDA has.
KERNEL_HEADERS = ("mlx/include/cccl/", "mlx/include/cute/", "mlx/include/cutlass/")


def component(
    target: Platform, device: str, nvidia: Optional[Path], project: Path, host: Optional[Platform] = None
) -> Component:
    """`host` is the machine that compiles, if that is not the target: check_macos.py."""
    host = host or target
    wheel = MACOS_WHEEL if target.is_macos else LINUX_WHEELS[device]
    requirements, tools = device_pins(target, "mlx", device), pins(host, "mlx-tools")

    def make(whole: Path, work: Path) -> None:
        mlx_sys = mlx_sys_source(project)
        say(f"fetching MLX and its build tools: {DOWNLOADS[wheel]}; up to a minute")
        unpack_mlx(fetch_all(requirements, target, work), wheel, whole, work)
        unpack_tools(fetch(tools, host, work), work)
        if nvidia:
            recipe_nvidia.link(nvidia, whole)
        say("compiling mlx-c: 1 to 2 minutes on 2 cores")
        archive = compile_mlx_c(target, mlx_sys / "src" / "mlx-c", work)
        link = link_on_macos if target.is_macos else link_on_linux
        link(archive, whole / "mlx" / "lib", work)
        say("generating the Rust bindings of mlx-c: half a minute")
        generate_bindings(target, mlx_sys, whole / "bindings", work)

    inputs = [path.read_bytes() for path in (Path(__file__), *requirements, tools, *INPUTS)]
    # pip chooses by the tags between wheels that one file pins.
    inputs += [" ".join(target.wheel_tags).encode(), locked_mlx_sys(project).encode(), nvidia.name.encode() if nvidia else b""]
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


def unpack_mlx(wheels: list[Path], mlx: str, whole: Path, work: Path) -> None:
    unpack(wheels, mlx, whole, below("mlx/lib/", f"{mlx}.libs/", *KERNEL_HEADERS))
    unpack(wheels, mlx, work, below("mlx/include/mlx/"))
    if mlx != MACOS_WHEEL:
        unpack(wheels, "scipy_openblas32", whole / "mlx" / "lib", place_library)


def unpack_tools(wheels: list[Path], work: Path) -> None:
    unpack(wheels, "cmake", work, below("cmake/data/"))
    unpack(wheels, "ninja", work, lambda name: "ninja-bin" if name.endswith("/scripts/ninja") else None)
    unpack(wheels, "libclang", work / "libclang", place_library)


def place_library(name: str) -> Optional[str]:
    file = name.rpartition("/")[2]
    return file if ".so" in file or file.endswith(".dylib") else None


def shim_flags(target: Platform) -> list[str | Path]:
    return [] if target.is_macos else ["-include", SHIM]


def compile_mlx_c(target: Platform, source: Path, work: Path) -> Path:
    cmake, build = work / "cmake" / "data" / "bin" / "cmake", work / "mlx-c"
    # mlx-c asks for MLX's own configuration, which for CUDA asks for a whole toolkit; an empty one serves, as only headers are needed.
    (work / "MLXConfig.cmake").touch()
    flags = " ".join(f'"{flag}"' for flag in ("-isystem", work / "mlx" / "include", *shim_flags(target)))
    run(
        [cmake, "-S", source, "-B", build, "-G", "Ninja", f"-DCMAKE_MAKE_PROGRAM={work}/ninja-bin", "--log-level=WARNING",
         "-DCMAKE_BUILD_TYPE=Release", "-DMLX_C_USE_SYSTEM_MLX=ON", "-DMLX_C_BUILD_EXAMPLES=OFF", "-DBUILD_SHARED_LIBS=OFF",
         f"-DMLX_DIR={work}", f"-DCMAKE_CXX_FLAGS={flags}"],
        "configuring mlx-c",
    )
    run([cmake, "--build", build, "--target", "mlxc", "--parallel", str(os.cpu_count() or 1)], "compiling mlx-c")
    return build / "libmlxc.a"


# On both, the component's folder is renamed once it is whole, and all libraries stay beside this one: $ORIGIN and @loader_path.


def link_on_macos(archive: Path, lib: Path, work: Path) -> None:
    run(
        [*cxx_compiler(), "-dynamiclib", "-o", lib / "libmlxc.dylib", "-install_name", "@rpath/libmlxc.dylib",
         f"-Wl,-force_load,{archive}", f"-L{lib}", "-lmlx", "-Wl,-rpath,@loader_path"],
        "linking libmlxc.dylib",
    )


def link_on_linux(archive: Path, lib: Path, work: Path) -> None:
    objects = [work / f"{shim.stem}.o" for shim in C_SHIMS]
    for shim, compiled in zip(C_SHIMS, objects):
        run([*c_compiler(), "-O2", "-fPIC", "-Wall", "-Wextra", "-c", shim, "-o", compiled], f"compiling {shim.name}")
    # As RPATH, not as RUNPATH, the folder goes before LD_LIBRARY_PATH.
    run(
        [*cxx_compiler(), "-shared", "-o", lib / "libmlxc.so", "-Wl,-soname,libmlxc.so",
         "-Wl,--whole-archive", archive, "-Wl,--no-whole-archive", *objects,
         f"-L{lib}", "-lscipy_openblas", "-lmlx", "-Wl,-rpath,$ORIGIN", "-Wl,--disable-new-dtags", "-Wl,-z,defs", "-Wl,--allow-shlib-undefined"],
        "linking libmlxc.so",
    )


def generate_bindings(target: Platform, mlx_sys: Path, destination: Path, work: Path) -> None:
    destination.mkdir()
    # The wheel's libclang brings no headers of its own (stdbool.h, stddef.h): the compiler's serve.
    compiler_headers = output([*cxx_compiler(), "-print-file-name=include"], "asking the compiler for its headers").strip()
    headers = ["-isystem", compiler_headers]
    if target.is_macos:
        headers += ["-isysroot", output(["xcrun", "--show-sdk-path"], "asking for the macOS SDK").strip()]
    run(
        ["cargo", "run", "--quiet", "--locked", "--manifest-path", BINDINGS / "Cargo.toml", "--target-dir", work / "bindings-target", "--",
         mlx_sys / "src" / "mlx-c", destination / "bindings.rs", *headers, *shim_flags(target)],
        "generating the bindings of mlx-c",
        # bindgen takes TARGET as a build script does.
        env={**os.environ, "LIBCLANG_PATH": str(work / "libclang"), "MLX_SYS_DIR": str(mlx_sys), "TARGET": target.triple},
    )
