"""What the workers compute on, beside the CPU: the DEVICE of `make build DEVICE=cuda`."""

from __future__ import annotations

from failure import Failure
from platforms import Platform

CPU, CUDA = "cpu", "cuda"


def supported(name: str, target: Platform) -> str:
    """`name`, if it is a device that the workers can be built for on this platform."""
    if name not in (CPU, CUDA):
        raise Failure(
            f"DEVICE={name} is not one of the choices: {CPU} (the default; on macOS with the Mac's own GPU), "
            f"or {CUDA} (with an NVIDIA GPU, on Linux)."
        )
    if name == CUDA and target.is_macos:
        raise Failure(f"DEVICE={CUDA} is for NVIDIA GPUs, and on Linux only: without it the workers use the Mac's own GPU.")
    return name
