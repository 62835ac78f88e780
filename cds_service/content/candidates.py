"""Where a site could map what nothing understood: the value sets and analytes of the facts that read a search."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from cds_service.vocabulary.accounting import Kind
from cds_service.vocabulary.declarations import FactDeclaration

_LISTED = ("condition", "allergy", "procedure", "medication")  # kinds of value sets of an entry's code
_OF_RESULTS = ("observation",)


def candidates_of(readers: Iterable[FactDeclaration], resource: str) -> Mapping[Kind, tuple[str, ...]]:
    """The ids of the value sets in which a code or a route of an entry would be understood, and the names of the
    analytes that a unit may be of; ``readers`` are the facts that read the entry, ``resource`` is its type.

    A fact that looks at results and at treatments has value sets of both. A code of a result is in none of drugs.
    """
    kinds = _OF_RESULTS if resource == "Observation" else _LISTED
    sets: dict[str, None] = {}
    routes: dict[str, None] = {}
    analytes: dict[str, None] = {}
    for fact in readers:
        sets |= {value_set.id: None for value_set in fact.value_sets.values() if value_set.kind in kinds}
        routes |= {value_set.id: None for way in fact.ways.values() for value_set in way.routes.values()}
        measured = [fact, *(fact.of_steps.values() if fact.events else ())]
        analytes |= {each.analyte.name: None for each in measured if each.analyte is not None}
    return {Kind.CODE: tuple(sets), Kind.ROUTE: tuple(routes), Kind.UNIT: tuple(analytes)}
