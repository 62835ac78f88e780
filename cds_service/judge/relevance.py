"""Which draft orders of a request are judged, decided from the drafts alone, before anything of the patient is read."""

from __future__ import annotations

from collections.abc import Mapping

from cds_service.chart.drug import recognise_drug
from cds_service.chart.order import NO_ORDER, Order, read_order
from cds_service.chart.statuses import NOT_JUDGED
from cds_service.chart.what_is_ordered import recognise_ordered
from cds_service.content.model import Pack
from cds_service.fhir.tree import Node, pairs, text
from cds_service.protocol.envelope import ORDER_HOOKS, Draft, HookRequest
from cds_service.vocabulary.declarations import ValueSet

_MANY_DRAFTS = 20


def draft_nodes(request: HookRequest) -> dict[str, Node]:
    """Every draft of the request by its key, and each Medication by the ``fullUrl`` of its entry too.

    Orders refer to a Medication in either way.
    """
    kept: dict[str, Node] | None = request.kept.get(draft_nodes)
    if kept is None:
        kept = request.kept[draft_nodes] = {draft.key: draft.resource for draft in request.drafts}
        for draft in request.drafts:
            if draft.full_url and draft.resource.get("resourceType") == "Medication":
                kept.setdefault(draft.full_url, draft.resource)
    return kept


def order_in(request: HookRequest, draft: Draft) -> Order:
    """One of its drafts read as an order, once for all that ask for it."""
    kept: Order | None = request.kept.get(draft.key)
    if kept is None:
        kept = request.kept[draft.key] = read_order(draft.path, draft.resource, draft_nodes(request), draft.key)
    return kept


def relevant_orders(pack: Pack, request: HookRequest) -> list[Order]:
    """The selected orders that this content is about, in the order of the request.

    A hook without draft orders is about the patient: its one order is ``NO_ORDER``.
    """
    if request.hook not in ORDER_HOOKS:
        return [NO_ORDER]
    return [
        order
        for draft in request.selected
        if is_judged(pack, draft.resource)
        for order in [order_in(request, draft)]
        if is_relevant(pack, order)
    ]


def is_judged(pack: Pack, resource: Node) -> bool:
    """Whether a draft is an order of a type that the pack names, to be carried out, or stopped, which is judged too
    (Z14, CTX-07, CTX-09).
    """
    return (
        resource.get("resourceType") in pack.relevant
        and text(resource, "status") not in NOT_JUDGED
        and resource.get("doNotPerform") is not True
    )


def is_relevant(pack: Pack, order: Order) -> bool:
    """Whether what is ordered is one of the pack's, and no drug that it excludes."""
    if recognise_drug(order, pack.excluded) is not None:
        return False
    return recognise_ordered(order, pack.relevant.get(order.type, ())) is not None


def bystanders(pack: Pack, drafts: Mapping[str, Node]) -> frozenset[str]:
    """Keys of the drafts that no fact looks for when another draft is judged.

    Searched for only where there are many drafts: with few, reading them all costs less than the search.
    """
    if len(drafts) <= _MANY_DRAFTS:
        return frozenset()
    wanted = [
        value_set for fact in pack.facts.values() if fact.kind == "drafts" for value_set in fact.value_sets.values()
    ]
    return frozenset(
        key for key, resource in drafts.items() if _bears_on_nothing(read_order("", resource, drafts), wanted)
    )


def _bears_on_nothing(order: Order, wanted: list[ValueSet]) -> bool:
    """Whether a draft is nothing that is looked for, and cannot be: neither by a code of a test nor as a drug."""
    codings = [pair for item in order.items for pair in pairs(item.concept)]
    is_wanted = any(value_set.match(codings) is not None for value_set in wanted)
    return not is_wanted and order.naming.resolved and recognise_drug(order, wanted) is None
