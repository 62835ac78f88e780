"""A whole run as one function: an engine reads an export and judges it; what comes of it is kept and counted."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec

from cds_service.content.prepared import Prepared
from cds_service.population.choosing_examples import write_examples
from cds_service.population.counting import counted
from cds_service.population.export_files import Export, find_export
from cds_service.population.judged_rules import FoundInExport
from cds_service.population.judging import Task
from cds_service.population.line_problems import LineCounts, as_problems
from cds_service.population.manifest import Manifest, Window, judged_content, manifest_of
from cds_service.population.orders_in_window import OrdersInWindow
from cds_service.population.read_export import read_export
from cds_service.population.run_engine import Engine, Tell
from cds_service.population.run_folder import MANIFEST, SUMMARY, write_file
from cds_service.population.run_writer import RunWriter, new_run
from cds_service.population.selection import Selection


@dataclass(frozen=True, slots=True)
class AskedRun:
    """What is to be run.

    ``contents`` are named ``content``, or ``old`` and ``new``, and ``digests`` are those of their files. ``made`` is
    the present moment.
    """

    export: Path
    contents: Mapping[str, Prepared]
    digests: Mapping[str, str]
    hooks: tuple[str, ...]
    window: Window
    key: bytes
    engine: Engine
    made: datetime
    patients: str = "hash"


def run(asked: AskedRun, out: Path, tell: Tell = lambda text: None) -> Manifest:
    """Runs it into the folder ``out``, which is there when all of it is; ``tell`` is told how far it is.

    Raises:
        ExportError: the export cannot be read.
        RunFolderError: no run can be written to ``out``.
        UnplacedRunError: the run is whole and could not get to ``out``; it is kept elsewhere.
        EngineError, WorkerEndedError, SortingError: the engine failed, or was ended from outside.
        OSError: something cannot be written.
    """
    contents, window = list(asked.contents.values()), asked.window
    selection = Selection(contents, window=OrdersInWindow(window.since, window.until, contents[0].zone))
    export = find_export(asked.export, selection.types)
    task = Task(
        asked.contents,
        asked.hooks,
        window.since,
        window.until,
        asked.key,
        asked.patients,
    )
    counts = LineCounts()
    with new_run(out, asked.export) as (folder, writer):
        tell(f"reading {len(export.files)} files")
        with tempfile.TemporaryDirectory(dir=folder) as aside:
            for batch in asked.engine.judged(export, selection, task, Path(aside), counts, tell):
                writer.add(batch)
                tell(f"judged {writer.events:,} events, {writer.cards:,} findings")
        writer.add_problems(as_problems(counts))
        writer.close()
        return _described(
            asked, export, FoundInExport(frozenset(counts.types), frozenset(counts.results)), counts, folder, writer
        )


def _described(
    asked: AskedRun, export: Export, found: FoundInExport, counts: LineCounts, folder: Path, writer: RunWriter
) -> Manifest:
    manifest = manifest_of(
        {
            name: judged_content(prepared, asked.digests[name], asked.window.until, asked.hooks, found)
            for name, prepared in asked.contents.items()
        },
        hooks=asked.hooks,
        window=asked.window,
        patients=asked.patients,
        engine=asked.engine.told(),
        export=msgspec.to_builtins(read_export(export, counts)),
        counts=counts_as_data(counts) | {"events": writer.events, "findings": writer.cards},
        made=asked.made,
    )
    write_file(folder, MANIFEST, manifest)
    summary = counted(folder, manifest.contents)
    write_file(folder, SUMMARY, summary)
    write_examples(folder, summary.examples)
    return manifest


def counts_as_data(counts: LineCounts) -> dict[str, Any]:
    """What went into the sieve and what was kept of it, by type; how many results have each code that is asked for, and
    how many orders of drugs were signed in the window.
    """
    kept: Counter[str] = Counter()
    for (kind, _), times in counts.kept.items():
        kept[kind] += times
    return {
        "lines": counts.lines,
        "blank": counts.blank,
        "bytes": counts.bytes,
        "read": dict(sorted(counts.types.items())),
        "kept": dict(sorted(kept.items())),
        "results": dict(sorted(counts.results.items())),
        "ordered": counts.ordered,
    }
