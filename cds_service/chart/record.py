"""What was read of one patient: the prefetch, decoded key by key when a fact first asks, and what was fetched.
Every state a key can be in is told apart (conformance 5.2): not sent, null, empty, found, failed, malformed.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
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

    READ = "read"  # the client looked; what it found (also nothing) is known
    MISSING = "missing"  # not sent
    FAILED = "failed"  # the client says that its own query failed
    MALFORMED = "malformed"  # neither a resource nor a Bundle nor null


@dataclass(frozen=True, slots=True)
class Results:
    """The resources under one key. ``complete`` is false when there may be more than these.

    ``unreadable`` says that an entry was there whose elements could not be understood, ``other_patient`` that a
    Patient was there who is not the one of the context. ``why`` is the reason why nothing was read.
    """

    sent: Sent
    resources: tuple[msgspec.Struct, ...] = ()
    complete: bool = True
    unreadable: bool = False
    other_patient: bool = False
    why: str = "notSent"

    @property
    def has_further_pages(self) -> bool:
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
_decoders = {name: msgspec.json.Decoder(struct) for name, struct in lenient.TYPES.items()}
_bundles: dict[str, msgspec.json.Decoder[Any]] = {
    name: msgspec.json.Decoder(_BundleOf[struct])  # type: ignore[valid-type]
    for name, struct in lenient.TYPES.items()
}
_FAILURES = frozenset({"error", "fatal"})
_PATIENT = re.compile(r"(?:^|/)Patient/([^/]+)(?:/_history/[^/]+)?$")


def patient_in(reference: str | None) -> str | None:
    """The id in a relative, absolute or versioned reference to a Patient (Z32)."""
    match = _PATIENT.search(reference or "")
    return match[1] if match else None


class Chart:
    """What a request brought about its patient, read on demand, and what was fetched beside it.

    ``now`` bounds look-backs; ``zone`` is the hospital's; ``prefetch`` maps each key to its undecoded JSON.
    """

    def __init__(self, patient_id: str, prefetch: Mapping[str, msgspec.Raw], now: datetime, zone: tzinfo) -> None:
        self.patient_id = patient_id
        self._reference = f"Patient/{patient_id}"
        self.now = now
        self.zone = zone
        self._prefetch = prefetch
        self._results: dict[str, Results] = {}
        self._made: dict[tuple[Callable[..., Any], str], Any] = {}
        self.fetched: dict[str, msgspec.Raw] = {}  # what was used of it, as it came

    def results(self, search: Search) -> Results:
        """The resources of this patient under ``search``'s key; those of another subject are left out (Z32)."""
        found = self._results.get(search.key)
        if found is None:
            raw = self._prefetch.get(search.key)
            found = Results(Sent.MISSING, (), False) if raw is None else self._decode(bytes(raw), search)
            self._results[search.key] = found
        return found

    def once(self, work: Callable[[Chart, Search], T], search: Search) -> T:
        """What ``work`` makes of the results of ``search``, made once however many facts ask for it."""
        key = (work, search.key)
        if key not in self._made:
            self._made[key] = work(self, search)
        made: T = self._made[key]
        return made

    def add(self, search: Search, fetched: Fetched) -> None:
        """Takes what was fetched in the place of what was sent, unless it brought nothing (PF-20).

        A Patient who is another than the one of the context is nobody's fault but the server's: not read.
        """
        self._made.clear()
        found = None if fetched.raw is None else self._decode(bytes(fetched.raw), search)
        if found is not None and found.sent is Sent.READ and not found.other_patient:
            self._results[search.key] = found
            self.fetched[search.key] = msgspec.Raw(fetched.raw or b"")
        elif self.results(search).sent is not Sent.READ:
            self._results[search.key] = Results(Sent.FAILED, (), False, why=fetched.why)

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
        """Anything, each entry decoded by itself, so that one that cannot be read does not hide the others."""
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
        found: list[msgspec.Struct] = []
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
                    found.append(resource)
        return self._sorted_out(found, complete=complete, unreadable=unreadable)

    def _sorted_out(self, resources: list[msgspec.Struct], *, complete: bool, unreadable: bool) -> Results:
        ours = tuple(filter(self._is_ours, resources))
        strangers = len(ours) < len(resources) and any(
            isinstance(resource, lenient.Patient) for resource in resources if not self._is_ours(resource)
        )
        return Results(Sent.READ, ours, complete and not unreadable, unreadable, strangers)

    def _is_ours(self, resource: msgspec.Struct) -> bool:
        """Whether the resource is of this patient; one without a subject is kept, to be found unusable (Z32)."""
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
