"""Rows as judging gives them, and runs that are made of them, for tests of what a run keeps and says."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pyarrow as pa

from cds_service.content.prepared import Prepared
from cds_service.population.choosing_examples import write_examples
from cds_service.population.counting import counted
from cds_service.population.judged_rules import FoundInExport
from cds_service.population.manifest import Manifest, Window, judged_content, manifest_of
from cds_service.population.run_folder import MANIFEST, SUMMARY, write_file
from cds_service.population.run_tables import JUDGED
from cds_service.population.run_writer import new_run
from tests.support.shipped import shipped_pack

SINCE, UNTIL = datetime(2025, 11, 1, tzinfo=UTC), datetime(2026, 11, 1, tzinfo=UTC)
HOOKS = ("order-sign", "patient-view")
MOMENT = datetime(2026, 1, 5, 9, tzinfo=UTC)  # a Monday


def card(topic: str, indicator: str = "info", **more: Any) -> dict[str, Any]:
    """A card as it is kept: shown, the first of its rule for the patient, all its facts known."""
    row = {"decision": "d", "rule": "R", "topic": topic, "version": "1.0.0", "status": "active", "indicator": indicator}
    row |= {
        "shown": True,
        "nth": 1,
        "days_since": None,
        "suggestions": 0,
        "unknown": [],
        "unusable": [],
        "asked": [],
        "facts": [],
    }
    return row | more


def event(name: str, *cards: Mapping[str, Any], **more: Any) -> dict[str, Any]:
    """An event with these cards, of a patient of its own."""
    row = {"content": "content", "hook": "order-sign", "event": name, "patient": f"of-{name}", "moment": MOMENT}
    row |= {"orders": 1, "outcome": "cards" if any(c["shown"] for c in cards) else "silent", "missing": []}
    row |= {"status_dependent": False, "not_understood": 0, "cards": list(cards), "problems": []}
    return row | more


def record(**times: int) -> dict[str, Any]:
    """The problems of one record, by kind of problem."""
    problems = [{"problem": problem, "resource": "Observation", "times": count} for problem, count in times.items()]
    return {"content": "content", "cards": [], "problems": problems}


def batch(rows: Iterable[Mapping[str, Any]]) -> pa.RecordBatch:
    """Rows as an Arrow batch."""
    return pa.RecordBatch.from_pylist(list(rows), schema=JUDGED)


@cache
def _content() -> Any:
    prepared = Prepared.of(shipped_pack(), zone=ZoneInfo("UTC"), key=b"k" * 32)
    return judged_content(prepared, "00", UNTIL, HOOKS, FoundInExport())


def manifest(*contents: str) -> Manifest:
    """The manifest of a run of the shipped content, under these names."""
    return manifest_of(
        {name: _content() for name in contents or ("content",)},
        hooks=HOOKS,
        window=Window(SINCE, UNTIL),
        patients="hash",
        engine={"name": "duckdb"},
        export={},
        counts={},
    )


def run_of(out: Path, rows: Iterable[Mapping[str, Any]], *contents: str) -> Path:
    """A run with these rows."""
    made = manifest(*contents)
    with new_run(out) as (folder, writer):
        writer.add(batch(rows))
        writer.add_problems([])
        writer.close()
        write_file(folder, MANIFEST, made)
        found = counted(folder, made.contents)
        write_file(folder, SUMMARY, found)
        write_examples(folder, found.examples)
    return out
