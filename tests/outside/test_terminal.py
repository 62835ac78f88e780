"""Nothing that a terminal obeys comes out of a command, whatever stands in what the command reads."""

import ast
import json
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner

from cds_service.cli import main
from cds_service.commands.common import printable
from cds_service.packaged import packaged
from cds_service.service.app import create_app
from cds_service.settings import Settings
from tests.support.keys import KEY
from tests.support.places import ROOT

# A title of the window, colours, C1 controls, a cursor that goes up, an overwritten line, a reversed one, a new line.
PLANTED = "\x1b]0;owned\x07 \x1b[31m \x9b2J \x90q\x9c \x1b[1A\r \u202eabc\u2066 \x00\x08\x7f \u2028 \nforged 7 of 7"
OBEYED = [
    *map(chr, (*range(9), *range(11, 32), *range(127, 160))),
    *"\u061c\u200e\u200f\u2028\u2029\u202a\u202e\u2066\u2069",
]


def assert_obeys_nothing(done):
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    said = done.output + done.stderr
    assert said.strip()
    assert [sign for sign in OBEYED if sign in said] == []


def run(*arguments):
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def poisoned(tree, kept=("resourceType", "hook", "system", "code", "id", "patientId", "reference", "status", "intent")):
    """Every word hostile, but for those without which nothing is read at all."""
    if isinstance(tree, dict):
        return {
            key: value if key in kept and isinstance(value, str) else poisoned(value) for key, value in tree.items()
        }
    if isinstance(tree, list):
        return [poisoned(item) for item in tree]
    return PLANTED if isinstance(tree, str) else tree


@pytest.fixture
def request_file(tmp_path, request_for):
    body = poisoned(request_for("kwame-mensah", "hydroxocobalamin-im-three-weekly"))
    body |= {"hookInstance": "d1577c69-dfbe-44ad-ba6d-3e05e953b2ea"}
    path = tmp_path / f"request{PLANTED.replace('/', '').replace(chr(0), '')[:40]}.json"
    path.write_text(json.dumps(body))
    return path


def test_every_sign_that_is_obeyed_is_taken_out_and_no_other():
    assert printable("".join(OBEYED)) == ""
    assert printable("\t× 10⁹/L ≥ ü “x”\u200b\n") == "\t× 10⁹/L ≥ ü “x”\u200b\n"
    assert printable("\ud800") == ""


def test_report_prints_reasons_that_others_wrote(tmp_path, monkeypatch, request_for, cards_of):
    store = f"sqlite:///{tmp_path}/store.sqlite3"
    monkeypatch.setenv("CDS_SERVICE_STORE", store)
    service = create_app(Settings(loopback=True, key=KEY, store=store)).test_client()
    path = "/cds-services/vitamin-b12-order-select"
    (card, *_) = cards_of(service.post(path, json=request_for("kwame-mensah", "hydroxocobalamin-im-three-weekly")))
    reason = {"reason": {"code": PLANTED, "system": "urn:x", "display": PLANTED}}
    entry = {"card": card["uuid"], "outcome": "overridden", "outcomeTimestamp": "2026-01-05T09:30:00Z"}
    sent = service.post(f"{path}/feedback", json={"feedback": [entry | {"overrideReason": reason}]})
    assert sent.status_code == 200
    done = run("report")
    assert_obeys_nothing(done)
    assert "owned" in done.output
    assert not any(line.startswith("forged") for line in done.output.splitlines())
    assert_obeys_nothing(run("report", "--format", "json"))


@pytest.mark.parametrize("form", ["text", "json"])
def test_explain_prints_a_request_of_others(request_file, form):
    done = run("explain", request_file, "--format", form)
    assert_obeys_nothing(done)
    assert "owned" in done.output


@pytest.mark.parametrize("form", ["text", "json", "site"])
def test_coverage_prints_words_codes_and_names_of_files(request_file, form):
    broken = request_file.with_suffix(".ndjson")
    broken.write_text('{"resourceType": "' + PLANTED.replace("\n", "") + '"')
    assert_obeys_nothing(run("coverage", request_file.parent, "--format", form))


@pytest.mark.parametrize("form", ["text", "json", "junit", "html"])
def test_replay_prints_scenarios_and_requests_of_others(request_file, tmp_path, form):
    story = tmp_path / "x.yaml"
    name = json.dumps(f"a {PLANTED}")
    story.write_text(
        f"story: {name}\nstatements: [S12]\npatient: kwame-mensah\ndraft: hydroxocobalamin-im-three-weekly\n"
        f"cases: [{{name: silent, why: {name}, expect: []}}]\n"
    )
    for path in (story, request_file):
        assert_obeys_nothing(run("replay", path, "--format", form))


@pytest.mark.parametrize("form", ["text", "json", "html"])
def test_impact_prints_requests_of_others(request_file, form):
    cards = packaged("cards")
    assert_obeys_nothing(run("impact", cards, cards, request_file, "--format", form))


@pytest.mark.parametrize("form", ["text", "json"])
def test_check_prints_content_of_others(tmp_path, form):
    cards = tmp_path / "cards"
    shutil.copytree(packaged("cards"), cards)
    pack = cards / "vitamin-b12/pack.yaml"
    pack.write_text(pack.read_text() + json.dumps(PLANTED) + ": 1\n")
    done = run("check", cards, "--format", form)
    assert done.exit_code == 1
    assert_obeys_nothing(done)


@pytest.mark.parametrize("command", ["explain", "check", "coverage", "replay", "sample", "export", PLANTED])
def test_messages_repeat_arguments_without_what_is_obeyed(command):
    done = run(command, PLANTED.replace("\0", ""))
    assert done.exit_code == 2
    assert_obeys_nothing(done)


def test_a_site_file_with_such_words_is_refused_without_them(tmp_path, monkeypatch):
    site = tmp_path / "site.toml"
    site.write_text('"\\u001b[31m" = 1\n')
    monkeypatch.setenv("CDS_SERVICE_SITE", str(site))
    assert_obeys_nothing(run("export", "dmn"))


def test_no_command_prints_in_another_way():
    """One function at the edge; whatever else prints would be forgotten."""
    for path in Path(ROOT, "cds_service/commands").glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            name = ast.unparse(node.func) if isinstance(node, ast.Call) else ""
            echoes = name in ("click.echo", "click.secho", "print", "sys.stdout.write", "sys.stderr.write")
            assert not echoes or (path.name == "common.py" and name == "click.echo"), f"{path.name}:{node.lineno}"
