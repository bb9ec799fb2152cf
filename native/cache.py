"""The per-user cache: components, each whole or absent.

A component lives in `<cache>/native/<name>-<key>`, where the key is a hash of what it is made from, so that two checkouts share it and a
changed recipe makes a new one beside it. It is made in a temporary sibling folder and renamed when whole. The lock is held by the
process, not by a file's existence: a killed set-up leaves no stale lock.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Callable, Iterator

from failure import Failure, say

TEMPORARY_PREFIX = ".making-"


@dataclass(frozen=True)
class Component:
    name: str
    inputs: tuple[bytes, ...]
    # make(whole, work): fills `whole`, which becomes the component; `work` is for what it does not need later.
    make: Callable[[Path, Path], None]

    @property
    def folder_name(self) -> str:
        digest = hashlib.sha256()
        for part in self.inputs:
            digest.update(len(part).to_bytes(8, "big") + part)
        return f"{self.name}-{digest.hexdigest()[:16]}"


class Cache:
    def __init__(self, root: Path):
        self.folder = root / "native"

    def ensure(self, component: Component) -> Path:
        """The component's folder, made first if it is missing."""
        folder = self.folder / component.folder_name
        if not folder.is_dir():
            with self.locked():
                if not folder.is_dir():  # another set-up may have made it while this one waited
                    self.make(component, folder)
        return folder

    def make(self, component: Component, folder: Path) -> None:
        self.remove_leftovers()
        temporary = self.folder / f"{TEMPORARY_PREFIX}{component.folder_name}"
        try:
            whole, work = temporary / "whole", temporary / "work"
            whole.mkdir(parents=True)
            work.mkdir()
            component.make(whole, work)
            os.rename(whole, folder)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)

    def remove_leftovers(self) -> None:
        # Whoever holds the lock is the only maker, so that these belong to a set-up that was killed.
        for leftover in self.folder.glob(f"{TEMPORARY_PREFIX}*"):
            shutil.rmtree(leftover, ignore_errors=True)

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / "lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                say(f"waiting for another set-up that uses {self.folder}")
                fcntl.flock(lock, fcntl.LOCK_EX)
            yield


def default_root() -> Path:
    override = os.environ.get("WANBENCH_CACHE")
    if override:
        return Path(override).expanduser().absolute()
    if sys.platform == "darwin":
        return home() / "Library" / "Caches" / "wanbench"
    # The specification says that a relative XDG_CACHE_HOME is to be ignored.
    xdg = os.environ.get("XDG_CACHE_HOME", "")
    return (Path(xdg) if os.path.isabs(xdg) else home() / ".cache") / "wanbench"


def home() -> Path:
    try:
        return Path.home()
    except RuntimeError as error:
        raise Failure("cannot determine the home folder for the cache: set WANBENCH_CACHE to a folder.") from error
