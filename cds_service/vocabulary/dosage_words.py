"""The words that a dosage is said with: templates, units of time, days and times of the day."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class TimeUnit:
    """A unit of time in words: ``one`` of it, ``many``, so often ``per`` one of it, and once in ``each`` of them."""

    one: str
    many: str
    per: str
    each: str


@dataclass(frozen=True, slots=True)
class DosageWords:
    """The words of a pack for dosages, from ``words.en.yaml``.

    ``phrases`` are templates by their key, ``units`` go by FHIR's code of a unit of time, ``days`` by the codes of
    ``Timing.repeat.dayOfWeek``, ``when`` by those of ``Timing.repeat.when``.
    """

    phrases: Mapping[str, str]
    units: Mapping[str, TimeUnit]
    days: Mapping[str, str]
    when: Mapping[str, str]

    def say(self, phrase: str, **values: str) -> str:
        """A phrase with its placeholders filled; ``check`` has proved that it has no others than these."""
        return self.phrases[phrase].format(**values)
