"""Reports as one file: opened from the disk, they load nothing, say everything, and fit the screen."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner
from playwright.sync_api import expect

from cds_service.cli import main
from cds_service.packaged import packaged

TABLE = "vitamin-b12/decisions/imPlatelets/table.yaml"
STORY = str(packaged("fixtures") / "scenarios" / "platelets-and-im.yaml")


@pytest.fixture(scope="module")
def stricter(tmp_path_factory):
    cards = tmp_path_factory.mktemp("stricter") / "cards"
    shutil.copytree(packaged("cards"), cards)
    text = (cards / TABLE).read_text(encoding="utf-8")
    (cards / TABLE).write_text(text.replace("[25..50]", "[26..50]").replace("< 25", "< 26"), encoding="utf-8")
    return cards


@pytest.fixture
def opened(page, tmp_path, request, tmp_path_factory):
    """Writes what a command prints into a file and opens it."""

    def open_report(*arguments):
        report = tmp_path / "report.html"
        report.write_text(CliRunner().invoke(main, [*map(str, arguments), "--format", "html"]).stdout)
        asked = []
        page.on("request", lambda one: asked.append(one.url))
        page.goto(report.as_uri())
        folder = Path(tmp_path_factory.getbasetemp()) / "screenshots"
        folder.mkdir(exist_ok=True)
        page.screenshot(path=folder / f"{arguments[0]}-report-{request.node.callspec.id}.png", full_page=True)
        assert asked == [report.as_uri()]
        assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
        return page

    return open_report


@pytest.fixture
def console():
    return "file:///"


def serious(page, axe):
    page.evaluate(axe)
    found = page.evaluate("axe.run().then(told => told.violations.map(v => [v.impact, v.id, v.nodes[0].html]))")
    return [violation for violation in found if violation[0] in ("serious", "critical")]


def test_a_replay_shows_what_differs_first_with_its_card_and_its_results(opened, axe, stricter):
    page = opened("replay", STORY, packaged("fixtures") / "captured" / "epic", "--content", stricter)
    first = page.locator("details.case").first
    expect(first).to_have_attribute("open", "")
    expect(first).to_contain_text("missing card imPlateletsThinNeedle")
    expect(first.get_by_role("article")).to_contain_text("critical Platelets 25")
    expect(first.get_by_role("img", name="Platelet count: 118")).to_be_visible()
    expect(page.get_by_text("epic/order-select-right-already")).to_be_visible()
    assert serious(page, axe) == []


def test_an_impact_report_shows_both_sides(opened, axe, stricter):
    page = opened("impact", packaged("cards"), stricter, STORY)
    expect(page.get_by_role("row").filter(has_text="imPlateletsTransfusionFirst")).to_contain_text("critical")
    change = page.get_by_role("article", name="platelets-and-im/exactlyTwentyFive")
    expect(change.locator(".side").nth(0)).to_contain_text("thin 25-27G needle")
    expect(change.locator(".side").nth(1)).to_contain_text("consider platelet transfusion")
    words = page.locator("details.case").first
    words.locator("summary").click()
    expect(words.locator(".added")).to_contain_text("below 26")
    assert serious(page, axe) == []


def test_hostile_text_stays_text_in_a_report(opened, tmp_path):
    captured = packaged("fixtures") / "captured" / "plain-2.0" / "order-sign.json"
    body = json.loads(captured.read_text(encoding="utf-8"))
    order = body["context"]["draftOrders"]["entry"][0]["resource"]
    order["medicationCodeableConcept"]["text"] = "<img src=x onerror=alert(1)></style><script>alert(1)</script> B12"
    (tmp_path / "hostile.json").write_text(json.dumps(body), encoding="utf-8")
    page = opened("replay", tmp_path / "hostile.json", "--now", "2026-11-23T12:00:00Z")
    assert page.locator("main img, script").count() == 0
    page.locator("details.case summary").first.click()
    expect(page.get_by_role("article").first).to_contain_text("<img src=x")
