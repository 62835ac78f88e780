"""Scenarios of the fixtures as lines of an export, and what the judging of a population makes of such lines."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from functools import cache
from typing import Any
from zoneinfo import ZoneInfo

import pyarrow as pa

from cds_service.content.prepared import Prepared
from cds_service.population.judging import Task, judge
from cds_service.population.run_tables import LINES
from cds_service.replay.scenario import Scenario
from cds_service.vocabulary.json_text import encode
from tests.support.answers import KEY
from tests.support.scenarios import by_name, scenarios
from tests.support.shipped import shipped_pack

Resource = Mapping[str, Any]
MINUTE = timedelta(minutes=1)


@cache
def prepared() -> Prepared:
    """The shipped content made ready."""
    return Prepared.of(shipped_pack(), zone=ZoneInfo("UTC"), key=KEY)


def task_of(hooks: Iterable[str], since: datetime, until: datetime, **others: Any) -> Task:
    """A task for the shipped content."""
    return Task(
        **{"contents": {"content": prepared()}, "hooks": tuple(hooks), "key": b"a key"} | others,
        since=since,
        until=until,
    )


def task_for(scenario: Scenario, **others: Any) -> Task:
    """The task that judges a scenario: at its moment, or the orders that are signed then."""
    until = scenario.now + (timedelta() if scenario.hook == "patient-view" else MINUTE)
    return task_of([scenario.hook], scenario.now, until, **others)


def signed(draft: Resource, written: datetime, **others: Any) -> Resource:
    """A draft as the order that it became."""
    return {**draft, "status": "active", "authoredOn": written.isoformat(), **others}


def exported(scenario: Scenario) -> list[Resource]:
    """The record of a scenario with its drafts signed."""
    return [*scenario.resources, *(signed(draft, scenario.now) for draft in scenario.drafts)]


def of_patient(resources: Sequence[Resource], old: str, new: str) -> list[Resource]:
    """The resources of one patient as those of another."""
    text = json.dumps(resources).replace(f'"Patient/{old}"', f'"Patient/{new}"')
    return [
        {**resource, "id": new} if resource["resourceType"] == "Patient" else resource for resource in json.loads(text)
    ]


def batches(lines: Iterable[tuple[str, Resource | str]], size: int = 1000) -> list[pa.RecordBatch]:
    """Lines, each with its patient, as batches of so many."""
    rows = [
        {"patient": patient, "line": line if isinstance(line, str) else encode(line).decode()}
        for patient, line in lines
    ]
    return [pa.RecordBatch.from_pylist(rows[at : at + size], schema=LINES) for at in range(0, len(rows), size)]


def judged(task: Task, patient: str, resources: Iterable[Resource | str], size: int = 1000) -> list[dict[str, Any]]:
    """The rows on the resources of one patient."""
    return rows_of(judge(task, batches([(patient, resource) for resource in resources], size)))


def rows_of(tables: Iterable[pa.RecordBatch]) -> list[dict[str, Any]]:
    """The rows of batches."""
    return [row for table in tables for row in table.to_pylist()]


def events(rows: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """The rows that are of events."""
    return [row for row in rows if row["hook"] is not None]


def problems(rows: Iterable[Mapping[str, Any]]) -> dict[tuple[str, str], int]:
    """What is wrong with the records, by kind and type."""
    return {(one["problem"], one["resource"]): one["times"] for row in rows for one in row["problems"]}


def topics(row: Mapping[str, Any]) -> list[str]:
    """The topics of the cards that are shown."""
    return sorted(card["topic"] for card in row["cards"] if card["shown"])


SAMPLE = by_name("platelets-and-im/sample")
NOW = SAMPLE.now
DAY = timedelta(days=1)
ORDER_HOOKS = ("order-select", "order-sign")
EVERY_HOOK = (*ORDER_HOOKS, "patient-view")
PLATELETS = "imPlateletsTransfusionFirst"


def order(name: str, written: datetime, **others: Any) -> Resource:
    """The order of the sample, signed at another time."""
    return signed(SAMPLE.drafts[0], written, id=name, **others)


def result(name: str, at: datetime, **others: Any) -> Resource:
    """A count of platelets that is too low for an injection into the muscle."""
    count = next(one for one in SAMPLE.resources if one["id"] == "kwame-mensah-platelets-1")
    bare = {key: value for key, value in count.items() if key not in ("issued", "effectiveDateTime")}
    return {**bare, "id": name, "effectiveDateTime": at.isoformat(), **others}


def person() -> Resource:
    """The Patient of the sample."""
    return next(resource for resource in SAMPLE.resources if resource["resourceType"] == "Patient")


def of_sample(
    resources: Iterable[Resource | str], hooks: Iterable[str] = ("order-sign",), days: int = 400, **others: Any
) -> list[dict[str, Any]]:
    """The rows on resources of the patient of the sample, for orders of the days before and after."""
    task = task_of(hooks, NOW - days * DAY, NOW + days * DAY, **others)
    return judged(task, SAMPLE.patient, [person(), *resources])


# The scenarios that an export can tell, but for what is undated.
STORIES = [
    scenario
    for scenario in scenarios()
    if not scenario.without and not scenario.prefetch and all(d.get("status") == "draft" for d in scenario.drafts)
]
