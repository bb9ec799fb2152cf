"""A compiler and a linker for macOS on Linux: zig's, behind the names of Apple's tools.

Result: `zig/`, with macOS's libc headers and the symbols of its libSystem; `bin/`, what is called; `toolchain.cmake`; and `sdk/`, where
Apple's SDK would be: those headers, and the names of the libraries that zig does not know.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from cache import Component
from failure import say
from pins import pins
from platforms import Platform
from wheels import fetch, unpack

FOLDER = Path(__file__).resolve().parent / "macos"
# Not apple-ld: rustc would take that name for a linker proper, not for a compiler that links.
TOOLS = ("apple-cc", "apple-c++", "apple-ar", "apple-link", "xcrun")
FILES = (FOLDER / "apple-tool", FOLDER / "toolchain.cmake")

FRAMEWORKS = ("CoreFoundation", "Foundation", "IOKit", "Security", "SystemConfiguration")
# How all of their symbols begin, and those of libobjc and libiconv.
STUB_SYMBOLS = (
    "_CF", "_kCF", "_NS", "_IO", "_kIO", "_Authorization", "_CMS", "_SSL", "_Sec", "_kSec", "_SC", "_kSC", "_objc_", "_OBJC_", "_iconv",
)
LIBRARIES = {"libiconv": "/usr/lib/libiconv.2.dylib", "libobjc": "/usr/lib/libobjc.A.dylib"}


def component(host: Platform) -> Component:
    requirements = pins(host, "zig")

    def make(whole: Path, work: Path) -> None:
        say("fetching zig: 100 MB; up to a minute")
        unpack(fetch(requirements, host, work), "ziglang", whole, place)
        (whole / "zig" / "zig").chmod(0o755)
        (whole / "bin").mkdir()
        for tool in TOOLS:
            shutil.copy(FOLDER / "apple-tool", whole / "bin" / tool)
        shutil.copy(FOLDER / "toolchain.cmake", whole)
        make_sdk(whole / "sdk")

    inputs = [path.read_bytes() for path in (Path(__file__), requirements, *FILES)]
    return Component("zig", tuple(inputs), make)


def place(name: str) -> str | None:
    top, _, rest = name.partition("/")
    return f"zig/{rest}" if top == "ziglang" else None


def make_sdk(sdk: Path) -> None:
    libraries, frameworks = sdk / "usr" / "lib", sdk / "System" / "Library" / "Frameworks"
    libraries.mkdir(parents=True)
    (sdk / "usr" / "include").symlink_to("../../zig/lib/libc/include/any-darwin-any")
    for name, path in LIBRARIES.items():
        (libraries / f"{name}.tbd").write_text(stub(path))
    for name in FRAMEWORKS:
        folder = frameworks / f"{name}.framework"
        folder.mkdir(parents=True)
        (folder / f"{name}.tbd").write_text(stub(f"/System/Library/Frameworks/{name}.framework/Versions/A/{name}"))


def stub(path: str) -> str:
    """A library by its name alone: the linker leaves its symbols to be looked up, and macho.py tells them by their beginnings."""
    return (
        "--- !tapi-tbd\ntbd-version: 4\ntargets: [ arm64-macos ]\n"
        f"install-name: '{path}'\nexports:\n  - targets: [ arm64-macos ]\n    symbols: [ _stub ]\n...\n"
    )
