"""The built wheel, installed into an empty environment, is complete: it serves and replays."""

import socket
import subprocess
import sys
import time
import urllib.request
import venv
import zipfile
from pathlib import Path

import pytest

from tests.support.places import ROOT


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "-w", folder, ROOT],
        check=True,
        capture_output=True,
    )
    return next(folder.glob("*.whl"))


def test_content_and_fixtures_travel_in_the_wheel(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    assert "cds_service/_data/cards/lock.json" in names
    assert "cds_service/_data/cards/vitamin-b12/facts.yaml" in names
    assert any(name.startswith("cds_service/_data/fixtures/patients/") for name in names)
    assert "cds_service/content/schemas/table.json" in names
    assert "cds_service/store/migrations/versions/0001_feedback.py" in names
    assert "cds_service/console/templates/try.html" in names
    assert "cds_service/console/static/console.css" in names


def test_an_installed_wheel_replays_and_checks_far_from_the_checkout(wheel, tmp_path):
    """The dependencies are lent by path, so that the test needs no network; the wheel itself is installed."""
    home = tmp_path / "env"
    venv.create(home, with_pip=True)
    python = home / "bin/python"
    subprocess.run([python, "-m", "pip", "install", "--quiet", "--no-deps", wheel], check=True, capture_output=True)
    site = next((home / "lib").glob("python*/site-packages"))
    lent = Path(sys.modules["flask"].__file__).parents[1]
    (site / "lent.pth").write_text(f"import sys; sys.path.append({str(lent)!r})\n")
    for arguments in (["replay"], ["check"], ["sample"]):
        done = subprocess.run(
            [home / "bin/cds-service", *arguments], cwd=tmp_path, capture_output=True, text=True, timeout=120
        )
        assert done.returncode == 0, done.stdout + done.stderr
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    process = subprocess.Popen(
        [home / "bin/cds-service", "serve", "--port", str(port)], cwd=tmp_path, stdout=subprocess.DEVNULL
    )
    try:
        assert answers(f"http://127.0.0.1:{port}/readyz")
    finally:
        process.terminate()
        process.wait(10)
    shown = subprocess.run(
        [python, "-c", "import cds_service; print(cds_service.__file__)"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert str(site) in shown.stdout


def answers(url):
    """Whether the address answers within ten seconds."""
    for _ in range(100):
        try:
            with urllib.request.urlopen(url, timeout=1) as reply:  # noqa: S310
                return reply.status == 200
        except OSError:
            time.sleep(0.1)
    return False
