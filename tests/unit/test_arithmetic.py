"""Arithmetic of ranges: nothing that can come out is left out, and no end is wider than it is."""

from fractions import Fraction
from itertools import product

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from cds_service.vocabulary import arithmetic
from cds_service.vocabulary.facts import Interval

NUMBERS = st.one_of(st.integers(-6, 6), st.fractions(-6, 6, max_denominator=4))


@st.composite
def ranges(draw, numbers=NUMBERS, limited=False):
    """A range that is not empty, and a number in it; it has both limits if it is ``limited``."""
    low, high = sorted((draw(numbers), draw(numbers)))
    if low == high:
        return Interval.point(low), low
    low_open, high_open = draw(st.booleans()), draw(st.booleans())
    at = draw(st.fractions(0, 1, max_denominator=8))
    inside = low + (high - low) * at
    assume(not (low_open and inside == low) and not (high_open and inside == high))
    left, right = (False, False) if limited else (draw(st.booleans()), draw(st.booleans()))
    return Interval(
        None if left else low, None if right else high, low_open and not left, high_open and not right
    ), inside


OPERATIONS = [
    (arithmetic.plus, lambda a, b: a + b),
    (arithmetic.minus, lambda a, b: a - b),
    (arithmetic.times, lambda a, b: a * b),
    (arithmetic.over, lambda a, b: Fraction(a) / b),
    (arithmetic.least, min),
    (arithmetic.greatest, max),
]
ids = [of_ranges.__name__ for of_ranges, _ in OPERATIONS]


@pytest.mark.parametrize(("of_ranges", "of_numbers"), OPERATIONS, ids=ids)
@given(one=ranges(), other=ranges())
def test_what_comes_of_numbers_lies_in_what_comes_of_their_ranges(of_ranges, of_numbers, one, other):
    total = of_ranges(one[0], other[0])
    if total is None:
        assert of_ranges is arithmetic.over
        return
    assert Interval.point(of_numbers(one[1], other[1])).within(total)


LIMITED = ranges(limited=True)
WITHOUT_ZERO = st.one_of(
    ranges(st.fractions(1, 6, max_denominator=4), limited=True), ranges(st.integers(-6, -1), limited=True)
)


@pytest.mark.parametrize(("of_ranges", "of_numbers"), OPERATIONS, ids=ids)
@given(one=LIMITED, others=st.tuples(LIMITED, WITHOUT_ZERO))
def test_ends_are_no_wider_than_what_comes_of_the_ends(of_ranges, of_numbers, one, others):
    """Between limits an end is what comes of two ends, and it is closed only if it is reached."""
    both = (one[0], others[of_ranges is arithmetic.over][0])
    total = of_ranges(*both)
    corners = [of_numbers(a, b) for a, b in product(*((i.low, i.high) for i in both))]
    assert (total.low, total.high) == (min(corners), max(corners))
    inside = [_reached(interval) for interval in both]
    reached = [of_numbers(a, b) for a, b in product(*inside)]
    assert (total.low_open, total.high_open) == (total.low not in reached, total.high not in reached)


def _reached(interval):
    """The ends that are reached, and numbers of the range: zero, and two that lie closer to the ends than any other."""
    step = Fraction(interval.high - interval.low) / 1000
    between = [n for n in (0, interval.low + step, interval.high - step) if Interval.point(n).within(interval)]
    ends = [(interval.low, interval.low_open), (interval.high, interval.high_open)]
    return [*(end for end, is_open in ends if not is_open), *between]


@given(one=ranges(), other=ranges())
def test_a_quotient_has_a_value_only_if_the_divisor_cannot_be_zero(one, other):
    assert (arithmetic.over(one[0], other[0]) is None) == Interval.point(0).within(other[0])


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (arithmetic.times(Interval(0, 5, high_open=True), Interval.point(2)), Interval(0, 10, high_open=True)),
        (arithmetic.times(Interval(0, 1, low_open=True), Interval(1, None)), Interval(0, None, low_open=True)),
        (arithmetic.times(Interval.point(0), Interval(None, None)), Interval.point(0)),
        (arithmetic.over(Interval.point(6), Interval(0, 3, low_open=True)), Interval(2, None)),
        (arithmetic.over(Interval.point(6), Interval(None, 0, high_open=True)), Interval(None, 0, high_open=True)),
        (arithmetic.over(Interval.point(6), Interval(2, None)), Interval(0, 3, low_open=True)),
        (arithmetic.minus(Interval.point(5), Interval(0, 2, low_open=True)), Interval(3, 5, high_open=True)),
        (arithmetic.plus(Interval(1, None), Interval.point(2)), Interval(3, None)),
        (arithmetic.least(Interval(1, None), Interval.point(2)), Interval(1, 2)),
        (arithmetic.greatest(Interval(1, None), Interval.point(2)), Interval(2, None)),
        (arithmetic.over(Interval.point(1), Interval.point(3)), Interval.point(Fraction(1, 3))),
    ],
)
def test_ranges_without_a_limit_and_open_ends(found, expected):
    assert found == expected
