"""The preview in a real browser: a change of a limit, seen beside the released content before it is locked."""

from __future__ import annotations

import re
import shutil

import pytest
from playwright.sync_api import expect

from tests.support.places import ROOT, SECOND_PACK
from tests.support.servers import Service

LONGEST = 300_000  # milliseconds that a comparison may take on a busy machine
TABLE = "examplol/decisions/levelAndNeedle/table.yaml"
CHANGES = [("version: 1.1.0", "version: 1.2.0"), ("'< 17'", "'< 20'"), ("'[17..23]'", "'[20..23]'")]
BANNER = "Preview of unlocked content: nothing of it reaches a client."


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The content that is previewed, of the second pack: its critical card speaks below another limit."""
    copy = tmp_path_factory.mktemp("preview") / "hospital"
    shutil.copytree(SECOND_PACK, copy)
    table = copy / "cards" / TABLE
    text = table.read_text(encoding="utf-8")
    for before, after in CHANGES:
        text = text.replace(before, after)
    table.write_text(text, encoding="utf-8")
    return copy


@pytest.fixture(scope="module")
def console(folder):
    """In place of the one that all share: a service of the second pack with a preview."""
    command = ("-m", "cds_service", "serve", "--port", "{port}", "--preview", str(folder / "cards"))
    url = f"sqlite:///{folder.parent / 'store.sqlite3'}"
    cards = str(SECOND_PACK / "cards")
    with Service(url, folder.parent / "log", command, CDS_SERVICE_CARDS=cards) as service:
        yield service.base


@pytest.fixture
def opened(page, axe):
    """Opens a page and holds that it fits the screen and has no serious finding of axe."""

    def open_page(path):
        page.goto(path)
        check()
        return page

    def check():
        assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
        page.evaluate(axe)
        found = page.evaluate("axe.run().then(told => told.violations.map(v => [v.impact, v.id, v.nodes[0].html]))")
        assert [violation for violation in found if violation[0] in ("serious", "critical")] == []

    open_page.check = check
    return open_page


def test_what_differs_is_compared_on_demand(opened):
    page = opened("/preview")
    expect(page.get_by_role("complementary", name="Preview")).to_contain_text(BANNER)
    page.get_by_role("button", name=re.compile("Prove it and compare")).click()
    under_way = page.get_by_role("heading", name=re.compile("Under way"))
    expect(under_way).to_be_visible()
    opened.check()
    for _ in range(LONGEST // 1000):
        page.get_by_role("link", name="See how far it is").click()
        page.wait_for_timeout(1000)
        if page.get_by_role("heading", name="The proof").is_visible():
            break
    expect(page.get_by_role("heading", name="The impact")).to_be_visible()
    row = page.get_by_role("row").filter(has_text="examplolLevelAndNeedleBelow")
    expect(row).to_contain_text("critical")
    change = page.get_by_role("article").first
    expect(change.locator(".side").nth(0)).to_be_visible()
    change.get_by_text("The whole cards").click()
    opened.check()


def test_the_pages_of_the_preview_show_its_content_under_the_banner_and_lead_back(opened):
    page = opened("/preview/pages/content/decisions/levelAndNeedle")
    expect(page.get_by_role("main")).to_contain_text("below 20")
    expect(page.get_by_role("complementary", name="Preview")).to_contain_text(BANNER)
    page.get_by_role("link", name="The released content").click()
    expect(page.get_by_role("complementary", name="Preview")).to_have_count(0)
    page.goto("/content/decisions/levelAndNeedle")
    expect(page.get_by_role("main")).to_contain_text("below 17")


def test_a_request_is_tried_with_the_preview(opened):
    page = opened("/preview/pages/")
    expect(page.get_by_role("complementary", name="Preview")).to_contain_text(BANNER)


def test_a_broken_file_is_named_with_its_line(opened, folder):
    table = folder / "cards" / TABLE
    good = table.read_text(encoding="utf-8")
    table.write_text(good + "\n bad: [\n", encoding="utf-8")
    try:
        page = opened("/preview")
        expect(page.get_by_role("heading", name="This content cannot be shown yet")).to_be_visible()
        broken = page.get_by_role("region", name="This content cannot be shown yet")
        expect(broken.get_by_text(re.compile(r"table\.yaml:\d+"))).to_be_visible()
        assert page.goto("/preview/pages/content").status == 409
        opened.check()
    finally:
        table.write_text(good, encoding="utf-8")
    assert str(ROOT) not in opened("/preview").get_by_role("main").inner_text()
