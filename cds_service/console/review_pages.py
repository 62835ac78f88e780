"""Review sheets as pages to print: in the console, and as files that open without a server."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import date

from cds_service.console.reports import page_of
from cds_service.content.model import Decision
from cds_service.content.needs import templates_of
from cds_service.content.prepared import Prepared
from cds_service.export.review_sheet import BASES, ROLES, Example, Identity, Sheet, example, sheet
from cds_service.replay.scenario import Scenario

INDEX = "index.html"
WORDS = {"bases": BASES, "roles": ROLES}
"""What the template of a sheet needs besides the sheet."""


def sheets_of(
    prepared: Prepared,
    known: Mapping[str, Identity],
    decisions: Iterable[Decision],
    scenarios: Iterable[Scenario],
    day: date,
) -> Iterator[Sheet]:
    """The sheets of decisions as of ``day``; ``known`` are the identities of their pack. An example card is that of the
    first of ``scenarios`` that expects it.
    """
    examples: dict[str, Scenario] = {}
    for scenario in scenarios:
        for card in scenario.expect if isinstance(scenario.expect, list) else ():
            examples.setdefault(card["topic"], scenario)
    for decision in decisions:
        shown = (_example(prepared, decision, rule.id, examples) for rule in decision.rules)
        distinct = {one.summary: one for one in reversed([one for one in shown if one is not None])}
        yield sheet(prepared, known, decision, reversed(distinct.values()), day)


def _example(prepared: Prepared, decision: Decision, rule: str, examples: Mapping[str, Scenario]) -> Example | None:
    scenario = examples.get(decision.topic(rule))
    if scenario is None:
        return None
    service = prepared.pack.service_for(scenario.hook)
    if service is None:
        return None
    request = scenario.request(templates_of(prepared.pack, service))
    return example(prepared, decision, rule, scenario.name, request, scenario.now)


def files_of(prepared: Prepared, sheets: list[Sheet]) -> dict[str, str]:
    """The sheets as HTML files by name, each of which loads nothing, and an index of them."""
    files = {f"{one.decision.id}.html": page_of("review.html", prepared, sheet=one, **WORDS) for one in sheets}
    return {INDEX: page_of("review_index.html", prepared, sheets=sheets), **files}
