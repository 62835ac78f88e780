"""Which drug an order names, by its codes or by its exact name, and the facts that follow from it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from cds_service.chart.order import Order
from cds_service.fhir.tree import pairs, words
from cds_service.vocabulary.declarations import Concept, FactDeclaration, ValueSet
from cds_service.vocabulary.facts import PRESENT, Evidence, Fact, Reason

_NOT_STATED = "not-stated"  # the agent of a concept that leaves open which of several is meant


@dataclass(frozen=True, slots=True)
class Drug:
    """What an order's drug was recognised as; ``by_name`` when only its exact name said so (Z29).

    ``conflict`` if its codes name two agents; then ``agent`` is empty.
    """

    concept: Concept
    agent: str
    form: str
    by_name: bool
    conflict: bool = False


def recognise_drug(order: Order, value_sets: Iterable[ValueSet]) -> Drug | None:
    """The drug of an order by its codes, or by exact name where nothing is coded; ``None`` if it is none of ours.

    Several codings may name the ingredient and the product: the concept that says most is taken, and the agent that
    any of them states. One code of a value set that ``settles`` (what is excluded, combinations) decides alone, and
    leaves no conflict.
    """
    coded = [pair for concept in order.medications for pair in pairs(concept)]
    names = [] if coded else [words(concept).strip().casefold() for concept in order.medications]
    known: list[Concept] = []
    for value_set in value_sets:
        if coded:
            concepts = [c for c in (value_set.find(*pair) for pair in coded) if c is not None]
        else:
            concepts = [value_set.names[name] for name in names if name in value_set.names]
        if concepts and value_set.settles:
            return Drug(concepts[0], concepts[0].agent, concepts[0].form, by_name=not coded)
        known += concepts
    if not known:
        return None
    known.sort(key=lambda c: (c.strength is not None, bool(c.form)), reverse=True)
    agents = {c.agent for c in known} - {_NOT_STATED} or {_NOT_STATED}
    stated_form = next((c.form for c in known if c.form), "")
    conflict = len(agents) > 1
    return Drug(known[0], "" if conflict else agents.pop(), stated_form, not coded, conflict)


def agent(declaration: FactDeclaration, order: Order) -> Fact:
    """The agent of the drug, as the value sets name agents; unusable if the codes name several."""
    drug = recognise_drug(order, declaration.value_sets.values())
    if drug is None:
        return Fact.absent()
    evidence = Evidence(order.reference, _named(order, drug))
    if drug.conflict:
        return Fact.unusable(Reason("codesDisagree"), evidence)
    return Fact.of(drug.agent, evidence)


def form(declaration: FactDeclaration, order: Order) -> Fact:
    """The product's form, where its code says it."""
    drug = recognise_drug(order, declaration.value_sets.values())
    if drug is None or not drug.form:
        return Fact.absent()
    return Fact.of(drug.form, Evidence(order.reference, _named(order, drug)))


def in_value_set(declaration: FactDeclaration, order: Order) -> Fact:
    """``present`` if a code (or the exact name) of the drug is in the value set."""
    drug = recognise_drug(order, declaration.value_sets.values())
    return Fact.of(PRESENT, Evidence(order.reference, _named(order, drug))) if drug else Fact.absent()


def recognised_by(declaration: FactDeclaration, order: Order) -> Fact:
    """``code`` if a code of the order names the drug, ``name`` if only its exact name does (Z29)."""
    drug = recognise_drug(order, declaration.value_sets.values())
    if drug is None:
        return Fact.absent()
    return Fact.of("name", Evidence(order.reference, _named(order, drug))) if drug.by_name else Fact.of("code")


def _named(order: Order, drug: Drug) -> str:
    """The drug as the order words it, with the code that it was recognised by."""
    name = order.name or drug.concept.display
    return name if drug.by_name else f"{name} ({drug.concept.code})"
