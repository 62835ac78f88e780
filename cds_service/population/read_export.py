"""What of an export was read and what was not, and where its server says otherwise: as data, and in sentences."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import msgspec

from cds_service.population.export_files import (
    DELETED,
    ERRORS,
    Export,
    ExportError,
    ExportFile,
    FilePiece,
    lines_of,
    some_of,
)
from cds_service.population.line_problems import LineCounts, whole_path
from cds_service.population.server_manifest import ServedFile
from cds_service.population.tolerant_json import json_or_none
from cds_service.vocabulary.path_text import path_text

_FAILURES = frozenset({"error", "fatal"})


class SaidAndRead(msgspec.Struct, frozen=True):
    """How many resources a server says a file, or all files of a type, to hold, and how many lines were read of it."""

    name: str
    said: int
    read: int


class ServerSays(msgspec.Struct, frozen=True, rename="camel"):
    """What the server said of an export, as far as it takes away from it.

    ``problem`` says why its manifest cannot be used. ``errors`` counts what it could not export, and ``deleted`` the
    resources that are no more, each with the files that say so; 0 where a file is not there and nobody has counted it.
    ``missing`` are files that it wrote and that are not there.
    """

    problem: str = ""
    errors: int = 0
    error_files: tuple[str, ...] = ()
    deleted: int = 0
    deleted_files: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    differing: tuple[SaidAndRead, ...] = ()


class ReadExport(msgspec.Struct, frozen=True, rename="camel"):
    """An export as ``run.json`` has it: its files with their sizes in bytes by their paths in the folder, those that
    were not read because nobody asks for their type, and those that were ``passed_over`` for their form.
    """

    folder: str
    transaction_time: str | None
    files: dict[str, int]
    not_read: dict[str, int]
    passed_over: tuple[str, ...]
    server: ServerSays

    @property
    def is_whole(self) -> bool:
        """Whether all that lies there was read or is known not to matter, and it is all that the server wrote."""
        says = self.server
        return not (self.passed_over or says.problem or says.error_files or says.missing or says.differing)


def read_export(export: Export, counts: LineCounts) -> ReadExport:
    """What was read of an export. The few files that say what could not be exported and what was deleted are read here,
    and are named without a count if they cannot be.
    """
    errors = _counted(export, export.server.errors, ERRORS)
    deleted = _counted(export, export.server.deleted, DELETED)
    missing, differing = _held_against(export, counts)
    others = [file for file in export.left_out if export.name_of(file.path) not in errors | deleted]
    bundles = [file.path for file in others if file.first_type == DELETED]
    return ReadExport(
        path_text(export.folder),
        export.transaction_time or None,
        _sizes(export, export.files),
        _sizes(export, (file for file in others if file.first_type != DELETED)),
        tuple(map(export.name_of, (*export.passed_over, *bundles))),
        ServerSays(
            export.server.problem,
            sum(errors.values()),
            tuple(errors),
            sum(deleted.values()),
            tuple(deleted),
            missing,
            differing,
        ),
    )


def _sizes(export: Export, files: Iterable[ExportFile]) -> dict[str, int]:
    return {export.name_of(file.path): file.size for file in files}


def _counted(export: Export, served: Iterable[ServedFile], kind: str) -> dict[str, int]:
    """How much each file of errors or of what was deleted tells; those that tell of nothing are left out."""
    there = {file.path.name for file in export.left_out if file.first_type == kind}
    said = {one.name: one.count or 0 for one in served if one.name not in there and one.count != 0}
    for file in export.left_out:
        if file.first_type == kind:
            try:
                told = sum(_told(json_or_none(line), kind) for line in lines_of(FilePiece(0, file)))
            except ExportError:
                said[export.name_of(file.path)] = 0
            else:
                said |= {export.name_of(file.path): told} if told else {}
    return said


def _told(line: Any, kind: str) -> int:
    """How many failures, or resources that were deleted, a line of such a file tells of."""
    items = line.get("issue" if kind == ERRORS else "entry") if isinstance(line, dict) else None
    known = [item for item in items if isinstance(item, dict)] if isinstance(items, list) else []
    if kind == ERRORS:
        return int(any(issue.get("severity") in _FAILURES for issue in known))
    requests = [entry.get("request") for entry in known]
    return sum(isinstance(request, dict) and request.get("method") == "DELETE" for request in requests)


def _held_against(export: Export, counts: LineCounts) -> tuple[tuple[str, ...], tuple[SaidAndRead, ...]]:
    """The files of the manifest that are not there, and those of which another number of lines was read.

    Programs that fetch an export may call its files otherwise. Where no file is called as the server called it, all
    files of a type are held against all that it says of the type.
    """
    output = export.server.output
    read: Counter[str] = Counter()
    for file in export.files:
        read[_plain(file.path.name)] += counts.of_files[whole_path(file.path)]
    others = {_plain(path.name) for path in (*(file.path for file in export.left_out), *export.passed_over)}
    if any(_plain(one.name) in read.keys() | others for one in output):
        missing = [one.name for one in output if _plain(one.name) not in read.keys() | others]
        return tuple(dict.fromkeys(missing)), tuple(_differing({one: _plain(one.name) for one in output}, read))
    not_asked = {file.first_type for file in export.left_out}
    of_types = {one: one.type for one in output if one.type and one.type not in not_asked}
    return (), tuple(_differing(of_types, dict.fromkeys(of_types.values(), 0) | counts.types))


def _differing(names: Mapping[ServedFile, str], read: Mapping[str, int]) -> Iterator[SaidAndRead]:
    """Where the server counted all files of a name or a type, and another number of lines was read."""
    for name in dict.fromkeys(names.values()):
        counts = [one.count for one, called in names.items() if called == name]
        said = sum(count for count in counts if count is not None)
        if name in read and None not in counts and said != read[name]:
            yield SaidAndRead(name, said, read[name])


def _plain(name: str) -> str:
    """The name of a file whether it was packed or not."""
    return name.removesuffix(".gz")


def in_words(read: ReadExport) -> Iterator[str]:
    """What was not read of an export though it may matter, and what its server says of it, in a line each."""
    says = read.server
    if read.passed_over:
        why = "only files of one resource a line are, whose names end in .ndjson or .jsonl, with .gz if they are packed"
        yield f"Not read, because {why}: {some_of(read.passed_over)}"
    if says.problem:
        yield f"When it was made is not known: {says.problem}"
    if says.error_files:
        errors = f"{says.errors:,} messages of what" if says.errors else "There are messages of what"
        yield f"{errors} the server could not export: {some_of(says.error_files)}"
    if says.deleted_files:
        deleted = f"{says.deleted:,} resources" if says.deleted else "Resources"
        told = "are judged all the same if they stand in the export"
        yield f"{deleted} were deleted since, by the server's list, and {told}: {some_of(says.deleted_files)}"
    if says.missing:
        yield f"Written by the server, and not there: {some_of(says.missing)}"
    if says.differing:
        counts = [f"{one.name} ({one.said:,} and {one.read:,})" for one in says.differing]
        yield f"Not as many lines as the server says (said and read): {some_of(counts)}"
