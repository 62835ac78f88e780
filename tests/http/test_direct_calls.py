"""Calls that are answered without Flask are answered as Flask's views answer them: status, headers, bytes and notes.

So are those that are answered on an event loop, where threads do what is not brief.
"""

from __future__ import annotations

import asyncio
import gzip
import json
import re
import time
import uuid

import pytest
from joserfc import jwt
from joserfc.jwk import ECKey
from werkzeug.test import EnvironBuilder, run_wsgi_app

from cds_service.packaged import packaged
from cds_service.service import hooks
from cds_service.service.app import create_app
from cds_service.service.lanes import ThreadLane
from cds_service.service.step_by_step import reply_on_loop
from cds_service.settings import Settings
from tests.support.keys import KEY
from tests.support.scenarios import request_of, scenarios

# A call that is not brief is told so at any step, and again where that is lost, as while garbage is collected.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")

SELECT = "/cds-services/vitamin-b12-order-select"
FEEDBACK = f"{SELECT}/feedback"
BASE, ISSUER = "https://cds.example/b12", "https://ehr.example/fhir"
CASES = [(case.name, case) for case in scenarios()]
UUID = re.compile(rb"[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}")
OWN = {"X-Request-ID": "the-same-for-both"}
_BY_CHANCE = ("seconds", "request_id")
JSON = {"Content-Type": "application/json"}


def with_flask(app, environ):
    chunks, status, headers = run_wsgi_app(app, environ, buffered=True)
    return status, list(headers), b"".join(chunks)


def on_loop(app, environ):
    steps = app.wsgi_app.begin(environ)
    if steps is None:
        return with_flask(app, environ)

    async def answer():
        lane = ThreadLane("test", threads=1)
        return (await reply_on_loop(steps, lane.run)).response()

    response = asyncio.run(answer())
    return response.status, list(response.headers), response.data


WAYS = {"direct": with_flask, "on loop": on_loop, "Flask": with_flask}


class Both:
    """The service with direct calls and without, alike in all else; each has a store of its own. Direct calls are made
    as a WSGI server makes them, and on an event loop.
    """

    def __init__(self, folder, **settings):
        self.logs = {way: [] for way in WAYS}
        self.apps = {
            way: create_app(
                Settings(
                    loopback=True,
                    key=KEY,
                    direct_calls=way != "Flask",
                    store=f"sqlite:///{folder / way}.sqlite3",
                    state=folder / f"state {way}",
                    **settings,
                ),
                self.logs[way].append,
            )
            for way in WAYS
        }

    def answered(self, path, body=b"", headers=(), method="POST", *, chunked=False, **more):
        """What both answer, if they agree: status line, headers in their order, bytes."""
        said = []
        for way, app in self.apps.items():
            builder = EnvironBuilder(path, method=method, headers={**JSON, **OWN, **dict(headers)}, data=body)
            environ = {**builder.get_environ(), **more}
            if chunked:
                del environ["CONTENT_LENGTH"]
                environ |= {"wsgi.input_terminated": True, "HTTP_TRANSFER_ENCODING": "chunked"}
            status, all_headers, body_sent = WAYS[way](app, environ)
            answered = [item for item in all_headers if item[0] != "X-Request-ID" or item[1] in OWN.values()]
            said.append((status, answered, UUID.sub(b"uuid", body_sent)))
        assert said[0] == said[1] == said[2]
        return said[0]

    def noted(self):
        """What both have logged and counted, if they agree, without what time does to it."""
        logs = [
            [{name: value for name, value in call.items() if name not in _BY_CHANCE} for call in log]
            for log in self.logs.values()
        ]
        assert logs[0] == logs[1] == logs[2]
        counts = [
            sorted(
                line
                for line in app.test_client().get("/metrics").text.splitlines()
                if re.match(r"cds_service_\w+_total", line) and "_created" not in line
            )
            for app in self.apps.values()
        ]
        assert counts[0] == counts[1] == counts[2]
        return logs[0], counts[0]


@pytest.fixture(scope="module")
def both(tmp_path_factory):
    return Both(tmp_path_factory.mktemp("both"))


@pytest.fixture(scope="module")
def sent(prepared):
    """A right call, as bytes."""
    case = dict(CASES)["platelets-and-im/sample"]
    return json.dumps(request_of(prepared, case, case.now)).encode()


def path_of(prepared, hook):
    return f"/cds-services/{prepared.pack.service_for(hook).id}"


def test_every_scenario_and_captured_request_is_answered_alike(both, prepared):
    bodies = [
        (path_of(prepared, case.hook), json.dumps(request_of(prepared, case), default=str).encode())
        for _, case in CASES[::6]
    ]
    for file in sorted((packaged("fixtures") / "captured").glob("*.json")):
        request = json.loads(file.read_text(encoding="utf-8"))
        bodies.append((path_of(prepared, request["hook"]), json.dumps(request).encode()))
    statuses = {both.answered(*one)[0] for one in bodies}
    assert {"200 OK", "412 PRECONDITION FAILED"} <= statuses
    log, _ = both.noted()
    assert len(log) >= len(bodies)


@pytest.mark.parametrize("body", [b"", b"{", b"\xff", b"[]", b"null", b"{}", b'{"hook": "order-select"}', b"[" * 5000])
@pytest.mark.parametrize("path", [SELECT, FEEDBACK])
def test_what_is_no_call_is_refused_alike(both, path, body):
    assert both.answered(path, body)[0].startswith("400 ")
    both.noted()


HEADERS = [
    {"Content-Type": "text/plain"},
    {"Content-Type": "application/fhir+json; charset=utf-8"},
    {"Content-Type": ' APPLICATION/JSON ; profile="x"'},
    {"Content-Type": ""},
    {"Content-Encoding": "gzip"},
    {"Content-Encoding": "br"},
    {"Host": "evil.example"},
    {"Host": ""},
    {"Origin": "https://sandbox.example"},
    {"X-Request-ID": "not a plain one"},
    {"CDS-Service-Replay": "1"},
    {"Authorization": "Bearer nonsense"},
    {"Content-Length": "3"},
    {"Content-Length": "999999"},
    {"Content-Length": "many"},
]


@pytest.mark.parametrize("headers", HEADERS, ids=lambda headers: "-".join(next(iter(headers.items())))[:40])
@pytest.mark.parametrize("path", [SELECT, FEEDBACK])
def test_whatever_its_headers_say_a_call_is_answered_alike(both, sent, path, headers):
    both.answered(path, sent, headers)
    both.noted()


@pytest.mark.parametrize("packed", [True, False])
def test_bodies_that_are_packed_chunked_or_too_long_are_answered_alike(both, sent, packed, tmp_path):
    body = gzip.compress(sent) if packed else sent
    headers = {"Content-Encoding": "gzip"} if packed else {}
    assert both.answered(SELECT, body, headers)[0] == "200 OK"
    assert both.answered(SELECT, body, headers, chunked=True)[0] == "200 OK"
    narrow = Both(tmp_path, max_body_bytes=len(sent) - 1)
    assert narrow.answered(SELECT, body, headers)[0] == "413 REQUEST ENTITY TOO LARGE"
    assert narrow.answered(SELECT, body, headers, chunked=True)[0] == "413 REQUEST ENTITY TOO LARGE"


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "OPTIONS", "post", "DELETE"])
@pytest.mark.parametrize("path", [SELECT, FEEDBACK, f"{SELECT}/", "/cds-services/none", "/cds-services", "/none", "/"])
def test_other_methods_and_paths_are_answered_alike(both, sent, path, method):
    both.answered(path, sent, method=method)
    both.noted()


@pytest.mark.parametrize(
    "path",
    [f"/{SELECT}", "/cds-services//vitamin-b12-order-select", f"{SELECT}%2Ffeedback", f"{SELECT}%00", f"{SELECT}é"],
)
def test_paths_that_are_written_otherwise_are_answered_alike(both, sent, path):
    both.answered(path, sent)
    both.answered(SELECT, sent, SCRIPT_NAME="/behind")


def test_feedback_is_taken_alike_and_stored(both, prepared, sent):
    card = "11111111-1111-4111-8111-111111111111"
    said = {"feedback": [{"card": card, "outcome": "accepted", "acceptedSuggestions": [{"id": card}]}]}
    said["feedback"][0]["outcomeTimestamp"] = "2026-11-23T12:00:00Z"
    assert both.answered(FEEDBACK, json.dumps(said).encode())[0] == "200 OK"
    log, counts = both.noted()
    assert log[-1]["feedback"] == 1
    assert any("feedback" in line for line in counts)


@pytest.mark.parametrize("where", ["evaluate", "encode"])
def test_a_defect_is_answered_alike_and_counted(tmp_path, sent, monkeypatch, where):
    both = Both(tmp_path)

    def fail(*_, **__):
        raise ZeroDivisionError("words that may name a patient")

    monkeypatch.setattr(hooks, where, fail)
    status, _, body = both.answered(SELECT, sent)
    assert status == "500 INTERNAL SERVER ERROR"
    assert b"words" not in body
    _, counts = both.noted()
    assert "cds_service_defects_total 1.0" in counts


@pytest.mark.parametrize("direct", [True, False])
def test_a_log_that_fails_is_a_defect_of_the_call_and_no_more(sent, direct):
    def fail(_):
        raise ZeroDivisionError

    client = create_app(Settings(loopback=True, key=KEY, direct_calls=direct), fail).test_client()
    answer = client.post(SELECT, data=sent, headers=JSON)
    assert answer.status_code == 500
    assert answer.json["resourceType"] == "OperationOutcome"
    assert client.get("/healthz").status_code == 200


@pytest.fixture(scope="module")
def key():
    return ECKey.generate_key("P-256", {"kid": "one"})


@pytest.fixture
def guarded(tmp_path, key):
    """Both ways of a service that knows one client, which may call from one page and not the patient-view service."""
    (tmp_path / "keys.json").write_text(json.dumps({"keys": [key.as_dict(private=False)]}))
    clients = tmp_path / "clients.toml"
    clients.write_text(
        f'base-urls = ["{BASE}"]\n[clients.ehr]\nissuer = "{ISSUER}"\njwks-file = "keys.json"\n'
        f'origins = ["https://app.example"]\nservices = ["vitamin-b12-order-select"]\n'
    )
    return Both(tmp_path, clients=clients)


def token(key, **more):
    now = int(time.time())
    claims = {"iss": ISSUER, "aud": BASE + SELECT, "iat": now, "exp": now + 300, "jti": uuid.uuid4().hex} | more
    return "Bearer " + jwt.encode({"alg": "ES256", "typ": "JWT", "kid": "one"}, claims, key, algorithms=["ES256"])


def test_callers_are_told_apart_alike(guarded, key, sent):
    right, other = token(key), json.dumps(json.loads(sent) | {"hookInstance": str(uuid.uuid4())}).encode()

    def status(authorization, path=SELECT, body=sent, **headers):
        given = {"Authorization": authorization} if authorization else {}
        return guarded.answered(path, body, {**given, **headers})[0]

    assert status(right) == "200 OK"
    assert status(right) == "200 OK"  # a retry
    assert status(right, body=other) == "401 UNAUTHORIZED"  # used before, for another call
    for wrong in ("", "Bearer x.y.z", "Basic abc", token(key, exp=1), token(key, iss="https://nobody.example")):
        assert status(wrong) == "401 UNAUTHORIZED"
    assert status(token(key), Origin="https://app.example") == "200 OK"
    assert status(token(key), Origin="https://evil.example") == "200 OK"
    view = "/cds-services/vitamin-b12-patient-view"
    assert status(token(key, aud=BASE + view), view) == "403 FORBIDDEN"
    assert status("", "/cds-services/none") == "401 UNAUTHORIZED"
    guarded.noted()
