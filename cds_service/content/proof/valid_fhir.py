"""Is a resource valid FHIR R4? What fhir.resources refuses, in sentences that name the element, and what it lets pass.

It takes a number that is written as a text, and does not look at required bindings, though it lists their codes.
This imports fhir.resources, which takes about a second and which a serving process never does (Z27).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any, NamedTuple

from cds_service.content.nearest import instead
from cds_service.fhir.schedule_words import WHEN

_ELEMENT_TYPE = re.compile(r"(\w+)Type\b")
_CHOICE = re.compile(r"list \[([^\]]*)\]")
_MORE = "+"  # stands at the end of a list of codes that goes on elsewhere
# Required bindings whose codes fhir.resources does not list, by the type and the element.
_BINDINGS: Mapping[tuple[str, str], Sequence[str]] = {("TimingRepeat", "when"): sorted(WHEN)}
_WANTED = {
    "int_type": "a whole number",
    "int_parsing": "a whole number",
    "int_from_float": "a whole number",
    "string_type": "a text",
    "list_type": "a list",
    "bool_type": "true or false",
    "bool_parsing": "true or false",
    "decimal_type": "a number",
    "decimal_parsing": "a number",
    "json_invalid": "an object",
    "model_type": "an object",
}
_LONGEST = 60  # characters of a value that are shown


class FhirFault(NamedTuple):
    """What keeps a resource from being valid: the keys and indices that lead to the element, and a sentence."""

    place: tuple[str | int, ...]
    text: str

    def __str__(self) -> str:
        return f"{'/'.join(map(str, self.place))}: {self.text}" if self.place else self.text


def fhir_faults(resource: Mapping[str, Any]) -> list[FhirFault]:
    """What keeps a resource from being valid FHIR R4, and every entry if it is a Bundle; nothing of a valid one."""
    faults = [
        FhirFault(("entry", number, "resource", *fault.place), fault.text)
        for number, entry in enumerate(_entries(resource))
        if isinstance(entry, Mapping) and isinstance(entry.get("resource"), Mapping)
        for fault in fhir_faults(entry["resource"])
    ]
    return faults or list(_faults(resource))


def _entries(resource: Mapping[str, Any]) -> Sequence[Any]:
    entries = resource.get("entry") if resource.get("resourceType") == "Bundle" else None
    return entries if isinstance(entries, list) else ()


def _faults(resource: Mapping[str, Any]) -> Iterator[FhirFault]:
    from fhir.resources.R4B import get_fhir_model_class
    from pydantic import ValidationError

    unknown = list(_unknown_resources(resource, ()))
    if "resourceType" not in resource:
        unknown.append(FhirFault(("resourceType",), "it is missing"))
    if unknown:
        yield from unknown
        return
    try:
        valid = get_fhir_model_class(resource["resourceType"]).model_validate(resource)
    except ValidationError as error:
        for refused in error.errors():
            place = tuple(refused["loc"])
            yield FhirFault(place, _sentence(resource, place, refused))
        return
    yield from _let_pass(valid, resource, ())


def _unknown_resources(tree: Any, place: tuple[str | int, ...]) -> Iterator[FhirFault]:
    """Whatever calls itself a resource and is none of FHIR R4, at which fhir.resources would break off."""
    if isinstance(tree, Mapping):
        if "resourceType" in tree and not _is_resource(tree["resourceType"]):
            yield FhirFault((*place, "resourceType"), f"{_shown(tree['resourceType'])} is no resource of FHIR R4")
        for name, value in tree.items():
            yield from _unknown_resources(value, (*place, name))
    elif isinstance(tree, list):
        for number, value in enumerate(tree):
            yield from _unknown_resources(value, (*place, number))


def _is_resource(kind: Any) -> bool:
    from fhir.resources.R4B import get_fhir_model_class

    try:
        return isinstance(kind, str) and issubclass(get_fhir_model_class(kind), get_fhir_model_class("Resource"))
    except ValueError:
        return False


def _sentence(resource: Mapping[str, Any], place: tuple[str | int, ...], refused: Mapping[str, Any]) -> str:
    said, value = str(refused["msg"]).removeprefix("Value error, "), refused["input"]
    if refused["type"] == "extra_forbidden":
        holder, name = _type_at(resource, place[:-1]), str(place[-1])
        return f"{holder} has no such element{instead(name, _elements(holder), 'elements')}"
    if refused["type"].endswith(".missing"):
        return "it is missing"
    if wanted := _WANTED.get(refused["type"]):
        return f"{wanted} is needed, not {_shown(value)}"
    if refused["type"].startswith("string_"):
        return f"{_shown(value)} cannot stand there"
    if "does not match spec regex" in said:
        what = said.partition(" ")[0]
        return f"{_shown(value)} is no {'number' if what == 'Decimal' else f'{what} of FHIR'}"
    if found := _CHOICE.search(said):
        names = ", ".join(re.findall(r"\w+", found[1]))
        return f"only one of {names} can stand there" if "multiple" in said else f"one of {names} is missing"
    return said


def _shown(value: Any) -> str:
    if isinstance(value, Mapping):
        return "an object"
    if isinstance(value, list):
        return "a list"
    said = repr(value)
    return said if len(said) <= _LONGEST else f"{said[: _LONGEST - 1]}…"


def _type_at(resource: Mapping[str, Any], place: Sequence[str | int]) -> str:
    """The type of the element at a place in a resource; that of the nearest around it, where it has none of its own."""
    from fhir.resources.R4B import get_fhir_model_class

    tree: Any = resource
    kind = resource["resourceType"]
    for step in place:
        tree = tree[step]
        if isinstance(step, str):
            fields = {field.alias or name: field for name, field in get_fhir_model_class(kind).model_fields.items()}
            found = _ELEMENT_TYPE.search(str(fields[step].annotation)) if step in fields else None
            kind = found[1] if found else kind
        if isinstance(tree, Mapping) and "resourceType" in tree:
            kind = tree["resourceType"]
    return str(kind)


def _elements(kind: str) -> list[str]:
    from fhir.resources.R4B import get_fhir_model_class

    return list(get_fhir_model_class(kind).elements_sequence())


def _let_pass(valid: Any, written: Any, place: tuple[str | int, ...]) -> Iterator[FhirFault]:
    """Numbers that are written as texts, and codes that a required binding does not have."""
    if isinstance(written, Mapping):
        for name, value in written.items():
            field = type(valid).model_fields.get(name)
            if field is None or not hasattr(valid, name):
                continue
            extra = field.json_schema_extra
            codes = _BINDINGS.get((type(valid).__name__, name)) or (extra or {}).get("enum_values", [])
            yield from _outside(value, codes, (*place, name))
            yield from _let_pass(getattr(valid, name), value, (*place, name))
    elif isinstance(written, list) and isinstance(valid, list):
        for number, (one, value) in enumerate(zip(valid, written, strict=True)):
            yield from _let_pass(one, value, (*place, number))
    elif isinstance(written, str) and isinstance(valid, bool | int | float | Decimal):
        kind = "true or false" if isinstance(valid, bool) else "a number"
        yield FhirFault(place, f"{_shown(written)} is a text; write {kind} without quotation marks")


def _outside(value: Any, codes: Sequence[str], place: tuple[str | int, ...]) -> Iterator[FhirFault]:
    if not codes or _MORE in codes:
        return
    for one in value if isinstance(value, list) else [value]:
        if isinstance(one, str) and one not in codes:
            meant = instead(one, codes, "codes").partition("; did you mean ")
            near = f"; did you mean {meant[2]}" if meant[2] else ""
            yield FhirFault(place, f"{_shown(one)} is not one of {', '.join(codes)}{near}")
