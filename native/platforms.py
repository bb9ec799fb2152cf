"""The machines the recipes know, and what each needs installed."""

from __future__ import annotations

import os
import platform
import shlex
import shutil
import subprocess
from dataclasses import dataclass

from failure import Failure

MANYLINUX = ("2_35", "2_28", "2_27", "2_25", "2_24", "2_18", "2_17")
LEGACY_MANYLINUX = ("2014", "2010", "1")
MACOS = ("14_0_arm64", "13_0_arm64", "11_0_arm64", "10_10_universal2")
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
        return Platform("macos-arm64", "aarch64-apple-darwin", tuple(f"macosx_{tag}" for tag in MACOS))
    raise Failure(
        f"no MLX and libtorch for {system} on {machine}: supported are Linux on x86_64 and aarch64, and macOS on arm64. "
        "`cargo build` without features builds wanbench itself anywhere."
    )


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
        require_xcode()
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


def require_xcode() -> None:
    if not succeeds("xcrun", "--find", "c++"):
        raise Failure("no C++ compiler: install Xcode from the App Store, then run `sudo xcode-select --switch /Applications/Xcode.app`.")
    if not succeeds("xcrun", "-sdk", "macosx", "metal", "--version"):
        raise Failure(
            "the Metal compiler is missing, and MLX is built with it: install Xcode (its command-line tools alone lack it), "
            "then run `xcodebuild -downloadComponent MetalToolchain`."
        )


def succeeds(*command: str) -> bool:
    try:
        return subprocess.run(command, capture_output=True, check=False).returncode == 0
    except OSError:
        return False


def c_compiler() -> list[str]:
    return shlex.split(os.environ.get("CC") or "cc")


def cxx_compiler() -> list[str]:
    return shlex.split(os.environ.get("CXX") or "c++")
