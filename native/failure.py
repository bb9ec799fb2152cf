"""What went wrong, in words for the person who ran `make`; and how commands are run so that it can be said."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path


class Failure(Exception):
    """Ends the set-up with its text as the only message."""


def say(text: str) -> None:
    print(f"native: {text}", file=sys.stderr, flush=True)


def run(command: list[str | Path], what: str, **options) -> None:
    """Runs a command with its output on stderr: stdout belongs to the answer of setup.py."""
    try:
        result = subprocess.run([str(part) for part in command], stdout=sys.stderr, check=False, **options)
    except FileNotFoundError as error:
        raise Failure(f"{what} failed: `{error.filename}` was not found.") from error
    if result.returncode != 0:
        raise Failure(f"{what} failed ({Path(str(command[0])).name} exited with {result.returncode}); its messages are above.")


def output(command: list[str | Path], what: str, **options) -> str:
    try:
        result = subprocess.run([str(part) for part in command], stdout=subprocess.PIPE, check=False, text=True, **options)
    except FileNotFoundError as error:
        raise Failure(f"{what} failed: `{error.filename}` was not found.") from error
    if result.returncode != 0:
        raise Failure(f"{what} failed ({Path(str(command[0])).name} exited with {result.returncode}); its messages are above.")
    return result.stdout
