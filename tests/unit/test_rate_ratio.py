"""The exact interval of a ratio of two counted rates: published values, and what exact means."""

from fractions import Fraction
from math import comb, inf, isclose, nextafter

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from cds_service.population.rate_ratio import proportion_interval, ratio_interval
from cds_service.population.words import ratio_in_words

LEVEL = 0.99


@pytest.mark.parametrize(
    ("count", "total", "low", "high"),
    [(81, 263, 0.2527, 0.3676), (15, 148, 0.0578, 0.1617), (0, 20, 0.0, 0.1684), (1, 29, 0.0009, 0.1776)],
)
def test_proportions_are_those_of_the_table_of_newcombe(count, total, low, high):
    """R. G. Newcombe, Stat. Med. 17 (1998) 857-872, table I, method 5."""
    assert [round(bound, 4) for bound in proportion_interval(count, total, 0.95)] == [low, high]


def test_a_ratio_is_that_of_the_manual_of_r():
    """The example of ``poisson.test`` in R: lung cancer in Fredericia against three other cities (``eba1977``)."""
    low, high = ratio_interval(11, 800, 21, 3011, 0.95)
    assert (round(low, 7), round(high, 7)) == (0.8584264, 4.2772659)


def exactly(count, total, proportion):
    """How probable ``count`` or more are, in whole numbers."""
    p = Fraction(proportion)
    return sum(comb(total, seen) * p**seen * (1 - p) ** (total - seen) for seen in range(count, total + 1))


counts = st.integers(1, 60).flatmap(lambda total: st.tuples(st.integers(0, total), st.just(total)))


@given(counts, st.sampled_from([0.9, 0.95, 0.99]))
def test_at_a_bound_what_was_seen_is_as_improbable_as_the_level_says(seen, level):
    count, total = seen
    low, high = proportion_interval(count, total, level)
    assert 0 <= low <= count / total <= high <= 1
    assert (low == 0) is (count == 0) and (high == 1) is (count == total)
    if count:
        assert isclose(exactly(count, total, low), (1 - level) / 2, rel_tol=1e-9)
    if count < total:
        assert isclose(1 - exactly(count + 1, total, high), (1 - level) / 2, rel_tol=1e-9)


@given(st.integers(0, 500), st.integers(0, 500), st.integers(1, 10**6), st.integers(1, 10**6))
def test_the_ratio_turned_round_has_the_bounds_turned_round(count, other, among, of):
    assume(count + other)
    low, high = ratio_interval(count, among, other, of, LEVEL)
    turned = ratio_interval(other, of, count, among, LEVEL)
    assert isclose(low, 1 / turned[1] if turned[1] < inf else 0, rel_tol=1e-6, abs_tol=1e-12)
    assert high == inf if not turned[0] else isclose(high, 1 / turned[0], rel_tol=1e-6)
    if count and other:
        assert low <= nextafter((count / among) / (other / of), inf) and high >= nextafter(
            (count / among) / (other / of), 0
        )


def test_without_anything_counted_everything_can_be():
    assert ratio_interval(0, 100, 0, 100, LEVEL) == (0.0, inf)
    assert ratio_interval(3, 0, 4, 100, LEVEL) == ratio_interval(3, 100, 4, 0, LEVEL) == (0.0, inf)


def test_millions_of_cards_are_reckoned_too():
    low, high = ratio_interval(2_000_000, 10**7, 1_000_000, 10**7, LEVEL)
    assert 1.99 < low < 2 < high < 2.01


@pytest.mark.parametrize(
    ("low", "high", "words"),
    [
        (0, 0.036, "0.00 to 0.04 times"),
        (7.94, 812.4, "7.94 to 812 times"),
        (1234.5, inf, "more than 1,234 times"),
        (0, inf, "any number of times"),
    ],
)
def test_bounds_are_said_in_digits_that_tell_something(low, high, words):
    assert ratio_in_words(low, high) == words
