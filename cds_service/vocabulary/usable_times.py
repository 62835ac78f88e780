"""The times by which somebody may ask to be judged; others are slips."""

from __future__ import annotations

from datetime import datetime

FIRST_YEAR, LAST_YEAR = 1900, 2199


def is_usable(moment: datetime) -> bool:
    """Whether a time is so near to today that every age and every look-back can still be reckoned."""
    return FIRST_YEAR <= moment.year <= LAST_YEAR
