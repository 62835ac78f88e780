"""The dates of any schedule: those of a reckoner that walks from day to day, and as many as its facts say (Z57)."""

from datetime import date, datetime, timedelta
from itertools import islice, pairwise
from zoneinfo import ZoneInfo

from hypothesis import assume, example, given
from hypothesis import strategies as st

from cds_service.fhir.dose_dates import dose_dates, end_of
from cds_service.fhir.schedule import read_schedule
from cds_service.fhir.schedule_facts import days, doses, interval
from cds_service.vocabulary.facts import Interval, State
from tests.support.naive_doses import every_so_many_days, every_so_many_months, on_weekdays

BERLIN = ZoneInfo("Europe/Berlin")  # summer time from 2026-03-29 to 2026-10-25
NEW_YORK = ZoneInfo("America/New_York")
WEEK = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
DATES = st.dates(date(2024, 1, 1), date(2032, 12, 31))
UNITS = {"d": 1, "wk": 7}


def schedule(zone=BERLIN, **repeat):
    return read_schedule({"timing": {"repeat": repeat}}, zone, {})


def dates(start, number=None, **repeat):
    return list(islice(dose_dates(schedule(**repeat), start), number))


@given(first=DATES, times=st.integers(1, 8), period=st.integers(1, 12), unit=st.sampled_from(["d", "wk"]))
def test_doses_in_days_and_weeks_are_those_of_a_naive_reckoner(first, times, period, unit):
    naive = list(every_so_many_days(first, times, period * UNITS[unit], 120))
    assert dates(first, len(naive), frequency=times, period=period, periodUnit=unit) == naive


@given(first=DATES, weekdays=st.sets(st.sampled_from(WEEK), min_size=1), weeks=st.integers(1, 4))
def test_doses_on_weekdays_are_those_of_a_naive_reckoner(first, weekdays, weeks):
    naive = list(on_weekdays(first, [WEEK.index(day) for day in weekdays], weeks, 120))
    repeat = {"dayOfWeek": list(weekdays), "frequency": len(weekdays), "period": weeks, "periodUnit": "wk"}
    assert dates(first, len(naive), **repeat) == naive


@given(first=DATES, months=st.integers(1, 14))
def test_doses_in_months_are_those_of_a_naive_reckoner(first, months):
    naive = list(every_so_many_months(first, months, 1500))
    assert dates(first, len(naive), frequency=1, period=months, periodUnit="mo") == naive


@given(first=DATES, number=st.integers(2, 40))
def test_monthly_leaves_no_month_out_and_takes_none_twice(first, number):
    fell = dates(first, frequency=1, period=1, periodUnit="mo", count=number)
    assert len(fell) == number
    assert {(b.year - a.year) * 12 + b.month - a.month for a, b in pairwise(fell)} == {1}


# --- dates and facts are of one schedule

RHYTHMS = st.one_of(
    st.fixed_dictionaries(
        {
            "frequency": st.integers(1, 6),
            "period": st.integers(1, 30),
            "periodUnit": st.sampled_from(["h", "d", "wk", "mo", "a"]),
        }
    ),
    st.fixed_dictionaries({"dayOfWeek": st.sets(st.sampled_from(WEEK), min_size=1).map(sorted)}),
    st.fixed_dictionaries({"when": st.sets(st.sampled_from(["MORN", "NOON", "EVE", "HS"]), min_size=1).map(sorted)}),
)


@given(first=DATES, repeat=RHYTHMS, count=st.integers(1, 40))
def test_as_many_dates_as_the_count_one_interval_apart(first, repeat, count):
    read = schedule(**repeat, count=count)
    fell = list(dose_dates(read, first))
    assert doses(read).value == Interval.point(len(fell)) == Interval.point(count)
    every = interval(read).value
    around = 7 if "dayOfWeek" in repeat else 1  # what a whole day, or a week, may round off
    assert every.low * (count - 1) - around < (fell[-1] - fell[0]).days < every.high * (count - 1) + around
    length, end = days(read).value, end_of(read, first)
    assert length.low - around < (end - fell[0]).days < length.high + around
    assert fell[-1] <= end


@given(first=DATES, repeat=RHYTHMS, length=st.integers(1, 400))
def test_as_many_dates_within_a_period_as_the_facts_say(first, repeat, length):
    assume(repeat.get("periodUnit") != "h" or length < 40)
    last = first + timedelta(days=length - 1)
    read = schedule(**repeat, boundsPeriod={"start": first.isoformat(), "end": last.isoformat()})
    fell = list(dose_dates(read, date(2000, 1, 1)))
    assert doses(read).value == Interval.point(len(fell))
    assert days(read).value == Interval.point(length)
    assert all(first <= day <= last for day in fell)
    assert end_of(read, first) == last + timedelta(days=1)


@example(date(2025, 1, 1), {"frequency": 2, "period": 1, "periodUnit": "a"}, 26, "wk")
@given(first=DATES, repeat=RHYTHMS, value=st.integers(1, 26), unit=st.sampled_from(["d", "wk", "mo"]))
def test_the_number_of_dates_within_a_duration_is_one_that_the_facts_allow(first, repeat, value, unit):
    assume(repeat.get("periodUnit") != "h" or unit == "d")
    read = schedule(**repeat, boundsDuration={"value": value, "code": unit})
    fell = list(dose_dates(read, first))
    number, length = doses(read).value, days(read).value
    assert number.low <= len(fell) <= number.high
    assert length.low <= (end_of(read, first) - first).days <= length.high


@given(first=DATES, repeat=RHYTHMS, at=st.times(), zone=st.sampled_from([BERLIN, NEW_YORK]))
def test_the_hour_at_which_an_order_begins_moves_no_dose(first, repeat, at, zone):
    moment = datetime.combine(first, at.replace(fold=0), zone)
    assume(moment.astimezone(ZoneInfo("UTC")).astimezone(zone).replace(tzinfo=None) == moment.replace(tzinfo=None))
    by_day = schedule(zone, **repeat, boundsPeriod={"start": first.isoformat()})
    by_hour = schedule(zone, **repeat, boundsPeriod={"start": moment.isoformat()})
    assert list(islice(dose_dates(by_day, first), 20)) == list(islice(dose_dates(by_hour, first), 20))


# Anything at all where a schedule stands.
VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-3, 40),
    st.decimals(0, 9, places=1),
    st.sampled_from([*WEEK, "d", "wk", "MORN"]),
)
ANYTHING = st.dictionaries(
    st.sampled_from(
        ["frequency", "frequencyMax", "period", "periodMax", "periodUnit", "count", "countMax", "dayOfWeek", "when"]
    ),
    st.one_of(VALUES, st.lists(VALUES, max_size=3)),
)
BOUNDS = st.dictionaries(
    st.sampled_from(["boundsPeriod", "boundsDuration", "boundsRange"]),
    st.dictionaries(
        st.sampled_from(["start", "end", "value", "code", "low"]),
        st.one_of(VALUES, st.sampled_from(["2026-11-02", "2026-12-01T10:00:00Z", "9999-12-31", "0001"])),
    ),
)


@given(repeat=ANYTHING, bounds=BOUNDS, first=DATES)
def test_whatever_is_sent_has_dates_exactly_if_it_has_an_interval(repeat, bounds, first):
    read = schedule(**repeat, **bounds)
    every, fell = interval(read), dose_dates(read, first)
    assert (fell is None) is (every.state is not State.VALUE)
    assert {doses(read).state, days(read).state} <= {State.VALUE, State.ABSENT, State.UNUSABLE}
    for before, after in pairwise(islice(fell or (), 5)):
        assert before <= after
    end_of(read, first)
