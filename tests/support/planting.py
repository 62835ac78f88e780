"""Requests with values of a patient that cannot be mistaken: every one of them holds ``WORD`` or ``DIGITS``."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

WORD = "planted"
PERSON = f"{WORD}-person"
DIGITS = "00741007"  # at the end of results; neither a time nor a count ends like this
BORN = "1961-02-27"
# What is a code, a unit or structure, which rules must recognise.
_STRUCTURE = frozenset(
    [
        "resourceType",
        "type",
        "status",
        "intent",
        "code",
        "system",
        "unit",
        "comparator",
        "use",
        "mode",
        "url",
        "priority",
        "gender",
        "relation",
        "periodUnit",
        "durationUnit",
        "dayOfWeek",
        "when",
        "hook",
    ]
)
_NAMES = frozenset(["display", "text"])  # by which drugs are recognised that are not coded
_DATE = re.compile(r"\d{4}(-\d\d(-\d\d(T\S+)?)?)?")
_REFERENCE = re.compile(r"([A-Z][A-Za-z]+/)(\S+)")

DEMOGRAPHICS: Mapping[str, Any] = {
    "identifier": [{"system": "urn:oid:1.2.3", "value": f"{PERSON}-number"}],
    "name": [{"text": f"Dr {PERSON}", "family": PERSON, "given": [f"{PERSON}-given"]}],
    "telecom": [{"system": "email", "value": f"{PERSON}@example.org"}, {"system": "phone", "value": PERSON}],
    "address": [{"line": [f"{PERSON} street 1"], "city": PERSON, "postalCode": PERSON}],
    "contact": [{"name": {"family": PERSON}}],
    "photo": [{"title": PERSON, "data": PERSON}],
    "maritalStatus": {"text": PERSON},
    "generalPractitioner": [{"reference": f"Practitioner/{PERSON}", "display": PERSON}],
}
_BESIDE: Mapping[str, Any] = {
    "text": {"status": "generated", "div": f"<div>{PERSON}</div>"},
    "note": [{"text": f"free words about {PERSON}", "authorString": PERSON}],
    "identifier": [{"value": PERSON}],
    "extension": [{"url": "https://example.org/extension", "valueString": PERSON}],
    "performer": [{"reference": f"Practitioner/{PERSON}", "display": PERSON}],
    "requester": {"reference": f"Practitioner/{PERSON}", "display": PERSON},
    "recorder": {"display": PERSON},
}


def planted(request: Mapping[str, Any], *, names: bool = False, codes: bool = False) -> dict[str, Any]:
    """A call with planted ids, people, free text and results; codes and what structure needs stay.

    With ``names`` the words of drugs and problems are planted too, with ``codes`` every text that is not a date.
    """
    call = _walk(request, "", names or codes, codes)
    call["hook"], call["hookInstance"] = request["hook"], f"{WORD}-instance"
    call["context"]["userId"] = f"Practitioner/{PERSON}"
    call["context"]["encounterId"] = f"{PERSON}-encounter"
    call["extension"] = {"com.example.words": PERSON}
    _tell_more(call)
    return call


def _walk(tree: Any, key: str, names: bool, codes: bool) -> Any:
    if isinstance(tree, Mapping):
        walked = {name: _walk(value, name, names, codes) for name, value in tree.items()}
        if key == "valueQuantity" and "value" in walked:
            walked["value"] = _number(walked["value"])
        if tree.get("resourceType") == "Patient" and isinstance(tree.get("id"), str):
            walked["id"] = f"{PERSON}-{tree['id']}"
        return walked
    if isinstance(tree, list):
        return [_walk(item, key, names, codes) for item in tree]
    if not isinstance(tree, str):
        return tree
    if key == "birthDate":
        return BORN
    if key == "resourceType" or _DATE.fullmatch(tree):
        return tree
    if key == "patientId":
        return f"{PERSON}-{tree}"
    if key == "id":
        return f"{WORD}-{tree}"
    if key in ("reference", "selections"):
        if tree.startswith("#"):
            return f"#{WORD}-{tree[1:]}"
        return _REFERENCE.sub(rf"\1{PERSON if tree.startswith('Patient/') else WORD}-\2", tree)
    if key in _NAMES:
        return f"{tree} {WORD}" if names else tree
    if key in _STRUCTURE:
        return f"{tree}-{WORD}" if codes else tree
    return f"{tree} {WORD}"


def _number(value: Any) -> Any:
    """The same amount, but for a tail that can be told again."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return value
    return float(f"{int(value)}.{DIGITS}")


def _tell_more(tree: Any) -> None:
    if isinstance(tree, list):
        for item in tree:
            _tell_more(item)
    elif isinstance(tree, dict):
        for value in list(tree.values()):
            _tell_more(value)
        kind = tree.get("resourceType")
        if isinstance(kind, str) and kind not in ("Bundle", "OperationOutcome"):
            for name, value in _BESIDE.items():
                tree.setdefault(name, value)
        if kind == "Patient":
            tree.update(DEMOGRAPHICS)
        if kind == "OperationOutcome":
            tree["issue"] = [{**issue, "diagnostics": PERSON, "details": {"text": PERSON}} for issue in tree["issue"]]


def finds(data: bytes | str) -> list[str]:
    """What of the planted is in there, each with what stands around it."""
    text = data.decode("utf-8", "replace") if isinstance(data, bytes) else data
    said = text.casefold()
    found = []
    for mark in (WORD, DIGITS, BORN):
        at = said.find(mark)
        if at >= 0:
            found.append(text[max(at - 80, 0) : at + 80])
    return found
