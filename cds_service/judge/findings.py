"""What an answer found, as data: for reports on many answers, where the words of the cards do not matter."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from cds_service.content.decide import Finding, Values
from cds_service.content.model import Pack
from cds_service.judge.evaluate import Answer
from cds_service.vocabulary.facts import Fact, State


class AskedInput(NamedTuple):
    """What a rule asked for: a fact or a definition by its ``name``, what it is, and the facts ``behind`` a
    definition, but for those that are absent.
    """

    name: str
    fact: Fact
    behind: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class FoundRule:
    """A rule that fired on an order.

    ``order`` is the key of the draft, ``""`` where the patient alone was judged. ``version`` is that of the decision,
    ``status`` is ``active``, ``shadow`` or ``withdrawn``. ``shown`` says that a card of the answer is about it, and
    ``suggestions`` how many that card has. ``facts`` are those that the rule rests on, by their names, and ``asked`` is
    what its own cells ask for, in their order.
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
    facts: Mapping[str, Fact]
    asked: Sequence[AskedInput]

    @property
    def states(self) -> Mapping[str, State]:
        """The states of the facts that it rests on, by their names."""
        return {name: fact.state for name, fact in self.facts.items()}


def findings_of(pack: Pack, answer: Answer) -> Iterator[FoundRule]:
    """All that was found for an answer by ``pack``, order by order: what its cards say, what an info on the same order
    says better, and what runs in the shadow or was withdrawn.
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
                facts=finding.used,
                asked=tuple(_asked(pack, finding, judged.decided.values)),
            )


def _asked(pack: Pack, finding: Finding, values: Values) -> Iterator[AskedInput]:
    """What a rule asked of an order, but for the cards to which it gives way."""
    for place, _ in finding.rule.tests:
        name = finding.decision.inputs[place]
        definition = pack.decisions.get(name)
        if definition is None:
            yield AskedInput(name, values[name])
        elif definition.kind != "card":
            behind = values.behind(name).items()
            yield AskedInput(name, values[name], [one for one, fact in behind if fact.state is not State.ABSENT])
