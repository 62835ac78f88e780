"""The page that shows what was sent and not understood: how often, of which kind and code system, and what to do (Z54).

Only counts are known. What was sent is neither kept nor shown, for it may hold data of a patient.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from flask import Blueprint, Response, render_template

from cds_service.console.acceptance_choice import SPANS, span_asked_for
from cds_service.console.acceptance_rows import Trend, trend_of
from cds_service.console.problem_page import store_problem
from cds_service.console.taken_along import csv_file
from cds_service.store.database import StoreDown
from cds_service.store.figures import NotUnderstoodDay
from cds_service.store.store import Store
from cds_service.vocabulary.accounting import Kind

_HEADS = ("kind", "in words", "code system", "times", "calls")
_MAP = "Map it in site.toml: cds-service coverage prints the lines."
_SEND = "Have it sent otherwise: cds-service coverage names the entries and says why."


@dataclass(frozen=True, slots=True)
class KindWords:
    """What a kind is, what comes of it, and what to do about it."""

    title: str
    means: str
    do: str


_KINDS: Mapping[Kind, KindWords] = {
    Kind.DRUG: KindWords(
        "Drug",
        "The code of a medication is in no list of this content, and its name is not exactly a known one. If it is "
        "one of ours, its order got no card.",
        _MAP,
    ),
    Kind.ORDER: KindWords(
        "Test or nutrition",
        "The code of an order of a test or of nutrition is in no list of this content, and its name is not exactly a "
        "known one. If it is one of ours, it got no card.",
        _MAP,
    ),
    Kind.CODE: KindWords(
        "Code",
        "A problem, allergy, procedure, result or reason came with a code that no list of this content holds, and of a "
        "system in which nothing else would tell what it is.",
        _MAP,
    ),
    Kind.UNIT: KindWords(
        "Unit",
        "The unit of a result or of a dose is not one that is known for it. The value was not used.",
        _MAP,
    ),
    Kind.ROUTE: KindWords(
        "Route",
        "The route of an order is in no list, or its code and its words contradict each other. Cards say that the "
        "route is not known.",
        _MAP,
    ),
    Kind.SCHEDULE: KindWords(
        "How often",
        "How often or for how long something is given could not be read. Regimens were not judged.",
        _MAP,
    ),
    Kind.DOSE: KindWords("Dose", "The dose of an order is not a quantity that can be read. It was not judged.", _SEND),
    Kind.VALUE: KindWords(
        "Value", "A result has no value that can be used, such as a text or an impossible number.", _SEND
    ),
    Kind.DATE: KindWords("Date", "An entry has no date, one that cannot be read, or one in the future.", _SEND),
    Kind.STATUS: KindWords(
        "Status",
        "The status says that an entry does not count, such as refuted, not final or not given, which is often right; "
        "or it is none that FHIR knows.",
        "Look at it if it is much: cds-service coverage tells the two apart.",
    ),
    Kind.REFERENCE: KindWords(
        "Reference",
        "An order or entry refers to something that was not sent, such as its medication.",
        _SEND,
    ),
    Kind.SUBJECT: KindWords(
        "Patient", "An entry is about another patient than the call, or names none. It was not used.", _SEND
    ),
    Kind.SELECTION: KindWords("Selection", "A selection names no order that was sent as a draft.", _SEND),
    Kind.SHAPE: KindWords("Form", "An entry is not of the form that FHIR gives it, or is empty.", _SEND),
}


@dataclass(frozen=True, slots=True)
class KindRow:
    """One kind: how often, of which systems with how often each, and day by day."""

    kind: str
    words: KindWords
    times: int
    systems: tuple[tuple[str, int], ...]
    days: tuple[tuple[date, int], ...]
    trend: Trend


class NotUnderstoodPage:
    """The page over the counts of ``store``; ``services`` gives the ids of those that are shown, ``None`` for all."""

    def __init__(self, store: Store, services: Callable[[], Collection[str] | None]) -> None:
        self._store = store
        self._services = services

    def register(self, pages: Blueprint) -> None:
        """Adds the page to ``pages``."""
        pages.get("/not-understood")(self.not_understood)
        pages.get("/not-understood.csv")(self.not_understood_csv)

    def not_understood_csv(self) -> Response:
        """The counts of the page as a table to take along: a line for each kind and code system, out of all calls."""
        span = span_asked_for()
        now = datetime.now(UTC)
        since = now - timedelta(days=span)
        try:
            days, counted = self._store.not_understood(since, self._services())
        except StoreDown:
            return store_problem(self._store)
        calls = sum(call.times for call in counted)
        rows = kind_rows(days, since.date(), now.date())
        lines: list[list[str | float]] = [
            [row.kind, row.words.title, system, times, calls] for row in rows for system, times in row.systems
        ]
        return csv_file(f"not-understood-{span}-days.csv", _HEADS, lines)

    def not_understood(self) -> Response:
        """The counts of the last days; how many days is asked for by ``days``, one of a few numbers."""
        span = span_asked_for()
        now = datetime.now(UTC)
        since = now - timedelta(days=span)
        try:
            days, calls = self._store.not_understood(since, self._services())
        except StoreDown:
            return store_problem(self._store)
        page = render_template(
            "not_understood.html",
            rows=kind_rows(days, since.date(), now.date()),
            times=sum(day.times for day in days),
            calls=sum(call.times for call in calls),
            span=span,
            spans=SPANS,
        )
        return Response(page)


def kind_rows(days: Sequence[NotUnderstoodDay], first: date, last: date) -> list[KindRow]:
    """A row for each kind that was counted, the most frequent first."""
    rows = []
    for kind in sorted({day.kind for day in days}):
        by_system: Counter[str] = Counter()
        by_day: Counter[date] = Counter()
        for day in days:
            if day.kind == kind:
                by_system[day.system] += day.times
                by_day[day.day] += day.times
        words = _KINDS[Kind(kind)] if kind in set(Kind) else KindWords(kind, "", _SEND)  # of a newer version's counts
        systems = tuple(sorted(by_system.items(), key=lambda item: (-item[1], item[0])))
        rows.append(
            KindRow(kind, words, by_day.total(), systems, tuple(sorted(by_day.items())), trend_of(by_day, first, last))
        )
    return sorted(rows, key=lambda row: -row.times)
