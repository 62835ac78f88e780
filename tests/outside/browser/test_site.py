"""The documentation site, opened from its files as somebody without a network and without a server does."""

import subprocess
import sys

import pytest

from tests.support.places import ROOT


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The folder of the site."""
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "-d", folder]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    return folder


@pytest.fixture(params=[(1440, "light"), (390, "dark")], ids=["light1440", "dark390"])
def opened(request, browser):
    """A page that fails its test if it asks for anything but files, or an error is written into its console."""
    width, scheme = request.param
    context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
    page = context.new_page()
    wrong = []
    page.on("console", lambda message: wrong.append(message.text))
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("request", lambda asked: wrong.append(asked.url) if not asked.url.startswith(("file:", "data:")) else None)
    page.on("requestfailed", lambda asked: wrong.append(f"failed: {asked.url}") if _is_missing(asked) else None)
    yield page
    context.close()
    assert wrong == []


def _is_missing(asked):
    """Whether something could not be loaded; what is under way when the page is left is given up, which is no fault."""
    return asked.failure != "net::ERR_ABORTED"


def test_every_page_opens_from_its_file_and_is_no_wider_than_the_screen(site, opened):
    files = sorted(site.rglob("*.html"))
    assert len(files) > 20
    for file in files:
        if file.name == "404.html":  # of a server; it names its files from the root
            continue
        opened.goto(file.as_uri())
        wider = opened.evaluate("document.documentElement.scrollWidth - window.innerWidth")
        assert wider <= 0, f"{file.name} is {wider} pixels too wide"
        assert opened.locator("h1").first.is_visible()


def test_links_lead_from_the_first_page_to_each_reader_and_pictures_are_seen(site, opened):
    opened.goto((site / "index.html").as_uri())
    opened.locator("article a", has_text="docs/integrating.md").click()
    assert opened.locator("h1").inner_text().startswith("Connecting a client")
    picture = opened.locator("article img").first
    assert picture.evaluate("image => image.complete && image.naturalWidth > 100")


def test_the_search_finds_a_page_without_a_server(site, opened):
    opened.goto((site / "index.html").as_uri())
    if opened.viewport_size["width"] < 1000:
        opened.locator("label[for=__search]").first.click()
    opened.locator("input[name=query]").click()
    opened.keyboard.type("SystmOne")
    found = opened.locator(".md-search-result__link", has_text="TPP SystmOne").first
    found.wait_for(timeout=60_000)
    found.click()
    assert "docs/ehr.html" in opened.url
