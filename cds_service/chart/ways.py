"""In which way a drug comes into the body: by its route, by the form of the product, or by its agent (Z56)."""

from __future__ import annotations

from cds_service.chart.drug import Drug
from cds_service.chart.order import Order, named_routes
from cds_service.fhir.tree import node
from cds_service.vocabulary.declarations import FactDeclaration


def is_in_way(declaration: FactDeclaration, order: Order, drug: Drug) -> bool:
    """Whether an order, or an event in its shape, is of the way that a fact asks for; every one is if it asks for none.

    A fact may also ask for what is in any other way than one. What does not tell its way is in none, and so counts.
    """
    if declaration.way:
        return _is_in(declaration, declaration.way, order, drug)
    return not declaration.other_than or not _is_in(declaration, declaration.other_than, order, drug)


def _is_in(declaration: FactDeclaration, name: str, order: Order, drug: Drug) -> bool:
    """A route that can be read decides; of several routes one suffices. Where none can be read the form of the product
    decides, and where that is not known the agent.
    """
    way = declaration.ways[name]
    routes = {key: value_set for each in declaration.ways.values() for key, value_set in each.routes.items()}
    readable = False
    for dosage in order.dosages():
        named = named_routes(routes, node(dosage, "route"))
        readable = readable or len(named) == 1
        if len(named) == 1 and named[0] in way.routes:
            return True
    if readable:
        return False
    return drug.form in way.forms if drug.form else drug.agent in way.agents
