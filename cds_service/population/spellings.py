"""How things were written that are not understood: how often each, and whether so many patients have it that it may be
shown.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

from cds_service.judge.understanding import NotUnderstood
from cds_service.population.shared_counts import FEWEST_PATIENTS
from cds_service.vocabulary.accounting import Kind

_MOST_SPELLINGS = 50_000  # that are told apart in one piece of a file


@dataclass(frozen=True, slots=True, order=True)
class SentAs:
    """One way in which something was written: its code and its words, or those of its unit, and the key of the reason
    why it is not understood. ``about`` is what the content calls a result, ``""`` of a drug.
    """

    kind: Kind
    system: str
    code: str
    words: str
    reason: str
    about: str = ""

    @classmethod
    def of(cls, item: NotUnderstood) -> SentAs:
        """How that was written which is not understood."""
        aside = item.aside
        return cls(aside.kind, aside.system, aside.code, aside.words, aside.reason.key, item.label)


class Rare(NamedTuple):
    """How many spellings fewer than ``FEWEST_PATIENTS`` have, and how often these were met, with those that were too
    many to be told apart.
    """

    spellings: int
    times: int

    @classmethod
    def of(cls, *several: SpellingCounts) -> Rare:
        """What is rare in all of them."""
        counts = [spellings.rare() for spellings in several]
        return cls(sum(count for count, _ in counts), sum(times for _, times in counts))


@dataclass(slots=True)
class _Met:
    """How often something was met, and for whom; no more patients are told apart than have to be."""

    times: int = 0
    patients: set[str] = field(default_factory=set)

    def add(self, times: int, patients: Iterable[str]) -> None:
        self.times += times
        for patient in patients:
            if len(self.patients) < FEWEST_PATIENTS:
                self.patients.add(patient)

    @property
    def is_common(self) -> bool:
        return len(self.patients) >= FEWEST_PATIENTS


@dataclass(slots=True)
class SpellingCounts:
    """All spellings of one kind of thing that were met, with one example of each that is not understood."""

    example: dict[SentAs, NotUnderstood] = field(default_factory=dict)
    _met: dict[SentAs, _Met] = field(default_factory=dict)
    _not_told_apart: int = 0

    def add(self, item: NotUnderstood, patient: str) -> None:
        """Adds what a line of a patient has; ``""`` for nobody who is named."""
        spelling = SentAs.of(item)
        if spelling not in self._met and len(self._met) >= _MOST_SPELLINGS:
            self._not_told_apart += 1
        else:
            self.example.setdefault(spelling, item)
            self._met.setdefault(spelling, _Met()).add(1, [patient] if patient else ())

    def merge(self, other: SpellingCounts) -> None:
        """Adds what was met elsewhere."""
        for spelling, met in other._met.items():
            self.example.setdefault(spelling, other.example[spelling])
            self._met.setdefault(spelling, _Met()).add(met.times, met.patients)
        self._not_told_apart += other._not_told_apart

    def times(self, spelling: SentAs) -> int:
        """How often a spelling was met."""
        return self._met[spelling].times

    def common(self) -> Collection[SentAs]:
        """The spellings that may be shown, the most frequent first."""
        shown = [spelling for spelling, met in self._met.items() if met.is_common]
        return sorted(shown, key=lambda spelling: (-self.times(spelling), spelling))

    def rare(self) -> tuple[int, int]:
        """How many others there are, and how often they were met."""
        times = [met.times for met in self._met.values() if not met.is_common]
        return len(times), sum(times) + self._not_told_apart
