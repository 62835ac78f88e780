"""Which orders a pack is about, as its ``pack.yaml`` says under ``relevant``: value sets by the type of order.

From the types follows what can be asked: an order of a drug has a dosage, an order of a test or of nutrition has none.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from cds_service.content.compile_facts import OF_ITEMS, value_set_names
from cds_service.content.domains import Domain
from cds_service.content.expand import rest_of, unary_test
from cds_service.fhir.order_types import MEDICATION, NUTRITION, ORDER_TYPES, SERVICE
from cds_service.vocabulary.facts import State

KINDS_OF: Mapping[str, tuple[str, ...]] = {
    MEDICATION: ("medication",),
    SERVICE: ("observation", "procedure"),
    NUTRITION: ("nutrition",),
}
"""The kinds of the value sets that tell what an order of each type orders."""
_OF_DRUGS = ("agent", "form", "route", "has-route", "like-active", "ends-in", "concentration")
_OF_DOSAGES = ("dosage", "last-dosage", "route", "open-ended")  # suggestions that change one
_Place = tuple[str | int, ...]


def relevant_of(head: Mapping[str, Any]) -> Mapping[str, Sequence[str]]:
    """The ids of the value sets by the type of order; a list alone is of medications."""
    relevant = head["relevant"]
    return relevant if isinstance(relevant, dict) else {MEDICATION: relevant}


def faults_of_kinds(
    head: Mapping[str, Any], value_sets: Mapping[str, Mapping[str, Any]]
) -> Iterator[tuple[_Place, str]]:
    """Value sets that are named for a type of order that cannot order what they hold; each with its place."""
    for kind, names in relevant_of(head).items():
        place: _Place = ("relevant", kind) if isinstance(head["relevant"], dict) else ("relevant",)
        for name in names:
            own = value_sets[name]["kind"] if name in value_sets else KINDS_OF[kind][0]
            if own not in KINDS_OF[kind]:
                wanted = " or ".join(KINDS_OF[kind])
                others = [other for other, kinds in KINDS_OF.items() if own in kinds]
                hint = f"; write it under {others[0]}" if others else ""
                yield place, f"{name!r} is of kind {own}, and a {kind} orders what is of kind {wanted}{hint}"


def faults_of_table(
    table: Mapping[str, Any],
    head: Mapping[str, Any],
    facts: Mapping[str, Mapping[str, Any]],
    value_sets: Mapping[str, Mapping[str, Any]],
    domains: Mapping[str, Domain],
) -> Iterator[tuple[_Place, str]]:
    """What a table asks of orders that never have it, such as the dosage of a test; each with its place.

    ``domains`` are those of all facts and decisions. The orders that it can be about are of the types under
    ``relevant``, and of those that its guard lets through.
    """
    judged = set(relevant_of(head))
    guards = [
        name for name in table.get("applies-when", {}) if name in facts and _asks_for_something(table, name, domains)
    ]
    let_through = judged.intersection(*(_types_of(facts[name], value_sets) for name in guards))
    if not let_through:
        for name in guards:
            types = _types_of(facts[name], value_sets)
            text = f"it is of {_listed(types)}, and pack.yaml names {_listed(judged)} alone under relevant"
            yield ("applies-when", name), f"{name!r} is never there: {text}; name that there, or take the table out"
        return
    about = f"this table applies to {_listed(let_through)} alone" if let_through != judged else ""
    about = about or f"pack.yaml names {_listed(judged)} alone under relevant"
    for name in (*table.get("applies-when", ()), *table.get("inputs", ())):
        types = _types_of(facts[name], value_sets) if name in facts else set(ORDER_TYPES)
        if not types & (judged if name in guards else let_through):
            member = "inputs" if name in table.get("inputs", ()) else "applies-when"
            yield (member, name), f"{name!r} is never there: it is of {_listed(types)}, and {about}; take it out"
    if MEDICATION in let_through:
        return
    if table.get("each", "order") != "order":
        yield ("each",), f"there is never a dosage: {about}; take each out"
    for index, rule in enumerate(table["rules"]):
        for number, entry in enumerate(rule["then"].get("suggest", ()) if isinstance(rule["then"], dict) else ()):
            for kind in _OF_DOSAGES:
                if kind in entry:
                    text = f"{kind} changes a dosage, and {about}; replace the order, or take the suggestion out"
                    yield ("rules", index, "then", "suggest", number), text


def _asks_for_something(table: Mapping[str, Any], name: str, domains: Mapping[str, Domain]) -> bool:
    """Whether the guard of a table lets nothing through of which the fact is absent."""
    domain = domains.get(name)
    try:
        return domain is not None and State.ABSENT in rest_of(unary_test(table["applies-when"][name], domain), domain)
    except ValueError:  # a cell that cannot be read is told of elsewhere
        return False


def _types_of(fact: Mapping[str, Any], value_sets: Mapping[str, Mapping[str, Any]]) -> set[str]:
    """The types of order of which a fact can be there."""
    element = fact.get("element", "")
    if fact["kind"] == "dosage" or (fact["kind"] == "order" and element in _OF_DRUGS):
        return {MEDICATION}
    if fact["kind"] != "order" or element not in (*OF_ITEMS, "in-value-set"):
        return set(ORDER_TYPES)
    kinds = {value_sets[name]["kind"] for name in value_set_names(fact).values() if name in value_sets}
    types = {kind for kind, own in KINDS_OF.items() if not kinds.isdisjoint(own)}
    return types - {MEDICATION} if element in OF_ITEMS else types


def _listed(types: Collection[str]) -> str:
    return " and ".join(kind for kind in ORDER_TYPES if kind in types) or "nothing that can be ordered"
