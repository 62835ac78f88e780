"""The way of a request, as one function. Everything that answers, replays or explains calls it and nothing deeper.

Imports protocol, chart and content, which know nothing of each other.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, tzinfo
from typing import Any

from cds_service.chart.facts import order_facts, patient_facts
from cds_service.chart.order import Order, read_order, recognise_drug
from cds_service.chart.prefetch import Chart, patient_in
from cds_service.chart.tree import Node, node, text
from cds_service.content.decide import Decided, Finding, OrderFacts, decide
from cds_service.content.model import INDICATORS, Pack, Service, Suggestion
from cds_service.content.render import Speech, by_precedence, fill, inert, plain
from cds_service.facts import Facts
from cds_service.protocol.envelope import HookRequest, decode_request
from cds_service.protocol.faults import Fault
from cds_service.protocol.uuids import make_uuid
from cds_service.suggestions import Situation, propose, template_words

_NOT_JUDGED = frozenset({"cancelled", "entered-in-error", "completed", "stopped"})
_OVERRIDE_SYSTEM = "http://terminology.hl7.org/CodeSystem/non-adherence-reason-codes"


@dataclass(frozen=True, slots=True)
class Evaluator:
    """Content made ready, and the settings that answers depend on.

    ``zone`` is the hospital's time zone, ``key`` makes uuids (Z18), ``shown`` is false where unreviewed content
    runs as shadow (Z15).
    """

    pack: Pack
    zone: tzinfo
    key: bytes
    shown: bool = True
    regimens: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def prepare(cls, pack: Pack, *, zone: tzinfo, key: bytes, shown: bool = True) -> Evaluator:
        return cls(pack, zone, key, shown, template_words(pack))


@dataclass(frozen=True, slots=True)
class Judged:
    """One order with all that was decided about it."""

    order: Order
    facts: OrderFacts
    decided: Decided


@dataclass(frozen=True, slots=True)
class Answer:
    """The response body, and what was decided on the way to it (for ``explain`` and for counting)."""

    body: dict[str, Any]
    judged: tuple[Judged, ...] = ()


def evaluate(evaluator: Evaluator, service: Service, body: bytes, now: datetime) -> Answer:
    """The answer to one call of ``service`` at ``now``.

    The same request, content, now and key give the same bytes (design rule 3).

    Raises:
        Fault: 400 for a request that is wrong, 412 for data that is missing (Z21), 422 for another patient's.
    """
    request = decode_request(body, service.hook)
    orders = relevant_orders(evaluator.pack, request)
    if not orders:
        return Answer({"cards": []})
    chart = Chart(request.patient_id, request.prefetch, now, evaluator.zone)
    refuse_other_patients(evaluator.pack, request, orders, chart)
    facts = patient_facts(evaluator.pack.facts, chart)
    judged = judge(evaluator.pack, service, chart, facts, draft_nodes(request), orders)
    cards = [card for one in judged for card in order_cards(evaluator, service, request, chart, facts, judged, one)]
    refuse_for_missing_data(judged)
    cards.sort(key=lambda card: INDICATORS.index(card["indicator"]))
    return Answer({"cards": cards if evaluator.shown else []}, tuple(judged))


# --- which orders -----------------------------------------------------------------------------------------------


def draft_nodes(request: HookRequest) -> dict[str, Node]:
    """Every draft by ``Type/id``; drafts without an id cannot be named and stay background."""
    return {draft.reference or draft.path: draft.resource for draft in request.drafts}


def relevant_orders(pack: Pack, request: HookRequest) -> list[Order]:
    """The selected orders this content is about, decided without a look at the prefetch (design, rule 2)."""
    others = {draft.reference: draft.resource for draft in request.drafts}
    others |= {draft.full_url: draft.resource for draft in request.drafts if draft.full_url}
    return [
        order
        for draft in request.selected()
        if is_judged(draft.resource)
        for order in [read_order(draft.path, draft.resource, others)]
        if is_relevant(pack, order)
    ]


def is_judged(resource: Node) -> bool:
    """Whether a draft is an order to be carried out (Z14, CTX-07, CTX-09)."""
    return (
        resource.get("resourceType") == "MedicationRequest"
        and text(resource, "status") not in _NOT_JUDGED
        and resource.get("doNotPerform") is not True
    )


def is_relevant(pack: Pack, order: Order) -> bool:
    """Whether the drug is one of the pack's and none of its excluded ones."""
    return recognise_drug(order, pack.excluded) is None and recognise_drug(order, pack.relevant) is not None


def refuse_other_patients(pack: Pack, request: HookRequest, orders: Sequence[Order], chart: Chart) -> None:
    """Data of another patient never makes a card (CTX-13, Z32).

    Raises:
        Fault: 422, naming the path.
    """
    for order in orders:
        subject = patient_in(text(node(order.resource, "subject"), "reference"))
        if subject != request.patient_id:
            what = "names no patient" if subject is None else "is for another patient than context.patientId"
            raise Fault(422, "business-rule", f"the order {what}", f"{order.path}.subject")
    for search in pack.searches.values():
        if search.resource == "Patient" and chart.results(search).other_patient:
            raise Fault(
                422,
                "business-rule",
                "the Patient is another than context.patientId",
                f"prefetch.{search.key}.id",
            )


# --- judging ----------------------------------------------------------------------------------------------------


def judge(
    pack: Pack,
    service: Service,
    chart: Chart,
    shared: Facts,
    drafts: Mapping[str, Node],
    orders: Sequence[Order],
) -> list[Judged]:
    """Every decision of the service on every order, each with the other drafts beside it."""
    judged = []
    for order in orders:
        beside = [read_order("", resource, drafts) for resource in drafts.values() if resource is not order.resource]
        own, steps = order_facts(pack.facts, shared, order, beside, chart)
        facts = OrderFacts(own, steps)
        judged.append(Judged(order, facts, decide(pack, service.decisions, facts)))
    return judged


def refuse_for_missing_data(judged: Sequence[Judged]) -> None:
    """412 only if no card can be shown and a safety decision is open for want of a prefetch key (Z21, ERR-05).

    Raises:
        Fault: 412, naming the keys.
    """
    shown = [f for one in judged for f in one.decided.cards if f.decision.status == "active"]
    missing: dict[str, None] = {}
    for finding in shown:
        if finding.then.not_checked and finding.decision.safety:
            missing.update(dict.fromkeys(key for fact in finding.used.values() for key in fact.missing))
    if missing and not any(not f.then.not_checked and not f.then.not_covered for f in shown):
        keys = ", ".join(f"prefetch.{key}" for key in missing)
        raise Fault(412, "processing", f"the order cannot be judged without {keys}", keys.partition(",")[0])


# --- cards ------------------------------------------------------------------------------------------------------


def order_cards(
    evaluator: Evaluator,
    service: Service,
    request: HookRequest,
    chart: Chart,
    shared: Facts,
    all_judged: Sequence[Judged],
    one: Judged,
) -> list[dict[str, Any]]:
    """The cards about one order: criticals and warnings each their own, at most one info (Z30)."""
    pack, decided = evaluator.pack, one.decided
    speech = Speech(pack, evaluator.regimens, decided.values, plain(one.order.name))
    findings = by_precedence([f for f in decided.cards if f.decision.status == "active"])
    covered = [finding for finding in findings if not finding.then.not_covered]
    leading = [finding for finding in covered if finding.then.indicator != "info"]
    infos = [finding for finding in covered if finding.then.indicator == "info"]
    uncovered = [finding for finding in findings if finding.then.not_covered]
    if infos:
        leading.append(infos[0])
    elif not leading and uncovered:
        leading.append(uncovered.pop(0))
    cards = []
    for finding in leading:
        further = [*(infos[1:] if finding is (infos[0] if infos else None) else []), *uncovered]
        offered, withheld = suggestions_of(
            evaluator, service, request, chart, shared, all_judged, one, speech, [finding, *further]
        )
        cards.append(card_of(evaluator, request, one, speech, finding, further, offered, withheld))
    return cards


def card_of(
    evaluator: Evaluator,
    request: HookRequest,
    one: Judged,
    speech: Speech,
    finding: Finding,
    further: Sequence[Finding],
    offered: list[dict[str, Any]],
    withheld: Sequence[str],
) -> dict[str, Any]:
    """One card (RSP-10 to RSP-23): what was found, what it was read from, what it rests on, whose content spoke."""
    pack, words = evaluator.pack, evaluator.pack.words
    used = dict(finding.used)
    for other in further:
        used |= other.used
    lines = [speech.detail(finding)]
    lines += [f"- {words['also']}: {speech.summary_in_detail(other)} {speech.detail(other)}" for other in further]
    lines += [f"- {speech.detail(note)}" for note in one.decided.notes if note.decision.status == "active"]
    lines += [f"- {line}" for line in withheld]
    lines += ["", f"**{words['read']}**", *(f"- {line}" for line in speech.evidence(used))]
    sources = dict.fromkeys(filter(None, map(speech.source, [finding, *further])))
    lines += ["", f"**{words['rests']}**", *(f"- {line}" for line in sources), f"- {words['individual']}", ""]
    version = fill(
        words["content"],
        {
            "pack": pack.id,
            "version": pack.version,
            "decision": finding.decision.id,
            "decision-version": finding.decision.version,
        },
    )
    lines.append(version if pack.reviewed else f"{version} {words['not-reviewed']}")
    number = pack.findings.get((finding.topic, finding.decision.version), 0)
    card: dict[str, Any] = {
        "uuid": make_uuid(evaluator.key, number, request.hook_instance, one.order.reference, finding.topic),
        "summary": speech.summary(finding),
        "detail": "\n".join(lines),
        "indicator": finding.then.indicator,
        "source": {
            "label": pack.source_label,
            "topic": {"system": pack.topic_system, "code": finding.topic, "display": finding.decision.title},
        },
    }
    if offered:
        card["suggestions"] = offered
        card["selectionBehavior"] = "at-most-one"
    if finding.decision.override_reasons:
        card["overrideReasons"] = [
            {"code": reason["code"], "system": _OVERRIDE_SYSTEM, "display": reason["display"]}
            for reason in finding.decision.override_reasons
        ]
    return card


def suggestions_of(
    evaluator: Evaluator,
    service: Service,
    request: HookRequest,
    chart: Chart,
    shared: Facts,
    all_judged: Sequence[Judged],
    one: Judged,
    speech: Speech,
    findings: Sequence[Finding],
) -> tuple[list[dict[str, Any]], list[str]]:
    """The suggestions of a card, each tried first (Z1), and a line for each that is withheld.

    A suggestion is withheld if accepting it would raise a critical, or anything new as severe as its own card.
    """
    withdrawn = {note.then.withhold for note in one.decided.notes}
    if "all" in withdrawn:
        return [], []
    pack = evaluator.pack
    drafts = draft_nodes(request)
    selected = tuple(judged.order.reference for judged in all_judged)
    situation = Situation(
        pack, evaluator.regimens, one.order, drafts, selected, request.patient_id, request.encounter_id
    )
    offered: list[dict[str, Any]] = []
    withheld: list[str] = []
    seen: set[tuple[str, str]] = set()
    for finding in findings:
        for index, suggestion in enumerate(finding.then.suggestions):
            key = (suggestion.kind, suggestion.template)
            if key in seen or not is_offered(suggestion, one):
                continue
            if "medications" in withdrawn and orders_medication(pack, suggestion):
                continue
            seen.add(key)
            about = (request.hook_instance, one.order.reference, finding.topic, str(index))
            number = pack.findings.get((finding.topic, finding.decision.version), 0)
            uuid = make_uuid(evaluator.key, number, *about)
            proposal = propose(situation, suggestion, uuid)
            if not proposal.actions:
                continue
            label = speech.label(finding, suggestion.id)
            orders = [
                order
                for ref in proposal.selected
                for order in [read_order("", proposal.drafts[ref], proposal.drafts)]
                if is_judged(order.resource) and is_relevant(pack, order)
            ]
            after = judge(pack, service, chart, shared, proposal.drafts, orders)
            raised = what_it_raises(all_judged, after, finding)
            if raised is not None:
                judged_after, worse = raised
                words_after = Speech(
                    pack, evaluator.regimens, judged_after.decided.values, plain(judged_after.order.name)
                )
                withheld.append(
                    fill(
                        pack.words["withheld"], {"label": inert(label), "summary": words_after.summary_in_detail(worse)}
                    )
                )
                continue
            entry: dict[str, Any] = {"label": label, "uuid": uuid, "actions": proposal.actions}
            if suggestion.recommended:
                entry["isRecommended"] = True
            offered.append(entry)
    return offered, withheld


def orders_medication(pack: Pack, suggestion: Suggestion) -> bool:
    """Whether accepting a suggestion leaves a medication order that it placed or changed."""
    return suggestion.kind == "route" or bool(suggestion.template and pack.templates[suggestion.template].agent)


def is_offered(suggestion: Suggestion, one: Judged) -> bool:
    """Whether the conditions of a suggestion hold for this order."""
    return all(cell is None or cell.matches(one.decided.values[name]) for name, cell in suggestion.when.items())


def what_it_raises(
    before: Sequence[Judged], after: Sequence[Judged], finding: Finding
) -> tuple[Judged, Finding] | None:
    """What an accepted suggestion would newly raise at the severity of its card or above, or any critical (Z1)."""
    known = {(one.order.reference, f.topic) for one in before for f in one.decided.cards}
    limit = INDICATORS.index(finding.then.indicator)
    for one in after:
        for found in one.decided.cards:
            if found.then.not_covered or found.decision.status != "active":
                continue
            severity = INDICATORS.index(found.then.indicator)
            is_new = (one.order.reference, found.topic) not in known
            unsolved = found.topic == finding.topic
            if severity == 0 or (severity <= limit and (is_new or unsolved)):
                return one, found
    return None
