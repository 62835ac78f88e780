"""The files of a Bulk Data export, and the pieces in which they are read.

An export is a folder of NDJSON, plain or gzip, in any number of parts. What a line is, it says itself; names of files
and the manifest are only read to tell what need not be read, and when the export was made.
"""

from __future__ import annotations

import gzip
import io
import json
import re
import zlib
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from cds_service.vocabulary.path_text import path_text

_NDJSON = re.compile(r"\.(ndjson|jsonl)(\.gz)?$", re.IGNORECASE)
_TYPE = re.compile(r"^[A-Z][A-Za-z]+(?=[._-]|$)")  # what most servers begin the name of a file with
_MANIFESTS = ("manifest.json", "log.ndjson")
_MARK = b"\xef\xbb\xbf"  # that some programs write before UTF-8
_BUFFER = 1_048_576  # bytes
_LONGEST_PIECE = 268_435_456  # bytes of a plain file that are read at once
_SOME = 64  # characters of a manifest's time that are looked at


class ExportError(ValueError):
    """An export that cannot be read; the words name the file."""


@dataclass(frozen=True, slots=True)
class ExportFile:
    """One file of an export. ``size`` is in bytes, as it is stored; ``first_type`` is that of its first line, ``""`` if
    that cannot be read.
    """

    path: Path
    size: int
    first_type: str = ""

    @property
    def is_packed(self) -> bool:
        """Whether it is gzip, which can only be read from its beginning."""
        return self.path.suffix.lower() == ".gz"


@dataclass(frozen=True, slots=True)
class FilePiece:
    """Those lines of a file that begin at a place from ``start`` to before ``end``, in bytes of its text.

    ``number`` is its own among the pieces of the export.
    """

    number: int
    file: ExportFile
    start: int = 0
    end: int | None = None


@dataclass(frozen=True, slots=True)
class Export:
    """The files to read, and those of types that nobody asked for; ``transaction_time`` is that of the manifest, ``""``
    where there is none.
    """

    folder: Path
    files: tuple[ExportFile, ...]
    left_out: tuple[ExportFile, ...] = ()
    transaction_time: str = ""

    def pieces(self, longest: int = _LONGEST_PIECE) -> list[FilePiece]:
        """What is read at once: whole files, and plain ones of more than ``longest`` bytes in several pieces."""
        pieces: list[FilePiece] = []
        for file in self.files:
            if file.is_packed or file.size <= longest:
                pieces.append(FilePiece(len(pieces), file))
            else:
                for start in range(0, file.size, longest):
                    pieces.append(FilePiece(len(pieces), file, start, min(start + longest, file.size)))
        return pieces


def find_export(folder: Path, types: Collection[str]) -> Export:
    """The export in a folder and the folders below it. ``types`` are the types of resources that are asked for.

    A file is left out only if both its name and its first line say that it is of another type. One to which links lead
    as well is read once: some programs keep each export in a folder and gather links to the files of all.

    Raises:
        ExportError: there is no NDJSON, or a file cannot be read.
    """
    if not folder.is_dir():
        raise ExportError(f"{path_text(folder)} is no folder")
    every = [path for path in sorted(folder.rglob("*")) if _NDJSON.search(path.name) and path.is_file()]
    found = {path.resolve(): path for path in every}
    files: list[ExportFile] = []
    left_out: list[ExportFile] = []
    for path in sorted(found.values()):
        if path.name in _MANIFESTS:
            continue
        size, named = path.stat().st_size, _TYPE.match(path.name)
        file = ExportFile(path, size, _first_type(ExportFile(path, size)))
        is_other = named is not None and named[0] == file.first_type and named[0] not in types
        (left_out if is_other else files).append(file)
    if not files:
        raise ExportError(
            f"there is no NDJSON in {path_text(folder)}" + (" of a type that is asked for" if left_out else "")
        )
    return Export(folder, tuple(files), tuple(left_out), transaction_time(folder))


def _first_type(file: ExportFile) -> str:
    for line in lines_of(FilePiece(0, file)):
        if line.strip():
            try:
                first = json.loads(line)
            except ValueError:
                return ""
            kind = first.get("resourceType") if isinstance(first, dict) else None
            return kind if isinstance(kind, str) else ""
    return ""


def transaction_time(folder: Path) -> str:
    """What the manifest of the server's answer says, which some tools keep."""
    try:
        manifest = json.loads((folder / "manifest.json").read_bytes())
    except (OSError, ValueError):
        return ""
    time = manifest.get("transactionTime") if isinstance(manifest, dict) else None
    return time[:_SOME] if isinstance(time, str) else ""


def lines_of(piece: FilePiece) -> Iterator[bytes]:
    """The lines of a piece as they stand there, with the ends of the lines; each can be of any length.

    Raises:
        ExportError: the file cannot be read, or is no gzip.
    """
    with _opened(piece.file) as file:
        place = _begin(file, piece.start)
        first = file.readline() if piece.end is None or place < piece.end else b""
        if first:
            yield first.removeprefix(_MARK) if not place else first
        if piece.end is None:
            yield from file
            return
        place += len(first)
        while place < piece.end:
            line = file.readline()
            place += len(line)
            yield line


def _begin(file: IO[bytes], start: int) -> int:
    """Goes to the first line that begins at ``start`` or later; gives its place."""
    if not start:
        return 0
    file.seek(start - 1)
    return start - 1 + len(file.readline())


@contextmanager
def _opened(file: ExportFile) -> Iterator[IO[bytes]]:
    try:
        with file.path.open("rb", buffering=_BUFFER) as stored:
            if file.is_packed:
                with io.BufferedReader(gzip.open(stored, "rb"), _BUFFER) as unpacked:
                    yield unpacked
            else:
                yield stored
    except (OSError, EOFError, zlib.error) as error:
        why = getattr(error, "strerror", None) or str(error)
        raise ExportError(f"{path_text(file.path)} cannot be read: {why}") from error
