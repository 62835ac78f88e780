"""Whatever is given to a command wrongly is answered with one sentence: what, where, and what to do; never a traceback.

Exit status 2 is wrong use, 1 what was found or failed. A real process runs only where it adds something.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from click.testing import CliRunner

from cds_service.cli import main
from cds_service.packaged import packaged
from tests.support.ports import free_port
from tests.support.users import as_somebody_else

STORY = "story: x\nstatements: [S12]\npatient: kwame-mensah\ndraft: hydroxocobalamin-im-three-weekly\ncases:\n"
BROKEN_JSON = '{\n  "hook": "order-select",\n  "context": {,}\n}'
FILES = {
    "broken.json": BROKEN_JSON,
    "empty.json": "",
    "latin.json": b'{"hook":\n "\xe4"}',
    "list.json": "[1, 2]",
    "other.json": '{"feedback": []}',
    "deep.json": "[" * 100_000,
    "hook.json": '{"hook": "order-dispatch", "hookInstance": "x", "context": {}}',
    "half.json": '{"hook": "order-select", "hookInstance": ""}',
    "recording.json": '{"request": {"hook": "order-select"}, "now": "yesterday"}',
    "bad.ndjson": '{"resourceType": "Patient", "id": "a"}\n{"resourceType": "Observation", \n',
    "broken.yaml": "story: x\ncases:\n  - name: a\n   bad: [\n",
    "control.yaml": b"story: x\ncases: \x00\n",
    "latin.yaml": b"story: \xe4\n",
    "february.yaml": "story: x\nnow: 2026-02-31\n",
    "no-story.yaml": "hook: order-select\n",
    "word.yaml": STORY + "  - hello\n",
    "patient.yaml": STORY.replace("kwame-mensah", "nobody") + "  - {name: a, expect: []}\n",
    "draft.yaml": STORY.replace("hydroxocobalamin-im-three-weekly", "nothing") + "  - {name: a, expect: []}\n",
    "expect.yaml": STORY + "  - {name: right, expect: []}\n  - {name: a, expect: 7}\n",
    "topic.yaml": STORY + "  - {name: a, expect: [{indicator: info}]}\n",
    "time.yaml": STORY + "  - {name: a, now: tomorrow, expect: []}\n",
    "remove.yaml": STORY + "  - {name: a, remove: 7, expect: []}\n",
    "select.yaml": STORY + "  - {name: a, select: [9], expect: []}\n",
    "course.yaml": "course: x\nperson: {name: A}\nbegins: 2025-01-01\nmoments:\n\n  - {on: 0, problem: plague}\n",
    "broken.toml": "[codes]\na = 1\nb = [\n[more]\n",
    "clients.toml": "[clients.a\n",
    "client.toml": '[clients.a]\nissuer = "https://a.example"\n',
    "short.toml": "[nonsense]\na = 1\n",
    "not.sqlite3": "this is no database\n" * 100,
    "test-client.private.jwk.json": '{"kty": "EC",\n "crv": }',
    "other-key/test-client.private.jwk.json": '{"kty": "oct", "k": "AAAA"}',
}


@pytest.fixture(scope="module")
def given(tmp_path_factory):
    """A folder with everything that is wrong in it: files, folders, contents."""
    folder = tmp_path_factory.mktemp("given")
    for name, content in FILES.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    (folder / "empty").mkdir()
    (folder / "page").mkdir()
    (folder / "page" / "README.md").write_text("without marks")
    for name, content in (
        ("broken-pack", b"id: x\nservices: {,}\n"),
        ("latin-pack", b"id: \xe4\n"),
        ("control-pack", b"id: \x00\n"),
    ):
        shutil.copytree(packaged("cards"), folder / name)
        (folder / name / "vitamin-b12/pack.yaml").write_bytes(content)
    shutil.copytree(packaged("cards"), folder / "broken-lock")
    (folder / "broken-lock/vitamin-b12/lock.json").write_text("[" * 100_000)
    (folder / "beside/fixtures/scenarios").mkdir(parents=True)
    (folder / "beside/fixtures/scenarios/x.yaml").write_text(FILES["word.yaml"])
    shutil.copytree(packaged("cards"), folder / "beside/cards")
    return folder


def run(folder, *arguments, stdin="", **environment):
    values = {name: value.replace("DIR", str(folder)) for name, value in environment.items()}
    asked = [argument.replace("DIR", str(folder)) for argument in arguments]
    return CliRunner().invoke(main, asked, env=values, input=stdin)


def assert_one_sentence(done, status, *words):
    assert done.exception is None or isinstance(done.exception, SystemExit), repr(done.exception)
    said = (done.stderr or done.stdout).strip().splitlines()
    assert done.exit_code == status, done.output
    assert len(said) == 1, said
    assert not done.stderr or not done.stdout.strip(), done.stdout
    assert "Traceback" not in said[0] and "Errno" not in said[0] and "Error: Error" not in said[0]
    assert [word for word in words if word not in said[0]] == [], said[0]


WRONG_USE = [
    (["frob"], "No such command 'frob'. See ", " --help"),
    (["--nonsense"], "No such option '--nonsense'. See ", " --help"),
    (["explain"], "Missing argument 'REQUEST.json'. See ", "explain --help"),
    (["explain", "DIR/none.json"], "none.json': No such file or directory"),
    (["explain", "DIR/empty"], "empty': Is a directory"),
    (["explain", "DIR/half.json", "--now", "tomorrow"], "--now", "'tomorrow' is no ISO 8601 time such as 2026-"),
    (["explain", "DIR/half.json", "--now", "0001-01-01"], "--now", "not within the years 1900 to 2199"),
    (["replay", "DIR/half.json", "--now", "9999-12-31"], "--now", "not within the years"),
    (["report", "--since", "lately"], "--since", "'lately' is no ISO 8601 time"),
    (["replay", "DIR/none.yaml"], "none.yaml' does not exist"),
    (["replay", "DIR/empty"], "empty: there are no scenarios or courses"),
    (["replay", "DIR/broken.json"], "broken.json:3:15: this is not JSON"),
    (["replay", "DIR/empty.json"], "empty.json:1:1: this is not JSON"),
    (["replay", "DIR/latin.json"], "latin.json:2:3: this is not UTF-8"),
    (["replay", "DIR/deep.json"], "deep.json:1: the JSON is nested too deeply"),
    (["replay", "DIR/other.json"], "other.json: not a request to a CDS service: it names no hook"),
    (["replay", "DIR/recording.json"], "recording.json: a recording must say the time"),
    (["replay", "DIR/broken.yaml"], "broken.yaml:4:4: this is not YAML: "),
    (["replay", "DIR/control.yaml"], "control.yaml:2:8: this is not YAML: "),
    (["replay", "DIR/latin.yaml"], "latin.yaml:1:8: this is not UTF-8"),
    (["replay", "DIR/february.yaml"], "february.yaml: this cannot be read: day is out of range"),
    (["replay", "DIR/no-story.yaml"], "no-story.yaml:1: not a story of scenarios"),
    (["replay", "DIR/word.yaml"], "word.yaml:6: a case is names and values"),
    (["replay", "DIR/patient.yaml"], "patient.yaml:6: a: no patient 'nobody' in patients/"),
    (["replay", "DIR/draft.yaml"], "draft.yaml:6: a: no draft 'nothing' in drafts/"),
    (["replay", "DIR/expect.yaml"], "expect.yaml:7: a: expect is a list of cards"),
    (["replay", "DIR/topic.yaml"], "topic.yaml:6: a: expect is a list of cards, each with topic and indicator"),
    (["replay", "DIR/time.yaml"], "time.yaml:6: a: now is a time such as 2026-"),
    (["replay", "DIR/remove.yaml"], "remove.yaml:6: a: remove is written as a list"),
    (["replay", "DIR/select.yaml"], "select.yaml:6: a: select names drafts by number, 1 to 1"),
    (["replay", "DIR/course.yaml"], "course.yaml:6: moment 1 (on 0): 'plague' is no problem"),
    (["replay", "--against", ""], "--against", "'' is no URL such as http://127.0.0.1:8080"),
    (["replay", "--against", "localhost:8080"], "--against", "is no URL such as"),
    (["replay", "--against", "http://["], "--against", "is no URL such as"),
    (["replay", "--fhir-server", "ftp://a.example"], "--fhir-server", "is no URL such as"),
    (["replay", "DIR/half.json", "--cards", "--format", "json"], "--cards is for text; --format json has the cards"),
    (["replay", "DIR/half.json", "--format", "pdf"], "--format", "'pdf' is not one of"),
    (["coverage"], "Missing argument 'PATH...'. See ", "coverage --help"),
    (["coverage", "DIR/empty"], "empty: there is neither JSON nor NDJSON nor YAML in it"),
    (["impact", "HEAD"], "Missing argument 'NEW'. See ", "impact --help"),
    (["impact", "DIR/none", "DIR/empty", "DIR/half.json"], "none is neither a folder nor a revision"),
    (["impact", "HEAD", "HEAD", "DIR/broken.json"], "broken.json:3:15: this is not JSON"),
    (["impact", "HEAD", "HEAD", "DIR/word.yaml"], "word.yaml:6: a case is names and values"),
    (["export"], "Missing argument", "dmn, plandefinition, openapi", "export --help"),
    (["export", "pdf"], "'pdf' is not one of"),
    (["export", "dmn", "--out", "DIR/list.json"], "--out", "list.json' is a file"),
    (["check", "DIR/none"], "none' does not exist"),
    (["check", "DIR/list.json"], "list.json' is a file"),
    (["check", "--site", "DIR/none.toml"], "--site", "none.toml' does not exist"),
    (["sample", "nasal/oneSprays"], "There is no scenario 'nasal/oneSprays'", "nasal/oneSpray"),
    (["fire", "nasal/oneSprays"], "There is no scenario 'nasal/oneSprays'"),
    (["fire", "--url", "127.0.0.1"], "--url", "'127.0.0.1' is no URL such as http://127.0.0.1:8080"),
    (["fire", "--token-from", "DIR/none"], "--token-from", "No such file"),
    (["fire", "--token-from", "DIR/list.json"], "list.json holds no signed token"),
    (["fire", "--token-from", "DIR/latin.json"], "latin.json holds no signed token"),
    (["token", "--client", "a b"], "'a b' is no name of a client"),
    (["token", "--seconds", "0"], "--seconds", "0 is not in the range"),
    (["token", "--seconds", "90000"], "no token of more than 3600 seconds (CDS_SERVICE_TOKEN_LIFE_SECONDS)"),
    (["token", "--folder", "DIR"], "test-client.private.jwk.json:2:9: this is not JSON", "delete it"),
    (
        ["token", "--folder", "DIR/other-key"],
        "test-client.private.jwk.json: this is no private key for ES384",
        "delete it",
    ),
    (["token", "--url", "nowhere"], "--url", "is no URL such as"),
    (["serve", "--port", "80801"], "--port", "80801 is not in the range 1<=x<=65535"),
    (["serve", "--port", "0"], "--port", "0 is not in the range 1<=x<=65535"),
    (["serve", "--port", "eighty"], "--port", "'eighty' is not a valid integer"),
    (["serve", "--workers", "0"], "--workers", "0 is not in the range x>=1"),
    (["serve", "--host", "192.0.2.1"], "192.0.2.1 is not a loopback host", "use --insecure"),
    (["serve", "--deidentify"], "--deidentify is about recordings; name their folder with --record"),
    (["serve", "--record", "DIR/list.json"], "--record", "list.json' is a file"),
    (["serve", "--record", "/proc/none"], "/proc/none cannot be used for recordings"),
]
FAILED = [
    (["explain", "DIR/broken.json"], "broken.json:3:15: this is not JSON"),
    (["explain", "DIR/latin.json"], "latin.json:2:3: this is not UTF-8"),
    (["explain", "DIR/deep.json"], "deep.json:1: the JSON is nested too deeply"),
    (["explain", "DIR/list.json"], "list.json: expected object, got array"),
    (["explain", "DIR/hook.json"], "hook.json: hook: no service answers this hook"),
    (["explain", "-"], "standard input:1:1: this is not JSON"),
    (
        ["replay", "DIR/hook.json", "--content", "DIR/broken-pack"],
        "broken-pack/vitamin-b12/pack.yaml:2: schema: this is not YAML",
    ),
    (["replay", "--against", "http://127.0.0.1:9"], "http://127.0.0.1:9/cds-services does not answer: nobody listens"),
    (["replay", "DIR/hook.json", "--fhir-server", "http://127.0.0.1:9"], "http://127.0.0.1:9/metadata does not answer"),
    (
        ["fire", "--url", "http://127.0.0.1:9"],
        "does not answer: nobody listens there",
        "Start it there with: cds-service serve --port 9. If it runs elsewhere, say where: cds-service fire --url ",
    ),
    (["check", "DIR/empty"], "empty: found no pack"),
    (["check", "DIR/broken-pack"], "broken-pack/vitamin-b12/pack.yaml:2: schema: this is not YAML (column 12): "),
    (["check", "DIR/latin-pack"], "latin-pack/vitamin-b12/pack.yaml:1: schema: this is not UTF-8"),
    (["check", "DIR/control-pack"], "control-pack/vitamin-b12/pack.yaml:1: schema: this is not YAML: "),
    (["check", "DIR/broken-lock"], "broken-lock/vitamin-b12/lock.json:1: lock: this is not a whole lock"),
    (["check", "DIR/beside/cards"], "scenarios/x.yaml:6: fixture: a case is names and values"),
    (["check", "--site", "DIR/broken.toml"], "broken.toml:4: site: this is not TOML: ", "line 4, column"),
    (["check", "--site", "DIR/short.toml"], "short.toml:1: site: (top): "),
    (["export", "dmn", "--cards", "DIR/empty"], "empty: found no pack"),
    (["export", "dmn", "--out", "/proc/none"], "/proc/none: there is no such file or folder; check its name"),
    (["export", "openapi", "--out", "/proc/none"], "/proc/none: there is no such file or folder"),
    (["export", "clinical", "--out", "DIR/empty"], "empty/", ": there is no such file or folder"),
    (["export", "statements", "--out", "DIR/page"], "page/", ": no place for it"),
    (["serve", "--host", "no.such.host.invalid", "--insecure"], "no.such.host.invalid cannot be listened on"),
]
OF_THE_ENVIRONMENT = [
    (["report"], "CDS_SERVICE_TIME_ZONE", "Mars/Base", 2, "CDS_SERVICE_TIME_ZONE cannot be used"),
    (["token"], "CDS_SERVICE_STOER", "x", 2, "CDS_SERVICE_STOER is no setting; the nearest is CDS_SERVICE_STORE"),
    (["fire", "--help"], "CDS_SERVICE_STOER", "x", 0, ""),
    (["serve"], "CDS_SERVICE_CONSOLE", "maybe", 2, "CDS_SERVICE_CONSOLE cannot be used"),
    (["report"], "CDS_SERVICE_STORE", "sqlite:/x", 2, "CDS_SERVICE_STORE: the store must be a file"),
    (["report"], "CDS_SERVICE_STORE", "postgresql://a@b:port/c", 2, "CDS_SERVICE_STORE: the store must be a file"),
    (["report"], "CDS_SERVICE_STORE", "mysql://a@b/c", 2, "CDS_SERVICE_STORE: the store must be a file"),
    (["report"], "CDS_SERVICE_STORE", "sqlite:////proc/x/y", 1, "The store sqlite:////proc/x/y cannot be read: "),
    (["report"], "CDS_SERVICE_STORE", "sqlite:///DIR/empty", 1, "unable to open database file"),
    (["report"], "CDS_SERVICE_STORE", "sqlite:///DIR/not.sqlite3", 1, "file is not a database"),
    (["check"], "CDS_SERVICE_CARDS", "DIR/none", 1, "none: there is no such folder"),
    (["check"], "CDS_SERVICE_SITE", "DIR/none.toml", 1, "none.toml: No such file or directory; CDS_SERVICE_SITE"),
    (["sample"], "CDS_SERVICE_CARDS", "DIR/empty", 1, "empty: found no pack"),
    (["coverage", "DIR/list.json"], "CDS_SERVICE_SITE", "DIR/broken.toml", 1, "broken.toml:4: site: this is not TOML"),
    (["token"], "CDS_SERVICE_CLIENTS", "DIR/clients.toml", 1, "clients.toml:1: clients: this is not TOML"),
    (["token"], "CDS_SERVICE_CLIENTS", "DIR/client.toml", 1, "client.toml:1: clients: clients/a: no base-urls"),
    (["token"], "CDS_SERVICE_STATE", "/proc/none", 1, "/proc/none: there is no such file or folder"),
]


@pytest.mark.parametrize(("arguments", "words"), [(a, words) for a, *words in WRONG_USE], ids=lambda v: " ".join(v))
def test_wrong_use_is_one_sentence_and_status_two(given, arguments, words):
    assert_one_sentence(run(given, *arguments), 2, *words)


@pytest.mark.parametrize(("arguments", "words"), [(a, words) for a, *words in FAILED], ids=lambda v: " ".join(v))
def test_what_fails_is_one_sentence_and_status_one(given, arguments, words):
    assert_one_sentence(run(given, *arguments), 1, *words)


@pytest.mark.parametrize(("arguments", "name", "value", "status", "words"), OF_THE_ENVIRONMENT)
def test_what_the_environment_says_wrongly_is_one_sentence(given, arguments, name, value, status, words):
    if status == 0:  # help is given whatever the environment says
        assert run(given, *arguments, **{name: value}).exit_code == 0
        return
    done = run(given, *arguments, **{name: value})
    if name == "CDS_SERVICE_CLIENTS" and len(done.stderr.splitlines()) > 1:  # one line for each thing that is wrong
        assert done.exit_code == status and words in done.stderr and "Traceback" not in done.stderr
        return
    assert_one_sentence(done, status, words)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("CDS_SERVICE_CLIENTS", "DIR/none: No such file or directory; CDS_SERVICE_CLIENTS names it"),
        ("CDS_SERVICE_SITE", "DIR/none: No such file or directory; CDS_SERVICE_SITE or --site names it"),
        ("CDS_SERVICE_CARDS", "DIR/none: there is no such folder; CDS_SERVICE_CARDS names it"),
    ],
)
def test_what_a_setting_names_and_is_not_there_is_told_with_the_setting(given, name, said):
    settings = {name: "DIR/none", "CDS_SERVICE_STORE": "DIR/store.sqlite3", "CDS_SERVICE_STATE": "DIR/state"}
    done = run(given, "serve", "--port", str(free_port()), **settings)
    assert_one_sentence(done, 1, f"Error: {said.replace('DIR', str(given))}")


@pytest.mark.parametrize(
    ("name", "value", "why"),
    [
        ("CDS_SERVICE_FHIR_CA_BUNDLE", "DIR/none.pem", "no such file or directory"),
        ("CDS_SERVICE_FHIR_CA_BUNDLE", "DIR/word.yaml", "it holds no certificates (PEM)"),
        ("CDS_SERVICE_FHIR_CA_BUNDLE", "DIR", "is a directory"),
        ("CDS_SERVICE_AUDIT", "DIR/none/audit.ndjson", "no such file or directory"),
        ("CDS_SERVICE_AUDIT", "DIR", "is a directory"),
    ],
)
def test_a_file_that_only_calls_would_need_stops_the_start_if_it_cannot_be_used(given, name, value, why):
    done = run(given, "serve", CDS_SERVICE_STORE="DIR/store.sqlite3", **{name: value})
    assert_one_sentence(done, 2, f"{name} cannot be used: {why}")


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("broken.json", "broken.json:3:15: this is not JSON"),
        ("bad.ndjson", "bad.ndjson:2:33: this is not JSON"),
        ("latin.json", "latin.json:2:3: this is not UTF-8"),
        ("deep.json", "deep.json:1: the JSON is nested too deeply"),
        ("word.yaml", "word.yaml:6: a case is names and values"),
        ("broken.yaml", "broken.yaml:4:4: this is not YAML"),
    ],
)
@pytest.mark.parametrize("form", ["text", "json", "site"])
def test_coverage_tells_of_a_file_that_it_cannot_read_and_reads_the_others(given, name, said, form):
    done = run(given, "coverage", f"DIR/{name}", "DIR/half.json", "--format", form)
    assert done.exit_code == 1 and done.exception.code == 1
    told = done.stdout if form == "text" else done.stderr
    assert told.count(said) == 1
    if form == "json":
        assert json.loads(done.stdout)["requests"] == 1


def test_every_fault_of_a_request_has_its_path(given):
    done = run(given, "explain", "DIR/half.json")
    assert done.exit_code == 1
    assert done.stderr.splitlines() == [
        f"Error: {given}/half.json: context: a required member is missing",
        f"{given}/half.json: hookInstance: expected a non-empty string",
    ]


def typed(*arguments, **more):
    command = [sys.executable, "-m", "cds_service", *arguments]
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONUNBUFFERED"}  # as a person has it
    return subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment, **more)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
@pytest.mark.parametrize("arguments", [["sample"], ["export", "openapi"], ["--version"]], ids=" ".join)
def test_a_full_disk_is_one_sentence(arguments):
    with Path("/dev/full").open("w") as full:
        process = typed(*arguments, stdout=full)
        _, said = process.communicate(timeout=60)
    assert process.returncode == 1
    assert said == "Error: the output: there is no space left where it is written; free some, or write elsewhere\n"


def test_who_has_read_enough_is_told_nothing():
    """``cds-service export dmn | head -1``"""
    with typed("export", "dmn", stdout=subprocess.PIPE) as process:
        assert process.stdout.read(1)
        process.stdout.close()
        assert process.stderr.read() == ""
    assert process.returncode == 1


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        (["explain", "DIR/locked.json"], 2, "locked.json': Permission denied"),
        (["replay", "DIR/locked.json"], 2, "locked.json' is not readable"),
        (["export", "openapi", "--out", "DIR/locked"], 1, "locked/openapi.json: this user may not do that"),
        (["token", "--folder", "DIR/locked"], 1, "locked/test-client.private.jwk.json: this user may not do that"),
        (["check", "--site", "DIR/locked.json"], 2, "locked.json' is not readable"),
        (["coverage", "DIR/locked.json"], 2, "locked.json' is not readable"),
    ],
)
def test_what_may_not_be_read_or_written_is_one_sentence(arguments, status, words):
    folder = Path(tempfile.mkdtemp(prefix="cds-service-"))
    try:
        folder.chmod(0o755)
        (folder / "locked").mkdir(mode=0o555)
        (folder / "locked.json").write_text("{}")
        (folder / "locked.json").chmod(0)
        run(folder, arguments[0], "--help")  # what is imported is there before
        with as_somebody_else():
            done = run(folder, *arguments)
        assert_one_sentence(done, status, words)
    finally:
        shutil.rmtree(folder)


def test_serve_says_once_that_its_store_cannot_be_used_and_not_where_feedback_is_kept(given):
    """And it says so of a port that is taken only after that: the store of a second service is never opened."""
    environment = {"CDS_SERVICE_STORE": f"sqlite:///{given}/not.sqlite3", "XDG_STATE_HOME": str(given)}
    port = free_port()
    process = subprocess.Popen(
        [sys.executable, "-m", "cds_service", "serve", "--port", str(port)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=os.environ | environment | {"PYTHONUNBUFFERED": "1"},
    )
    lines = []
    try:
        for line in process.stdout:
            lines.append(line)
            if line.startswith("May call"):
                break
    finally:
        process.terminate()
        rest, _ = process.communicate(timeout=30)
    said = "".join([*lines, rest.partition("\n{")[0]])
    assert said.count("file is not a database") >= 1
    assert "".join(line for line in lines if not line.startswith("{")).count("cannot be used") == 1
    assert "Feedback is kept in" not in said and "Traceback" not in said
