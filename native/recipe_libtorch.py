"""libtorch from the PyTorch wheel: `torch/include/`, `torch/lib/` and `torch/build-version`, as torch-sys wants them.

The Linux wheel is the CUDA build. For the CPU only its CPU half is kept. The NVIDIA libraries that either half asks for are a component
of their own: recipe_nvidia.py.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Callable, Optional

import recipe_nvidia
from cache import Component
from devices import CPU, CUDA
from failure import Failure, run, say
from platforms import Platform, c_compiler
from wheels import fetch, unpack

# Everything else in torch/lib is needed on both devices: which libraries those are differs between x86_64 and aarch64.
PYTHON_HALF = ("libtorch_python", "libtorch_global_deps", "libshm")
CUDA_HALF = ("libtorch_cuda", "libtorch_nvshmem", "libc10_cuda", "libcaffe2_nvrtc")
# Loaded by name when a matrix is decomposed, which no worker does, and it alone wants cuSOLVER: 0.2 GB.
CUDA_DECOMPOSITIONS = ("libtorch_cuda_linalg",)
UNUSED = {CPU: (*PYTHON_HALF, *CUDA_HALF), CUDA: (*PYTHON_HALF, *CUDA_DECOMPOSITIONS)}


def component(target: Platform, device: str, requirements: Path, nvidia: Optional[Path]) -> Component:
    def make(whole: Path, work: Path) -> None:
        say("fetching libtorch: half a gigabyte on Linux, 0.1 on macOS; 1 to 10 minutes")
        wheels = fetch(requirements, target, work)
        say("unpacking libtorch (10 seconds)")
        unpack(wheels, "torch", whole, place_for(device))
        torch = whole / "torch"
        (torch / "build-version").write_text(pinned_version(requirements) + "\n")
        if nvidia:
            recipe_nvidia.link(nvidia, whole)
            complete_on_linux(torch / "lib", device)

    inputs = (Path(__file__).read_bytes(), requirements.read_bytes(), device.encode(), nvidia.name.encode() if nvidia else b"")
    return Component("libtorch", inputs, make)


def place_for(device: str) -> Callable[[str], Optional[str]]:
    def place(name: str) -> Optional[str]:
        folder, _, file = name.rpartition("/")
        is_library = folder == "torch/lib" and not file.startswith(UNUSED[device])
        return name if is_library or name.startswith("torch/include/") else None

    return place


def complete_on_linux(lib: Path, device: str) -> None:
    if device == CPU:
        replace_umbrella(lib)
    # torch-sys links `-lgomp`; a compiler other than gcc brings none.
    (lib / "libgomp.so").symlink_to("libgomp.so.1")


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
