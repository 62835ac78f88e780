"""An order in words, and beside it the order that a suggestion would leave: drug, dose, route, how often, how long."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from functools import partial
from typing import Any

from cds_service.chart.order import Order, read_order
from cds_service.console.calendar import Calendar, DosedStep, calendar_of, dosed_steps
from cds_service.console.plain_words import day_in_words, sent_day_in_words
from cds_service.content.prepared import Prepared
from cds_service.content.render import plain
from cds_service.fhir.dates import read_date
from cds_service.fhir.tree import Node, node, number_text, text, words
from cds_service.fhir.wording import length_in_words, timing_in_words
from cds_service.judge.ordered import OrderedStep, drug_in_words, steps_in_words
from cds_service.vocabulary.json_text import encode

_PRESCRIPTION = "MedicationRequest"
_COLUMNS: tuple[tuple[str, Callable[[OrderedStep], str]], ...] = (
    ("Dose", lambda step: step.dose),
    ("Route", lambda step: step.route),
    ("How often", lambda step: step.how_often),
    ("How long", lambda step: step.how_long),
    ("As written", lambda step: step.written),
)
_NOT_STATED = "not stated"
_DAY = re.compile(r"\b\d{4}-\d\d-\d\d\b")
_ALWAYS = ("Dose", "Route", "How often")  # said of a drug also where they are missing
_ENDED = ("completed", "cancelled", "stopped", "entered-in-error", "on-hold")


@dataclass(frozen=True, slots=True)
class OrderInWords:
    """One order: its ``drug``, or the test or nutrition that it orders, and ``lines`` by their labels, each a sequence
    with one entry for each step.

    ``calendar`` has the days of its doses, ``None`` if it does not say them.
    """

    drug: str
    lines: Mapping[str, tuple[str, ...]]
    calendar: Calendar | None = None
    is_of_a_drug: bool = True


@dataclass(frozen=True, slots=True)
class ComparedLine:
    """One line of Ordered beside Suggested, each by its steps; ``differs`` if they say different things."""

    label: str
    ordered: tuple[str, ...]
    suggested: tuple[str, ...]

    @property
    def differs(self) -> bool:
        return self.ordered != self.suggested


def order_in_columns(
    resource: Mapping[str, Any], others: Mapping[str, Mapping[str, Any]], now: datetime, prepared: Prepared
) -> OrderInWords:
    """An order of FHIR in words, with its doses from ``now`` on.

    ``others`` are the drafts of the request by ``Type/id``, one of which may be the Medication it refers to.
    """
    exact = _exact(resource)
    pack = prepared.pack
    order = read_order("", exact, {name: _exact(other) for name, other in others.items()})
    if order.type != _PRESCRIPTION:
        name = plain(order.name) or plain(words(node(exact, "code"))) or "An order that is no prescription"
        return OrderInWords(name, _times_of(prepared, order, now), is_of_a_drug=False)
    steps = steps_in_words(pack, order)
    lines: dict[str, tuple[str, ...]] = {}
    for label, value_of in _COLUMNS:
        values = [_DAY.sub(partial(_day, prepared, now), value_of(step)) for step in steps]
        if any(values) or (label in _ALWAYS and not any(step.written for step in steps)):
            lines[label] = _said(values)
    today = prepared.today(now)
    own_words = next((fact.schedules for fact in pack.facts.values() if fact.schedules), {})
    dosed = dosed_steps(exact, today, prepared.zone, own_words)
    if doses := _doses(prepared, dosed or [], now):
        lines["Doses"] = (doses,)
    if (status := text(exact, "status")) in _ENDED:
        lines["Status"] = (status.replace("-", " "),)
    return OrderInWords(
        drug_in_words(pack, order), lines, calendar_of(exact, today, prepared.zone, own_words) if dosed else None
    )


def _times_of(prepared: Prepared, order: Order, now: datetime) -> dict[str, tuple[str, ...]]:
    """When a test or nutrition is to be done, as far as the order says so, and whether it is ended."""
    said = prepared.pack.dosage_words
    days = [day if isinstance(day, str) else text(day, "start") for item in order.items for day in item.days]
    timings = [node(schedule, "timing") for item in order.items for schedule in item.schedules]
    status = text(order.resource, "status")
    lines = {
        "When": [_DAY.sub(partial(_day, prepared, now), day[:10]) for day in days if read_date(day, prepared.zone)],
        "How often": [plain(timing_in_words(said, timing)) for timing in timings],
        "How many": [plain(_count(node(timing, "repeat"))) for timing in timings],
        "How long": [plain(length_in_words(said, _uncounted(node(timing, "repeat")))) for timing in timings],
        "Status": [status.replace("-", " ")] if order.is_stopped or status in _ENDED else [],
    }
    return {label: _said(values) for label, values in lines.items() if any(values)}


def _count(repeat: Node) -> str:
    """How many times a schedule has something done; ``""`` if it does not say."""
    return "-".join(filter(None, (number_text(repeat, "count"), number_text(repeat, "countMax"))))


def _uncounted(repeat: Node) -> Node:
    return {key: value for key, value in repeat.items() if key not in ("count", "countMax")}


def _exact(resource: Mapping[str, Any]) -> Node:
    """A resource with its numbers as they were sent, as everything that reads orders needs it."""
    tree: Node = json.loads(encode(resource), parse_float=Decimal)
    return tree


def compared(ordered: OrderInWords, suggested: OrderInWords) -> list[ComparedLine]:
    """Two orders line by line, what is ordered first."""
    labels = dict.fromkeys(["When", *(label for label, _ in _COLUMNS), "How many", "Doses", "Status"])
    what = "Drug" if ordered.is_of_a_drug and suggested.is_of_a_drug else "Order"
    lines = [ComparedLine(what, (ordered.drug,), (suggested.drug,))]
    for label in labels:
        before, after = ordered.lines.get(label, ()), suggested.lines.get(label, ())
        if before or after:
            lines.append(ComparedLine(label, before, after))
    return lines


def _day(prepared: Prepared, now: datetime, match: re.Match[str]) -> str:
    return sent_day_in_words(prepared.pack, match[0], prepared.today(now))


def _said(values: Sequence[str]) -> tuple[str, ...]:
    """What the steps say, once where all of them say the same."""
    said = tuple(value or _NOT_STATED for value in values) or (_NOT_STATED,)
    return said[:1] if len(set(said)) == 1 else said


def _doses(prepared: Prepared, steps: Sequence[DosedStep], now: datetime) -> str:
    """How many doses there are, and the days of the first and the last: ``6 doses, 23 Nov to 4 Dec``."""
    days = [day for step in steps for day in step.days]
    if not days:
        return ""
    today = prepared.today(now)
    first, last = (day_in_words(prepared.pack, day, today) for day in (min(days), max(days)))
    if steps[-1].end is None:
        return f"from {first} on, without an end"
    about = "about " if any(step.is_range for step in steps) else ""
    if len(days) == 1:
        return f"{about}1 dose, {first}"
    return f"{about}{len(days)} doses, {first} to {last}" if first != last else f"{about}{len(days)} doses on {first}"
