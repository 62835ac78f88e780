"""FHIR dates as spans of time in the hospital's time zone."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cds_service.fhir.dates import read_date, read_instant, years_between

BERLIN = ZoneInfo("Europe/Berlin")


@pytest.mark.parametrize(
    ("text", "start", "hours"),
    [
        ("2026-11-23", "2026-11-22T23:00:00Z", 24),
        ("2026-03-29", "2026-03-28T23:00:00Z", 23),  # clocks go forward
        ("2026-10-25", "2026-10-24T22:00:00Z", 25),  # clocks go back
        ("2026-11", "2026-10-31T23:00:00Z", 30 * 24),
        ("2026", "2025-12-31T23:00:00Z", 365 * 24),
        ("2026-11-23T12:00:00+02:00", "2026-11-23T10:00:00Z", 0),
    ],
)
def test_a_date_is_the_whole_of_what_it_names(text, start, hours):
    span = read_date(text, BERLIN)
    assert span.start == datetime.fromisoformat(start)
    assert span.end - span.start == timedelta(hours=hours)
    assert span.start.tzinfo is span.end.tzinfo is UTC


@pytest.mark.parametrize("zone", ["UTC", "Europe/Berlin", "Africa/Cairo", "America/Sao_Paulo", "Pacific/Apia"])
def test_each_day_ends_where_the_next_begins(zone):
    days = [
        read_date((date(2005, 1, 1) + timedelta(days=number)).isoformat(), ZoneInfo(zone)) for number in range(9000)
    ]
    assert [day.end for day in days[:-1]] == [day.start for day in days[1:]]


@pytest.mark.parametrize(
    "text",
    ["2026-W01-1", "20261123", "2026-11-2", "2026-1-230", "2026-02-30", "2026-13-01", "2026-11-23 ", "-026-11-23", ""],
)
def test_what_is_no_date_of_fhir_is_none(text):
    assert read_date(text, BERLIN) is None


@pytest.mark.parametrize("text", ["0001-01-01", "9999-12-31"])
def test_a_day_that_not_every_time_zone_has_is_none(text):
    assert read_date(text, BERLIN) is None


_DAYS = st.dates().map(date.isoformat) | st.from_regex(
    r"[0-9]{4}-?W[0-9]{2}-?[0-9]|[0-9]{8}|[0-9]{4}-[0-9]{2}", fullmatch=True
)
_TIMES = st.times().map(lambda time: time.isoformat()) | st.sampled_from(
    ["12", "12:30", "1230", "123000", "12:30:00.5", ""]
)
_OFFSETS = st.sampled_from(["Z", "z", "+00:00", "-00:00", "+02:00", ""])


@given(day=_DAYS, mark=st.sampled_from(["T", "t", " "]), time=_TIMES, offset=_OFFSETS)
def test_an_instant_is_read_as_any_date_is(day, mark, time, offset):
    text = f"{day}{mark}{time}{offset}"
    instant, span = read_instant(text, BERLIN), read_date(text, BERLIN)
    is_instant = span is not None and span.start == span.end
    assert instant == (span.start if is_instant else None)


@given(st.datetimes(timezones=st.just(UTC)).filter(lambda moment: 1 < moment.year < 9999))
def test_an_instant_as_most_are_written_is_read(moment):
    assert read_instant(moment.isoformat().replace("+00:00", "Z"), BERLIN) == moment


@given(born=st.dates(date(1900, 1, 1), date(2026, 11, 23)))
def test_years_of_a_whole_birth_date_are_the_birthdays_since(born):
    now = datetime(2026, 11, 23, 12, tzinfo=UTC)
    birthdays = [year for year in range(born.year + 1, 2027) if (year, born.month, born.day) <= (2026, 11, 23)]
    assert years_between(born.isoformat(), now) == (len(birthdays), len(birthdays))


@pytest.mark.parametrize("birth", ["2026-11-24", "2026-02-30", "1960-W26-3", "19600624", "1960-6-24", "", None])
def test_no_birth_date_or_one_to_come_has_no_years(birth):
    assert years_between(birth, datetime(2026, 11, 23, 12, tzinfo=UTC)) is None


@pytest.mark.parametrize(("birth", "years"), [("1960", (65, 66)), ("1960-11", (65, 66)), ("1960-12", (65, 65))])
def test_a_partial_birth_date_leaves_the_years_open(birth, years):
    assert years_between(birth, datetime(2026, 11, 23, 12, tzinfo=UTC)) == years
