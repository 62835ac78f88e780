"""A decision table grown into a tree, so that each input is asked once and each answer is one lookup.

Rules are tried in their order and the cells of a rule from left to right; an input is looked at when the first cell
asks for it. The tree asks the same inputs in the same order. What it asks next depends only on which cells of a column
the answers before fitted, so each question keeps what follows under that, and whoever comes with the same answers need
not try the rules again. It grows as it is asked: most of the combinations that a table could be asked never come.
Where the questions end is a leaf. Whoever answers what was asked on the way there in the same way comes to it again.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from fractions import Fraction
from itertools import pairwise
from math import lcm
from typing import TYPE_CHECKING

from cds_service.content.domains import JOINED
from cds_service.content.unary import Cell
from cds_service.vocabulary.facts import Exact, Fact, Interval, State

if TYPE_CHECKING:
    from cds_service.content.model import Rule

# Answers of one table that are remembered. Some could be answered in millions of ways, and callers choose the answers.
_MOST_ANSWERS = 8_192


class InputCells:
    """The different cells of one input, and which of them a fact fits: a set of bits, the first cell's the lowest."""

    def __init__(self, cells: Sequence[Cell]) -> None:
        self.bits = {cell: 1 << number for number, cell in enumerate(dict.fromkeys(cells))}
        self.of_state = {state: self._fitted(Fact(state)) for state in State if state is not State.VALUE}
        strings = {string for cell in self.bits for string in cell.strings | cell.excluded}
        self.of_string = {string: self._fitted(Fact.of(string)) for string in strings}
        self.of_other_strings = sum(bit for cell, bit in self.bits.items() if cell.excluded)
        self._of_ranges = [(cell, bit) for cell, bit in self.bits.items() if cell.intervals]
        limits = sorted({limit for cell, _ in self._of_ranges for limit in cell.numbers()})
        self._of_points = [self._fitted(Fact.of(Interval.point(number))) for number in _one_of_each(limits)]
        # Whole numbers are compared ten times as quickly as fractions are.
        self._scale = lcm(*(limit.denominator for limit in limits))
        self._limits = [int(limit * self._scale) for limit in limits]

    def of_number(self, fact: Fact) -> int:
        """The cells that a number fits; one that lies across an edge and wholly within none is undecidable (Z19)."""
        number = fact.value
        if not isinstance(number, Interval):
            return 0
        point = number.low
        if point is not None and number.is_point:
            scaled, rest = divmod(point.numerator * self._scale, point.denominator)
            place = bisect_right(self._limits, scaled)
            is_limit = not rest and place > 0 and self._limits[place - 1] == scaled
            return self._of_points[2 * place - is_limit]
        fitted = sum(bit for cell, bit in self._of_ranges if cell.matches(fact))
        if not fitted and any(cell.straddled_by(number) for cell, _ in self._of_ranges):
            return self.of_state[State.UNDECIDABLE]
        return fitted

    def _fitted(self, fact: Fact) -> int:
        return sum(bit for cell, bit in self.bits.items() if cell.matches(fact))


def _one_of_each(limits: Sequence[Exact]) -> list[Exact]:
    """A number below all limits, the first limit, one between it and the next, and so on: all that cells tell apart."""
    if not limits:
        return [0]
    between = [Fraction(low + high, 2) for low, high in pairwise(limits)]
    return [
        limits[0] - 1,
        *(number for pair in zip(limits, [*between, limits[-1] + 1], strict=True) for number in pair),
    ]


def output_of(fired: Sequence[Rule]) -> Fact:
    """What the rules that fired make of a definition: the output of the first that stands alone, else those of all."""
    decisive = next(((rule,) for rule in fired if rule.alone), fired)
    return Fact.of(JOINED.join(rule.then.value for rule in decisive)) if decisive else Fact.absent()


class Leaf:
    """What a table came to: the ``rules`` that fire, their ``output``, and the inputs ``asked`` on the way, by name.

    ``said`` are those of the rules that are not silent.
    """

    __slots__ = ("asked", "output", "rules", "said")

    def __init__(self, rules: tuple[Rule, ...], asked: frozenset[str]) -> None:
        self.rules, self.asked, self.output = rules, asked, output_of(rules)
        self.said = tuple([rule for rule in rules if not rule.then.silent])


class Question:
    """The next input that a table looks at, by its name, and what follows each answer that was ever given.

    ``column`` tells which cells of the input an answer fits, ``known`` is what follows those. ``answered`` are the
    cells that the answers before it fitted, by the place of their input.
    """

    __slots__ = ("_tree", "answered", "column", "known", "name", "place")

    def __init__(self, tree: Tree, place: int, answered: Mapping[int, int]) -> None:
        self.name, self.place, self.answered = tree.inputs[place], place, answered
        self._tree, self.column = tree, tree.columns[place]
        self.known: dict[int, Question | Leaf] = {}

    def grown(self, fitted: int) -> Question | Leaf:
        """What follows an answer that ``fitted`` these cells, and is not known yet: another question, or the leaf."""
        following = self._tree.next({**self.answered, self.place: fitted})
        if self._tree.may_grow():
            self.known[fitted] = following
        return following


class Tree:
    """The rules of one table as such a tree. ``columns`` are the cells of each input; ``every`` is COLLECT."""

    def __init__(
        self, inputs: Sequence[str], rules: Sequence[Rule], columns: Sequence[Sequence[Cell]], *, every: bool
    ) -> None:
        self.inputs = inputs
        self.columns = [InputCells(cells) for cells in columns]
        self._rules = rules
        self._every = every
        self._left = _MOST_ANSWERS
        self.first = self.next({})

    def may_grow(self) -> bool:
        """Whether one more answer may be remembered; asking counts it."""
        self._left -= 1
        return self._left >= 0

    def next(self, answered: Mapping[int, int]) -> Question | Leaf:
        """The first input that the rules ask for beyond those answered; if there is none, the leaf.

        All rules of a COLLECT table fire on it, else the first (the only one if UNIQUE).
        """
        fired: list[Rule] = []
        for rule in self._rules:
            for place, cell in rule.tests:
                if place not in answered:
                    return Question(self, place, answered)
                if not answered[place] & self.columns[place].bits[cell]:
                    break
            else:
                fired.append(rule)
                if not self._every:
                    break
        return Leaf(tuple(fired), frozenset(self.inputs[place] for place in answered))
