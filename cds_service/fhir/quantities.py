"""Numbers and units, exactly.

An analyte lists the units it may arrive in with exact factors (``units.yaml``; each factor is proved against a UCUM
library in the tests), and ``units`` reads their spellings. What is not understood is refused with a reason, never
guessed.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from cds_service.fhir.units import LONGEST_UNIT, ucum_of
from cds_service.vocabulary.declarations import Analyte, Plausible
from cds_service.vocabulary.facts import Exact, Interval, Reason, exact

# Two digits of exponent suffice for every amount in a chart, and keep it within the range of floating point.
_JSON_NUMBER = re.compile(r"(-?\d+)(\.\d+)?([eE][+-]?\d{1,2})?", re.ASCII)
_LONGEST_NUMBER = 32
_LONGEST_DECIMAL = 12
_GROUPED_FROM = 5  # digits

UCUM = "http://unitsofmeasure.org"


def read_number(text: str) -> Exact | None:
    """The exact value of a JSON number's text; ``None`` for anything else, a quoted number included."""
    match = _JSON_NUMBER.fullmatch(text) if len(text) <= _LONGEST_NUMBER else None
    if match is None:
        return None
    return int(text) if match.end(1) == len(text) else exact(text)


def read_unit(analyte: Analyte, code: str, system: str, unit: str) -> str | Reason:
    """The UCUM code of a Quantity for this analyte (Z23), or why there is none.

    Code and unit text are read alike, whatever the system (Z43). Where only the code is known, it counts.
    Where only the unit text is known, it counts only if the code is missing or its system is another than UCUM.
    """
    from_code, from_text = ucum_of(analyte, code), ucum_of(analyte, unit)
    if from_code and from_text and analyte.factors[from_code] != analyte.factors[from_text]:
        return Reason("unitsDisagree", {"code": code, "unit": unit})
    if from_code:
        return from_code
    if code and system in ("", UCUM):
        return Reason("unitNotKnown", {"unit": _cut(code)})
    if from_text:
        return from_text
    return Reason("unitNotKnown", {"unit": _cut(unit)}) if unit else Reason("unitMissing")


def read_quantity(
    analyte: Analyte, value: str, code: str, system: str, unit: str, comparator: str = ""
) -> Interval | Reason:
    """A Quantity in the analyte's canonical unit as the range it can lie in, or why it has none.

    ``value`` is the JSON text of ``Quantity.value``. A negative amount is refused; ``<`` reaches down to zero.
    """
    number = read_number(value)
    if number is None:
        return Reason("valueNotNumber")
    if number < 0:
        return Reason("valueNegative")
    ucum = read_unit(analyte, code, system, unit)
    if isinstance(ucum, Reason):
        return ucum
    amount = number * analyte.factors[ucum]
    match comparator:
        case "" | "=":
            return Interval.point(amount)
        case "<":
            return Interval(0, amount, high_open=True)
        case "<=":
            return Interval(0, amount)
        case ">":
            return Interval(amount, None, low_open=True)
        case ">=":
            return Interval(amount, None)
    return Reason("comparatorNotKnown")


def implausible(
    analyte: Analyte, plausible: Plausible, value: str, code: str, system: str, unit: str, sent: str
) -> Reason | None:
    """Why a result cannot be right although its number and its unit are read: no patient has such a number (Z44).

    ``sent`` is the result as people see it. A comparator makes no difference: the number beside it has to be plausible.
    The reason names another unit if the number is plausible in it. ``None`` for a plausible result, and for one that
    cannot be read anyway.
    """
    number = read_number(value)
    ucum = read_unit(analyte, code, system, unit)
    if number is None or isinstance(ucum, Reason) or number * analyte.factors[ucum] in plausible:
        return None
    for other, words in plausible.perhaps.items():
        if number * analyte.factors[other] in plausible:
            return Reason("notPlausiblePerhaps", {"sent": sent, "perhaps": words})
    return Reason("notPlausible", {"sent": sent})


def written(analyte: Analyte, value: str, code: str, system: str, unit: str, comparator: str = "") -> tuple[str, str]:
    """A Quantity as people write it, and as it was sent where that differs, else ``""`` (Z76).

    What is understood stands in the unit that tables compare, or in its own where none does; either is spelled as the
    content spells it, so that no word of the chart stands for a unit. What is not understood stays as it was sent, and
    so do the digits of what was not converted.
    """
    ucum, number = read_unit(analyte, code, system, unit), read_number(value)
    if isinstance(ucum, Reason):
        return f"{comparator}{_cut(value)} {unit or code}".strip(), ""
    own = f"{comparator}{_cut(value) if number is None else in_digits(number)} {analyte.written[ucum]}"
    if number is None or analyte.written_as_sent:
        return own, ""
    canonical = analyte.written[analyte.canonical]
    if (
        analyte.factors[ucum] == 1 and analyte.written[ucum] == canonical
    ):  # the same unit, in UCUM's other spellings too
        return own, ""
    shown = f"{comparator}{spell(number * analyte.factors[ucum])} {canonical}"
    return shown, "" if shown == own else own


def as_range(ends: Sequence[str]) -> str:
    """``500-1000 mcg`` from ``500 mcg`` and ``1000 mcg``; both in full where their units differ."""
    if not any(ends):
        return ""
    (first, unit), *others = (end.partition(" ")[::2] for end in ends)
    if any(other != unit for _, other in others):
        return "-".join(filter(None, ends))
    return f"{'-'.join([first, *(number for number, _ in others)])} {unit}".strip()


def spell(number: Exact) -> str:
    """A number for people: as ``in_digits``, in groups from five digits on, where it could be misread: ``20,000``."""
    return grouped(in_digits(number))


def grouped(digits: str) -> str:
    """The digits of a number in groups, if it has five of them or more before its point."""
    whole, point, decimals = digits.partition(".")
    if len(whole.lstrip("-")) < _GROUPED_FROM or not whole.lstrip("-").isdecimal():
        return digits
    return f"{int(whole):,}{point}{decimals}"


def in_digits(number: Exact) -> str:
    """A number in digits alone: exact where a decimal of up to twelve characters is, else to four decimals."""
    if number.denominator == 1:
        return str(number.numerator)
    exactly = f"{float(number):.10f}".rstrip("0")
    if len(exactly) <= _LONGEST_DECIMAL and exact(exactly) == number:
        return exactly
    return f"{float(number):.4f}".rstrip("0").rstrip(".")


def in_signs(value: Interval) -> str:
    """A range of numbers in few signs: ``12``, ``10-12``, ``<5``, ``>=3``; ``-3..5`` where an end is below zero."""
    low, high = (None if end is None else spell(end) for end in (value.low, value.high))
    if low is None:
        return "?" if high is None else f"<{'' if value.high_open else '='}{high}"
    if high is None:
        return f">{'' if value.low_open else '='}{low}"
    if low == high:
        return low
    return f"{low}..{high}" if low.startswith("-") else f"{low}-{high}"


def _cut(unit: str) -> str:
    """A unit or a number as people are shown it: what is too long to be one is quoted from its beginning."""
    return unit if len(unit) <= LONGEST_UNIT else f"{unit[:LONGEST_UNIT]}..."
