"""The figures of a rule by week and month, when its versions changed, and the pictures of both."""

from __future__ import annotations

from datetime import date, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cds_service.console.axes import BOTTOM, LEFT, RIGHT, TOP
from cds_service.console.rule_periods import is_by_month, periods_of, version_changes, versions_shown
from cds_service.console.trend_plots import TrendFrame
from cds_service.store.figures import RuleDay, RuleHistory
from cds_service.store.intervals import wilson

TODAY = date(2026, 11, 30)  # a Monday


def on(day, shown=0, accepted=0, overridden=0, version="1.0.0"):
    return RuleDay(day, "oneDecision", "FirstRule", version, shown, accepted, overridden)


def history(*days, calls=None, calls_from=None, versions=()):
    return RuleHistory(sorted(days, key=lambda day: day.day), list(versions), calls or {}, calls_from)


def frame(read, changes=(), today=TODAY):
    return TrendFrame(periods_of(read, today), "month" if is_by_month(read, today) else "week", changes, ("Jan",) * 12)


def test_weeks_begin_on_monday_and_only_days_that_are_kept_are_in_them():
    read = history(on(date(2026, 11, 12), 3), on(date(2026, 11, 15), 2), on(date(2026, 11, 16), 1))
    assert [(each.days, each.shown) for each in periods_of(read, TODAY)] == [
        ("2026-11-12 to 2026-11-15", 5),
        ("2026-11-16 to 2026-11-22", 1),
        ("2026-11-23 to 2026-11-29", 0),
        ("2026-11-30", 0),
    ]


def test_what_is_kept_for_half_a_year_is_shown_by_month():
    begin = TODAY - timedelta(weeks=26)
    assert not is_by_month(history(on(begin + timedelta(days=1), 1)), TODAY)
    read = history(on(begin, 1), on(date(2026, 6, 30), 2), on(date(2026, 7, 1), 4))
    assert is_by_month(read, TODAY)
    found = periods_of(read, TODAY)
    assert [(each.first, each.last, each.shown) for each in found[:2]] == [
        (date(2026, 6, 1), date(2026, 6, 30), 3),
        (date(2026, 7, 1), date(2026, 7, 31), 4),
    ]
    assert found[-1].last == TODAY


@given(
    st.lists(st.tuples(st.integers(0, 900), st.integers(0, 9), st.integers(0, 9), st.integers(0, 9)), min_size=1),
    st.integers(0, 900),
)
def test_periods_follow_each_other_without_a_gap_and_count_everything_once(figures, calls_ago):
    days = [on(TODAY - timedelta(days=ago), *counts) for ago, *counts in figures]
    calls = {TODAY - timedelta(days=ago): 10 for ago in range(calls_ago + 1)}
    read = history(*days, calls=calls, calls_from=min(calls))
    found = periods_of(read, TODAY)
    assert found[0].first == min(day.day for day in days) and found[-1].last == TODAY
    assert all(one.last + timedelta(days=1) == other.first for one, other in pairwise(found))
    assert sum(each.shown for each in found) == sum(day.shown for day in days)
    assert sum(each.accepted.count for each in found) == sum(day.accepted for day in days)
    assert sum(each.accepted.of for each in found) == sum(day.accepted + day.overridden for day in days)
    assert sum(each.counted for each in found) == sum(day.shown for day in days if day.day >= min(calls))


def test_cards_of_days_without_counted_calls_are_in_no_rate():
    friday = date(2026, 11, 20)
    read = history(on(date(2026, 11, 16), 50), on(friday, 2), calls={friday: 40}, calls_from=friday)
    first, *_, last = periods_of(read, TODAY)
    assert (first.shown, first.counted, first.calls, first.per_100) == (52, 2, 40, 5.0)
    assert last.per_100 is None


def test_a_version_begins_where_it_was_not_shown_on_the_last_day_before():
    days = [date(2026, 11, number) for number in (2, 5, 5, 6, 9, 10)]
    shown = list(zip(days, ["1.0.0", "1.0.0", "1.1.0", "1.1.0", "1.0.0", "2.0.0"], strict=True))
    assert version_changes(shown) == [(days[1], "1.1.0"), (days[4], "1.0.0"), (days[5], "2.0.0")]
    assert version_changes([]) == version_changes(shown[:1]) == []  # what was before the first day is not known
    told = [(each.version, each.first, each.last) for each in versions_shown(shown)]
    assert told == [("1.0.0", days[0], days[4]), ("1.1.0", days[1], days[3]), ("2.0.0", days[5], days[5])]


def test_the_share_stands_between_the_ends_of_its_interval_on_an_axis_from_0_to_100():
    plot = frame(history(on(date(2026, 11, 17), 9, 3, 5), on(date(2026, 11, 24), 9, 8, 0))).share_plot()
    assert [(line.label, line.at) for line in plot.values][::4] == [("0 %", BOTTOM), ("100 %", TOP)]
    low, high = wilson(3, 8)
    band, point = plot.bands[0], plot.points[0]
    assert band.y == pytest.approx(BOTTOM - (BOTTOM - TOP) * high, abs=0.2)
    assert band.y + band.height == pytest.approx(BOTTOM - (BOTTOM - TOP) * low, abs=0.2)
    assert point.y == pytest.approx(BOTTOM - (BOTTOM - TOP) * 3 / 8, abs=0.2) and plot.points[1].y == TOP
    assert band.x == LEFT and band.x < point.x < band.x + band.width
    assert band.x + band.width == pytest.approx(plot.bands[1].x) and point.x - band.x == pytest.approx(
        band.width / 2, abs=0.2
    )
    assert point.words == "2026-11-17 to 2026-11-22: 38 %, 3 of 8 (14 to 69 %)"
    assert "by week, 2026-11-17 to 2026-11-30: 38 % to 100 %, 100 % at last." in plot.words
    assert len(plot.dates) >= 2


def test_where_nobody_answered_there_is_neither_dot_nor_band_nor_line():
    days = [date(2026, 11, 2), date(2026, 11, 9), date(2026, 11, 23), date(2026, 11, 30)]
    plot = frame(history(*(on(day, 5, 1, 1) for day in days), on(date(2026, 11, 17), 5))).share_plot()
    assert len(plot.points) == len(plot.bands) == 4
    assert [len(run.split()) for run in plot.runs] == [2, 2]
    assert frame(history(on(TODAY, 5))).share_plot() is None
    assert frame(history(on(TODAY, 5))).rate_plot() is None


def test_a_mark_stands_on_its_day_and_its_label_on_no_other():
    days = [on(date(2026, 10, 5) + timedelta(days=n), 1, 1) for n in range(57)]
    changes = [(date(2026, 10, 20), "1.1.0"), (date(2026, 10, 21), "1.2.0"), (date(2026, 11, 29), "2.0.0")]
    plot = frame(history(*days), changes).share_plot()
    first, second, last = plot.marks
    assert [mark.label for mark in plot.marks] == ["1.1.0", "", "2.0.0"]
    assert first.x < second.x < last.x < RIGHT and last.is_before and not first.is_before
    assert second.words == "Version 1.2.0 from 2026-10-21 on" and all(mark.words in plot.words for mark in plot.marks)
    weeks = {point.words[:10]: point.x for point in plot.points}
    assert weeks["2026-10-12"] < first.x < weeks["2026-10-26"]


@given(st.lists(st.tuples(st.integers(0, 2000), st.integers(0, 9), st.integers(0, 9)), min_size=1, max_size=30))
def test_everything_that_is_drawn_is_in_the_picture(figures):
    days = [on(TODAY - timedelta(days=ago), 5, *counts) for ago, *counts in figures]
    read = history(*days, calls={day.day: 3 for day in days}, calls_from=date(2000, 1, 1))
    drawn = frame(read, [(day.day, "1.2.3") for day in read.days[1:]])
    for plot in (drawn.share_plot(), drawn.rate_plot()):
        if plot is None:
            assert not any(day.accepted + day.overridden for day in days)
            continue
        assert all(LEFT <= point.x <= RIGHT and TOP <= point.y <= BOTTOM for point in plot.points)
        assert all(band.x >= LEFT and band.x + band.width <= RIGHT + 0.2 for band in plot.bands)
        assert all(band.y >= TOP and band.y + band.height <= BOTTOM + 0.2 and band.height > 0 for band in plot.bands)
        assert all(LEFT <= mark.x <= RIGHT for mark in plot.marks)
        assert sum(len(run.split()) for run in plot.runs) == len(plot.points)
        ticks = [line.at for line in plot.values]
        assert len(ticks) >= 2 and ticks == sorted(ticks, reverse=True)
