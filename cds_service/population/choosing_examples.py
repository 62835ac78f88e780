"""The examples of a run, taken out of its Parquet tables by DuckDB."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC
from pathlib import Path
from typing import Any

import duckdb
import msgspec

from cds_service.population.examples import EXAMPLES, ExampleAnswer, ExampleEvent
from cds_service.population.named_units import NAMED_UNITS
from cds_service.population.table_files import opened_run

_EVENTS = f"""
    select * exclude (patient, prescriber) replace (if(unit in ({NAMED_UNITS}), unit, null) as unit) from events
    where list_contains($chosen, event) order by event, content
"""  # noqa: S608
_CARDS = """
    select * from cards where list_contains($chosen, event)
    order by event, content, not shown, list_position(['critical', 'warning', 'info'], indicator), topic
"""


def write_examples(folder: Path, chosen: Iterable[str]) -> None:
    """Writes the events of these names out of the tables in ``folder`` to a file beside them.

    Raises:
        RunFolderError: the tables cannot be read.
        OSError: it cannot be written.
    """
    names = sorted(chosen)
    with opened_run(folder) as database:
        events = _rows(database, _EVENTS, chosen=names)
        cards = _rows(database, _CARDS, chosen=names)
    fired: dict[tuple[str, str], list[Mapping[str, Any]]] = {}
    for card in cards:
        fired.setdefault((card["event"], card["content"]), []).append(card)
    answers: dict[str, dict[str, ExampleAnswer]] = {}
    told: dict[str, dict[str, Any]] = {}
    for event in events:
        name, content = event["event"], event["content"]
        found = {**event, "fired": fired.get((name, content), ())}
        answers.setdefault(name, {})[content] = msgspec.convert(found, ExampleAnswer)
        told[name] = event | {"day": event["moment"].astimezone(UTC).date()}
    with (folder / EXAMPLES).open("wb") as file:
        for name, event in told.items():
            example = msgspec.convert({**event, "answers": answers[name]}, ExampleEvent)
            file.write(msgspec.json.encode(example) + b"\n")


def _rows(database: duckdb.DuckDBPyConnection, query: str, **values: Any) -> list[dict[str, Any]]:
    found = database.execute(query, values)
    names = [column[0] for column in found.description or ()]
    return [dict(zip(names, row, strict=True)) for row in found.fetchall()]
