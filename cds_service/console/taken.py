"""If a suggestion is taken: the call that a client would make next, with the order as it would be then.

What the service answers to it is asked of the same function that answers calls.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from cds_service.content.model import Pack
from cds_service.content.needs import templates_of
from cds_service.content.prepared import Prepared
from cds_service.judge.evaluate import evaluate
from cds_service.protocol.envelope import ORDER_HOOKS
from cds_service.protocol.faults import Fault
from cds_service.protocol.profiles import Profile
from cds_service.replay.accepted import accepted
from cds_service.replay.scenario import Scenario
from cds_service.vocabulary.json_text import encode


class NotOfferedError(LookupError):
    """A suggestion that the answer does not have, or that nothing follows from."""


@dataclass(frozen=True, slots=True)
class AfterTaking:
    """The ``request`` after suggestions with these ``names`` and ``labels`` were taken, one after another.

    ``before`` are the topics of the cards from which the last one was taken.
    """

    request: Mapping[str, Any]
    names: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()
    before: frozenset[str] = frozenset()


def names_of(cards: Sequence[Mapping[str, Any]]) -> list[list[str]]:
    """Of each card of an answer the names of its suggestions: the code of its topic, and which suggestion it is.

    Cards of one topic, about two orders, count on. One without actions has no name, because nothing follows from it.
    """
    numbers: Counter[str] = Counter()
    names: list[list[str]] = []
    for card in cards:
        topic = _topic(card)
        names.append([])
        for suggestion in card.get("suggestions", []):
            numbers[topic] += 1
            names[-1].append(f"{topic}.{numbers[topic]}" if suggestion.get("actions") else "")
    return names


def hook_after(pack: Pack, hook: str) -> str:
    """The hook that is called with the order that a suggestion leaves.

    After one that has no orders it is the first that has; ``""`` if no service of the pack answers it.
    """
    hooks = (hook,) if hook in ORDER_HOOKS else ORDER_HOOKS
    return next((name for name in hooks if pack.service_for(name) is not None), "")


def after_taking(prepared: Prepared, scenario: Scenario, profile: str, names: Sequence[str]) -> AfterTaking:
    """The call of a scenario after the suggestions with these names were taken, each in the answer to the call before.

    Raises:
        NotOfferedError: an answer has no such suggestion.
    """
    request, labels = _request(prepared, scenario, scenario.hook), []
    before: frozenset[str] = frozenset()
    for name in names:
        cards = _cards(prepared, request, scenario, profile)
        suggestion = _offered(cards).get(name)
        if suggestion is None:
            raise NotOfferedError
        labels.append(suggestion["label"])
        before = frozenset(_topic(card) for card in cards)
        if request["hook"] not in ORDER_HOOKS:
            without_orders = replace(scenario, drafts=(), selections=())
            request = _request(prepared, without_orders, hook_after(prepared.pack, scenario.hook))
        request = accepted(request, suggestion)
    return AfterTaking(request, tuple(names), tuple(labels), before)


def _request(prepared: Prepared, scenario: Scenario, hook: str) -> dict[str, Any]:
    """The call of a hook with the record and the drafts of a scenario.

    Raises:
        NotOfferedError: no service answers the hook.
    """
    service = prepared.pack.service_for(hook)
    if service is None:
        raise NotOfferedError
    return replace(scenario, hook=hook).request(templates_of(prepared.pack, service))


def _cards(
    prepared: Prepared, request: Mapping[str, Any], scenario: Scenario, profile: str
) -> Sequence[Mapping[str, Any]]:
    """The cards of the answer to a call; none where it is refused."""
    service = prepared.pack.service_for(request["hook"])
    if service is None:
        return []
    try:
        answer = evaluate(prepared, service, encode(request), scenario.now, Profile(profile))
    except Fault:
        return []
    cards: Sequence[Mapping[str, Any]] = json.loads(encode(answer.body))["cards"]
    return cards


def _offered(cards: Sequence[Mapping[str, Any]]) -> Mapping[str, Mapping[str, Any]]:
    """The suggestions of some cards by their names."""
    return {
        name: suggestion
        for card, names in zip(cards, names_of(cards), strict=True)
        for name, suggestion in zip(names, card.get("suggestions", []), strict=True)
        if name
    }


def _topic(card: Mapping[str, Any]) -> str:
    return str(card["source"]["topic"]["code"])
