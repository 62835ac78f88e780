"""What an engine is to a run: it reads an export, brings the lines of each patient together, and has them judged."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Protocol

import pyarrow as pa

from cds_service.population.export_files import Export
from cds_service.population.judging import Task
from cds_service.population.line_problems import LineCounts
from cds_service.population.selection import Selection

Tell = Callable[[str], None]


class EngineError(Exception):
    """An engine could not do its work. The message says why, and what to do."""


class Engine(Protocol):
    """Reads and judges, on one machine or on many; the rows are the same."""

    def told(self) -> dict[str, Any]:
        """What ``run.json`` says of it."""
        ...

    def judged(
        self, export: Export, selection: Selection, task: Task, aside: Path, counts: LineCounts, tell: Tell
    ) -> Iterator[pa.RecordBatch]:
        """Batches of the schema ``JUDGED``, in any order.

        What was read, and what is wrong with it, is added to ``counts``, which are whole when the last batch was taken.
        ``aside`` is an empty folder for what is written on the way. ``tell`` is told how far it is.

        Raises:
            ExportError: a file cannot be read.
            EngineError: the engine failed.
            OSError: something cannot be written.
        """
        ...
