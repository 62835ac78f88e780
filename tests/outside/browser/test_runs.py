"""The pages on population runs in a real browser: they fit the screen, and say what their pictures show."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.support.judged_runs import runs_of_a_hospital
from tests.support.servers import Service

EXAMPLE = "order-sign-imPlatelets-TransfusionFirst-0"
PAGES = [
    "/population",
    "/population/last-year",
    "/population/compared",
    f"/population/last-year/event/{EXAMPLE}",
    f"/population/compared/event/{EXAMPLE}",
    "/content/decisions/imPlatelets",
]


@pytest.fixture(scope="module")
def console(tmp_path_factory):
    """In place of the one that all share: a service with runs, whose cards are not those that the newest leads to
    expect.
    """
    folder = tmp_path_factory.mktemp("population")
    store = f"sqlite:///{folder / 'store.sqlite3'}"
    runs_of_a_hospital(folder / "runs", store)
    with Service(store, folder / "log", CDS_SERVICE_RUNS=str(folder / "runs")) as service:
        yield service.base


@pytest.mark.parametrize("path", PAGES)
def test_pages_on_runs_are_open_to_everybody_and_fit_the_screen(page, axe, path):
    page.goto(path)
    page.evaluate("document.querySelectorAll('details').forEach(each => each.open = true)")
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    expect(page.get_by_role("heading", level=1)).to_have_count(1)
    page.evaluate(axe)
    found = page.evaluate("axe.run().then(told => told.violations.map(v => [v.impact, v.id, v.nodes[0].html]))")
    assert [violation for violation in found if violation[0] in ("serious", "critical")] == []


def test_from_a_decision_to_its_run_and_from_there_to_what_drifted(page):
    page.goto("/content/decisions/imPlatelets")
    page.get_by_role("link", name="last-year").click()
    expect(page.get_by_role("img", name="Cards a week")).to_be_visible()
    assert page.locator("svg rect.critical").first.evaluate("bar => getComputedStyle(bar).fill") != "rgb(0, 0, 0)"
    of_rule = page.locator("#imPlateletsTransfusionFirst").first
    of_rule.get_by_text("Why, at 10 examples").click()
    of_rule.get_by_role("link").first.click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("Orders signed on 20")
    expect(page.get_by_role("row").filter(has_text="Platelet count")).to_contain_text("3 days before")
    page.get_by_role("link", name="last-year").click()
    page.get_by_role("link", name="Population").last.click()
    silent = page.get_by_role("row").filter(has_text="imPlatelets TransfusionFirst")
    expect(silent).to_contain_text("fell silent")
    expect(page.get_by_role("row").filter(has_text="nasalRegimen AskNeurological")).to_contain_text("doubled")
    usual = page.get_by_role("row").filter(has_text="doseUnit TooHigh")
    expect(usual).to_be_hidden()
    page.get_by_text("1 rule that has not drifted, as far as can be told").click()
    expect(usual).to_be_visible()
    expect(page.get_by_text("no-run: this is not the folder of a run")).to_be_visible()
