"""What was read of one patient: the prefetch, decoded key by key when a fact first asks, and what was fetched.
The states of a key are kept apart: not sent, null, empty, with entries, failed, malformed. Every entry under a key is
kept, passed as about something else, or set aside with a reason (Z41).
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Hashable, Iterable, Mapping
from datetime import datetime, tzinfo
from enum import StrEnum
from typing import Any, Generic, Literal, TypeVar

import msgspec
from msgspec.structs import replace

from cds_service.fhir import lenient
from cds_service.fhir.treatments import (
    Immunization,
    Medication,
    MedicationAdministration,
    MedicationDispense,
    MedicationRequest,
    MedicationStatement,
    Procedure,
)
from cds_service.vocabulary.accounting import Aside, Kind
from cds_service.vocabulary.declarations import FactDeclaration, Search
from cds_service.vocabulary.facts import Fact, Reason
from cds_service.vocabulary.fetched import Fetched

R = TypeVar("R")
T = TypeVar("T")


class Sent(StrEnum):
    """What became of one prefetch key."""

    READ = "read"  # the client searched; its result, which may be empty, is known
    MISSING = "missing"  # not sent
    FAILED = "failed"  # the client says that its own query failed
    MALFORMED = "malformed"  # neither a resource nor a Bundle nor null


class Results(msgspec.Struct, frozen=True):
    """The resources of this patient under one key, and what became of the other entries.

    ``complete`` is false where there may be more than these. ``set_aside`` are the entries that are of another patient
    or could not be read, ``elsewhere`` is the number of those of another type. ``why`` is a key of the pack's
    ``reasons``, used if nothing was read. ``medications`` are the Medications in the same Bundle, to which the
    resources may refer, and ``immunizations`` the Immunizations there.
    """

    sent: Sent
    resources: tuple[msgspec.Struct, ...] = ()
    complete: bool = True
    set_aside: tuple[Aside, ...] = ()
    elsewhere: int = 0
    why: str = "notSent"
    medications: tuple[Medication, ...] = ()
    immunizations: tuple[Immunization, ...] = ()

    @property
    def is_empty(self) -> bool:
        """Whether nothing of what was asked for came, nor anything that has to be set aside."""
        return not (self.resources or self.set_aside or self.immunizations)

    @property
    def unreadable(self) -> tuple[Aside, ...]:
        """The entries whose elements could not be understood."""
        return tuple(aside for aside in self.set_aside if aside.kind is Kind.SHAPE)

    @property
    def of_others(self) -> tuple[Aside, ...]:
        """The entries of another patient."""
        return tuple(aside for aside in self.set_aside if aside.kind is Kind.SUBJECT)

    @property
    def has_further_pages(self) -> bool:
        """Whether entries are missing only because they stand on further pages."""
        return self.sent is Sent.READ and not self.complete and not self.unreadable


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


class _BundleLink(msgspec.Struct, gc=False):
    relation: str | None = None


class _Issue(msgspec.Struct, gc=False):
    severity: str | None = None


class _EntryRequest(msgspec.Struct, gc=False):
    method: str | None = None


class _EntrySearch(msgspec.Struct, gc=False):
    mode: str | None = None


class _Entry(msgspec.Struct, gc=False):
    resource: msgspec.Raw = msgspec.Raw()
    request: _EntryRequest | None = None
    search: _EntrySearch | None = None


class _Head(msgspec.Struct, gc=False):
    resourceType: str | None = None
    entry: list[_Entry] | None = None
    link: list[_BundleLink] | None = None
    issue: list[_Issue] | None = None
    total: Any = None


class _EntryOf(msgspec.Struct, Generic[R], gc=False):
    resource: R


class _BundleOf(msgspec.Struct, Generic[R], gc=False):
    """A Bundle whose every entry can be read as one type of resource, as most can."""

    resourceType: Literal["Bundle"]
    entry: list[_EntryOf[R]] = msgspec.field(default_factory=list)
    link: list[_BundleLink] | None = None
    total: Any = None


class _TypeOnly(msgspec.Struct, gc=False):
    resourceType: str | None = None
    issue: list[_Issue] | None = None


_head = msgspec.json.Decoder(_Head)
_type_only = msgspec.json.Decoder(_TypeOnly)
_report = msgspec.json.Decoder(lenient.DiagnosticReport)
_medication = msgspec.json.Decoder(Medication)
_immunization = msgspec.json.Decoder(Immunization)
_TYPES: dict[str, type[msgspec.Struct]] = {
    "Patient": lenient.Patient,
    "Observation": lenient.Observation,
    "Condition": lenient.Condition,
    "AllergyIntolerance": lenient.AllergyIntolerance,
    "Procedure": Procedure,
    "MedicationRequest": MedicationRequest,
    "MedicationDispense": MedicationDispense,
    "MedicationAdministration": MedicationAdministration,
    "MedicationStatement": MedicationStatement,
}
_decoders = {name: msgspec.json.Decoder(struct) for name, struct in _TYPES.items()}
_bundles: dict[str, msgspec.json.Decoder[Any]] = {
    name: msgspec.json.Decoder(_BundleOf[struct])  # type: ignore[valid-type]
    for name, struct in _TYPES.items()
}
_WITH_PATIENT = frozenset({"Patient", "AllergyIntolerance"})  # the others say in their subject whose they are
_FAILURES = frozenset({"error", "fatal"})
_MOST_ENTRIES = 20_000  # of one key; more are not read, and the key counts as not read whole (Z94)
_PATIENT = re.compile(r"(?:^|/)Patient/([^/]+)(?:/_history/[^/]+)?$|^urn:uuid:([^/]+)$")


def patient_in(reference: str | None) -> str | None:
    """The id in a relative, absolute or versioned reference to a Patient; ``None`` if it refers to none (Z32)."""
    match = _PATIENT.search(reference or "")
    return match[1] or match[2] if match else None


class Chart:
    """The record of one patient, as the request brought it and as it was fetched; each key is decoded on demand.

    ``now`` bounds look-backs, ``zone`` is the hospital's time zone, ``prefetch`` maps each key to its undecoded JSON.
    """

    def __init__(self, patient_id: str, prefetch: Mapping[str, msgspec.Raw], now: datetime, zone: tzinfo) -> None:
        self.patient_id = patient_id
        self._reference = f"Patient/{patient_id}"
        self.now = now
        self.zone = zone
        self._prefetch = prefetch
        self._results: dict[str, Results] = {}
        self._looked_at: set[str] = set()
        self._kept: dict[Hashable, Any] = {}
        self._made: dict[tuple[Callable[..., Any], str], Any] = {}
        self.fetched: dict[str, msgspec.Raw] = {}  # undecoded JSON of the keys that were fetched and used

    def results(self, search: Search) -> Results:
        """The resources of this patient under ``search``'s key; those of another subject are left out (Z32)."""
        self._looked_at.add(search.key)
        return self._results.get(search.key) or self.held(search)

    def held(self, search: Search) -> Results:
        """``results`` for whoever fills gaps: nothing is decided by what was only held, so it is not ``looked_at``."""
        results = self._results.get(search.key)
        if results is None:
            raw = self._prefetch.get(search.key)
            results = Results(Sent.MISSING, (), False) if raw is None else self._decode(bytes(raw), search)
            self._results[search.key] = results
        return results

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

    def keep(self, key: Hashable, make: Callable[[], T]) -> T:
        """What ``make`` makes, made once for each key however often it is asked for."""
        if key not in self._kept:
            self._kept[key] = make()
        made: T = self._kept[key]
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
        results = None if fetched.raw is None else self._decode(bytes(fetched.raw), search)
        if results is not None and results.sent is Sent.READ and not _is_other_patient(results, search):
            self._results[search.key] = results
            self.fetched[search.key] = msgspec.Raw(fetched.raw or b"")
        elif self.held(search).sent is not Sent.READ:
            self._results[search.key] = Results(Sent.FAILED, (), False, why=fetched.problem)

    def raw(self, search: Search) -> bytes:
        """The undecoded JSON that the results of ``search`` were read from; empty if there is none."""
        return bytes(self.fetched.get(search.key) or self._prefetch.get(search.key) or b"")

    def _decode(self, raw: bytes, search: Search) -> Results:
        if raw == b"null":
            return Results(Sent.READ)
        return self._whole(raw, search) or self._by_entry(raw, search)

    def _whole(self, raw: bytes, search: Search) -> Results | None:
        """A Bundle with nothing but resources of the search's type, decoded at once; ``None`` for anything else."""
        try:
            bundle = _bundles[search.resource].decode(raw)
        except msgspec.DecodeError:
            return None
        resources = [entry.resource for entry in bundle.entry[:_MOST_ENTRIES]]
        for resource in resources:
            if resource.resourceType != search.resource:
                return None
        complete = _is_whole(bundle.link, bundle.total, len(bundle.entry), search)
        return self._sorted_out(resources, search, complete=complete)

    def _by_entry(self, raw: bytes, search: Search) -> Results:
        """Any JSON, each entry decoded alone, so that one that cannot be read does not hide the others."""
        try:
            head = _head.decode(raw)
        except msgspec.DecodeError:
            return Results(Sent.MALFORMED, (), False, why=_shape_of(raw))
        if head.resourceType == "OperationOutcome":
            return _outcome(head.issue)
        if head.resourceType == search.resource:
            alone = _read(raw, search.resource)
            if alone is not None:
                return self._sorted_out([alone], search, complete=True)
            return self._collect([_Entry(msgspec.Raw(raw))], search, complete=True)
        if head.resourceType != "Bundle":
            return Results(Sent.MALFORMED, (), False, why=_shape_of(raw))
        entries = head.entry or []
        found = sum(entry.search is None or entry.search.mode != "include" for entry in entries)  # as total counts
        return self._collect(entries, search, complete=_is_whole(head.link, head.total, found, search))

    def _collect(self, entries: list[_Entry], search: Search, *, complete: bool) -> Results:
        resources: list[msgspec.Struct] = []
        medications: list[Medication] = []
        immunizations: list[Immunization] = []
        set_aside: list[Aside] = []
        elsewhere = 0
        for place, entry in enumerate(entries[:_MOST_ENTRIES]):
            raw, at = bytes(entry.resource), f"{search.key}.entry[{place}]"
            if not raw:
                deleted = entry.request is not None and entry.request.method == "DELETE"
                kind, key = (Kind.STATUS, "entryDeleted") if deleted else (Kind.SHAPE, "entryEmpty")
                set_aside.append(Aside(kind, Reason(key), at))
                continue
            try:
                head = _type_only.decode(raw)
            except msgspec.DecodeError:
                set_aside.append(Aside(Kind.SHAPE, Reason("elementNotReadable"), at))
                continue
            if head.resourceType == "OperationOutcome":
                outcome = _outcome(head.issue)
                if outcome.sent is Sent.FAILED:
                    return outcome
                elsewhere += 1
            elif head.resourceType == search.resource:
                resource = _read(raw, search.resource)
                if resource is None:
                    set_aside.append(Aside(Kind.SHAPE, Reason("elementNotReadable"), at))
                else:
                    resources.append(resource)
            elif head.resourceType == "DiagnosticReport" and (report := self._results_in(raw, search)) is not None:
                resources.append(report)
            else:
                elsewhere += 1
                if head.resourceType == "Medication":
                    medications += filter(None, [_decoded(_medication, raw)])
                elif head.resourceType == "Immunization":
                    immunizations += filter(self._is_ours, filter(None, [_decoded(_immunization, raw)]))
        sorted_out = self._sorted_out(resources, search, complete=complete)
        return replace(
            sorted_out,
            complete=sorted_out.complete and not any(aside.kind is Kind.SHAPE for aside in set_aside),
            set_aside=(*sorted_out.set_aside, *set_aside),
            elsewhere=elsewhere,
            medications=tuple(medications),
            immunizations=tuple(immunizations),
        )

    def _results_in(self, raw: bytes, search: Search) -> lenient.Observation | None:
        """A report that contains results, as the whole that they are parts of, where results are searched for."""
        report = _decoded(_report, raw) if search.resource == "Observation" else None
        return report.as_observation() if report is not None and isinstance(report.contained, msgspec.Raw) else None

    def _sorted_out(self, resources: list[Any], search: Search, *, complete: bool) -> Results:
        """The resources of this patient; those of others are set aside."""
        likely, own = resources, self._reference
        if search.resource not in _WITH_PATIENT:  # nearly all of these name the patient in the same few letters
            likely = [r for r in resources if r.subject is None or r.subject.reference != own]
        others = [r for r in likely if not self._is_ours(r)]
        if not others:
            return Results(Sent.READ, tuple(resources), complete)
        set_aside = tuple(
            Aside(Kind.SUBJECT, Reason("otherPatient"), f"{type(r).__name__}/{getattr(r, 'id', None) or '-'}")
            for r in others
        )
        return Results(Sent.READ, tuple(filter(self._is_ours, resources)), complete, set_aside)

    def _is_ours(self, resource: msgspec.Struct) -> bool:
        """Whether the resource is of this patient; one without a subject is kept, and is unusable (Z32)."""
        if isinstance(resource, lenient.Patient):
            return resource.id == self.patient_id
        subject = getattr(resource, "patient", None) or getattr(resource, "subject", None)
        if subject is None or not subject.reference or subject.reference == self._reference:
            return True
        return patient_in(subject.reference) == self.patient_id


def repeats_a_member(chart: Chart, search: Search, identity: str) -> bool:
    """Whether the JSON of a resource, found by its id under a key, has a member twice and so says two things (Z45).

    Without an id every resource under the key is looked at.
    """
    mark = f'"{identity}"'.encode() if identity else b""
    return any(_has_twice(raw) for raw in chart.once(_undecoded, search) if mark in raw)


def _undecoded(chart: Chart, search: Search) -> list[bytes]:
    """The JSON of each resource under a key."""
    raw = chart.raw(search)
    head = _decoded(_head, raw)
    return [bytes(entry.resource) for entry in head.entry or ()] if head is not None and head.entry else [raw]


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


def _is_other_patient(results: Results, search: Search) -> bool:
    """Whether a Patient was asked for and another one came."""
    return search.resource == "Patient" and bool(results.of_others)


def _is_whole(link: list[_BundleLink] | None, total: Any, entries: int, search: Search) -> bool:
    """Whether a Bundle holds all that was searched for.

    It does not if there is a next page, if ``total`` is above the number of its entries, or if it has more entries than
    are read. A search for the newest so many results was read whole once that many came, whatever the total is (Z41).
    """
    if entries > _MOST_ENTRIES or (link and any(item.relation == "next" for item in link)):
        return False
    if not isinstance(total, int) or total <= entries:
        return True
    return search.newest_first and entries >= search.count > 0


def _shape_of(raw: bytes) -> str:
    """What stands where a resource or a Bundle should, as a key of the pack's ``reasons`` (Z53)."""
    match raw[:1]:
        case b"[":
            return "sentArray"
        case b'"':
            return "sentText"
        case _:
            return "sentOther"


D = TypeVar("D")


def _decoded(decoder: msgspec.json.Decoder[D], raw: bytes) -> D | None:
    try:
        return decoder.decode(raw)
    except msgspec.DecodeError:
        return None


def _read(raw: bytes, resource: str) -> msgspec.Struct | None:
    """One resource of a type; ``None`` if nothing of it can be read.

    If only some of its elements cannot be, the others are, and ``unread`` names those (observations only).
    """
    decoded: msgspec.Struct | None = _decoded(_decoders[resource], raw)
    if decoded is None and resource == "Observation":
        return lenient.observation_in_part(raw)
    return decoded


def _outcome(issues: list[_Issue] | None) -> Results:
    """An OperationOutcome says that a query failed, or, as a mere warning, that it found nothing (PF-22)."""
    failed = not issues or any(issue.severity in _FAILURES or not issue.severity for issue in issues)
    return Results(Sent.FAILED, (), False, why="queryFailed") if failed else Results(Sent.READ)
