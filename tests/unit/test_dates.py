"""FHIR dates as spans of time in the hospital's time zone."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from cds_service.fhir.dates import read_date

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
