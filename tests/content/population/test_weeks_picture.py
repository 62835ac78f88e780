"""The picture of cards a week: it spans the window of the run, and its axis says how many cards a bar is."""

from datetime import UTC, date, datetime

import pytest

from cds_service.console.population_weeks import weeks_picture
from cds_service.population.manifest import Window
from cds_service.population.shared_counts import Shown
from cds_service.population.summary import Week

YEAR = Window(datetime(2025, 11, 3, tzinfo=UTC), datetime(2026, 11, 2, tzinfo=UTC))  # from Monday to Monday: 52 weeks


def picture(*weeks, hidden=0):
    return weeks_picture([Week(date.fromisoformat(day), *counts) for day, *counts in weeks], YEAR, Shown(hidden))


def test_the_picture_spans_the_window_and_not_the_cards_alone():
    found = picture(("2026-01-05", 0, 0, 4), ("2026-02-02", 0, 0, 2))
    each = (found.width - found.left) / 52
    assert found.dates[0] == (found.left, "2025-11-03")
    assert [part.x for part in found.parts] == [round(found.left + weeks * each, 1) for weeks in (9, 13)]
    assert found.words == "2025-11-03 to 2026-11-01, at most 4 in a week"
    assert found.dates[-1][1] > "2026-08"


def test_a_card_of_the_last_moment_of_the_window_stands_in_the_picture():
    found = picture(("2026-10-26", 1, 0, 0))
    (part,) = found.parts
    assert part.x + part.width <= found.width


def test_the_marks_are_round_numbers_at_the_heights_of_bars():
    found = picture(("2026-01-05", 0, 0, 4), ("2026-02-02", 0, 0, 2))
    heights = {count: y for y, count in found.marks}
    assert list(heights) == ["0", "1", "2", "3", "4"]
    assert [heights["4"], heights["2"]] == [part.y for part in found.parts]
    assert heights["0"] == found.foot


@pytest.mark.parametrize(
    ("most", "marks"),
    [
        (1, ["0", "1"]),
        (7, ["0", "2", "4", "6"]),
        (24, ["0", "5", "10", "15", "20"]),
        (39, ["0", "10", "20", "30"]),
        (1_130, ["0", "500", "1,000"]),
        (4_900, ["0", "1,000", "2,000", "3,000", "4,000"]),
    ],
)
def test_there_are_few_marks_however_high_the_bars_are(most, marks):
    assert [count for _, count in picture(("2026-01-05", 0, 0, most)).marks] == marks


def test_a_count_that_is_hidden_is_drawn_as_none():
    assert picture(("2026-01-05", 3, 0, 0), hidden=7).parts == ()
    assert picture(("2026-01-05", 3, 0, 0), hidden=7).marks == ()
    assert "No week has more than 7 cards of one severity" in picture(("2026-01-05", 3, 0, 0), hidden=7).words
    assert "at most 20 are drawn in a week" in picture(("2026-01-05", 3, 21, 0), hidden=7).words


def test_without_cards_there_is_no_picture():
    assert picture() is None
