"""Reports of ``replay`` and ``impact``, each as one HTML file that loads nothing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from typing import Any

from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined

from cds_service import __version__
from cds_service.console.answer import shown_answer
from cds_service.console.card import ShownCard, shown_card
from cds_service.console.changes import drafts_of
from cds_service.console.cited import cited
from cds_service.console.patient import prefetched_name
from cds_service.console.plots import Plot
from cds_service.console.population_view import view_of
from cds_service.content.needs import reads
from cds_service.content.prepared import Prepared
from cds_service.content.rule_words import rule_words
from cds_service.population.shared_counts import Shown
from cds_service.population.summary import Summary
from cds_service.replay.impact import KINDS, ChangedAnswer, Impact
from cds_service.replay.run import ReplayResult
from cds_service.vocabulary.json_text import encode


@dataclass(frozen=True, slots=True)
class ReplayedCase:
    """One case of a replay. ``plots`` show the laboratory results that decisions with a card had read."""

    result: ReplayResult
    cards: tuple[ShownCard, ...]
    plots: tuple[Plot, ...]


def replay_page(results: Sequence[ReplayResult], prepared: Prepared) -> str:
    """A replay as a page: first the cases that differ, then every case with its cards, by story.

    Plots have the thresholds of ``prepared``'s tables, also if the answers are those of another service.
    """
    cases = [ReplayedCase(result, _cards(result, prepared), _plots(result, prepared)) for result in results]
    stories: dict[str, list[ReplayedCase]] = {}
    for case in cases:
        stories.setdefault(case.result.name.partition("/")[0], []).append(case)
    failed = [case for case in cases if case.result.differences]
    return page_of("replay.html", prepared, stories=stories, failed=failed)


def impact_page(impact: Impact, prepared: Prepared, old: str, new: str) -> str:
    """What changes for whom as a page; ``prepared`` is the new content, ``old`` and ``new`` are the names of both."""
    return page_of("impact.html", prepared, **impact_parts(impact, prepared), old=old, new=new)


@dataclass(frozen=True, slots=True)
class BeforeAndAfter:
    """One request that is answered otherwise, with its cards before and after."""

    change: ChangedAnswer
    before: tuple[ShownCard, ...]
    after: tuple[ShownCard, ...]


def impact_parts(impact: Impact, prepared: Prepared) -> dict[str, Any]:
    """What the template ``_impact.html`` shows of an impact, in the words of the new content ``prepared``.

    Changes whose requests did not come with them are listed by their names alone.
    """
    by_patient: dict[str, list[BeforeAndAfter]] = {}
    names: dict[str, str] = {}
    unshown: list[ChangedAnswer] = []
    for change in impact.changes:
        if change.kinds == ("words",):
            continue
        if not (change.new.request or change.old.request):
            unshown.append(change)
            continue
        shown = BeforeAndAfter(change, _cards(change.old, prepared), _cards(change.new, prepared))
        by_patient.setdefault(change.patient, []).append(shown)
        if name := prefetched_name(change.new.request or change.old.request):
            names[change.patient] = name
    pack = prepared.pack
    rules = {
        decision.topic(rule.id): rule_words(pack, prepared.regimens, decision.id, rule.id)
        for decision in pack.decisions.values()
        for rule in decision.rules
    }
    return {
        "impact": impact,
        "kinds": KINDS,
        "by_patient": by_patient,
        "names": names,
        "unshown": unshown,
        "reworded": [change for change in impact.changes if change.kinds == ("words",)],
        "rules": rules,
        "titles": {pack.id: pack.title} | {decision.id: decision.title for decision in pack.decisions.values()},
    }


def _cards(result: ReplayResult, prepared: Prepared) -> tuple[ShownCard, ...]:
    drafts = drafts_of(result.request)
    return tuple(shown_card(card, drafts, result.now, prepared) for card in result.cards)


def _plots(result: ReplayResult, prepared: Prepared) -> tuple[Plot, ...]:
    if not result.cards or "prefetch" not in result.request:
        return ()
    answer = shown_answer(prepared, encode(result.request), result.now, result.profile)
    if answer.fault is not None:
        return ()
    facts = reads(prepared.pack, list(_decisions_that_spoke(answer.reasoning)))
    return tuple(plot for plot in answer.plots if plot.fact in facts)


def _decisions_that_spoke(reasoning: Mapping[str, Any]) -> Iterator[str]:
    for order in reasoning["orders"]:
        for decision in order["decisions"]:
            if any(not rule["silent"] for rule in decision["fired"]):
                yield decision["decision"]


@cache
def _templates() -> Environment:
    places = ChoiceLoader([PackageLoader("cds_service.console"), PackageLoader("cds_service.console", "static")])
    environment = Environment(loader=places, autoescape=True, undefined=StrictUndefined)
    environment.filters["cited"] = lambda text, pack, page="": cited(pack, text, page)  # a report leads nowhere
    return environment


def population_page(summary: Summary, shown: Shown) -> str:
    """A population run as a page; ``shown`` says how counts are shown."""
    return _templates().get_template("population.html").render(version=__version__, run=view_of(summary, shown))


def page_of(name: str, prepared: Prepared, **values: Any) -> str:
    """The page that a template makes of ``values``, with everything in it that it needs."""
    review = prepared.standing(datetime.now(UTC))
    template = _templates().get_template(name)
    return template.render(version=__version__, pack=prepared.pack, review=review, **values)
