"""The unit in which a page shows the results of one fact, the same in every picture, heading and field, and numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import floor, log10
from typing import Any, NamedTuple

from cds_service.vocabulary.declarations import Analyte

_DIGITS = range(3, 7)


class ShownUnit(NamedTuple):
    """A unit by its UCUM ``code``, as it is ``written`` for people, with its ``factor`` to the canonical one."""

    code: str
    written: str
    factor: float = 1.0


def unit_shown(analyte: Analyte | None, series: Mapping[str, Any]) -> ShownUnit:
    """The unit of one of the ``results`` of ``explain``, of which ``analyte`` is measured.

    It is the canonical unit, but that of the newest result for an analyte whose values stay as they are sent (Z76).
    """
    if analyte is not None and analyte.written_as_sent:
        for result in reversed(series["results"]):
            has_value = "low" in result or "high" in result
            for code, written in analyte.written.items():
                if has_value and result["said"].endswith(f" {written}"):
                    return ShownUnit(code, written, float(analyte.factors[code]))
    return ShownUnit(series["unit"], series["written"])


def rounded(value: float, limits: Sequence[float] = ()) -> str:
    """A number for people, to three digits or as many more as keep it on its side of ``limits``; whole numbers keep
    all of theirs.
    """
    if value == 0:
        return "0"
    near = value
    for digits in _DIGITS:
        near = round(value, max(0, digits - 1 - floor(log10(abs(value)))))
        if all((value < limit, value > limit) == (near < limit, near > limit) for limit in limits):
            break
    return f"{near:.10g}"
