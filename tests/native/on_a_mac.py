"""Runs native/setup.py as if this machine were a Mac: `on_a_mac.py MACHINE VERSION [ARGUMENT…]`.

With RECORD=FILE in the environment nothing is compiled: the commands that would do so become lines of JSON in that file, and what they
would make is empty. Cargo says where its crates are, and pip fetches, as ever.
"""

from __future__ import annotations

import json
import os
import platform
import sys
from pathlib import Path

machine, version, *arguments = sys.argv[1:]
platform.system, platform.machine, platform.mac_ver = lambda: "Darwin", lambda: machine, lambda: (version, ("", "", ""), machine)

PROJECT = Path(__file__).resolve().parents[2]
sys.dont_write_bytecode = True
sys.path.insert(0, str(PROJECT / "native"))
import recipe_mlx
import setup

ANSWERS = {"-print-file-name=include": "/compiler/include", "--show-sdk-path": "/sdk"}


def record(command: list[object], what: str, env: dict[str, str] | None = None) -> None:
    program = Path(str(command[0]))
    facts = {"what": what, "command": [str(part) for part in command], "env": env or {}}
    # A program of a wheel would not run here, but there it must be.
    facts["there"] = not program.is_absolute() or os.access(program, os.X_OK)
    facts["libraries"] = sorted(path.name for path in Path((env or {}).get("LIBCLANG_PATH", "/nowhere")).glob("*"))
    with open(os.environ["RECORD"], "a", encoding="utf-8") as lines:
        lines.write(json.dumps(facts) + "\n")
    for part in map(str, command):
        if part.endswith(("libmlxc.dylib", "bindings.rs")) and os.path.isabs(part):
            Path(part).touch()


def answer(command: list[object], what: str) -> str:
    return ANSWERS.get(str(command[-1])) or asked(command, what)


if "RECORD" in os.environ:
    asked, recipe_mlx.output, recipe_mlx.run = recipe_mlx.output, answer, record
    # .cargo/native.toml of this machine stays as it is.
    arguments += ["--project", str(PROJECT)]
    setup.PROJECT = Path(os.environ["RECORD"]).parent
sys.argv[1:] = arguments
sys.exit(setup.main())
