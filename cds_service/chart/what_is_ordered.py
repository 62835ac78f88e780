"""What an order of any type orders: a drug, or a test or nutrition. Whoever asks need not know which type it is."""

from __future__ import annotations

from collections.abc import Collection

from cds_service.chart import drug, items
from cds_service.chart.order import Order
from cds_service.fhir.tree import words
from cds_service.vocabulary.accounting import Aside
from cds_service.vocabulary.declarations import FactDeclaration, ValueSet
from cds_service.vocabulary.facts import PRESENT, Evidence, Fact


def recognise_ordered(order: Order, value_sets: Collection[ValueSet]) -> drug.Drug | items.KnownItem | None:
    """What of the value sets an order orders; ``None`` if it is nothing of them."""
    if order.is_of_a_drug:
        return drug.recognise_drug(order, value_sets)
    return next(iter(items.known_items(order, value_sets)), None)


def not_understood(order: Order, value_sets: Collection[ValueSet]) -> tuple[Aside, ...]:
    """Why an order orders nothing of ``value_sets``, where it is not known to order something else (Z54)."""
    if order.is_of_a_drug:
        return drug.not_understood(order, value_sets)
    return items.not_understood(order, value_sets)


def in_value_set(declaration: FactDeclaration, order: Order) -> Fact:
    """``present`` if what is ordered is in the value set, by a code, an ingredient or its name."""
    known = recognise_ordered(order, declaration.value_sets.values())
    return Fact.of(PRESENT, _evidence(order, known)) if known else Fact.absent()


def recognised_by(declaration: FactDeclaration, order: Order) -> Fact:
    """``code``, ``name`` if only words name what is ordered (Z29), or ``possible-combination`` of a drug that may hold
    others (Z48).
    """
    known = recognise_ordered(order, declaration.value_sets.values())
    if known is None:
        return Fact.absent()
    by = known.recognised_by
    return Fact.of(by) if by == "code" else Fact.of(by, _evidence(order, known))


def _evidence(order: Order, known: drug.Drug | items.KnownItem) -> Evidence:
    """What is ordered, as the order words it, with the code that it was recognised by."""
    said = words(known.item.concept) if isinstance(known, items.KnownItem) else order.name
    return Evidence(order.reference, said or known.concept.display, code="" if known.by_name else known.concept.code)
