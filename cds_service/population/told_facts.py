"""What a rule rested on, as rows that tell nobody who the patient is.

A value is told in words of the content alone: a number, a word of a value set, a state. What the record calls a thing,
its ids and its texts stay in the record. Of an age the band is told, and of a date how many days it was before.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import date, datetime, tzinfo
from typing import Any

from cds_service.content.model import Pack
from cds_service.content.render import in_words
from cds_service.fhir.order_types import ORDER_TYPES
from cds_service.judge.fact_words import FactWords
from cds_service.judge.findings import FoundRule
from cds_service.vocabulary.facts import Evidence, Fact, Interval

Row = dict[str, Any]
_NOT_TOLD = "…"  # in the place of what was sent


class ToldFacts:
    """Facts of one content as rows; what is worked out of the content is kept, and nothing of a patient.

    Days are those of ``zone``.
    """

    def __init__(self, pack: Pack, zone: tzinfo) -> None:
        self.pack = pack
        self._zone = zone
        self._words = FactWords(pack)
        self._types = frozenset({*ORDER_TYPES, *(search.resource for search in pack.searches.values())})
        self._ages = frozenset(name for name, fact in pack.facts.items() if fact.kind == "patient" and not fact.values)

    def rows(self, found: FoundRule, moment: datetime, age_band: str | None) -> Row:
        """What a rule ``asked`` for, and the ``facts`` that it rests on, as they were at ``moment``."""
        day = moment.astimezone(self._zone).date()
        return {
            "asked": [
                {"name": one.name, "value": self._value(one.name, one.fact, age_band), "behind": list(one.behind)}
                for one in found.asked
            ],
            "facts": [self._fact(name, fact, day, age_band) for name, fact in found.facts.items()],
        }

    def _fact(self, name: str, fact: Fact, day: date, age_band: str | None) -> Row:
        return {
            "name": name,
            "state": str(fact.state),
            "value": self._value(name, fact, age_band),
            "because": in_words(self.pack, fact.reason, lambda _: _NOT_TOLD) if fact.reason is not None else None,
            "sources": self._sources(fact.evidence, day),
            "set_aside": next(iter(self._sources([fact.beside], day)), None) if fact.beside is not None else None,
        }

    def _value(self, name: str, fact: Fact, age_band: str | None) -> str:
        if name in self._ages and isinstance(fact.value, Interval):
            return age_band or _NOT_TOLD
        return self._words.value(name, fact)

    def _sources(self, evidence: Iterable[Evidence], day: date) -> list[Row]:
        """The resources that a fact was read from: of each type how many, and how many days before they were."""
        dates: dict[str, dict[str, int | None]] = {}
        for one in evidence:
            kind = one.reference.partition("/")[0]
            if kind in self._types:
                dates.setdefault(kind, {})[one.reference] = _days_before(day, one.date)
        return [_source(kind, days.values()) for kind, days in dates.items()]


def _source(kind: str, days: Collection[int | None]) -> Row:
    dated = [each for each in days if each is not None]
    return {
        "type": kind,
        "times": len(days),
        "latest": min(dated, default=None),
        "earliest": max(dated, default=None),
    }


def _days_before(day: date, sent: str) -> int | None:
    try:
        return (day - date.fromisoformat(sent)).days
    except ValueError:
        return None
