"""The history of treatment behind an answer: as the record was read for it, and as data for ``explain``."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import zip_longest
from typing import Any

from cds_service.chart.overview import Overview, ToldEvent, overview
from cds_service.content.model import Service
from cds_service.content.prepared import Prepared
from cds_service.content.render import plain
from cds_service.fhir.tree import Node, node, text, words
from cds_service.fhir.wording import dose_in_words, schedule_in_words
from cds_service.judge.evaluate import Answer
from cds_service.vocabulary.dosage_words import DosageWords


def history_of(prepared: Prepared, service: Service, answer: Answer, most: int | None = None) -> Overview:
    """The history in what the service read for an answer; empty if it read nothing, because no order was relevant.

    ``most`` bounds how much of it is told.
    """
    if answer.chart is None:
        return Overview()
    return overview(prepared.pack.readers, prepared.searches[service.id], answer.chart, most)


def as_data(said: DosageWords, events: Iterable[ToldEvent]) -> list[dict[str, Any]]:
    """Events of the history as JSON, in their order; ``said`` are the words of their dosages.

    Each has ``kind``, ``reference``, ``drug`` and ``status``; ``date``, or ``period`` with its ``start`` and, unless
    it goes on, its ``end``; ``dosage``, a list of steps in words; and ``one-with``, which other resources tell of it.
    """
    return [_event(said, event) for event in events]


def _event(said: DosageWords, told: ToldEvent) -> dict[str, Any]:
    entry: dict[str, Any] = {
        "kind": str(told.kind),
        "reference": plain(told.event.reference),
        "drug": plain(told.words),
        "status": plain(told.event.status),
    }
    if told.last is not None or told.goes_on:
        entry["period"] = {"start": told.first.isoformat()}
        if told.last is not None:
            entry["period"]["end"] = told.last.isoformat()
    else:
        entry["date"] = told.first.isoformat()
    dosage = list(filter(None, _dosage(said, told)))
    if dosage:
        entry["dosage"] = dosage
    if told.one_with:
        entry["one-with"] = list(told.one_with)
    return entry


def _dosage(said: DosageWords, told: ToldEvent) -> Iterator[dict[str, str]]:
    """The steps of a dosage in words, with the days on which each begins and ends if the calendar tells them."""
    for dosage, step in zip_longest(told.event.as_order().dosages(), told.steps):
        entry = step_in_words(said, dosage or {})
        if step is not None:
            entry |= {"start": step.start.isoformat()} | ({"end": step.end.isoformat()} if step.end else {})
        yield entry


def step_in_words(said: DosageWords, dosage: Node) -> dict[str, str]:
    """``dose``, ``route`` and ``interval`` of a step in words, or else ``text``, that which was written there."""
    read = {
        "dose": dose_in_words(dosage),
        "route": words(node(dosage, "route")),
        "interval": schedule_in_words(said, dosage),
    }
    read |= {} if read["dose"] and read["interval"] else {"text": text(dosage, "text")}
    return {name: plain(value) for name, value in read.items() if value}
