"""Reports as one HTML file each, with nothing outside it. Imports this room, replay and explain."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined

from cds_service import __version__
from cds_service.console.card import ShownCard, shown
from cds_service.console.changes import drafts_of
from cds_service.console.plots import Plot
from cds_service.console.trying import fire
from cds_service.content.model import Pack
from cds_service.content.needs import reads
from cds_service.content.prepared import Prepared
from cds_service.replay.run import Result
from cds_service.replay.versions import KINDS, Change, Impact
from cds_service.vocabulary.json_text import encode


@dataclass(frozen=True, slots=True)
class Told:
    """One case of a replay. ``plots`` are of the results that the rules which spoke had looked at."""

    result: Result
    cards: tuple[ShownCard, ...]
    plots: tuple[Plot, ...]


def replay_page(results: Sequence[Result], prepared: Prepared) -> str:
    """A replay as a page: what differs first, then every case with its cards, by story.

    Plots are drawn with the limits of ``prepared``'s tables, also when another service answered.
    """
    told = [Told(result, _cards(result), _plots(result, prepared)) for result in results]
    stories: dict[str, list[Told]] = {}
    for one in told:
        stories.setdefault(one.result.name.partition("/")[0], []).append(one)
    return _render(
        "replay.html", pack=prepared.pack, stories=stories, failed=[one for one in told if one.result.differences]
    )


def impact_page(told: Impact, pack: Pack, old: str, new: str) -> str:
    """What changes for whom as a page; ``pack`` is the new content, ``old`` and ``new`` the names of both."""
    by_patient: dict[str, list[tuple[Change, tuple[ShownCard, ...], tuple[ShownCard, ...]]]] = {}
    for change in told.changes:
        if change.kinds != ("words",):
            by_patient.setdefault(change.patient, []).append((change, _cards(change.old), _cards(change.new)))
    words = [change for change in told.changes if change.kinds == ("words",)]
    return _render(
        "impact.html", pack=pack, told=told, kinds=KINDS, by_patient=by_patient, words=words, old=old, new=new
    )


def _cards(result: Result) -> tuple[ShownCard, ...]:
    drafts = drafts_of(result.request)
    return tuple(shown(card, drafts, result.now) for card in result.cards)


def _plots(result: Result, prepared: Prepared) -> tuple[Plot, ...]:
    if not result.cards or "prefetch" not in result.request:
        return ()
    tried = fire(prepared, encode(result.request), result.now, result.profile)
    if tried.fault is not None:
        return ()
    pack = prepared.pack
    looked_at = reads(pack, list(_spoke(tried.told)))
    labels = {fact.label for name, fact in pack.facts.items() if name in looked_at}
    return tuple(plot for plot in tried.plots if plot.label in labels)


def _spoke(told: Mapping[str, Any]) -> Iterator[str]:
    for order in told["orders"]:
        for decision in order["decisions"]:
            if any(not rule["silent"] for rule in decision["fired"]):
                yield decision["decision"]


@cache
def _templates() -> Environment:
    places = ChoiceLoader([PackageLoader("cds_service.console"), PackageLoader("cds_service.console", "static")])
    return Environment(loader=places, autoescape=True, undefined=StrictUndefined)


def _render(name: str, **told: Any) -> str:
    return _templates().get_template(name).render(version=__version__, **told)
