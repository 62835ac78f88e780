"""The unit in which a page shows the results of one fact, the same in every picture, heading and field, and numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from cds_service.judge.fact_words import near
from cds_service.vocabulary.declarations import Analyte


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
    """A number for people, rounded as ``near`` has it, without groups of digits: it stands on axes and in fields."""
    return f"{near(value, limits):.10g}"
