"""The commands that the pages show, run as they are written, beside a copy of the content and a running service.

A block with a name is run here; one without a name is among ``NOT_RUN``, with the reason. Only the address of the
service is another: the tests of a machine share its ports. A page that is followed from beginning to end has a test of
its own, test_writing_a_pack.py.
"""

import json
import re
import shutil
import subprocess
from pathlib import Path

import click
import pytest

from cds_service.cli import main
from tests.support.places import ROOT
from tests.support.ports import free_port
from tests.support.servers import wait_until_answers
from tests.support.shown_commands import block, blocks, checkout, environment

PAGES = [
    "README.md",
    "docs/try.md",
    "docs/integrating.md",
    "docs/own-the-content.md",
    "docs/faq.md",
    "docs/upgrading.md",
]
SHOWN = "http://127.0.0.1:8080"
# By their beginning: why they are not run here.
NOT_RUN = {
    "git clone REPOSITORY": "there is no address yet; tests/outside/test_floor.py runs make run in a clone",
    "CDS_SERVICE_DEFAULT_PROFILE=sandbox": "it serves until it is ended, and the sandbox is elsewhere",
    ".venv/bin/cds-service replay\n": "tests/outside/test_command.py replays all",
    ".venv/bin/cds-service serve": "it serves until it is ended; the fixture below starts it",
    "touch site.toml": "it serves until it is ended; test_own_the_content.py takes it up",
    "curl -s http://127.0.0.1:8080/readyz": "tests/outside/deploy/test_withdrawal.py asks, goes back and asks again",
    ".venv/bin/cds-service check hospital/cards --site site.toml": "the second line serves until it is ended",
    "mv hospital/cards/lock.json": "nothing is at the old place; tests/outside/test_several_packs.py has check name it",
}
VERB = re.compile(r"cds-service ([a-z]+)")
KNOWN = set(main.list_commands(click.Context(main)))
TRY, INTEGRATE, OWN = "docs/try.md", "docs/integrating.md", "docs/own-the-content.md"
# Blocks of OWN in order, but that versions are raised only before they are locked: nothing else is changed here.
ON_THE_COPY = '"copy" "check" "impact" "my-number" "replay" "review" "bump" "changelog" "lock" "keep" "back"'


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("checkout")
    checkout(made)
    return made


@pytest.fixture
def service(folder: Path):
    """Starts the service in the folder with the given settings, at a port if one is given, and gives its address."""
    started = []

    def start(port: int = 0, **settings: str) -> str:
        port = port or free_port()
        command = [".venv/bin/cds-service", "serve", "--port", str(port)]
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        started.append(subprocess.Popen(command, cwd=folder, env=environment() | settings, **quiet))
        url = f"http://127.0.0.1:{port}"
        wait_until_answers(f"{url}/readyz", started[-1])
        return url

    yield start
    for process in started:
        process.terminate()
        process.wait(20)


def verbs(text: str) -> set[str]:
    """The verbs of ``cds-service`` in commands."""
    return set(VERB.findall(text))


def typed(
    folder: Path, page: str, name: str, url: str = "", *, after: str = "", **settings: str
) -> subprocess.CompletedProcess[str]:
    """Runs a block, at the service at ``url`` if there is one; all of its commands must succeed, also before a pipe.

    ``after`` is what was typed in the same terminal before.
    """
    places = {SHOWN: url, "cds-service fire": f"cds-service fire --url {url}"} if url else {}
    text = after + block(ROOT / page, name, places)
    if coming := verbs(text) - KNOWN:
        pytest.skip(f"cds-service has no {', '.join(coming)} yet")
    command = ["bash", "-euo", "pipefail", "-c", text]
    env = environment() | settings
    done = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done


def test_every_block_is_run_here_or_has_a_reason_why_not():
    run = set(re.findall(r'typed\(folder, (?:\w+), "([\w-]+)"', Path(__file__).read_text(encoding="utf-8")))
    run |= set(re.findall(r'"([\w-]+)"', ON_THE_COPY))
    shown = {}
    for page in PAGES:
        for name, text in blocks(ROOT / page):
            if name:
                shown[name] = page
            else:
                assert any(text.startswith(begin) for begin in NOT_RUN), f"{page}: {text}"
    assert run == set(shown)


@pytest.mark.parametrize("page", PAGES)
def test_every_verb_that_a_page_shows_is_one(page):
    named = verbs((ROOT / page).read_text(encoding="utf-8"))
    assert named <= KNOWN


def test_a_request_is_made_sent_and_explained(folder, service):
    answer = json.loads(typed(folder, TRY, "sample", service()).stdout)
    assert [card["indicator"] for card in answer["cards"]] == ["critical"]
    assert "TransfusionFirst" in typed(folder, TRY, "explain").stdout


def test_samples_are_fired_and_their_cards_printed(folder, service):
    assert "critical" in typed(folder, TRY, "fire", service()).stdout.lower()


def test_what_is_not_understood_is_listed_with_the_lines_that_map_it(folder):
    for name in ("requests", "export"):
        shutil.copytree(ROOT / "fixtures/captured/plain-2.0", folder / name, dirs_exist_ok=True)
    assert "understood" in typed(folder, INTEGRATE, "coverage").stdout


def test_a_token_is_made_trusted_and_sent(folder, service):
    """In two terminals with the same settings, of which only the port is another here."""
    port = free_port()
    terminal = typed(folder, INTEGRATE, "token-settings").args[-1]
    assert "PORT=8080\n" in terminal
    terminal = terminal.replace("PORT=8080", f"PORT={port}")
    typed(folder, INTEGRATE, "token-entry", after=terminal)
    trial = {"CDS_SERVICE_CLIENTS": "build/trial/clients.toml", "CDS_SERVICE_STORE": "build/trial/store.sqlite3"}
    assert all(f"{name}={value}" in terminal for name, value in trial.items())
    service(port, **trial)
    refused = typed(folder, INTEGRATE, "token-refused", after=terminal).stdout
    assert refused.startswith("HTTP/1.1 401 Unauthorized") and "A valid token of a client that may call" in refused
    answered = typed(folder, INTEGRATE, "token-curl", after=terminal).stdout
    assert answered.startswith("HTTP/1.1 200 OK") and json.loads(answered.splitlines()[-1])["cards"]
    assert "critical" in typed(folder, INTEGRATE, "token-fire", after=terminal).stdout.lower()
    report = typed(folder, INTEGRATE, "token-feedback", after=terminal).stdout
    assert report.startswith("200\n200\n") and "TransfusionFirst" in report and "overridden" in report
    assert {path.name for path in (folder / "build").iterdir()} == {"trial"}


def test_the_content_is_copied_compared_replayed_locked_and_kept(folder):
    """Without a change, so that each step says that all is well.

    The change itself is made in tests/content/test_own_the_content.py.
    """
    said = {}
    for name in re.findall(r'"([\w-]+)"', ON_THE_COPY):
        said[name] = typed(folder, OWN, name).stdout
    assert "content holds" in said["check"] and "content holds" in said["lock"]
    assert " 0 different" in said["replay"]
    assert "WARNING: Platelets 28 " in said["my-number"]
    assert "A signature is for" in (folder / "review/imPlatelets.html").read_text(encoding="utf-8")
    assert "<html" in (folder / "impact.html").read_text(encoding="utf-8")
    assert locked(folder / "hospital") == locked(folder / "hospital-as-it-came") == locked(ROOT)
    assert locked(folder / "hospital-wrong") == locked(next(folder.glob("hospital-2*"))) != locked(ROOT)


def locked(folder: Path) -> str:
    """The version of the content in a folder, as its lock has it."""
    lock = json.loads((folder / "cards/vitamin-b12/lock.json").read_text(encoding="utf-8"))
    return str(lock["versions"]["pack:vitamin-b12"])


def test_files_of_settings_that_a_page_shows_hold(folder):
    """The rule that is withdrawn is one of the content."""
    text = (ROOT / OWN).read_text(encoding="utf-8")
    (topic,) = re.findall(r"^```toml\n\[rules\.off\.(\w+)\]", text, re.M)
    decision = "imPlatelets"
    rules = (ROOT / f"cards/vitamin-b12/decisions/{decision}/table.yaml").read_text(encoding="utf-8")
    assert f"- id: {topic.removeprefix(decision)}\n" in rules
