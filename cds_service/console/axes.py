"""The frame of a picture over time, in pixels, and the axis of its values with their ticks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import floor, log10

from cds_service.console.shown_units import rounded
from cds_service.console.time_axis import Line

WIDTH, HEIGHT = 460, 210
LEFT, RIGHT, TOP, BOTTOM = 46, WIDTH - 16, 22, HEIGHT - 34
LINE, LETTER = 16.0, 8.0  # pixels of a line and of a letter on a narrow screen
DATE = 90.0  # pixels from one date to the next


def height_of(value: float, highest: float) -> float:
    """The pixel of a value on an axis that goes from 0 to ``highest``; what is above stands at its top."""
    return round(BOTTOM - (BOTTOM - TOP) * min(value, highest) / highest, 1)


def round_ticks(highest: float, limits: Sequence[Line] = ()) -> Iterator[Line]:
    """Round numbers on an axis from 0 to ``highest``, where none of ``limits`` stands."""
    power = 10.0 ** floor(log10(highest))
    step = next(power * n for n in (0.2, 0.5, 1, 2) if highest <= power * n * 5)
    for number in range(int(highest / step) + 1):
        at = height_of(number * step, highest)
        if all(abs(at - limit.at) >= LINE for limit in limits):
            yield Line(at, rounded(number * step))
