"""Tables as they are written, read in the plainest way: to hold the expanded form of the package against it.

It knows files only: a table is what YAML gives. Facts are those of the package.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from fractions import Fraction
from typing import Any

from cds_service.vocabulary.facts import Fact, Interval

_BAND = re.compile(r"([\[(])(.+)\.\.(.+)([\])])")


def fired(table: Mapping[str, Any], facts: Mapping[str, Fact]) -> list[str]:
    """The ids of the written rules that fire on facts, by input; other cards are ``speaks`` or ``silent``."""
    read = {name: said(fact, cells_of(table, name)) for name, fact in facts.items()}
    if any(read[card] == "speaks" for card in table.get("yields-to", ())):
        return []
    if not all(fits(cell, read[name]) for name, cell in table.get("applies-when", {}).items()):
        return []
    hits = [
        rule["id"]
        for rule in table["rules"]
        if all(fits(cell, read[name]) for name, cell in rule.get("when", {}).items())
    ]
    return hits if table["hit-policy"] == "COLLECT" else hits[:1]


def cells_of(table: Mapping[str, Any], name: str) -> list[Any]:
    guards = [table["applies-when"]] if "applies-when" in table else []
    whens = [*guards, *(rule.get("when", {}) for rule in table["rules"])]
    return [when[name] for when in whens if name in when]


def said(fact: Fact, column: list[Any]) -> str | tuple[str, str] | Interval:
    """What a fact is to the cells of its column: a word, ``("state", ...)`` or a range of numbers."""
    if fact.state != "value":
        return ("state", str(fact.state))
    if not isinstance(fact.value, Interval) or fact.value.is_point or any(fits(cell, fact.value) for cell in column):
        return fact.value
    touched = any(_touches(fact.value, band) for cell in column for band in bands(cell))
    return ("state", "undecidable") if touched else fact.value


def fits(cell: Any, what: Any) -> bool:
    if isinstance(cell, dict):
        is_other = isinstance(what, str) and not fits(cell["not"], what)
        return is_other or ("or" in cell and fits(cell["or"], what))
    entries = cell if isinstance(cell, list) else [cell]
    if isinstance(what, str):
        return any((" then ".join(entry) if isinstance(entry, list) else entry) == what for entry in entries)
    if isinstance(what, tuple):
        return what[1] in entries
    return any(_lies_in(what, band) for band in bands(cell))


def bands(cell: Any) -> Iterator[tuple[Fraction | None, bool, Fraction | None, bool]]:
    """The bands of numbers that a cell names: low end, whether it is out, high end, whether it is out."""
    for entry in cell if isinstance(cell, list) else [cell]:
        text = str(entry)
        if band := _BAND.fullmatch(text):
            yield Fraction(band[2]), band[1] == "(", Fraction(band[3]), band[4] == ")"
        elif text[0] in "<>":
            sign, bound = (text[:2], text[2:]) if text[1] == "=" else (text[:1], text[1:])
            is_out = len(sign) == 1
            low = (Fraction(bound), is_out, None, False)
            yield low if sign[0] == ">" else (None, False, Fraction(bound), is_out)
        elif re.fullmatch(r"-?\d+(\.\d+)?", text):
            yield Fraction(text), False, Fraction(text), False


def _lies_in(one: Interval, band: Any) -> bool:
    low, low_out, high, high_out = band
    above = low is None or (
        one.low is not None and (one.low > low or (one.low == low and (one.low_open or not low_out)))
    )
    below = high is None or (
        one.high is not None and (one.high < high or (one.high == high and (one.high_open or not high_out)))
    )
    return above and below


def _touches(one: Interval, band: Any) -> bool:
    low, low_out, high, high_out = band
    is_below = (
        low is not None
        and one.high is not None
        and (one.high < low or (one.high == low and (one.high_open or low_out)))
    )
    is_above = (
        high is not None
        and one.low is not None
        and (one.low > high or (one.low == high and (one.low_open or high_out)))
    )
    return not is_below and not is_above
