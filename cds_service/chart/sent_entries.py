"""What was sent under one key, decoded: the resources of the patient, and what became of the other entries.

The states of a key are kept apart: not sent, null, empty, with entries, failed, malformed. Every entry under a key is
kept, passed as about something else, or set aside with a reason (Z41).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
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
from cds_service.vocabulary.declarations import Search
from cds_service.vocabulary.facts import Reason

R = TypeVar("R")
D = TypeVar("D")


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


_NOTHING = Results(Sent.READ)  # what was asked for under most keys of most patients


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
MOST_ENTRIES = 20_000  # of one key; more are not read, and the key counts as not read whole (Z94)
_PATIENT = re.compile(r"(?:^|/)Patient/([^/]+)(?:/_history/[^/]+)?$|^urn:uuid:([^/]+)$")


def patient_in(reference: str | None) -> str | None:
    """The id in a relative, absolute or versioned reference to a Patient; ``None`` if it refers to none (Z32)."""
    match = _PATIENT.search(reference or "")
    return match[1] or match[2] if match else None


def decoder_of(resource: str) -> msgspec.json.Decoder[Any]:
    """What decodes one resource of a type that is read from a record, to the elements that are read of it."""
    return _decoders[resource]


class ChartEntry(msgspec.Struct, frozen=True, gc=False):
    """One resource of a record: its JSON, and its elements; ``None`` if these cannot be read."""

    raw: bytes
    resource: msgspec.Struct | None

    @classmethod
    def read(cls, raw: bytes, resource: str) -> ChartEntry:
        """The entry of a resource of a type."""
        return cls(raw, elements_of(raw, resource))


def decoded_medication(raw: bytes) -> Medication | None:
    """A Medication to which other resources may refer; ``None`` if it cannot be read."""
    return decoded(_medication, raw)


def results_of(
    entries: Sequence[ChartEntry], search: Search, patient_id: str, medications: Sequence[Medication] = ()
) -> Results:
    """The results of ``search`` that were decoded before: the same as ``read_results`` gives for a Bundle of them, with
    the ``medications`` to which they may refer beside them.
    """
    if not entries and not medications:
        return _NOTHING
    counted = entries[:MOST_ENTRIES]
    resources = [entry.resource for entry in counted if entry.resource is not None]
    if len(resources) == len(entries) and not medications:  # as nearly all are
        return _sorted_out(resources, search, patient_id, complete=True)
    unreadable = tuple(
        Aside(Kind.SHAPE, Reason("elementNotReadable"), f"{search.key}.entry[{place}]")
        for place, entry in enumerate(counted)
        if entry.resource is None
    )
    complete = not unreadable and len(entries) <= MOST_ENTRIES
    found = _sorted_out(resources, search, patient_id, complete=complete)
    set_aside = (*found.set_aside, *unreadable)
    return replace(found, set_aside=set_aside, elsewhere=len(medications), medications=tuple(medications))


def read_results(raw: bytes, search: Search, patient_id: str) -> Results:
    """The results of ``search`` in its JSON, as it was prefetched or fetched for a patient; nothing that was sent is
    wrong enough to be an error.
    """
    if raw == b"null":
        return _NOTHING
    likely = _alone if search.resource == "Patient" else _whole
    return likely(raw, search, patient_id) or _by_entry(raw, search, patient_id)


def _alone(raw: bytes, search: Search, patient_id: str) -> Results | None:
    """One resource of the search's type, as a Patient is read; ``None`` for anything else."""
    resource: Any = decoded(_decoders[search.resource], raw)
    if resource is None or resource.resourceType != search.resource:
        return None
    return _sorted_out([resource], search, patient_id, complete=True)


def _whole(raw: bytes, search: Search, patient_id: str) -> Results | None:
    """A Bundle with nothing but resources of the search's type, decoded at once; ``None`` for anything else."""
    try:
        bundle = _bundles[search.resource].decode(raw)
    except msgspec.DecodeError:
        return None
    complete = _is_whole(bundle.link, bundle.total, len(bundle.entry), search)
    if complete and not bundle.entry:
        return _NOTHING
    resources = [entry.resource for entry in bundle.entry[:MOST_ENTRIES]]
    for resource in resources:
        if resource.resourceType != search.resource:
            return None
    return _sorted_out(resources, search, patient_id, complete=complete)


def _by_entry(raw: bytes, search: Search, patient_id: str) -> Results:
    """Any JSON, each entry decoded alone, so that one that cannot be read does not hide the others."""
    try:
        head = _head.decode(raw)
    except msgspec.DecodeError:
        return Results(Sent.MALFORMED, (), False, why=_shape_of(raw))
    if head.resourceType == "OperationOutcome":
        return _outcome(head.issue)
    if head.resourceType == search.resource:
        alone = elements_of(raw, search.resource)
        if alone is not None:
            return _sorted_out([alone], search, patient_id, complete=True)
        return _collect([_Entry(msgspec.Raw(raw))], search, patient_id, complete=True)
    if head.resourceType != "Bundle":
        return Results(Sent.MALFORMED, (), False, why=_shape_of(raw))
    entries = head.entry or []
    found = sum(entry.search is None or entry.search.mode != "include" for entry in entries)  # as total counts
    return _collect(entries, search, patient_id, complete=_is_whole(head.link, head.total, found, search))


def _collect(entries: list[_Entry], search: Search, patient_id: str, *, complete: bool) -> Results:
    resources: list[msgspec.Struct] = []
    medications: list[Medication] = []
    immunizations: list[Immunization] = []
    set_aside: list[Aside] = []
    elsewhere = 0
    for place, entry in enumerate(entries[:MOST_ENTRIES]):
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
            resource = elements_of(raw, search.resource)
            if resource is None:
                set_aside.append(Aside(Kind.SHAPE, Reason("elementNotReadable"), at))
            else:
                resources.append(resource)
        elif head.resourceType == "DiagnosticReport" and (report := _results_in(raw, search)) is not None:
            resources.append(report)
        else:
            elsewhere += 1
            if head.resourceType == "Medication":
                medications += filter(None, [decoded(_medication, raw)])
            elif head.resourceType == "Immunization":
                immunization = decoded(_immunization, raw)
                if immunization is not None and _is_ours(immunization, patient_id, f"Patient/{patient_id}"):
                    immunizations.append(immunization)
    sorted_out = _sorted_out(resources, search, patient_id, complete=complete)
    return replace(
        sorted_out,
        complete=sorted_out.complete and not any(aside.kind is Kind.SHAPE for aside in set_aside),
        set_aside=(*sorted_out.set_aside, *set_aside),
        elsewhere=elsewhere,
        medications=tuple(medications),
        immunizations=tuple(immunizations),
    )


def _results_in(raw: bytes, search: Search) -> lenient.Observation | None:
    """A report that contains results, as the whole that they are parts of, where results are searched for."""
    report = decoded(_report, raw) if search.resource == "Observation" else None
    return report.as_observation() if report is not None and isinstance(report.contained, msgspec.Raw) else None


def _sorted_out(resources: list[Any], search: Search, patient_id: str, *, complete: bool) -> Results:
    """The resources of this patient; those of others are set aside."""
    likely, own = resources, f"Patient/{patient_id}"
    if search.resource not in _WITH_PATIENT:  # nearly all of these name the patient in the same few letters
        likely = [r for r in resources if r.subject is None or r.subject.reference != own]
    others = [r for r in likely if not _is_ours(r, patient_id, own)]
    if not others:
        return Results(Sent.READ, tuple(resources), complete)
    set_aside = tuple(
        Aside(Kind.SUBJECT, Reason("otherPatient"), f"{type(r).__name__}/{getattr(r, 'id', None) or '-'}")
        for r in others
    )
    ours = tuple(r for r in resources if _is_ours(r, patient_id, own))
    return Results(Sent.READ, ours, complete, set_aside)


def _is_ours(resource: msgspec.Struct, patient_id: str, own: str) -> bool:
    """Whether the resource is of this patient; one without a subject is kept, and is unusable (Z32)."""
    if isinstance(resource, lenient.Patient):
        return resource.id == patient_id
    subject = getattr(resource, "patient", None) or getattr(resource, "subject", None)
    if subject is None or not subject.reference or subject.reference == own:
        return True
    return patient_in(subject.reference) == patient_id


def undecoded(raw: bytes) -> list[bytes]:
    """The JSON of each resource of a Bundle, or of the one that stands alone."""
    head = decoded(_head, raw)
    return [bytes(entry.resource) for entry in head.entry or ()] if head is not None and head.entry else [raw]


def is_other_patient(results: Results, search: Search) -> bool:
    """Whether a Patient was asked for and another one came."""
    return search.resource == "Patient" and bool(results.of_others)


def _is_whole(link: list[_BundleLink] | None, total: Any, entries: int, search: Search) -> bool:
    """Whether a Bundle holds all that was searched for.

    It does not if there is a next page, if ``total`` is above the number of its entries, or if it has more entries than
    are read. A search for the newest so many results was read whole once that many came, whatever the total is (Z41).
    """
    if entries > MOST_ENTRIES or (link and any(item.relation == "next" for item in link)):
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


def decoded(decoder: msgspec.json.Decoder[D], raw: bytes) -> D | None:
    try:
        return decoder.decode(raw)
    except msgspec.DecodeError:
        return None


def elements_of(raw: bytes, resource: str) -> Any:
    """What is read of one resource of a type that is read from a record; ``None`` if nothing of it can be.

    If only some of its elements cannot be, the others are, and ``unread`` names those (observations only).
    """
    try:
        return _decoders[resource].decode(raw)
    except msgspec.DecodeError:
        return lenient.observation_in_part(raw) if resource == "Observation" else None


def _outcome(issues: list[_Issue] | None) -> Results:
    """An OperationOutcome says that a query failed, or, as a mere warning, that it found nothing (PF-22)."""
    failed = not issues or any(issue.severity in _FAILURES or not issue.severity for issue in issues)
    return Results(Sent.FAILED, (), False, why="queryFailed") if failed else Results(Sent.READ)
