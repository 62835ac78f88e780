"""The acceptance page and that of what was not understood in a real browser: sorted by links, folded, on any screen."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import pytest
from playwright.sync_api import expect

from cds_service.store.database import read_url
from cds_service.store.engine import open_engine
from cds_service.store.entries import Entry, Origin
from cds_service.store.store import Store
from cds_service.store.tables import metadata
from tests.support.servers import Service
from tests.support.shipped import shipped_pack

# What of an element is cut off, in pixels.
CUT = "element => Math.max(element.scrollWidth - element.clientWidth, element.scrollHeight - element.clientHeight)"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("acceptance")


@pytest.fixture(scope="module")
def console(folder):
    """In place of the one that all share: a service whose store is filled by these tests."""
    with Service(f"sqlite:///{folder / 'store.sqlite3'}", folder / "log") as service:
        yield service.base


@pytest.fixture(scope="module")
def filled(console, folder):
    """Sixty rules of the content with figures of thirty days, in the store of the running service."""
    url = f"sqlite:///{folder / 'store.sqlite3'}"
    pack = shipped_pack()
    rules = [(d, r) for d in pack.decisions.values() if d.kind == "card" for r in d.rules if r.then.text][:60]
    today = datetime.now(UTC)
    service = next(iter(pack.services))
    shown, entries = [], []
    for number, (decision, rule) in enumerate(rules):
        row = {"service": service, "decision": decision.id, "rule": rule.id, "indicator": rule.then.indicator}
        for ago in range(0, 30, 1 + number % 7):
            day = (today - timedelta(days=ago)).date()
            shown.append({**row, "day": day, "version": decision.version, "times": 1 + (number + ago) % 5})
        for card in range(number % 9):
            reasons = decision.texts[rule.then.text].override_reasons
            entries.append(
                Entry(
                    received_at=today - timedelta(days=card),
                    service=service,
                    client="",
                    card=f"{decision.id}{rule.id}{card}",
                    outcome="overridden" if card % 3 else "accepted",
                    outcome_at=today,
                    origin=Origin(1, decision.id, rule.id, decision.version),
                    reason_code=reasons[card % len(reasons)]["code"] if reasons and card % 3 else "",
                )
            )
    days = [(today - timedelta(days=ago)).date() for ago in range(31)]
    calls = [{"day": day, "service": service, "version": pack.version, "times": 40} for day in days]
    asides = [
        {"day": day, "service": service, "kind": kind, "system": "other", "times": 3}
        for day in days
        for kind in ("drug", "unit")
    ]
    engine = open_engine(read_url(url))
    with engine.begin() as connection:
        for table, rows in (("shown", shown), ("call", calls), ("not_understood", asides)):
            connection.execute(metadata.tables[table].insert(), rows)
    engine.dispose()
    store = Store(url)
    store.add(entries)
    store.close()
    return rules


def serious(page, axe):
    page.evaluate(axe)
    found = page.evaluate("axe.run().then(told => told.violations.map(v => [v.impact, v.id, v.nodes[0].html]))")
    return [violation for violation in found if violation[0] in ("serious", "critical")]


def fits(page):
    return page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")


def rows(page):
    """The rows of rules, without those of totals."""
    return page.locator("table.acceptance > tbody > tr:not(.total)")


def test_sixty_rules_are_one_table_with_a_total_for_each_decision(page, axe, filled):
    page.goto("/acceptance")
    expect(rows(page)).to_have_count(len(filled))
    expect(page.locator("table.acceptance > tbody > tr.total")).to_have_count(len({each.id for each, _ in filled}))
    assert fits(page) and serious(page, axe) == []


def test_no_word_of_a_rule_or_a_reason_is_cut_off(page, filled):
    page.goto("/acceptance")
    for words in (rows(page).locator("summary"), page.locator("table.acceptance .why")):
        for element in words.all():
            assert element.evaluate(CUT) <= 0, element.inner_text()
            assert element.evaluate("element => getComputedStyle(element).textOverflow") == "clip"


def test_a_heading_sorts_and_sorts_the_other_way_round(page, filled):
    page.goto("/acceptance")
    expect(page.locator("th[aria-sort=descending]")).to_contain_text("Shown")
    page.get_by_role("link", name="Overridden").click()
    heading = page.locator("th.overridden")
    expect(heading).to_have_attribute("aria-sort", "descending")
    counts = [int(text) for text in page.locator("tr.total td.overridden").all_inner_texts() if text.isdigit()]
    if counts:  # on a narrow screen each figure has its name beside it
        assert counts == sorted(counts, reverse=True)
    page.get_by_role("link", name="Overridden").click()
    expect(heading).to_have_attribute("aria-sort", "ascending")
    page.get_by_role("link", name="90 days").click()
    expect(heading).to_have_attribute("aria-sort", "ascending")


def test_all_rules_are_one_table_that_is_sorted_by_how_much_is_accepted_at_most(page, axe, filled):
    page.goto("/acceptance")
    page.get_by_role("link", name="One table").click()
    expect(rows(page)).to_have_count(len(filled))
    expect(page.locator("tr.total")).to_have_count(0)
    page.get_by_role("link", name="Accepted at most").click()
    expect(page.locator("th.at-most")).to_have_attribute("aria-sort", "ascending")
    told = [re.findall(r"(\d+) %", text) for text in page.locator("td.at-most").all_inner_texts()]
    ends = [int(each[0]) for each in told if each]
    assert len(ends) > 20 and ends == sorted(ends)
    assert fits(page) and serious(page, axe) == []
    for element in page.locator("td.decision, table.acceptance .spoken summary").all():
        assert element.evaluate(CUT) <= 0, element.inner_text()
    assert page.locator("table.acceptance").evaluate("table => table.scrollWidth - table.clientWidth") <= 0


def test_rules_are_chosen_by_the_keyboard_and_the_choice_is_taken_away(page, axe, filled):
    page.goto("/acceptance?group=none")
    facets = page.get_by_role("navigation", name="Which rules")
    severity = facets.get_by_role("listitem").filter(has_text="critical")
    count = int(severity.inner_text().split()[-1])
    severity.get_by_role("link").focus()
    page.keyboard.press("Enter")
    expect(rows(page)).to_have_count(count)
    decision = facets.locator("details").filter(has_text="Decision")
    if decision.get_attribute("open") is None:
        decision.locator("summary").focus()
        page.keyboard.press("Enter")
    decision.get_by_role("link").first.click()
    expect(page.locator(".only .taken")).to_have_count(2)
    assert fits(page) and serious(page, axe) == []
    page.get_by_role("link", name="without Decision").click()
    expect(rows(page)).to_have_count(count)
    page.get_by_role("link", name="All rules", exact=True).click()
    expect(rows(page)).to_have_count(len(filled))


def test_a_rule_is_unfolded_by_the_keyboard_into_its_reasons_versions_and_days(page, axe, filled):
    page.goto("/acceptance?sort=overridden")
    row = rows(page).first
    row.locator("summary").focus()
    page.keyboard.press("Enter")
    expect(row.get_by_text("Why it was overridden:")).to_be_visible()
    expect(row.get_by_role("table", name="By version of the decision")).to_be_visible()
    expect(row.get_by_role("region", name=re.compile("by day"))).to_be_visible()
    assert fits(page) and serious(page, axe) == []


def test_what_is_unfolded_stays_in_the_table_and_nothing_of_it_is_cut_off(page, filled):
    page.goto("/acceptance?sort=overridden")
    row = rows(page).first
    row.locator("summary").click()
    table = page.locator("table.acceptance").bounding_box()
    for part in row.locator("details > p, details > ul, details > table, details > .scroll").all():
        box = part.bounding_box()
        assert table["x"] <= box["x"] and box["x"] + box["width"] <= table["x"] + table["width"]
    assert row.locator(".scroll").evaluate("box => box.scrollWidth - box.clientWidth") <= 0
    assert page.locator("table.acceptance").evaluate("table => table.scrollWidth - table.clientWidth") <= 0


def test_what_is_unfolded_spans_its_row_under_the_figures(browser, console, filled):
    for width in (1024, 1440):
        page = browser.new_page(viewport={"width": width, "height": 900}, base_url=console)
        page.goto("/acceptance?sort=overridden")
        row = rows(page).first
        row.locator("summary").click()
        opened, whole = row.locator(".opened").bounding_box(), row.bounding_box()
        assert opened["width"] >= whole["width"] - 40
        reason = row.locator("td .why").bounding_box()
        assert reason["y"] + reason["height"] <= opened["y"]
        page.close()


def test_a_rule_leads_to_its_pictures_over_time_with_their_values(page, axe, filled):
    page.goto("/acceptance?sort=overridden&group=none")
    row = rows(page).first
    row.locator("summary").click()
    row.get_by_role("link", name="Over time, with its versions").click()
    expect(page.get_by_role("navigation", name="Pages").locator("[aria-current=page]")).to_have_text("Acceptance")
    expect(
        page.get_by_role("img", name=re.compile("^Accepted, of the cards that were answered, by week"))
    ).to_be_visible()
    expect(page.get_by_role("img", name=re.compile("^Shown, for every 100 calls, by week"))).to_be_visible()
    for tick in page.locator("figure.plot .tick").all():  # no number or date is cut off at the edge of its frame
        box, frame = tick.bounding_box(), tick.locator("xpath=ancestor::figure").bounding_box()
        assert frame["x"] <= box["x"] and box["x"] + box["width"] <= frame["x"] + frame["width"]
    page.locator("details.values summary").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("region", name="The values, by week")).to_be_visible()
    assert fits(page) and serious(page, axe) == []


def test_the_head_of_every_page_is_in_one_place(page, filled):
    places = set()
    for path in ("/", "/courses", "/content", "/content/decisions/imPlatelets", "/acceptance", "/not-understood"):
        page.goto(path)
        links = page.locator("nav[aria-label=Pages] a, .name, h1")
        places.add(str(links.evaluate_all("all => all.map(each => Math.round(each.getBoundingClientRect().x))")))
    assert len(places) == 1


def test_what_was_not_understood_says_what_to_do(page, axe, filled):
    page.goto("/not-understood")
    expect(page.get_by_role("row").filter(has_text="Drug")).to_contain_text("Map it in site.toml")
    page.locator("details summary").first.click()
    expect(page.get_by_role("region", name=re.compile("by day")).first).to_be_visible()
    assert fits(page) and serious(page, axe) == []


def test_a_page_that_is_not_there_leads_on(page, axe):
    page.goto("/content/decisions/imPlatelet")
    expect(page.get_by_role("heading", level=1)).to_have_text("There is no such page")
    assert fits(page) and serious(page, axe) == []
    page.get_by_role("main").get_by_role("link", name="Platelets and IM injection").click()
    expect(page).to_have_url(re.compile("/content/decisions/imPlatelets$"))
