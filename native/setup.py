#!/usr/bin/env python3
"""Sets up MLX and libtorch in the user's cache and configures cargo to use them.

`setup.py` makes what is missing and writes `.cargo/native.toml`; with everything present it is done in an instant, silently.
`setup.py --device cuda`, or with DEVICE=cuda in the environment, does so for NVIDIA GPUs; both devices' parts stay in the cache.
`setup.py PROGRAM`, such as `setup.py shellcheck`, does the same for that program alone and prints its path. The way each part is made:
native/recipe_*.py.

Needs Python 3.9 with pip, cargo and a C++ compiler. The cache is `$WANBENCH_CACHE`, else the platform's own place for caches.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import sys
from pathlib import Path
from typing import Optional

if sys.version_info < (3, 9):
    sys.exit("native: Python 3.9 or newer is needed, this is " + sys.version.split()[0])
sys.dont_write_bytecode = True  # keep the checkout clean

import devices
import platforms
import recipe_libtorch
import recipe_mlx
import recipe_npm
import recipe_nvidia
import recipe_tools
from cache import Cache, default_root
from failure import Failure
from pins import device_pins, pins
from platforms import Platform

PROJECT = Path(__file__).resolve().parent.parent


def main() -> int:
    arguments = parse_arguments()
    signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT))
    try:
        if arguments.what == "libraries":
            set_up(arguments.device, arguments.project)
        else:
            print(program(arguments.what))
        return 0
    except Failure as failure:
        return complain(str(failure), 1)
    except OSError as error:
        place = f": {error.filename}" if error.filename else ""
        space = "The cache needs 1.5 GB while it is made, for CUDA 5 GB; WANBENCH_CACHE names another folder."
        return complain(f"{error.strerror or error}{place}. {space}", 1)
    except KeyboardInterrupt:
        return complain("interrupted. Nothing half-made was kept; run the same command again.", 130)


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    choices = ("libraries", *recipe_tools.PROGRAMS, *recipe_npm.PROGRAMS)
    parser.add_argument("what", nargs="?", choices=choices, default="libraries")
    parser.add_argument("--device", default=os.environ.get("DEVICE") or devices.CPU, help="what the workers compute on: cpu or cuda")
    parser.add_argument("--project", type=Path, default=PROJECT, help="the folder of the Cargo.toml that uses MLX")
    return parser.parse_args()


def complain(text: str, status: int) -> int:
    print(f"native: {text}", file=sys.stderr)
    return status


def set_up(device: str, project: Path) -> None:
    target = platforms.current()
    device = devices.supported(device, target)
    platforms.require_tools(target)
    write_if_changed(PROJECT / ".cargo" / "native.toml", configuration(target, device, Cache(default_root()), project))


def configuration(target: Platform, device: str, cache: Cache, project: Path, host: Optional[Platform] = None) -> str:
    nvidia = None if target.is_macos else cache.ensure(recipe_nvidia.component(target, device, device_pins(target, "nvidia", device)))
    mlx = cache.ensure(recipe_mlx.component(target, device, nvidia if device == devices.CUDA else None, project, host))
    libtorch = cache.ensure(recipe_libtorch.component(target, device, pins(target, "libtorch"), nvidia))
    lib = present(mlx, "mlx/lib")
    # Cargo takes this table in place of the build script of mlx-sys.
    override = [
        f"[target.{target.triple}.mlx]",
        f"rustc-env = {{ OUT_DIR = {quoted(present(mlx, 'bindings'))} }}",
        f"rustc-link-search = [{quoted(f'native={lib}')}]",
        'rustc-link-lib = ["dylib=mlxc"]',
        "",
    ]
    environment: dict[str, object] = {"LIBTORCH": present(libtorch, "torch"), "WANBENCH_MLX_LIB": lib}
    if target.is_macos:
        # Which of MLX's wheels it is: each has kernels compiled for the macOS of its name.
        environment["WANBENCH_MLX_BUILD"] = target.wheel_tags[0]
    if device == devices.CUDA:
        # So that the workers of a base revision are built for this device too.
        environment["WANBENCH_BUILD_DEVICE"] = device
    return document(override, environment)


def present(component: Path, name: str) -> Path:
    """The path of a part of a component, which is there unless someone removed it since or the recipe is wrong."""
    path = component / name
    if not path.exists():
        raise Failure(f"{path} is missing: remove {component} and run the same command again, which makes it anew.")
    return path


def document(override: list[str], environment: dict[str, object]) -> str:
    lines = ["# Written by native/setup.py for this machine; not committed.", *override, "[env]"]
    lines += [f"{name} = {quoted(value)}" for name, value in environment.items()]
    return "\n".join(lines) + "\n"


def quoted(value: object) -> str:
    # A TOML basic string has the escapes of a JSON string.
    return json.dumps(str(value), ensure_ascii=False)


def write_if_changed(path: Path, text: str) -> None:
    # A new time stamp alone is no change to cargo, but a half-written file would be an error to a build under way.
    if path.is_file() and path.read_text(encoding="utf-8") == text:
        return
    path.parent.mkdir(exist_ok=True)
    temporary = path.with_name(f"{path.name}.{os.getpid()}")
    temporary.write_text(text, encoding="utf-8")
    os.replace(temporary, path)


def program(name: str) -> Path:
    target = platforms.current()
    cache = Cache(default_root())
    if name in recipe_npm.PROGRAMS:
        node = cache.ensure(recipe_npm.node(target, pins(target, "node")))
        return present(cache.ensure(recipe_npm.program(name, node)), name)
    requirements = pins(target, name)
    if requirements.is_file():
        return present(cache.ensure(recipe_tools.program(name, target, requirements)), name)
    installed = shutil.which(name)
    if installed is None:
        raise Failure(f"{name} has no wheel for {target.name}: install it (Debian, Ubuntu: apt install {name}).")
    return Path(installed)


if __name__ == "__main__":
    sys.exit(main())
