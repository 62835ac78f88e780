"""The engine of one machine: processes that read and judge, and DuckDB, which sorts what they have read by patient."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pyarrow as pa

from cds_service.population.chunks import batches_of, chunks, of_stream
from cds_service.population.duck import Machine, lines
from cds_service.population.export_files import Export, ExportError
from cds_service.population.judging import Task, judge
from cds_service.population.line_problems import LineCounts
from cds_service.population.run_engine import Tell
from cds_service.population.selection import Selection
from cds_service.population.sifting import sift
from cds_service.population.workers import started


@dataclass(frozen=True, slots=True)
class OneMachine:
    """So many processes that read and judge, and the ``memory`` that the sorting may use, such as ``2GB``."""

    workers: int = 1
    memory: str = "2GB"

    def told(self) -> dict[str, Any]:
        """What ``run.json`` says of it."""
        return {"name": "duckdb", "version": version("duckdb"), "workers": self.workers, "memory": self.memory}

    def judged(
        self, export: Export, selection: Selection, task: Task, aside: Path, counts: LineCounts, tell: Tell
    ) -> Iterator[pa.RecordBatch]:
        """As every engine (``run_engine.Engine``).

        Raises:
            ExportError: a file cannot be read.
            WorkerEndedError: a process was ended from outside.
            SortingError: the memory does not suffice, or the disk is full.
            OSError: something cannot be written.
        """
        with started(self.workers) as workers:
            sifted = sift(export, selection, aside, partial(workers.map, told=ExportError))
            counts.add(sifted.counts)
            tell(f"read {counts.lines:,} resources")
            machine = Machine(self.workers, self.memory, aside)
            sorted_lines = chunks(lines(sifted, machine, counts.problems))
            work = partial(of_stream, partial(judge, task.of_export(counts.types)))
            for stream in workers.map(work, sorted_lines):
                yield from batches_of(stream)
