"""Names in camel case, as files and tables have them, in words for people."""

from __future__ import annotations

import re

_WORD = re.compile(r"[A-Z]?[a-z]+\d*|[A-Z]+(?![a-z])\d*|[A-Z]|\d+")


def spelled_out(name: str) -> str:
    """A name in words: ``dailyForAWeek`` as ``Daily for a week``; abbreviations keep their capitals."""
    words = _WORD.findall(name)
    first, *others = words or [name]
    return " ".join(
        [
            first[:1].upper() + first[1:],
            *(word if len(word) > 1 and word.isupper() else word.lower() for word in others),
        ]
    )
