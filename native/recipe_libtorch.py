"""libtorch from the PyTorch wheel: `include/`, `lib/` and `build-version`, where torch-sys looks for them.

The Linux wheel is the CUDA build. Only its CPU half is kept; what that half still asks for of CUDA (the runtime and the profiler, 6 MB)
comes from NVIDIA's small wheels.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Optional

from cache import Component
from failure import Failure, run, say
from platforms import Platform, c_compiler
from wheels import fetch, unpack

# Everything else in torch/lib is, or is needed by, libtorch_cpu: which libraries those are differs between x86_64 and aarch64.
UNUSED = ("libtorch_cuda", "libtorch_python", "libtorch_nvshmem", "libtorch_global_deps", "libc10_cuda", "libcaffe2_nvrtc", "libshm")
CUDA_STUBS = ("libcudart.so", "libcupti.so")


def component(target: Platform, requirements: Path) -> Component:
    def make(whole: Path, work: Path) -> None:
        say("fetching libtorch: half a gigabyte on Linux, 0.1 on macOS; 1 to 10 minutes")
        wheels = fetch(requirements, target, work)
        say("unpacking libtorch (10 seconds)")
        unpack(wheels, "torch", whole, place_torch)
        (whole / "build-version").write_text(pinned_version(requirements) + "\n")
        if not target.is_macos:
            complete_on_linux(wheels, whole / "lib")

    return Component("libtorch", (Path(__file__).read_bytes(), requirements.read_bytes()), make)


def place_torch(name: str) -> Optional[str]:
    path = name.removeprefix("torch/")
    if path == name:
        return None
    if path.startswith("include/"):
        return path
    is_library = path.startswith("lib/") and path.count("/") == 1
    return path if is_library and not path.removeprefix("lib/").startswith(UNUSED) else None


def complete_on_linux(wheels: list[Path], lib: Path) -> None:
    for distribution in ("nvidia_cuda_runtime", "nvidia_cuda_cupti"):
        unpack(wheels, distribution, lib, place_cuda_stub)
    replace_umbrella(lib)
    # torch-sys links `-lgomp`; a compiler other than gcc brings none.
    (lib / "libgomp.so").symlink_to("libgomp.so.1")


def place_cuda_stub(name: str) -> Optional[str]:
    file = name.rpartition("/")[2]
    return file if file.startswith(CUDA_STUBS) else None


def replace_umbrella(lib: Path) -> None:
    # The wheel's libtorch.so is empty but for its needs, and one of those is libtorch_cuda.
    umbrella = lib / "libtorch.so"
    umbrella.unlink()
    run(
        [*c_compiler(), "-shared", "-o", umbrella, f"-L{lib}", "-Wl,-soname,libtorch.so", "-Wl,--no-as-needed",
         "-l:libtorch_cpu.so", "-l:libc10.so", "-Wl,--allow-shlib-undefined", "-Wl,-rpath,$ORIGIN", "-Wl,--disable-new-dtags"],
        "linking libtorch.so",
    )


def pinned_version(requirements: Path) -> str:
    found = re.search(r"^torch==(\S+)", requirements.read_text(), re.MULTILINE)
    if found is None:
        raise Failure(f"{requirements} does not pin torch.")
    return found[1]
