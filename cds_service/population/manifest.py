"""``run.json``: what was judged by what, and what a reader of the tables needs to know."""

from __future__ import annotations

import platform
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

import msgspec

from cds_service import __version__
from cds_service.content.prepared import Prepared
from cds_service.content.rule_words import rule_words
from cds_service.content.value_words import label_of
from cds_service.population.judged_rules import FoundInExport, JudgedRule, judged_rules
from cds_service.population.rule_grounds import RuleGrounds, rule_grounds
from cds_service.protocol.envelope import ORDER_HOOKS, REQUESTS

_ON_ORDERS = frozenset(ORDER_HOOKS)
_ON_ALL = frozenset(REQUESTS)
_LIMITS: tuple[tuple[str, frozenset[str]], ...] = (
    ("Drafts that were changed or dropped because of a card are in no export.", _ON_ORDERS),
    ("order-select is an estimate of its last firing for orders that were signed.", frozenset({"order-select"})),
    (
        "Results and diagnoses that were corrected, resolved or entered in error show their last version, not that of "
        "the moment.",
        _ON_ALL,
    ),
    (
        "Statuses were others then: events whose cards differ if ended orders were still active are counted apart.",
        _ON_ALL,
    ),
    ("A resource without a date is in no chart, and is counted as a problem.", _ON_ALL),
    (
        "Prescribers would have answered to a first card, so later cards of the same rule for the same patient are at "
        "most as many as are counted.",
        _ON_ORDERS,
    ),
    (
        "Each chart was opened once, at the end: how often clinicians open it nobody knows, so its cards are no rate.",
        frozenset({"patient-view"}),
    ),
)
LIMITS = tuple(limit for limit, _ in _LIMITS)
"""All that a run cannot know."""


def limits_of(hooks: Iterable[str]) -> tuple[str, ...]:
    """What a run of these hooks cannot know; every report prints it."""
    judged = set(hooks)
    return tuple(limit for limit, of in _LIMITS if not of.isdisjoint(judged))


class JudgedContent(msgspec.Struct, frozen=True):
    """One content of a run. ``digest`` is that of its files, ``site`` that of the site's settings, ``review`` what
    people have to know of its review, ``""`` if nothing. ``rules`` are the words of each rule by its topic, ``facts``
    the labels of the facts, and the titles of the decisions, by their names. ``grounds`` are those of each rule by its
    topic. ``judged``, ``not_exported`` and ``not_found`` are those of ``JudgedRules``. A run of before these were kept
    has none.
    """

    id: str
    version: str
    title: str
    digest: str
    site: str
    review: str
    rules: dict[str, str]
    facts: dict[str, str]
    grounds: dict[str, RuleGrounds] = {}
    judged: tuple[JudgedRule, ...] = ()
    not_exported: dict[str, tuple[str, ...]] = {}
    not_found: dict[str, str] = {}

    @property
    def told(self) -> str:
        """Which content it is, in a few words."""
        return f"{self.id} {self.version}" + (f", {self.review}" if self.review else "")


class Window(msgspec.Struct, frozen=True):
    """The orders of a run were written from ``since`` on and before ``until``, at which charts were opened."""

    since: datetime
    until: datetime

    @property
    def days(self) -> int:
        return (self.until - self.since).days


class Manifest(msgspec.Struct, frozen=True):
    """The whole of ``run.json``.

    ``contents`` are named ``content``, or ``old`` and ``new``. ``patients`` says how they are named in the tables:
    ``hash``, ``id`` or ``none``. ``engine``, ``export`` and ``counts`` tell what read the export, its files with their
    sizes, and how many resources went into and out of each filter. ``made`` is when the run began; a run of an earlier
    software does not say it.
    """

    product: dict[str, str]
    contents: dict[str, JudgedContent]
    hooks: tuple[str, ...]
    window: Window
    patients: str
    assumptions: tuple[str, ...]
    engine: dict[str, Any]
    export: dict[str, Any]
    counts: dict[str, Any]
    limits: tuple[str, ...]
    made: datetime | None = None


def judged_content(
    prepared: Prepared, digest: str, at: datetime, hooks: Iterable[str], found: FoundInExport
) -> JudgedContent:
    """A content as ``run.json`` names it.

    ``digest`` is that of its files, ``at`` when it is judged by, and ``found`` what the export holds.
    """
    pack, judged = prepared.pack, judged_rules(prepared, hooks, found)
    speaking = [
        (decision, rule)
        for decision in pack.decisions.values()
        if decision.kind == "card"
        for rule in decision.rules
        if not rule.then.silent
    ]
    return JudgedContent(
        id=pack.id,
        version=pack.version,
        title=pack.title,
        digest=digest,
        site=pack.site_digest,
        review=prepared.standing(at).note,
        rules={
            decision.topic(rule.id): rule_words(pack, prepared.regimens, decision.id, rule.id).whole
            for decision, rule in speaking
        },
        facts={name: label_of(pack, name) for name in (*pack.facts, *pack.decisions)},
        grounds={decision.topic(rule.id): rule_grounds(pack, decision, rule) for decision, rule in speaking},
        judged=judged.rules,
        not_exported=judged.not_exported,
        not_found=judged.not_found,
    )


def manifest_of(
    contents: Mapping[str, JudgedContent],
    *,
    hooks: tuple[str, ...],
    window: Window,
    patients: str,
    engine: Mapping[str, Any],
    export: Mapping[str, Any],
    counts: Mapping[str, Any],
    made: datetime | None = None,
) -> Manifest:
    """The manifest of a run that this software makes."""
    return Manifest(
        product={"name": "cds-service", "version": __version__, "python": platform.python_version()},
        contents=dict(contents),
        hooks=hooks,
        window=window,
        patients=patients,
        assumptions=("as exported", "ended orders still active"),
        engine=dict(engine),
        export=dict(export),
        counts=dict(counts),
        limits=limits_of(hooks),
        made=made,
    )
