"""``run.json``: what was judged by what, and what a reader of the tables needs to know."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import msgspec

from cds_service import __version__
from cds_service.content.prepared import Prepared
from cds_service.content.rule_words import rule_words
from cds_service.content.value_words import label_of
from cds_service.population.rule_grounds import RuleGrounds, rule_grounds

LIMITS = (
    "Drafts that were changed or dropped because of a card are in no export: order-select is an estimate of its last "
    "firing for orders that were signed.",
    "Results and diagnoses that were corrected, resolved or entered in error show their last version, not that of the "
    "moment.",
    "Statuses were others then: events whose cards differ if ended orders were still active are counted apart.",
    "A resource without a date is in no chart, and is counted as a problem.",
    "Prescribers would have answered to a first card, so later cards of the same rule for the same patient are at most "
    "as many as are counted.",
)
"""What no run can know; every report prints it."""


class JudgedContent(msgspec.Struct, frozen=True):
    """One content of a run. ``digest`` is that of its files, ``site`` that of the site's settings, ``review`` what
    people have to know of its review, ``""`` if nothing. ``rules`` are the words of each rule by its topic, ``facts``
    the labels of the facts, and the titles of the decisions, by their names. ``grounds`` are those of each rule by its
    topic; a run of an earlier software has none.
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


def judged_content(prepared: Prepared, digest: str, at: datetime) -> JudgedContent:
    """A content as ``run.json`` names it; ``digest`` is that of its files, ``at`` when it is judged by."""
    pack = prepared.pack
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
        limits=LIMITS,
        made=made,
    )
