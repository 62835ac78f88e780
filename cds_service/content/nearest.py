"""What a misspelled name may have been meant to be."""

from __future__ import annotations

from collections.abc import Collection
from difflib import get_close_matches

_MOST = 3
_ALIKE = 0.6  # the share of letters that two names have in common, as difflib reckons it
_STEM = 3  # letters of the shortest word with which another begins that may have been meant
_FEW = 12  # so many names can be listed in a sentence


def nearest(name: str, known: Collection[str]) -> list[str]:
    """At most three of the ``known`` names, the one most like ``name`` first; none if none is like it."""
    spelled = {other.casefold(): other for other in sorted(known)}
    asked = name.casefold()
    near = get_close_matches(asked, spelled, n=_MOST, cutoff=_ALIKE)
    longer = (other for other in spelled if min(len(asked), len(other)) >= _STEM and _begins(asked, other))
    return [spelled[other] for other in near or [*longer][:_MOST]]


def _begins(one: str, other: str) -> bool:
    """Whether one of two words begins with the other."""
    return one.startswith(other) or other.startswith(one)


def instead(name: str, known: Collection[str], what: str = "names") -> str:
    """What to say behind "there is no NAME": the names that are like it, else all if they are few, else nothing.

    It begins with a semicolon. ``what`` is what the known names are, in the plural.
    """
    near = nearest(name, known)
    if near:
        return f"; did you mean {' or '.join(map(repr, near))}?"
    if known and len(known) <= _FEW:
        return f"; the {what} are {', '.join(sorted(known))}"
    return "" if known else f"; there are no {what} yet"
