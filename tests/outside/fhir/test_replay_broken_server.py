"""``replay --fhir-server`` where connections break: what can be sent again is, and nothing is left behind (Z89)."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import pairwise
from threading import Thread
from urllib.parse import unquote

import pytest
from click.testing import CliRunner

from cds_service.cli import main
from cds_service.packaged import packaged
from cds_service.replay.scenario import search

STORY = str(packaged("fixtures") / "scenarios" / "platelets-and-im.yaml")


class Asked(BaseHTTPRequestHandler):
    """One call: a resource is put, deleted or searched for, or the connection breaks without an answer."""

    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def handle_one_request(self):
        try:
            super().handle_one_request()
        except OSError:
            self.close_connection = True  # the caller has gone

    def _name(self):
        sent = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        name = unquote(self.path).removeprefix("/fhir/")
        self.server.seen.append(f"{self.command} {name}")
        if self.server.breaks(self.server.seen):
            self.connection.shutdown(socket.SHUT_RDWR)
            raise ConnectionError
        return name, sent

    def _say(self, status, body=None):
        data = json.dumps(body).encode() if body is not None else b""
        self.send_response(status)
        self.send_header("Content-Type", "application/fhir+json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def do_PUT(self):
        name, sent = self._name()
        self.server.held[name] = json.loads(sent)
        self._say(201)

    def do_DELETE(self):
        name, _ = self._name()
        self.server.held.pop(name, None)
        self._say(204)

    def do_GET(self):
        query, _ = self._name()
        found = search(query, list(self.server.held.values())) if query != "metadata" else {}
        self._say(200 if found is not None else 404, found or {"resourceType": "OperationOutcome"})


@pytest.fixture
def server():
    """The server; ``breaks`` tells from all that was asked whether the connection of the last call breaks."""
    opened = ThreadingHTTPServer(("127.0.0.1", 0), Asked)
    opened.daemon_threads = True
    opened.held, opened.seen, opened.breaks = {}, [], lambda seen: False
    opened.base = f"http://127.0.0.1:{opened.server_port}/fhir"
    Thread(target=opened.serve_forever, args=(0.01,), daemon=True).start()
    yield opened
    opened.shutdown()
    opened.server_close()


def replay(server):
    return CliRunner().invoke(main, ["replay", STORY, "--fhir-server", server.base, "--format", "json"])


def different(result):
    return {one["scenario"]: one["differences"] for one in json.loads(result.stdout) if one["differences"]}


def test_Z89_calls_that_may_be_sent_twice_are_sent_again_once(server):
    """Every tenth call breaks, and the one after it is the same call again."""

    server.breaks = lambda seen: seen[-1].startswith(("PUT", "DELETE")) and len(seen) % 10 == 0
    result = replay(server)
    assert any(call == again for call, again in pairwise(server.seen))
    assert (result.exit_code, different(result)) == (0, {}), result.stderr
    assert server.held == {}


def test_Z89_a_scenario_that_cannot_be_loaded_has_failed_and_the_others_go_on(server):
    server.breaks = lambda seen: seen[-1] == "PUT Patient/kwame-mensah"
    result = replay(server)
    assert result.exit_code == 1
    results = json.loads(result.stdout)
    failed = different(result)
    assert failed and len(failed) < len(results)
    assert all("Patient/kwame-mensah does not answer" in words for (words,) in failed.values())
    assert not [one for one in results if one["skipped"] and "does not take" in one["skipped"]]
    assert server.held == {}


def test_Z89_what_could_not_be_deleted_is_named(server):
    server.breaks = lambda seen: seen[-1] == "DELETE Patient/kwame-mensah"
    result = replay(server)
    assert result.exit_code == 1
    assert set(server.held) == {"Patient/kwame-mensah"}
    assert "is left on the FHIR server: Patient/kwame-mensah" in result.stderr
    skipped = [one["skipped"] for one in json.loads(result.stdout)]
    assert "the FHIR server does not take Patient/kwame-mensah, which could not be deleted" in skipped


def test_Z89_an_interrupted_replay_leaves_nothing_behind(server):
    command = [sys.executable, "-m", "cds_service", "replay", "--fhir-server", server.base]
    with subprocess.Popen(
        command,
        env=os.environ.copy(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # it is ignored below a job in the background
    ) as running:
        while len(server.held) < 3 and running.poll() is None:
            time.sleep(0.01)
        running.send_signal(signal.SIGINT)
        running.communicate(timeout=120)
    assert running.returncode
    assert server.held == {}
