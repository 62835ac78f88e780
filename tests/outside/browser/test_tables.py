"""Tables, map, index and review sheets in a real browser, at four widths, in light and dark."""

from __future__ import annotations

import re
import shutil

import pytest
from playwright.sync_api import expect

from tests.support.waiting import eventually

SAMPLE = "platelets-and-im/sample"
TABLE = "/content/decisions/imPlatelets"
PAGES = [
    f"{TABLE}?scenario={SAMPLE}",
    "/content/decisions/administration",
    "/content/decisions/nasalRegimen/review",
    "/content/map",
    f"/content/map?decision=imPlatelets&scenario={SAMPLE}",
    "/content?q=platelet",
    "/content",
    "/content/review",
]


ON_TOP = """
cell => {
    cell.scrollIntoView({block: "center"});
    const box = cell.getBoundingClientRect();
    return document.elementFromPoint(box.right - 8, box.top + box.height / 2) === cell;
}
"""


@pytest.fixture(params=[1024, 800])
def wide(request, browser, console):
    """A page of a width at which a table is a table, and one of many columns does not fit."""
    context = browser.new_context(viewport={"width": request.param, "height": 900}, base_url=console)
    yield context.new_page()
    context.close()


def test_a_table_that_is_wider_than_the_page_says_so_until_its_end_is_reached(wide):
    wide.goto(TABLE)
    box, hint = wide.get_by_role("region", name="Decision table"), wide.get_by_text("There is more to the side")
    expect(hint.first).to_be_visible()
    assert hint.first.bounding_box()["y"] < box.bounding_box()["y"]
    expect(box).to_have_class(re.compile(r"\bcut\b"))
    box.evaluate("box => { box.scrollLeft = box.scrollWidth }")
    expect(box).not_to_have_class(re.compile(r"\bcut\b"))


@pytest.mark.parametrize("name", ["imPlatelets", "maintenance", "stopping"])
def test_on_a_wide_screen_the_widest_tables_fit_without_scrolling(browser, console, name):
    page = browser.new_page(viewport={"width": 1440, "height": 900}, base_url=console)
    page.goto(f"/content/decisions/{name}?scenario={SAMPLE}")
    box = page.get_by_role("region", name="Decision table")
    assert box.evaluate("box => box.scrollWidth - box.clientWidth") <= 1
    expect(page.get_by_role("columnheader", name="Rests on")).to_be_in_viewport()
    page.close()


def test_a_map_on_a_small_screen_begins_where_the_way_of_the_request_begins(browser, console):
    page = browser.new_page(viewport={"width": 390, "height": 900}, base_url=console)
    page.goto(f"/content/map?decision=imPlatelets&scenario={SAMPLE}")
    page.get_by_text("All tables in one picture").click()
    for box in page.locator(".map").all():
        first = box.locator(".node.lit").first
        frame, node = box.bounding_box(), first.locator("rect").bounding_box()
        assert frame["x"] <= node["x"] <= frame["x"] + frame["width"] / 3
    page.goto("/content/map?decision=imPlatelets")
    box = page.locator(".map").first
    node = box.locator(".node").first.locator("rect").bounding_box()
    assert 0 <= node["x"] <= 390 / 3
    page.close()


def test_a_wide_table_has_a_scroll_bar_of_its_own_style_which_no_system_hides_until_one_scrolls(browser, console):
    """A bar that a page has styled takes room and stays; Playwright hides all bars unless it is told not to."""
    shown = browser.browser_type.launch(
        executable_path=shutil.which("chromium"),
        args=["--no-sandbox"],
        ignore_default_args=["--hide-scrollbars"],
    )
    page = shown.new_page(viewport={"width": 1280, "height": 900}, base_url=console)
    page.goto(TABLE)
    box = page.get_by_role("region", name="Decision table")
    assert box.evaluate("box => box.offsetHeight - box.clientHeight - 2 * box.clientTop") == pytest.approx(12.8, abs=1)
    shown.close()


@pytest.mark.parametrize("path", [TABLE, "/content/map", "/content/value-sets/platelet-count"])
def test_what_fits_says_nothing_and_what_is_cut_says_so(page, path):
    page.goto(path)
    for box in page.locator(".wide").all():
        hint = box.locator("xpath=preceding-sibling::p[1][@class='goes-on']")
        is_cut = box.evaluate("box => box.checkVisibility() && box.scrollWidth - box.clientWidth >= 2")
        expect(hint).to_be_visible(visible=is_cut)


def test_a_link_of_the_index_unfolds_its_group(page):
    page.goto("/content")
    entry = page.get_by_role("link", name="Stopping B12")
    expect(entry).to_be_hidden()
    page.get_by_role("navigation", name="On this page").get_by_role("link", name="Cards up to warning").click()
    expect(entry).to_be_visible()


@pytest.mark.parametrize("path", PAGES)
def test_pages_are_open_to_everybody_and_fit_the_screen(page, axe, path):
    page.goto(path)
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    expect(page.get_by_role("heading", level=1)).to_have_count(1)
    page.evaluate(axe)
    found = page.evaluate("axe.run().then(told => told.violations.map(v => [v.impact, v.id, v.nodes[0].html]))")
    assert [violation for violation in found if violation[0] in ("serious", "critical")] == []


def test_then_is_in_sight_and_stays_there_while_the_table_moves_sideways(wide):
    wide.goto(TABLE)
    assert wide.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    then = wide.get_by_role("row").filter(has_text="ThinNeedle").first.get_by_role("rowheader")
    then.scroll_into_view_if_needed()
    before = then.bounding_box()
    box = wide.get_by_role("region", name="Decision table")
    assert box.evaluate("box => box.scrollWidth > box.clientWidth")
    box.evaluate("box => { box.scrollLeft = box.scrollWidth }")
    after = then.bounding_box()
    assert before["x"] >= 0
    assert after["x"] == pytest.approx(before["x"], abs=60)  # it moves until it sticks, no further
    assert after["x"] + after["width"] <= wide.viewport_size["width"]
    rests = wide.get_by_role("row").filter(has_text="ThinNeedle").first.get_by_role("cell").last
    assert rests.bounding_box()["x"] >= after["x"] + after["width"] - 1


def test_under_700_pixels_a_rule_is_a_card_that_is_still_a_row_of_a_table(browser, console):
    context = browser.new_context(viewport={"width": 390, "height": 900}, base_url=console)
    page = context.new_page()
    page.goto(TABLE)
    row = page.get_by_role("table").first.get_by_role("row").filter(has_text="ThinNeedle").first
    then, cells = row.get_by_role("rowheader"), row.locator("td[data-label]")
    boxes = [then.bounding_box(), *(cells.nth(number).bounding_box() for number in range(cells.count()))]
    assert all(box["x"] >= 0 and box["x"] + box["width"] <= 390 for box in boxes)
    assert [box["y"] for box in boxes] == sorted(box["y"] for box in boxes)
    assert boxes[1]["y"] >= boxes[0]["y"] + boxes[0]["height"] - 1
    assert row.locator("td.number").evaluate(ON_TOP)
    label = row.locator("td[data-label='Platelet count']")
    assert label.evaluate("cell => getComputedStyle(cell, '::before').content") == '"Platelet count: "'
    context.close()


def test_on_a_small_screen_a_rule_that_rests_on_nothing_does_not_say_what_it_rests_on(browser, console):
    page = browser.new_page(viewport={"width": 390, "height": 900}, base_url=console)
    page.goto("/content/decisions/stopping")
    expect(page.locator("#Child td.rests")).to_be_hidden()
    expect(page.locator("#EndsPermanent td.rests")).to_be_visible()
    page.close()


def test_the_rule_that_fired_is_lit_and_led_to(page):
    page.goto(f"{TABLE}?scenario={SAMPLE}")
    row = page.locator("tr[aria-current=true]")
    expect(row).to_have_count(1)
    expect(row).to_contain_text("fired")
    expect(row).to_contain_text("TransfusionFirst")
    page.get_by_role("link", name="Rule 1 fired").click()
    expect(row).to_be_in_viewport()
    other = page.locator("tr.critical:not([aria-current])").first
    width = "row => getComputedStyle(row.tagName == 'TR' ? row.cells[1] : row).borderTopWidth"
    lit = row.evaluate(width), row.evaluate("row => getComputedStyle(row).borderTopWidth")
    assert max(float(each.removesuffix("px")) for each in lit) > float(other.evaluate(width).removesuffix("px"))


def test_try_fires_the_rule_and_the_answer_leads_back(page):
    page.goto(TABLE)
    page.get_by_role("link", name="Try the rule ThinNeedle", exact=True).click()
    expect(page).to_have_url(re.compile(r"scenario="))
    expect(page.get_by_role("article").first).to_contain_text("thin 25-27G needle")


def test_the_map_leads_to_a_table_by_keyboard(page):
    page.goto(f"/content/map?decision=imPlatelets&scenario={SAMPLE}")
    node = page.get_by_role("link", name="Platelets and IM injection, critical, on the way of this request")
    for _ in range(40):
        page.keyboard.press("Tab")
        if node.evaluate("link => link === document.activeElement"):
            break
    expect(node).to_be_focused()
    expect(node).to_be_in_viewport()
    assert float(node.locator("rect").evaluate("box => getComputedStyle(box).strokeWidth").removesuffix("px")) >= 4
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("Platelets and IM injection")
    expect(page.locator("tr[aria-current=true]")).to_have_count(1)


def test_the_map_scrolls_in_its_box_and_is_readable(page):
    page.goto("/content/map")
    page.get_by_text("All tables in one picture").click()
    box = page.get_by_role("region", name="Map of all tables")
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    height = box.locator("text").first.evaluate("text => text.getBoundingClientRect().height")
    assert height >= 11
    overflow = box.evaluate("box => box.scrollWidth - box.clientWidth")
    assert (overflow > 0) == (page.viewport_size["width"] < 1280)


def test_the_index_is_searched_without_a_script(page):
    page.goto("/content")
    page.get_by_role("searchbox").fill("transfusion needle")
    page.get_by_role("searchbox").press("Enter")
    expect(page.get_by_role("status")).to_contain_text("found for “transfusion needle”")
    page.get_by_role("link", name="Platelets and IM injection").first.click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Platelets and IM injection")


@pytest.mark.parametrize(
    ("name", "most"), [("doseUnit", 1), ("cobalaminAllergy", 1), ("folateFirst", 2), ("imPlatelets", 4)]
)
def test_a_sheet_fits_its_pages_of_a4_and_leaves_the_console_out(browser, console, name, most):
    context = browser.new_context(base_url=console)
    page = context.new_page()
    page.goto(f"/content/decisions/{name}/review")
    pages = re.findall(rb"/Type\s*/Page\b(?!s)", page.pdf(prefer_css_page_size=True))
    assert 1 <= len(pages) <= most
    page.emulate_media(media="print")
    expect(page.get_by_role("navigation")).to_be_hidden()
    expect(page.get_by_text("A signature is for")).to_be_visible()
    context.close()


def test_the_headings_stay_in_sight_while_the_rules_move_under_them(browser, console):
    page = browser.new_page(viewport={"width": 1024, "height": 800}, base_url=console)
    page.goto("/content/decisions/imPlatelets")
    box = page.get_by_role("region", name="Decision table")
    box.focus()
    for _ in range(4):
        page.keyboard.press("PageDown")
    page.keyboard.press("ArrowRight")
    # A function that waits within the page is a text that is evaluated, which the policy of the page forbids.
    eventually(lambda: page.evaluate("document.querySelector('.rules-box').scrollTop") > 500)
    top = box.bounding_box()["y"]
    for heading in ("Then", "Platelet count"):
        shown = page.locator(".rules thead th", has_text=heading).first.bounding_box()
        assert abs(shown["y"] - top) <= 2
    corner = box.evaluate("""box => {
        const at = box.querySelector("thead .then").getBoundingClientRect();
        return document.elementFromPoint(at.left + 40, at.bottom - 6).className;
    }""")
    assert corner == "then"
    page.emulate_media(media="print")
    assert box.evaluate("box => getComputedStyle(box).maxHeight") == "none"
    page.emulate_media(media="screen")
    page.set_viewport_size({"width": 390, "height": 800})
    assert box.evaluate("box => box.scrollHeight - box.clientHeight") <= 1
    page.close()
