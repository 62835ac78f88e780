"""What a rule may know of a patient or an order: a value, or one of the states that stand in for it.

``chart`` makes facts, ``content`` decides on them. Every call makes about a hundred of these objects, so they are
structures of msgspec, which cost a tenth of a frozen dataclass to make.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from enum import StrEnum
from fractions import Fraction
from typing import TYPE_CHECKING, Final, overload

import msgspec

if TYPE_CHECKING:
    from cds_service.vocabulary.declarations import FactDeclaration


class State(StrEnum):
    """Whether a fact has a value, and if not, why. Rules name each of the other states in their cells."""

    VALUE = "value"
    ABSENT = "absent"  # looked for and not there
    UNKNOWN = "unknown"  # could not look
    UNUSABLE = "unusable"  # there, but it cannot be trusted
    UNDECIDABLE = "undecidable"  # a range that fits no single band of a table (Z19)


HAS_VALUE: Final = State.VALUE
"""Asked for with every question of a table: Python 3.11 takes as long to look up a member of an Enum as to ask it."""


# An exact rational number. Whole ones are int, which costs a tenth to compare; divide two by ``Fraction(a, b)``.
Exact = int | Fraction


def exact(number: Exact | str) -> Exact:
    """A number, or its decimal text, exactly."""
    value = number if isinstance(number, Fraction) else Fraction(number)
    return value.numerator if value.denominator == 1 else value


class Interval(msgspec.Struct, frozen=True):
    """A number as the range that it can lie in; ``None`` stands for no limit. Most are points.

    Ends are exact rationals, so 25 x10^3/uL is 25 and never 24.999 (Z19, docs/decisions.md#units).
    """

    low: Exact | None
    high: Exact | None
    low_open: bool = False
    high_open: bool = False

    @classmethod
    def point(cls, value: Exact) -> Interval:
        """The range that holds one number only."""
        return cls(value, value)

    @property
    def is_point(self) -> bool:
        """Whether the range holds one number only."""
        return self.low is not None and (self.low is self.high or self.low == self.high)

    def within(self, other: Interval) -> bool:
        """Whether every value of this range lies in ``other``."""
        if other.low is not None and (
            self.low is None or self.low < other.low or (self.low == other.low and other.low_open and not self.low_open)
        ):
            return False
        return not (
            other.high is not None
            and (
                self.high is None
                or self.high > other.high
                or (self.high == other.high and other.high_open and not self.high_open)
            )
        )

    def overlaps(self, other: Interval) -> bool:
        """Whether some value lies in both ranges."""
        return not (self._below(other) or other._below(self))

    def _below(self, other: Interval) -> bool:
        if self.high is None or other.low is None:
            return False
        return self.high < other.low or (self.high == other.low and (self.high_open or other.low_open))

    def divided_by(self, other: Interval) -> Interval:
        """The range of quotients of two ranges of positive numbers."""
        low = None if self.low is None or other.high is None else exact(Fraction(self.low, other.high))
        if low is not None and self.is_point and other.is_point:
            return Interval.point(low)
        high = None if self.high is None or not other.low else exact(Fraction(self.high, other.low))
        return Interval(low, high)

    def times(self, other: Interval) -> Interval:
        """The range of products of two ranges of positive numbers."""
        low = None if self.low is None or other.low is None else self.low * other.low
        high = None if self.high is None or other.high is None else self.high * other.high
        return Interval(low, high)


class Reason(msgspec.Struct, frozen=True):
    """Why a fact has no value: a key of the pack's ``reasons`` texts and what fills its placeholders."""

    key: str
    values: Mapping[str, str] = msgspec.field(default_factory=dict)


class Evidence(msgspec.Struct, frozen=True):
    """One element that a fact was read from.

    ``reference`` is ``Type/id`` (or the element of the order), ``display`` what a person reads of it: the value with
    its unit, or the words of an entry. ``sent`` is the value in the unit it was sent in, where ``display`` has another
    (Z76). ``date`` is an ISO date or ``""``; ``number`` and ``unit`` are the value and its unit as sent, apart.
    ``last_day`` is the last day that a partial date can mean, ``""`` if ``date`` is the day itself.
    ``code`` is the code that an entry is known by. ``label`` is the label of the fact that it was read for, where
    another fact is derived from that one (Z11: the card says which). ``notes`` say why it is less than sure, as keys of
    the pack's ``words``.
    """

    reference: str
    display: str
    date: str = ""
    number: str = ""
    unit: str = ""
    label: str = ""
    notes: tuple[str, ...] = ()
    sent: str = ""
    code: str = ""
    last_day: str = ""

    @property
    def as_sent(self) -> str:
        """What a person reads where it could not be used: the value as it came."""
        return self.sent or self.display


class WordedLater(Sequence[Evidence]):
    """Pieces of evidence that are put into words when somebody looks at them: of a thousand, a card shows three."""

    __slots__ = ("_pieces",)

    def __init__(self, pieces: Iterable[Callable[[], Evidence]]) -> None:
        self._pieces: list[Evidence | Callable[[], Evidence]] = list(pieces)

    @overload
    def __getitem__(self, place: int) -> Evidence: ...
    @overload
    def __getitem__(self, place: slice) -> Sequence[Evidence]: ...
    def __getitem__(self, place: int | slice) -> Evidence | Sequence[Evidence]:
        if isinstance(place, slice):
            return tuple([self[number] for number in range(len(self._pieces))[place]])
        piece = self._pieces[place]
        if not isinstance(piece, Evidence):
            piece = self._pieces[place] = piece()
        return piece

    def __len__(self) -> int:
        return len(self._pieces)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and tuple(self) == tuple(other)

    def __hash__(self) -> int:
        return hash(tuple(self))


Value = Interval | str
PRESENT = "present"  # the value of a fact that only says that something is there


class Fact(msgspec.Struct, frozen=True):
    """One declared fact of one patient or order: its state, its value, and what it was read from.

    Only a fact in state ``VALUE`` or ``UNDECIDABLE`` has a value. ``reason`` says why there is none, and ``missing``
    names the prefetch keys for want of which it is ``UNKNOWN``. If it has a value, ``beside`` is a newer entry that had
    to be set aside, and ``reason`` says why (Z45).
    """

    state: State
    value: Value | None = None
    evidence: Sequence[Evidence] = ()
    reason: Reason | None = None
    missing: tuple[str, ...] = ()
    beside: Evidence | None = None

    @classmethod
    def of(cls, value: Value, *evidence: Evidence) -> Fact:
        """A fact with a value."""
        return cls(HAS_VALUE, value, evidence)

    @classmethod
    def shown_by(cls, value: Value, pieces: Iterable[Callable[[], Evidence]]) -> Fact:
        """A fact with a value, whose evidence is put into words when somebody looks at it."""
        return cls(HAS_VALUE, value, WordedLater(pieces))

    @classmethod
    def absent(cls, *evidence: Evidence, reason: Reason | None = None) -> Fact:
        """A fact that was looked for and is not there; ``reason`` says what beside it was not understood (Z41)."""
        return cls(State.ABSENT, None, evidence, reason) if evidence or reason is not None else ABSENT

    @classmethod
    def unknown(cls, *missing: str, reason: Reason | None = None) -> Fact:
        """A fact that could not be looked for; ``missing`` are the prefetch keys that it needs."""
        return cls(State.UNKNOWN, None, (), reason, missing)

    @classmethod
    def unusable(cls, reason: Reason, *evidence: Evidence) -> Fact:
        """A fact that is there and cannot be trusted."""
        return cls(State.UNUSABLE, None, evidence, reason)


ABSENT = Fact(State.ABSENT)
"""What most facts of most patients are."""


class Facts(Mapping[str, Fact]):
    """Declared facts by name, each read when it is first asked for, and then kept.

    Facts of ``kinds`` are made by ``read``, from their declaration and these facts, of which some are derived; all
    others are looked up in ``shared``. A name that is not declared is a ``KeyError``.
    """

    __slots__ = ("_declarations", "_kept", "_kinds", "_read", "_shared")

    def __init__(
        self,
        declarations: Mapping[str, FactDeclaration],
        kinds: Container[str],
        read: Callable[[FactDeclaration, Facts], Fact],
        shared: Facts | None = None,
    ) -> None:
        self._declarations = declarations
        self._kinds = kinds
        self._read = read
        self._shared = shared
        self._kept: dict[str, Fact] = {}

    def __getitem__(self, name: str) -> Fact:
        fact = self._kept.get(name)
        if fact is None:
            declared = self._declarations[name]
            if declared.kind in self._kinds:
                fact = self._read(declared, self)
            elif self._shared is not None:
                fact = self._shared[name]
            else:
                raise KeyError(name)
            self._kept[name] = fact
        return fact

    def read_so_far(self, name: str) -> Fact | None:
        """The fact of this name if it was asked for already, whether here or in what these facts share."""
        fact = self._kept.get(name)
        return self._shared.read_so_far(name) if fact is None and self._shared is not None else fact

    @property
    def own_so_far(self) -> Mapping[str, Fact]:
        """The facts that were asked for so far, without those that these facts share."""
        shared = self._shared._kept if self._shared is not None else {}
        return {name: self._kept[name] for name in self._kept.keys() - shared.keys()}

    def __iter__(self) -> Iterator[str]:
        yield from (name for name, declared in self._declarations.items() if declared.kind in self._kinds)
        if self._shared is not None:
            yield from self._shared

    def __len__(self) -> int:
        return sum(1 for _ in self)
