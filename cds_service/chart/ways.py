"""In which way a drug comes into the body: by its route, by the form of the product, or by its agent (Z56)."""

from __future__ import annotations

from collections.abc import Iterable

from cds_service.chart.drug import Drug
from cds_service.chart.order import Order, routes_of
from cds_service.vocabulary.declarations import FactDeclaration, ValueSet, Way


def is_in_way(declaration: FactDeclaration, order: Order, drug: Drug, prescriptions: Iterable[Order] = ()) -> bool:
    """Whether an order, or an event in its shape, is of the way that a fact asks for; every one is if it asks for none.

    A fact may also ask for what is in any other way than one. What does not tell its way is in none, and so counts.
    ``prescriptions`` are the orders that an event rests on.
    """
    if declaration.way:
        return _is_in(declaration, declaration.way, order, drug, prescriptions)
    return not declaration.other_than or not _is_in(declaration, declaration.other_than, order, drug, prescriptions)


def _is_in(declaration: FactDeclaration, name: str, order: Order, drug: Drug, prescriptions: Iterable[Order]) -> bool:
    """A route that can be read decides; of several routes one suffices. Where none can be read the form of the product
    decides; then the route of the ``prescriptions``; and last the agent.
    """
    by_route = _by_route(declaration, name, order)
    if by_route is not None:
        return by_route
    way = declaration.ways[name]
    if drug.form:
        return drug.form in way.forms
    for prescription in prescriptions:
        by_route = _by_route(declaration, name, prescription)
        if by_route is not None:
            return by_route
    return drug.agent in way.agents


def _by_route(declaration: FactDeclaration, name: str, order: Order) -> bool | None:
    """Whether a route of an order is of the way; ``None`` if none can be read."""
    routes: dict[str, ValueSet] | None = declaration.kept.get(Way)
    if routes is None:
        routes = {key: value_set for each in declaration.ways.values() for key, value_set in each.routes.items()}
        declaration.kept[Way] = routes
    readable = None
    for stated in routes_of(order):
        named = stated.named(routes)
        if len(named) == 1:
            if named[0] in declaration.ways[name].routes:
                return True
            readable = False
    return readable
