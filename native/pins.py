"""Where the pinned versions and hashes of the wheels are."""

from __future__ import annotations

from pathlib import Path

from platforms import Platform

REQUIREMENTS = Path(__file__).resolve().parent / "requirements"


def pins(target: Platform, name: str) -> Path:
    return REQUIREMENTS / target.name / f"{name}.txt"


def device_pins(target: Platform, name: str, device: str) -> list[Path]:
    """What every device takes of the component, if it is more than nothing, and what this one takes."""
    files = (pins(target, name), pins(target, f"{name}-{device}"))
    return [file for file in files if file.is_file()]
