"""What a run says, as data: how many orders and patients, whom the rules interrupt and how often, and what is unknown.

A run keeps it beside its tables, so that it can be read without them.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from itertools import pairwise
from pathlib import Path

import msgspec

from cds_service.population.manifest import Manifest
from cds_service.population.run_folder import MANIFEST, SUMMARY, RunFolderError, read_file, read_manifest
from cds_service.vocabulary.path_text import path_text

VIEW, SELECT, SIGN = "patient-view", "order-select", "order-sign"
INDICATORS = ("critical", "warning", "info")
_MOST_EVENTS = 10_000_000_000  # of which anything is counted


class Week(msgspec.Struct, frozen=True):
    """Cards shown in the week that begins on ``monday``, by severity."""

    monday: date
    critical: int
    warning: int
    info: int

    @property
    def cards(self) -> int:
        return self.critical + self.warning + self.info


class RuleTimes(msgspec.Struct, frozen=True):
    """How often one rule spoke on a hook: it ``fired``, it was ``shown`` on cards, ``first`` of these for the patient.

    ``status`` is that of a finding: ``active``, ``shadow`` or ``withdrawn``. ``patients`` are those who had its cards.
    ``examples`` are some of the events at which it fired.
    """

    decision: str
    rule: str
    topic: str
    status: str
    indicator: str
    hook: str
    fired: int
    shown: int
    first: int
    patients: int
    examples: tuple[str, ...] = ()

    @property
    def repeated(self) -> int:
        return self.shown - self.first


class UnitCount(msgspec.Struct, frozen=True):
    """Orders signed at one unit, and the cards on them. ``unit`` is ``""`` where the export does not say it, and for
    so many ``others`` together, which are not named.
    """

    unit: str
    events: int
    with_card: int
    cards: int
    others: int = 0

    @property
    def told(self) -> str:
        """Which unit it is, in words."""
        return f"other units ({self.others:,})" if self.others else self.unit or "not said"


class UnreadFact(msgspec.Struct, frozen=True):
    """A fact that a rule rested on and that was ``unknown`` or ``unusable``, and at how many of its findings."""

    topic: str
    fact: str
    state: str
    times: int
    of: int


class Funnel(msgspec.Struct, frozen=True):
    """Events of one hook, and what came of them. ``first`` are some of those that are ``interrupting``, and these some
    of those ``with_card``. ``not_understood`` had something on record that nobody understood and that may concern the
    patient; ``None`` in a run of before it was counted. ``silent`` is ``None`` where it is
    not told.
    """

    events: int
    not_judged: int
    defects: int
    silent: int | None
    with_card: int
    interrupting: int
    first: int
    status_dependent: int
    not_understood: int | None = None


NO_EVENTS = Funnel(0, 0, 0, 0, 0, 0, 0, 0)


class ContentSummary(msgspec.Struct, frozen=True):
    """What one content says to a population. ``hook`` is that whose events are counted as orders, ``""`` if none was.

    ``view`` is the funnel of patient-view, and ``selected`` that of order-select where orders are counted at signing.
    ``rules`` are those of every hook, ``answered`` how many events each hook had that were answered, with cards or with
    silence. ``missing`` counts, by prefetch key, events that could not be judged, of which ``unjudged`` are some.
    """

    name: str
    hook: str
    patients: int
    prescribers: int
    orders: int
    funnel: Funnel
    view: Funnel
    weeks: tuple[Week, ...]
    rules: tuple[RuleTimes, ...]
    answered: Mapping[str, int]
    units: tuple[UnitCount, ...]
    unread: tuple[UnreadFact, ...]
    missing: Mapping[str, int]
    unjudged: tuple[str, ...] = ()
    selected: Funnel = NO_EVENTS

    @property
    def cards(self) -> int:
        """Cards on orders."""
        return sum(week.cards for week in self.weeks)

    def rules_at(self, hook: str) -> tuple[RuleTimes, ...]:
        """How often each rule spoke on this hook."""
        return tuple(rule for rule in self.rules if rule.hook == hook)


class ChangedEvents(msgspec.Struct, frozen=True):
    """Events that were answered with ``old`` cards by the old content and with ``new`` by the new one, or with those of
    the same rules in another severity.

    Both are the topics of what was shown, in order; none is silence. ``examples`` are some of the events.
    """

    hook: str
    old: tuple[str, ...]
    new: tuple[str, ...]
    events: int
    examples: tuple[str, ...]


class RunCounts(msgspec.Struct, frozen=True):
    """All that is counted of a run. ``changes`` are there if two contents were judged; ``problems`` are kind of
    problem, type of resource and how many.
    """

    contents: tuple[ContentSummary, ...]
    changes: tuple[ChangedEvents, ...]
    problems: tuple[tuple[str, str, int], ...]

    @property
    def examples(self) -> frozenset[str]:
        """All events that are an example of something."""
        of_rules = (rule.examples for content in self.contents for rule in content.rules)
        of_others = (*(one.unjudged for one in self.contents), *(change.examples for change in self.changes))
        return frozenset[str]().union(*of_rules, *of_others)


class Summary(msgspec.Struct, frozen=True):
    """A whole run: what was judged by what, and what came of it."""

    manifest: Manifest
    counted: RunCounts


class Attention(msgspec.Struct, frozen=True):
    """A patient with cards when the export was made: the severity of the gravest, and the ``topics`` of all."""

    patient: str | None
    age_band: str | None
    sex: str | None
    indicator: str
    topics: tuple[str, ...]


class Panel(msgspec.Struct, frozen=True):
    """Who needs attention: how many patients in ``total``, and some of them, the gravest first."""

    total: int
    patients: tuple[Attention, ...]


def read_summary(folder: Path) -> Summary:
    """The summary of a run.

    Raises:
        RunFolderError: the folder is not that of a run.
    """
    manifest, counted = read_manifest(folder), read_file(folder, SUMMARY, RunCounts, _MOST_EVENTS)
    names, problem = [content.name for content in counted.contents], ""
    if names != list(manifest.contents) or (counted.changes and not {"old", "new"}.issubset(names)):
        problem = f"its {SUMMARY} is not about the contents of its {MANIFEST}"
    elif any(before.monday >= week.monday for content in counted.contents for before, week in pairwise(content.weeks)):
        problem = f"the weeks in its {SUMMARY} do not follow each other"
    elif not all(times for content in counted.contents for times in content.answered.values()):
        problem = f"its {SUMMARY} counts hooks that were never answered"
    if problem:
        raise RunFolderError(f"{path_text(folder)}: {problem}")
    return Summary(manifest, counted)
