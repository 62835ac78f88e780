"""The suggestions of a card: which of them apply, each tried before it is offered, put as the client can take them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from cds_service.content.decide import Finding
from cds_service.content.model import INDICATORS, Pack, Suggestion
from cds_service.content.render import escaped, fill
from cds_service.fhir.order_types import MEDICATION
from cds_service.judge.call import HookCall
from cds_service.judge.ordered import order_in_words
from cds_service.judge.orders import JudgedOrder
from cds_service.judge.suggestions import Proposal, propose, removal, without_update


class Offer(msgspec.Struct, frozen=True):
    """The suggestions of one card, a line for each that is withheld, and how many may be taken (RSP-16)."""

    suggestions: list[dict[str, Any]] = msgspec.field(default_factory=list)
    withheld: list[str] = msgspec.field(default_factory=list)
    selection: str = "at-most-one"


class Candidate(msgspec.Struct, frozen=True):
    """A suggestion that applies to an order: its finding, its place among those of the rule, its label and uuid."""

    finding: Finding
    place: int
    suggestion: Suggestion
    label: str
    uuid: str


class Trial(msgspec.Struct, frozen=True):
    """What became of a candidate: its ``actions``, or the line that says why it is ``withheld``.

    With neither there is nothing that a client could carry out, and the card does not speak of it. ``settles`` if
    nothing more would be said of the order once the suggestion is accepted.
    """

    candidate: Candidate
    actions: list[dict[str, Any]] = msgspec.field(default_factory=list)
    withheld: str = ""
    settles: bool = False


def offer_of_all(call: HookCall, about: Sequence[tuple[JudgedOrder, Sequence[Finding]]]) -> Offer:
    """What the card of some findings offers, which are the same on each of the orders they are about.

    On several drafts each suggestion names its draft, and any number of them may be taken; what is added beside a draft
    is offered once (Z72). The drafts of one regimen are one draft.

    Raises:
        Exception: a suggestion could not be tried, by a fault of this software; then none is offered.
    """
    one_of_each: list[tuple[JudgedOrder, Sequence[Finding]]] = []
    seen: set[str] = set()
    for judged, findings in about:
        if judged.order.key not in seen:
            one_of_each.append((judged, findings))
        seen |= {judged.order.key, *(sibling.key for sibling in judged.siblings)}
    offers = [offer_of(call, judged, findings) for judged, findings in one_of_each]
    if len(offers) == 1:
        return offers[0]
    together = Offer(selection="any" if call.profile.updates else call.profile.selections[0])
    taken: set[str] = set()
    for number, ((judged, _), offer) in enumerate(zip(one_of_each, offers, strict=True), 1):
        name = order_in_words(call.prepared.pack, judged.order)
        for suggestion in offer.suggestions:
            adds = [action["type"] for action in suggestion["actions"]] == ["create"]
            label = (
                suggestion["label"]
                if adds
                else fill(call.prepared.pack.words["of-draft"], {"label": suggestion["label"], "order": name})
            )
            if label in taken and not adds:
                label = f"{label} ({number})"
            if label not in taken:
                together.suggestions.append({**suggestion, "label": label})
            taken.add(label)
        together.withheld.extend(line for line in offer.withheld if line not in together.withheld)
    return together


def offer_of(call: HookCall, judged: JudgedOrder, findings: Sequence[Finding]) -> Offer:
    """What the card of these findings offers.

    Raises:
        Exception: a suggestion could not be tried, by a fault of this software; then none is offered.
    """
    trials = [tried(call, judged, candidate) for candidate in candidates(call, judged, findings)]
    return in_common_form(trials) if call.profile.updates else from_preference_list(call, judged, trials)


# --- which apply ------------------------------------------------------------------------------------------------


def candidates(call: HookCall, judged: JudgedOrder, findings: Sequence[Finding]) -> list[Candidate]:
    """The suggestions that apply to the order, none twice and none that a note withdraws."""
    withdrawn = {note.then.withhold for note in judged.decided.notes if note.is_shown}
    if "all" in withdrawn:
        return []
    pack, speech = call.prepared.pack, call.speech(judged)
    chosen: dict[tuple[str, str], Candidate] = {}
    for finding in findings:
        for place, suggestion in enumerate(finding.then.suggestions):
            key = (suggestion.kind, suggestion.template)
            if key in chosen or not applies(suggestion, judged):
                continue
            if "medications" in withdrawn and orders_medication(pack, suggestion):
                continue
            label, uuid = speech.label(finding, suggestion.id), call.uuid(judged, finding, str(place))
            chosen[key] = Candidate(finding, place, suggestion, label, uuid)
    return list(chosen.values())


def applies(suggestion: Suggestion, judged: JudgedOrder) -> bool:
    """Whether the conditions of a suggestion hold for this order."""
    return all(cell is None or cell.matches(judged.decided.values[name]) for name, cell in suggestion.when.items())


def orders_medication(pack: Pack, suggestion: Suggestion) -> bool:
    """Whether accepting a suggestion leaves a medication order that it placed or changed."""
    if suggestion.kind in ("add", "replace"):
        return ordered_type(pack, suggestion) == MEDICATION
    return suggestion.kind != "remove"


def ordered_type(pack: Pack, suggestion: Suggestion) -> str:
    """The type of the order that a suggestion with a template places."""
    return str(pack.templates[suggestion.template].resource["resourceType"])


# --- each tried -------------------------------------------------------------------------------------------------


def tried(call: HookCall, judged: JudgedOrder, candidate: Candidate) -> Trial:
    """A candidate held against every decision, as if it had been accepted (Z1).

    It is withheld if accepting it would raise a critical, or anything new as severe as its own card, and if the site
    does not stock what it orders.

    Raises:
        Exception: a decision failed, by a fault of this software.
    """
    pack, suggestion, label = call.prepared.pack, candidate.suggestion, escaped(candidate.label)
    if suggestion.kind in ("replace", "add") and not pack.templates[suggestion.template].stocked:
        return Trial(candidate, withheld=fill(pack.words["not-stocked"], {"label": label}))
    proposal = propose(call, judged, suggestion, candidate.uuid)
    if not proposal.actions:
        return Trial(candidate)
    if suggestion.kind == "add" and ordered_type(pack, suggestion) not in (MEDICATION, *pack.relevant):
        return Trial(candidate, proposal.actions)  # a test that is not judged changes nothing of what is drafted
    after = judged_after(call, proposal)
    raised = newly_raised(call.judged_orders, after, judged, candidate.finding)
    if raised is not None:
        if not raised[1].is_shown:  # it is kept back all the same; what is withdrawn is not said in this way either
            return Trial(candidate, withheld=fill(pack.words["withheld-unsaid"], {"label": label}))
        summary = call.speech(raised[0]).summary_in_detail(raised[1])
        return Trial(candidate, withheld=fill(pack.words["withheld"], {"label": label, "summary": summary}))
    others = {other.order.key for other in call.judged_orders} - {judged.order.key}
    settles = not any(left.decided.says_anything for left in after if left.order.key not in others)
    return Trial(candidate, proposal.actions, settles=settles)


def judged_after(call: HookCall, proposal: Proposal) -> list[JudgedOrder]:
    """The orders as they are judged once the proposal is accepted.

    Raises:
        Exception: the error of the first decision that failed.
    """
    after = call.judge_again(proposal.drafts, proposal.selected)
    for judged in after:
        for defect in judged.decided.defects:
            raise defect.error
    return after


def newly_raised(
    before: Sequence[JudgedOrder], after: Sequence[JudgedOrder], own: JudgedOrder, finding: Finding
) -> tuple[JudgedOrder, Finding] | None:
    """The first thing that stands against an accepted suggestion of ``finding`` on the order ``own`` (Z1).

    That is any critical and whatever is as severe as the finding, if it is new; on the order itself also a critical
    that was there before, and the finding, if it is still there. What was said of another draft stays said of it.
    """
    known = {(judged.order.key, other.topic) for judged in before for other in judged.decided.cards}
    limit = INDICATORS.index(finding.then.indicator)
    for judged in after:
        is_own = judged.order.key == own.order.key
        for raised in judged.decided.cards:
            if raised.then.not_covered or raised.status not in ("active", "withdrawn"):
                continue
            severity = INDICATORS.index(raised.then.indicator)
            is_new = (judged.order.key, raised.topic) not in known
            is_left = is_own and (severity == 0 or raised.topic == finding.topic)
            if severity <= limit and (is_new or is_left):
                return judged, raised
    return None


# --- as the client can take them --------------------------------------------------------------------------------


def in_common_form(trials: Sequence[Trial]) -> Offer:
    """The suggestions for a client that can create, update and delete.

    One that the content recommends is preselected only where it settles all there is to say of the order (Z67).
    """
    offered = [trial for trial in trials if trial.actions]
    suggestions = []
    for trial in offered:
        candidate = trial.candidate
        suggestion: dict[str, Any] = {"label": candidate.label, "uuid": candidate.uuid, "actions": trial.actions}
        if candidate.suggestion.recommended and trial.settles:
            suggestion["isRecommended"] = True
        suggestions.append(suggestion)
    selections = {trial.candidate.finding.then.selection for trial in offered}
    selection = "any" if selections == {"any"} else "at-most-one"
    return Offer(suggestions, [trial.withheld for trial in trials if trial.withheld], selection)


def from_preference_list(call: HookCall, judged: JudgedOrder, trials: Sequence[Trial]) -> Offer:
    """The suggestions for a client that takes no update and orders from its preference list only (Z7).

    What it cannot take is described in a line. What replaces the draft takes two suggestions: one that places the new
    order, and one, first of all, that removes the draft.
    """
    suggestions: list[dict[str, Any]] = []
    withheld: list[str] = []
    replacements: list[Candidate] = []
    for trial in trials:
        candidate = trial.candidate
        if trial.withheld:
            withheld.append(trial.withheld)
        if not trial.actions:
            continue
        suggestion = without_update(call, judged, candidate.suggestion, candidate.label, candidate.uuid)
        if suggestion is None:
            withheld.append(fill(call.prepared.pack.words["by-hand"], {"label": escaped(candidate.label)}))
            continue
        suggestions.append(suggestion)
        if candidate.suggestion.kind == "replace":
            replacements.append(candidate)
    if replacements:
        first, labels = replacements[0], [candidate.label for candidate in replacements]
        for number, order in enumerate([judged.order, *judged.siblings]):
            part = (str(number),) if number else ()
            uuid = call.uuid(judged, first.finding, str(first.place), "remove", *part)
            suggestions.insert(number, removal(call, judged, order, labels, uuid))
    return Offer(suggestions, withheld, call.profile.selections[0])
