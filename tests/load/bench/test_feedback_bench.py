"""Benchmarks, run by ``make bench``: what feedback costs against one fsynced insert (Z35: at least half its rate).

The floor is a bare ``sqlite3`` insert of the same bytes with the same durability, in the same folder and run. A round
is so many inserts or calls, one after another or from as many clients at once as a worker has threads.
"""

import json
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from itertools import count
from uuid import uuid4

import pytest

from cds_service.service.app import create_app
from cds_service.settings import Settings

FEEDBACK = "/cds-services/vitamin-b12-order-select/feedback"
A_ROUND, CLIENTS = 40, 4
_numbers = count()


def body():
    entry = {"card": str(uuid4()), "outcome": "overridden", "outcomeTimestamp": "2026-01-05T09:30:00Z"}
    entry["overrideReason"] = {"reason": {"code": "patient-refuses", "system": "http://example.org"}}
    return json.dumps({"feedback": [entry]}).encode()


@pytest.fixture
def insert(tmp_path):
    connection = sqlite3.connect(tmp_path / "floor.sqlite3", isolation_level=None, check_same_thread=False)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute("CREATE TABLE feedback (id INTEGER PRIMARY KEY, raw BLOB)")
    yield lambda raw: connection.execute("INSERT INTO feedback (raw) VALUES (?)", (raw,))
    connection.close()


@pytest.fixture
def call(tmp_path):
    """The application called as a WSGI server calls it."""
    app = create_app(Settings(loopback=True, store=f"sqlite:///{tmp_path / 'store.sqlite3'}"))

    def send(raw):
        environ = {
            "REQUEST_METHOD": "POST",
            "PATH_INFO": FEEDBACK,
            "SCRIPT_NAME": "",
            "QUERY_STRING": "",
            "SERVER_NAME": "127.0.0.1",
            "SERVER_PORT": "8080",
            "HTTP_HOST": "127.0.0.1:8080",
            "SERVER_PROTOCOL": "HTTP/1.1",
            "CONTENT_TYPE": "application/json",
            "CONTENT_LENGTH": str(len(raw)),
            "wsgi.input": BytesIO(raw),
            "wsgi.url_scheme": "http",
        }
        said = []
        b"".join(app.wsgi_app(environ, lambda status, headers, info=None: said.append(status)))
        assert said == ["200 OK"]

    return send


@pytest.mark.parametrize("what", ["floor", "feedback", "feedback-together"])
def test_cost_of_feedback(benchmark, insert, call, what):
    benchmark.group = f"feedback: {A_ROUND} of them"
    one = insert if what == "floor" else call
    clients = ThreadPoolExecutor(CLIENTS if what == "feedback-together" else 1)

    def round_of(bodies):
        list(clients.map(one, bodies))

    benchmark.pedantic(round_of, setup=lambda: (([body() for _ in range(A_ROUND)],), {}), rounds=40, warmup_rounds=3)
    clients.shutdown()
