"""What a program for macOS asks of its libraries. Source: mach-o/loader.h and mach-o/nlist.h."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from pathlib import Path

from failure import Failure

MAGIC_64 = 0xFEEDFACF
HEADER = struct.Struct("<8I")
COMMAND = struct.Struct("<2I")  # kind and size
LIBRARY, WEAK_LIBRARY, FOLDER, SYMBOLS = 0xC, 0x80000018, 0x8000001C, 0x2
NAME = struct.Struct("<I")  # of a library or folder: where it begins in the command
TABLE = struct.Struct("<4I")  # of symbols: where it begins, their number, where their names begin, the names' size
SYMBOL = struct.Struct("<IBBHQ")  # where its name begins, type, section, description, value
DEBUGGING, DEFINED, EXTERNAL = 0xE0, 0x0E, 0x01
NO_LIBRARY = (0, 0xFE)  # in place of the number of the one that exports the symbol: itself, which zig writes, and any


@dataclass
class Program:
    libraries: list[str] = field(default_factory=list)
    folders: list[str] = field(default_factory=list)
    # Symbols that no library was found to export.
    unknown: list[str] = field(default_factory=list)


def read(path: Path) -> Program:
    data, program = path.read_bytes(), Program()
    magic, _, _, _, count, *_ = HEADER.unpack_from(data)
    if magic != MAGIC_64:
        raise Failure(f"{path} is no program for macOS on arm64.")
    place = HEADER.size
    for _ in range(count):
        kind, size = COMMAND.unpack_from(data, place)
        if kind in (LIBRARY, WEAK_LIBRARY, FOLDER):
            (name,) = NAME.unpack_from(data, place + COMMAND.size)
            names = program.folders if kind == FOLDER else program.libraries
            names.append(text(data[place : place + size], name))
        elif kind == SYMBOLS:
            program.unknown = unknown(data, *TABLE.unpack_from(data, place + COMMAND.size))
        place += size
    return program


def unknown(data: bytes, start: int, count: int, names: int, _: int) -> list[str]:
    symbols = SYMBOL.iter_unpack(data[start : start + count * SYMBOL.size])
    return [
        text(data, names + name)
        for name, kind, _, description, _ in symbols
        if kind & EXTERNAL and not kind & (DEBUGGING | DEFINED) and description >> 8 in NO_LIBRARY
    ]


def text(data: bytes, start: int) -> str:
    return data[start : data.index(b"\0", start)].decode()


def require_complete(path: Path, stubs: tuple[str, ...]) -> None:
    """Fails if the program asks for what it would not find: by @rpath a library that is in none of its folders, or a symbol that no
    library exports, but for those of stubs, which begin as given."""
    program = read(path)
    for library in program.libraries:
        name = Path(library).relative_to("@rpath") if library.startswith("@rpath/") else None
        if name and not any((Path(folder) / name).is_file() for folder in program.folders):
            raise Failure(f"{path} asks for {library}, which is in none of its folders: {', '.join(program.folders) or 'it has none'}.")
    missing = [symbol for symbol in program.unknown if not symbol.startswith(stubs)]
    if missing:
        raise Failure(f"{path} calls what no library for macOS exports: {', '.join(missing)}.")
