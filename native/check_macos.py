#!/usr/bin/env python3
"""Lints the project for macOS, without a Mac: library, programs, tests and benches, with and without the frameworks.

`check_macos.py --link` also links the three programs, so that a function that macOS or a framework lacks is found. They are not for
running: Apple's frameworks are stubs. MLX and libtorch are the wheels for macOS, set up as on a Mac but for the compiler.

Needs Debian on x86_64, 8 GB in the cache, and the right to make a mount namespace. `--if-possible` does nothing on other machines.
"""

from __future__ import annotations

import argparse
import os
import platform
import re
import shutil
import sys
from pathlib import Path
from typing import Mapping

sys.dont_write_bytecode = True  # keep the checkout clean

import devices
import macho
import platforms
import recipe_debian_rust
import recipe_zig
import setup
from cache import Cache, default_root
from failure import Failure, output, run

PROJECT = setup.PROJECT
INSIDE = PROJECT / "native" / "macos" / "inside"
# The oldest that the frameworks' wheels support.
TARGET = platforms.macos(min(platforms.MACOS))
FEATURES = ("--features", "mlx,torch")
PROGRAMS = ("wanbench", "wanbench-mlx", "wanbench-torch")
NEEDED_BYTES = 8 << 30
LINT = re.compile(r"^ +([a-z][\w:-]+)  +(allow|warn|deny|forbid) ", re.MULTILINE)


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--link", action="store_true", help="also link the programs")
    parser.add_argument("--if-possible", action="store_true", help="succeed on a machine that cannot do this")
    arguments = parser.parse_args()
    try:
        obstacle = what_prevents(default_root())
        if obstacle and arguments.if_possible:
            print(f"The check for macOS is skipped: {obstacle}")
        elif obstacle:
            raise Failure(obstacle)
        else:
            Check(Cache(default_root())).run(arguments.link)
        return 0
    except Failure as failure:
        print(f"check-macos: {failure}", file=sys.stderr)
        return 1


def what_prevents(cache: Path) -> str | None:
    if (platform.system(), platform.machine()) != ("Linux", "x86_64") or not recipe_debian_rust.KEYS.is_file():
        return "it needs Debian on x86_64, whose Rust can compile its standard library for macOS."
    for tool in ("apt-get", "dpkg-deb", "unshare"):
        if shutil.which(tool) is None:
            return f"`{tool}` is not on PATH."
    tried = platforms.completed(str(INSIDE), "/", str(PROJECT), "--", "true")
    if tried is None or tried.returncode != 0:
        words = tried.stderr.strip() if tried else f"{INSIDE} cannot be run"
        return f"this user may not enter another root folder here: {words}."
    existing = next(folder for folder in (cache, *cache.parents) if folder.is_dir())
    if not work_folder(cache).is_dir() and shutil.disk_usage(existing).free < NEEDED_BYTES:
        return f"{existing} has less than {NEEDED_BYTES >> 30} GB free: WANBENCH_CACHE names another folder."
    try:
        compilers(Cache(cache))
    except Failure as failure:
        # Debian's mirror may be out of reach; what the project fetches otherwise is not asked here.
        return f"its compilers cannot be had here: {failure}"
    return None


def compilers(cache: Cache) -> tuple[Path, Path]:
    """Debian's Rust and zig."""
    return cache.ensure(recipe_debian_rust.component()), cache.ensure(recipe_zig.component(platforms.current()))


def work_folder(cache: Path) -> Path:
    return cache / "macos"


class Check:
    """What the check consists of, made first where it is missing."""

    def __init__(self, cache: Cache):
        self.cache = cache
        self.work = work_folder(cache.folder.parent)
        self.work.mkdir(parents=True, exist_ok=True)
        self.rust, zig = compilers(cache)
        self.variables = cargo_variables(zig, self.work)
        self.configuration = self.work / "config.toml"
        os.environ.update(recipe_variables(zig, self.work))
        setup.write_if_changed(self.configuration, setup.configuration(TARGET, devices.CPU, cache, PROJECT, platforms.current()))

    def run(self, link: bool) -> None:
        for manifest in (PROJECT / "Cargo.toml", recipe_debian_rust.standard_library(self.rust)):
            # Sid's source of the standard library is newer than this machine's cargo, which takes some of it for unstable.
            run(["cargo", "fetch", "--quiet", "--locked", "--manifest-path", manifest], "fetching crates", env=unstable(os.environ))
        # Some of the newer lints are known to the compiler and not enabled.
        lints = ["--", "-D", "warnings", "-Aunknown-lints", *(f"-A{lint}" for lint in self.newer_lints())]
        for features in ((), FEATURES):
            # Not `cargo clippy`, which would find rustup's before Debian's.
            self.inside("linting for macOS", "cargo-clippy", "clippy", *self.common(), "--all-targets", *features, *lints)
        if link:
            self.inside("linking for macOS", "cargo", "build", *self.common(), "--bins", *FEATURES)
            for name in PROGRAMS:
                macho.require_complete(self.work / "target" / TARGET.triple / "debug" / name, recipe_zig.STUB_SYMBOLS)

    def common(self) -> list[str]:
        # The standard library is compiled, which cargo calls unstable.
        return ["--locked", "-Zbuild-std", "--target", TARGET.triple, "--config", str(self.configuration)]

    def newer_lints(self) -> list[str]:
        """Those by which sid's clippy warns and this machine's does not: a lint that is new there must not fail a check here."""
        here = warning_lints(output(["clippy-driver", "-W", "help"], "asking clippy for its lints"))
        there = warning_lints(output(self.command("clippy-driver", "-W", "help"), "asking Debian's clippy for its lints", env=self.variables))
        return sorted(there - here)

    def inside(self, what: str, *command: str) -> None:
        run(self.command(*command), what, env=self.variables)

    def command(self, *command: str) -> list[str | Path]:
        folders = ("/dev", "/proc", "/tmp", self.cache.folder, self.work, cargo_home())
        return [INSIDE, self.rust, PROJECT, *folders, "--", *command]


def recipe_variables(zig: Path, work: Path) -> dict[str, str]:
    """zig in the place of Apple's tools, for the recipe of MLX."""
    return {
        "PATH": f"{zig / 'bin'}:{os.environ['PATH']}",
        "CC": "apple-cc",
        "CXX": "apple-c++",
        "CMAKE_TOOLCHAIN_FILE": str(zig / "toolchain.cmake"),
        "ZIG_GLOBAL_CACHE_DIR": str(work / "zig"),
    }


def cargo_variables(zig: Path, work: Path) -> dict[str, str]:
    """The same for cargo, which compiles for macOS with them and for this machine with its own."""
    triple = TARGET.triple.replace("-", "_")
    return unstable({
        "PATH": f"{zig / 'bin'}:/usr/bin:/usr/sbin",
        "HOME": os.environ.get("HOME", "/root"),
        "CARGO_HOME": str(cargo_home()),
        "CARGO_NET_OFFLINE": "true",
        "CARGO_PROFILE_DEV_DEBUG": "0",
        "CARGO_PROFILE_DEV_STRIP": "none",  # Debian has no rust-objcopy
        "CARGO_TARGET_DIR": str(work / "target"),
        f"CC_{triple}": "apple-cc",
        f"CXX_{triple}": "apple-c++",
        f"AR_{triple}": "apple-ar",
        f"CARGO_TARGET_{triple.upper()}_LINKER": "apple-link",
        "SDKROOT": str(zig / "sdk"),
        "ZIG_GLOBAL_CACHE_DIR": str(work / "zig"),
    })


def unstable(variables: Mapping[str, str]) -> dict[str, str]:
    return {**variables, "RUSTC_BOOTSTRAP": "1"}


def cargo_home() -> Path:
    return Path(os.environ.get("CARGO_HOME") or Path.home() / ".cargo").absolute()


def warning_lints(text: str) -> set[str]:
    return {name for name, level in LINT.findall(text) if level in ("warn", "deny")}


if __name__ == "__main__":
    sys.exit(main())
