"""What was read and decided, in words for people: no ids, no UCUM, days without their year where it is this one."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from typing import Any

from cds_service.content.model import Pack
from cds_service.content.render import fill, plain
from cds_service.content.unary import Cell
from cds_service.judge.explanation import limits_of
from cds_service.vocabulary.facts import PRESENT, Exact, Fact, Interval, State

_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|-")
_STATES: Mapping[str, str] = {
    State.ABSENT: "none on record",
    State.UNKNOWN: "not known",
    State.UNUSABLE: "not usable",
    State.UNDECIDABLE: "not to be decided",
    "present": "on record",
    "speaks": "a card",
    "silent": "no card",
}
_OF_ORDERS: Mapping[str, str] = {State.ABSENT: "none", "present": "yes"}  # which are no records
_TIMES: Mapping[str, str] = {"h": "hour", "d": "day", "wk": "week", "mo": "month", "a": "year"}
_DIGITS = range(3, 7)  # a number has as few of these as keep it on its side of every threshold


def day_in_words(pack: Pack, day: date, today: date) -> str:
    """A day as cards write it: ``26 Nov``, with its year where that is not the year of ``today``."""
    how = "day" if day.year == today.year else "day-and-year"
    return fill(pack.words[how], {"day": str(day.day), "month": pack.months[day.month - 1], "year": str(day.year)})


def sent_day_in_words(pack: Pack, sent: str, today: date) -> str:
    """An ISO date as ``day_in_words`` has it; one that leaves out the day, and what is no date, as it was sent."""
    try:
        return day_in_words(pack, date.fromisoformat(sent), today)
    except ValueError:
        return sent


def name_in_words(name: str) -> str:
    """The name of a rule for people: ``CountNeeded`` as ``Count needed``."""
    said = _HUMP.sub(" ", name).lower()
    return said[:1].upper() + said[1:]


def label_of(pack: Pack, name: str) -> str:
    """A fact by its label, a decision by its title."""
    return pack.decisions[name].title if name in pack.decisions else pack.facts[name].label


def value_in_words(pack: Pack, name: str, value: str) -> str:
    """A value of a fact or a decision as ``explain`` tells it: a word, a state, or the answers to several steps."""
    declared = pack.facts.get(name)
    if declared is not None and declared.kind in ("order", "dosage", "drafts") and value in _OF_ORDERS:
        return _OF_ORDERS[value]
    if value in _STATES:
        return _STATES[value]
    if name in pack.decisions:
        return ", then ".join(_HUMP.sub(" ", word).lower() for word in value.split(" then "))
    return pack.routes.get(value, _HUMP.sub(" ", value) if value[:1].islower() else value)


def number_in_words(value: float, limits: Sequence[float] = ()) -> str:
    """A number rounded for people, but never onto or over one of ``limits``."""
    for digits in _DIGITS:
        text = f"{value:.{digits}g}"
        rounded = float(text)
        if all((value < limit, value > limit) == (rounded < limit, rounded > limit) for limit in limits):
            break
    return f"{float(text):.10f}".rstrip("0").rstrip(".")


def fact_in_words(pack: Pack, name: str, fact: Fact) -> str:
    """What a fact or a decision is: a rounded number with its unit, the entry that was found, a word, or a state."""
    value = fact.value
    if fact.state is not State.VALUE or value is None:
        return value_in_words(pack, name, str(fact.state))
    if isinstance(value, str):
        found = next((item.display for item in fact.evidence if item.display), "") if value == PRESENT else ""
        said = value_in_words(pack, name, value)
        return f"{said}: {plain(found)}" if found else said
    limits = [float(limit) for limit in limits_of(pack, name)]
    low, high = (None if end is None else number_in_words(float(end), limits) for end in (value.low, value.high))
    number = _range(low, high)
    return f"{number} {unit_in_words(pack, name)}".strip()


def unit_in_words(pack: Pack, name: str) -> str:
    """The unit of a fact for people, also of one that is a time, or an amount in a time: ``days``, ``mcg a day``."""
    declared = pack.facts.get(name)
    if declared is None:
        return ""
    amount, _, time = declared.unit_written.rpartition("/")
    if declared.unit_written in _TIMES:
        return f"{_TIMES[declared.unit_written]}s"
    if not amount or time not in _TIMES:
        return declared.unit_written
    analytes = (fact.analyte for fact in pack.facts.values() if fact.analyte is not None)
    return f"{next((a.written[amount] for a in analytes if amount in a.written), amount)} a {_TIMES[time]}"


def _range(low: str | None, high: str | None) -> str:
    if low is None:
        return "any number" if high is None else f"at most {high}"
    return f"at least {low}" if high is None else low if low == high else f"{low} to {high}"


def cell_in_words(pack: Pack, name: str, cell: Cell) -> str:
    """What a cell of a table asks for: ``below 25 ×10⁹/L``, ``on record or not known``."""
    unit = unit_in_words(pack, name)
    asked = [*(_interval(interval, unit) for interval in cell.intervals)]
    asked += [value_in_words(pack, name, word) for word in sorted(cell.strings)]
    asked += [value_in_words(pack, name, state) for state in sorted(cell.states)]
    if cell.excluded:
        asked.append(f"anything but {' or '.join(value_in_words(pack, name, word) for word in sorted(cell.excluded))}")
    return " or ".join(asked)


def _interval(interval: Interval, unit: str) -> str:
    low, high = interval.low, interval.high
    if low is not None and low == high:
        said = number_of_limit(low)
    elif low is None and high is not None:
        said = f"{'below' if interval.high_open else 'at most'} {number_of_limit(high)}"
    elif high is None and low is not None:
        said = f"{'above' if interval.low_open else 'at least'} {number_of_limit(low)}"
    elif low is not None and high is not None:
        ends = f"{'above ' if interval.low_open else ''}{number_of_limit(low)}"
        said = f"{ends} to {'below ' if interval.high_open else ''}{number_of_limit(high)}"
    else:
        said = "any number"
    return f"{said} {unit}".strip()


def number_of_limit(limit: Exact) -> str:
    """A threshold, which has few digits."""
    return f"{float(limit):.10f}".rstrip("0").rstrip(".")


def strings_in(tree: Any, key: str) -> Iterator[str]:
    """The strings under ``key`` of an object of JSON, be it one or a list; nothing of another shape."""
    value = tree.get(key) if isinstance(tree, dict) else None
    yield from (item for item in (value if isinstance(value, list) else [value]) if isinstance(item, str) and item)
