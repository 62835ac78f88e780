"""Scenarios fired for the pages of the content: which of them fires a rule, and what one makes of every table."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from threading import Lock

from cds_service.content.model import Decision
from cds_service.content.needs import templates_of
from cds_service.content.prepared import Prepared
from cds_service.judge.evaluate import Answer, evaluate
from cds_service.protocol.faults import Fault
from cds_service.replay.scenario import Scenario
from cds_service.replay.scenarios import read_scenarios
from cds_service.replay.statements import rules_fired
from cds_service.replay.stories import read_stories
from cds_service.vocabulary.json_text import encode


class FiredScenarios:
    """The scenarios of ``fixtures``, read when they are first asked for, and fired at the content that is served."""

    def __init__(self, content: Callable[[], Prepared], fixtures: Path) -> None:
        self._content = content
        self._fixtures = fixtures
        self._lock = Lock()
        self._read: dict[str, Scenario] | None = None
        self._by_topic: dict[str, list[Scenario]] = {}
        self._told: dict[str, str] = {}
        self._version = ""
        self._waiting: Iterator[Scenario] = iter(())
        self._first: dict[str, str] = {}

    @property
    def by_topic(self) -> Mapping[str, Sequence[Scenario]]:
        """The scenarios that expect a card, by the card's topic."""
        self.all()
        return self._by_topic

    def all(self) -> Mapping[str, Scenario]:
        """Every scenario by its name."""
        with self._lock:
            if self._read is None:
                scenarios = {scenario.name: scenario for scenario in read_scenarios(self._fixtures)}
                for scenario in scenarios.values():
                    for card in scenario.expect if isinstance(scenario.expect, list) else ():
                        self._by_topic.setdefault(card["topic"], []).append(scenario)
                self._told = {one.scenario.name: one.title for one in read_stories(self._fixtures, scenarios)}
                self._read = scenarios
            return self._read

    def title(self, name: str) -> str:
        """What a scenario is called for people: its story's title, or its own after that of its file."""
        scenario = self.all()[name]
        return self._told.get(name) or ": ".join(filter(None, [scenario.story, scenario.title]))

    def first(self, decision: Decision, rule: str) -> str:
        """The name of a scenario in which a rule fires; ``""`` if it fires in none.

        Of those that expect the rule's card it is the plainest, which is known without firing. For a silent rule, or
        one of a definition, scenarios are fired until one is found; what they fire on the way is remembered for this
        version of the content.
        """
        if expected := self.by_topic.get(decision.topic(rule)):
            return self._plainest(decision, expected).name
        scenarios, prepared = self.all(), self._content()
        wanted = f"{decision.id}.{rule}"
        with self._lock:
            if self._version != prepared.pack.version:
                self._version, self._waiting, self._first = prepared.pack.version, iter(scenarios.values()), {}
            while wanted not in self._first and (scenario := next(self._waiting, None)) is not None:
                for fired in rules_fired(prepared, scenario):
                    self._first.setdefault(fired, scenario.name)
            return self._first.get(wanted, "")

    def _plainest(self, decision: Decision, expected: Sequence[Scenario]) -> Scenario:
        """A story, else one that expects this card alone, else one of a file that is mostly about this decision."""
        topics = {decision.topic(rule.id) for rule in decision.rules}
        of_files: dict[Path, list[bool]] = {}
        for topic, scenarios in self._by_topic.items():
            for scenario in scenarios:
                of_files.setdefault(scenario.path, []).append(topic in topics)

        def far_from_plain(scenario: Scenario) -> tuple[bool, bool, bool]:
            cards = of_files[scenario.path]
            return scenario.name not in self._told, len(scenario.expect) > 1, 2 * sum(cards) <= len(cards)

        return min(expected, key=far_from_plain)


def answer_to(prepared: Prepared, scenario: Scenario) -> Answer | Fault | None:
    """What a scenario is answered, or why it is refused; ``None`` if the content answers no such hook."""
    service = prepared.pack.service_for(scenario.hook)
    if service is None:
        return None
    body = encode(scenario.request(templates_of(prepared.pack, service)))
    try:
        return evaluate(prepared, service, body, scenario.now)
    except Fault as fault:
        return fault
