"""The charts of one patient as they were, at one moment after another: what the searches of a content brought then."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Container, Iterable, Mapping, Sequence
from datetime import UTC, datetime, tzinfo
from heapq import heappush, heappushpop
from operator import attrgetter
from typing import Any, NamedTuple
from urllib.parse import parse_qs

from cds_service.chart.record import Chart
from cds_service.chart.sent_entries import ChartEntry
from cds_service.fhir.codes import canonical
from cds_service.fhir.dates import read_date
from cds_service.fhir.lenient import CodeableConcept, many
from cds_service.fhir.order_types import MEDICATION
from cds_service.population.records import PATIENT, PatientRecord, SeenResource
from cds_service.vocabulary.declarations import Search

_SEEN = attrgetter("seen")
_LONG_AGO = datetime.min.replace(tzinfo=UTC)


class _Query(NamedTuple):
    """What the prefetch template of a search asks a FHIR server for; without codes or statuses, for every one."""

    key: str
    codes: frozenset[str]
    statuses: frozenset[str]

    @classmethod
    def of(cls, search: Search) -> _Query:
        """The query of a search."""
        asked = parse_qs(search.template.partition("?")[2])
        codes, statuses = (frozenset(",".join(asked.get(name, ())).split(",")) - {""} for name in ("code", "status"))
        return cls(search.key, codes, statuses)


_ByCode = dict[str, dict[str, list[_Query]]]
"""Queries by the codes that they ask for, and by the systems of these."""


class Queries:
    """What searches ask for, made ready to be put to many records."""

    def __init__(self, searches: Iterable[Search]) -> None:
        self._all: dict[str, list[_Query]] = {}  # by type of resource
        self._by_code: dict[str, _ByCode] = {}
        self.keys: dict[str, Search] = {search.key: search for search in searches}
        for search in self.keys.values():
            query = _Query.of(search)
            if query.codes:
                of_type = self._by_code.setdefault(search.resource, {})
                for code in query.codes:
                    system, _, plain = code.rpartition("|")
                    of_type.setdefault(plain, {}).setdefault(system, []).append(query)
            else:
                self._all.setdefault(search.resource, []).append(query)

    @property
    def types(self) -> frozenset[str]:
        """The types of resource that are searched for."""
        return frozenset(search.resource for search in self.keys.values())

    def answered(self, resources: Mapping[str, Sequence[SeenResource]]) -> dict[str, Sequence[SeenResource]]:
        """What each search that finds any finds among resources by type, by its key and in their order."""
        found: dict[str, Sequence[SeenResource]] = {}
        for kind, of_type in resources.items():
            for key, _, statuses in self._all.get(kind, ()):
                found[key] = [one for one in of_type if one.status in statuses] if statuses else of_type
            by_code = self._by_code.get(kind)
            if by_code is not None:
                found |= _found_by_code(by_code, of_type)
        return found


def _found_by_code(by_code: _ByCode, of_type: Iterable[SeenResource]) -> dict[str, list[SeenResource]]:
    found: dict[str, list[SeenResource]] = {}
    for one in of_type:
        for key, _, statuses in _asking(by_code, one.resource):
            if not statuses or one.status in statuses:
                found.setdefault(key, []).append(one)
    return found


def _asking(by_code: _ByCode, resource: Any) -> Sequence[_Query]:
    """The queries that ask for one of the codes of a resource, in whatever spelling their system was recorded."""
    concept = getattr(resource, "code", None)
    if not isinstance(concept, CodeableConcept):
        return ()
    asking: Sequence[_Query] = ()
    for coding in many(concept.coding):
        by_system = by_code.get(coding.code or "")
        if by_system is not None and coding.system:
            more = by_system.get(coding.system) or by_system.get(canonical(coding.system)) or ()
            asking = [*asking, *(query for query in more if query not in asking)] if asking else more
    return asking


class AskedOfRecord(NamedTuple):
    """What one service asks a record for: the keys of its searches for the ``person``, and of those of its other
    searches to which there is an answer, with nothing ``found`` yet.
    """

    person: Sequence[str]
    found: Mapping[str, Sequence[ChartEntry]]

    @classmethod
    def of(cls, searches: Iterable[Search], exported: Container[str] | None) -> AskedOfRecord:
        """What ``searches`` ask for. Of types that are not ``exported`` nothing is known; ``None`` if all are."""
        person, found = [], {}
        for search in searches:
            if search.resource == PATIENT:
                person.append(search.key)
            elif exported is None or search.resource in exported:
                found[search.key] = ()
        return cls(person, found)


class _Newest:
    """The newest results that a search brought until some moment, the newest first.

    Each result is looked at once, however many moments are asked for: one after another, never an earlier one.
    """

    def __init__(self, found: Sequence[SeenResource], count: int, zone: tzinfo) -> None:
        self._found = found
        self._count = count
        self._zone = zone
        self._next = 0
        self._kept: list[tuple[datetime, int]] = []  # a heap of when it was measured, and its place

    def before(self, moment: datetime) -> Sequence[SeenResource]:
        """The newest of what was seen before ``moment``."""
        while self._next < len(self._found) and self._found[self._next].seen < moment:
            item = self._measured(self._found[self._next]), self._next
            if len(self._kept) < self._count:
                heappush(self._kept, item)
            else:
                heappushpop(self._kept, item)
            self._next += 1
        return [self._found[place] for _, place in sorted(self._kept, reverse=True)]

    def _measured(self, entry: ChartEntry) -> datetime:
        when = getattr(entry.resource, "when", None)
        span = read_date(when(), self._zone) if when is not None else None
        return span.start if span is not None else _LONG_AGO


class PastCharts:
    """What one content finds in the record of a patient, at one moment after another and never at an earlier one."""

    def __init__(self, record: PatientRecord, queries: Queries, zone: tzinfo) -> None:
        self._record = record
        self._queries = queries
        self._zone = zone
        self._medications = record.decoded_medications() if record.medications else ()
        self._as_exported = self._brought(record.seen)
        self._as_active: dict[str, Sequence[SeenResource] | _Newest] | None = None  # is seldom asked for

    def _brought(self, resources: Mapping[str, Sequence[SeenResource]]) -> dict[str, Sequence[SeenResource] | _Newest]:
        """What each search that finds any brings in time, by its key."""
        brought: dict[str, Sequence[SeenResource] | _Newest] = {}
        for key, found in self._queries.answered(resources).items():
            search = self._queries.keys[key]
            is_bounded = search.newest_first and 0 < search.count < len(found)
            brought[key] = _Newest(found, search.count, self._zone) if is_bounded else found
        return brought

    def at(
        self, moment: datetime, asked: AskedOfRecord, left_out: Container[bytes], *, ended_as_active: bool = False
    ) -> Chart:
        """The chart as it was just before ``moment``, as far as it is ``asked`` for.

        ``left_out`` is the JSON of the orders that were drafts then. With ``ended_as_active`` an order that has
        ended since, or had ended before, is taken for active, because an export does not say when it ended.
        """
        found = {**asked.found}
        for key, brought in (self._with_ended_as_active() if ended_as_active else self._as_exported).items():
            if key in found:
                seen = brought.before(moment) if isinstance(brought, _Newest) else _before(brought, moment)
                if left_out and self._queries.keys[key].resource == MEDICATION:
                    seen = [one for one in seen if one.raw not in left_out]
                found[key] = seen
        if self._record.person is not None:
            found.update(dict.fromkeys(asked.person, (self._record.person,)))
        return Chart.of(self._record.patient, found, moment, self._zone, self._medications)

    def _with_ended_as_active(self) -> Mapping[str, Sequence[SeenResource] | _Newest]:
        if self._as_active is None:
            self._as_active = self._brought({MEDICATION: self._record.with_ended_orders_active()})
        return self._as_exported | self._as_active

    def depends_on_ends(self, moment: datetime, left_out: Container[bytes]) -> bool:
        """Whether some order that has ended stands in the chart before ``moment``, so that it matters when it did."""
        return any(
            one.has_ended and one.seen < moment and one.raw not in left_out
            for one in self._record.seen.get(MEDICATION, ())
        )


def _before(found: Sequence[SeenResource], moment: datetime) -> Sequence[SeenResource]:
    """What of resources in the order in which they were seen was seen before ``moment``."""
    if not found or found[-1].seen < moment:
        return found
    return found[: bisect_left(found, moment, key=_SEEN)]
