"""The dates on which doses fall: right by the calendar, and the same schedule that the facts are read from (Z57)."""

from datetime import date
from itertools import islice, pairwise
from zoneinfo import ZoneInfo

import pytest

from cds_service.fhir.dose_dates import dose_dates, end_of
from cds_service.fhir.schedule import read_schedule
from cds_service.fhir.schedule_facts import days, doses, interval
from cds_service.vocabulary.facts import Interval, State

BERLIN = ZoneInfo("Europe/Berlin")  # summer time from 2026-03-29 to 2026-10-25
NEW_YORK = ZoneInfo("America/New_York")


def schedule(zone=BERLIN, code=None, event=None, **repeat):
    timing = {"repeat": repeat, **({"code": code} if code else {}), **({"event": event} if event else {})}
    return read_schedule({"timing": timing}, zone, {})


def dates(start, number=None, **repeat):
    return list(islice(dose_dates(schedule(**repeat), start), number))


def iso(*texts):
    return [date.fromisoformat(text) for text in texts]


def test_monthly_from_the_last_day_of_a_month_stays_at_the_end_of_each():
    monthly = dates(date(2026, 1, 31), 5, frequency=1, period=1, periodUnit="mo")
    assert monthly == iso("2026-01-31", "2026-02-28", "2026-03-31", "2026-04-30", "2026-05-31")


def test_two_monthly_from_the_thirtieth_meets_february_on_its_last_day():
    two_monthly = dates(date(2027, 10, 30), 4, frequency=1, period=2, periodUnit="mo")
    assert two_monthly == iso("2027-10-30", "2027-12-30", "2028-02-29", "2028-04-30")


def test_yearly_from_a_leap_day_is_the_last_of_february_in_other_years():
    yearly = dates(date(2028, 2, 29), 5, frequency=1, period=1, periodUnit="a")
    assert yearly == iso("2028-02-29", "2029-02-28", "2030-02-28", "2031-02-28", "2032-02-29")


def test_three_weekdays_for_two_weeks_are_those_weekdays():
    fortnight = {"boundsDuration": {"value": 2, "code": "wk"}, "dayOfWeek": ["mon", "wed", "fri"]}
    expected = iso("2026-11-25", "2026-11-27", "2026-11-30", "2026-12-02", "2026-12-04", "2026-12-07")
    assert dates(date(2026, 11, 25), **fortnight) == expected  # from a Wednesday on
    for frequency, period, unit in ((3, 1, "wk"), (1, 1, "wk"), (1, 1, "d"), (3, 7, "d"), (1, 24, "h")):
        same = {"frequency": frequency, "period": period, "periodUnit": unit}
        assert dates(date(2026, 11, 25), **fortnight, **same) == expected


def test_three_times_a_week_leaves_two_or_three_days_between():
    assert dates(date(2026, 11, 23), 6, frequency=3, period=1, periodUnit="wk") == iso(
        "2026-11-23", "2026-11-25", "2026-11-27", "2026-11-30", "2026-12-02", "2026-12-04"
    )


def test_every_second_monday_skips_the_weeks_between():
    mondays = dates(date(2026, 11, 25), 2, frequency=1, period=2, periodUnit="wk", dayOfWeek=["mon"])
    assert mondays == iso("2026-12-07", "2026-12-21")  # the week of the Wednesday has no Monday left


def test_twice_on_each_of_two_weekdays_is_four_doses_a_week():
    twice = {"dayOfWeek": ["tue", "fri"], "frequency": 2, "period": 1, "periodUnit": "d"}
    assert dates(date(2026, 11, 24), 5, **twice) == iso(*["2026-11-24"] * 2, *["2026-11-27"] * 2, "2026-12-01")
    assert interval(schedule(**twice)).value == Interval.point(
        interval(schedule(frequency=4, period=1, periodUnit="wk")).value.low
    )


def test_the_bounds_of_a_period_are_its_days_in_the_hospital():
    period = {
        "boundsPeriod": {"start": "2026-11-02", "end": "2026-11-06"},
        "frequency": 1,
        "period": 2,
        "periodUnit": "d",
    }
    assert dates(date(2026, 12, 24), **period) == iso("2026-11-02", "2026-11-04", "2026-11-06")
    assert end_of(schedule(**period), date(2026, 12, 24)) == date(2026, 11, 7)
    late = {**period, "boundsPeriod": {"start": "2026-11-02T04:30:00Z", "end": "2026-11-06T22:00:00Z"}}
    assert dates(date(2026, 12, 24), zone=BERLIN, **late) == iso("2026-11-02", "2026-11-04", "2026-11-06")
    assert dates(date(2026, 12, 24), zone=NEW_YORK, **late)[0] == date(2026, 11, 1)  # still the evening before there


def test_a_period_without_a_start_ends_the_doses_that_begin_today():
    until = schedule(boundsPeriod={"end": "2026-11-06"}, frequency=1, period=2, periodUnit="d")
    assert list(dose_dates(until, date(2026, 11, 3))) == iso("2026-11-03", "2026-11-05")
    assert doses(until).state is State.UNUSABLE  # how many depends on the day it begins


@pytest.mark.parametrize(
    ("start", "end"),
    [
        ("2026-03-23", "2026-04-05"),  # summer time begins
        ("2026-10-19", "2026-11-01"),  # and ends
        ("2026-03-23T00:00:00+01:00", "2026-04-05T23:59:59+02:00"),
        ("2026-03-23T10:00:00+01:00", "2026-04-06T10:00:00+02:00"),
        ("2026-10-18T22:00:00Z", "2026-11-01T22:59:59.999Z"),
    ],
)
def test_a_change_of_the_clock_makes_no_fortnight_longer_and_moves_no_dose(start, end):
    fortnight = schedule(boundsPeriod={"start": start, "end": end}, frequency=1, period=1, periodUnit="d")
    assert days(fortnight).value == doses(fortnight).value == Interval.point(14)
    fell = list(dose_dates(fortnight, date(2020, 1, 1)))
    assert len(fell) == 14
    assert {(after - before).days for before, after in pairwise(fell)} == {1}


def test_listed_days_are_the_days_of_doses():
    listed = schedule(event=["2026-11-09", "2026-11-02", "2026-11-16T09:00:00+01:00"])
    assert list(dose_dates(listed, date(2020, 1, 1))) == iso("2026-11-02", "2026-11-09", "2026-11-16")
    assert (interval(listed).value, doses(listed).value, days(listed).value) == (
        Interval.point(7),
        Interval.point(3),
        Interval.point(21),
    )
    assert end_of(listed, date(2020, 1, 1)) == date(2026, 11, 23)


def test_an_event_beside_a_rhythm_is_the_first_dose():
    first = schedule(event=["2026-11-09"], frequency=1, period=1, periodUnit="wk", count=2)
    assert list(dose_dates(first, date(2020, 1, 1))) == iso("2026-11-09", "2026-11-16")


@pytest.mark.parametrize(
    "repeat",
    [
        {},
        {"count": 6},
        {"frequency": 3},
        {"dayOfWeek": ["mon"], "frequency": 1, "period": 1, "periodUnit": "mo"},
        {"dayOfWeek": ["Monday"]},
        {"period": 1, "periodUnit": "fortnight"},
    ],
)
def test_what_says_no_interval_has_no_dates(repeat):
    assert dose_dates(schedule(**repeat), date(2026, 1, 1)) is None


def test_what_never_ends_has_dates_to_the_end_of_the_calendar():
    last = date(9999, 12, 1)
    assert dates(last, frequency=1, period=1, periodUnit="mo")[0] == last
    assert dates(last, frequency=1, period=2, periodUnit="wk") == iso("9999-12-01", "9999-12-15", "9999-12-29")
    assert dates(last, frequency=1, period=10**9, periodUnit="a") == [last]
    assert end_of(schedule(frequency=1, period=10**9, periodUnit="wk", count=9), last) is None
