"""The parts of a dosage that were sent and could not be read, of a draft as of an entry of the record (Z54)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from cds_service.chart.events import Event, EventKind
from cds_service.chart.order import routes_of, unread_route
from cds_service.chart.record import Chart
from cds_service.chart.steps import has_steps, steps_of
from cds_service.fhir.tree import Node, node, nodes, pairs, text, words
from cds_service.vocabulary.accounting import Aside, Kind
from cds_service.vocabulary.declarations import FactDeclaration, ValueSet
from cds_service.vocabulary.facts import Fact, Reason, State

# A volume is read of the same quantity as a dose, which is accounted for once.
_KINDS = {
    "dose": Kind.DOSE,
    "rate": Kind.DOSE,
    "interval": Kind.SCHEDULE,
    "days": Kind.SCHEDULE,
    "doses": Kind.SCHEDULE,
}
_UNIT_REASONS = ("unitNotKnown", "unitMissing", "unitsDisagree")


def of_event(declarations: Sequence[FactDeclaration], event: Event, chart: Chart, *, whole: bool) -> Iterator[Aside]:
    """What of the routes, doses and schedules of an event could not be read; of what was given, no schedule is asked.

    Without ``whole`` it is what some fact has looked for so far.
    """
    if not whole and not event.has_order:
        return
    order = event.as_order()
    routes: dict[str, ValueSet] = {}
    for declared in declarations:
        for way in declared.ways.values():
            routes.update(way.routes)
    for stated in routes_of(order) if routes else ():
        reason = unread_route(stated.named(routes), stated.concept)
        if reason is not None:
            yield of_route(reason, event.reference, stated.concept)
    if whole or has_steps(declarations[0], order):
        for step in steps_of(declarations[0], order, chart.zone):
            for name, declared in declarations[0].of_steps.items():
                if event.kind is EventKind.GIVEN and declared.element != "dose":
                    continue
                fact = step.facts[name] if whole else step.facts.read_so_far(name)
                if fact is not None:
                    yield from of_step(declared, event.reference, step.dosage, fact)


def of_route(reason: Reason, reference: str, concept: Node) -> Aside:
    """A route that was not read, with why not. ``reference`` names what it is of, as ``Type/id``."""
    system, code = next(iter(pairs(concept)), ("", ""))
    return Aside(Kind.ROUTE, reason, f"{reference} route", system, code, words(concept))


def of_step(declared: FactDeclaration, reference: str, dosage: Node, fact: Fact) -> Iterator[Aside]:
    """What of one step could not be read: ``fact`` is that of ``declared``. ``reference`` names what it is of."""
    kind, reason = _KINDS.get(declared.element), fact.reason
    if kind is None or reason is None or fact.state is not State.UNUSABLE:
        return
    place = f"{reference} dosageInstruction"
    if kind is Kind.SCHEDULE:
        concept = node(node(dosage, "timing"), "code")
        system, code = next(iter(pairs(concept)), ("", ""))
        yield Aside(kind, reason, place, system, code, words(concept))
    elif reason.key in _UNIT_REASONS and declared.analyte is not None:
        member = "rateQuantity" if declared.element == "rate" else "doseQuantity"
        quantity = next((node(rate, member) for rate in nodes(dosage, "doseAndRate")), {})
        unit, code = text(quantity, "unit"), text(quantity, "code")
        yield Aside(Kind.UNIT, reason, place, text(quantity, "system"), code, unit or reason.values.get("unit", ""))
    else:
        yield Aside(kind, reason, place, words=text(dosage, "text"))
