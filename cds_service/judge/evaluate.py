"""The way of a request, as one function. Whatever answers, replays or explains calls it and nothing below it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from functools import partial
from typing import Any

import msgspec

from cds_service.chart.order import NO_ORDER, Order
from cds_service.chart.readers import patient_facts
from cds_service.chart.record import Chart
from cds_service.chart.sent_entries import patient_in
from cds_service.content.decide import Defect
from cds_service.content.model import INDICATORS, Pack, Service
from cds_service.content.prepared import Prepared
from cds_service.fhir.order_types import subjects_of
from cds_service.judge.call import HookCall
from cds_service.judge.cards import cards_of
from cds_service.judge.gaps import fill_gaps
from cds_service.judge.orders import JudgedOrder, judge
from cds_service.judge.relevance import bystanders, draft_nodes, relevant_orders
from cds_service.judge.understanding import NotUnderstood, Reading, not_understood, told_on_cards
from cds_service.protocol.envelope import HookRequest, decode_request
from cds_service.protocol.faults import Fault, refuse
from cds_service.protocol.profiles import COMMON, Profile
from cds_service.vocabulary.fetched import Fetch, FhirAccess

# Each order is judged beside every other, and again for each suggestion; a call for one patient has two or three.
_MOST_ORDERS = 10
_MOST_PAIRS = 1024


class Answer(msgspec.Struct, frozen=True):
    """The response body, and what was asked, read and decided for it (to explain, count and audit).

    ``judged`` are the relevant orders. ``defects`` are faults of this software that cost a finding, a card or a
    suggestion, but not the answer. ``chart`` is what was read; ``None`` if no order was relevant. ``not_understood`` is
    what the request sent and nothing understood.
    """

    body: dict[str, Any]
    request: HookRequest
    judged: tuple[JudgedOrder, ...] = ()
    defects: tuple[Defect, ...] = ()
    chart: Chart | None = None
    not_understood: tuple[NotUnderstood, ...] = ()

    @property
    def reading(self) -> Reading:
        """What was read of the request."""
        return _reading(self.request, self.judged, self.chart)


def _reading(request: HookRequest, judged_orders: Iterable[JudgedOrder], chart: Chart | None) -> Reading:
    return Reading(request, [(judged.order, judged.facts) for judged in judged_orders], chart)


def evaluate(
    prepared: Prepared,
    service: Service,
    body: bytes,
    now: datetime,
    profile: Profile = COMMON,
    fetch: Fetch | None = None,
) -> Answer:
    """The answer to one call of ``service`` at ``now``, rendered as the client's ``profile`` can use it.

    ``body`` is the JSON of the request. ``fetch`` asks the client's FHIR server for what was not prefetched; without
    it, nothing is asked for. The same request, content, ``now``, profile, key and fetched resources give the same
    answer, byte for byte (Z17).

    Raises:
        Fault: 400 for a wrong request, 412 for missing data (Z21, Z52), 422 for data of another patient.
        Exception: a fault of this software, without which there might have been a card.
    """
    request = decode_request(body, service.hook, prepared.pack.relevant)
    chart = Chart(request.patient_id, request.prefetch, now, prepared.zone)
    return judge_request(prepared, service, request, chart, profile, fetch)


def judge_request(
    prepared: Prepared,
    service: Service,
    request: HookRequest,
    chart: Chart,
    profile: Profile = COMMON,
    fetch: Fetch | None = None,
) -> Answer:
    """``evaluate`` for a call that is decoded, whoever did that, on the record of its patient in ``chart``.

    It is judged at the moment of the chart. The same request and the same record give the same answer, and raise the
    same.
    """
    orders = relevant_orders(prepared.pack, request)
    if not orders:
        return Answer({"cards": []}, request, not_understood=tuple(not_understood(prepared.pack, Reading(request))))
    drafts = draft_nodes(request)
    idle = bystanders(prepared.pack, drafts)
    if len(orders) > _MOST_ORDERS or len(orders) * (len(drafts) - len(idle)) > _MOST_PAIRS:
        message = (
            f"more than {_MOST_ORDERS} orders that this service judges, or too many like them, cannot be judged at once"
        )
        raise Fault(400, "too-costly", message, "context.draftOrders.entry")
    refuse_other_patients(prepared.pack, request, orders, chart)
    if fetch is not None and request.fhir_server:
        access = FhirAccess(request.fhir_server, request.access_token)
        fill_gaps(prepared, service, chart, partial(fetch, access))
    facts = patient_facts(prepared.pack.facts, chart)
    judged_orders = judge(prepared.pack, service, chart, facts, drafts, orders, idle)
    if request.selections_matched:  # orders that no selection names are no reason to refuse the call (Z52)
        refuse_for_missing_data(prepared.pack, judged_orders)
    items = not_understood(prepared.pack, _reading(request, judged_orders, chart))
    told = tuple(told_on_cards(prepared.pack, items))
    call = HookCall(prepared, service, request, chart, facts, drafts, judged_orders, profile, idle, told)
    defects = [defect for judged in judged_orders for defect in judged.decided.defects]
    cards = cards_of(call, defects)
    if defects and not cards:
        raise defects[0].error  # no card would mean that the order is right
    cards.sort(key=lambda card: INDICATORS.index(card["indicator"]))
    shown = {"cards": cards if prepared.shown else []}
    return Answer(shown, request, tuple(judged_orders), tuple(defects), chart, tuple(items))


def refuse_other_patients(pack: Pack, request: HookRequest, orders: Sequence[Order], chart: Chart) -> None:
    """Refuses a call whose orders or whose Patient are of another patient than ``context.patientId`` (CTX-13, Z32).

    Raises:
        Fault: 422, naming the path.
    """
    for order in orders:
        if order is NO_ORDER:
            continue
        for element, reference in subjects_of(order.resource).items():
            subject = patient_in(reference)
            if subject != request.patient_id:
                problem = "names no patient" if subject is None else "is for another patient than context.patientId"
                raise Fault(422, "business-rule", f"the order {problem}", f"{order.path}.{element}")
    for search in pack.searches.values():
        if search.resource == "Patient" and chart.results(search).of_others:
            raise Fault(
                422,
                "business-rule",
                "the Patient is another than context.patientId",
                f"prefetch.{search.key}.id",
            )


def refuse_for_missing_data(pack: Pack, judged_orders: Sequence[JudgedOrder]) -> None:
    """Refuses a call if a safety decision is open for want of a prefetch key, and nothing else was found (Z21, ERR-05).

    Raises:
        Fault: 412, with one issue for each key that was missing, and why it could not be read.
    """
    shown = [f for judged in judged_orders for f in judged.decided.cards if f.is_shown]
    missing: dict[str, dict[str, None]] = {}  # the reasons, once each, by the key
    for finding in shown:
        if finding.then.not_checked and finding.decision.safety:
            for fact in finding.used.values():
                for key in fact.missing:
                    missing.setdefault(key, {}).update({pack.reasons[fact.reason.key]: None} if fact.reason else {})
    if missing and not any(not f.then.not_checked and not f.then.not_covered for f in shown):
        refuse([_missing(f"prefetch.{key}", reasons) for key, reasons in missing.items()])


def _missing(path: str, reasons: Iterable[str]) -> Fault:
    return Fault(412, "processing", f"the order cannot be judged without {path}: {' '.join(reasons)}", path)
