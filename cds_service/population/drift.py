"""Whether rules speak as often as a run led to expect: the cards that are shown, held against those of the run.

Like is held against like: cards of a rule for every call of a hook whose orders were judged, against cards of the rule
for every event of that hook that the run answered. Both counts are uncertain, and the interval allows for both.
Charts that are opened are left out: a run opens each once, and clinicians open those of the gravely ill more often.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum
from pathlib import Path

from cds_service.content.model import Pack
from cds_service.population.rate_ratio import ratio_interval
from cds_service.population.runs import JudgedRun, judged_runs, newest, runs_in
from cds_service.population.summary import VIEW, ContentSummary
from cds_service.store.figures import WatchedService
from cds_service.store.store import Store

DAYS = 28
"""How many days back cards are held against the run."""

LEVEL = 0.99
"""The confidence level of the intervals."""

_SILENT, _DOUBLED = 0.5, 2.0  # ratios to what was expected

LEAST = 10
"""Cards, shown or expected: of fewer nobody need be woken."""


class Drift(StrEnum):
    """What became of a rule: it speaks less than half as often as expected, or more than twice as often."""

    SILENT = "silent"
    DOUBLED = "doubled"


@dataclass(frozen=True, slots=True)
class RuleDrift:
    """One rule at one service: ``shown`` cards where the run leads to expect ``expected``.

    ``low`` and ``high`` bound the ratio of the two; ``high`` is infinite if the run had no card of it.
    """

    service: str
    decision: str
    rule: str
    shown: int
    expected: float
    low: float
    high: float

    @property
    def is_seldom(self) -> bool:
        """Whether there are too few cards, shown and expected, to tell anything."""
        return max(self.shown, self.expected) < LEAST

    @property
    def drift(self) -> Drift | None:
        """Whether the whole interval says that the rule drifted, and which way; ``None`` if it does not."""
        if self.is_seldom:
            return None
        if self.high < _SILENT:
            return Drift.SILENT
        return Drift.DOUBLED if self.low > _DOUBLED else None


@dataclass(frozen=True, slots=True)
class ServiceWatch:
    """One service: its ``judged`` calls of ``days`` days since ``first``, and its rules, those that drifted first."""

    service: str
    first: date
    days: int
    judged: int
    rules: tuple[RuleDrift, ...]


@dataclass(frozen=True, slots=True)
class Watch:
    """The services of a pack that are held against the ``run``."""

    run: JudgedRun
    services: tuple[ServiceWatch, ...]

    @property
    def drifted(self) -> list[RuleDrift]:
        """The rules that drifted."""
        return [rule for service in self.services for rule in service.rules if rule.drift]


def watch(runs: Path, pack: Pack, store: Store, now: datetime) -> Watch | None:
    """What was shown in the last days before ``now``, held against the newest run in ``runs`` of the very version.

    ``None`` if there is no such run.

    Raises:
        RunFolderError: the folder cannot be read.
        StoreDown: the store cannot be read.
    """
    run = newest(judged_runs(runs_in(runs), pack))
    if run is None or not run.is_of_version:
        return None
    hooks = {service.id: service.hook for service in pack.services.values() if service.hook in run.content.answered}
    watched = store.watched(now - timedelta(days=DAYS), pack.version, [name for name in hooks if hooks[name] != VIEW])
    return Watch(run, tuple(_service(each, run.content, hooks[each.service], pack) for each in watched))


def _service(watched: WatchedService, content: ContentSummary, hook: str, pack: Pack) -> ServiceWatch:
    rules = sorted(_rules(watched, content, hook, pack), key=_urgency)
    return ServiceWatch(watched.service, watched.first, watched.days, watched.judged, tuple(rules))


def _rules(watched: WatchedService, content: ContentSummary, hook: str, pack: Pack) -> Iterator[RuleDrift]:
    """The rules that are shown now and were in the run, and that spoke in either."""
    expected: dict[tuple[str, str], int] = {}
    unshown = set()
    for rule in content.rules_at(hook):
        key = rule.decision, rule.rule
        expected[key] = expected.get(key, 0) + rule.shown
        if rule.status != "active":
            unshown.add(key)
    of = content.answered[hook]
    for decision, name in _shown_now(pack):
        key = decision, name
        if key in unshown or not (key in expected or key in watched.cards):
            continue
        shown, in_run = watched.cards.get(key, 0), expected.get(key, 0)
        low, high = ratio_interval(shown, watched.judged, in_run, of, LEVEL)
        yield RuleDrift(watched.service, decision, name, shown, in_run * watched.judged / of, low, high)


def _shown_now(pack: Pack) -> Iterator[tuple[str, str]]:
    """Decision and rule of all that may stand on a card."""
    for decision in pack.decisions.values():
        if decision.status == "active" and decision.kind == "card":
            yield from ((decision.id, rule.id) for rule in decision.rules if not rule.withdrawn)


def _urgency(rule: RuleDrift) -> tuple[bool, float, str, str]:
    """Drifted rules first, then those of which most was expected or shown."""
    return not rule.drift, -max(rule.shown, rule.expected), rule.decision, rule.rule
