"""What was read of one patient: the prefetch, decoded key by key when a fact first asks, and what was fetched."""

from __future__ import annotations

import json
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from datetime import date, datetime, tzinfo
from typing import Any, TypeVar, TypeVarTuple

import msgspec

from cds_service.chart.sent_entries import (
    ChartEntry,
    Results,
    Sent,
    is_other_patient,
    read_results,
    results_of,
    undecoded,
)
from cds_service.fhir.treatments import Medication
from cds_service.vocabulary.declarations import FactDeclaration, Search
from cds_service.vocabulary.facts import Fact, Reason
from cds_service.vocabulary.fetched import Fetched

T = TypeVar("T")
Ts = TypeVarTuple("Ts")


def not_read(declaration: FactDeclaration, results: Iterable[Results]) -> Fact:
    """``unknown``, where a fact's searches were not read, or not to their end; ``results`` are those of each search.

    It names the keys that were neither sent nor fetched, and why; one that is optional is no reason (Z55).
    """
    missing: dict[str, str] = {}
    reason = None
    for search, result in zip(declaration.searches, results, strict=True):
        if result.sent is not Sent.READ:
            if not search.optional:
                missing[search.key] = result.why
        elif not result.complete:
            reason = Reason("notAllRead")
    return Fact.unknown(*missing, reason=Reason(next(iter(missing.values()))) if missing else reason)


class Chart:
    """The record of one patient, as the request brought it and as it was fetched; each key is decoded on demand.

    ``now`` bounds look-backs, ``zone`` is the hospital's time zone, ``prefetch`` maps each key to its undecoded JSON.
    """

    def __init__(self, patient_id: str, prefetch: Mapping[str, msgspec.Raw], now: datetime, zone: tzinfo) -> None:
        self.patient_id = patient_id
        self.now = now
        self.zone = zone
        self._prefetch = prefetch
        self._record: Mapping[str, Sequence[ChartEntry]] = {}
        self._medications: Sequence[Medication] = ()
        self._results: dict[str, Results] = {}
        self._looked_at: set[str] = set()
        self._kept: dict[Hashable, Any] = {}
        self._made: dict[tuple[Callable[..., Any], str], Any] = {}
        self._today: date | None = None
        self.fetched: dict[str, msgspec.Raw] = {}  # undecoded JSON of the keys that were fetched and used

    @classmethod
    def of(
        cls,
        patient_id: str,
        record: Mapping[str, Sequence[ChartEntry]],
        now: datetime,
        zone: tzinfo,
        medications: Sequence[Medication] = (),
    ) -> Chart:
        """The record of a patient whose resources were decoded before: under the key of each search what it brings.

        ``medications`` are those to which the resources may refer. It is read as if the same had been prefetched.
        """
        chart = cls(patient_id, {}, now, zone)
        chart._record, chart._medications = record, medications
        return chart

    @property
    def today(self) -> date:
        """The day of ``now`` in the hospital's time zone."""
        if self._today is None:
            self._today = self.now.astimezone(self.zone).date()
        return self._today

    def results(self, search: Search) -> Results:
        """The resources of this patient under ``search``'s key; those of another subject are left out (Z32)."""
        self._looked_at.add(search.key)
        return self._results.get(search.key) or self.held(search)

    def held(self, search: Search) -> Results:
        """``results`` for whoever fills gaps: nothing is decided by what was only held, so it is not ``looked_at``."""
        results = self._results.get(search.key)
        if results is None:
            results = self._results[search.key] = self._read(search)
        return results

    def _read(self, search: Search) -> Results:
        raw = self._prefetch.get(search.key)
        if raw is not None:
            return read_results(bytes(raw), search, self.patient_id)
        if search.key in self._record:
            medications = self._medications if search.resource.startswith("Medication") else ()
            return results_of(self._record[search.key], search, self.patient_id, medications)
        return Results(Sent.MISSING, (), False)

    def looked_at(self, searches: Iterable[Search]) -> list[Search]:
        """Those of ``searches`` whose results were asked for so far."""
        return [search for search in searches if search.key in self._looked_at]

    def once(self, work: Callable[[Chart, Search], T], search: Search) -> T:
        """What ``work`` makes of the results of ``search``, made once however many facts ask for it."""
        key = (work, search.key)
        made: T | None = self._made.get(key)
        if made is None:
            made = self._made[key] = work(self, search)
        return made

    def keep(self, key: Hashable, make: Callable[[*Ts], T], *given: *Ts) -> T:
        """What ``make`` makes of what it is given, made once for each key however often it is asked for."""
        made: T | None = self._kept.get(key)
        if made is None:
            made = self._kept[key] = make(*given)
        return made

    def has_made(self, work: Callable[[Chart, Search], Any], search: Search) -> bool:
        """Whether ``once`` was asked for ``work`` already."""
        return (work, search.key) in self._made

    def forget(self) -> None:
        """Begins anew with what is held: nothing was made of it and nothing was looked at."""
        self._made.clear()
        self._kept.clear()
        self._looked_at.clear()

    def add(self, search: Search, fetched: Fetched) -> None:
        """Takes what was fetched in the place of what was sent, unless it could not be read (PF-20).

        A fetched Patient other than that of the context is not used: the server erred, not the client.
        """
        self.forget()
        results = None if fetched.raw is None else read_results(bytes(fetched.raw), search, self.patient_id)
        if results is not None and results.sent is Sent.READ and not is_other_patient(results, search):
            self._results[search.key] = results
            self.fetched[search.key] = msgspec.Raw(fetched.raw or b"")
        elif self.held(search).sent is not Sent.READ:
            self._results[search.key] = Results(Sent.FAILED, (), False, why=fetched.problem)

    def undecoded(self, search: Search) -> list[bytes]:
        """The JSON of each resource under the key of ``search``."""
        if search.key in self._record and search.key not in self.fetched:
            return [entry.raw for entry in self._record[search.key]]
        return undecoded(bytes(self.fetched.get(search.key) or self._prefetch.get(search.key) or b""))


def repeats_a_member(chart: Chart, search: Search, identity: str) -> bool:
    """Whether the JSON of a resource, found by its id under a key, has a member twice and so says two things (Z45).

    Without an id every resource under the key is looked at.
    """
    mark = f'"{identity}"'.encode() if identity else b""
    return any(_has_twice(raw) for raw in chart.once(Chart.undecoded, search) if mark in raw)


class _MemberTwiceError(ValueError):
    """An object of JSON names a member twice."""


def _refuse_twice(pairs: list[tuple[str, Any]]) -> None:
    if len({name for name, _ in pairs}) < len(pairs):
        raise _MemberTwiceError


def _has_twice(raw: bytes) -> bool:
    """Whether an object in the JSON names a member twice."""
    if _can_be_written_again(raw):
        return False
    try:
        json.loads(raw, object_pairs_hook=_refuse_twice, parse_int=str, parse_float=str)  # no number is counted
    except _MemberTwiceError:
        return True
    return False


def _can_be_written_again(raw: bytes) -> bool:
    """Whether what was read of JSON is written as it was sent, blanks left aside. Of two members of one name only one
    is read, so no object in such JSON names a member twice. It costs a third of looking at each member.
    """
    try:
        again = msgspec.json.encode(msgspec.json.decode(raw))
    except msgspec.DecodeError:
        return False
    return again == raw or again == msgspec.json.format(raw, indent=-1)
