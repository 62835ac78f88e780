"""The page of one rule: its figures over the whole time that is kept, its pictures, and where its versions changed."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from html import unescape

import pytest

from cds_service.service.app import create_app
from cds_service.settings import Settings
from cds_service.store.database import read_url
from cds_service.store.engine import open_engine
from cds_service.store.entries import Entry, Origin
from cds_service.store.store import Store
from cds_service.store.tables import metadata
from tests.support.keys import KEY

NOW = datetime.now(UTC)
SELECT, SIGN = "vitamin-b12-order-select", "vitamin-b12-order-sign"
RULE = "/acceptance/imPlatelets/TransfusionFirst"


def ago(days):
    return NOW - timedelta(days=days)


def entry(card, days, outcome, version, rule="TransfusionFirst", decision="imPlatelets"):
    return Entry(
        received_at=ago(days),
        service=SELECT,
        client="",
        card=card,
        outcome=outcome,
        outcome_at=ago(days),
        origin=Origin(1, decision, rule, version),
    )


@pytest.fixture(scope="module")
def url(tmp_path_factory):
    """A rule shown twice a day for 80 days; the version of its decision changed 40 days ago, where another rule of it
    was the first to speak.
    """
    url = f"sqlite:///{tmp_path_factory.mktemp('store') / 'store.sqlite3'}"
    store = Store(url)
    store.add(
        [
            *(entry(f"old{n}", 60 + n, "accepted" if n < 6 else "overridden", "1.4.0") for n in range(8)),
            *(entry(f"new{n}", 10 + n, "accepted" if n < 1 else "overridden", "1.5.0") for n in range(8)),
            entry("new0", 9, "overridden", "1.5.0"),  # thought better of it
            entry("gone", 20, "overridden", "0.9.0", "Gone", "oldDecision"),
        ]
    )
    row = {"service": SELECT, "decision": "imPlatelets", "rule": "TransfusionFirst", "indicator": "critical"}
    shown = [
        {**row, "day": ago(days).date(), "version": "1.4.0" if days > 38 else "1.5.0", "times": 2}
        for days in range(80)
        if days not in (39, 40)
    ]
    other = {**row, "rule": "ThinNeedle", "indicator": "warning", "times": 1}
    shown.append({**other, "day": ago(40).date(), "version": "1.5.0"})
    shown.append({**other, "day": ago(40).date(), "version": "1.5.0", "service": SIGN})
    calls = [
        {"day": ago(days).date(), "service": service, "version": "2.1.0", "times": 50}
        for days in range(80)
        for service in (SELECT, SIGN)
    ]
    engine = open_engine(read_url(url))
    with engine.begin() as connection:
        for table, rows in (("shown", shown), ("call", calls)):
            connection.execute(metadata.tables[table].insert(), rows)
    engine.dispose()
    store.close()
    return url


@pytest.fixture(scope="module")
def web(url):
    return create_app(Settings(loopback=True, key=KEY, store=url)).test_client()


@pytest.fixture(scope="module")
def page(web):
    answer = web.get(RULE)
    assert answer.status_code == 200
    return answer.text.replace("\u00a0", " ")


def test_the_row_of_a_rule_leads_to_its_page_and_the_page_back(web):
    (link,) = re.findall(
        r'<a href="([^"]+)">Over time, with its versions</a>', web.get("/acceptance?severity=critical").text
    )
    assert link == RULE
    (back,) = re.findall(r'<p class="crumbs"><a href="([^"]+)"', web.get(link).text)
    assert 'id="imPlateletsTransfusionFirst"' in web.get(unescape(back)).text
    for path in re.findall(r'<p class="on">(.*?)</p>', web.get(link).text):
        assert [web.get(one).status_code for one in re.findall('href="([^"#]+)', path)] == [200, 302, 200]


def test_the_figures_are_of_the_whole_time_that_is_kept(page):
    assert f"Since {ago(79).date()}, the first day of which anything is kept of this rule" in page
    assert "its card was shown 156 times: 3.9 for every 100 of 4,000 calls at the hooks at which it was shown." in page
    assert "16 were answered: 6 accepted, which is 38 % (95 % interval 18 % to 61 %), and 10 overridden." in page


def test_the_share_is_drawn_with_an_axis_dates_and_the_day_of_the_new_version(page):
    share, rate = re.findall(r'<figure class="plot[^"]*">(.*?)</figure>', page, re.S)
    assert re.findall(r'text-anchor="end">(\d+ %)</text>', share) == ["0 %", "25 %", "50 %", "75 %", "100 %"]
    for picture in (share, rate):
        assert re.findall(r"<line class=\"change\"[^>]*><title>([^<]+)</title>", picture) == [
            f"Version 1.5.0 from {ago(40).date()} on"
        ]
        assert len(re.findall(r'text-anchor="middle">\w+ \d{4}</text>', picture)) >= 2
        (words,) = re.findall(r'role="img" aria-label="([^"]+)"', picture)
        assert f"by week, {ago(79).date()} to {NOW.date()}: " in words
        assert f"Version 1.5.0 from {ago(40).date()} on." in words
    assert share.count('class="dot"') == share.count('class="reach"') < rate.count('class="dot"')


def test_the_values_stand_in_a_table_whose_sums_are_the_figures(page):
    table = page[page.index('<caption class="hidden">The figures of each week') :].partition("</table>")[0]
    rows = [re.findall(r"<t[hd][^>]*>([^<]*)</t[hd]>", row) for row in table.split("<tbody>")[1].split("</tr>")[:-1]]
    assert sum(int(row[2]) for row in rows) == 156
    assert sum(int(row[4]) for row in rows) == 16 and sum(int(row[7]) for row in rows) == 10
    assert rows[0][1] == "1.5.0" and rows[-1][1] == "1.4.0"
    assert rows[0][0].endswith(f"{NOW.date()}") and rows[-1][0].startswith(f"{ago(79).date()}")
    versions = page[page.index("Versions of the decision</h2>") :]
    assert re.findall(r"<tr><th scope=\"row\">([^<]+)</th><td>([^<]+)</td><td>([^<]+)</td>", versions) == [
        ("1.5.0", f"{ago(40).date()}", f"{NOW.date()}"),
        ("1.4.0", f"{ago(79).date()}", f"{ago(41).date()}"),
    ]


def test_a_rule_that_was_only_answered_has_no_rate_and_one_that_is_no_more_has_its_figures(web):
    page = web.get("/acceptance/oldDecision/Gone").text
    assert "Gone, a rule that the present content no longer has" in page and "its card was shown 0 times." in page
    assert page.count("<figure") == 1 and "no call of its hooks has been counted" in page
    assert "The rule in its table" not in page


def test_a_rule_that_never_spoke_says_so(web):
    page = web.get("/acceptance/imPlatelets/PerhapsTransfusionFirst")
    assert page.status_code == 200
    assert "No card of this rule was shown and no feedback on it came" in page.text and "<figure" not in page.text


@pytest.mark.parametrize(
    "path", ["/imPlatelets/NoRule", "/noDecision/TransfusionFirst", "/a/%3Cscript%3E", "/imPlatelets/%00", "/%FF/%FE"]
)
def test_a_rule_that_there_is_not_is_no_page(web, path):
    answer = web.get(f"/acceptance{path}")
    assert answer.status_code == 404 and "There is no rule" in answer.text and "<script>" not in answer.text


def test_a_store_that_is_down_is_said(tmp_path):
    (tmp_path / "file").write_text("")
    down = create_app(Settings(loopback=True, key=KEY, store=f"sqlite:///{tmp_path}/file/store.sqlite3")).test_client()
    answer = down.get(RULE)
    assert answer.status_code == 503 and answer.headers["Retry-After"]
