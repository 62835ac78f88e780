"""Every decision of a service put to each order."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from cds_service.chart.order import Order, read_order
from cds_service.chart.readers import order_facts
from cds_service.chart.record import Chart
from cds_service.content.decide import Decided, OrderFacts, decide
from cds_service.content.model import Pack, Service
from cds_service.fhir.tree import Node
from cds_service.vocabulary.facts import Facts


@dataclass(frozen=True, slots=True)
class JudgedOrder:
    """One order with its facts and all that was decided about it."""

    order: Order
    facts: OrderFacts
    decided: Decided


def judge(
    pack: Pack,
    service: Service,
    chart: Chart,
    patient_facts: Facts,
    drafts: Mapping[str, Node],
    orders: Sequence[Order],
    idle: Collection[str] = frozenset(),
) -> list[JudgedOrder]:
    """Every decision of the service on every order, each with the other drafts beside it.

    ``drafts`` are all draft resources by their keys; those whose keys are in ``idle`` are not read beside the order.
    """
    judged_orders = []
    all_drafts = [read_order("", resource, drafts) for key, resource in drafts.items() if key not in idle]
    for order in orders:
        others = [draft for draft in all_drafts if draft.resource is not order.resource]
        facts = OrderFacts(*order_facts(pack.facts, patient_facts, order, others, chart))
        judged_orders.append(JudgedOrder(order, facts, decide(pack, service, facts)))
    return judged_orders
