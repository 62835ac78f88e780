"""The pictures of the console in the documents, as a running service shows them now: ``make screenshots``.

It needs Chromium, and keeps the state of the service that it starts in a folder of its own. The report of a population
run is of invented patients, and the same each time.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

from playwright.sync_api import sync_playwright

FOLDER = Path(__file__).resolve().parents[1]
ROOT = FOLDER.parent
# The page of the console, and how high its picture is, in pixels.
PICTURES = {
    "try.png": ("/", 1310),
    "table.png": ("/content/decisions/imPlatelets?scenario=platelets-and-im/sample", 1330),
}
REPORT, REPORT_HEIGHT = "population.png", 1203
_PATIENTS = 5000  # of the population run
_WIDTH = 960
_SECONDS = 60


def free_port() -> int:
    """A port of this machine that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait(url: str) -> None:
    """Waits until the service answers.

    Raises:
        TimeoutError: it does not.
    """
    for _ in range(_SECONDS * 10):
        try:
            with urllib.request.urlopen(url, timeout=1):  # noqa: S310
                return
        except OSError:
            time.sleep(0.1)
    raise TimeoutError(f"{url} did not answer within {_SECONDS} seconds")


def report_of_a_run(folder: Path) -> Path:
    """The report of a population run, as a page in the folder."""
    export, run, page = folder / "export", folder / "run", folder / "report.html"
    env = environment(folder) | {"CDS_SERVICE_KEY": "k" * 40}
    make = ["-m", "tests.support.synthetic_population", str(export), "--patients", str(_PATIENTS), "--seed", "7"]
    population = ["-m", "cds_service", "population"]
    for command in (make, [*population, "run", str(export), "--out", str(run)]):
        subprocess.run([sys.executable, *command], cwd=ROOT, env=env, check=True)  # noqa: S603
    told = [sys.executable, *population, "report", str(run), "--format", "html"]
    page.write_bytes(subprocess.run(told, cwd=ROOT, env=env, capture_output=True, check=True).stdout)  # noqa: S603
    return page


def environment(state: Path) -> dict[str, str]:
    """This environment without settings of the service, whose state is kept in a folder of its own."""
    env = {name: value for name, value in os.environ.items() if not name.startswith("CDS_SERVICE_")}
    return env | {"XDG_STATE_HOME": str(state)}


def shoot(base: str, report: Path) -> None:
    """Takes every picture of the service at ``base``, and that of a report."""
    pages = {name: (base + path, height) for name, (path, height) in PICTURES.items()}
    pages[REPORT] = report.as_uri(), REPORT_HEIGHT
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        for name, (url, height) in pages.items():
            page = chromium.new_page(viewport={"width": _WIDTH, "height": height}, color_scheme="light")
            page.goto(url)
            page.screenshot(path=FOLDER / name)
        chromium.close()


def main() -> None:
    """Starts a service, takes the pictures, and ends it."""
    port = free_port()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        report = report_of_a_run(folder)
        command = [sys.executable, "-m", "cds_service", "serve", "--port", str(port)]
        service = subprocess.Popen(  # noqa: S603
            command, env=environment(folder), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        try:
            wait(f"http://127.0.0.1:{port}/readyz")
            shoot(f"http://127.0.0.1:{port}", report)
        finally:
            service.terminate()
            service.wait(20)


if __name__ == "__main__":
    main()
