"""What was read of one patient: the prefetch, decoded key by key when a fact first asks, and what was fetched.
The states of a key are kept apart: not sent, null, empty, with entries, failed, malformed.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, tzinfo
from enum import StrEnum
from typing import Any, Generic, Literal, TypeVar

import msgspec

from cds_service.fhir import lenient
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


@dataclass(frozen=True, slots=True)
class Results:
    """The resources under one key. ``complete`` is false where there may be more than these.

    ``unreadable`` says that the elements of an entry could not be understood, ``other_patient`` that there was a
    Patient other than that of the context. ``why`` is a key of the pack's ``reasons``, used if nothing was read.
    ``medications`` are the Medications in the same Bundle, to which the resources may refer.
    """

    sent: Sent
    resources: tuple[msgspec.Struct, ...] = ()
    complete: bool = True
    unreadable: bool = False
    other_patient: bool = False
    why: str = "notSent"
    medications: tuple[lenient.Medication, ...] = ()

    @property
    def has_further_pages(self) -> bool:
        """Whether entries are missing only because they stand on further pages."""
        return self.sent is Sent.READ and not self.complete and not self.unreadable


def not_read(declaration: FactDeclaration, results: Iterable[Results]) -> Fact:
    """``unknown``, where a fact's searches were not read, or not to their end; ``results`` are those of each search.

    It names the keys that were neither sent nor fetched, and why.
    """
    missing: dict[str, str] = {}
    reason = None
    for search, result in zip(declaration.searches, results, strict=True):
        if result.sent is not Sent.READ:
            missing[search.key] = result.why
        elif not result.complete:
            reason = Reason("notAllRead")
    return Fact.unknown(*missing, reason=Reason(next(iter(missing.values()))) if missing else reason)


class _BundleLink(msgspec.Struct, gc=False):
    relation: str | None = None


class _Issue(msgspec.Struct, gc=False):
    severity: str | None = None


class _Entry(msgspec.Struct, gc=False):
    resource: msgspec.Raw = msgspec.Raw()


class _Head(msgspec.Struct, gc=False):
    resourceType: str | None = None
    entry: list[_Entry] | None = None
    link: list[_BundleLink] | None = None
    issue: list[_Issue] | None = None


class _EntryOf(msgspec.Struct, Generic[R], gc=False):
    resource: R


class _BundleOf(msgspec.Struct, Generic[R], gc=False):
    """A Bundle whose every entry can be read as one type of resource, as most can."""

    resourceType: Literal["Bundle"]
    entry: list[_EntryOf[R]]
    link: list[_BundleLink] | None = None


class _TypeOnly(msgspec.Struct, gc=False):
    resourceType: str | None = None
    issue: list[_Issue] | None = None


_head = msgspec.json.Decoder(_Head)
_type_only = msgspec.json.Decoder(_TypeOnly)
_medication = msgspec.json.Decoder(lenient.Medication)
_decoders = {name: msgspec.json.Decoder(struct) for name, struct in lenient.TYPES.items()}
_bundles: dict[str, msgspec.json.Decoder[Any]] = {
    name: msgspec.json.Decoder(_BundleOf[struct])  # type: ignore[valid-type]
    for name, struct in lenient.TYPES.items()
}
_FAILURES = frozenset({"error", "fatal"})
_PATIENT = re.compile(r"(?:^|/)Patient/([^/]+)(?:/_history/[^/]+)?$|^urn:uuid:(.+)$")


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
        self._made: dict[tuple[Callable[..., Any], str], Any] = {}
        self.fetched: dict[str, msgspec.Raw] = {}  # undecoded JSON of the keys that were fetched and used

    def results(self, search: Search) -> Results:
        """The resources of this patient under ``search``'s key; those of another subject are left out (Z32)."""
        results = self._results.get(search.key)
        if results is None:
            raw = self._prefetch.get(search.key)
            results = Results(Sent.MISSING, (), False) if raw is None else self._decode(bytes(raw), search)
            self._results[search.key] = results
        return results

    def once(self, work: Callable[[Chart, Search], T], search: Search) -> T:
        """What ``work`` makes of the results of ``search``, made once however many facts ask for it."""
        key = (work, search.key)
        if key not in self._made:
            self._made[key] = work(self, search)
        made: T = self._made[key]
        return made

    def add(self, search: Search, fetched: Fetched) -> None:
        """Takes what was fetched in the place of what was sent, unless it could not be read (PF-20).

        A fetched Patient other than that of the context is not used: the server erred, not the client.
        """
        self._made.clear()
        results = None if fetched.raw is None else self._decode(bytes(fetched.raw), search)
        if results is not None and results.sent is Sent.READ and not results.other_patient:
            self._results[search.key] = results
            self.fetched[search.key] = msgspec.Raw(fetched.raw or b"")
        elif self.results(search).sent is not Sent.READ:
            self._results[search.key] = Results(Sent.FAILED, (), False, why=fetched.problem)

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
        resources = [entry.resource for entry in bundle.entry]
        if any(resource.resourceType != search.resource for resource in resources):
            return None
        more = any(link.relation == "next" for link in bundle.link or ())
        return self._sorted_out(resources, complete=not more, unreadable=False)

    def _by_entry(self, raw: bytes, search: Search) -> Results:
        """Any JSON, each entry decoded alone, so that one that cannot be read does not hide the others."""
        try:
            head = _head.decode(raw)
        except msgspec.DecodeError:
            return Results(Sent.MALFORMED, (), False)
        if head.resourceType == "OperationOutcome":
            return _outcome(head.issue)
        if head.resourceType == search.resource:
            return self._collect([raw], search, complete=True)
        if head.resourceType != "Bundle":
            return Results(Sent.MALFORMED, (), False)
        more = any(link.relation == "next" for link in head.link or ())
        return self._collect([bytes(entry.resource) for entry in head.entry or ()], search, complete=not more)

    def _collect(self, raws: list[bytes], search: Search, *, complete: bool) -> Results:
        resources: list[msgspec.Struct] = []
        medications: list[lenient.Medication] = []
        unreadable = False
        for raw in raws:
            try:
                kind = _type_only.decode(raw)
            except msgspec.DecodeError:
                unreadable = True
                continue
            if kind.resourceType == "OperationOutcome":
                outcome = _outcome(kind.issue)
                if outcome.sent is Sent.FAILED:
                    return outcome
            elif kind.resourceType == search.resource:
                resource = _read(raw, search.resource)
                if resource is None:
                    unreadable = True
                else:
                    resources.append(resource)
            elif kind.resourceType == "Medication":
                try:
                    medications.append(_medication.decode(raw))
                except msgspec.DecodeError:
                    unreadable = True
        sorted_out = self._sorted_out(resources, complete=complete, unreadable=unreadable)
        return replace(sorted_out, medications=tuple(medications))

    def _sorted_out(self, resources: list[msgspec.Struct], *, complete: bool, unreadable: bool) -> Results:
        """The resources of this patient; those of others are left out."""
        ours = tuple(filter(self._is_ours, resources))
        other_patient = len(ours) < len(resources) and any(
            isinstance(resource, lenient.Patient) for resource in resources if not self._is_ours(resource)
        )
        return Results(Sent.READ, ours, complete and not unreadable, unreadable, other_patient)

    def _is_ours(self, resource: msgspec.Struct) -> bool:
        """Whether the resource is of this patient; one without a subject is kept, and is unusable (Z32)."""
        if isinstance(resource, lenient.Patient):
            return resource.id == self.patient_id
        subject = getattr(resource, "patient", None) or getattr(resource, "subject", None)
        if subject is None or not subject.reference or subject.reference == self._reference:
            return True
        return patient_in(subject.reference) == self.patient_id


def _read(raw: bytes, resource: str) -> msgspec.Struct | None:
    try:
        decoded: msgspec.Struct = _decoders[resource].decode(raw)
    except msgspec.DecodeError:
        return None
    return decoded


def _outcome(issues: list[_Issue] | None) -> Results:
    """An OperationOutcome says that a query failed, or, as a mere warning, that it found nothing (PF-22)."""
    failed = not issues or any(issue.severity in _FAILURES or not issue.severity for issue in issues)
    return Results(Sent.FAILED, (), False) if failed else Results(Sent.READ)
