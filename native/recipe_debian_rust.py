"""Debian's newest Rust, as a root folder to enter by chroot: the compiler, clippy, and the source of the standard library that fits them.

With that source cargo compiles the standard library for a target that Debian has none for. Nothing is installed: apt, with folders of
its own and this machine's mirror, finds and verifies the packages, and they are only unpacked, so that no package's script runs.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from cache import Component
from failure import Failure, output, run, say

RELEASE = "sid"
PACKAGES = ("rustc", "cargo", "rust-clippy", "rust-src", "gcc", "libc6-dev", "base-files", "bash", "coreutils", "dash")
KEYS = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
UNUSED = ("usr/share/doc", "usr/share/man", "usr/share/locale", "usr/src/rustc-*/compiler", "usr/src/rustc-*/src")
STANDARD_LIBRARY = "usr/src/rustc-*/library/sysroot/Cargo.toml"


def component() -> Component:
    def make(whole: Path, work: Path) -> None:
        say(f"fetching Rust of Debian {RELEASE}: 0.2 GB; up to two minutes")
        for package in fetch(work):
            unpack(package, whole)
        (whole / "usr" / "bin" / "cc").symlink_to("gcc")  # made by a script of the package elsewhere
        for pattern in UNUSED:
            for folder in whole.glob(pattern):
                shutil.rmtree(folder)

    return Component("debian-rust", (Path(__file__).read_bytes(),), make)


def standard_library(root: Path) -> Path:
    """The manifest of the standard library's source."""
    return next(root.glob(STANDARD_LIBRARY))


def fetch(work: Path) -> list[Path]:
    apt = {**os.environ, "APT_CONFIG": str(configure(work))}
    run(["apt-get", "-qq", "update"], f"reading the list of Debian {RELEASE}'s packages", env=apt)
    run(["apt-get", "-qq", "-y", "install", "--download-only", *PACKAGES], f"fetching packages of Debian {RELEASE}", env=apt)
    return sorted((work / "cache" / "archives").glob("*.deb"))


def configure(work: Path) -> Path:
    for folder in ("etc/apt.conf.d", "etc/preferences.d", "lists/partial", "cache/archives/partial"):
        (work / folder).mkdir(parents=True)
    (work / "status").touch()  # no package is installed: each is fetched with all that it needs
    # The mirror may be a snapshot, whose list is past its date.
    (work / "etc" / "sources.list").write_text(f"deb [signed-by={KEYS} check-valid-until=no] {mirror()} {RELEASE} main\n")
    configuration = work / "apt.conf"
    configuration.write_text(
        f'Dir "{work}"; Dir::State "{work}"; Dir::State::status "{work}/status"; Dir::Cache "{work}/cache"; Dir::Etc "{work}/etc";\n'
        'APT::Architecture "amd64"; APT::Architectures { "amd64"; }; APT::Install-Recommends "false"; APT::Sandbox::User "";\n'
        'Acquire::Languages "none"; Debug::NoLocking "true";\n'
    )
    return configuration


def mirror() -> str:
    asked = ["apt-get", "indextargets", "--format", "$(REPO_URI)", "Created-By: Packages", "Origin: Debian"]
    mirrors = [line for line in output(asked, "asking apt for the mirror").splitlines() if "security" not in line]
    if not mirrors:
        raise Failure("apt knows no mirror of Debian: run `apt-get update` once.")
    return mirrors[0]


def unpack(package: Path, root: Path) -> None:
    run(["dpkg-deb", "--extract", package, root], f"unpacking {package.name}")
