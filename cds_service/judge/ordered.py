"""A draft as people read it: the drug, and the dose, route, interval and length of each step (Z77)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from cds_service.chart.dosage import dose_as_ordered, dose_in_words
from cds_service.chart.drug import recognise_drug
from cds_service.chart.order import Order, routes_of
from cds_service.content.model import Pack
from cds_service.content.render import plain
from cds_service.fhir.tree import Node, node, text, words
from cds_service.fhir.wording import (
    dosages_in_words,
    length_in_words,
    rate_in_words,
    schedule_in_words,
    timing_in_words,
)
from cds_service.vocabulary.declarations import FactDeclaration

_LONGEST_DRUG = 60  # characters
_LONGEST = 200
_MOST_STEPS = 8  # more would not be shown


@dataclass(frozen=True, slots=True)
class OrderedStep:
    """One step of a dosage: dose, route, how often and how long, each in words, and ``""`` where it is not stated.

    ``written`` is the text of the step where it says more than these do, or all there is.
    """

    dose: str
    route: str
    how_often: str
    how_long: str
    written: str = ""


def drug_in_words(pack: Pack, order: Order) -> str:
    """What is ordered: a drug as the pack calls it, if it orders one itself, anything else as the order does."""
    return _drug(pack, order) or plain(order.name, _LONGEST_DRUG) or pack.words["order"]


def steps_in_words(pack: Pack, order: Order) -> list[OrderedStep]:
    """The steps of an order's dosage, in sequence."""
    return [_step(pack, order, dosage) for dosage in order.dosages()[:_MOST_STEPS] if dosage]


def _step(pack: Pack, order: Order, dosage: Node) -> OrderedStep:
    said, timing, written = pack.dosage_words, node(dosage, "timing"), plain(text(dosage, "text"), _LONGEST)
    dose, route = plain(_dose(pack, order, dosage)), plain(_route(pack, order, dosage))
    how_often, how_long = plain(timing_in_words(said, timing)), plain(length_in_words(said, node(timing, "repeat")))
    if any((dose, how_often, how_long)):  # what the text says beyond the structure, as texts made of it end
        structure = dosages_in_words(said, [dosage])
        written = written.removeprefix(structure).strip() if structure and written.startswith(structure) else ""
    return OrderedStep(dose, route, how_often, how_long, written)


def order_in_words(pack: Pack, order: Order) -> str:
    """A draft as ``DRUG 1000 mcg IM weekly``; what is not stated is said.

    A drug of which the pack orders one itself has that name, any other the one that the order gives it. A drug with
    which the pack's own orders are to be compared has their unit, any other the unit that it was ordered in (Z76).
    """
    name = drug_in_words(pack, order)
    dosages = [dosage for dosage in order.dosages()[:_MOST_STEPS] if dosage]
    if not dosages:
        return name
    written = [text(dosage, "text") for dosage in dosages if text(dosage, "text")]
    if written and not any("doseAndRate" in dosage or "timing" in dosage for dosage in dosages):
        return plain(f"{name}: {'; '.join(written)}", _LONGEST)
    in_words = dosages_in_words(pack.dosage_words, dosages, partial(_amount, pack, order), partial(_schedule, pack))
    return plain(f"{name} {in_words}", _LONGEST)


def _drug(pack: Pack, order: Order) -> str:
    drug = recognise_drug(order, pack.drugs)
    if drug is None or drug.by_name:
        return ""
    return next((template.name for template in pack.templates.values() if template.agent == drug.agent), "")


def _amount(pack: Pack, order: Order, dosage: Node) -> str:
    dose = _dose(pack, order, dosage) or pack.words["no-dose"]
    route = _route(pack, order, dosage) or pack.words["no-route"]
    return f"{dose} {route} {rate_in_words(pack.dosage_words, dosage)}".rstrip()


def _dose(pack: Pack, order: Order, dosage: Node) -> str:
    declared = _declared(pack, "dosage", "dose")
    if declared is None:
        return ""
    in_words = dose_in_words if _is_ordered_here(pack, order) else dose_as_ordered
    return in_words(declared, order, dosage)


def _is_ordered_here(pack: Pack, order: Order) -> bool:
    """Whether the pack orders a drug of the kind itself: another agent of the same value set is compared with it."""
    agents = {template.agent for template in pack.templates.values() if template.agent}
    kinds = [kind for kind in pack.drugs if recognise_drug(order, [kind]) is not None]
    return any(concept.agent in agents for kind in kinds for concept in kind.codes.values())


def _route(pack: Pack, order: Order, dosage: Node) -> str:
    concept, declared = node(dosage, "route"), _declared(pack, "order", "route")
    stated = next((route for route in routes_of(order) if route.concept is concept), None)
    named = stated.named(declared.value_sets) if stated is not None and declared is not None else []
    return pack.routes[named[0]] if len(named) == 1 else words(concept)


def _schedule(pack: Pack, dosage: Node) -> str:
    return schedule_in_words(pack.dosage_words, dosage) or pack.words["no-interval"]


def _declared(pack: Pack, kind: str, element: str) -> FactDeclaration | None:
    return next((fact for fact in pack.of_kind.get(kind, ()) if fact.element == element), None)
