"""The scale of a lane of results: from where to where it goes, what stands on it, and what lies beyond it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cds_service.console.value_scale import can_be_drawn, scale_of, tick_in_words

VALUES = st.floats(-1e9, 1e9).filter(lambda value: value == 0 or abs(value) > 1e-6)
LIMITS = st.lists(st.floats(0.01, 1e6), max_size=5, unique=True).map(sorted)


def height(scale, *values):
    """How much of the scale lies between the lowest and the highest of some values."""
    shares = [scale.share(value) for value in values]
    return max(shares) - min(shares)


def test_values_that_hardly_change_look_flat_and_others_steep():
    flat, steep = [80.0, 84.0, 82.0], [120.0, 400.0]
    assert height(scale_of(flat), *flat) < 0.2
    assert height(scale_of(steep), *steep) > 0.5


def test_values_far_from_zero_are_told_apart_beside_their_limit():
    values, limits = [3.4, 3.6], [3.5, 5.5]
    scale = scale_of(values, limits)
    assert scale.limits == (3.5, 5.5) and scale.low > 2
    below, limit, above = (scale.share(number) for number in (3.4, 3.5, 3.6))
    assert limit - below > 0.03 and above - limit > 0.03


def test_a_scale_goes_as_far_as_the_limits_near_its_values_and_no_further():
    assert scale_of([22.0], [25.0, 50.0]).limits == (25.0, 50.0)
    assert scale_of([232.0, 210.0], [25.0, 50.0]).limits == ()
    assert scale_of([232.0, 21.0], [25.0, 50.0]).limits == (25.0, 50.0)


def test_a_scale_that_would_begin_near_zero_begins_there():
    assert scale_of([71.0, 420.0]).low == 0
    assert scale_of([-3.0, 4.0]).low < -3


def test_a_single_value_stands_clear_of_both_ends():
    scale = scale_of([71.0])
    assert 0.3 < scale.share(71.0) < 0.7 and len(scale.ticks) >= 2
    assert scale_of([0.0]).share(0.0) == 0 and scale_of([0.0]).ticks[0] == 0


@pytest.mark.parametrize(
    ("values", "limits", "beyond"),
    [
        ([174.0, 180.0, 232.0, 2150.0], [], [2150.0]),
        ([174.0, 2150.0], [], []),  # nobody can say which of two is the usual one
        ([140.0, 150.0, 1800.0, 2000.0], [], [1800.0, 2000.0]),
        ([10.0, 12.0, 60.0, 220.0], [25.0, 50.0], []),  # platelets that recover
        ([232.0, 88.0, 50.0, 21.0, 34.0, 141.0], [25.0, 50.0], []),
        ([0.0, 5.0], [], []),
        ([2000.0], [25.0], []),
    ],
)
def test_what_is_far_above_all_others_is_left_beyond(values, limits, beyond):
    scale = scale_of(values, limits)
    assert [value for value in values if not scale.has(value)] == beyond
    usual = [value for value in values if value not in beyond]
    assert max(map(scale.share, usual)) > 0.5 or len(usual) == 1 or max(usual) == 0


@given(st.lists(VALUES, min_size=1, max_size=12), LIMITS)
def test_never_more_than_half_of_the_values_lie_beyond_and_only_above(values, limits):
    scale = scale_of(values, limits)
    beyond = [value for value in values if not scale.has(value)]
    assert len(beyond) <= len(values) / 2 and all(value > scale.high for value in beyond)
    assert all(scale.has(limit) for limit in scale.limits)


@given(st.lists(VALUES, min_size=1, max_size=12), LIMITS)
def test_two_or_three_ticks_are_round_numbers_on_the_scale(values, limits):
    scale = scale_of(values, limits)
    assert 2 <= len(scale.ticks) <= 3
    assert all(scale.low - 1e-9 <= tick <= scale.high + 1e-9 for tick in scale.ticks)
    step = scale.ticks[1] - scale.ticks[0]
    assert f"{step:.6e}".rstrip("0").partition("e")[0].rstrip("0") in ("1.", "2.", "2.5", "5.")


@given(st.lists(VALUES, min_size=1, max_size=12), LIMITS)
def test_the_words_of_a_tick_are_the_number_itself(values, limits):
    for tick in scale_of(values, limits).ticks:
        assert float(tick_in_words(tick).replace(",", "")) == pytest.approx(tick, rel=1e-9, abs=1e-9)


def test_what_is_no_number_is_not_drawn():
    assert not any(map(can_be_drawn, (None, float("nan"), float("inf"), 1e300)))
    assert can_be_drawn(0.0)
    assert scale_of([]) is None
