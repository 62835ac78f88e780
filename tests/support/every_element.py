"""Resources with every element that FHIR R4 and R5 have for their type, all planted with what must not get out."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from itertools import cycle
from typing import Any

from fhir.resources import get_fhir_model_class as r5_class
from fhir.resources.R4B import get_fhir_model_class as r4_class

NAME = "Zyxwvutson"
NUMBER = "741007213"  # as of a social security number
DAY = "2044-09-13"  # later than any date that the fixtures have
TEXTS = (
    NAME,
    f"JANE-{NAME}-{DAY}",
    "741-00-7213",
    f"MRN{NUMBER}",
    f"{NAME}/{NUMBER}",
    f"https://ehr.example/{NAME}/Patient/{NUMBER}",
    f"urn:oid:{NUMBER}",
    f"#{NAME}",
    f"B12 {NAME} 1000 mcg injection",
    f"10*9/L{{{NAME}}}",
    f"<{NUMBER}",
    f"every {NUMBER} days",
    DAY,
    f"{DAY}T07:41:07.{NUMBER}Z",
)
NUMBERS = (int(NUMBER), float(f"22.{NUMBER}"), float(f"0.{NUMBER}"))

_COMPLEX = re.compile(r"(?:abc\.|\b)(\w+)Type\b")
_DEEPEST = 4
_MARKS = (NAME.casefold(), DAY, DAY.replace("-", ""), "13.09.2044", "09/13/2044", "13/09/2044")
_DIGITS = re.compile(r"\d[\d\-./ ,]*")
_FEWEST_DIGITS = 7  # of a number that is found again; fewer stand in some random name now and then


def finds(data: str) -> list[str]:
    """What of the planted stands in a text, in whatever case, and of numbers and dates in whatever spelling."""
    said = data.casefold()
    found = [mark for mark in _MARKS if mark in said]
    runs = ("".join(filter(str.isdigit, run)) for run in _DIGITS.findall(data))
    return found + [run for run in runs if NUMBER[:_FEWEST_DIGITS] in run]


def planted(resource_type: str, *, extended: bool = True) -> Iterator[dict[str, Any]]:
    """A resource with every element that R4 has for its type, and one with every element of R5.

    Unless ``extended``, only the resource itself has extensions: a draft with hundreds of them is refused (Z94).
    """
    for class_of in (r4_class, r5_class):
        yield {"resourceType": resource_type, **_members(class_of, resource_type, 0, extended=extended)}


def _members(class_of: Callable[[str], Any], name: str, depth: int, *, extended: bool) -> dict[str, Any]:
    """The members of a type, all there at once: which text stands in which goes round."""
    texts, numbers = cycle(TEXTS[depth:] + TEXTS[:depth]), cycle(NUMBERS)
    members = {}
    for field in class_of(name).model_fields.values():
        kind, element = str(field.annotation), field.alias or ""
        is_extension = element.startswith("_") or "ExtensionType" in kind
        if element in _NO_ELEMENTS or not element or (is_extension and depth and not extended):
            continue
        said = {"url": next(texts), "valueString": next(texts)}  # an extension may hold anything
        if element.startswith("_"):
            value: Any = {"id": NAME, "extension": [said]}
        elif "ExtensionType" in kind:
            value = said
        elif complex_type := _COMPLEX.search(kind):
            if depth == _DEEPEST or complex_type[1] in _OF_ANY_KIND:
                continue
            value = _members(class_of, complex_type[1], depth + 1, extended=extended)
        elif "datetime" in kind:
            value = DAY
        elif "bool" in kind:
            value = True
        else:
            value = next(numbers) if "Decimal" in kind or "int" in kind.split("Annotated", 1)[-1][:4] else next(texts)
        members[element] = [value] if "List" in kind else value
    return members


_NO_ELEMENTS = ("resource_type", "resourceType", "fhir_comments")
_OF_ANY_KIND = ("Resource", "FHIRPrimitiveExtension")
