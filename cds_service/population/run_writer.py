"""Writes the tables of a run aside; it becomes a run when all of it is written, and not before.

Effects: writes files, readable by their owner only.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from cds_service.population.run_folder import RunFolderError
from cds_service.population.run_tables import CARDS, EVENTS, PROBLEMS

_TABLES: Mapping[str, pa.Schema] = {"events": EVENTS, "cards": CARDS, "problems": PROBLEMS}
# Rows of a table that are written together. Parquet keeps an account of every column of each such group until the file
# is closed, so that memory would grow with the population if every few rows were a group.
_TOGETHER = 32_768


class _GroupedTable:
    """A table in a file, to which rows are added; some of them wait to be written together."""

    def __init__(self, path: Path, schema: pa.Schema) -> None:
        self._writer = pq.ParquetWriter(path, schema, compression="zstd")
        self._waiting: list[pa.Table] = []
        self._number = 0

    def add(self, rows: pa.Table) -> None:
        self._waiting.append(rows)
        self._number += rows.num_rows
        if self._number >= _TOGETHER:
            self._write()

    def _write(self) -> None:
        waiting, self._waiting, self._number = self._waiting, [], 0
        if waiting:
            self._writer.write_table(pa.concat_tables(waiting))

    def close(self) -> None:
        self._write()
        self._writer.close()


class RunWriter:
    """Takes what was judged, and writes it into the tables of a run."""

    def __init__(self, folder: Path) -> None:
        self._tables = {}
        for name, schema in _TABLES.items():
            (folder / name).mkdir()
            self._tables[name] = _GroupedTable(folder / name / "part-0.parquet", schema)
        self.events = 0
        self.cards = 0
        self._problems: dict[tuple[str, str], int] = {}

    def add(self, batch: pa.RecordBatch) -> None:
        """Takes rows of ``JUDGED``."""
        rows = pa.table(batch)
        events = rows.filter(pc.is_valid(rows["hook"]))
        self._tables["events"].add(events.select(EVENTS.names))
        self.events += events.num_rows
        self._add_cards(events)
        for row in rows["problems"].combine_chunks().flatten().to_pylist():
            key = row["problem"], row["resource"]
            self._problems[key] = self._problems.get(key, 0) + row["times"]

    def _add_cards(self, events: pa.Table) -> None:
        lists = events["cards"].combine_chunks()
        parents = pc.list_parent_indices(lists)
        cards = lists.flatten()
        columns = [events["content"].take(parents), events["event"].take(parents), *cards.flatten()]
        table = pa.table(columns, names=CARDS.names).cast(CARDS)
        self._tables["cards"].add(table)
        self.cards += table.num_rows

    def add_problems(self, rows: Iterable[Mapping[str, Any]]) -> None:
        """Takes problems that were met before anything was judged, as rows of ``PROBLEMS``."""
        met = [{"problem": p, "resource": r, "times": n} for (p, r), n in sorted(self._problems.items())]
        self._problems.clear()
        self._tables["problems"].add(pa.Table.from_pylist([*rows, *met], schema=PROBLEMS))

    def close(self) -> None:
        """Ends the tables, so that they can be read."""
        for table in self._tables.values():
            table.close()


@contextmanager
def new_run(out: Path) -> Iterator[tuple[Path, RunWriter]]:
    """A folder to write a run into, which becomes ``out`` when all of it is written, and is removed otherwise.

    Raises:
        RunFolderError: there is something at ``out`` already.
        OSError: it cannot be written.
    """
    if out.is_dir() and any(out.iterdir()):
        raise RunFolderError(f"{out}: there is something in it already; name a folder that is new")
    if out.exists() and not out.is_dir():
        raise RunFolderError(f"{out}: this is a file; name a folder that is new")
    aside = out.absolute().with_name(f".{out.absolute().name}.{os.getpid()}.unfinished")
    aside.parent.mkdir(parents=True, exist_ok=True)
    aside.mkdir(mode=0o700)
    try:
        writer = RunWriter(aside)
        try:
            yield aside, writer
        finally:
            writer.close()
        _synced(aside)
        if out.is_dir():
            out.rmdir()
        aside.rename(out)
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def _synced(folder: Path) -> None:
    """Makes sure that what was written stays, whatever happens to the machine."""
    for path in [*folder.rglob("*"), folder]:
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
