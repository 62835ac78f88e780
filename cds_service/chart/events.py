"""The history of treatment as events: what was ordered, dispensed, given, stated and stopped (Z55).

One event is made of each order, dispense, administration, statement and procedure of a search that tells of treatment,
once a call. What a fact may not ask for, such as the dosage, is read when it is asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Any, NamedTuple, TypeVar, cast

import msgspec

from cds_service.chart.order import Order
from cds_service.chart.record import Chart
from cds_service.chart.statuses import (
    DISPENSE_STATUSES,
    EVENT_STATUSES,
    NO_ORDER,
    NOT_DISPENSED,
    NOT_GIVEN,
    NOT_ORDERED,
    NOT_STATED,
    PLAN,
    REQUEST_STATUSES,
    STATEMENT_STATUSES,
)
from cds_service.fhir.dates import Span, read_date
from cds_service.fhir.medications import Naming
from cds_service.fhir.treatments import (
    Medicated,
    MedicationDispense,
    MedicationRequest,
    MedicationStatement,
    Procedure,
    Treatment,
)
from cds_service.vocabulary.declarations import Search

T = TypeVar("T")


class EventKind(StrEnum):
    """What happened. A plan is nothing that happened, unless somebody says that it is what the patient takes."""

    ORDERED = "ordered"
    DISPENSED = "dispensed"
    GIVEN = "given"
    STATED = "stated"
    STOPPED = "stopped"
    PLANNED = "planned"


# Looked up once, because Python 3.11 takes long to find a member of an Enum, and most events are one of these.
_ORDERED, _STOPPED = EventKind.ORDERED, EventKind.STOPPED


class Event(msgspec.Struct, eq=False):
    """One event of the history, as one resource tells it.

    ``status`` is that of the resource in the words of R4; one that FHIR does not know stays as it was sent, and then
    ``is_status`` is false. ``naming`` is all that names the drug, ``kept`` what was worked out of the event so far.
    """

    kind: EventKind
    status: str
    resource: Treatment
    naming: Naming
    is_status: bool
    kept: dict[str, Any] = msgspec.field(default_factory=dict)

    @property
    def under_way(self) -> bool:
        """Whether it says that treatment goes on, whatever its date."""
        return self.status == "active"

    @property
    def reference(self) -> str:
        """``Type/id``."""
        return self.resource.own_reference()

    @property
    def words(self) -> str:
        """The drug as it is worded there."""
        resource = self.resource
        if isinstance(resource, Procedure):
            return resource.code.words() if resource.code is not None else ""
        return next(iter(self.naming.texts), "")

    def last(self, chart: Chart) -> Span | None:
        """When it was, at the latest that it says; ``None`` if it says nothing that can be read."""
        return self._once("last", lambda: read_date(self.resource.when(), chart.zone))

    def first(self, chart: Chart) -> Span | None:
        """When it was, at the earliest that it says."""
        return self._once("first", lambda: read_date(self.resource.begun(), chart.zone))

    def stands_for(self) -> list[str]:
        """The resources that tell of the same doses, as far as it names them, by ``Type/id``."""
        return self._once("stands for", self.resource.stands_for)

    def follows(self) -> list[str]:
        """The order of which it takes the place, by ``Type/id``."""
        resource = self.resource
        return self._once("follows", resource.follows) if isinstance(resource, MedicationRequest) else []

    def as_order(self) -> Order:
        """What it says of its dosage, in the shape of a draft order, so that both are read alike."""
        return self._once("order", self._as_order)

    @property
    def has_order(self) -> bool:
        """Whether some fact has looked at its dosage so far."""
        return "order" in self.kept

    def _as_order(self) -> Order:
        resource = {
            "resourceType": type(self.resource).__name__,
            "id": self.resource.id or "",
            "dosageInstruction": self.resource.dosages(),
        }
        return Order("", resource, (), naming=self.naming)

    def _once(self, key: str, make: Callable[[], T]) -> T:
        if key not in self.kept:
            self.kept[key] = make()
        made: T = self.kept[key]
        return made


class Told(NamedTuple):
    """What a search tells: its events, and beside them the resources that tell of no treatment.

    Of each of those there is what names its drug, and why it tells of none.
    """

    events: list[Event]
    no_treatment: list[tuple[Treatment, Naming, str]]


def events_of(chart: Chart, search: Search) -> Told:
    """The events of a search, in the order of its entries. Made by ``chart.once``, for all facts together."""
    results = chart.results(search)
    sent = {medication.id: medication for medication in results.medications if medication.id}
    read = _READ[search.resource]
    told = Told([], [])
    for treatment in cast("tuple[Medicated, ...]", results.resources):
        naming = treatment.naming(sent)
        event = read(treatment, naming, chart)
        if isinstance(event, str):
            told.no_treatment.append((treatment, naming, event))
        else:
            told.events.append(event)
    return told


# --- what a resource tells, or the reason why it tells of no treatment


def _ordered(resource: MedicationRequest, naming: Naming, _: Chart) -> Event | str:
    status = resource.status or "unknown"
    if status in NOT_ORDERED or resource.doNotPerform:
        return "notGiven"
    if resource.intent in NO_ORDER:
        return "onlyProposed"
    kind = _STOPPED if status == "stopped" else _ORDERED
    if resource.intent == PLAN:
        kind = EventKind.STATED if resource.is_reported else EventKind.PLANNED
    return Event(kind, status, resource, naming, is_status=status in REQUEST_STATUSES)


def _stated(resource: MedicationStatement, naming: Naming, chart: Chart) -> Event | str:
    """A statement whose period has ended is past, although R5 lets it say that the patient takes the drug."""
    status = resource.current_status()
    if status in NOT_STATED:
        return "notGiven"
    period = resource.effectivePeriod
    if status == "active" and period is not None and period.end:
        end = read_date(period.end, chart.zone)
        status = "completed" if end is not None and end.end <= chart.now else status
    kind = EventKind.STOPPED if status == "stopped" else EventKind.STATED
    return Event(kind, status, resource, naming, is_status=status in STATEMENT_STATUSES)


def _dispensed(resource: MedicationDispense, naming: Naming, _: Chart) -> Event | str:
    status = resource.status or "unknown"
    if status in NOT_DISPENSED:
        return "notGiven"
    return Event(EventKind.DISPENSED, status, resource, naming, is_status=status in DISPENSE_STATUSES)


def _given(resource: Treatment, naming: Naming, _: Chart) -> Event | str:
    status = resource.status or "unknown"
    if status in NOT_GIVEN:
        return "notGiven"
    return Event(EventKind.GIVEN, status, resource, naming, is_status=status in EVENT_STATUSES)


_READ: Mapping[str, Callable[[Any, Naming, Chart], Event | str]] = {
    "MedicationRequest": _ordered,
    "MedicationStatement": _stated,
    "MedicationDispense": _dispensed,
    "MedicationAdministration": _given,
    "Procedure": _given,
}
TELLING = frozenset(_READ)
"""The types of resources that may tell of treatment."""
