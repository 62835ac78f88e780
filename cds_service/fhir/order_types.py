"""The types of order that can be judged, and where each says for whom it is, what it orders and when.

Sources: https://hl7.org/fhir/R4/medicationrequest.html, https://hl7.org/fhir/R4/servicerequest.html and
https://hl7.org/fhir/R4/nutritionorder.html. What R5 writes in another way is read too: a concept inside of a
CodeableReference (https://hl7.org/fhir/R5/servicerequest.html), the subject of a NutritionOrder and the timing of its
schedules (https://hl7.org/fhir/R5/nutritionorder.html). How a drug is named is read in ``chart.order``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from cds_service.fhir.tree import Node, node, nodes, text

MEDICATION, SERVICE, NUTRITION = "MedicationRequest", "ServiceRequest", "NutritionOrder"
ORDER_TYPES = (MEDICATION, SERVICE, NUTRITION)

# Where an order says for whom it is; the first is that of R4.
_SUBJECTS: Mapping[str, tuple[str, ...]] = {NUTRITION: ("patient", "subject")}
# The elements that name a product in words alone, by the element that it is a part of.
_PRODUCTS = {"supplement": ("type", "productName"), "enteralFormula": ("baseFormulaType", "baseFormulaProductName")}


class Item(NamedTuple):
    """One thing that an order of a test or of nutrition orders: what names it, and when it is to be done.

    ``schedules`` are in the shape of a dosage, each with a ``timing``. ``days`` are dates, and Periods of which the
    start counts, as they were sent.
    """

    concept: Node
    schedules: tuple[Node, ...] = ()
    days: tuple[Any, ...] = ()


def subject_element(kind: str) -> str:
    """The element of an order of this type that says for whom it is, in R4."""
    return _SUBJECTS.get(kind, ("subject",))[0]


def written_element(kind: str) -> str:
    """The element of an order of this type that says when it was written. R4 demands that of a NutritionOrder."""
    return "dateTime" if kind == NUTRITION else "authoredOn"


def subjects_of(order: Node) -> dict[str, str]:
    """For whom an order is, by each element that says so: the reference that stands there, ``""`` for none."""
    elements = _SUBJECTS.get(text(order, "resourceType"), ("subject",))
    stated = [name for name in elements if name in order] or elements[:1]
    return {name: text(node(order, name), "reference") for name in stated}


def items_of(order: Node) -> tuple[Item, ...]:
    """What an order of a test or of nutrition orders; nothing for an order of another type.

    A ServiceRequest orders one thing, whether or not it says which. A NutritionOrder orders a diet, supplements and a
    formula, each with schedules of its own.
    """
    match text(order, "resourceType"):
        case "ServiceRequest":
            days = [order[name] for name in ("occurrenceDateTime", "occurrencePeriod") if name in order]
            schedules = [{"timing": order["occurrenceTiming"]}] if "occurrenceTiming" in order else []
            return (Item(_concept(node(order, "code")), tuple(schedules), tuple(days)),)
        case "NutritionOrder":
            return tuple(_of_nutrition(order))
        case _:
            return ()


def naming_concept(order: Node) -> Node:
    """The first concept in an order that names what it orders, itself and no copy; an empty one if there is none."""
    match text(order, "resourceType"):
        case "ServiceRequest":
            return _concept(node(order, "code"))
        case "NutritionOrder":
            concepts = (node(part, name) for part, name, _ in _parts(order))
            return next((_concept(concept) for concept in concepts if concept), {})
        case _:
            return node(order, "medicationCodeableConcept")


def _of_nutrition(order: Node) -> Iterator[Item]:
    for part, name, product in _parts(order):
        schedules = tuple(_schedules(nodes(part, "administration") if name == "baseFormulaType" else [part]))
        if name == "type" and not product:  # a diet may be of several types at once
            for concept in nodes(part, name):
                yield Item(_concept(concept), schedules)
        else:
            yield Item(_with_product(_concept(node(part, name)), text(part, product)), schedules)


def _parts(order: Node) -> Iterator[tuple[Node, str, str]]:
    """The parts of a NutritionOrder, each with the elements of its concept and of its product, ``""`` for none."""
    for diet in nodes(order, "oralDiet"):
        yield diet, "type", ""
    for element, (name, product) in _PRODUCTS.items():
        for part in nodes(order, element):
            yield part, name, product


def _concept(value: Node) -> Node:
    """A CodeableConcept, as it stands or in a CodeableReference of R5."""
    return node(value, "concept") if "concept" in value else value


def _with_product(concept: Node, product: str) -> Node:
    """A concept with the name of a product among its words."""
    if not product:
        return concept
    return {**concept, "coding": [*nodes(concept, "coding"), {"display": product}]}


def _schedules(holders: Iterable[Node]) -> Iterator[Node]:
    """The schedules in parts of a NutritionOrder; what is there and is none is kept, and cannot be read."""
    for holder in holders:
        value = holder.get("schedule")
        for entry in value if isinstance(value, list) else [value]:
            if isinstance(entry, dict) and "timing" in entry:
                yield from ({"timing": timing} for timing in nodes(entry, "timing") or [entry["timing"]])
            elif entry is not None:
                yield {"timing": entry}
