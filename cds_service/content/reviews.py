"""Clinical reviews of content: by two people, of one version, and for a time that ends (Z15)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import Any

SIGNERS = ("authored-by", "checked-by")
_OF_SIGNER = ("role", "person", "date")
Place = tuple[str, ...]


class ReviewState(StrEnum):
    """Whether a review counts: there is ``none`` of this version, it is ``current``, or the next one is overdue."""

    NONE = "none"
    EXPIRED = "expired"
    CURRENT = "current"


@dataclass(frozen=True, slots=True)
class Signature:
    """Who signed, in which role and when. ``person`` is a name or a registration number, as the deployer chooses."""

    role: str
    person: str
    date: date


@dataclass(frozen=True, slots=True)
class Review:
    """A review of one ``version``, which counts until the day ``next_review``, that day included."""

    version: str
    authored: Signature
    checked: Signature
    next_review: date


@dataclass(frozen=True, slots=True)
class Standing:
    """What comes of the reviews of some content on a day. ``until`` is the day of the next review, if there is one."""

    state: ReviewState = ReviewState.NONE
    until: date | None = None

    @property
    def is_current(self) -> bool:
        return self.state is ReviewState.CURRENT

    @property
    def note(self) -> str:
        """What people who run the service have to know of it, in a few words; ``""`` if nothing is wanting."""
        match self.state:
            case ReviewState.NONE:
                return "not reviewed by a clinician"
            case ReviewState.EXPIRED:
                return f"its clinical review has expired, the next was due by {self.until}"
            case _:
                return ""


def standing(review: Review | None, version: str, today: date) -> Standing:
    """What a review says of content of a ``version`` on the day ``today`` of the hospital's calendar."""
    if review is None or review.version != version:
        return Standing()
    state = ReviewState.EXPIRED if review.next_review < today else ReviewState.CURRENT
    return Standing(state, review.next_review)


_FROM_LEAST = tuple(ReviewState)


def better(one: Standing, other: Standing) -> Standing:
    """That of two reviews of the same content which says more for it: the current one, else the later one."""
    return max(one, other, key=lambda it: (_FROM_LEAST.index(it.state), it.until or date.min))


def review_of(data: Mapping[str, Any]) -> Review | None:
    """A review as it is written, of which ``faults_of`` finds none; ``None`` for one that is left empty."""
    if not any(_values(data)):
        return None
    authored, checked = (_signature(data[name]) for name in SIGNERS)
    return Review(data["version"], authored, checked, date.fromisoformat(data["next-review"]))


def faults_of(data: Mapping[str, Any]) -> Iterator[tuple[Place, str]]:
    """What is wrong with a review as it is written, and where in it: it is whole or empty, and two people signed it."""
    if not any(_values(data)):
        return
    empty = [place for place, value in _entries(data) if not value]
    for place in empty:
        yield place, f"{' '.join(place)} is empty; a review is filled in whole, or left empty"
    dates = {}
    for place in (*((name, "date") for name in SIGNERS), ("next-review",)):
        if place not in empty:
            written = _at(data, place)
            day = day_of(written)
            if day is None:
                yield place, f"{written!r} is no date of the form YYYY-MM-DD"
            else:
                dates[place] = day
    authored, checked = (_at(data, (name, "person")) for name in SIGNERS)
    if authored and _same(authored, checked):
        yield (SIGNERS[1], "person"), "one person both authored and checked it; a review takes two"
    days = [dates.get(place) for place in ((SIGNERS[0], "date"), (SIGNERS[1], "date"), ("next-review",))]
    if days[0] and days[1] and days[1] < days[0]:
        yield (SIGNERS[1], "date"), "it was checked before it was authored"
    if days[1] and days[2] and days[2] <= days[1]:
        yield ("next-review",), "the next review is not later than this one"


def day_of(written: str) -> date | None:
    """The day that is written as YYYY-MM-DD; ``None`` for anything else."""
    try:
        day = date.fromisoformat(written)
    except ValueError:
        return None
    return day if day.isoformat() == written else None


def _signature(data: Mapping[str, str]) -> Signature:
    return Signature(data["role"], data["person"], date.fromisoformat(data["date"]))


def _entries(data: Mapping[str, Any]) -> Iterator[tuple[Place, str]]:
    yield ("version",), data["version"].strip()
    for name in SIGNERS:
        for member in _OF_SIGNER:
            yield (name, member), data[name][member].strip()
    yield ("next-review",), data["next-review"].strip()


def _values(data: Mapping[str, Any]) -> Sequence[str]:
    return [value for _, value in _entries(data)]


def _at(data: Mapping[str, Any], place: Place) -> str:
    value: Any = data
    for step in place:
        value = value[step]
    return str(value)


def _same(one: str, other: str) -> bool:
    """Whether two people are written alike, whatever the case, the blanks and the full stops."""
    return "".join(one.casefold().replace(".", "").split()) == "".join(other.casefold().replace(".", "").split())
