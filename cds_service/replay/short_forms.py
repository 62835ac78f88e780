"""The short words of a course as FHIR R4: what they mean stands in ``fixtures/short-forms.yaml``.

Everything raises ``ValueError`` with a sentence for who wrote the course: which word is not known, and which are.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any

from cds_service.replay.input_files import read_yaml

FILE = "short-forms.yaml"
_PLACE = re.compile(r"\{\{(\w+)\}\}")
_AMOUNT = re.compile(r"(<=|>=|<|>)?\s*(\d+(?:\.\d+)?)\s+(\S+)(?:\s+(\S+))?")
_EVERY = re.compile(r"(?:(\d+(?:\.\d+)?)\s+)?(\w+)")
_NOTHING: Any = object()
DOSE_KEYS = ("dose", "route", "every", "frequency", "count", "for")


@dataclass(frozen=True, slots=True)
class ShortForms:
    """The content of the file; ``words`` is its whole tree."""

    words: Mapping[str, Any]

    def named(self, kind: str, name: str, values: Mapping[str, Any]) -> dict[str, Any]:
        """The resource of a kind that has names: ``problem``, ``procedure``, ``allergy`` or ``result``."""
        form = self.words[kind]
        overlay = _one_of(form["names"], name, kind)
        return {**self._filled(form["resource"], values), **overlay}

    def plain(self, kind: str, values: Mapping[str, Any]) -> dict[str, Any]:
        """The resource, or the members, of a kind without names: ``person``, ``given``, ``signed`` and so on."""
        return self._filled(self.words[kind], values)

    def drug(self, name: str) -> Mapping[str, Any]:
        """The CodeableConcept of a drug."""
        concept: Mapping[str, Any] = _one_of(self.words["drugs"], name, "drug")
        return concept

    def route(self, name: str | None) -> Mapping[str, Any] | None:
        """The CodeableConcept of a route; ``None`` for none."""
        return None if name is None else _one_of(self.words["routes"], name, "route")

    def result(self, text: str) -> dict[str, Any]:
        """What ``236 10*9/L`` or ``< 10 10*9/L low`` means: the members ``value``, a Quantity, and ``flag``."""
        match = _AMOUNT.fullmatch(text.strip())
        if match is None:
            raise ValueError(f"{text!r} is no result: write a number, a unit and, if it has one, its flag")
        comparator, number, unit, flag = match.groups()
        quantity = {"value": _number(number), **_one_of(self.words["units"], unit, "unit")}
        return {
            "value": quantity | ({"comparator": comparator} if comparator else {}),
            "flag": _one_of(self.words["flags"], flag, "flag") if flag else None,
        }

    def dose(self, text: str | None) -> dict[str, Any] | None:
        """The Quantity of ``1000 mcg``; ``None`` for none."""
        if text is None:
            return None
        match = _AMOUNT.fullmatch(text.strip())
        if match is None or match[1] or match[4]:
            raise ValueError(f"{text!r} is no dose: write a number and a unit")
        return {"value": _number(match[2]), **_one_of(self.words["units"], match[3], "unit")}

    def dosage(self, said: Mapping[str, Any]) -> dict[str, Any] | None:
        """The Dosage of ``{dose, route, every, frequency, count, for}``; ``None`` if nothing of it is said."""
        parts = {key: said[key] for key in DOSE_KEYS if said.get(key) is not None}
        if not parts:
            return None
        period, unit = self._length(parts["every"]) if "every" in parts else (None, None)
        bound, bound_unit = self._length(parts["for"]) if "for" in parts else (None, None)
        values = {
            "words": _in_words(parts),
            "frequency": parts.get("frequency", 1 if period is not None else None),
            "period": period,
            "periodUnit": unit,
            "count": parts.get("count"),
            "for": None if bound is None else {**self.dose_unit(bound_unit), "value": bound},
            "route": self.route(parts.get("route")),
            "dose": self.dose(parts.get("dose")),
        }
        return self._filled(self.words["dosage"], values)

    def dose_unit(self, unit: str | None) -> dict[str, Any]:
        """The unit of a length of time as the members of a Duration, with the code system of every other unit."""
        system = next(iter(self.words["units"].values()))["system"]
        return {"unit": unit, "system": system, "code": unit}

    def _length(self, text: Any) -> tuple[int | float, str]:
        match = _EVERY.fullmatch(str(text).strip())
        if match is None:
            raise ValueError(f"{text!r} is no length of time: write a number and one of {_list(self.words['lengths'])}")
        return _number(match[1] or "1"), str(_one_of(self.words["lengths"], match[2], "length of time"))

    def _filled(self, tree: Any, values: Mapping[str, Any]) -> dict[str, Any]:
        filled = _filled(tree, values)
        return {} if filled is _NOTHING else dict(filled)


def short_forms(fixtures: Path) -> ShortForms:
    """The short forms of a folder ``fixtures``.

    Raises:
        ValueError: they are not there, or no YAML.
    """
    file = fixtures / FILE
    try:
        return _read(file, file.stat().st_mtime_ns)
    except FileNotFoundError:
        raise ValueError(f"{file}: not there, and courses are written in its words") from None


@cache
def _read(file: Path, _: int) -> ShortForms:
    return ShortForms(iso(read_yaml(file).tree))


def iso(tree: Any) -> Any:
    """A tree of YAML with its dates as ISO text, which JSON has instead."""
    if isinstance(tree, dict):
        return {key: iso(value) for key, value in tree.items()}
    if isinstance(tree, list):
        return [iso(item) for item in tree]
    return tree.isoformat() if isinstance(tree, date) else tree


def _filled(tree: Any, values: Mapping[str, Any]) -> Any:
    """``tree`` with its places filled in; what comes to hold nothing is left out."""
    if isinstance(tree, dict):
        members = {key: _filled(value, values) for key, value in tree.items()}
        members = {key: value for key, value in members.items() if value is not _NOTHING}
        return members or (_NOTHING if tree else {})
    if isinstance(tree, list):
        items = [item for item in (_filled(item, values) for item in tree) if item is not _NOTHING]
        return items or (_NOTHING if tree else [])
    if not isinstance(tree, str) or not (places := _PLACE.findall(tree)):
        return tree
    if any(values.get(place) is None for place in places):
        return _NOTHING
    if tree == f"{{{{{places[0]}}}}}":
        return values[places[0]]
    return _PLACE.sub(lambda match: str(values[match[1]]), tree)


def _in_words(parts: Mapping[str, Any]) -> str:
    every = str(parts.get("every", ""))
    often = f"{parts['frequency']} times every {every}" if "frequency" in parts and every else f"every {every}"
    count = f"{parts['count']} doses" if "count" in parts else ""
    length = f"for {parts['for']}" if "for" in parts else ""
    return " ".join(filter(None, [parts.get("dose"), parts.get("route"), often if every else "", count, length]))


def _one_of(known: Mapping[str, Any], name: Any, what: str) -> Any:
    if not isinstance(name, str) or name not in known:
        raise ValueError(f"{name!r} is no {what}; known are {_list(known)}")
    return known[name]


def _list(names: Iterable[str]) -> str:
    return ", ".join(names)


def _number(text: str) -> int | float:
    return float(text) if "." in text else int(text)
