"""A draft as people read it: the drug, and the dose, route, interval and length of each step (Z77)."""

from __future__ import annotations

from functools import partial

from cds_service.chart.dosage import dose_in_words
from cds_service.chart.drug import recognise_drug
from cds_service.chart.order import Order, named_routes
from cds_service.content.model import Pack
from cds_service.content.render import plain
from cds_service.fhir.tree import Node, node, text, words
from cds_service.fhir.wording import dosages_in_words, schedule_in_words
from cds_service.vocabulary.declarations import FactDeclaration

_LONGEST_DRUG = 60  # characters
_LONGEST = 200
_MOST_STEPS = 8  # more would not be shown


def order_in_words(pack: Pack, order: Order) -> str:
    """A draft as ``DRUG 1000 mcg IM weekly``; what is not stated is said.

    A drug of which the pack orders one itself has that name, any other the one that the order gives it.
    """
    name = _drug(pack, order) or plain(order.name, _LONGEST_DRUG) or pack.words["order"]
    dosages = [dosage for dosage in order.dosages()[:_MOST_STEPS] if dosage]
    if not dosages:
        return name
    written = [text(dosage, "text") for dosage in dosages if text(dosage, "text")]
    if written and not any("doseAndRate" in dosage or "timing" in dosage for dosage in dosages):
        return plain(f"{name}: {'; '.join(written)}", _LONGEST)
    in_words = dosages_in_words(dosages, partial(_amount, pack, order), partial(_schedule, pack))
    return plain(f"{name} {in_words}", _LONGEST)


def _drug(pack: Pack, order: Order) -> str:
    drug = recognise_drug(order, pack.relevant)
    if drug is None or drug.by_name:
        return ""
    return next((template.name for template in pack.templates.values() if template.agent == drug.agent), "")


def _amount(pack: Pack, order: Order, dosage: Node) -> str:
    return f"{_dose(pack, order, dosage) or pack.words['no-dose']} {_route(pack, dosage) or pack.words['no-route']}"


def _dose(pack: Pack, order: Order, dosage: Node) -> str:
    declared = _declared(pack, "dosage", "dose")
    return dose_in_words(declared, recognise_drug(order, declared.value_sets.values()), dosage) if declared else ""


def _route(pack: Pack, dosage: Node) -> str:
    concept, declared = node(dosage, "route"), _declared(pack, "order", "route")
    named = named_routes(declared.value_sets, concept) if concept and declared else []
    return pack.routes[named[0]] if len(named) == 1 else words(concept)


def _schedule(pack: Pack, dosage: Node) -> str:
    return schedule_in_words(dosage) or pack.words["no-interval"]


def _declared(pack: Pack, kind: str, element: str) -> FactDeclaration | None:
    return next((fact for fact in pack.of_kind.get(kind, ()) if fact.element == element), None)
