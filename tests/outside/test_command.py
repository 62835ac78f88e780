"""The command as a person types it, with a real server on loopback.

What only its words and its exit status are looked at of runs in this process; that the command can be typed at all is
seen where it is ``typed``, in a process of its own.
"""

import contextlib
import json
import os
import pty
import re
import shutil
import subprocess
import sys
import urllib.request
from contextlib import contextmanager
from xml.etree import ElementTree

import pytest
from click.testing import CliRunner

from cds_service.cli import main
from cds_service.commands.common import progress
from cds_service.packaged import packaged
from tests.support.ports import free_port
from tests.support.sample import sampled
from tests.support.servers import wait_until_answers


def run(*arguments):
    return CliRunner().invoke(main, arguments)


def typed(*arguments):
    command = [sys.executable, "-m", "cds_service", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=120)


@pytest.fixture(scope="module")
def server():
    """A real server of one worker on a free loopback port."""
    port = free_port()
    process = subprocess.Popen(
        [sys.executable, "-m", "cds_service", "serve", "--port", str(port)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={k: v for k, v in os.environ.items() if not k.startswith("CDS_SERVICE_")},
    )
    url = f"http://127.0.0.1:{port}"
    try:
        wait_until_answers(f"{url}/readyz", process)
        yield url
    finally:
        process.terminate()
        process.wait(10)


def post(url, body):
    call = urllib.request.Request(  # noqa: S310
        url, data=body.encode(), headers={"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(call, timeout=10) as answer:  # noqa: S310
        return json.loads(answer.read())


def test_the_sample_is_answered_with_a_critical_card_today(server):
    sample = typed("sample")
    assert sample.returncode == 0
    cards = post(f"{server}/cds-services/vitamin-b12-order-select", sample.stdout)["cards"]
    assert [card["indicator"] for card in cards] == ["critical"]
    assert cards[0]["summary"].startswith("Platelets 22 ×10⁹/L")


def test_replay_against_a_running_server_agrees(server):
    """Every scenario and course; ``make test`` takes one file in eight."""
    stories = [path for name in ("scenarios", "courses") for path in (packaged("fixtures") / name).glob("*.yaml")]
    files = sampled(sorted(map(str, stories)), 8)
    done = run("replay", *files, "--against", server)
    assert done.exit_code == 0, done.stdout
    assert " 0 different" in done.stdout


def test_replay_in_process_agrees_and_speaks_junit_and_json():
    done = run("replay", "--format", "junit")
    assert done.exit_code == 0
    suite = ElementTree.fromstring(done.stdout)  # noqa: S314
    assert int(suite.attrib["tests"]) > 50 and suite.attrib["failures"] == "0"
    results = json.loads(run("replay", str(packaged("fixtures") / "scenarios/oral.yaml"), "--format", "json").stdout)
    names = {f"{case.attrib['classname']}/{case.attrib['name']}" for case in suite.iter("testcase")}
    assert len(results) > 3
    assert {result["scenario"] for result in results} <= names


def test_replay_of_a_scenario_that_fails_exits_one_and_says_why(tmp_path):
    story = tmp_path / "wrong.yaml"
    story.write_text(
        "story: x\nstatements: [S12]\npatient: kwame-mensah\ndraft: hydroxocobalamin-im-three-weekly\n"
        "cases: [{name: silent, why: wrong on purpose, expect: []}]\n"
    )
    done = run("replay", str(story))
    assert done.exit_code == 1
    assert f"FAIL  {story}:5: wrong/silent: unexpected card imPlateletsTransfusionFirst" in done.stdout.splitlines()


def test_explain_names_facts_rules_and_near_misses(tmp_path):
    request = tmp_path / "request.json"
    request.write_text(run("sample").stdout)
    done = run("explain", str(request), "--all")
    assert done.exit_code == 0
    assert "platelets = 22  [Observation/kwame-mensah-platelets-1: 22 ×10⁹/L" in done.stdout
    assert "imPlatelets: TransfusionFirst" in done.stdout
    assert "not ThinNeedle: platelets is 22, not [25..50]" in done.stdout
    assert json.loads(run("explain", str(request), "--format", "json").stdout)["cards"]


def test_a_public_host_is_refused_unless_insecure_is_said():
    done = typed("serve", "--host", "0.0.0.0")  # noqa: S104
    assert done.returncode == 2
    assert "--insecure" in done.stderr


@pytest.mark.parametrize("verb", main.list_commands(None))
def test_every_verb_has_help_with_an_example(verb):
    done = run(verb, "--help")
    assert done.exit_code == 0
    assert "Example:" in done.stdout


def test_wrong_use_exits_two(tmp_path):
    story = tmp_path / "no-story.yaml"
    story.write_text("hook: order-select\n")
    assert "not a story of scenarios" in (done := run("replay", str(story))).stderr
    assert done.exit_code == 2
    assert run("replay", "no-such-file").exit_code == 2
    assert run("sample", "no/such").exit_code == 2


def test_the_application_also_runs_under_gunicorn(tmp_path):
    """It is plain WSGI: another server needs nothing of ours."""
    port = free_port()
    process = subprocess.Popen(
        [sys.executable, "-m", "gunicorn", "-b", f"127.0.0.1:{port}", "cds_service.service.app:wsgi()"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "CDS_SERVICE_LOOPBACK": "1"},
    )
    try:
        wait_until_answers(f"http://127.0.0.1:{port}/healthz", process)
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/cds-services", timeout=10) as answer:
            assert json.loads(answer.read())["services"]
    finally:
        process.terminate()
        process.wait(10)


def test_check_names_the_scenarios_that_no_longer_hold(tmp_path):
    for folder in ("cards", "fixtures"):
        shutil.copytree(packaged(folder), tmp_path / folder)
    story = tmp_path / "fixtures/scenarios/platelets-and-im.yaml"
    text = story.read_text()
    story.write_text(text.replace("topic: imPlateletsThinNeedle", "topic: imPlateletsThickNeedle", 1))
    checked = run("check", str(tmp_path / "cards"))
    assert checked.exit_code == 1
    assert all(": fixture: " in line and "platelets-and-im.yaml:" in line for line in checked.output.splitlines())
    assert "no rule has the topic 'imPlateletsThickNeedle'; did you mean 'imPlateletsThinNeedle'" in checked.output
    assert "unexpected card imPlateletsThinNeedle" in checked.output


def test_content_is_not_locked_while_scenarios_are_answered_otherwise(tmp_path):
    """The lock is what publishes content."""
    for folder in ("cards", "fixtures"):
        shutil.copytree(packaged(folder), tmp_path / folder)
    pack = tmp_path / "cards/vitamin-b12"
    table = pack / "decisions/imPlatelets/table.yaml"
    for path in (table, pack / "pack.yaml"):
        path.write_text(re.sub(r"(?m)^version: \d+", "version: 9", path.read_text(), count=1))
    table.write_text(table.read_text().replace("indicator: info", "indicator: warning"))
    before = (tmp_path / "cards/vitamin-b12/lock.json").read_bytes()
    told = run("check", "--update-lock", str(tmp_path / "cards"))
    assert told.exit_code == 1
    assert all(": fixture: " in line for line in told.output.splitlines())
    assert (tmp_path / "cards/vitamin-b12/lock.json").read_bytes() == before
    shutil.rmtree(tmp_path / "fixtures")
    assert run("check", "--update-lock", str(tmp_path / "cards")).exit_code == 0
    assert (tmp_path / "cards/vitamin-b12/lock.json").read_bytes() != before


@contextmanager
def standard_error_on_a_terminal(monkeypatch):
    """What is written to it, read at the end."""
    ours, theirs = pty.openpty()
    read = []
    with os.fdopen(theirs, "w") as terminal:
        monkeypatch.setattr("sys.stderr", terminal)
        yield read
        terminal.flush()
    monkeypatch.undo()
    with contextlib.suppress(OSError):  # the other end is closed
        while data := os.read(ours, 4096):
            read.append(data.decode())
    os.close(ours)


@pytest.mark.parametrize(("quiet_seconds", "is_shown"), [(0, True), (3600, False)])
def test_progress_is_told_on_a_terminal_once_it_takes_long(monkeypatch, quiet_seconds, is_shown):
    monkeypatch.setattr("cds_service.commands.common._QUIET_SECONDS", quiet_seconds)
    with standard_error_on_a_terminal(monkeypatch) as read:
        assert list(progress(range(50), "replay")) == list(range(50))
    text = "".join(read)
    assert ("replay" in text and "100%" in text) is is_shown


def test_progress_is_not_told_where_nobody_looks(monkeypatch, capfd):
    monkeypatch.setattr("cds_service.commands.common._QUIET_SECONDS", 0)
    assert list(progress(range(50), "replay")) == list(range(50))
    assert capfd.readouterr().err == ""


def test_an_unknown_scenario_is_answered_with_the_nearest_names():
    told = run("sample", "platelets-and-im/exactlyTwentyfive")
    assert told.exit_code == 2
    assert "platelets-and-im/exactlyTwentyFive" in told.output
    assert len(told.output) < 500
