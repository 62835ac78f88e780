"""Of which days cards can be held against a run: those on which one state of the content judged alone."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta

import pytest

from cds_service.store.database import read_url
from cds_service.store.engine import open_engine
from cds_service.store.store import Store
from cds_service.store.tables import call, judged, shown

NOW = datetime.now(UTC)
TODAY = NOW.date()
SINCE = NOW - timedelta(days=28)


@pytest.fixture
def days(store_url):
    """Writes counts of past days, given as how many days ago."""
    Store(store_url).close()
    engine = open_engine(read_url(store_url))

    def write(ago, *, site="", version="2.0.0", times=10, cards=0, service="a-service", is_judged=True):
        of = {"day": TODAY - timedelta(days=ago), "service": service}
        with engine.begin() as connection:
            if is_judged:
                connection.execute(judged.insert(), {**of, "version": version, "site": site, "times": times})
            connection.execute(call.insert(), {**of, "version": f"{version}+{site}", "times": 10 * times})
            if cards:
                of |= {"decision": "d", "rule": "R", "version": f"1.0.0+{site}+{version}", "indicator": "info"}
                connection.execute(shown.insert(), {**of, "times": cards})

    yield write
    engine.dispose()


@pytest.fixture
def watched(store_url, days):
    store = Store(store_url)
    yield lambda *services: store.watched(SINCE, "2.0.0", services or ("a-service",))
    store.close()


def test_cards_and_judged_calls_of_the_same_days_are_summed_by_service(days, watched):
    days(3, cards=4)
    days(1, cards=1)
    days(1, service="b-service", times=5)
    days(1, service="c-service", cards=9)
    ours, theirs = watched("a-service", "b-service", "d-service")
    assert (ours.service, ours.first, ours.days, ours.judged) == ("a-service", TODAY - timedelta(days=3), 2, 20)
    assert ours.cards == {("d", "R"): 5}
    assert (theirs.service, theirs.judged, theirs.cards) == ("b-service", 5, {})


def test_a_day_on_which_two_states_judged_is_nobodys(days, watched):
    days(4, version="1.0.0", cards=50)
    days(3, version="1.0.0", cards=50)
    days(3, version="2.0.0", cards=50)
    days(2, cards=2)
    days(1, version="2.0.0", cards=50)
    days(1, version="3.0.0", cards=50)
    (found,) = watched()
    assert (found.days, found.judged, found.cards) == (1, 10, {("d", "R"): 2})


def test_after_a_change_of_the_site_the_watch_begins_anew(days, watched):
    days(3, site="old", cards=50)
    days(2, site="new", cards=2)
    (found,) = watched()
    assert (found.days, found.judged, found.cards) == (1, 10, {("d", "R"): 2})


def test_of_a_version_that_judged_nothing_nothing_is_told(days, watched):
    days(2, version="1.0.0", cards=5)
    assert watched() == []


def test_days_before_are_left_out(days, watched):
    days(40, cards=50)
    days(2, cards=1)
    (found,) = watched()
    assert (found.days, found.cards) == (1, {("d", "R"): 1})


def test_the_first_day_of_judged_calls_is_left_out_where_others_were_counted_before(days, watched):
    """On that day the software was changed: some of its cards are of calls that were not told apart yet."""
    days(5, is_judged=False, cards=50)
    days(4, cards=50)
    days(3, cards=2)
    (found,) = watched()
    assert (found.first, found.cards) == (TODAY - timedelta(days=3), {("d", "R"): 2})


def test_what_is_counted_now_is_there_at_once(store_url):
    store = Store(store_url)
    store.count_call("a-service", "2.0.0", judged_under="site")
    store.count_call("a-service", "2.0.0")
    store.count("a-service", "d", "R", "1.0.0", "info")
    midnight = datetime.combine(NOW.date(), time(), UTC)
    (found,) = store.watched(midnight, "2.0.0", ["a-service"])
    assert (found.judged, found.cards) == (1, {("d", "R"): 1})
    store.close()
