"""Every Python from the oldest that we support on installs the wheel with the versions of the lock file and runs it.

Those tried are ``/usr/bin/python3`` and each ``python3.N`` on the path; what is missing, broken or too old is skipped
by name.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import tomllib
from pathlib import Path

import pytest

from cds_service import __version__
from cds_service.packaged import packaged
from tests.support.places import ROOT
from tests.support.ports import free_port
from tests.support.sample import EVERY_CASE
from tests.support.servers import end_with, status_of

FLOOR = "3.11.2"
SYSTEM = "/usr/bin/python3"
INSTALL_SECONDS, RUN_SECONDS, START_SECONDS = 600, 300, 60
TABLE = "vitamin-b12/decisions/imPlatelets/table.yaml"
STORIES = ["platelets-and-im", "order-sign"]
# What tells where a Python is, its version and whether it can make environments.
_PROBE = "import json, sys, ensurepip; print(json.dumps([sys.base_prefix, sys.version_info[:3]]))"


def version(text):
    return tuple(map(int, text.split(".")))


def interpreters():
    """The system's Python, those that the metadata name, and those newer ones that are on the path besides.

    The one that runs the tests is left out of a short run: ``test_wheel.py`` installs the wheel for it.
    """
    named = {f"python{minor}" for minor in classified()}
    for folder in os.get_exec_path():
        named |= {path.name for path in Path(folder).glob("python3.*") if re.fullmatch(r"python3\.\d+", path.name)}
    if not EVERY_CASE:
        named.discard(f"python{sys.version_info.major}.{sys.version_info.minor}")
    numbered = [name for name in named if version(name.removeprefix("python")) >= version(FLOOR)[:2]]
    return [SYSTEM, *sorted(numbered, key=lambda name: version(name.removeprefix("python")))]


def classified():
    """The minor versions that the package's metadata name."""
    classifiers = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["classifiers"]
    return [found[1] for text in classifiers if (found := re.fullmatch(r".* :: Python :: (3\.\d+)", text))]


def probed(name):
    """The folder and the version of a Python; skips, by name, what cannot be used."""
    if shutil.which(name) is None:
        pytest.skip(f"{name} is not installed")
    done = subprocess.run([name, "-c", _PROBE], capture_output=True, text=True, timeout=RUN_SECONDS)
    if done.returncode:
        pytest.skip(f"{name} does not run, or cannot make environments: {done.stderr.strip().splitlines()[0]}")
    prefix, numbers = json.loads(done.stdout)
    if tuple(numbers) < version(FLOOR):
        pytest.skip(f"{name} is older than {FLOOR}: {'.'.join(map(str, numbers))}")
    return prefix, tuple(numbers)


class Installed:
    """The service in an environment of its own, run far from the checkout."""

    def __init__(self, python, wheel, home):
        self.home, self.place = home / "env", home / "place"
        self.place.mkdir()
        self.environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
        self._done([python, "-m", "venv", self.home])
        pip = [
            self.home / "bin/python",
            "-m",
            "pip",
            "install",
            "--quiet",
            "--no-compile",
            "--disable-pip-version-check",
        ]
        done = self.run([*pip, "--require-hashes", "-r", ROOT / "requirements.lock"], INSTALL_SECONDS)
        if done.returncode and "connection" in done.stderr.casefold():
            pytest.skip(f"no package registry: {done.stderr[-200:]}")
        assert done.returncode == 0, done.stderr[-2000:]
        self._done([*pip, "--no-index", "--no-deps", wheel])
        self._done([self.home / "bin/python", "-m", "pip", "check"])

    def run(self, command, seconds=RUN_SECONDS):
        return subprocess.run(
            command, cwd=self.place, env=self.environment, capture_output=True, text=True, timeout=seconds
        )

    def _done(self, command):
        done = self.run(command)
        assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
        return done.stdout

    def __call__(self, *arguments):
        """What the command prints, which must succeed."""
        return self._done([self.home / "bin/cds-service", *arguments])

    def answer(self, body):
        """The status and the body that the service, started for this one call, answers it with."""
        port = free_port()
        process = subprocess.Popen(
            [self.home / "bin/cds-service", "serve", "--port", str(port)],
            cwd=self.place,
            env=self.environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            preexec_fn=end_with(os.getpid(), signal.SIGTERM),
        )
        try:
            until = time.monotonic() + START_SECONDS
            while time.monotonic() < until and process.poll() is None:
                try:
                    return status_of(f"http://127.0.0.1:{port}/cds-services/vitamin-b12-order-select", body)
                except OSError:
                    time.sleep(0.1)
            return pytest.fail(f"no answer within {START_SECONDS} s, exit code {process.poll()}")
        finally:
            process.terminate()
            process.wait(20)


def changed_checkout(place):
    """A repository of git whose content has been changed since its last revision: platelets below 26 are critical."""
    shutil.copytree(packaged("cards"), place / "cards")
    for command in (["init", "-q"], ["add", "-A"], ["commit", "-qm", "first"]):
        who = ["-c", "user.name=t", "-c", "user.email=t@example.org"]
        subprocess.run(["git", "-C", place, *who, *command], check=True, capture_output=True)
    text = (place / "cards" / TABLE).read_text(encoding="utf-8")
    changed = text.replace("[25..50]", "[26..50]").replace("< 25", "< 26")
    assert changed != text
    (place / "cards" / TABLE).write_text(changed, encoding="utf-8")


@pytest.mark.parametrize("name", interpreters())
def test_the_wheel_installs_checks_serves_replays_and_compares(name, wheel, tmp_path):
    prefix, numbers = probed(name)
    if name != SYSTEM and shutil.which(SYSTEM) and probed(SYSTEM) == (prefix, numbers):
        pytest.skip(f"{name} is {SYSTEM}, which is tried already")
    service = Installed(name, wheel, tmp_path)
    assert service("--version").strip() == f"cds-service, version {__version__}"
    shown = service.run([service.home / "bin/python", "-c", "import sys, cds_service; print(sys.version_info[:3])"])
    assert shown.stdout.strip() == str(numbers)
    service("check")
    (scenarios,) = service.home.glob("lib/python*/site-packages/cds_service/_data/fixtures/scenarios")
    stories = [scenarios / f"{name}.yaml" for name in STORIES]
    assert re.search(r"[1-9]\d* as expected, 0 different, 0 skipped", service("replay", *stories))
    status, answer = service.answer(service("sample").encode())
    assert status == 200 and [card["indicator"] for card in json.loads(answer)["cards"]] == ["critical"]
    changed_checkout(service.place)
    told = json.loads(service("impact", "HEAD", "cards", *stories, "--format", "json"))
    assert "other" in {kind for change in told["changes"] for kind in change["kinds"]}


def make(*arguments):
    """``make`` as a person types it, also where a ``make`` has started these tests."""
    environment = {
        name: value for name, value in os.environ.items() if name not in ("MAKEFLAGS", "MFLAGS", "MAKELEVEL")
    }
    command = ["make", *arguments]
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=RUN_SECONDS)


def test_every_place_names_the_same_oldest_python():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["requires-python"] == f">={FLOOR}"
    assert f"\nFLOOR := {FLOOR}\n" in (ROOT / "Makefile").read_text()
    assert classified()[0] == ".".join(FLOOR.split(".")[:2])


@pytest.mark.parametrize("verb", ["run", "install", "install-dev", "test", "check"])
def test_make_refuses_an_older_python_first_and_installs_nothing(verb, tmp_path):
    """The Python that runs the tests is too old for a floor of 99."""
    venv = tmp_path / "venv"
    done = make(verb, f"VENV={venv}", f"PYTHON={sys.executable}", "FLOOR=99.0.0")
    ours = ".".join(map(str, sys.version_info[:3]))
    assert done.returncode and not venv.exists()
    assert done.stderr.startswith(f"cds-service needs Python 99.0.0 or newer; {sys.executable} is {ours}: ")


def test_make_says_that_a_python_is_not_there(tmp_path):
    done = make("run", f"VENV={tmp_path / 'venv'}", "PYTHON=python3.none")
    assert done.returncode
    assert (done.stdout + done.stderr).startswith(f"cds-service needs Python {FLOOR} or newer; python3.none is not")


def test_make_lists_every_verb_with_what_it_does():
    listed = {line.split()[0] for line in make("help").stdout.splitlines()}
    phony = re.search(r"\.PHONY:((?:.|\\\n)*?)\n(?!\t)", (ROOT / "Makefile").read_text())[1]
    assert listed == set(phony.replace("\\\n", " ").split())
