"""The pictures of the console in the documents, as a running service shows them now: ``make screenshots``.

It needs Chromium, and keeps the state of the service that it starts in a folder of its own.
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
# The page of the console, and how high its picture is, in pixels.
PICTURES = {
    "try.png": ("/", 1310),
    "table.png": ("/content/decisions/imPlatelets?scenario=platelets-and-im/sample", 1330),
}
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


def shoot(base: str) -> None:
    """Takes every picture of the service at ``base``."""
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        for name, (path, height) in PICTURES.items():
            page = chromium.new_page(viewport={"width": _WIDTH, "height": height}, color_scheme="light")
            page.goto(base + path)
            page.screenshot(path=FOLDER / name)
        chromium.close()


def main() -> None:
    """Starts a service, takes the pictures, and ends it."""
    port = free_port()
    with tempfile.TemporaryDirectory() as state:
        env = {name: value for name, value in os.environ.items() if not name.startswith("CDS_SERVICE_")}
        command = [sys.executable, "-m", "cds_service", "serve", "--port", str(port)]
        service = subprocess.Popen(  # noqa: S603
            command, env=env | {"XDG_STATE_HOME": state}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        try:
            wait(f"http://127.0.0.1:{port}/readyz")
            shoot(f"http://127.0.0.1:{port}")
        finally:
            service.terminate()
            service.wait(20)


if __name__ == "__main__":
    main()
