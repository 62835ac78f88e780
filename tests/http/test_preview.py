"""The preview of content that is not released: the console alone shows it, and no client gets any of it."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from click.testing import CliRunner

from cds_service.cli import main
from cds_service.console.comparison import Comparison, Contents
from cds_service.console.preview import PreviewContent
from cds_service.console.preview_pages import BANNER
from cds_service.service.app import create_app
from cds_service.settings import Settings, SettingsError
from tests.support.keys import KEY
from tests.support.places import SECOND_PACK

TABLE = "cards/examplol/decisions/levelAndNeedle/table.yaml"
WORDS = "cards/examplol/decisions/levelAndNeedle/text.en.yaml"
HIGHER = [("version: 1.1.0", "version: 1.2.0"), ("'< 17'", "'< 20'"), ("'[17..23]'", "'[20..23]'")]
MARK = "marked words of the preview"


def edit(folder: Path, *changes: tuple[str, str], path: str = TABLE) -> None:
    file = folder / path
    text = file.read_text(encoding="utf-8")
    for before, after in changes:
        assert before in text
        text = text.replace(before, after)
    file.write_text(text, encoding="utf-8")


@pytest.fixture
def folder(tmp_path):
    """A copy of the second pack with its examples, in which one card says other words."""
    copy = Path(shutil.copytree(SECOND_PACK, tmp_path / "hospital"))
    edit(copy, ("the book thinks of tablets", MARK), path=WORDS)
    return copy


def served(folder: Path | None, tmp_path: Path, **settings):
    """A service of the second pack; with a preview if there is a ``folder``. Everything it keeps is its own."""
    own = tmp_path / ("with" if folder else "without")
    own.mkdir(exist_ok=True)
    preview = folder / "cards" if folder else None
    settings = {"loopback": True, "key": KEY, "cards": SECOND_PACK / "cards", "state": own, **settings}
    return create_app(Settings(store=f"sqlite:///{own / 'store.sqlite3'}", preview=preview, **settings))


@pytest.fixture
def client(folder, tmp_path):
    return served(folder, tmp_path).test_client()


def call() -> dict[str, object]:
    """A call that the second pack answers with a card."""
    done = CliRunner().invoke(main, ["sample"])
    assert done.exit_code == 0
    return json.loads(done.stdout)


# --- where there is one -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        ({"console": "off"}, "CDS_SERVICE_CONSOLE is off"),
        ({"loopback": False, "insecure": True}, "other machines can reach this service"),
    ],
)
def test_it_is_refused_where_the_console_is_off(folder, tmp_path, settings, why):
    with pytest.raises(SettingsError, match=why):
        served(folder, tmp_path, **settings)
    asked = served(folder, tmp_path, loopback=False, console="on").test_client()
    assert asked.get("/preview").status_code == 200  # whoever wants the console there has it whole


@pytest.mark.parametrize(
    ("arguments", "environment", "said"),
    [
        (["--host", "0.0.0.0", "--insecure"], {}, "other machines can reach this service"),  # noqa: S104
        ([], {"CDS_SERVICE_CONSOLE": "off"}, "CDS_SERVICE_CONSOLE is off"),
        ([], {"CDS_SERVICE_CLIENTS": "clients.toml"}, "clients are named with CDS_SERVICE_CLIENTS"),
        (["--workers", "2"], {}, "one worker"),
    ],
)
def test_serve_says_in_one_sentence_why_there_is_none(folder, arguments, environment, said):
    command = ["serve", "--port", "1", "--preview", str(folder / "cards"), *arguments]
    done = CliRunner().invoke(main, command, env=environment)
    assert done.exit_code == 2, done.output
    assert said in done.stderr and done.stderr.count("\n") == 1


def test_a_folder_that_is_not_there_is_wrong_use():
    done = CliRunner().invoke(main, ["serve", "--port", "1", "--preview", "/no/such/folder"])
    assert done.exit_code == 2 and "/no/such/folder" in done.stderr


def test_without_it_there_is_no_such_page(tmp_path):
    plain = served(None, tmp_path).test_client()
    assert plain.get("/preview").status_code == plain.get("/preview/pages/").status_code == 404
    assert "Preview" not in plain.get("/content").text


# --- nothing of it reaches a client -------------------------------------------------------------------------------


def counts(text: str) -> list[str]:
    """The metrics without times."""
    return [line for line in text.splitlines() if "seconds" not in line and "_created" not in line]


def test_no_answer_of_the_service_and_nothing_that_it_keeps_is_another(folder, tmp_path):
    """Everything is asked of one service with a preview and of one without, while the pages of the preview are used."""
    kept = []
    for preview in (folder, None):
        records = tmp_path / ("recorded-with" if preview else "recorded-without")
        app = served(preview, tmp_path, record=records)
        client = app.test_client()
        if preview is not None:
            for path in ("/preview", "/preview/pages/content"):
                assert client.get(path).status_code == 200
            body = {"request": json.dumps(call()), "now": "2026-11-23T12:00:00Z", "profile": "2.0"}
            assert client.post("/preview/pages/", data=body).status_code in (200, 400)
        answers = []
        listed = client.get("/cds-services").json["services"]
        for service in listed:
            body = call() | {"hook": service["hook"]}
            path = f"/cds-services/{service['id']}"
            answer = client.post(path, json=body)
            answers += [answer.status_code, answer.data]
            entry = {
                "card": "9ea9c5b6-34d9-4f4d-a7a9-6f3f4e0f7f00",
                "outcome": "accepted",
                "outcomeTimestamp": "2026-11-23T12:00:00Z",
            }
            answers += [client.post(f"{path}/feedback", json={"feedback": [entry]}).status_code]
        answers += [client.get(path).data for path in ("/cds-services", "/openapi.json", "/readyz", "/healthz")]
        page = client.get("/content").text
        answers.append(page.replace('<a href="/preview">Preview</a>', "").split())
        answers.append(counts(client.get("/metrics").text))
        app.extensions["recorder"].settle()
        recorded = [json.loads(file.read_text())["request"] for file in sorted(records.rglob("*.json"))]
        env = {"CDS_SERVICE_STORE": f"sqlite:///{tmp_path / ('with' if preview else 'without') / 'store.sqlite3'}"}
        app.test_client().get("/acceptance")  # which has counts written
        report = CliRunner().invoke(main, ["report", "--format", "json"], env=env)
        told = json.loads(report.stdout)
        told.pop("made_at")
        kept.append([*answers, recorded, told])
    with_preview, without = kept
    for one, other in zip(with_preview, without, strict=True):
        assert one == other
    assert MARK not in str(with_preview)


def test_released_pages_show_the_released_content_and_those_of_the_preview_its_own_under_a_banner(client):
    released, preview = "/content/decisions/levelAndNeedle", "/preview/pages/content/decisions/levelAndNeedle"
    assert MARK not in client.get(released).text and BANNER not in client.get(released).text
    page = client.get(preview)
    assert page.status_code == 200 and MARK in page.text
    assert 'href="/preview"' in client.get("/").text
    for path in ("/preview", "/preview/pages/", "/preview/pages/courses", "/preview/pages/content", preview):
        answer = client.get(path)
        assert answer.status_code == 200 and BANNER in answer.text
        assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
        assert not re.search(r"<script(?! src)|<style|\sstyle=", answer.text)


def test_the_page_of_the_preview_that_is_shown_is_marked_among_its_pages(client):
    for path, label in (("", "Try"), ("content", "Content"), ("content/decisions/levelAndNeedle", "Content")):
        page = client.get(f"/preview/pages/{path}").text
        assert re.findall(r'<a href="[^"]*" aria-current="page">(.*?)</a>', page) == [label]


def test_every_link_of_a_page_of_the_preview_stays_in_it_or_leads_to_a_page_that_is_there(client):
    for path in ("/preview/pages/content", "/preview/pages/content/decisions/levelAndNeedle"):
        links = set(re.findall(r'(?:href|src)="(/[^"#?]*)', client.get(path).text))
        assert any(link.startswith("/preview/pages/content/") for link in links)
        assert not any(link.startswith("/content") for link in links)
        for link in links - {
            "/",
            "/preview/pages/",
            "/preview/pages/courses",
            "/metrics",
        }:  # the tests above ask for them
            with client.get(link, follow_redirects=True) as answer:  # a file that is sent is closed
                assert answer.status_code == 200, link


def test_what_is_not_in_the_preview_is_a_page_of_its_own(client):
    for path in (
        "/preview/pages/content/decisions/levelAndNeedles",
        "/preview/pages/nowhere",
        "/preview/pages/acceptance",
    ):
        answer = client.get(path)
        assert answer.status_code == 404 and "There is no" in answer.text and BANNER in answer.text
    assert (
        "/preview/pages/content/decisions/levelAndNeedle"
        in client.get("/preview/pages/content/decisions/levelAndNeedles").text
    )


# --- content that is being written --------------------------------------------------------------------------------


def test_a_fault_is_shown_with_file_and_line_stops_nothing_and_is_gone_when_it_is_mended(client, folder):
    before = client.get("/readyz").data
    edit(folder, ("  - id: Below\n", "  - id: Below\n   bad: [\n"))
    answer = client.get("/preview")
    assert answer.status_code == 200
    found = re.search(r"<code>(cards/[^<]*table\.yaml):(\d+)</code>", answer.text)
    assert found and int(found[2]) > 1
    assert "Prove it and compare" not in re.sub(r"<form[^>]*hidden>.*?</form>", "", answer.text, flags=re.S)
    assert client.get("/preview/pages/content").status_code == 409
    assert found[1] in client.get("/preview/pages/content").text
    assert client.get("/readyz").data == before and client.get("/content").status_code == 200
    edit(folder, ("  - id: Below\n   bad: [\n", "  - id: Below\n"))
    assert client.get("/preview/pages/content").status_code == 200


@pytest.mark.parametrize("spoil", ["a number for a file", "no pack", "folder is gone"])
def test_whatever_stands_in_the_folder_is_never_500(client, folder, spoil):
    assert client.get("/preview").status_code == 200
    if spoil == "folder is gone":
        shutil.rmtree(folder)
    elif spoil == "no pack":
        (folder / "cards/examplol/pack.yaml").unlink()
    else:
        (folder / TABLE).write_text("7\n")
    for path in ("/preview", "/preview/pages/", "/preview/pages/content"):
        answer = client.get(path)
        assert answer.status_code in (200, 409) and "cannot be shown yet" in answer.text, path


def test_a_page_that_the_content_breaks_is_a_page_and_no_defect_of_the_service(folder, tmp_path, caplog):
    """A file is taken away after the content was read and before a page looks for it."""
    app = served(folder, tmp_path)
    pages = app.view_functions["preview.shown"].__self__
    shown = pages.console_of(PreviewContent(folder / "cards", None, "UTC").now()).test_client()
    assert shown.get("/content/value-sets/examplite").status_code == 200
    (folder / "cards/examplol/value-sets/examplite.yaml").unlink()
    answer = shown.get("/content/value-sets/examplite")
    assert answer.status_code == 500 and "The preview failed" in answer.text and BANNER in answer.text
    assert "a page of the preview failed: FileNotFoundError" in caplog.text and str(folder) not in caplog.text
    assert "cds_service_defects_total 0.0" in app.test_client().get("/metrics").text


def test_where_the_preview_is_not_proved_its_pages_say_that_a_missing_card_may_be_a_gap(client, folder):
    gap = [("way: [needle, mixed]", "way: mixed"), ("{id: NotSaid, then", "{id: NotSaid, when: {way: absent}, then")]
    edit(folder, *gap, path="cards/examplol/decisions/howGiven/table.yaml")
    assert "It is not proved: where no card is shown, it may have a gap." in client.get("/preview/pages/content").text
    compared(client)
    assert "Its proof failed: where no card is shown, it may have a gap." in client.get("/preview/pages/content").text


def test_a_changed_file_is_read_again_when_a_page_is_asked_for(client, folder):
    path = "/preview/pages/content/decisions/levelAndNeedle"
    assert MARK in client.get(path).text
    edit(folder, (MARK, "newer words"), path=WORDS)
    assert "newer words" in client.get(path).text
    edit(folder, *HIGHER)
    os.utime(folder / TABLE)
    assert "&lt; 20" in client.get(path).text


def compared(client):
    """The page once a comparison is done."""
    assert client.post("/preview/compare").status_code == 303
    assert "Under way for" in client.get("/preview").text
    return ended(client)


def ended(client):
    """The page once the comparison that is under way has ended."""
    for _ in range(3000):
        page = client.get("/preview").text
        if "Under way for" not in page:
            return page
        time.sleep(0.1)
    raise AssertionError("the comparison does not end")


def test_a_comparison_shows_what_stands_in_the_way_and_for_whom_the_answer_changes(client, folder):
    edit(folder, *HIGHER, ("basis: source\n  - {id: Within", "basis: hospital\n  - {id: Within"))
    page = compared(client)
    assert re.search(r"<li>cards/examplol/\S+:\d+: \w+: ", page)  # such as a version that is not raised
    assert "The impact" in page and "Examplite and the needle" in page and "1.1.0 to 1.2.0" in page
    assert re.search(r"<strong>\d+</strong> otherwise, for <strong>\d+</strong> patient", page)
    assert "have changed since" not in page
    edit(folder, (MARK, "still newer words"), path=WORDS)
    assert "have changed since" in client.get("/preview").text
    edit(folder, ("id: levelAndNeedle", "id: ["))  # broken while an older state has been compared
    broken = client.get("/preview")
    assert broken.status_code == 200 and "cannot be shown yet" in broken.text and "have changed since" in broken.text


def test_content_that_fails_its_proof_is_shown_with_the_place(client, folder):
    edit(folder, ("version: 1.1.0", "version: 1.2.0"), ("'< 17'", "'< 16'"))
    page = compared(client)
    assert re.search(r"<li>cards/examplol/decisions/levelAndNeedle/table\.yaml:\d+: gap: ", page)
    assert client.get("/readyz").status_code == 200


def test_a_comparison_is_begun_by_our_own_page_only(client):
    for headers in ({"Origin": "https://evil.example"}, {"Sec-Fetch-Site": "cross-site"}):
        assert client.post("/preview/compare", headers=headers).status_code == 403
    assert "Under way" not in client.get("/preview").text


def test_a_comparison_whose_process_is_killed_says_so_and_can_be_begun_again(client):
    assert client.post("/preview/compare").status_code == 303
    while not (children := comparing()):
        assert "Under way" in client.get("/preview").text
    os.kill(children[0], signal.SIGKILL)
    page = ended(client)
    assert "Its process ended with status -9 and said nothing." in page and "Prove it and compare again" in page
    assert client.get("/readyz").status_code == 200


def test_a_comparison_whose_process_ends_before_it_is_asked_tells_its_status(monkeypatch):
    monkeypatch.setattr(sys, "executable", shutil.which("false"))
    more_than_a_pipe_holds = ["/somewhere"] * 100_000
    comparison = Comparison(Contents("", "", None, "", "UTC", more_than_a_pipe_holds), about=None)
    while comparison.outcome is None:
        time.sleep(0.01)
    assert comparison.outcome.failure == "Its process ended with status 1 and said nothing."


def test_there_is_one_comparison_at_a_time(client):
    for _ in range(3):
        assert client.post("/preview/compare").status_code == 303
    children = comparing()
    assert len(children) <= 1
    for child in children:
        os.kill(child, signal.SIGKILL)
    ended(client)


def _bytes(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError:
        return b""


def test_Z27_a_service_with_a_preview_does_not_load_what_a_proof_needs(folder, tmp_path):
    code = (
        "import sys; from pathlib import Path; from cds_service.service.app import create_app;"
        "from cds_service.settings import Settings; cards = Path(sys.argv[1]);"
        "app = create_app(Settings(loopback=True, cards=Path(sys.argv[2]), preview=cards, state=Path(sys.argv[3])));"
        "page = app.test_client().get('/preview/pages/content').status_code;"
        "print(page, [name for name in ('fhir', 'cds_service.prove') if name in sys.modules])"
    )
    arguments = [str(folder / "cards"), str(SECOND_PACK / "cards"), str(tmp_path)]
    environment = os.environ | {"CDS_SERVICE_STORE": f"sqlite:///{tmp_path / 'store.sqlite3'}"}
    done = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, env=environment)
    assert done.stdout == "200 []\n", done.stderr


def comparing() -> list[int]:
    """The processes that compare for this one."""
    ours = [file.parent for file in Path("/proc").glob("[0-9]*/stat") if _parent(file) == os.getpid()]
    return [int(child.name) for child in ours if b"cds_service.console.comparing" in _bytes(child / "cmdline")]


def _parent(file: Path) -> int:
    try:
        return int(_bytes(file).decode().rpartition(")")[2].split()[1])
    except (ValueError, IndexError):
        return 0
