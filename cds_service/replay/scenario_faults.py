"""What a scenario says that can never be so with a pack, whatever is answered."""

from __future__ import annotations

from collections.abc import Iterator

from cds_service.content.model import Decision, Pack
from cds_service.content.nearest import instead
from cds_service.replay.scenario import Scenario

_ALL = "all"  # stands for every prefetch key


def keys_not_asked_for(pack: Pack, scenario: Scenario) -> Iterator[str]:
    """The keys that a scenario leaves out of the prefetch and that no service of the pack asks for."""
    for key in sorted(scenario.without - {_ALL} - pack.searches.keys()):
        yield f"without: {key!r} is no prefetch key, nor all{instead(key, pack.searches, 'keys')}"


def cards_never_shown(pack: Pack, scenario: Scenario) -> dict[str, str]:
    """The topics of expected cards that nobody is ever shown, each with a sentence why."""
    expected = [card["topic"] for card in scenario.expect] if isinstance(scenario.expect, list) else []
    topics = {d.topic(rule.id): d for d in pack.decisions.values() for rule in d.rules if not rule.then.silent}
    said = {topic: _why_never(pack, topics, str(topic), scenario.hook) for topic in expected}
    return {topic: why for topic, why in said.items() if why}


def _why_never(pack: Pack, topics: dict[str, Decision], topic: str, hook: str) -> str:
    decision = topics.get(topic)
    if decision is None:
        with_prefix = f"{pack.topic_prefix}{topic[:1].upper()}{topic[1:]}"
        meant = f"; did you mean {with_prefix!r}?" if with_prefix in topics else instead(topic, topics, "topics")
        return f"expect: no rule has the topic {topic!r}{meant}"
    if decision.status != "active":
        what = "a draft" if decision.status == "draft" else decision.status
        shown = f"with status: {decision.status} nobody is shown a card of it"
        return f"expect: {topic}: {decision.id} is {what}; {shown}"
    service = pack.service_for(hook)
    if service is not None and decision.id not in service.decisions:
        return f"expect: {topic}: {service.id} does not show {decision.id} (services in pack.yaml)"
    return ""
