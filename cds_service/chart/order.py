"""One draft order, and the facts it states of itself: its status, route and reason."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import msgspec

from cds_service.fhir.medications import NOT_NAMED, Naming
from cds_service.fhir.names import folded, folded_route
from cds_service.fhir.order_types import NUTRITION, SERVICE, Item, items_of
from cds_service.fhir.quantities import read_number
from cds_service.fhir.tree import Node, node, nodes, number_text, pairs, text, texts, words
from cds_service.vocabulary.declarations import FactDeclaration, ValueSet
from cds_service.vocabulary.facts import PRESENT, Evidence, Exact, Fact, Reason

_REFERENCE = re.compile(r"[A-Za-z]+/[^/\s]+")
_VERSION = re.compile(r"/_history/[^/]*$")
_TYPE_AND_ID = re.compile(r"[A-Za-z]+/[^/\s]+$")


class Order(msgspec.Struct, frozen=True):
    """One draft order: its ``path`` in the request, its JSON tree, and the CodeableConcepts that may name what it
    orders.

    ``key`` tells it from the other drafts: its ``Type/id``, or its path if it has none, or shares it with another.
    ``type`` is its type of resource. ``naming`` is all that names its drug, ``ingredients`` are the active ones of its
    Medication. An order of a test or of nutrition has ``items``, which are what it orders; it is not ``is_of_a_drug``,
    names no drug and has no dosage. ``kept`` is for what readers have worked out of it.
    """

    path: str
    resource: Node
    concepts: tuple[Node, ...]
    key: str = ""
    naming: Naming = NOT_NAMED
    ingredients: tuple[Node, ...] = ()
    type: str = ""
    items: tuple[Item, ...] = ()
    is_of_a_drug: bool = True
    kept: dict[Any, Any] = msgspec.field(default_factory=dict)

    @property
    def reference(self) -> str:
        """``Type/id``; ``""`` for ``NO_ORDER``."""
        known: str | None = self.kept.get("reference")
        if known is None:
            kind, identity = text(self.resource, "resourceType"), text(self.resource, "id")
            known = self.kept["reference"] = f"{kind}/{identity}" if kind or identity else ""
        return known

    @property
    def is_named(self) -> bool:
        """Whether its ``Type/id`` names this draft and no other, so that an action can name it (RSP-42)."""
        return self.key == self.reference and _REFERENCE.fullmatch(self.key) is not None

    @property
    def name(self) -> str:
        """What it orders, as the order words it."""
        return next(filter(None, map(words, self.concepts)), "")

    @property
    def is_stopped(self) -> bool:
        """Whether it is ended before all of it was done; of orders of a test or of nutrition FHIR says revoked."""
        return text(self.resource, "status") == ("stopped" if self.is_of_a_drug else "revoked")

    def dosages(self) -> list[Node]:
        """``dosageInstruction`` in the order of its sequence numbers; none where there can be no dosage."""
        return dosages_of(self.resource) if self.is_of_a_drug else []


def dosages_of(resource: Node) -> list[Node]:
    """The steps of an order's dosage, in the order of their sequence numbers."""

    def place(item: tuple[int, Node]) -> tuple[Exact, int]:
        number = read_number(number_text(item[1], "sequence"))
        return (number if number is not None else item[0] + 1, item[0])

    steps = nodes(resource, "dosageInstruction")
    return [dosage for _, dosage in sorted(enumerate(steps), key=place)] if len(steps) > 1 else steps


_OF_ITEMS = (SERVICE, NUTRITION)
NO_ORDER = Order("", {}, ())  # what a hook without draft orders is about: the patient alone


def read_order(path: str, resource: Node, others: Mapping[str, Node], key: str = "") -> Order:
    """An order with all that names its drug: its own concept, and a Medication that it contains or refers to.

    ``others`` are the resources of the draft Bundle by ``Type/id`` and by ``fullUrl``. A reference counts by its
    display too. R4 and R5 shapes are read. An order of a test or of nutrition is read with what it orders.
    """
    kind = resource.get("resourceType", "")
    if kind in _OF_ITEMS:
        items = items_of(resource)
        concepts = tuple(item.concept for item in items if item.concept)
        return Order(path, resource, concepts, key, type=kind, items=items, is_of_a_drug=False)
    medications: list[Node] = []
    concept = resource.get("medicationCodeableConcept")
    if isinstance(concept, dict):
        medications.append(concept)
    modern = node(resource, "medication")
    if isinstance(modern.get("concept"), dict):
        medications.append(modern["concept"])
    ingredients: list[Node] = []
    references = [item for item in (node(resource, "medicationReference"), node(modern, "reference")) if item]
    for reference in references:
        for target in _referred(text(reference, "reference"), resource, others):
            if node(target, "code"):
                medications.append(node(target, "code"))
            ingredients += nodes(target, "ingredient")
        if text(reference, "display"):
            medications.append({"text": text(reference, "display")})
    active = tuple(item for item in ingredients if item.get("isActive") is not False)
    naming = _naming(medications, [_ingredient(item, resource, others) for item in active])
    if not medications and not ingredients and references:
        naming = Naming(resolved=False)
    return Order(path, resource, tuple(medications), key, naming, active, kind)


_LONGEST_KEPT = 1024  # characters of the concepts of one drug


def _naming(concepts: Sequence[Node], ingredients: Sequence[Naming]) -> Naming:
    """What concepts say of one drug. The same drugs are ordered again and again, so what they say is kept."""
    written: list[tuple[Any, ...]] = []
    length = 0
    for concept in concepts:
        parts: list[Any] = [text(concept, "text")]
        length += len(parts[0])
        for coding in nodes(concept, "coding"):
            display = text(coding, "display")
            length += len(display)
            parts.append((text(coding, "system"), text(coding, "code"), display))
        written.append(tuple(parts))
    if ingredients or length > _LONGEST_KEPT:
        return _named(concepts, ingredients)
    return _kept_naming(tuple(written))


@lru_cache(maxsize=4096)
def _kept_naming(written: tuple[tuple[Any, ...], ...]) -> Naming:
    concepts = [
        {"text": words_of, "coding": [{"system": s, "code": c, "display": d} for s, c, d in codings]}
        for words_of, *codings in written
    ]
    return _named(concepts, ())


def _named(concepts: Sequence[Node], ingredients: Sequence[Naming]) -> Naming:
    return Naming(
        [pair for concept in concepts for pair in pairs(concept)],
        [words for concept in concepts for words in texts(concept)],
        ingredients,
    )


def _referred(reference: str, resource: Node, others: Mapping[str, Node]) -> list[Node]:
    """What a reference points to: a contained resource, or one by its ``fullUrl`` or by the ``Type/id`` at its end."""
    if reference.startswith("#"):
        return [item for item in nodes(resource, "contained") if text(item, "id") == reference[1:]]
    if reference in others:
        return [others[reference]]
    last = _TYPE_AND_ID.search(_VERSION.sub("", reference))
    return [others[last[0]]] if last and last[0] in others else []


def _ingredient(ingredient: Node, resource: Node, others: Mapping[str, Node]) -> Naming:
    """How one ingredient of a Medication is named, in the shape of R4 or R5."""
    modern = node(ingredient, "item")
    concepts = [c for c in (node(ingredient, "itemCodeableConcept"), node(modern, "concept")) if c]
    for reference in (node(ingredient, "itemReference"), node(modern, "reference")):
        targets = _referred(text(reference, "reference"), resource, others)
        concepts += [node(target, "code") for target in targets if node(target, "code")]
        concepts += [{"text": text(reference, "display")}] if text(reference, "display") else []
    return _named(concepts, ())


def status(_: FactDeclaration, order: Order) -> Fact:
    """``stopped`` or ``ordered``: a stopped order is judged as a stop and as nothing else (Z14)."""
    if order.is_stopped:
        return Fact.of("stopped", Evidence(f"{order.reference} status", "stopped"))
    return Fact.of("ordered")


def route(declaration: FactDeclaration, order: Order) -> Fact:
    """The name of the value set that every stated route is in; ``mixed`` if they are in several.

    A route is known by its codes, or by the exact name that its text or a display spells (Z49). Unusable if a route is
    in none of the value sets, or if its codes and words name two.
    """
    routes: dict[str, Evidence] = {}
    unread: Reason | None = None
    for stated in routes_of(order):
        named = stated.named(declaration.value_sets)
        why = unread_route(named, stated.concept)
        if why is None:
            routes.setdefault(named[0], Evidence(f"{order.reference} route", _in_words(stated.concept)))
        elif named:
            unread = why
        else:
            unread = unread or why
    if unread is not None:
        return Fact.unusable(unread)
    if not routes:
        return Fact.absent()
    return Fact.of(next(iter(routes)) if len(routes) == 1 else "mixed", *routes.values())


def has_route(declaration: FactDeclaration, order: Order) -> Fact:
    """``present`` if any dosage has a route of the first value set; the others are routes that it may be taken for.

    Unusable if the codes and the words of a route name this one and another, unknown if a route is known by neither.
    """
    wanted = next(iter(declaration.value_sets))
    disputed: Reason | None = None
    unread: Reason | None = None
    for stated in routes_of(order):
        named = stated.named(declaration.value_sets)
        if named == [wanted]:
            return Fact.of(PRESENT, Evidence(f"{order.reference} route", _in_words(stated.concept)))
        if not named:
            unread = unread or unread_route(named, stated.concept)
        elif wanted in named:
            disputed = unread_route(named, stated.concept)
    if disputed is not None:
        return Fact.unusable(disputed)
    return Fact.unknown(reason=unread) if unread is not None else Fact.absent()


class StatedRoute(NamedTuple):
    """A route as a step of a dosage states it: its concept, and what it is compared by, its codes and folded names."""

    concept: Node
    codings: Sequence[tuple[str, str]]
    names: frozenset[str]

    @classmethod
    def of(cls, concept: Node) -> StatedRoute:
        """What a concept states."""
        return cls(concept, pairs(concept), frozenset(map(folded_route, texts(concept))))

    def named(self, value_sets: Mapping[str, ValueSet]) -> list[str]:
        """The names of the value sets that it is in, by its codes and by its exact words."""
        return [
            name
            for name, value_set in value_sets.items()
            if value_set.match(self.codings) or not value_set.names.keys().isdisjoint(self.names)
        ]


def routes_of(order: Order) -> list[StatedRoute]:
    """The routes that the steps of an order's dosage state, read once for all facts."""
    kept: list[StatedRoute] | None = order.kept.get(StatedRoute)
    if kept is None:
        concepts = [node(dosage, "route") for dosage in order.dosages()]
        kept = order.kept[StatedRoute] = [StatedRoute.of(concept) for concept in concepts if concept]
    return kept


def named_routes(value_sets: Mapping[str, ValueSet], concept: Node) -> list[str]:
    """The names of the value sets that a route is in, by its codes and by its exact words."""
    return StatedRoute.of(concept).named(value_sets)


def unread_route(named: Sequence[str], concept: Node) -> Reason | None:
    """Why a route that is in the value sets ``named`` is not read; ``None`` if it is in one of them, and so is read."""
    if len(named) == 1:
        return None
    if named:
        return Reason("routesDisagree", dict(zip(("first", "second"), named, strict=False)))
    return Reason("routeNotKnown", {"route": _in_words(concept)})


def _in_words(route: Node) -> str:
    return words(route) or next((code for _, code in pairs(route)), "-")


def reason(declaration: FactDeclaration, order: Order) -> Fact:
    """``present`` if a reason of the order is in the value set; what is declared for it if only its name says so (Z49).

    With ``naming`` only reasons count whose text or display holds one of those words.
    """
    value_set = next(iter(declaration.value_sets.values()))
    named: Evidence | None = None
    for concept in reasons_of(order):
        known = value_set.match(pairs(concept))
        all_words = " | ".join(texts(concept)).casefold()
        if known and (not declaration.naming or any(name.casefold() in all_words for name in declaration.naming)):
            return Fact.of(
                PRESENT,
                Evidence(f"{order.reference} reason", words(concept) or known.display, code=known.code),
            )
        if named is None and not is_unnamed([declaration], concept):
            named = Evidence(f"{order.reference} reason", words(concept), notes=("by-name",))
    return Fact.of(declaration.by_name, named) if named is not None else Fact.absent()


def reasons_of(order: Order) -> list[Node]:
    """The concepts of an order's reasons, as R4 and as R5 write them."""
    return nodes(order.resource, "reasonCode") + [node(item, "concept") for item in nodes(order.resource, "reason")]


def is_unnamed(declarations: Iterable[FactDeclaration], concept: Node) -> bool:
    """Whether no text of a concept is a name that one of the facts knows (Z49)."""
    names = [folded(written) for written in texts(concept)]
    return not any(name in declaration.names for declaration in declarations for name in names)
