"""What a JSON Schema refuses, for people who write the file: what is wrong with it, and what can stand there.

The schemas say what a key is for (``description``) and, beside each pattern, in words what it lets through
(``patternErrorMessage``, by which editors say it too).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from cds_service.content.nearest import instead, nearest
from cds_service.content.schema_keys import described, description_at, shown_path
from cds_service.content.written_numbers import as_written_here

Place = tuple[str | int, ...]
_SHOWN = 60  # characters of a value that are shown
_KINDS = {
    "string": "a text",
    "object": "names and values",
    "array": "a list",
    "boolean": "true or false",
    "integer": "a whole number",
    "number": "a number",
    "null": "nothing",
}


class SchemaFault(Protocol):
    """A ``ValidationError`` of jsonschema, as far as it is looked at here."""

    validator: Any
    validator_value: Any
    instance: Any
    schema: Any
    message: str

    @property
    def absolute_path(self) -> Sequence[str | int]: ...


@dataclass(frozen=True, slots=True)
class Refusal:
    """One thing that is wrong: the keys and indices that lead to it from the top, and a sentence about it."""

    place: Place
    text: str


def refusals_of(fault: SchemaFault, whole: Mapping[str, Any]) -> list[Refusal]:
    """What a fault says in sentences; ``whole`` is the schema of the file. A fault can name several keys at once."""
    place = tuple(fault.absolute_path)
    if fault.validator == "additionalProperties" and isinstance(fault.instance, Mapping):
        known = list(fault.schema.get("properties", {}))
        extra = [key for key in fault.instance if key not in known]
        return [Refusal((*place, str(key)), _unknown_key(str(key), known, place, whole)) for key in extra]
    where = "/".join(map(str, place))
    said = _sentence(fault, place, whole)
    return [Refusal(place, f"{where}: {said}" if where else said)]


def _unknown_key(key: str, known: Sequence[str], place: Place, whole: Mapping[str, Any]) -> str:
    where = f"{'/'.join(map(str, place))}: " if place else ""
    said = f"{where}{key!r} is no key here"
    if not nearest(key, known):
        elsewhere = [path for path, _ in described(whole) if path[-1:] == (key,)]
        if elsewhere:
            return f"{said}; it stands in {shown_path(elsewhere[0][:-1]) or 'the file itself'}"
    return said + instead(key, known, "keys")


def _sentence(fault: SchemaFault, place: Place, whole: Mapping[str, Any]) -> str:
    """What is wrong at ``place``, by the keyword of JSON Schema that says so."""
    value, wanted = fault.instance, fault.validator_value
    match fault.validator:
        case "required":
            missing = [key for key in wanted if key not in value]
            key = next((key for key in missing if f"'{key}'" in fault.message), missing[0] if missing else "")
            what = description_at(whole, (*place, key))
            return f"the key {key!r} is missing{f': {what}' if what else ''}"
        case "dependentRequired":
            pairs = [(key, other) for key, others in wanted.items() if key in value for other in others]
            return "; ".join(
                f"beside {key!r} the key {other!r} is missing" for key, other in pairs if other not in value
            )
        case "enum":
            return f"{_shown(value)} is not one of {_listed(wanted)}{_meant(value, wanted)}"
        case "const":
            if wanted is True:
                return f"only true can stand here, and no key at all for false; not {_shown(value)}"
            return f"only {wanted} can stand here, not {_shown(value)}"
        case "type":
            return _other_type(value, [wanted] if isinstance(wanted, str) else wanted, fault.schema)
        case "pattern":
            words = fault.schema.get("patternErrorMessage", "")
            return f"{_shown(value)} cannot stand here. {words}".rstrip() if value else f"nothing stands here. {words}"
        case "oneOf" | "anyOf" if _is_choice(wanted):
            keys = [key for branch in wanted for key in branch["required"]]
            there = [key for key in keys if isinstance(value, Mapping) and key in value]
            if there:
                return f"only one of these keys can stand here: {', '.join(there)}"
            return f"one of these keys is missing: {', '.join(keys)}"
        case "not":
            return f"{_shown(value)} lets everything through; leave the entry out"
        case _:
            return _of_size(fault, value, wanted)


def _of_size(fault: SchemaFault, value: Any, wanted: Any) -> str:
    """What is wrong with how long, how many or how much."""
    match fault.validator:
        case "minLength":
            return "nothing stands here" if not value else f"at least {wanted} characters are needed, not {len(value)}"
        case "maxLength":
            return f"at most {wanted} characters can stand here, not {len(value)}"
        case "minItems":
            return f"the list needs {_at_least(wanted, 'entry', 'entries')} and has {len(value)}"
        case "maxItems":
            return f"the list can have {wanted} entries at most and has {len(value)}"
        case "minProperties":
            return f"{_at_least(wanted, 'entry', 'entries')} must stand here, and {len(value)} are there"
        case "uniqueItems":
            twice = next((entry for index, entry in enumerate(value) if entry in value[:index]), "")
            return f"{_shown(twice)} stands twice in the list"
        case "minimum":
            return f"{value} is less than {wanted}"
        case "exclusiveMinimum":
            return f"{value} is not above {wanted}"
        case "maximum":
            return f"{value} is more than {wanted}"
        case _:
            return fault.message


def _at_least(count: int, one: str, many: str) -> str:
    return f"at least one {one}" if count == 1 else f"at least {count} {many}"


def _is_choice(branches: Any) -> bool:
    """Whether branches of a schema differ in the keys that they ask for and in nothing else."""
    return all(isinstance(branch, Mapping) and set(branch) == {"required"} for branch in branches)


def _other_type(value: Any, wanted: Sequence[str], schema: Mapping[str, Any]) -> str:
    """A value of another type than can stand at its place, and how it is written."""
    kinds = " or ".join(_KINDS.get(kind, kind) for kind in wanted)
    if value is None:
        return f"nothing stands here; write {kinds}"
    if "boolean" in wanted and isinstance(value, str):
        return f"{_shown(value)} is a text; write true or false, without quotation marks"
    if {"integer", "number"} & set(wanted) and "string" not in wanted and isinstance(value, str):
        if said := as_written_here(value):
            return f"{_shown(value)} is no number; {said}"
        return f"{_shown(value)} is a text; write {kinds} without quotation marks"
    if "string" in wanted:
        if isinstance(value, bool | int | float):
            written = str(value).lower() if isinstance(value, bool) else str(value)
            if not re.search(schema.get("pattern", ""), written):
                return f"{written} cannot stand here. {schema.get('patternErrorMessage', '')}".rstrip()
            return f'{written} is no text here; put it into quotation marks: "{written}"'
        if isinstance(value, Mapping):
            return (
                "what stands in braces is read as names and values, and a text is needed; "
                "put the whole text into quotation marks"
            )
        if isinstance(value, list):
            inner = ", ".join(map(str, value))
            return f"[{_cut(inner)}] is read as a list, and {kinds} is needed; a text stands in quotation marks"
    if "array" in wanted:
        return (
            f"{_shown(value)} is no list; write [{_cut(str(value))}], or each entry on a line that begins with a dash"
        )
    if "object" in wanted:
        return f"names and values are needed, not {_shown(value)}; write key: value, with a space behind the colon"
    return f"{_shown(value)} cannot stand here; {kinds} is needed"


def _meant(value: Any, wanted: Iterable[Any]) -> str:
    near = nearest(value, [str(word) for word in wanted]) if isinstance(value, str) else []
    return f"; did you mean {near[0]!r}?" if near else ""


def _listed(words: Iterable[Any]) -> str:
    return ", ".join(map(str, words))


def _shown(value: Any) -> str:
    """A value as a sentence names it: a text in quotation marks, what is longer than a line cut short."""
    if isinstance(value, str):
        return repr(_cut(value))
    if isinstance(value, bool):
        return str(value).lower()
    if value is None:
        return "nothing"
    if isinstance(value, list):
        return "a list"
    return "names and values" if isinstance(value, Mapping) else _cut(str(value))


def _cut(text: str) -> str:
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 1]}…"
