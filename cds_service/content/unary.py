"""Cells of decision tables: S-FEEL unary tests and the names of states, nothing more.

Grammar: ``-`` | test ("," test)*, where a test is ``< 25``, ``[25..50]``, ``(1..2]``, ``2``, ``"IM"``,
``not("PO","SL")``, or one of ``absent unknown unusable undecidable``. No expressions.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from cds_service.content.written_numbers import as_written_here
from cds_service.vocabulary.facts import Exact, Fact, Interval, State, exact

_NUMBER = r"-?\d+(?:\.\d+)?"
_TOKEN = re.compile(
    rf"""\s*(?:
      (?P<string>"[^"]*")
    | not\(\s*(?P<not>"[^"]*"(?:\s*,\s*"[^"]*")*)\s*\)
    | (?P<open>[\[\(\]])\s*(?P<low>{_NUMBER})\s*\.\.\s*(?P<high>{_NUMBER})\s*(?P<close>[\]\)\[])
    | (?P<operator><=|>=|<|>)\s*(?P<bound>{_NUMBER})
    | (?P<point>{_NUMBER})
    | (?P<state>absent|unknown|unusable|undecidable)
    )\s*(?P<comma>,|$)""",
    re.VERBOSE,
)

# What is written in place of a cell now and then.
_BARE_RANGE = re.compile(rf"\s*[\[(]?\s*({_NUMBER})\s*(?:\.\.+|-|–|to)\s*({_NUMBER})\s*[\])]?\s*")
_SIGNS = {"=>": ">=", "=<": "<=", "≥": ">=", "≤": "<="}
_OTHER_SIGN = re.compile(rf"\s*({'|'.join(_SIGNS)})\s*({_NUMBER})\s*")
_WITH_UNIT = re.compile(rf"\s*((?:<=|>=|<|>)?\s*{_NUMBER})\s*[^\s\d].*")


@dataclass(frozen=True, slots=True)
class Cell:
    """What one input must be for a rule to match; ``source`` is the cell as written."""

    source: str
    intervals: tuple[Interval, ...] = ()
    strings: frozenset[str] = frozenset()
    excluded: frozenset[str] = frozenset()
    states: frozenset[State] = frozenset()

    def matches(self, fact: Fact) -> bool:
        """Whether a fact fits. A range fits only if the whole of it lies in one of the cell's intervals (Z19)."""
        if fact.state is not State.VALUE:
            return fact.state in self.states
        value = fact.value
        if isinstance(value, str):
            return value in self.strings or (bool(self.excluded) and value not in self.excluded)
        return value is not None and any(map(value.within, self.intervals))

    def straddled_by(self, value: Interval) -> bool:
        """Whether ``value`` lies partly in and partly out of this cell."""
        return any(value.overlaps(interval) and not value.within(interval) for interval in self.intervals)

    def numbers(self) -> tuple[Exact, ...]:
        """The thresholds of this cell, in order."""
        return tuple(dict.fromkeys(end for i in self.intervals for end in (i.low, i.high) if end is not None))


def parse_cell(source: str) -> Cell | None:
    """The compiled cell, ``None`` for ``-`` (matches anything, the states included).

    Raises:
        ValueError: the text is no unary test of the grammar above.
    """
    if source.strip() == "-":
        return None
    intervals: list[Interval] = []
    strings: set[str] = set()
    excluded: set[str] = set()
    states: set[State] = set()
    position, comma = 0, ","
    while comma == ",":
        match = _TOKEN.match(source, position)
        if match is None:
            raise ValueError(f"{source!r} is not a unary test; {_how_to_write(source)}")
        if match["string"]:
            strings.add(match["string"][1:-1])
        elif match["not"]:
            excluded.update(re.findall(r'"([^"]*)"', match["not"]))
        elif match["state"]:
            states.add(State(match["state"]))
        else:
            intervals.append(_interval(match))
        position, comma = match.end(), match["comma"]
    return Cell(source, tuple(intervals), frozenset(strings), frozenset(excluded), frozenset(states))


def _how_to_write(source: str) -> str:
    """How a cell is written that may have been meant by one that cannot be read."""
    if said := as_written_here(source):
        return said
    if found := _BARE_RANGE.fullmatch(source):
        return f"a range is written '[{found[1]}..{found[2]}]', in quotation marks"
    if found := _OTHER_SIGN.fullmatch(source):
        return f"write '{_SIGNS[found[1]]} {found[2]}'"
    if found := _WITH_UNIT.fullmatch(source):
        return f"a cell is without a unit, in the unit of its fact: '{found[1].strip()}'"
    return "a cell is a word, a number, or a limit in quotation marks such as '< 25', '>= 25' or '[25..50]'"


def _interval(match: re.Match[str]) -> Interval:
    if match["point"]:
        return Interval.point(exact(match["point"]))
    if match["operator"]:
        bound = exact(match["bound"])
        below = match["operator"].startswith("<")
        is_open = len(match["operator"]) == 1
        if below:
            return Interval(None, bound, high_open=is_open)
        return Interval(bound, None, low_open=is_open)
    low, high = exact(match["low"]), exact(match["high"])
    if low > high:
        raise ValueError(f"{match[0]!r} runs backwards")
    return Interval(low, high, match["open"] != "[", match["close"] != "]")
