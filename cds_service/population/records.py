"""The record of one patient in an export: each line decoded once, with the moment at which it was seen."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta, tzinfo
from operator import attrgetter
from typing import Any, NamedTuple

import msgspec
from msgspec.structs import replace

from cds_service.chart.sent_entries import ChartEntry, decoded_medication, elements_of
from cds_service.fhir.dates import last_day_of
from cds_service.fhir.order_types import MEDICATION, ORDER_TYPES
from cds_service.fhir.treatments import Medication
from cds_service.population.line_problems import NOT_JSON, UNKNOWN_TYPE
from cds_service.population.moments import dated_head, seen_at, seen_during

UNDATED, IMPRECISE, FUTURE, DEFECT = "undated", "date-imprecise", "future", "defect"
NO_PERSON = "record-without-patient"
ORDER_NOT_KNOWN = "order-not-known"
PATIENT, _MEDICATION, _ENCOUNTER = "Patient", "Medication", "Encounter"
_NOT_DATED = frozenset({PATIENT, _MEDICATION, _ENCOUNTER})
_ALWAYS_READ = _NOT_DATED | {*ORDER_TYPES}
_TYPE_FIRST = b'{"resourceType":"'
_NAME_OF_TYPE = re.compile(r"[A-Z][A-Za-z]{2,40}")
_AHEAD = timedelta(days=1)  # by how much clocks and time zones may differ
# https://hl7.org/fhir/R4/valueset-medicationrequest-status.html; ended is of R5
_ENDED = frozenset({"completed", "stopped", "ended"})
_SEEN, _NAME = attrgetter("seen"), attrgetter("name")


class SeenResource(ChartEntry, frozen=True, gc=False):
    """One resource, and when it was first to be seen. ``name`` is its ``Type/id``, or its JSON if it has no id."""

    seen: datetime
    name: str
    status: str

    @property
    def has_ended(self) -> bool:
        """Whether its status says that it is over, as it need not have been before."""
        return self.status in _ENDED

    def while_active(self) -> SeenResource:
        """An order that ended, as it was before; another resource, and one that cannot be read, as it is."""
        resource: Any = self.resource
        if resource is None or not self.has_ended:
            return self
        return replace(self, status="active", resource=replace(resource, status="active"))


@dataclass
class PatientRecord:
    """All that an export holds of one patient and that can bear on a decision.

    ``seen`` are the dated resources by their type, in the order in which they were seen. ``medications`` and
    ``encounters`` are the JSON of those to which they refer, by id. ``problems`` counts what is wrong, by its kind and
    the type of the resource.
    """

    patient: str
    person: ChartEntry | None = None
    seen: dict[str, list[SeenResource]] = field(default_factory=dict)
    medications: dict[str, bytes] = field(default_factory=dict)
    encounters: dict[str, bytes] = field(default_factory=dict)
    problems: Counter[tuple[str, str]] = field(default_factory=Counter)

    def decoded_medications(self) -> list[Medication]:
        """The Medications to which the resources may refer."""
        return [found for raw in self.medications.values() if (found := decoded_medication(raw)) is not None]

    def with_ended_orders_active(self) -> list[SeenResource]:
        """The orders of drugs, those that ended as they were before."""
        return [order.while_active() for order in self.seen.get(MEDICATION, ())]


class WhatIsRead(NamedTuple):
    """Which lines are read, and how.

    ``searched`` are the types whose elements are decoded; of orders of another type only the JSON is kept, and of the
    other types that are ``known`` nothing. Dates without an offset are of ``zone``, and what was seen well after
    ``until`` is a problem.
    """

    searched: frozenset[str]
    known: frozenset[str]
    zone: tzinfo
    until: datetime


def read_record(patient: str, lines: Iterable[bytes], reading: WhatIsRead) -> PatientRecord:
    """The record of a patient from the JSON of its resources, each of which is there once, in whatever order."""
    record = PatientRecord(patient)
    latest = reading.until + _AHEAD
    kind, begin = "", _TYPE_FIRST + b'"'
    for raw in lines:
        try:
            if not raw.startswith(begin):  # most are of the type of the line before
                kind = _type_of(raw)
                begin = _TYPE_FIRST + kind.encode() + b'"'
            read = _read_line(kind, raw, reading)
        except (msgspec.DecodeError, RecursionError):
            record.problems[NOT_JSON, ""] += 1
            continue
        if read is None:
            if kind not in reading.known:
                record.problems[UNKNOWN_TYPE, kind if _NAME_OF_TYPE.fullmatch(kind) else ""] += 1
            continue
        identity, status, resource = read
        if kind in _NOT_DATED:
            _keep(record, kind, identity, ChartEntry(raw, resource))
            continue
        seen = seen_at(kind, resource, raw, reading.zone)
        if seen is None:
            record.problems[UNDATED, kind] += 1
        elif seen > latest:
            record.problems[FUTURE, kind] += 1
        else:
            if kind in ORDER_TYPES and last_day_of(seen_during(kind, resource, raw, reading.zone), reading.zone):
                record.problems[IMPRECISE, kind] += 1
            name = f"{kind}/{identity}" if identity else raw.decode()
            record.seen.setdefault(kind, []).append(SeenResource(raw, resource, seen, name, status))
    if record.person is None:
        record.problems[NO_PERSON, ""] += 1
    for resources in record.seen.values():
        resources.sort(key=_NAME)  # as they come nearly always
        resources.sort(key=_SEEN)
    return record


def _keep(record: PatientRecord, kind: str, identity: str, entry: ChartEntry) -> None:
    """Keeps a resource that is part of the record at all times."""
    if kind == PATIENT:
        record.person = entry
    else:
        of_kind = record.medications if kind == _MEDICATION else record.encounters
        of_kind[identity] = entry.raw


def _type_of(raw: bytes) -> str:
    """The type of a resource, which most say first; ``""`` if it says none."""
    if raw.startswith(_TYPE_FIRST):
        return raw[len(_TYPE_FIRST) : raw.find(b'"', len(_TYPE_FIRST))].decode()
    kind = dated_head(raw).resourceType
    return kind if isinstance(kind, str) else ""


def _read_line(kind: str, raw: bytes, reading: WhatIsRead) -> tuple[str, str, Any] | None:
    """The id and the status of a resource of a type, ``""`` if it has none, and its elements, if they are decoded;
    ``None`` if nothing is read of the type.
    """
    if kind in reading.searched:
        try:
            resource: Any = elements_of(raw, kind)
        except RecursionError:
            resource = None
        if resource is not None:
            return resource.id or "", getattr(resource, "status", None) or "", resource
    elif kind not in _ALWAYS_READ:
        return None
    head = dated_head(raw)
    identity, status = (value if isinstance(value, str) else "" for value in (head.id, head.status))
    return identity, status, None
