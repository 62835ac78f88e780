"""One pass over the lines of an export: each is read once, and what may be needed is put aside by patient.

Each piece of a file becomes one Parquet file, so that pieces can be read by several processes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Protocol

import msgspec
import pyarrow.parquet as pq

from cds_service.fhir.treatments import Medication
from cds_service.population.export_files import Export, FilePiece, lines_of
from cds_service.population.line_problems import LineCounts, of_pieces
from cds_service.population.named_encounters import NamedEncounters
from cds_service.population.selection import ENCOUNTER, MEDICINE, Selection
from cds_service.population.sieve import SIFTED, Look, Sieve
from cds_service.population.tolerant_json import decoded_or_none

_medication = msgspec.json.Decoder(Medication)
_MOST_MEDICATIONS = 16_384  # as many as a hospital has in its formulary


class Each(Protocol):
    """How a function is called for each piece: ``map``, or that of a pool of processes, in any order."""

    def __call__(self, work: Callable[[FilePiece], Part], pieces: Iterable[FilePiece], /) -> Iterable[Part]: ...


@dataclass(frozen=True, slots=True)
class Part:
    """What was put aside of one piece, and what was counted; the numbers of lines are those within the piece."""

    piece: FilePiece
    path: Path
    counts: LineCounts
    encounters: NamedEncounters
    look: Look | None = None


@dataclass(frozen=True, slots=True)
class Sifted:
    """What was put aside of an export, in Parquet files of the schema ``SIFTED``, and what was counted."""

    files: tuple[Path, ...]
    counts: LineCounts = field(default_factory=LineCounts)
    looks: tuple[Look, ...] = ()


def sift(
    export: Export, selection: Selection, folder: Path, each: Each = map, look: Callable[[], Look] | None = None
) -> Sifted:
    """Reads an export once. What may be needed is written to ``folder``, which is there and empty.

    ``each`` calls a function for each piece, which may be in other processes. ``look`` makes what looks at the lines of
    a piece, if anything does.

    Raises:
        ExportError: a file cannot be read.
        OSError: ``folder`` cannot be written to, or its disk is full.
    """
    pieces = export.pieces()
    selection = selection.knowing(known_medications(pieces))
    parts: dict[FilePiece, Part] = {}
    for some in in_turn(pieces):
        encounters = NamedEncounters()
        for part in each(partial(sift_piece, selection=selection, folder=folder, look=look), some):
            parts[part.piece] = part
            encounters.add_all(part.encounters)
        selection = selection.naming(encounters)
    counts = of_pieces((piece.file.path, parts[piece].counts) for piece in pieces)
    looks = tuple(found for piece in pieces if (found := parts[piece].look) is not None)
    return Sifted(tuple(parts[piece].path for piece in pieces), counts, looks)


def in_turn(pieces: Sequence[FilePiece]) -> tuple[list[FilePiece], list[FilePiece]]:
    """The pieces that are read first, and after them those of encounters alone: which of these are needed, the others
    tell.
    """
    last = [piece for piece in pieces if piece.file.only_type == ENCOUNTER]
    return [piece for piece in pieces if piece.file.only_type != ENCOUNTER], last


def known_medications(pieces: Iterable[FilePiece]) -> dict[str, Medication]:
    """The Medications in files that hold them, by id, but for those of which there are two; none if there are too many
    to be kept in memory. A file holds them whose first line is one, or may hold them if that line cannot be read.

    Raises:
        ExportError: a file cannot be read.
    """
    known: dict[str, Medication] = {}
    twice = set()
    for piece in pieces:
        if piece.file.first_type not in (MEDICINE, ""):
            continue
        for line in lines_of(piece):
            medication = decoded_or_none(_medication, line)
            if medication is None or not medication.id or medication.resourceType != MEDICINE:
                continue
            if known.setdefault(medication.id, medication) != medication:
                twice.add(medication.id)
            if len(known) > _MOST_MEDICATIONS:
                return {}
    return {name: medication for name, medication in known.items() if name not in twice}


def sift_piece(piece: FilePiece, selection: Selection, folder: Path, look: Callable[[], Look] | None = None) -> Part:
    """Reads one piece of a file, and writes what may be needed of it to a file of its own in ``folder``.

    Raises:
        ExportError: the file cannot be read.
        OSError: ``folder`` cannot be written to, or its disk is full.
    """
    path = folder / f"{piece.number:06}.parquet"
    sieve = Sieve(selection, piece.file.path, look() if look is not None else None)
    # Dictionaries cost more time than they save where nearly every value is there once. By their bearing alone whole
    # batches are passed over, those of lines that were passed by.
    with pq.ParquetWriter(
        path, SIFTED, compression="lz4", use_dictionary=["type"], write_statistics=["bearing"]
    ) as writer:
        for batch in sieve.batches(lines_of(piece)):
            writer.write_batch(batch)
    return Part(piece, path, sieve.counts, sieve.encounters, sieve.look)
