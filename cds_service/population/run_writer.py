"""Writes the tables of a run aside; it becomes a run when all of it is written, and not before.

Effects: writes files.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from cds_service.population.run_place import written_aside
from cds_service.population.run_tables import CARDS, EVENTS, PROBLEMS

_TABLES: Mapping[str, pa.Schema] = {"events": EVENTS, "cards": CARDS, "problems": PROBLEMS}
# Rows of a table that are written together. Parquet keeps an account of every column of each such group until the file
# is closed, so that memory would grow with the population if every few rows were a group.
_TOGETHER = 32_768


class _GroupedTable:
    """A table in a file, to which rows are added; some of them wait to be written together."""

    def __init__(self, path: Path, schema: pa.Schema) -> None:
        self._file = pa.OSFile(str(path), "wb")
        self._writer = pq.ParquetWriter(self._file, schema, compression="zstd")
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
        try:
            self._write()
            self._writer.close()
        finally:
            self._file.close()  # a file that is open cannot be removed from every disk


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
        with ExitStack() as stack:
            for table in self._tables.values():
                stack.callback(table.close)


@contextmanager
def new_run(out: Path, export: Path | None = None) -> Iterator[tuple[Path, RunWriter]]:
    """A folder to write a run into, which becomes ``out`` when all of it is written, and is removed after an error.

    Raises:
        RunFolderError: no run can be written to ``out``, or it lies in ``export``, the folder that is read.
        UnplacedRunError: the run is whole and could not get to ``out``; it is kept, and the message says where.
        OSError: it cannot be written.
    """
    with written_aside(out, export) as aside:
        writer = RunWriter(aside)
        try:
            yield aside, writer
        except BaseException:
            with suppress(OSError):
                writer.close()
            raise
        writer.close()
