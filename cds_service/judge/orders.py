"""Every decision of a service put to each order."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import msgspec

from cds_service.chart.order import NO_ORDER, Order, read_order
from cds_service.chart.readers import order_facts
from cds_service.chart.record import Chart
from cds_service.chart.statuses import NOT_DRAFTED
from cds_service.content.decide import Decided, OrderFacts, decide
from cds_service.content.model import Pack, Service
from cds_service.fhir.tree import Node, text
from cds_service.judge.relevance import is_judged, is_relevant
from cds_service.judge.sequences import ReadOrder, sequences
from cds_service.vocabulary.facts import Facts


class JudgedOrder(msgspec.Struct, frozen=True):
    """One order with its facts and all that was decided about it.

    ``siblings`` are the other drafts of the regimen that it is a step of.
    """

    order: Order
    facts: OrderFacts
    decided: Decided
    siblings: tuple[Order, ...] = ()


def judge(
    pack: Pack,
    service: Service,
    chart: Chart,
    patient_facts: Facts,
    drafts: Mapping[str, Node],
    orders: Sequence[Order],
    idle: Collection[str] = frozenset(),
    before: Sequence[JudgedOrder] = (),
) -> list[JudgedOrder]:
    """Every decision of the service on every order, each with the other drafts beside it.

    ``drafts`` are all draft resources by their keys; those whose keys are in ``idle`` are not read beside the order.
    What was decided ``before`` on orders of the same patient spares what would be decided in the same way.
    """
    known = {judged.order.key: judged.decided for judged in before}
    first = before[0].decided if before else None
    judged = {order.key: order for order in orders if order is not NO_ORDER}
    all_drafts = [
        judged.get(key) or read_order("", resource, drafts, key) for key, resource in drafts.items() if key not in idle
    ]

    def read(order: Order) -> ReadOrder:
        others = [draft for draft in all_drafts if draft.resource is not order.resource]
        return ReadOrder(order, *order_facts(pack.facts, patient_facts, order, others, chart), chart.zone)

    judged_orders = []
    regimens = sequences(pack, [read(draft) for draft in _steps_of_regimens(pack, all_drafts)])
    for own in map(read, orders):
        regimen = regimens.get(own.order.key, ()) if own.order is not NO_ORDER else ()
        steps = [step for draft in regimen for step in draft.steps]
        facts = OrderFacts(own.facts, own.steps, steps or own.steps)
        siblings = tuple(draft.order for draft in regimen if draft.order.key != own.order.key)
        decided = decide(pack, service, facts, known.get(own.order.key, first))
        judged_orders.append(JudgedOrder(own.order, facts, decided, siblings))
    return judged_orders


def _steps_of_regimens(pack: Pack, drafts: Sequence[Order]) -> list[Order]:
    """The drafts that may be steps of one regimen; none if there is only one that is to be performed."""
    ordered = [
        draft
        for draft in drafts
        if draft.is_of_a_drug
        and is_judged(pack, draft.resource)
        and text(draft.resource, "status") not in NOT_DRAFTED
        and is_relevant(pack, draft)
    ]
    return ordered if len(ordered) > 1 else []
