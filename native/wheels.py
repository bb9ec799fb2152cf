"""Fetches pinned wheels with pip and unpacks parts of them."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Callable, Optional, Sequence

from failure import Failure
from platforms import Platform

# The version whose wheels the pins name. Nothing of them is imported, so that any Python may run the set-up.
PYTHON_VERSION = "3.11"
PYTHON_ABI = "cp311"


def fetch(requirements: Path, target: Platform, destination: Path) -> list[Path]:
    """Downloads every wheel that `requirements` pins; pip refuses one whose hash differs."""
    if importlib.util.find_spec("pip") is None:
        raise Failure(
            f"{sys.executable} has no pip: run `{sys.executable} -m ensurepip --user`, or install it "
            "(Debian, Ubuntu: apt install python3-pip; Fedora: dnf install python3-pip)."
        )
    errors: list[str] = []
    status = pip_download(requirements, target, destination, errors.append)
    if status != 0:
        raise Failure(explain(requirements, errors))
    return sorted(destination.glob("*.whl"))


def fetch_all(requirements: Sequence[Path], target: Platform, destination: Path) -> list[Path]:
    for file in requirements:
        fetch(file, target, destination)
    return sorted(destination.glob("*.whl"))


def pip_download(requirements: Path, target: Platform, destination: Path, on_error: Callable[[str], None]) -> int:
    command = [sys.executable, "-m", "pip", "download", "--require-hashes", "--no-deps", "--only-binary=:all:"]
    # The unpacked libraries are the cache; pip's own would hold half a gigabyte once more.
    command += ["--no-cache-dir", "--disable-pip-version-check"]
    command += ["--python-version", PYTHON_VERSION, "--implementation", "cp", "--abi", PYTHON_ABI]
    for tag in target.wheel_tags:
        command += ["--platform", tag]
    command += ["--dest", str(destination), "--requirement", str(requirements)]
    # stdout carries pip's progress bars and goes to the terminal; stderr is passed on and kept to explain a failure.
    with subprocess.Popen(command, stdout=sys.stderr, stderr=subprocess.PIPE, text=True, errors="replace") as pip:
        for line in pip.stderr:
            sys.stderr.write(line)
            on_error(line.strip())
    return pip.returncode


def explain(requirements: Path, errors: list[str]) -> str:
    name = f"native/requirements/{requirements.parent.name}/{requirements.name}"
    if any("DO NOT MATCH THE HASHES" in line for line in errors):
        return (
            f"a fetched file is not the one pinned in {name}: pip names it above. Nothing was kept. Try again on another network "
            "or package index; if it stays, the index serves a changed file: do not use it."
        )
    if any("Retrying" in line for line in errors):  # pip's closing words would only be that it found no such package
        reason = "no connection to the package index"
    else:
        reason = next((line.replace("ERROR: ", "") for line in reversed(errors) if line.startswith("ERROR")), "its messages are above")
    return (
        f"pip could not fetch the packages in {name}: {reason}. Nothing was kept. Check the network; behind a proxy "
        "set HTTPS_PROXY, with an index of your own PIP_INDEX_URL; then run the same command again."
    )


def unpack(wheels: list[Path], distribution: str, destination: Path, place: Callable[[str], Optional[str]]) -> None:
    """Unpacks the members for which `place` gives a path below `destination`, keeping the executable bits."""
    wheel = next(wheel for wheel in wheels if wheel.name.startswith(distribution + "-"))
    with zipfile.ZipFile(wheel) as archive:
        for member in archive.infolist():
            path = None if member.is_dir() else place(member.filename)
            if path is not None:
                extract(archive, member, destination / path)


def extract(archive: zipfile.ZipFile, member: zipfile.ZipInfo, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with archive.open(member) as source, path.open("wb") as target:
        shutil.copyfileobj(source, target, length=1 << 20)
    mode = member.external_attr >> 16 & 0o777
    os.chmod(path, mode | 0o600 if mode else 0o644)


def below(*prefixes: str) -> Callable[[str], Optional[str]]:
    """Members under any of the prefixes, at their own path."""
    return lambda name: name if name.startswith(prefixes) else None
