"""When a resource of an export was first to be seen in the chart, by the dates that it has (docs/population.md)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, tzinfo
from typing import Any

import msgspec

from cds_service.fhir.dates import Span, read_date, read_instant
from cds_service.fhir.lenient import Period
from cds_service.fhir.order_types import ORDER_TYPES, written_element


class DatedHead(msgspec.Struct, gc=False):
    """What any resource says of itself, whatever it is: its type, id and status, and each of its dates as it was sent.

    No member is held to a type, so that one which has another than FHIR gives it hides none of the others.
    """

    resourceType: Any = None
    id: Any = None
    status: Any = None
    meta: Any = None
    issued: Any = None
    effectiveDateTime: Any = None
    effectiveInstant: Any = None
    effectivePeriod: Any = None
    recordedDate: Any = None
    assertedDate: Any = None
    dateRecorded: Any = None
    onsetDateTime: Any = None
    onsetPeriod: Any = None
    authoredOn: Any = None
    dateTime: Any = None
    whenHandedOver: Any = None
    whenPrepared: Any = None
    occurenceDateTime: Any = None
    occurencePeriod: Any = None
    performedDateTime: Any = None
    performedPeriod: Any = None
    occurrenceDateTime: Any = None
    occurrencePeriod: Any = None
    dateAsserted: Any = None


_head = msgspec.json.Decoder(DatedHead)


def dated_head(raw: bytes) -> DatedHead:
    """The head of a resource.

    Raises:
        msgspec.DecodeError, RecursionError: it is no JSON object, or one that is nested too deeply.
    """
    return _head.decode(raw)


_NOT_DECODED = object()
_START, _END = "start", "end"

# By the type of a resource, the elements that say when it was seen, the best one first, and which end of a period.
# https://hl7.org/fhir/R4/observation.html, and the page of each other type; assertedDate and dateRecorded are of STU3
# and DSTU2, occurrence and occurence (so spelled) of R5.
_LISTED = (("recordedDate", ""), ("assertedDate", ""), ("dateRecorded", ""), ("onsetDateTime", ""))
_SEEN: Mapping[str, tuple[tuple[str, str], ...]] = {
    "Observation": (("issued", ""), ("effectiveDateTime", ""), ("effectiveInstant", ""), ("effectivePeriod", _END)),
    "Condition": (*_LISTED, ("onsetPeriod", _START)),
    "AllergyIntolerance": (*_LISTED, ("onsetPeriod", _START)),
    "MedicationDispense": (("whenHandedOver", ""), ("whenPrepared", "")),
    "MedicationAdministration": (
        ("effectiveDateTime", ""),
        ("effectivePeriod", _END),
        ("occurenceDateTime", ""),
        ("occurencePeriod", _END),
    ),
    "MedicationStatement": (("dateAsserted", ""), ("effectiveDateTime", ""), ("effectivePeriod", _START)),
    "Procedure": (
        ("performedDateTime", ""),
        ("performedPeriod", _END),
        ("occurrenceDateTime", ""),
        ("occurrencePeriod", _END),
    ),
    **{kind: ((written_element(kind), ""),) for kind in ORDER_TYPES},
}
_SEEN_FIRST = {kind: elements[0][0] for kind, elements in _SEEN.items()}


def seen_at(kind: str, resource: msgspec.Struct | None, raw: bytes, zone: tzinfo) -> datetime | None:
    """When a resource of a type was seen first, in UTC: the beginning of ``seen_during``; ``None`` without a date."""
    stated = getattr(resource, _SEEN_FIRST.get(kind, ""), None)
    seen = read_instant(stated, zone) if isinstance(stated, str) else None  # as nearly all are told
    if seen is not None:
        return seen
    span = seen_during(kind, resource, raw, zone)
    return span.start if span is not None else None


def seen_during(kind: str, resource: msgspec.Struct | None, raw: bytes, zone: tzinfo) -> Span | None:
    """The date on which a resource of a type was seen first, read in ``zone`` if it has no offset.

    ``None`` if it has no date that can be read. A result is seen when it is issued, and what lasted a while at its end,
    or at its start while it is still under way. The dates are those of ``resource``, as far as it was decoded with
    them, and else those of the JSON in ``raw``.
    """
    told: Any = resource
    for element, end in _SEEN.get(kind, ()):
        stated = getattr(told, element, _NOT_DECODED)
        if stated is _NOT_DECODED:
            told = dated_head(raw)
            stated = getattr(told, element)
        if end and stated is not None:
            stated = _end_of(stated, end)
        span = read_date(stated, zone) if isinstance(stated, str) else None
        if span is not None:
            return span
    return None


def _end_of(period: Any, end: str) -> Any:
    """The end of a Period that is asked for, or its start if that is not stated."""
    if isinstance(period, Period):
        return getattr(period, end) or period.start
    return (period.get(end) or period.get(_START)) if isinstance(period, dict) else None
