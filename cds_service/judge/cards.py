"""From what was decided on an order to its cards."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from cds_service.content.decide import Defect, Finding
from cds_service.content.render import Speech, by_precedence, fill
from cds_service.judge.call import HookCall
from cds_service.judge.offers import Offer, offer_of
from cds_service.judge.orders import JudgedOrder
from cds_service.vocabulary.facts import Fact

_OVERRIDE_SYSTEM = "http://terminology.hl7.org/CodeSystem/non-adherence-reason-codes"


def order_cards(call: HookCall, judged: JudgedOrder, defects: list[Defect]) -> list[dict[str, Any]]:
    """The cards about one order: each critical and each warning has its own, and there is at most one info (Z30).

    A suggestion that cannot be made leaves its card without any, and a card that cannot be made leaves the others;
    either fault is added to ``defects`` (ERR-06).
    """
    cards = []
    for finding, further in leading([f for f in judged.decided.cards if f.decision.status == "active"]):
        offer = Offer()
        try:
            offer = offer_of(call, judged, [finding, *further])
        except Exception as error:
            defects.append(Defect(finding.topic, error))
        try:
            cards.append(card_of(call, judged, finding, further, offer))
        except Exception as error:
            defects.append(Defect(finding.topic, error))
    return cards


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


def card_of(
    call: HookCall, judged: JudgedOrder, finding: Finding, further: Sequence[Finding], offer: Offer
) -> dict[str, Any]:
    """One card (RSP-10 to RSP-23): what was found, what it was read from, what it rests on, whose content spoke."""
    pack, decision = call.prepared.pack, finding.decision
    card: dict[str, Any] = {
        "uuid": call.uuid(judged, finding),
        "summary": call.speech(judged).summary(finding),
        "detail": _detail(call, judged, finding, further, offer.withheld),
        "indicator": finding.then.indicator,
        "source": {
            "label": pack.source_label,
            "topic": {"system": pack.topic_system, "code": finding.topic, "display": decision.title},
        },
    }
    if offer.suggestions:
        card["suggestions"] = offer.suggestions
        card["selectionBehavior"] = offer.selection
    if decision.override_reasons:
        card["overrideReasons"] = [
            {"code": reason["code"], "system": _OVERRIDE_SYSTEM, "display": reason["display"]}
            for reason in decision.override_reasons
        ]
    return card


def _detail(
    call: HookCall, judged: JudgedOrder, finding: Finding, further: Sequence[Finding], withheld: Sequence[str]
) -> str:
    """The Markdown of one card."""
    words, speech = call.prepared.pack.words, call.speech(judged)
    used = dict(finding.used)
    for other in further:
        used |= other.used
    lines = [speech.detail(finding)]
    lines += [f"- {words['also']}: {speech.summary_in_detail(other)} {speech.detail(other)}" for other in further]
    lines += [f"- {speech.detail(note)}" for note in judged.decided.notes if note.decision.status == "active"]
    lines += [f"- {line}" for line in withheld]
    lines += ["", f"**{words['read']}**", *(f"- {line}" for line in _read(call, speech, used))]
    sources = dict.fromkeys(filter(None, map(speech.source, [finding, *further])))
    lines += ["", f"**{words['rests']}**", *(f"- {line}" for line in sources)]
    if "also-rests-on" in words and not finding.decision.safety:
        lines.append(f"- {words['also-rests-on']}")
    lines += ["", _version(call, finding)]
    return "\n".join(lines)


def _read(call: HookCall, speech: Speech, used: Mapping[str, Fact]) -> list[str]:
    """A line for each fact that was looked at, and one for each thing that was sent and not understood (Z41)."""
    return list(dict.fromkeys([*speech.evidence(used), *map(speech.reason, call.not_understood)]))


def _version(call: HookCall, finding: Finding) -> str:
    """The line that says which version of whose content spoke, and whether somebody has reviewed it."""
    pack, decision = call.prepared.pack, finding.decision
    version = fill(
        pack.words["content"],
        {
            "pack": pack.id,
            "version": pack.version,
            "decision": decision.id,
            "decision-version": decision.version,
        },
    )
    if pack.site_digest:
        version += " " + fill(pack.words["site"], {"digest": pack.site_digest})
    return version if pack.reviewed or decision.reviewed else f"{version} {pack.words['not-reviewed']}"
