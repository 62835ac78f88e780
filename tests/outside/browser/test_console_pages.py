"""The console in a real browser: what a person sees, at two widths, in light and dark."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from pathlib import Path

import pytest
import requests
from playwright.sync_api import expect

PAGES = [
    "/",
    "/?scenario=loading-regimen/dailyForAWeek",
    "/?scenario=patient-view/untreated",
    "/?q=kidney",
    "/?scenario=none",
    "/?scenario=falling-platelets/renewalAtTwentyOne",
    "/?by=form",
    "/courses",
    "/courses/falling-platelets",
    "/courses/pernicious-anaemia-for-life",
    "/content",
    "/content/decisions/imPlatelets",
    "/content/decisions/neurologicalInvolvement",
    "/content/value-sets/platelet-count",
    "/content/value-sets/ileal-resection-length",
    "/acceptance",
    "/content/decisions/none",
]
CRITICAL = "Platelets 22 ×10⁹/L (21 Nov), IM injection ordered"


@pytest.fixture
def shoot(page, request, tmp_path_factory):
    """Keeps a screenshot among the artefacts of the run."""
    folder = Path(tmp_path_factory.getbasetemp()) / "screenshots"
    folder.mkdir(exist_ok=True)

    def take(name):
        kind = request.node.callspec.id.partition("-")[0]
        page.screenshot(path=folder / f"{re.sub('[^a-zA-Z=]+', '-', name)}-{kind}.png", full_page=True)

    return take


@pytest.mark.parametrize("path", PAGES)
def test_pages_are_open_to_everybody_and_fit_the_screen(page, axe, shoot, path):
    page.goto(path)
    shoot(path.strip("/?") or "try")
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    expect(page.get_by_role("heading", level=1)).to_have_count(1)
    page.evaluate(axe)  # the policy of the page allows no script element of ours; this is the debugger's
    found = page.evaluate("axe.run().then(told => told.violations.map(v => [v.impact, v.id, v.nodes[0].html]))")
    assert [violation for violation in found if violation[0] in ("serious", "critical")] == []


def test_a_request_can_be_edited_and_what_is_wrong_is_named(page):
    page.goto("/?scenario=platelets-and-im/sample")
    page.get_by_text("The request as JSON").click()
    body = json.loads(page.get_by_label("Body of the call").input_value())
    for text, said in ((json.dumps(body | {"hook": "x"}), "At hook"), ("{", "Refused")):
        page.get_by_label("Body of the call").fill(text)
        page.locator("form").filter(has_text="Body of the call").get_by_role("button", name="Fire").click()
        expect(page.get_by_text(said).first).to_be_visible()
        expect(page.get_by_label("Body of the call")).to_have_value(text)


def test_hostile_text_of_a_request_stays_text(page):
    page.goto("/?scenario=platelets-and-im/sample")
    page.get_by_text("The request as JSON").click()
    body = json.loads(page.get_by_label("Body of the call").input_value())
    order = body["context"]["draftOrders"]["entry"][0]["resource"]
    order["medicationCodeableConcept"]["text"] = "<img src=x onerror=alert(1)> [link](https://evil.example) <b>B12</b>"
    page.get_by_label("Body of the call").fill(json.dumps(body))
    page.locator("form").filter(has_text="Body of the call").get_by_role("button", name="Fire").click()
    expect(page.get_by_role("article")).to_be_visible()
    assert page.locator("main img, main article a, main article b").count() == 0
    expect(page.get_by_role("article")).to_contain_text("<b>B12</b>")


def test_the_keyboard_reaches_everything(page):
    page.goto("/")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    for _ in range(6):
        page.keyboard.press("Tab")
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"


def test_a_table_is_read_like_a_table_and_leads_to_its_scenarios(page):
    page.goto("/content")
    page.get_by_role("heading", name="Platelets and IM injection").get_by_role("link").click()
    row = page.get_by_role("row").filter(has_text="ThinNeedle").first
    expect(row).to_contain_text("25 to 50 ×10⁹/L")
    expect(row).to_contain_text("S11")
    page.locator("details.critical > summary").first.click()
    preview = page.get_by_role("article", name="critical TransfusionFirst", exact=True)
    preview.get_by_role("link", name="Sample", exact=True).click()
    expect(page.get_by_role("article")).to_contain_text(CRITICAL)


def test_acceptance_shows_what_became_of_cards(page, console, request_for, shoot):
    service = f"{console}/cds-services/vitamin-b12-order-select"
    body = request_for("kwame-mensah", "hydroxocobalamin-im-three-weekly")
    (card,) = requests.post(service, json=body, timeout=10).json()["cards"]
    entry = {
        "card": card["uuid"],
        "outcome": "overridden",
        "outcomeTimestamp": datetime.now(UTC).isoformat(),
        "overrideReason": {"reason": card["overrideReasons"][0], "userComment": "<i>transfused</i> this morning"},
    }
    assert requests.post(f"{service}/feedback", json={"feedback": [entry]}, timeout=10).status_code == 200
    page.goto("/acceptance?days=7")
    rule = page.get_by_role("row").filter(has_text="imPlatelets TransfusionFirst")
    expect(rule.locator("td.accepted")).to_contain_text("0 %")
    expect(rule.locator("td.reason")).to_contain_text(card["overrideReasons"][0]["display"])
    expect(page.get_by_text("<i>transfused</i> this morning").first).to_be_visible()
    shoot("acceptance-with-feedback")


BROKEN_CODES = """
() => [...document.querySelectorAll('.wide :is(td, th) code')]
    .filter(code => /^[\\w]+$/.test(code.textContent) && code.getClientRects().length > 1)
    .map(code => code.textContent)
"""


@pytest.mark.parametrize("path", ["/content/value-sets/platelet-count", "/?scenario=platelets-and-im/sample"])
def test_a_code_in_a_table_is_never_broken_over_lines(page, path):
    page.goto(path)
    page.evaluate("document.querySelectorAll('details').forEach(each => each.open = true)")
    assert page.evaluate(BROKEN_CODES) == []
    rows = page.locator(".wide:not(.rules-box) > table > tbody > tr")
    heights = rows.evaluate_all("""rows => rows
        .filter(row => getComputedStyle(row).display === "table-row")  // on a phone the history stands in blocks
        .map(row => row.offsetHeight)""")
    assert max(heights) < 200  # no column is squeezed


@pytest.mark.parametrize("name", ["stopping-early", "pernicious-anaemia-for-life"])
def test_the_steps_of_a_course_lie_on_the_screen_and_are_open_to_everybody(page, axe, shoot, name):
    page.goto(f"/courses/{name}")
    shoot(f"course {name}")
    steps = page.get_by_role("region", name=re.compile(r"^Day \d+: "))
    width = page.viewport_size["width"]
    assert steps.count() > 10
    for part in (steps, page.get_by_role("article"), page.locator(".step .order, .step .silence")):
        boxes = part.evaluate_all("all => all.map(one => one.getBoundingClientRect().toJSON())")
        assert boxes and all(box["left"] >= 0 and box["right"] <= width for box in boxes)
    page.evaluate("document.querySelectorAll('details').forEach(each => each.open = true)")
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    page.evaluate(axe)
    found = page.evaluate("axe.run().then(told => told.violations.map(v => [v.impact, v.id, v.nodes[0].html]))")
    assert [violation for violation in found if violation[0] in ("serious", "critical")] == []


def test_a_step_without_a_card_is_asked_for_its_reasons_by_the_keyboard(page):
    page.goto("/courses/stopping-early")
    step = page.get_by_role("region", name="Day 0: an order is about to be signed 3 Dec 2024")
    expect(step.get_by_text("No card", exact=True)).to_be_visible()
    expect(step.get_by_text("As the source has it").first).to_be_hidden()
    step.get_by_text("Why nothing is said").focus()
    page.keyboard.press("Enter")
    expect(step.get_by_text("As the source has it").first).to_be_visible()
    page.keyboard.press("Tab")
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    answer = step.get_by_role("link", name="The whole answer of day 0, Loading")
    answer.press("Enter")
    expect(page.get_by_role("heading", name="No card")).to_be_visible()


def test_a_mark_of_a_course_leads_to_the_answer_and_back(page, shoot):
    page.goto("/courses")
    page.get_by_role("link", name="Platelets that fall under chemotherapy").click()
    picture = page.get_by_role("group", name="The course as a timeline")
    expect(picture).to_be_visible()
    mark = picture.get_by_role("link", name="2025-05-16: Renewal at twenty one, 1 card, critical")
    mark.focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("article")).to_contain_text("Platelets 21 ×10⁹/L (14 May), IM injection ordered")
    page.locator("summary").filter(has=page.get_by_role("heading", name="The history", exact=True)).click()
    history = page.get_by_role("group", name="The history of the patient as it was read")
    expect(history).to_be_visible()
    expect(history.get_by_text("Doses given").first).to_be_attached()
    shoot("history")
    page.get_by_role("link", name="Platelets that fall under chemotherapy").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Platelets that fall under chemotherapy")


def test_a_picture_has_the_same_facts_as_a_table(page):
    page.goto("/courses/falling-platelets")
    page.get_by_text("The same as a table").click()
    row = page.get_by_role("row").filter(has_text="Renewal at twenty one, 1 card")
    expect(row).to_contain_text("critical")
    dose = page.get_by_role("row").filter(has_text="MedicationAdministration/bernard-okoth-dose-9")
    expect(dose).to_contain_text("2024-11-15")
    expect(dose).to_contain_text("Doses given")
