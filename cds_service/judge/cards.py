"""From what was decided on an order to its cards."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from functools import partial
from typing import Any

import msgspec

from cds_service.chart.drug import recognise_drug
from cds_service.chart.order import NO_ORDER
from cds_service.content.decide import Defect, Finding
from cds_service.content.grounds import Grounds
from cds_service.content.render import Speech, by_precedence, escaped, fill, harmless, plain
from cds_service.content.reviews import ReviewState, Standing, better
from cds_service.judge.call import HookCall
from cds_service.judge.offers import Offer, offer_of_all
from cds_service.judge.ordered import order_in_words
from cds_service.judge.orders import JudgedOrder
from cds_service.protocol.override_reasons import system_of
from cds_service.vocabulary.facts import Fact

_LONGEST_ORDERED = 400  # characters of all the orders that a card is about


class Lead(msgspec.Struct, frozen=True):
    """A finding that gets a card of its own, the order it is about, and the further findings that the card mentions.

    ``speech`` has the words for the findings on that order.
    """

    judged: JudgedOrder
    finding: Finding
    further: Sequence[Finding]
    speech: Speech

    @property
    def findings(self) -> tuple[Finding, ...]:
        """All that its card speaks of."""
        return (self.finding, *self.further)


def cards_of(call: HookCall, defects: list[Defect]) -> list[dict[str, Any]]:
    """The cards about the orders of a call: each critical and each warning has its own, and an order has at most one
    info (Z30). What holds alike for several drafts of one drug is one card (Z72).

    A suggestion that cannot be made leaves its card without any, and a card that cannot be made leaves the others;
    either fault is added to ``defects`` (ERR-06).
    """
    leads = [
        Lead(judged, finding, further, speech)
        for judged in call.judged_orders
        for speech in [call.speech(judged)]
        for finding, further in leading([f for f in judged.decided.cards if f.is_shown])
    ]
    cards = []
    for alike in grouped(call, leads):
        offer = Offer()
        try:
            offer = offer_of_all(call, [(lead.judged, lead.findings) for lead in alike])
        except Exception as error:
            defects.append(Defect(alike[0].finding.topic, error))
        try:
            cards.append(card_of(call, alike, offer))
        except Exception as error:
            defects.append(Defect(alike[0].finding.topic, error))
    return cards


def grouped(call: HookCall, leads: Sequence[Lead]) -> list[list[Lead]]:
    """The leads that make one card together, in the order in which the first of each was found (Z72)."""
    if len(call.judged_orders) == 1:
        return [[lead] for lead in leads]
    groups: dict[Hashable, list[Lead]] = {}
    for lead in leads:
        groups.setdefault(_said_alike(call, lead), []).append(lead)
    return list(groups.values())


def _said_alike(call: HookCall, lead: Lead) -> Hashable:
    """Equal for leads that say the same of drafts of one drug."""
    drug = recognise_drug(lead.judged.order, call.prepared.pack.drugs)
    if drug is None or not drug.agent:
        return lead.judged.order.key, lead.finding.topic
    notes = [note.topic for note in lead.judged.decided.notes if note.is_shown]
    try:
        said = [(finding.topic, lead.speech.without_dosage(finding)) for finding in lead.findings]
    except Exception:  # making the card meets the same fault, and there it is counted
        return lead.judged.order.key, lead.finding.topic
    return drug.agent, drug.form, *said, *notes


def leading(findings: Sequence[Finding]) -> list[tuple[Finding, list[Finding]]]:
    """The findings that get a card of their own, each with the further ones that its card mentions (Z30)."""
    ordered = by_precedence(findings)
    covered = [finding for finding in ordered if not finding.then.not_covered]
    uncovered = [finding for finding in ordered if finding.then.not_covered]
    infos = [finding for finding in covered if finding.then.indicator == "info"]
    own_card = [finding for finding in covered if finding.then.indicator != "info"] + infos[:1]
    if not own_card and uncovered:
        own_card.append(uncovered.pop(0))
    return [(f, [*(infos[1:] if infos and f is infos[0] else []), *uncovered]) for f in own_card]


def card_of(call: HookCall, alike: Sequence[Lead], offer: Offer) -> dict[str, Any]:
    """One card (RSP-10 to RSP-23): what was found, what it was read from, what it rests on, whose content spoke.

    It is the card of the first of the leads that say alike, and names the orders of the others.
    """
    judged, finding = alike[0].judged, alike[0].finding
    pack, decision, standing = call.prepared.pack, finding.decision, _standing(call, finding)
    card: dict[str, Any] = {
        "uuid": call.uuid(judged, finding),
        "summary": alike[0].speech.summary(finding),
        "detail": _detail(call, alike, offer.withheld, standing),
        "indicator": finding.then.indicator,
        "source": {
            "label": _source(call, finding, standing),
            "topic": {"system": pack.topic_system, "code": finding.topic, "display": decision.title},
        },
    }
    if offer.suggestions:
        card["suggestions"] = [_harmless(suggestion) for suggestion in offer.suggestions]
        card["selectionBehavior"] = offer.selection
    reasons = decision.texts[finding.then.text].override_reasons
    if reasons:
        card["overrideReasons"] = [
            {
                "code": reason["code"],
                "system": system_of(reason["code"], pack.topic_system),
                "display": reason["display"],
            }
            for reason in reasons
        ]
    return card


def _harmless(suggestion: Mapping[str, Any]) -> dict[str, Any]:
    """A suggestion in whose words nothing of the chart acts; the resources stay as they are (RSP-43)."""
    actions = [action | {"description": harmless(action["description"])} for action in suggestion["actions"]]
    return {**suggestion, "label": harmless(suggestion["label"]), "actions": actions}


def _detail(call: HookCall, alike: Sequence[Lead], withheld: Sequence[str], standing: Standing) -> str:
    """The Markdown of one card, which reads well without rendering too: first what a clinician needs to decide, then
    what it was read from, what else there is, and what it rests on.
    """
    first, *others = alike
    finding, speech, words = first.finding, first.speech, call.prepared.pack.words
    message = speech.detail(finding)
    side_by_side = speech.side_by_side(finding, partial(_ordered, call, alike))
    if others and not side_by_side:
        message += " " + fill(words["also-orders"], {"orders": escaped(_ordered(call, others))})
    noted = [f"{words['also']}: {_in_short(call, speech, other)}" for other in first.further]
    noted += [speech.detail(note) for note in first.judged.decided.notes if note.is_shown]
    parts = [
        [message],
        _listed("", side_by_side),
        _listed(words["read"], _read(call, alike)),
        _listed(words["noted"], [*noted, *withheld]),
        _listed(words["rests"], _rests(call, alike)),
        [_version(call, finding, standing)],
    ]
    return "\n\n".join("\n".join(part) for part in parts if part)


def _in_short(call: HookCall, speech: Speech, finding: Finding) -> str:
    """A further finding as a line on a card, whose label says nothing of whose rule it is (Z78)."""
    said = speech.summary_in_detail(finding)
    return f"{said} {call.prepared.pack.words['whose-hospital']}" if _grounds(call, finding).is_of_hospital else said


def _listed(heading: str, items: Sequence[str]) -> list[str]:
    """A heading with its list; nothing where there are no items."""
    return [*filter(None, [heading]), *(f"- {item}" for item in items)] if items else []


def _ordered(call: HookCall, alike: Sequence[Lead]) -> str:
    """The orders that a card is about, in words; ``""`` for one that is about the patient."""
    orders = {
        order.key: order_in_words(call.prepared.pack, order)
        for lead in alike
        for order in (lead.judged.order, *lead.judged.siblings)
        if order is not NO_ORDER
    }
    return plain("; ".join(dict.fromkeys(orders.values())), _LONGEST_ORDERED)


def _rests(call: HookCall, alike: Sequence[Lead]) -> list[str]:
    """What a card rests on: the statements of the source, and the resources that were read."""
    first = alike[0]
    lines = list(dict.fromkeys(filter(None, (_grounds(call, finding).statement for finding in first.findings))))
    if not first.finding.decision.safety:
        lines += call.prepared.rests_also
    resources = dict.fromkeys(
        reference for lead in alike for finding in lead.findings for reference in lead.speech.resources(finding.used)
    )
    if resources:
        lines.append(fill(call.prepared.pack.words["resources"], {"references": ", ".join(resources)}))
    return lines


def _read(call: HookCall, alike: Sequence[Lead]) -> list[str]:
    """A line for each fact that was looked at, and one for each thing that was sent and not understood (Z41), unless
    the line of a fact ends with it.
    """
    lines: list[str] = []
    for lead in alike:
        used: dict[str, Fact] = {}
        for finding in lead.findings:
            used |= finding.used
        lines += lead.speech.evidence(used)
    for about, reason in call.not_understood:
        sentence = alike[0].speech.reason(reason)
        if not any(line.endswith(f" {sentence}") for line in lines):
            said = {"label": escaped(about), "said": sentence}
            lines.append(fill(call.prepared.pack.words["evidence"], said) if about else sentence)
    return list(dict.fromkeys(lines))


def _standing(call: HookCall, finding: Finding) -> Standing:
    today = call.chart.today
    return better(call.prepared.pack.standing(today), finding.decision.standing(today))


def _grounds(call: HookCall, finding: Finding) -> Grounds:
    return call.prepared.grounds[finding.decision.id, finding.rule.id]


def _source(call: HookCall, finding: Finding, standing: Standing) -> str:
    """Whose word a card is, for an EHR that shows nothing else of it beside the summary (Z78)."""
    source = call.prepared.pack.label(standing)
    if not _grounds(call, finding).is_of_hospital:
        return source
    return fill(call.prepared.pack.words["source-hospital"], {"source": source})


def _version(call: HookCall, finding: Finding, standing: Standing) -> str:
    """The line that says which version of whose content spoke, and whether a review of it counts (Z15)."""
    version, words = _grounds(call, finding).version, call.prepared.pack.words
    match standing.state:
        case ReviewState.NONE:
            return f"{version} {words['not-reviewed']}"
        case ReviewState.EXPIRED:
            return f"{version} {fill(words['review-expired'], {'date': str(standing.until)})}"
        case _:
            return version
