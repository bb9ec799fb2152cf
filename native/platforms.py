"""The machines the recipes know, and what each needs installed."""

from __future__ import annotations

import os
import platform
import shlex
import shutil
import subprocess
import sys
from dataclasses import dataclass
from typing import Optional

from failure import Failure

MANYLINUX = ("2_35", "2_28", "2_27", "2_25", "2_24", "2_18", "2_17")
LEGACY_MANYLINUX = ("2014", "2010", "1")
# The versions of macOS that MLX has a wheel for, the newest first; everything else is for older ones.
MACOS = (26, 15, 14)
OLDER_MACOS = ("13_0_arm64", "11_0_arm64", "10_10_universal2", "10_9_universal2")
GLIBC_NEEDED = (2, 35)

INSTALL_COMPILER = "install g++ (Debian, Ubuntu: apt install g++; Fedora: dnf install gcc-c++)"


@dataclass(frozen=True)
class Platform:
    name: str
    triple: str
    wheel_tags: tuple[str, ...]

    @property
    def is_macos(self) -> bool:
        return self.name.startswith("macos")


def current() -> Platform:
    system, machine = platform.system(), platform.machine()
    if system == "Linux" and machine in ("x86_64", "aarch64"):
        return Platform(f"linux-{machine}", f"{machine}-unknown-linux-gnu", linux_tags(machine))
    if system == "Darwin" and machine == "arm64":
        return macos(macos_version())
    if system == "Darwin" and output_of("sysctl", "-n", "sysctl.proc_translated") == "1":
        raise Failure(
            f"{sys.executable} is a program for Intel that runs under Rosetta: take one for Apple Silicon, such as that of macOS: "
            "add PYTHON=/usr/bin/python3 to the `make` command."
        )
    raise Failure(
        f"no MLX and libtorch for {system} on {machine}: supported are Linux on x86_64 and aarch64, and macOS on arm64. "
        "`cargo build` without features builds wanbench itself anywhere."
    )


def macos(version: int) -> Platform:
    # pip takes the first tag that has a wheel.
    tags = [f"{supported}_0_arm64" for supported in MACOS if supported <= version]
    return Platform("macos-arm64", "aarch64-apple-darwin", tuple(f"macosx_{tag}" for tag in (*tags, *OLDER_MACOS)))


def macos_version() -> int:
    version = int(platform.mac_ver()[0].partition(".")[0] or 0)
    return 26 if version == 16 else version  # macOS 26 gives its name as 16 to a Python that was built on an older one


def linux_tags(machine: str) -> tuple[str, ...]:
    # pip takes --platform literally: a wheel tagged for an older manylinux is found only if that tag is listed too.
    return tuple(f"manylinux_{tag}_{machine}" for tag in MANYLINUX) + tuple(
        f"manylinux{tag}_{machine}" for tag in LEGACY_MANYLINUX
    )


def require_tools(target: Platform) -> None:
    """Names the first missing tool and how to get it, before a long step fails over it."""
    if shutil.which("cargo") is None:
        raise Failure("`cargo` is not on PATH: install Rust with rustup, or add ~/.cargo/bin to PATH.")
    if target.is_macos:
        require_macos()
        require_command_line_tools()
    else:
        require_glibc()
        require_linux_compilers()


def require_linux_compilers() -> None:
    for command in (c_compiler()[0], cxx_compiler()[0]):
        if shutil.which(command) is None:
            raise Failure(f"no C++ compiler: `{command}` is not on PATH: {INSTALL_COMPILER}, or set CC and CXX to yours.")
    if shutil.which("g++") is None:
        raise Failure(f"`g++` is not on PATH, and MLX compiles its fused CPU kernels with it at run time: {INSTALL_COMPILER}.")


def require_glibc() -> None:
    try:
        version = os.confstr("CS_GNU_LIBC_VERSION") or ""
    except (ValueError, OSError):
        version = ""
    found = tuple(int(part) for part in version.replace("glibc ", "").split(".") if part.isdigit())
    if found < GLIBC_NEEDED:
        raise Failure(
            f"MLX's wheel needs glibc 2.35 or newer (Debian 12, Ubuntu 22.04, Fedora 36), and this system has "
            f"{version or 'another C library'}. `cargo build` without features builds wanbench itself."
        )


def require_macos() -> None:
    if macos_version() < min(MACOS):
        raise Failure(
            f"MLX's wheel needs macOS {min(MACOS)} or newer, and this is macOS {platform.mac_ver()[0]}. "
            "`cargo build` without features builds wanbench itself."
        )


def require_command_line_tools() -> None:
    result = completed("xcrun", "--find", "c++")
    if result is None or result.returncode != 0:
        words = "" if result is None else f" `xcrun --find c++` says: {result.stderr.strip().rstrip('.')}."
        licence = "run `sudo xcodebuild -license accept`" if "license" in words else "run `xcode-select --install`"
        raise Failure(f"no C++ compiler.{words} To get one, {licence}: the Command Line Tools suffice, Xcode is not needed.")


def output_of(*command: str) -> str:
    result = completed(*command)
    return "" if result is None else result.stdout.strip()


def completed(*command: str) -> Optional[subprocess.CompletedProcess[str]]:
    try:
        return subprocess.run(command, capture_output=True, check=False, text=True)
    except OSError:
        return None


def c_compiler() -> list[str]:
    return shlex.split(os.environ.get("CC") or "cc")


def cxx_compiler() -> list[str]:
    return shlex.split(os.environ.get("CXX") or "c++")
