"""The first page as a story in a real browser: tiles, search, suggestion beside order, folds."""

from __future__ import annotations

import re
from itertools import pairwise

import pytest
from playwright.sync_api import expect

LOADING = "/?scenario=loading-regimen/dailyForAWeek"
STATES = [
    "/",
    LOADING,
    "/?scenario=pernicious-anaemia-for-life/tabletsAtStart",
    "/?scenario=loading-regimen/threeWeekly",
]
ABOVE = "/?by=form&story=loading-regimen/dailyForAWeek&result-b12-flag=2150&unit-b12-flag=pg/mL"  # of a lane's scale
TAKEN = f"{LOADING}&taken=loadingRegimenDiffers.1"
STATES += [ABOVE, TAKEN, "/?scenario=iv-cyanocobalamin/start&taken=ivCyanocobalaminAvoid.2"]
STATES += ["/?scenario=folate-first/perniciousAnaemia&taken=folateFirstTreatFirstHighRisk.2", f"{LOADING}&taken=none"]
STATES += ["/?scenario=folate-first/problemsNotSent", "/?scenario=stopping/endDate&profile=epic", "/?q=", "/?q=zzz"]


def fold(page, name):
    return page.locator("summary").filter(has=page.get_by_role("heading", name=name))


@pytest.mark.parametrize("path", STATES)
def test_everything_unfolded_is_open_to_everybody_and_fits_the_screen(page, axe, path):
    page.goto(path)
    page.evaluate("document.querySelectorAll('details').forEach(each => each.open = true)")
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    page.evaluate(axe)
    found = page.evaluate("axe.run().then(told => told.violations.map(v => [v.impact, v.id, v.nodes[0].html]))")
    assert [violation for violation in found if violation[0] in ("serious", "critical")] == []


def test_the_first_page_tells_a_story_with_its_reasons_and_results(page):
    page.goto("/")
    expect(page.get_by_role("region", name="The patient")).to_contain_text("Kwame Mensah")
    expect(page.get_by_role("region", name="The order")).to_contain_text("3 times a week")
    expect(page.get_by_role("article")).to_contain_text("Platelets 22 ×10⁹/L (21 Nov), IM injection ordered")
    evidence = page.get_by_text("Read from the record:", exact=True)
    expect(evidence).to_be_hidden()
    page.get_by_text("What was read, and what this rests on").click()
    expect(evidence).to_be_visible()
    fold(page, "Results over time").click()
    expect(page.get_by_role("img", name="Platelet count: 118")).to_be_visible()
    fold(page, "Why, and what would change it").click()
    expect(page.get_by_text("were it 25 to 50 ×10⁹/L")).to_be_visible()
    page.get_by_text("The facts, and where they were read").click()
    row = page.get_by_role("row").filter(has_text="Platelet count platelets").first
    expect(row).to_contain_text("22 ×10⁹/L")
    expect(row).to_contain_text("Observation/kwame-mensah-platelets-1")


def test_a_tile_leads_to_its_story(page):
    page.goto("/")
    tile = page.get_by_role("link", name="Loading ordered daily for a week info")
    tile.click()
    expect(page.get_by_role("heading", level=2, name="Loading ordered daily for a week")).to_be_visible()
    expect(page.get_by_role("link", name="Loading ordered daily for a week info")).to_have_attribute(
        "aria-current", "true"
    )


def test_a_suggestion_stands_beside_the_order_with_its_days(page):
    page.goto(LOADING)
    table = page.get_by_role("table", name="What is ordered beside what is suggested").first
    expect(table).to_be_visible()
    row = table.get_by_role("row").filter(has=page.get_by_role("rowheader", name="How often"))
    expect(row.get_by_role("cell")).to_have_text(["daily", re.compile("3 times a week")])
    first = page.locator(".choice > details[open]")
    expect(first).to_have_count(1)
    assert first.locator("td.dose").count() == 6  # three a week for two weeks
    expect(first.locator("td.today")).to_have_count(1)
    heights = first.locator(".month tbody tr").evaluate_all("rows => rows.map(row => row.offsetHeight)")
    assert len(set(heights)) == 1
    change = first.get_by_label("Change of the order")
    expect(change).to_be_hidden()
    first.get_by_text("The change as FHIR").click()
    expect(change).to_contain_text('"code": "309594"')
    expect(change.locator(".added").first).to_be_visible()


def test_a_suggestion_is_followed_to_what_is_said_then_and_back_by_the_keyboard(page):
    page.goto(LOADING)
    label = "Order hydroxocobalamin 1000 mcg IM 3 times a week for 2 weeks"
    link = page.get_by_role("link", name=f"If this is taken ({label})")
    link.focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("note", name="If this is taken")).to_contain_text(f"Taken: “{label}”.")
    expect(page.get_by_role("region", name="The order that is left")).to_contain_text("3 times a week")
    expect(page.get_by_role("heading", name="Nothing more to say")).to_be_visible()
    page.get_by_role("link", name="Back to the answer before").click()
    expect(page.get_by_role("region", name="The order", exact=True)).to_contain_text("daily")
    expect(page.get_by_role("heading", name="1 card")).to_be_in_viewport()


def test_a_story_that_is_chosen_is_in_sight_on_a_small_screen_too(browser, console):
    for width in (390, 1440):
        page = browser.new_page(viewport={"width": width, "height": 844}, base_url=console)
        page.goto("/")
        page.get_by_role("link", name="Loading ordered daily for a week info").click()
        expect(page.get_by_role("heading", level=2, name="Loading ordered daily for a week")).to_be_in_viewport()
        page.close()


LEADING = {
    "what follows from a suggestion": (LOADING, ".if-taken >> nth=0", "#story"),
    "the answer before it": (TAKEN, "text=Back to the answer before", "#cards"),
    "another result": (LOADING, ".strip a >> nth=-1", "#cards"),
    "the result after it": ("BAND", ".strip a >> nth=0", "#cards"),
    "a search": ("/?q=loading", ".found li a >> nth=0", "#story"),
    "the rule of a table": ("/content/decisions/imPlatelets", ".of-rule a >> nth=0", "#story"),
    "the scenario of a card": ("/content/decisions/imPlatelets", ".named a >> nth=0", "#story"),
    "the step of a course": ("/courses/neurological-involvement", "text=The whole answer >> nth=0", "#story"),
}


@pytest.mark.parametrize("told", LEADING)
def test_a_link_to_an_answer_shows_the_answer(browser, console, told):
    path, link, heading = LEADING[told]
    for width in (390, 1440):
        page = browser.new_page(viewport={"width": width, "height": 844}, base_url=console)
        page.goto(LOADING if path == "BAND" else path)
        if path == "BAND":
            page.locator(".strip a").last.click()
        page.evaluate("document.querySelectorAll('#main details').forEach(each => each.open = true)")
        page.locator(link).click()
        page.wait_for_url(f"**{heading}")
        expect(page.locator(heading)).to_be_in_viewport()
        expect(page.locator("details.decide")).not_to_have_attribute("open", "")
        page.close()


OVERLAPS = """
() => [...document.querySelectorAll("svg")].filter(picture => picture.checkVisibility()).flatMap(picture => {
    const boxes = [...picture.querySelectorAll("text")].map(text => [text.textContent, text.getBoundingClientRect()]);
    return boxes.flatMap(([said, one], place) => boxes.slice(place + 1).filter(([, other]) =>
        Math.min(one.right, other.right) - Math.max(one.left, other.left) > 2 &&
        Math.min(one.bottom, other.bottom) - Math.max(one.top, other.top) > 4
    ).map(([clashing]) => `${said} / ${clashing}`));
})
"""


PICTURES = ["/?scenario=falling-platelets/renewalAtTwentyOne", "/?scenario=platelets-and-im/sample", ABOVE]
PICTURES += ["/courses/falling-platelets", "/courses/pernicious-anaemia-for-life", "/courses/dialysis"]


@pytest.mark.parametrize("path", PICTURES)
def test_no_words_of_a_picture_lie_on_each_other(browser, console, path):
    page = browser.new_page(viewport={"width": 390, "height": 900}, base_url=console)
    page.goto(path)
    page.evaluate("document.querySelectorAll('#answer details').forEach(each => each.open = true)")
    assert page.evaluate(OVERLAPS) == []
    page.close()


def test_a_search_leads_to_a_scenario(page):
    page.goto("/")
    page.get_by_role("searchbox").fill("SEX unknown agree both")
    page.get_by_role("button", name="Search").click()
    expect(page.get_by_role("heading", name="1 scenario for")).to_be_visible()
    page.get_by_role("link", name="Sex unknown agree").click()
    expect(page.get_by_role("heading", level=2, name="Sex unknown agree")).to_be_visible()
    expect(page.get_by_role("region", name="The patient")).to_contain_text("72 years")


def test_silence_says_why(page):
    page.goto("/?scenario=loading-regimen/threeWeekly")
    expect(page.get_by_role("heading", name="No card")).to_be_visible()
    expect(page.locator(".silence")).to_contain_text("As the source has it: Loading regimen")


def test_the_history_as_a_table_has_no_scrolling_on_a_small_screen_and_stays_a_table(browser, console):
    page = browser.new_page(viewport={"width": 390, "height": 900}, base_url=console)
    page.goto("/?scenario=iv-cyanocobalamin/monthly")
    fold(page, "The history").click()
    page.get_by_text("The same as a table").click()
    box = page.get_by_role("region", name="Table: The history of the patient as it was read")
    assert box.evaluate("box => box.scrollWidth - box.clientWidth") <= 1
    row = box.get_by_role("row").filter(has_text="Pernicious anaemia")
    expect(row.get_by_role("cell")).to_have_count(5)
    page.close()


@pytest.mark.parametrize("scenario", ["kidney/creatinineOnly", "platelets-and-im/sample"])
def test_the_dates_of_a_history_keep_apart(page, scenario):
    page.goto(f"/?scenario={scenario}")
    fold(page, "The history").click()
    dates = page.locator(".timeline text.tick")
    expect(dates.first).to_be_visible()
    spans = dates.evaluate_all("all => all.map(each => each.getBoundingClientRect()).map(box => [box.left, box.right])")
    assert len(spans) > 1
    assert all(one[1] < other[0] for one, other in pairwise(spans)), spans
