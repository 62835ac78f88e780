"""The scenarios to choose from: a few stories as tiles, and a search over all of them by words."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cds_service.content.model import INDICATORS, Pack
from cds_service.content.prepared import Prepared
from cds_service.replay.run import in_process
from cds_service.replay.scenario import Scenario
from cds_service.replay.stories import Story

NO_CARD, REFUSED = "no card", "refused"
_MOST_TILES = 8
_MOST_FOUND = 50
# References to the decisions on the design and to statements, which stand in the reason of a scenario for its authors.
_REFERENCES = re.compile(r"\s*\((?:[A-Z]\d+(?:, )?)+\)|^(?:[A-Z]\d+(?:, )?)+ - ")


@dataclass(frozen=True, slots=True)
class Tile:
    """A story to click on: its title, its scenario's name, and the ``severities`` of what the content shows for it."""

    title: str
    name: str
    severities: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Choice:
    """A scenario in a list: its title, the reason it is there, and the severities of the cards that it expects."""

    title: str
    why: str
    name: str
    severities: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Found:
    """What a search found: choices by the title of their file, how many there are, and how many were left out.

    ``is_partial`` is true where nothing has all the words: then these have the most of them.
    """

    by_story: Mapping[str, Sequence[Choice]]
    number: int
    more: int
    is_partial: bool = False


def tiles_of(prepared: Prepared, stories: Iterable[Story], scenarios: Iterable[Scenario]) -> list[Tile]:
    """The stories as tiles, each fired at the content in ``prepared``; the first scenarios where there are no stories.

    What a tile shows is that of the content that is served, which need not be the one its scenario was written for.
    """
    told = (
        list(stories) or [Story(scenario.title, reason_of(scenario), scenario) for scenario in scenarios][:_MOST_TILES]
    )
    fire = in_process(prepared)
    tiles = []
    for story in told:
        result = fire(story.scenario)
        shown = (REFUSED,) if result.fault else _severities(result.cards)
        tiles.append(Tile(story.title, story.scenario.name, shown))
    return tiles


def found(scenarios: Iterable[Scenario], stories: Iterable[Story], pack: Pack, query: str) -> Found:
    """The scenarios that hold every word of ``query`` in their title, their reason, the title of their file, or the
    title of a card that they expect; all of them for no words. Those of a file whose title holds them come first.
    Where none holds every word, those that hold the most of them.

    Those that are told as ``stories`` have the title and the words of the story.
    """
    words = _folded(query).split()
    told = {story.scenario.name: story for story in stories}
    cards = {
        decision.topic(rule.id): decision.title
        for decision in pack.decisions.values()
        if decision.kind == "card"
        for rule in decision.rules
    }
    choices = [(_choice(scenario, told.get(scenario.name)), scenario) for scenario in scenarios]
    held = [_number_held(choice, scenario, cards, words) for choice, scenario in choices]
    most = max(held, default=0)
    matching = [one for one, number in zip(choices, held, strict=True) if number == most and (most or not words)]
    matching.sort(key=lambda one: not all(word in _folded(one[1].story) for word in words))
    by_story: dict[str, list[Choice]] = {}
    for choice, scenario in matching[:_MOST_FOUND]:
        by_story.setdefault(scenario.story or scenario.name.partition("/")[0], []).append(choice)
    return Found(by_story, len(matching), max(0, len(matching) - _MOST_FOUND), is_partial=0 < most < len(words))


def stories_of(scenarios: Iterable[Scenario]) -> dict[str, int]:
    """The titles of the files that scenarios stand in, each with the number of its scenarios."""
    numbers: dict[str, int] = {}
    for scenario in scenarios:
        if scenario.story:
            numbers[scenario.story] = numbers.get(scenario.story, 0) + 1
    return numbers


def reason_of(scenario: Scenario) -> str:
    """Why a scenario is there, as a sentence for people."""
    said = _REFERENCES.sub("", scenario.why).strip()
    if said.partition(" ")[0].islower():  # and no name such as eGFR
        said = said[:1].upper() + said[1:]
    return said if not said or said.endswith((".", "?", "!")) else f"{said}."


def expected(scenario: Scenario) -> tuple[str, ...]:
    """The severities of the cards that a scenario expects, the gravest first; that it expects none, or a refusal."""
    return _severities(scenario.expect) if isinstance(scenario.expect, list) else (REFUSED,)


def _severities(cards: Iterable[Mapping[str, Any]]) -> tuple[str, ...]:
    indicators = {card["indicator"] for card in cards}
    return tuple(word for word in INDICATORS if word in indicators) or (NO_CARD,)


def _choice(scenario: Scenario, story: Story | None) -> Choice:
    title, why = (story.title, story.shows) if story is not None else (scenario.title, reason_of(scenario))
    return Choice(title, why, scenario.name, expected(scenario))


def _number_held(choice: Choice, scenario: Scenario, cards: Mapping[str, str], words: Sequence[str]) -> int:
    """How many words stand in what is said of a scenario, in the singular or the plural; ``cards`` are the titles of
    cards by their topics.
    """
    if not words:
        return 0
    expect = scenario.expect if isinstance(scenario.expect, list) else []
    said = [choice.title, choice.why, scenario.title, scenario.why, scenario.story, scenario.name, *choice.severities]
    text = _folded(" ".join([*said, *(cards.get(card["topic"], "") for card in expect)]))
    return sum(word.removesuffix("s") in text for word in words)


def _folded(text: str) -> str:
    """Text to look for words in: without case, and British and American spellings alike."""
    return text.casefold().replace("ae", "e").replace("oe", "e")
