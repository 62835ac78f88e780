"""One draft order, and the facts it states of itself: its status, route and reason."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from cds_service.fhir.names import folded, folded_route
from cds_service.fhir.quantities import read_number
from cds_service.fhir.tree import Node, node, nodes, number_text, pairs, text, texts, words
from cds_service.vocabulary.declarations import FactDeclaration, ValueSet
from cds_service.vocabulary.facts import PRESENT, Evidence, Exact, Fact, Reason

_REFERENCE = re.compile(r"[A-Za-z]+/[^/\s]+")


@dataclass(frozen=True, slots=True)
class Order:
    """One draft order: its ``path`` in the request, its JSON tree, and the CodeableConcepts that may name its drug.

    ``key`` tells it from the other drafts: its ``Type/id``, or its path if it has none, or shares it with another.
    """

    path: str
    resource: Node
    medications: tuple[Node, ...]
    key: str = ""

    @property
    def reference(self) -> str:
        """``Type/id``; ``""`` for ``NO_ORDER``."""
        kind, identity = text(self.resource, "resourceType"), text(self.resource, "id")
        return f"{kind}/{identity}" if kind or identity else ""

    @property
    def is_named(self) -> bool:
        """Whether its ``Type/id`` names this draft and no other, so that an action can name it (RSP-42)."""
        return self.key == self.reference and _REFERENCE.fullmatch(self.key) is not None

    @property
    def name(self) -> str:
        """The drug as the order words it."""
        return next(filter(None, map(words, self.medications)), "")

    def dosages(self) -> list[Node]:
        """``dosageInstruction`` in the order of its sequence numbers."""
        return dosages_of(self.resource)


def dosages_of(resource: Node) -> list[Node]:
    """The steps of an order's dosage, in the order of their sequence numbers."""

    def place(item: tuple[int, Node]) -> tuple[Exact, int]:
        number = read_number(number_text(item[1], "sequence"))
        return (number if number is not None else item[0] + 1, item[0])

    steps = nodes(resource, "dosageInstruction")
    return [dosage for _, dosage in sorted(enumerate(steps), key=place)] if len(steps) > 1 else steps


NO_ORDER = Order("", {}, ())  # what a hook without draft orders is about: the patient alone


def read_order(path: str, resource: Node, others: Mapping[str, Node], key: str = "") -> Order:
    """An order with the concepts of its medication: its own, of a contained Medication, or of one among the drafts.

    A reference to what is not in the request counts by its display. ``others`` are the resources of the draft Bundle
    by ``Type/id`` and by ``fullUrl``. R4 and R5 shapes are read.
    """
    medications: list[Node] = []
    concept = resource.get("medicationCodeableConcept")
    if isinstance(concept, dict):
        medications.append(concept)
    modern = node(resource, "medication")
    if isinstance(modern.get("concept"), dict):
        medications.append(modern["concept"])
    for reference in (node(resource, "medicationReference"), node(modern, "reference")):
        target = text(reference, "reference")
        if target.startswith("#"):
            targets = [item for item in nodes(resource, "contained") if text(item, "id") == target[1:]]
        else:
            targets = [others[target]] if target in others else []
        medications.extend(node(item, "code") for item in targets if node(item, "code"))
        if not targets and text(reference, "display"):
            medications.append({"text": text(reference, "display")})
    return Order(path, resource, tuple(medications), key)


def status(_: FactDeclaration, order: Order) -> Fact:
    """``stopped`` or ``ordered``: a stopped order is judged as a stop and as nothing else (Z14)."""
    if text(order.resource, "status") == "stopped":
        return Fact.of("stopped", Evidence(f"{order.reference} status", "stopped"))
    return Fact.of("ordered")


def route(declaration: FactDeclaration, order: Order) -> Fact:
    """The name of the value set that every stated route is in; ``mixed`` if they are in several.

    A route is known by its codes, or by the exact name that its text or a display spells (Z49). Unusable if a route is
    in none of the value sets, or if its codes and words name two.
    """
    routes: dict[str, Evidence] = {}
    unread: Reason | None = None
    for dosage in order.dosages():
        concept = node(dosage, "route")
        if not concept:
            continue
        named = _named_routes(declaration.value_sets, concept)
        display = words(concept) or next((code for _, code in pairs(concept)), "-")
        if len(named) == 1:
            routes.setdefault(named[0], Evidence(f"{order.reference} route", display))
        elif named:
            unread = Reason("routesDisagree", dict(zip(("first", "second"), named, strict=False)))
        else:
            unread = unread or Reason("routeNotKnown", {"route": display})
    if unread is not None:
        return Fact.unusable(unread)
    if not routes:
        return Fact.absent()
    return Fact.of(next(iter(routes)) if len(routes) == 1 else "mixed", *routes.values())


def has_route(declaration: FactDeclaration, order: Order) -> Fact:
    """``present`` if any dosage has a route of the first value set; the others are routes that it may be taken for.

    Unusable if the codes and the words of a route name this one and another.
    """
    wanted = next(iter(declaration.value_sets))
    disputed: Reason | None = None
    for dosage in order.dosages():
        concept = node(dosage, "route")
        named = _named_routes(declaration.value_sets, concept) if concept else []
        if named == [wanted]:
            display = words(concept) or next((code for _, code in pairs(concept)), "-")
            return Fact.of(PRESENT, Evidence(f"{order.reference} route", display))
        if wanted in named:
            disputed = Reason("routesDisagree", dict(zip(("first", "second"), named, strict=False)))
    return Fact.unusable(disputed) if disputed is not None else Fact.absent()


def _named_routes(value_sets: Mapping[str, ValueSet], concept: Node) -> list[str]:
    """The names of the value sets that a route is in, by its codes and by its exact words."""
    codings = pairs(concept)
    names = {folded_route(written) for written in texts(concept)}
    return [
        name
        for name, value_set in value_sets.items()
        if value_set.match(codings) or not names.isdisjoint(value_set.names)
    ]


def reason(declaration: FactDeclaration, order: Order) -> Fact:
    """``present`` if a reason of the order is in the value set; what is declared for it if only its name says so (Z49).

    With ``naming`` only reasons count whose text or display holds one of those words.
    """
    value_set = next(iter(declaration.value_sets.values()))
    concepts = nodes(order.resource, "reasonCode")
    concepts += [node(item, "concept") for item in nodes(order.resource, "reason")]
    named: Evidence | None = None
    for concept in concepts:
        known = value_set.match(pairs(concept))
        all_words = " | ".join(texts(concept)).casefold()
        if known and (not declaration.naming or any(name.casefold() in all_words for name in declaration.naming)):
            return Fact.of(
                PRESENT,
                Evidence(f"{order.reference} reason", f"{words(concept) or known.display} ({known.code})"),
            )
        if named is None and any(folded(written) in declaration.names for written in texts(concept)):
            named = Evidence(f"{order.reference} reason", words(concept), notes=("by-name",))
    return Fact.of(declaration.by_name, named) if named is not None else Fact.absent()
