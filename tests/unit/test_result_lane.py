"""A lane of results in pixels: that a dot stands where the numbers on the axis say, and what is said beside it."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cds_service.console.bands import Band
from cds_service.console.result_lane import NO_RULER, PlacedResult, Ruler, dotted

LEFT, RIGHT, TOP = 232, 1066, 40.0
PLATELETS = Ruler(
    "×10⁹/L", (Band(None, 25.0, "critical", ""), Band(25.0, 50.0, "warning", ""), Band(50.0, None, "", ""))
)


def lane(*values, ruler=PLATELETS, apart=60):
    results = [PlacedResult(400.0 + apart * n, value, f"day {n}") for n, value in enumerate(values)]
    return dotted(results, TOP, LEFT, RIGHT, ruler)


def read_off(axis, y):
    """The number at a height, as a person reads it off between two numbers on the axis; ``None`` with only one."""
    numbers = sorted({(line.at, float(line.label.replace(",", ""))) for line in (*axis.ticks, *axis.limits)})
    if len(numbers) < 2:
        return None
    (one, low), (other, high) = numbers[0], numbers[-1]
    return low + (high - low) * (y - one) / (other - one)


def test_a_value_stands_where_the_axis_says_and_beside_the_limits_of_rules():
    drawn = lane(232.0, 88.0, 50.0, 21.0)
    assert [limit.label for limit in drawn.axis.limits] == ["25", "50"]
    below, above = (limit.at for limit in drawn.axis.limits)
    assert drawn.dots[3].y > below and drawn.dots[2].y == above > drawn.dots[1].y
    critical, warning = drawn.axis.shades
    assert (critical.indicator, critical.top) == ("critical", below)
    assert (warning.indicator, warning.top) == ("warning", above)
    assert critical.top + critical.height == pytest.approx(drawn.axis.foot)


@given(st.lists(st.floats(0.1, 5000), min_size=1, max_size=8), st.booleans())
def test_whatever_the_values_the_axis_gives_each_back(values, has_limits):
    drawn = lane(*values, ruler=PLATELETS if has_limits else NO_RULER)
    assert drawn.axis is not None and len(drawn.axis.ticks) + len(drawn.axis.limits) >= 2
    pixel = abs(read_off(drawn.axis, drawn.axis.head) - read_off(drawn.axis, drawn.axis.foot)) / (
        drawn.axis.foot - drawn.axis.head
    )
    for value, dot in zip(values, drawn.dots, strict=True):
        if dot.shape == "dot":
            assert read_off(drawn.axis, dot.y) == pytest.approx(value, abs=pixel / 2)
        else:
            assert value > read_off(drawn.axis, drawn.axis.head) - pixel


@given(st.lists(st.floats(0.1, 5000), min_size=1, max_size=8))
def test_numbers_on_the_axis_never_lie_on_each_other(values):
    axis = lane(*values).axis
    places = sorted([*(tick.at for tick in axis.ticks), *(limit.label_at for limit in axis.limits)])
    assert all(other - one >= 11 for one, other in pairwise(places))
    assert all(limit.label_at <= limit.at for limit in axis.limits)


@pytest.mark.parametrize(
    ("value", "text", "where"),
    [
        (24.96, "24.96", "below 25 ×10⁹/L"),
        (25.0, "25", "at the limit of 25 ×10⁹/L"),
        (25.04, "25.04", "25 to 50 ×10⁹/L"),
        (141.0, "141", "above 50 ×10⁹/L"),
    ],
)
def test_a_number_is_never_rounded_onto_a_limit_and_says_on_which_side_it_lies(value, text, where):
    (dot,) = lane(value).dots
    assert (dot.text, dot.where) == (text, where)


def test_what_lies_above_the_scale_is_marked_said_and_not_joined():
    drawn = lane(174.0, 180.0, 2150.0, 190.0, 200.0, ruler=Ruler("ng/L"))
    assert [dot.shape for dot in drawn.dots] == ["dot", "dot", "above", "dot", "dot"]
    above = drawn.dots[2]
    assert (above.y, above.text, above.where) == (drawn.axis.head, "2150", "above the scale")
    assert [len(path.split()) for path in drawn.paths] == [2, 2]
    assert drawn.beyond == (
        "2150 ng/L (day 2) lies above the scale of the picture, so that the others can be told apart."
    )
    assert lane(174.0, 180.0, ruler=Ruler("ng/L")).beyond == ""


def test_several_above_the_scale_are_named_up_to_three():
    drawn = lane(*([100.0] * 5), 1000.0, 1001.0, 1002.0, 1003.0, ruler=Ruler("ng/L"))
    assert drawn.beyond.startswith("1000 ng/L (day 5), 1001 ng/L (day 6), 1002 ng/L (day 7) and 1 more lie above")


def test_the_number_of_a_result_keeps_off_the_axis_and_inside_the_picture():
    first, last = dotted(
        [PlacedResult(LEFT, 166.0, ""), PlacedResult(RIGHT, 240.0, "")], TOP, LEFT, RIGHT, NO_RULER
    ).dots
    assert (first.text_x, first.anchor) == (LEFT + 4, "start")
    assert (last.text_x, last.anchor) == (RIGHT, "end")


def test_a_number_is_left_out_only_where_it_would_lie_on_another():
    assert [dot.text for dot in lane(100.0, 101.0, 250.0, apart=5).dots] == ["100", "", "250"]
    assert [dot.text for dot in lane(100.0, 101.0, apart=40).dots] == ["100", "101"]


def test_results_without_a_value_have_no_axis():
    drawn = lane(None, float("nan"))
    assert (drawn.axis, drawn.paths, [dot.shape for dot in drawn.dots]) == (None, (), ["ring", "ring"])


def test_a_ruler_says_its_bands_and_where_no_card_comes_of_them_its_limits():
    assert list(PLATELETS.told()) == [("below 25 ×10⁹/L", "critical"), ("25 to 50 ×10⁹/L", "warning")]
    assert list(Ruler("ng/L", (Band(None, 150.0, "", ""), Band(150.0, None, "", ""))).told()) == [("150 ng/L", "")]
    assert list(NO_RULER.told()) == []


def test_a_band_that_was_reckoned_back_says_from_what():
    behind = "eGFR below 60 mL/min/1.73 m² at this age and sex"
    bands = (Band(None, 1.07, "", ""), Band(1.07, None, "info", "", behind))
    assert list(Ruler("mg/dL", bands).told()) == [(f"above 1.07 mg/dL ({behind})", "info")]


def test_the_axis_is_said_in_words_from_the_foot_up():
    assert lane(232.0, 21.0).axis.in_words() == "its axis has 25, 50, 200; limits of rules: 25, 50"
