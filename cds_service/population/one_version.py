"""One line of each resource: a bulk export may hold a resource twice, in one version or in several."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from cds_service.fhir.dates import read_date
from cds_service.population.line_problems import OLDER_VERSION, REPEATED
from cds_service.population.run_tables import LINES

_KEY = ("patient", "type", "id")


class _Meta(msgspec.Struct, gc=False):
    lastUpdated: str | None = None
    versionId: str | None = None


class _Versioned(msgspec.Struct, gc=False):
    meta: _Meta | None = None


_versioned = msgspec.json.Decoder(_Versioned)


def one_of_each(batches: Iterable[pa.RecordBatch], problems: Counter[tuple[str, str]]) -> Iterator[pa.RecordBatch]:
    """Of lines with ``patient``, ``type``, ``id`` and ``line``, sorted by the first three, one of each resource.

    That is the version that was updated last, or has the highest number; of equal ones the first by its text. Lines
    without an id are of one resource only if they are equal, and come in the order of their texts. What is left out is
    counted in ``problems``.
    """
    held: pa.Table | None = None  # the last resource of the batch before, of which more lines may come
    for batch in batches:
        if not batch.num_rows:
            continue
        table = pa.Table.from_batches([batch])
        if held is not None:
            if _key_at(held, 0) == _key_at(table, 0):
                table = pa.concat_tables([held, table]).combine_chunks()
            else:  # as nearly always, and then nothing need be copied
                yield from _as_lines(_without_others(held, problems))
        first = _first_of_last(table)
        held = table.slice(first)
        yield from _as_lines(_without_others(table.slice(0, first), problems))
    if held is not None:
        yield from _as_lines(_without_others(held, problems))


def _as_lines(table: pa.Table) -> list[pa.RecordBatch]:
    batches: list[pa.RecordBatch] = table.select(LINES.names).cast(LINES).to_batches()
    return batches


def _first_of_last(table: pa.Table) -> int:
    """The place of the first line of the resource that comes last."""
    place: int = table.num_rows - 1
    key = _key_at(table, place)
    while place and _key_at(table, place - 1) == key:
        place -= 1
    return place


def _key_at(table: pa.Table, place: int) -> tuple[str, ...]:
    return tuple(table[name][place].as_py() for name in _KEY)


def _without_others(table: pa.Table, problems: Counter[tuple[str, str]]) -> pa.Table:
    """The lines, one of each resource."""
    if table.num_rows < 2:
        return table
    table = table.combine_chunks()
    same = pa.array([True] * (table.num_rows - 1))  # whether a line is of the resource of the one before it
    for name in _KEY:
        column = table[name].chunk(0)
        same = pc.and_(same, pc.equal(column[1:], column[:-1]))
    if not pc.any(same).as_py():
        return table
    places: list[int] = []
    for start, end in _runs(same.to_pylist()):
        if end - start == 1:
            places.append(start)
            continue
        texts = table["line"][start:end].to_pylist()
        order = sorted(range(len(texts)), key=texts.__getitem__)
        _, kind, identity = _key_at(table, start)
        distinct = [place for rank, place in enumerate(order) if not rank or texts[place] != texts[order[rank - 1]]]
        chosen = [max(distinct, key=lambda place: _version(texts[place]))] if identity else distinct
        problems[REPEATED, kind] += len(texts) - len(distinct)
        problems[OLDER_VERSION, kind] += len(distinct) - len(chosen)
        places += [start + place for place in chosen]
    return table.take(pa.array(places))


def _runs(same: Sequence[bool]) -> Iterator[tuple[int, int]]:
    """The places, from and to before, of the lines of each resource."""
    start = 0
    for place, is_same in enumerate([*same, False], 1):
        if not is_same:
            yield start, place
            start = place


def _version(text: str) -> tuple[datetime, int]:
    earliest = datetime.min.replace(tzinfo=UTC)
    try:
        meta = _versioned.decode(text).meta or _Meta()
    except (msgspec.DecodeError, RecursionError):
        return earliest, 0
    span = read_date(meta.lastUpdated, UTC)
    number = meta.versionId or ""
    return (span.start if span is not None else earliest), int(number) if number.isdecimal() else 0
