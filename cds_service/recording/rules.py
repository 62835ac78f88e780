"""How each kind of value is written in a de-identified recording.

Nothing of a value is kept but what its rule makes of it: a word of a closed list, a date that was moved, a rounded
number, the place of an id among the others. A value of another JSON type than FHIR gives the element stays one, without
what it says, because it is read as a fault.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Container, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from functools import cache
from typing import Any

import msgspec

from cds_service.fhir import strict
from cds_service.fhir.schedule_words import UNITS
from cds_service.fhir.tree import Node, nodes, text
from cds_service.recording.canonical import (
    OTHER,
    OTHER_SYSTEM,
    Canonical,
    Words,
    rounded,
    rounded_text,
    unit_of_time,
    unit_system,
)
from cds_service.recording.moves import Moves

_REFERENCE = re.compile(r"(?:^|/)([A-Za-z]+)/([^/]+?)(?:/_history/[^/]*)?$")
_UUID = "urn:uuid:"
_UNREAD = "Basic"  # https://hl7.org/fhir/R4/basic.html: the type of FHIR that says nothing


@dataclass(slots=True)
class Rewriter:
    """Writes the elements of one request.

    ``types`` are the types of resource that are named. ``patient`` is the id of its patient and ``new_patient`` the one
    that is written; ``ids`` are the others of the request, each with the one that is written. ``dropped`` counts what
    was left out, by kind.
    """

    canonical: Canonical
    moves: Moves
    types: Container[str]
    patient: str
    new_patient: str
    ids: Mapping[str, str]
    dropped: Counter[str] = field(default_factory=Counter)
    units: dict[str, str] = field(default_factory=dict)
    identifiers: dict[str, str] = field(default_factory=dict)

    def id(self, sent: str) -> str:
        """The new id of a resource."""
        return self.new_patient if sent == self.patient else self.ids.get(sent, OTHER) if sent else ""

    def reference(self, sent: str) -> str:
        """A reference with the new id: relative, contained, by ``urn:uuid:``, or as an id alone."""
        if sent.startswith("#"):
            return f"#{self.id(sent[1:])}"
        if sent.startswith(_UUID):
            return f"{_UUID}{self.id(sent.removeprefix(_UUID))}"
        match = _REFERENCE.search(sent)
        return f"{self.kind(match[1])}/{self.id(match[2])}" if match else self.id(sent)

    def kind(self, resource_type: str) -> str:
        """A type of resource that is named, or the one that stands for all others."""
        return resource_type if resource_type in self.types else _UNREAD

    def unknown_unit(self, spelling: str) -> str:
        """A unit that nobody reads: the same for the same spelling."""
        self.dropped["unit"] += 1
        return self.units.setdefault(spelling, f"{OTHER} {len(self.units) + 1}")

    def identifier(self, sent: str) -> str:
        """A part of a business identifier: the same for the same text."""
        return self.identifiers.setdefault(sent, f"{OTHER}-{len(self.identifiers) + 1}")


def identity_in(reference: str) -> str:
    """The id in a reference of any of the forms that ``Rewriter.reference`` writes."""
    if reference.startswith("#"):
        return reference[1:]
    if reference.startswith(_UUID):
        return reference.removeprefix(_UUID)
    match = _REFERENCE.search(reference)
    return match[2] if match else reference


Rule = Callable[[Rewriter, Any], Any]


def neutral(value: Any) -> Any:
    """A value of the same JSON type that says nothing."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return OTHER if value.strip() else ""
    return {} if isinstance(value, dict) else [] if isinstance(value, list) else 0


# --- rules for single values


def of_strings(write: Callable[[Rewriter, str], str]) -> Rule:
    """A rule for a string or a list of them."""

    def rule(by: Rewriter, value: Any) -> Any:
        if isinstance(value, list):
            return [rule(by, item) for item in value]
        return write(by, value) if isinstance(value, str) else neutral(value)

    return rule


def word_of(known: Container[str], *, folded: bool = False) -> Rule:
    """A word of a closed list; any other becomes ``OTHER``."""

    def write(by: Rewriter, sent: str) -> str:
        read = sent.casefold() if folded else sent
        if read in known:
            return read
        by.dropped["word"] += 1
        return OTHER if sent.strip() else ""

    return of_strings(write)


def _date_of(by: Rewriter, sent: str) -> str:
    written = by.moves.written(sent)
    by.dropped["date"] += written == OTHER
    return written


def unit_of_period(by: Rewriter, sent: str) -> str:
    """A unit of Timing. Another spelling than FHIR's becomes another one than FHIR's, because that is not valid R4."""
    code = unit_of_time(sent)
    if not code:
        by.dropped["unit"] += 1
        return OTHER if sent.strip() else ""
    return code if sent == code else next(word for word, meant in UNITS.items() if meant == code and word != code)


def schedule_text(by: Rewriter, sent: str) -> str:
    return by.canonical.text(by.canonical.schedules, sent)


identity = of_strings(Rewriter.id)
reference_text = of_strings(Rewriter.reference)
date_word = of_strings(_date_of)
birth_date = of_strings(lambda by, sent: by.moves.birth_date(sent))
number_text = of_strings(lambda _, sent: rounded_text(sent))


def type_of(by: Rewriter, value: Any) -> Any:
    return by.kind(value) if isinstance(value, str) else neutral(value)


def flag(_: Rewriter, value: Any) -> Any:
    return neutral(value)


def there(_: Rewriter, value: Any) -> Any:
    """What only matters for being there."""
    return neutral(value)


def modifier(_: Rewriter, value: Any) -> Any:
    return [{"url": OTHER_SYSTEM}] if value else neutral(value)


def number(by: Rewriter, value: Any) -> Any:
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        return number_text(by, value)
    return rounded(Decimal(str(value)) if isinstance(value, float) else value)


def sequence(_: Rewriter, value: Any) -> Any:
    """A place among the steps of a dosage: no order has more than two digits of them."""
    if isinstance(value, bool) or not isinstance(value, int):
        return neutral(value)
    return max(-1, min(value, _MOST_STEPS))


_MOST_STEPS = 99


def times_of_day(by: Rewriter, value: Any) -> Any:
    """Times of day, of which only the number of different ones is read."""
    if not isinstance(value, list):
        return times_of_day(by, [value])[0] if isinstance(value, str) else neutral(value)
    known = sorted({item for item in value if isinstance(item, str) and _TIME_OF_DAY.fullmatch(item)})
    hours = {item: f"{place // _MINUTES:02}:{place % _MINUTES:02}:00" for place, item in enumerate(known)}
    return [hours.get(item, OTHER) if isinstance(item, str) else neutral(item) for item in value]


_TIME_OF_DAY = re.compile(r"\d\d:\d\d(:\d\d(\.\d+)?)?")
_MINUTES = 60


# --- rules for objects


def object_of(members: Mapping[str, Rule], r4: type[msgspec.Struct] | None = None) -> Rule:
    """An object, or a list of them, with no other members than those listed.

    ``r4`` is what a draft must be like so that it can be given back (Z24): where it was not, it is not afterwards.
    """

    def rule(by: Rewriter, value: Any) -> Any:
        if isinstance(value, list):
            return [rule(by, item) for item in value]
        if not isinstance(value, dict):
            return neutral(value)
        kept = {name: write(by, value[name]) for name, write in members.items() if name in value}
        by.dropped["element"] += len(value) - len(kept)
        if value and not kept:
            kept = {list(members)[-1]: None}  # an empty object would be as if there were none
        if r4 is not None and _is_invalid(value, kept, r4):
            kept[OTHER] = True
        return kept

    return rule


def _is_invalid(sent: Node, kept: Node, r4: type[msgspec.Struct]) -> bool:
    """Whether a member of an object is not valid R4 and what is kept of it would be."""
    fields = _types_of(r4)
    for name, value in sent.items():
        if name in _MENDED or (name[:1] == "_" and name[1:] in fields):
            continue
        if name not in fields:
            if name not in kept:
                return True
        elif not _fits(_as_mended(name, value), fields[name]) and (name not in kept or _fits(kept[name], fields[name])):
            return True
    return False


@cache
def _types_of(r4: type[msgspec.Struct]) -> Mapping[str, Any]:
    return {each.encode_name: each.type for each in msgspec.structs.fields(r4)}


# Elements of which a wrong value is left out of what is given back, so that it does no harm.
_MENDED = frozenset({*strict.DATES, "start", "end", "substitution"})
_SUPPLY = ("quantity", "expectedSupplyDuration", "numberOfRepeatsAllowed")


def _as_mended(name: str, value: Any) -> Any:
    if name in strict.REPEATING and isinstance(value, dict):
        return [value]
    if name == "dispenseRequest" and isinstance(value, dict):
        return {key: item for key, item in value.items() if key not in _SUPPLY}
    return value


def _fits(value: Any, expected: Any) -> bool:
    try:
        msgspec.convert(value, expected)
    except msgspec.ValidationError:
        return False
    return True


def quantity(unit: Callable[[Rewriter, str], str], r4: type[msgspec.Struct] | None = None) -> Rule:
    spelled = of_strings(unit)
    members: Mapping[str, Rule] = {
        "value": number,
        "unit": spelled,
        "code": spelled,
        "system": of_strings(lambda _, sent: unit_system(sent)),
        "comparator": word_of({"<", "<=", "=", ">=", ">"}),
    }
    return object_of(members, r4)


def unit_word(by: Rewriter, sent: str) -> str:
    if not sent.strip():
        return sent and " "
    return by.canonical.unit(sent) or by.unknown_unit(sent)


_VOLUMES = frozenset({"mL", "L"})  # over which a strength is stated, also where no fact is a volume


def unit_of_ratio(by: Rewriter, sent: str) -> str:
    """The unit of one part of a ratio: that of an amount, a volume or a time."""
    if not sent.strip():
        return sent and " "
    known = by.canonical.unit(sent) or unit_of_time(sent) or (sent if sent in _VOLUMES else "")
    return known or by.unknown_unit(sent)


def unit_of_length(by: Rewriter, sent: str) -> str:
    return (unit_of_time(sent) or by.unknown_unit(sent)) if sent.strip() else ""


def concept_of(
    words: Callable[[Canonical], Words], flags: frozenset[str] = frozenset(), *, of_schedule: bool = False
) -> Callable[[bool], Rule]:
    """A CodeableConcept whose texts are read by ``words``; the rule for drafts if asked for it with ``True``."""

    def made(draft: bool) -> Rule:
        def coding(by: Rewriter, value: Any, beside: str) -> Any:
            if isinstance(value, list):
                return [coding(by, item, beside) for item in value]
            if not isinstance(value, dict):
                return neutral(value)
            kept = _coding(by, value, beside, words(by.canonical), flags, of_schedule=of_schedule)
            by.dropped["element"] += len(value.keys() - kept.keys())
            if value and not kept:
                kept = {"display": None}
            if draft and _is_invalid(value, kept, strict.R4Coding):
                kept[OTHER] = True
            return kept

        def rule(by: Rewriter, value: Any) -> Any:
            if isinstance(value, list):
                return [rule(by, item) for item in value]
            if not isinstance(value, dict):
                return neutral(value)
            beside = " | ".join([text(value, "text"), *(text(item, "display") for item in nodes(value, "coding"))])
            kept: dict[str, Any] = {}
            if "coding" in value:
                kept["coding"] = coding(by, value["coding"], beside)
            if "text" in value:
                kept["text"] = text_of(by, value["text"], words(by.canonical))
            by.dropped["element"] += len(value) - len(kept)
            if value and not kept:
                kept = {"text": None}
            if draft and _is_invalid(value, kept, strict.R4CodeableConcept):
                kept[OTHER] = True
            return kept

        return rule

    return made


def _coding(
    by: Rewriter, value: Node, beside: str, words: Words, flags: frozenset[str], *, of_schedule: bool
) -> dict[str, Any]:
    """A coding with what stands for its system, its code and its words."""
    kept: dict[str, Any] = {}
    for name in ("system", "code"):
        if name in value:
            kept[name] = neutral(value[name])
    if "display" in value:
        kept["display"] = text_of(by, value["display"], words)
    system, code = text(value, "system"), text(value, "code")
    if system and code:
        kept["system"], kept["code"] = by.canonical.coding(system, code, flags)
        by.dropped["code"] += kept["code"] != code and not by.canonical.is_known(system, code)
        in_words = by.canonical.form_at_site(system, code) if of_schedule else ""
        if in_words:
            kept |= {"system": OTHER_SYSTEM, "code": OTHER, "display": in_words}
    elif code.strip():
        needed = by.canonical.without_system(code, beside)
        kept["code"] = code if needed is not None else by.canonical.text(words, code)
        if needed:
            kept["display"] = needed
    elif system:
        kept["system"] = by.canonical.coding(system, OTHER)[0]
    return kept


def text_of(by: Rewriter, value: Any, words: Words) -> Any:
    if not isinstance(value, str):
        return neutral(value)
    kept = by.canonical.text(words, value)
    by.dropped["text"] += kept == OTHER
    return kept


def status_of(known: frozenset[str]) -> Rule:
    """A status as a CodeableConcept, or as the code alone (STU3)."""

    def write(by: Rewriter, sent: str) -> str:
        read = "-".join(sent.casefold().split())
        if read in known:
            return read
        by.dropped["word"] += 1
        return OTHER if sent.strip() else ""

    word = of_strings(write)
    concept = object_of(
        {"coding": object_of({"system": _system_of_status, "code": word, "display": word}), "text": word}
    )

    def rule(by: Rewriter, value: Any) -> Any:
        return concept(by, value) if isinstance(value, dict) else word(by, value)

    return rule


def _system_of_status(by: Rewriter, value: Any) -> Any:
    return by.canonical.coding(value, OTHER)[0] if isinstance(value, str) and value else neutral(value)
