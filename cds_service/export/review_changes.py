"""What a review sheet says was changed: limits that are this hospital's own, and which version comes after which."""

from __future__ import annotations

from dataclasses import dataclass

from cds_service.content.model import HospitalLimit, Pack
from cds_service.content.table_words import TableWords
from cds_service.content.value_words import interval_in_words, label_of, number_in_words, unit_in_words
from cds_service.vocabulary.facts import Interval


@dataclass(frozen=True, slots=True)
class Changes:
    """What is known of a change: sentences on ``limits`` that are this hospital's own, with why and who decided, and
    one on the ``versions``.
    """

    limits: tuple[str, ...]
    versions: str


def changes_of(pack: Pack, table: TableWords, version: str, before: str) -> Changes:
    """What is known of the change that led to a ``version`` of a decision; ``before`` is the one that is locked in its
    place, ``""`` if none is.
    """
    limits = dict.fromkeys(limit for row in table.rules for limit in row.limits)
    after = f" comes after {before}, which is the one released last" if before else ""
    versions = f"Version {version}{after}." if before else ""
    return Changes(tuple(_in_words(pack, limit) for limit in limits), versions)


def _in_words(pack: Pack, limit: HospitalLimit) -> str:
    number = interval_in_words(pack, Interval.point(limit.number), unit_in_words(pack, limit.fact))
    before = number_in_words(limit.in_place_of)
    why, decided = limit.why.rstrip("."), limit.decided_by.rstrip(".")
    return f"{label_of(pack, limit.fact)}: {number} in place of {before}. Why: {why}. Decided by: {decided}."
