"""NVIDIA's libraries, at their wheels' own paths: `nvidia/cu13/lib`, `nvidia/cudnn/lib`, …, where MLX's and PyTorch's RPATHs look.

Those paths start beside the `torch` and the `mlx` of the same folder, so that their components get a link to this one. For the CPU it
is what libtorch's CPU half still asks for: the runtime and the profiler. For CUDA it is all that the two frameworks need, once for
both, with the headers in `nvidia/cu13/include`, which MLX hands to the compiler of its kernels at run time.
"""

from __future__ import annotations

from pathlib import Path
from typing import Optional, Sequence

from cache import Component
from devices import CPU, CUDA
from failure import say
from platforms import Platform
from wheels import fetch_all, unpack

DOWNLOADS = {CPU: "13 MB", CUDA: "1.8 GB; 1 to 20 minutes"}
UNPACKING = {CPU: "a second", CUDA: "half a minute"}
HEADERS = "nvidia/cu13/include"
# 0.2 GB that neither framework loads: what the profiler counts with, a second run-time compiler, plug-ins for networks of GPUs.
UNUSED = ("libnvperf_", "libpcsamplingutil", "libcheckpoint", "libnvrtc.alt", "libnvrtc-builtins.alt", "nvshmem_", "libcufile_rdma")


def component(target: Platform, device: str, requirements: Sequence[Path]) -> Component:
    def make(whole: Path, work: Path) -> None:
        say(f"fetching NVIDIA's libraries: {DOWNLOADS[device]}")
        wheels = fetch_all(requirements, target, work)
        say(f"unpacking NVIDIA's libraries ({UNPACKING[device]})")
        for wheel in wheels:
            unpack(wheels, wheel.name.partition("-")[0], whole, place)

    inputs = [path.read_bytes() for path in (Path(__file__), *requirements)]
    return Component("nvidia", tuple(inputs), make)


def place(name: str) -> Optional[str]:
    folder, _, file = name.rpartition("/")
    is_library = folder.startswith("nvidia/") and folder.endswith("/lib") and ".so" in file and not file.startswith(UNUSED)
    return name if is_library or name.startswith(f"{HEADERS}/") else None


def link(nvidia: Path, whole: Path) -> None:
    """Makes the component `nvidia` visible in another one, which lies beside it once it is whole."""
    (whole / "nvidia").symlink_to(Path("..") / nvidia.name / "nvidia")
