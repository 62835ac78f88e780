"""What an answer found, as data: for reports on many answers, where the words of the cards do not matter."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from cds_service.judge.evaluate import Answer
from cds_service.vocabulary.facts import State


@dataclass(frozen=True, slots=True)
class FoundRule:
    """A rule that fired on an order.

    ``order`` is the key of the draft, ``""`` where the patient alone was judged. ``version`` is that of the decision,
    ``status`` is ``active``, ``shadow`` or ``withdrawn``. ``shown`` says that a card of the answer is about it, and
    ``suggestions`` how many that card has. ``states`` are those of the facts that the rule rests on, by their names.
    """

    order: str
    decision: str
    rule: str
    topic: str
    version: str
    status: str
    indicator: str
    shown: bool
    suggestions: int
    states: Mapping[str, State]


def findings_of(answer: Answer) -> Iterator[FoundRule]:
    """All that was found for an answer, order by order: what its cards say, what an info on the same order says better,
    and what runs in the shadow or was withdrawn.
    """
    suggestions = {card["source"]["topic"]["code"]: len(card.get("suggestions", ())) for card in answer.body["cards"]}
    for judged in answer.judged:
        for finding in judged.decided.cards:
            yield FoundRule(
                order=judged.order.key,
                decision=finding.decision.id,
                rule=finding.rule.id,
                topic=finding.topic,
                version=finding.decision.version,
                status=finding.status,
                indicator=finding.then.indicator,
                shown=finding.topic in suggestions,
                suggestions=suggestions.get(finding.topic, 0),
                states={name: fact.state for name, fact in finding.used.items()},
            )
