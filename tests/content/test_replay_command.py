"""Replays of recordings and captured requests as a program meets them: odd files, odd answers, a report still."""

from __future__ import annotations

import json
import re
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from xml.etree import ElementTree

import pytest
from click.testing import CliRunner

from cds_service.cli import main
from cds_service.packaged import packaged

NOW = "2026-11-23T12:00:00Z"


def run(*arguments):
    return CliRunner().invoke(main, ["replay", *map(str, arguments)])


@pytest.fixture
def recording(tmp_path, request_for):
    """Writes a recording of a request that is answered with a critical card; ``changes`` are laid over it."""

    def write(**changes):
        body = request_for("kwame-mensah", "hydroxocobalamin-im-three-weekly")
        file = tmp_path / "recording.json"
        file.write_text(json.dumps({"now": NOW, "profile": "2.0", "request": body} | changes), encoding="utf-8")
        return file

    return write


def test_a_recording_whose_time_has_no_offset_is_of_utc(recording):
    there, same = (run(recording(now=now), "--format", "json") for now in (NOW, NOW.removesuffix("Z")))
    assert json.loads(there.stdout)[0]["cards"]
    assert same.exit_code == 0, same.output
    assert [c["summary"] for c in json.loads(same.stdout)[0]["cards"]] == [
        c["summary"] for c in json.loads(there.stdout)[0]["cards"]
    ]


@pytest.mark.parametrize("profile", ["nobody", 3, None])
def test_a_recording_of_an_unknown_profile_is_named(recording, profile):
    told = run(file := recording(profile=profile))
    assert told.exit_code == 2
    assert str(file) in told.stderr and "epic" in told.stderr


def test_junit_is_xml_whatever_a_request_says(recording):
    told = run(recording(request={"hook": "order\u0001\u000b\ufffe<&>", "context": {}}), "--format", "junit")
    assert told.exit_code == 1
    failure = ElementTree.fromstring(told.stdout).find("testcase/failure")  # noqa: S314
    assert "<&>" in failure.attrib["message"]


STORY = """story: one
statements: [S12]
patient: kwame-mensah
draft: hydroxocobalamin-im-three-weekly
cases:
  - name: right
    why: as it is
    expect: [{topic: imPlateletsTransfusionFirst, indicator: critical, suggestions: [Order a platelet count]}]

  - name: wrong
    why: on purpose
    expect: []
"""
COURSE = """course: two
patient: kwame-mensah
begins: 2026-10-01
moments:
  - {on: 0, problem: pernicious anaemia}
  # the same drug
  - name: wrong
    on: 2026-11-23
    hook: order-select
    draft: hydroxocobalamin-im-three-weekly
    expect: []
"""


@pytest.fixture
def different(tmp_path):
    """A story and a course, each with one scenario that differs."""
    files = (tmp_path / "one.yaml", tmp_path / "two.yaml")
    for file, text in zip(files, (STORY, COURSE), strict=True):
        file.write_text(text, encoding="utf-8")
    return files


def test_what_differs_is_named_with_its_file_and_line(different):
    told = run(*different)
    assert told.exit_code == 1
    failed = [line for line in told.stdout.splitlines() if line.startswith("FAIL  ")]
    assert failed[0].startswith(f"FAIL  {different[0]}:10: one/wrong: ")
    assert failed[1].startswith(f"FAIL  {different[1]}:7: two/wrong: ")
    results = json.loads(run(*different, "--format", "json").stdout)
    assert [(r["scenario"], r["where"]) for r in results] == [
        ("one/right", f"{different[0]}:6"),
        ("one/wrong", f"{different[0]}:10"),
        ("two/wrong", f"{different[1]}:7"),
    ]
    suite = ElementTree.fromstring(run(*different, "--format", "junit").stdout)  # noqa: S314
    assert [(case.attrib["file"], case.attrib["line"]) for case in suite.iter("testcase")] == [
        (str(different[0]), "6"),
        (str(different[0]), "10"),
        (str(different[1]), "7"),
    ]


def test_every_scenario_of_ours_knows_the_line_of_its_name(scenarios):
    """Read a second time in another way."""
    texts = {path: path.read_text(encoding="utf-8").splitlines() for path in {s.path for s in scenarios}}
    for scenario in scenarios:
        name = scenario.name.partition("/")[2]
        begin = texts[scenario.path][scenario.line - 1 :]
        own = begin[: next((n for n, line in enumerate(begin[1:], 1) if re.match(r" *- ", line) and n > 0), None)]
        assert re.search(rf"\bname: *[\"']?{re.escape(name)}\b", "\n".join(own)), (scenario.path, scenario.line)


def test_cards_are_shown_as_people_read_them(different):
    told = run(different[0], "--cards")
    lines = told.stdout.splitlines()
    assert lines[0] == f"show  {different[0]}:6: one/right: 1 card"
    assert lines[1].startswith("      CRITICAL: Platelets 22 ")
    assert any(line.startswith(f"FAIL  {different[0]}:10: ") for line in lines)
    assert lines[-1] == "1 as expected, 1 different, 0 skipped"
    assert "**" not in told.stdout


class Gateway(BaseHTTPRequestHandler):
    """Discovery as it should be; every call is answered by something in between that speaks HTML or a list."""

    status, answer = 502, b""

    def log_message(self, *_):
        pass

    def _send(self, status, body):
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        self._send(200, b'{"services": [{"hook": "order-select", "id": "x", "prefetch": {}}]}')

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        self._send(self.status, self.answer)


@pytest.mark.parametrize(
    ("status", "answer"),
    [
        (502, b"<html>Bad gateway</html>"),
        (502, b"[]"),
        (502, b'{"issue": "none"}'),
        (502, b'{"issue": [3]}'),
        (200, b"<html>Please log in</html>"),
        (200, b'{"cards": 3}'),
    ],
)
def test_an_answer_that_no_service_gives_is_told_of_the_case_it_came_for(recording, status, answer):
    speaking = type("Speaking", (Gateway,), {"status": status, "answer": answer})
    gateway = ThreadingHTTPServer(("127.0.0.1", 0), speaking)
    Thread(target=gateway.serve_forever, daemon=True).start()
    story = packaged("fixtures") / "scenarios" / "platelets-and-im.yaml"
    try:
        told = run(recording(), story, "--against", f"http://127.0.0.1:{gateway.server_port}")
    finally:
        gateway.shutdown()
        gateway.server_close()
    assert told.exit_code == 1, told.exception
    file = recording()
    name = f"{file.parent.name}/recording"
    assert f"tell  {file}: {name}: {status}: not an answer of a CDS service" in told.stdout
    assert f"platelets-and-im/sample: expected cards, got status {status}" in told.stdout
