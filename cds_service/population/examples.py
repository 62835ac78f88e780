"""Examples of a run: the events that its summary names, with what each rule that fired at them rested on.

A run keeps them beside its tables as NDJSON, one event a line, so that one can be shown without an engine that reads
Parquet. They hold what the tables hold of an event, but neither its patient nor its prescriber, of its moment
the day, and of its unit the name only where patients enough have it.
"""

from __future__ import annotations

from datetime import date
from pathlib import Path

import msgspec

EXAMPLES = "examples.ndjson"


class ToldInput(msgspec.Struct, frozen=True):
    """What a rule asked for, as ``run_tables.ASKED`` has it."""

    name: str
    value: str
    behind: tuple[str, ...]


class ToldSource(msgspec.Struct, frozen=True):
    """Resources of one type that a fact was read from, as ``run_tables.SOURCE`` has them."""

    type: str
    times: int
    latest: int | None
    earliest: int | None


class ToldFact(msgspec.Struct, frozen=True):
    """A fact that a rule rested on, as ``run_tables.FACT`` has it."""

    name: str
    state: str
    value: str
    because: str | None
    sources: tuple[ToldSource, ...] = ()
    set_aside: ToldSource | None = None


class FiredRule(msgspec.Struct, frozen=True):
    """A rule that fired, as ``run_tables.CARD`` has it."""

    decision: str
    rule: str
    topic: str
    version: str
    status: str
    indicator: str
    shown: bool
    nth: int
    days_since: int | None
    suggestions: int
    asked: tuple[ToldInput, ...]
    facts: tuple[ToldFact, ...]


class ExampleAnswer(msgspec.Struct, frozen=True):
    """What one content answered."""

    outcome: str
    missing: tuple[str, ...]
    status_dependent: bool
    not_understood: int
    fired: tuple[FiredRule, ...]


class ExampleEvent(msgspec.Struct, frozen=True):
    """One event, as ``run_tables.EVENT`` has it, with the answer of each content by its name.

    ``day`` is the day of its moment, UTC. ``unit`` is ``None`` too if it is none of the units that are named.
    """

    event: str
    hook: str
    day: date
    unit: str | None
    drug: str | None
    agent: str | None
    route: str | None
    orders: int
    age_band: str | None
    sex: str | None
    answers: dict[str, ExampleAnswer]


class ExampleHeading(msgspec.Struct, frozen=True):
    """Which event an example is."""

    event: str
    hook: str
    day: date


def headings_of(folder: Path) -> dict[str, ExampleHeading]:
    """Which events the examples of a run are, by their names; none if they cannot be read."""
    try:
        with (folder / EXAMPLES).open("rb") as lines:
            headings = [msgspec.json.decode(line, type=ExampleHeading) for line in lines]
    except (OSError, msgspec.DecodeError):
        return {}
    return {heading.event: heading for heading in headings}


def example_of(folder: Path, event: str) -> ExampleEvent | None:
    """The example of this name of a run; ``None`` if the run has no such example, or none that can be read."""
    begin = b'{"event":' + msgspec.json.encode(event) + b","
    try:
        with (folder / EXAMPLES).open("rb") as lines:
            line = next((line for line in lines if line.startswith(begin)), None)
        return msgspec.json.decode(line, type=ExampleEvent) if line is not None else None
    except (OSError, msgspec.DecodeError):
        return None
