"""A real server and a real browser: Debian's Chromium, driven by Playwright."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import zlib
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from tests.support.npm import needed
from tests.support.places import NODE
from tests.support.ports import free_port
from tests.support.sample import EVERY_CASE
from tests.support.servers import wait_until_answers


@pytest.fixture(scope="module")
def console(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a service with its console, and a store of its own."""
    store = tmp_path_factory.mktemp("console") / "store.sqlite3"
    port = free_port()
    process = subprocess.Popen(
        [sys.executable, "-m", "cds_service", "serve", "--port", str(port)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=os.environ | {"CDS_SERVICE_STORE": f"sqlite:///{store}", "CDS_SERVICE_KEEP_COMMENTS": "true"},
    )
    url = f"http://127.0.0.1:{port}"
    try:
        wait_until_answers(f"{url}/readyz", process)
        yield url
    finally:
        process.terminate()
        process.wait(20)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A Chromium; not longer than it is needed, because it works also while nothing is asked of it."""
    chromium = shutil.which("chromium")
    if chromium is None:
        if os.environ.get("CI"):
            pytest.fail("CI has a Chromium")
        pytest.skip("no Chromium is installed")
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield opened
        opened.close()


_MANY = 3  # cases of one test on one screen
SCREENS = {f"{scheme}{width}": (width, scheme) for width in (390, 1024, 1440) for scheme in ("light", "dark")}


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Of the screens that a test is run on, ``make test`` takes one, another for each test; and of a test with many
    cases on each screen every third.
    """
    on_screens: dict[str, list[pytest.Item]] = {}
    for item in items:
        parts = re.split(r"[\[\]-]", item.nodeid)
        if Path(__file__).parent in item.path.parents and (screens := SCREENS.keys() & parts):
            on_screens.setdefault("-".join(part for part in parts if part not in screens), []).append(item)
    taken = {name: zlib.crc32(name.encode()) % len(same) for name, same in on_screens.items()}
    left_out = {id(item) for name, same in on_screens.items() for n, item in enumerate(same) if n != taken[name]}
    for _, names in groupby(on_screens, lambda name: name.partition("-")[0]):
        cases = list(names)
        if len(cases) > _MANY:
            left_out |= {id(item) for n, name in enumerate(cases) if n % 3 for item in on_screens[name]}
    if left_out and not EVERY_CASE:
        config.hook.pytest_deselected(items=[item for item in items if id(item) in left_out])
        items[:] = [item for item in items if id(item) not in left_out]


@pytest.fixture(params=SCREENS.values(), ids=SCREENS)
def page(request: pytest.FixtureRequest, browser: Browser, console: str) -> Iterator[Page]:
    """A page that fails its test if it asks anything of another server, or writes an error into its console."""
    width, scheme = request.param
    context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme, base_url=console)
    opened = context.new_page()
    wrong: list[str] = []
    opened.on("console", lambda message: wrong.append(message.text) if "status of 4" not in message.text else None)
    opened.on("pageerror", lambda error: wrong.append(str(error)))
    opened.on("request", lambda asked: wrong.append(asked.url) if not asked.url.startswith(console) else None)
    yield opened
    context.close()
    assert wrong == []


@pytest.fixture(scope="session")
def axe() -> str:
    """axe-core's script, from ``tests/support/node``."""
    script = needed(NODE) / "axe-core" / "axe.min.js"
    return script.read_text(encoding="utf-8")
