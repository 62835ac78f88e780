"""Which version of its resource a line is, as it says in ``meta``: text that sorts as the versions came."""

from __future__ import annotations

import re
from datetime import UTC
from typing import Any

import msgspec

from cds_service.fhir.dates import read_date

_INSTANT = re.compile(  # as nearly all are written
    r"(\d{4}-(?:0[1-9]|1[0-2])-(?:[0-2]\d|3[01])T(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d)(\.\d+)?(?:Z|\+00:00)", re.ASCII
)
_NOT_STATED = msgspec.Raw()
_MOST_DIGITS = 64  # of an id: https://hl7.org/fhir/R4/datatypes.html#id


class Meta(msgspec.Struct, gc=False):
    """What is read of the element. No member is held to a type, so that a wrong one spoils no other element."""

    lastUpdated: Any = None
    versionId: msgspec.Raw = _NOT_STATED


AnyMeta = Meta | list[Any] | str | float | bool | None
"""The element as it may come: what is no ``Meta`` says nothing of the version."""


def with_meta(struct: type[msgspec.Struct]) -> type[msgspec.Struct]:
    """The same elements of a resource, under the same name, and its ``meta``."""
    return msgspec.defstruct(struct.__name__, [("meta", AnyMeta, None)], bases=(struct,), gc=False)


def version_of(meta: Any) -> str:
    """When the line was updated last, in UTC, and then the number of its version. Of two versions of one resource that
    which came later has the greater text; what is not stated, or cannot be read, comes before all that is.

    A part of a second stands behind the Z, and the number behind a ``#``, because these sort after the end of the text
    and in this order.
    """
    if not isinstance(meta, Meta):
        return ""
    updated = meta.lastUpdated
    if not (isinstance(updated, str) and updated[19:] == "Z" and updated[10] == "T"):  # as most are written
        updated = _in_utc(updated)
    return updated if meta.versionId is _NOT_STATED else updated + _numbered(bytes(meta.versionId))


def _in_utc(stated: Any) -> str:
    if not isinstance(stated, str):
        return ""
    match = _INSTANT.fullmatch(stated)
    if match is None:
        span = read_date(stated, UTC)
        match = _INSTANT.fullmatch(span.start.isoformat()) if span is not None else None
    return f"{match[1]}Z{(match[2] or '').rstrip('.0')}" if match is not None else ""


def _numbered(stated: bytes) -> str:
    """A whole number, sent as text or as a number, behind the count of its digits, so that 10 comes after 9."""
    digits = stated.strip(b'"').lstrip(b"0")
    return f"#{len(digits):02}{digits.decode()}" if digits.isdigit() and len(digits) <= _MOST_DIGITS else ""
