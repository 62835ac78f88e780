"""Cells and tables: grammar, ranges, and a second, deliberately naive prepared that must agree."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cds_service.content.unary import parse_cell
from cds_service.vocabulary.facts import Fact, Interval


@pytest.mark.parametrize(
    ("cell", "value", "fits"),
    [
        ("< 25", "24.9", True),
        ("< 25", "25", False),
        ("[25..50]", "25", True),
        ("[25..50]", "50", True),
        ("(25..50]", "25", False),
        ("[25..50)", "50", False),
        ("> 50", "50", False),
        ("> 50", "50.1", True),
        ("1, [3..4]", "3.5", True),
        ("1, [3..4]", "2", False),
    ],
)
def test_a_number_fits_a_cell(cell, value, fits):
    assert parse_cell(cell).matches(Fact.of(Interval.point(Fraction(value)))) is fits


@pytest.mark.parametrize("cell", ["", "25 and 30", "< ", "[50..25]", "IM", "not(absent)", '"a" "b"', "25 +", "< x"])
def test_what_is_no_unary_test_is_refused(cell):
    with pytest.raises(ValueError, match=r"is not a unary test|runs backwards"):
        parse_cell(cell)


def test_states_match_only_where_they_are_written():
    absent = Fact.absent()
    assert not parse_cell("< 25").matches(absent)
    assert not parse_cell('not("IM")').matches(absent)
    assert parse_cell("< 25, absent").matches(absent)
    assert parse_cell("-") is None


@given(st.integers(-50, 100), st.integers(0, 60), st.integers(-50, 100), st.integers(0, 60))
def test_a_range_fits_only_if_the_whole_of_it_does(low, length, edge, width):
    value = Interval(Fraction(low), Fraction(low + length))
    cell = parse_cell(f"[{edge}..{edge + width}]")
    inside = all(edge <= point <= edge + width for point in (low, low + length))
    assert cell.matches(Fact.of(value)) is inside
