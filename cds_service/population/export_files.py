"""The files of a Bulk Data export, and the pieces in which they are read.

An export is a folder of NDJSON, plain or gzip, in any number of parts. What a line is, it says itself; names of files
and the manifest are only read to tell what need not be read, and when the export was made.
"""

from __future__ import annotations

import gzip
import io
import os
import re
import zlib
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

import msgspec

from cds_service.fhir.resource_types import RESOURCE_TYPES
from cds_service.population.server_manifest import SERVER_MANIFEST, ServerManifest, read_manifest
from cds_service.population.tolerant_json import decoded_or_none
from cds_service.vocabulary.path_text import path_text

_NDJSON = re.compile(r"\.(ndjson|jsonl)(\.gz)?$", re.IGNORECASE)
_TYPE = re.compile(r"^[A-Z][A-Za-z]+(?=[._-]|$)")  # what most servers begin the name of a file with
_OF_NO_RESOURCES = (SERVER_MANIFEST, "log.ndjson")  # what the server said, and the program that fetched the files
ERRORS, DELETED = "OperationOutcome", "Bundle"
"""The types in files of which a server says what it could not export, and what there is no more."""
_MAY_BE_LEFT_OUT = RESOURCE_TYPES | {ERRORS, DELETED}
_MARK = b"\xef\xbb\xbf"  # that some programs write before UTF-8
_BUFFER = 1_048_576  # bytes
_LONGEST_PIECE = 268_435_456  # bytes of a plain file that are read at once
_MOST_NAMED = 8  # files that are named in a sentence


class _FirstLine(msgspec.Struct, gc=False):
    resourceType: str | None = None


_first_line = msgspec.json.Decoder(_FirstLine)


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

    @property
    def only_type(self) -> str:
        """The type of all its lines, where both its name and its first line say one: by the rules of Bulk Data a file
        has one type. ``""`` where they do not say the same.
        """
        named = _TYPE.match(self.path.name)
        return self.first_type if named is not None and named[0] == self.first_type else ""


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
    """The files to read, and those of types that nobody asked for. ``passed_over`` are files of other forms and links
    to folders, of which nobody knows what they hold. ``server`` is what the server said of it.
    """

    folder: Path
    files: tuple[ExportFile, ...]
    left_out: tuple[ExportFile, ...] = ()
    passed_over: tuple[Path, ...] = ()
    server: ServerManifest = field(default_factory=ServerManifest)

    @property
    def transaction_time(self) -> str:
        """When the server says that it was made, in its words; ``""`` if it does not say."""
        return self.server.stated

    def name_of(self, path: Path) -> str:
        """What a file of the export is called: its path in the folder."""
        return path_text(path.relative_to(self.folder))

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

    A file is left out only if both its name and its first line say that it is of another type, which FHIR has. One to
    which links lead as well is read once: some programs keep each export in a folder and gather links to the files of
    all.

    Raises:
        ExportError: there is no NDJSON, or a file, a folder or what a link leads to cannot be read.
    """
    if not folder.is_dir():
        raise ExportError(f"{path_text(folder)} is no folder")
    found, passed_over = _found_in(folder)
    files: list[ExportFile] = []
    left_out: list[ExportFile] = []
    for path in found:
        size = path.stat().st_size
        file = ExportFile(path, size, _first_type(ExportFile(path, size)))
        is_other = file.only_type in _MAY_BE_LEFT_OUT.difference(types)
        (left_out if is_other else files).append(file)
    export = Export(folder, tuple(files), tuple(left_out), passed_over, read_manifest(folder))
    if not files:
        others = [export.name_of(path) for path in (*(file.path for file in left_out), *passed_over)]
        of_a_type = " of a type that is asked for" if left_out else ""
        raise ExportError(
            f"there is no NDJSON in {path_text(folder)}{of_a_type}" + (f", but {some_of(others)}" if others else "")
        )
    return export


def _found_in(folder: Path) -> tuple[list[Path], tuple[Path, ...]]:
    """The files of NDJSON, each once, and what else lies there but is not of the server's own."""
    found: dict[Path, Path] = {}
    passed_over: list[Path] = []
    try:
        root = folder.resolve()
        for path in _entries_of(folder):
            if path.name in _OF_NO_RESOURCES:
                continue
            if _NDJSON.search(path.name) and not path.exists():
                raise ExportError(f"{path_text(path)} cannot be read: it is a link that leads nowhere")
            if _NDJSON.search(path.name) and path.is_file():
                found[path.resolve()] = path
            elif not (path.is_dir() and path.resolve().is_relative_to(root)):  # which is read where the link leads to
                passed_over.append(path)
    except OSError as error:
        raise ExportError(f"{path_text(Path(error.filename or folder))} cannot be read: {error.strerror}") from None
    return sorted(found.values()), tuple(passed_over)


def _entries_of(folder: Path) -> list[Path]:
    """The files in a folder and in those below it, and the links to folders, which are not followed."""
    entries: list[Path] = []
    for place, folders, files in os.walk(folder, onerror=_raise):
        entries += [Path(place, name) for name in files]
        entries += [path for name in folders if (path := Path(place, name)).is_symlink()]
    return sorted(entries)


def _raise(error: OSError) -> None:
    raise error


def _first_type(file: ExportFile) -> str:
    for line in lines_of(FilePiece(0, file)):
        if line.strip():
            first = decoded_or_none(_first_line, line)
            return (first.resourceType if first is not None else None) or ""
    return ""


def some_of(names: Sequence[str]) -> str:
    """The first of many names, and how many more there are."""
    more = len(names) - _MOST_NAMED
    return ", ".join(names[:_MOST_NAMED]) + (f" and {more:,} more" if more > 0 else "")


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
        if place >= piece.end:
            return
        for line in file:
            yield line
            place += len(line)
            if place >= piece.end:
                return


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
