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
from cds_service.fhir.codes import SPELLINGS, canonical
from cds_service.fhir.dates import read_date
from cds_service.fhir.lenient import CodeableConcept, many
from cds_service.fhir.order_types import MEDICATION
from cds_service.population.records import PATIENT, PatientRecord, SeenResource
from cds_service.vocabulary.declarations import Search

_SEEN = attrgetter("seen")
_LONG_AGO = datetime.min.replace(tzinfo=UTC)


class _Query(NamedTuple):
    """What the prefetch template of a search asks a FHIR server for; without codes or statuses, for every one."""

    search: Search
    codes: frozenset[str]
    statuses: frozenset[str]

    @classmethod
    def of(cls, search: Search) -> _Query:
        """The query of a search."""
        asked = parse_qs(search.template.partition("?")[2])
        codes, statuses = (frozenset(",".join(asked.get(name, ())).split(",")) - {""} for name in ("code", "status"))
        return cls(search, codes, statuses)

    def takes(self, resource: SeenResource) -> bool:
        """Whether a resource of its type, and of its codes, has a status that is asked for."""
        return not self.statuses or resource.status in self.statuses


class Queries:
    """What searches ask for, made ready to be put to many records."""

    def __init__(self, searches: Iterable[Search]) -> None:
        self._all: dict[str, list[_Query]] = {}  # by type of resource
        self._by_code: dict[str, dict[str, list[_Query]]] = {}
        self.keys: dict[str, Search] = {search.key: search for search in searches}
        for query in map(_Query.of, self.keys.values()):
            if query.codes:
                of_type = self._by_code.setdefault(query.search.resource, {})
                for code in query.codes:
                    of_type.setdefault(code, []).append(query)
            else:
                self._all.setdefault(query.search.resource, []).append(query)

    @property
    def types(self) -> frozenset[str]:
        """The types of resource that are searched for."""
        return frozenset(search.resource for search in self.keys.values())

    def answered(self, resources: Mapping[str, Sequence[SeenResource]]) -> dict[str, list[SeenResource]]:
        """What each search finds among resources by type, by its key and in their order."""
        found: dict[str, list[SeenResource]] = {}
        for kind, of_type in resources.items():
            for query in self._all.get(kind, ()):
                found[query.search.key] = [one for one in of_type if query.takes(one)] if query.statuses else [*of_type]
            by_code = self._by_code.get(kind)
            if by_code is not None:
                for one in of_type:
                    asking = [query for code in _codes(one.entry.resource) for query in by_code.get(code, ())]
                    for query in asking if len(asking) < 2 else {query.search.key: query for query in asking}.values():
                        if query.takes(one):
                            found.setdefault(query.search.key, []).append(one)
        return found


def _codes(resource: Any) -> list[str]:
    """The codes of a resource as a search by code names them, in whatever spelling their system was recorded."""
    concept = getattr(resource, "code", None)
    if not isinstance(concept, CodeableConcept):
        return []
    return [
        f"{SPELLINGS.get(coding.system) or canonical(coding.system)}|{coding.code}"
        for coding in many(concept.coding)
        if coding.system and coding.code
    ]


class _Every:
    """All that a search brought until some moment."""

    def __init__(self, found: Sequence[SeenResource]) -> None:
        self._found = found

    def before(self, moment: datetime) -> Sequence[SeenResource]:
        """What was seen before ``moment``."""
        return self._found[: bisect_left(self._found, moment, key=_SEEN)]


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
            item = self._measured(self._found[self._next].entry), self._next
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

    def __init__(self, record: PatientRecord, queries: Queries, zone: tzinfo, exported: Container[str] | None) -> None:
        self._record = record
        self._queries = queries
        self._zone = zone
        self._exported = exported
        self._medications = record.decoded_medications()
        self._as_exported = self._walks(record.seen)
        active = record.with_ended_orders_active()
        self._as_active = self._walks({MEDICATION: active} if active else {})

    def _walks(self, resources: Mapping[str, Sequence[SeenResource]]) -> dict[str, _Every | _Newest]:
        walks: dict[str, _Every | _Newest] = {}
        for key, found in self._queries.answered(resources).items():
            search = self._queries.keys[key]
            bounded = search.newest_first and 0 < search.count < len(found)
            walks[key] = _Newest(found, search.count, self._zone) if bounded else _Every(found)
        return walks

    def at(
        self, moment: datetime, searches: Iterable[Search], left_out: Container[bytes], *, ended_as_active: bool = False
    ) -> Chart:
        """The chart as it was just before ``moment``, as far as ``searches`` ask for it.

        ``left_out`` is the JSON of the orders that were drafts then. With ``ended_as_active`` an order that has
        ended since, or had ended before, is taken for active, because an export does not say when it ended.
        """
        found: dict[str, list[ChartEntry]] = {}
        for search in searches:
            if search.resource == PATIENT:
                if self._record.person is not None:
                    found[search.key] = [self._record.person]
                continue
            if self._exported is not None and search.resource not in self._exported:
                continue
            walk = (ended_as_active and self._as_active.get(search.key)) or self._as_exported.get(search.key)
            seen = walk.before(moment) if walk else ()
            if left_out and search.resource == MEDICATION:
                seen = [one for one in seen if one.entry.raw not in left_out]
            found[search.key] = [one.entry for one in seen]
        return Chart.of(self._record.patient, found, moment, self._zone, self._medications)

    def depends_on_ends(self, moment: datetime, left_out: Container[bytes]) -> bool:
        """Whether some order that has ended stands in the chart before ``moment``, so that it matters when it did."""
        return bool(self._as_active) and any(
            one.has_ended and one.seen < moment and one.entry.raw not in left_out
            for one in self._record.seen.get(MEDICATION, ())
        )
