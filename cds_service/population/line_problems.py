"""What was wrong with the lines of an export: counted, and never dropped unseen."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from itertools import groupby
from operator import itemgetter
from pathlib import Path

from cds_service.vocabulary.path_text import path_text

NOT_JSON = "line-not-json"
NOT_UTF_8 = "line-not-utf-8"
NO_TYPE = "line-without-type"
UNKNOWN_TYPE = "type-not-known"
NO_PATIENT = "line-without-patient"
NOT_READABLE = "elements-not-readable"
UNKNOWN_PATIENT = "patient-not-in-export"
NOT_RESOLVED = "medication-not-in-export"
NOT_FOLLOWED = "reference-not-followed"
REPEATED = "line-repeated"
OLDER_VERSION = "older-version-left-out"
UNDATED_VERSIONS = "versions-undated"

MOST_PLACES = 1024  # lines that are named of one piece of a file; more of them are counted only


@dataclass(frozen=True, slots=True, order=True)
class BrokenLine:
    """A line that cannot be read: where it stands, and a key of the problems above."""

    file: Path
    line: int
    problem: str


@dataclass(slots=True)
class LineCounts:
    """What was read: ``bytes`` of text, and lines by the type that they say (``""`` if that is no name of
    a type), blank ones apart.

    ``kept`` counts what was put aside by its type and by what it means (``chart.bearing``), ``problems`` by type
    (``""`` if it is not known) the lines that something is wrong with. ``broken`` are the first that cannot be read.
    ``results`` counts results by each code that is asked for, as ``system|code``, and ``ordered`` the orders of drugs
    that were signed in the window of a run.
    ``of_files`` counts the lines of each file, blank ones apart, by its whole path.
    """

    lines: int = 0
    blank: int = 0
    bytes: int = 0
    types: Counter[str] = field(default_factory=Counter)
    kept: Counter[tuple[str, int]] = field(default_factory=Counter)
    problems: Counter[tuple[str, str]] = field(default_factory=Counter)
    broken: list[BrokenLine] = field(default_factory=list)
    results: Counter[str] = field(default_factory=Counter)
    ordered: int = 0
    of_files: Counter[Path] = field(default_factory=Counter)

    def add(self, other: LineCounts) -> None:
        """Adds what was counted elsewhere."""
        self.lines += other.lines
        self.blank += other.blank
        self.bytes += other.bytes
        self.types.update(other.types)
        self.kept.update(other.kept)
        self.problems.update(other.problems)
        self.broken += other.broken
        self.results.update(other.results)
        self.ordered += other.ordered
        self.of_files.update(other.of_files)


def whole_path(file: Path) -> Path:
    """The path of a file from the root, the same for every engine."""
    return Path(os.path.normpath(file.absolute()))


def of_pieces(pieces: Iterable[tuple[Path, LineCounts]]) -> LineCounts:
    """What was counted in all pieces of all files: those of a file one after another, as they stand in it.

    The numbers of lines are those within a piece; what is given has those within the file.
    """
    whole = LineCounts()
    for file, of_file in groupby(pieces, key=itemgetter(0)):
        before = 0
        for _, counts in of_file:
            counts.broken = [replace(broken, line=broken.line + before) for broken in counts.broken]
            whole.add(counts)
            before += counts.lines
            whole.of_files[whole_path(file)] += counts.lines - counts.blank
    return whole


def as_problems(counts: LineCounts, others: Iterable[Counter[tuple[str, str]]] = ()) -> Iterator[dict[str, object]]:
    """The problems as rows of ``run_tables.PROBLEMS``: those with a place one by one, the rest by type."""
    total = Counter(counts.problems)
    for more in others:
        total.update(more)
    for broken in sorted(counts.broken):
        total[broken.problem, ""] -= 1
        yield {
            "problem": broken.problem,
            "resource": "",
            "times": 1,
            "file": path_text(broken.file),
            "line": broken.line,
        }
    for (problem, kind), times in sorted(total.items()):
        if times:
            yield {"problem": problem, "resource": kind, "times": times, "file": None, "line": None}
