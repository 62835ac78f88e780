"""Which orders are judged, and every decision put to each of them. Imports protocol, chart and content."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from cds_service.chart.order import NO_ORDER, Order, read_order, recognise_drug
from cds_service.chart.readers import order_facts
from cds_service.chart.record import Chart
from cds_service.content.decide import Decided, OrderFacts, decide
from cds_service.content.model import Pack, Service
from cds_service.fhir.tree import Node, node, pairs, text
from cds_service.protocol.envelope import ORDER_HOOKS, HookRequest
from cds_service.vocabulary.facts import Facts

_NOT_JUDGED = frozenset({"cancelled", "entered-in-error", "completed"})
_MANY_DRAFTS = 20


@dataclass(frozen=True, slots=True)
class Judged:
    """One order with all that was decided about it."""

    order: Order
    facts: OrderFacts
    decided: Decided


def draft_nodes(request: HookRequest) -> dict[str, Node]:
    """Every draft by its key."""
    return {draft.key: draft.resource for draft in request.drafts}


def relevant_orders(pack: Pack, request: HookRequest) -> list[Order]:
    """The selected orders this content is about, decided without a look at the prefetch.

    A hook without draft orders is about the patient: it has no order to select.
    """
    if request.hook not in ORDER_HOOKS:
        return [NO_ORDER]
    others = {draft.reference: draft.resource for draft in request.drafts}
    others |= {draft.full_url: draft.resource for draft in request.drafts if draft.full_url}
    return [
        order
        for draft in request.selected()
        if is_judged(draft.resource)
        for order in [read_order(draft.path, draft.resource, others, draft.key)]
        if is_relevant(pack, order)
    ]


def is_judged(resource: Node) -> bool:
    """Whether a draft is an order to be carried out, or stopped, which is judged too (Z14, CTX-07, CTX-09)."""
    return (
        resource.get("resourceType") == "MedicationRequest"
        and text(resource, "status") not in _NOT_JUDGED
        and resource.get("doNotPerform") is not True
    )


def is_relevant(pack: Pack, order: Order) -> bool:
    """Whether the drug is one of the pack's and none of its excluded ones."""
    return recognise_drug(order, pack.excluded) is None and recognise_drug(order, pack.relevant) is not None


def bystanders(pack: Pack, drafts: Mapping[str, Node]) -> frozenset[str]:
    """Keys of the drafts that no fact asks for when another is judged; looked for only where there are many."""
    if len(drafts) <= _MANY_DRAFTS:
        return frozenset()
    asked = [
        value_set for fact in pack.facts.values() if fact.kind == "drafts" for value_set in fact.value_sets.values()
    ]
    return frozenset(
        key
        for key, resource in drafts.items()
        if not any(value_set.match(pairs(node(resource, "code"))) for value_set in asked)
        and recognise_drug(read_order("", resource, drafts), asked) is None
    )


def judge(
    pack: Pack,
    service: Service,
    chart: Chart,
    shared: Facts,
    drafts: Mapping[str, Node],
    orders: Sequence[Order],
    idle: Collection[str] = frozenset(),
) -> list[Judged]:
    """Every decision of the service on every order, each with the other drafts beside it but those of ``idle`` keys."""
    judged = []
    read = [read_order("", resource, drafts) for key, resource in drafts.items() if key not in idle]
    for order in orders:
        beside = [other for other in read if other.resource is not order.resource]
        own, steps = order_facts(pack.facts, shared, order, beside, chart)
        facts = OrderFacts(own, steps)
        judged.append(Judged(order, facts, decide(pack, service.decisions, facts)))
    return judged
