"""Review sheets as pages to print: in the console, and as files that open without a server."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date

from cds_service.console.reports import page_of
from cds_service.content.model import Decision
from cds_service.content.needs import templates_of
from cds_service.content.prepared import Prepared
from cds_service.export.review_sheet import (
    HAZARD_STATUSES,
    ORDER,
    ROLES,
    Example,
    Identity,
    Sheet,
    example,
    origin_in_words,
    rests_in_words,
    sheet,
)
from cds_service.replay.scenario import Scenario

INDEX = "index.html"
HAZARDS = "hazards.html"
WORDS = {
    "rests_in_words": rests_in_words,
    "roles": ROLES,
    "statuses": HAZARD_STATUSES,
    "order": ORDER,
    "origin_in_words": origin_in_words,
}
"""What the templates of a sheet need besides the sheet and where its links lead."""
_MOST_TRIED = 24  # scenarios of one rule, of which one is shown; the first plain one ends the search


def sheets_of(
    prepared: Prepared,
    known: Mapping[str, Identity],
    decisions: Iterable[Decision],
    scenarios: Iterable[Scenario],
    day: date,
) -> Iterator[Sheet]:
    """The sheets of decisions as of ``day``; ``known`` are the identities of their pack. An example card is that of the
    plainest of ``scenarios`` that expect it.
    """
    examples = _by_topic(scenarios)
    for decision in decisions:
        shown = (_plainest(prepared, decision, rule.id, examples) for rule in decision.rules)
        distinct = {one.summary: one for one in reversed([one for one in shown if one is not None])}
        yield sheet(prepared, known, decision, reversed(distinct.values()), day)


def _by_topic(scenarios: Iterable[Scenario]) -> Mapping[str, Sequence[Scenario]]:
    """The scenarios that expect a card, by its topic: first those that expect no other."""
    expecting: dict[str, list[Scenario]] = {}
    for scenario in sorted(scenarios, key=lambda one: len(one.expect) if isinstance(one.expect, list) else 0):
        for topic in dict.fromkeys(card["topic"] for card in scenario.expect if isinstance(scenario.expect, list)):
            expecting.setdefault(topic, []).append(scenario)
    return expecting


def _plainest(
    prepared: Prepared, decision: Decision, rule: str, examples: Mapping[str, Sequence[Scenario]]
) -> Example | None:
    """The card of a rule where all that was sent is understood and no other card stands beside it.

    Where no scenario is as plain, it is the one in which the least is not understood: so data that cannot be read is
    shown only for a rule that is about it. Of equally plain ones the first counts whose story has most to do with the
    decision.
    """
    topic = decision.topic(rule)
    about = Counter(one.path for other in decision.rules for one in examples.get(decision.topic(other.id), ()))
    candidates = sorted(examples.get(topic, ()), key=lambda one: (len(one.expect), -about[one.path]))
    tried: list[Example] = []
    for scenario in candidates[:_MOST_TRIED]:
        service = prepared.pack.service_for(scenario.hook)
        if service is None:
            continue
        request = scenario.request(templates_of(prepared.pack, service))
        shown = example(prepared, decision, rule, scenario.name, request, scenario.now)
        if shown is not None and shown.is_plain:
            return shown
        tried += [shown] if shown is not None else []
    return min(tried, key=lambda one: (*one.oddities, one.others), default=None)


def files_of(prepared: Prepared, sheets: list[Sheet]) -> dict[str, str]:
    """The sheets as HTML files by name, each of which loads nothing, an index of them, and the hazard log."""
    files = {
        _file_of(one.decision.id): page_of(
            "review.html", prepared, sheet=one, sheet_at=_file_of, hazards_at=HAZARDS, **WORDS
        )
        for one in sheets
    }
    index = page_of("review_index.html", prepared, sheets=sheets, order=ORDER, hazards_at=HAZARDS)
    return {INDEX: index, HAZARDS: page_of("review_hazards.html", prepared, statuses=HAZARD_STATUSES), **files}


def _file_of(decision: str) -> str:
    return f"{decision}.html"
