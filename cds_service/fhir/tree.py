"""Reading parsed JSON whose shape cannot be trusted.

Draft orders stay whole JSON trees, because an update must give back every element it does not touch (RSP-43).
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import msgspec

from cds_service.fhir.codes import SPELLINGS, canonical, unstated

Node = dict[str, Any]


def copied(tree: Any) -> Any:
    """A JSON tree once more, so that editing it leaves the first one as it is."""
    return msgspec.to_builtins(tree, builtin_types=(Decimal,))


def nodes(node: Any, key: str) -> list[Node]:
    """The objects under ``key``: a list's objects, or a lone object as a list of one."""
    value = node.get(key) if isinstance(node, dict) else None
    if isinstance(value, dict):
        return [value]
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def node(parent: Any, key: str) -> Node:
    """The object under ``key`` (the first of a list), or an empty one."""
    value = parent.get(key) if isinstance(parent, dict) else None
    if isinstance(value, dict):
        return value
    return next((item for item in value if isinstance(item, dict)), {}) if isinstance(value, list) else {}


def text(parent: Any, key: str) -> str:
    """The string under ``key``, or ``""``."""
    value = parent.get(key) if isinstance(parent, dict) else None
    return value if isinstance(value, str) else ""


def strings(parent: Any, key: str) -> list[str]:
    """The strings under ``key`` that are not empty: a list's strings, or a lone string as a list of one."""
    value = parent.get(key) if isinstance(parent, dict) else None
    return [item for item in (value if isinstance(value, list) else [value]) if isinstance(item, str) and item]


def number_text(parent: Any, key: str) -> str:
    """The JSON text of the number under ``key``; ``""`` if there is nothing, quotes kept if it is a string."""
    value = parent.get(key) if isinstance(parent, dict) else None
    if value is None:
        return ""
    if isinstance(value, bool) or not isinstance(value, (int, Decimal)):
        return "not a number"
    return str(value)


def pairs(concept: Any) -> list[tuple[str, str]]:
    """``(system, code)`` of each coding of a CodeableConcept that has both, the system in its canonical spelling.

    Last come the codes without a system whose form tells it (Z42).
    """
    found = nodes(concept, "coding")
    codings = [(text(coding, "system"), text(coding, "code")) for coding in found]
    known = [(SPELLINGS.get(system) or canonical(system), code) for system, code in codings if system and code]
    if len(known) < len(codings):
        all_words = " | ".join([text(concept, "text"), *(text(coding, "display") for coding in found)])
        known += unstated([code for system, code in codings if code and not system], all_words)
    return known


def words(concept: Any) -> str:
    """What a person reads of a CodeableConcept: text, else the first display."""
    return text(concept, "text") or next(
        filter(None, (text(coding, "display") for coding in nodes(concept, "coding"))), ""
    )


def texts(concept: Any) -> list[str]:
    """The text of a CodeableConcept and each display that differs from it."""
    stated = [text(concept, "text"), *(text(coding, "display") for coding in nodes(concept, "coding"))]
    return [written for written in dict.fromkeys(stated) if written]
