"""Numbers as people write them: a comma for the point, blanks or commas between groups of three."""

from __future__ import annotations

import re

_BLANK = re.compile(r"(?<=\d)[ \u00a0\u2009\u202f'_](?=\d{3}(?!\d))")
_COMMA = re.compile(r"(?<=\d),(?=\d)")
_OF_A_GROUP = re.compile(r"(?<=\d),(?=\d{3}(?!\d))")


def as_written_here(text: str) -> str:
    """How the numbers of a text are written here, as the end of a sentence; ``""`` where that is how they are written.

    A comma before three digits may be meant in two ways, and both are said.
    """
    blank, point, group = _BLANK.sub("", text), _COMMA.sub(".", text), _OF_A_GROUP.sub("", text)
    if blank != text:
        return f"write {blank} without a blank"
    if group != text:
        return f"write {group} without a comma, or {point} with a point"
    return f"write {point} with a point" if point != text else ""
