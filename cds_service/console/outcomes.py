"""What one order comes to at other results: for each band of a result the cards that really come.

The limits are those of the tables; what lies between and on them is asked of the same function that answers calls.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import groupby, pairwise
from typing import Any, NamedTuple

from cds_service.console.form import Choices, ResultField
from cds_service.console.form_request import form_id, with_result
from cds_service.content.needs import templates_of
from cds_service.content.prepared import Prepared
from cds_service.content.value_words import interval_in_words
from cds_service.judge.evaluate import evaluate
from cds_service.protocol.faults import Fault
from cds_service.protocol.profiles import Profile
from cds_service.replay.scenario import Scenario
from cds_service.vocabulary.facts import Interval, exact
from cds_service.vocabulary.json_text import encode


class ShortCard(NamedTuple):
    """A card in short; ``indicator`` is ``refused`` where a call got no cards."""

    indicator: str
    summary: str


@dataclass(frozen=True, slots=True)
class BandOutcome:
    """What numbers of a result come to. ``where`` says which: ``below 25 ×10⁹/L``.

    ``value`` is one of them, in the canonical unit, and ``cards`` those that it leads to, the gravest first.
    """

    where: str
    value: str
    cards: tuple[ShortCard, ...]

    @property
    def severities(self) -> tuple[str, ...]:
        """The severities of the cards, each once, the gravest first; that there is none."""
        return tuple(dict.fromkeys(card.indicator for card in self.cards)) or ("no card",)


@dataclass(frozen=True, slots=True)
class Outcomes:
    """What one order comes to by the numbers of one result, from the lowest up; one outcome if they do not matter."""

    name: str
    label: str
    bands: tuple[BandOutcome, ...]

    @property
    def matters(self) -> bool:
        """Whether one number of the result leads to other cards than another."""
        return len(self.bands) > 1


class _Tried(NamedTuple):
    number: Decimal
    topics: tuple[str, ...]
    cards: tuple[ShortCard, ...]


def outcomes_of(prepared: Prepared, choices: Choices, scenario: Scenario, profile: str) -> tuple[Outcomes, ...]:
    """What ``scenario`` would come to with a new result of an hour ago, for each result of which tables have limits.

    A result is left out where the scenario keeps it from the service, whatever its number.
    """
    return tuple(
        Outcomes(name, result.label, tuple(found))
        for name, result in choices.results.items()
        if result.bands and (found := list(_bands(prepared, result, scenario, profile)))
    )


def _bands(prepared: Prepared, result: ResultField, scenario: Scenario, profile: str) -> Iterator[BandOutcome]:
    """The outcomes from the lowest numbers up: each limit is tried, and a number on either side of it."""
    limits = [Decimal(str(limit)) for limit in result.limits]
    step = Decimal(str(result.step))
    numbers = sorted({*limits, *(limit - step for limit in limits), *(limit + step for limit in limits)})
    tried = [_tried(prepared, result, scenario, profile, number) for number in numbers]
    if None in tried:
        return
    groups = [list(group) for _, group in groupby(filter(None, tried), lambda one: one.topics)]
    changes = [_limit_between(limits, one[-1].number, other[0].number) for one, other in pairwise(groups)]
    if None in changes:
        return
    for group, (low, high) in zip(groups, pairwise([None, *changes, None]), strict=True):
        interval = Interval(
            None if low is None else exact(str(low)),
            None if high is None else exact(str(high)),
            low is not None and group[0].number != low,
            high is not None and group[-1].number != high,
        )
        where = interval_in_words(prepared.pack, interval, result.fact.unit_written)
        nearest = group[-1] if low is None and high is not None else group[0]
        yield BandOutcome(where, f"{nearest.number.normalize():f}", nearest.cards)


def _limit_between(limits: Sequence[Decimal], below: Decimal, above: Decimal) -> Decimal | None:
    """The limit at which what comes of a number changes, one of two numbers that were tried one after the other.

    ``None`` if it changes elsewhere: then a table compares the result in a way that its limits do not tell.
    """
    return next((limit for limit in limits if limit in (below, above)), None)


def _tried(prepared: Prepared, result: ResultField, scenario: Scenario, profile: str, number: Decimal) -> _Tried | None:
    """What a number comes to; ``None`` if the service is not sent it."""
    service = prepared.pack.service_for(scenario.hook)
    if service is None:
        return None
    body = encode(with_result(scenario, result, f"{number:f}").request(templates_of(prepared.pack, service)))
    if json.dumps(form_id(result)).encode() not in body:
        return None
    try:
        answer = evaluate(prepared, service, body, scenario.now, Profile(profile))
    except Fault as fault:
        return _Tried(number, (str(fault.status),), (ShortCard("refused", fault.text),))
    cards: Sequence[Mapping[str, Any]] = json.loads(encode(answer.body))["cards"]
    topics = tuple(card["source"]["topic"]["code"] for card in cards)
    return _Tried(number, topics, tuple(ShortCard(card["indicator"], card["summary"]) for card in cards))
