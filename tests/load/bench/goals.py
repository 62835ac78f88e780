"""The rows of ``make bench`` and of ``make instructions``: what each measures, what it was, and what it should be.

``before`` are figures of version 1.2.0, measured on another machine than those of today: ratios to a floor of the same
run can be compared, bare times less so.
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

Figures = Mapping[str, float]
Rounds = Mapping[str, Sequence[Figures]]
"""What was measured of one row: by who was measured, its figures in each round."""

SERVICE, ECHO, RAW, INSERT = "service", "echo", "raw", "bare insert"
TOGETHER = "four clients at once"


@dataclass(frozen=True, slots=True)
class Row:
    """``figure`` names what is measured of the service in each round, ``against`` who it is divided by, if anyone.

    ``unit`` says in words what the result is. ``goal`` is the most that it may be, or the least where ``is_least``.
    """

    name: str
    before: float | None = None
    goal: float | None = None
    figure: str = "cpu_ms"
    against: str | None = ECHO
    unit: str = "of echo's CPU"
    is_least: bool = False

    def now(self, rounds: Rounds) -> float:
        """The median over rounds."""
        mine = [one[self.figure] for one in rounds[SERVICE]]
        if self.against is None:
            return statistics.median(mine)
        theirs = [one[self.figure] for one in rounds[self.against]]
        return statistics.median(a / b for a, b in zip(mine, theirs, strict=True))

    def met(self, now: float) -> str:
        """Whether the goal is met, as a word; ``-`` where there is none."""
        if self.goal is None:
            return "-"
        return "yes" if (now >= self.goal if self.is_least else now <= self.goal) else "no"


IRRELEVANT_SMALL = Row("irrelevant 8 KB")
IRRELEVANT = Row("irrelevant 80 KB", 0.78, 0.4)
RELEVANT_SMALL = Row("relevant 8 KB", 7.1, 4.5)
SUGGESTIONS = Row("relevant with two suggestions, 11 KB", 14, 8)
RELEVANT = Row("relevant 80 KB", 2.6, 1.75)
RELEVANT_LARGE = Row("relevant 2.4 MB", 0.49, 0.33)
TOKEN_SEEN = Row("relevant 80 KB, JWT seen before", 2.7, 1.9)
TOKEN_NEW = Row("relevant 80 KB, new ES384 JWT", 4.3, 2.8)
FETCHED = Row("relevant, no prefetch, quick FHIR server", 11.4, 6, against=None, unit="ms of CPU")
FEEDBACK = Row("feedback", 0.29, 0.4, "per_second", INSERT, "of the rate of a bare fsynced insert", is_least=True)
START = Row("start to first answer, new store", 2.2, 1.6, "seconds", unit="of echo's time")
START_AGAIN = Row("start to first answer, the store is there", figure="seconds", unit="of echo's time")
CHECK = Row("`cds-service check`", figure="cpu_s", against=None, unit="s of CPU")
PATIENT = Row("a patient of a population run", 141, 100, "cpu_us", None, "µs of CPU")

UNDER_LOAD = (
    IRRELEVANT_SMALL,
    IRRELEVANT,
    RELEVANT_SMALL,
    SUGGESTIONS,
    RELEVANT,
    RELEVANT_LARGE,
    TOKEN_SEEN,
    TOKEN_NEW,
    FETCHED,
)
STEPS = Row("steps of a call")
"""No row with a goal: in the place of who was measured stand steps, and their figures are microseconds by body."""
WHOLE, EVALUATE = "whole call of the WSGI application", "`evaluate`, which is all of the above"
ROWS = (*UNDER_LOAD, FEEDBACK, START, START_AGAIN, CHECK, PATIENT)

# Instructions in millions. A whole call is one of the WSGI application, with the line that it writes to the log.
COUNTED = {
    ("call", IRRELEVANT.name): Row("a whole call, irrelevant 80 KB", unit="M"),
    ("call", RELEVANT_SMALL.name): Row("a whole call, relevant 8 KB", 5.4, 3.8, unit="M"),
    ("call", SUGGESTIONS.name): Row("a whole call, relevant with two suggestions, 11 KB", unit="M"),
    ("call", RELEVANT.name): Row("a whole call, relevant 80 KB", 9.3, 6.5, unit="M"),
    ("evaluate", RELEVANT_SMALL.name): Row("`evaluate` alone, relevant 8 KB", unit="M"),
    ("evaluate", RELEVANT.name): Row("`evaluate` alone, relevant 80 KB", unit="M"),
}
