"""From what was decided to cards, each suggestion tried before it is offered. Imports protocol, chart and content."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from cds_service.chart.order import NO_ORDER, read_order
from cds_service.chart.record import Chart
from cds_service.content.decide import Defect, Finding
from cds_service.content.model import INDICATORS, Pack, Service, Suggestion
from cds_service.content.prepared import Prepared
from cds_service.content.render import Speech, by_precedence, escaped, fill, plain
from cds_service.fhir.tree import Node
from cds_service.judge.orders import Judged, draft_nodes, is_judged, is_relevant, judge
from cds_service.judge.suggestions import Situation, propose, removal, without_update
from cds_service.protocol.envelope import ORDER_HOOKS, HookRequest
from cds_service.protocol.profiles import COMMON, Profile
from cds_service.protocol.uuids import make_uuid
from cds_service.vocabulary.facts import Facts

_OVERRIDE_SYSTEM = "http://terminology.hl7.org/CodeSystem/non-adherence-reason-codes"


@dataclass(frozen=True, slots=True)
class Call:
    """One request on its way: by whose content it is judged, what it brought, and what was decided on its orders.

    ``idle`` are the keys of drafts that nothing is read from.
    """

    prepared: Prepared
    service: Service
    request: HookRequest
    chart: Chart
    facts: Facts
    judged: Sequence[Judged]
    profile: Profile = COMMON
    idle: Collection[str] = frozenset()

    def judge_again(self, drafts: Mapping[str, Node], selected: Sequence[str]) -> list[Judged]:
        """Every decision on the drafts as an accepted suggestion would leave them."""
        pack = self.prepared.pack
        orders = [read_order("", drafts[key], drafts, key) for key in selected if key]
        orders = [order for order in orders if is_judged(order.resource) and is_relevant(pack, order)]
        if self.request.hook not in ORDER_HOOKS:
            orders.append(NO_ORDER)
        return judge(pack, self.service, self.chart, self.facts, drafts, orders, self.idle)

    def about(self, one: Judged, finding: Finding) -> tuple[str, ...]:
        """What tells the uuids of one finding from every other (Z18)."""
        return self.profile.issuer, self.request.hook_instance, one.order.key, finding.topic

    def speech(self, one: Judged) -> Speech:
        """The words for one of its orders."""
        return Speech(
            self.prepared.pack,
            self.prepared.regimens,
            one.decided.values,
            plain(one.order.name),
            about_order=one.order is not NO_ORDER,
        )


@dataclass(frozen=True, slots=True)
class Offer:
    """The suggestions of one card, a line for each that is withheld, and how many may be taken (RSP-16)."""

    suggestions: list[dict[str, Any]] = field(default_factory=list)
    withheld: list[str] = field(default_factory=list)
    selection: str = "at-most-one"


def order_cards(call: Call, one: Judged, defects: list[Defect]) -> list[dict[str, Any]]:
    """The cards about one order: criticals and warnings each their own, at most one info (Z30).

    A suggestion that cannot be made leaves its card without any, a card that cannot be made leaves the others, and
    either is added to ``defects`` (ERR-06).
    """
    findings = by_precedence([f for f in one.decided.cards if f.decision.status == "active"])
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
        offer = Offer()
        try:
            offer = offer_of(call, one, [finding, *further])
        except Exception as error:
            defects.append(Defect(finding.topic, error))
        try:
            cards.append(card_of(call, one, finding, further, offer))
        except Exception as error:
            defects.append(Defect(finding.topic, error))
    return cards


def card_of(
    call: Call,
    one: Judged,
    finding: Finding,
    further: Sequence[Finding],
    offer: Offer,
) -> dict[str, Any]:
    """One card (RSP-10 to RSP-23): what was found, what it was read from, what it rests on, whose content spoke."""
    pack, words, speech = call.prepared.pack, call.prepared.pack.words, call.speech(one)
    used = dict(finding.used)
    for other in further:
        used |= other.used
    lines = [speech.detail(finding)]
    lines += [f"- {words['also']}: {speech.summary_in_detail(other)} {speech.detail(other)}" for other in further]
    lines += [f"- {speech.detail(note)}" for note in one.decided.notes if note.decision.status == "active"]
    lines += [f"- {line}" for line in offer.withheld]
    lines += ["", f"**{words['read']}**", *(f"- {line}" for line in speech.evidence(used))]
    sources = dict.fromkeys(filter(None, map(speech.source, [finding, *further])))
    lines += ["", f"**{words['rests']}**", *(f"- {line}" for line in sources)]
    if "also-rests-on" in words and not finding.decision.safety:
        lines.append(f"- {words['also-rests-on']}")
    lines.append("")
    version = fill(
        words["content"],
        {
            "pack": pack.id,
            "version": pack.version,
            "decision": finding.decision.id,
            "decision-version": finding.decision.version,
        },
    )
    if pack.site_digest:
        version += " " + fill(words["site"], {"digest": pack.site_digest})
    reviewed = pack.reviewed or finding.decision.reviewed
    lines.append(version if reviewed else f"{version} {words['not-reviewed']}")
    number = pack.findings.get((finding.topic, finding.decision.version), 0)
    card: dict[str, Any] = {
        "uuid": make_uuid(call.prepared.key, number, *call.about(one, finding)),
        "summary": speech.summary(finding),
        "detail": "\n".join(lines),
        "indicator": finding.then.indicator,
        "source": {
            "label": pack.source_label,
            "topic": {"system": pack.topic_system, "code": finding.topic, "display": finding.decision.title},
        },
    }
    if offer.suggestions:
        card["suggestions"] = offer.suggestions
        card["selectionBehavior"] = offer.selection
    if finding.decision.override_reasons:
        card["overrideReasons"] = [
            {"code": reason["code"], "system": _OVERRIDE_SYSTEM, "display": reason["display"]}
            for reason in finding.decision.override_reasons
        ]
    return card


def offer_of(call: Call, one: Judged, findings: Sequence[Finding]) -> Offer:
    """What a card offers, each suggestion tried first (Z1).

    A suggestion is withheld if accepting it would raise a critical, or anything new as severe as its own card.

    Raises:
        Exception: one of them could not be tried, by a fault of this software; then none is offered.
    """
    withdrawn = {note.then.withhold for note in one.decided.notes if note.decision.status == "active"}
    if "all" in withdrawn:
        return Offer()
    prepared, request, speech = call.prepared, call.request, call.speech(one)
    pack = prepared.pack
    situation = Situation(
        pack,
        prepared.regimens,
        one.order,
        draft_nodes(request),
        tuple(judged.order.key for judged in call.judged),
        request.patient_id,
        request.encounter_id,
    )
    offered: list[dict[str, Any]] = []
    withheld: list[str] = []
    selections: set[str] = set()
    seen: set[tuple[str, str]] = set()
    replacements: list[str] = []
    removed = ""
    for finding in findings:
        for index, suggestion in enumerate(finding.then.suggestions):
            key = (suggestion.kind, suggestion.template)
            if key in seen or not is_offered(suggestion, one):
                continue
            if "medications" in withdrawn and orders_medication(pack, suggestion):
                continue
            seen.add(key)
            label = speech.label(finding, suggestion.id)
            if suggestion.kind in ("replace", "add") and not pack.templates[suggestion.template].stocked:
                withheld.append(fill(pack.words["not-stocked"], {"label": escaped(label)}))
                continue
            about = (*call.about(one, finding), str(index))
            number = pack.findings.get((finding.topic, finding.decision.version), 0)
            uuid = make_uuid(prepared.key, number, *about)
            proposal = propose(situation, suggestion, uuid)
            if not proposal.actions:
                continue
            after = call.judge_again(proposal.drafts, proposal.selected)
            for judged in after:
                for defect in judged.decided.defects:
                    raise defect.error
            raised = what_it_raises(call.judged, after, finding)
            if raised is not None:
                later, worse = raised
                summary = call.speech(later).summary_in_detail(worse)
                withheld.append(fill(pack.words["withheld"], {"label": escaped(label), "summary": summary}))
                continue
            if call.profile.updates:
                entry: dict[str, Any] = {"label": label, "uuid": uuid, "actions": proposal.actions}
                if suggestion.recommended:
                    entry["isRecommended"] = True
                offered.append(entry)
            else:
                order = without_update(situation, suggestion, label, uuid, call.profile.preference_list)
                if order is not None:
                    offered.append(order)
                    if suggestion.kind == "replace":
                        replacements.append(label)
                        removed = removed or make_uuid(prepared.key, number, *about, "remove")
                else:
                    withheld.append(fill(pack.words["by-hand"], {"label": escaped(label)}))
            selections.add(finding.then.selection)
    if replacements:
        offered.insert(0, removal(situation, replacements, removed))
    selection = "any" if selections == {"any"} or call.profile.selections == ("any",) else "at-most-one"
    return Offer(offered, withheld, selection)


def orders_medication(pack: Pack, suggestion: Suggestion) -> bool:
    """Whether accepting a suggestion leaves a medication order that it placed or changed."""
    if suggestion.kind in ("add", "replace"):
        return bool(pack.templates[suggestion.template].resource["resourceType"] == "MedicationRequest")
    return suggestion.kind != "remove"


def is_offered(suggestion: Suggestion, one: Judged) -> bool:
    """Whether the conditions of a suggestion hold for this order."""
    return all(cell is None or cell.matches(one.decided.values[name]) for name, cell in suggestion.when.items())


def what_it_raises(
    before: Sequence[Judged], after: Sequence[Judged], finding: Finding
) -> tuple[Judged, Finding] | None:
    """What an accepted suggestion would newly raise at the severity of its card or above, or any critical (Z1)."""
    known = {(one.order.key, f.topic) for one in before for f in one.decided.cards}
    limit = INDICATORS.index(finding.then.indicator)
    for one in after:
        for found in one.decided.cards:
            if found.then.not_covered or found.decision.status != "active":
                continue
            severity = INDICATORS.index(found.then.indicator)
            is_new = (one.order.key, found.topic) not in known
            unsolved = found.topic == finding.topic
            if severity == 0 or (severity <= limit and (is_new or unsolved)):
                return one, found
    return None
