"""The example for nginx, run: only what clients call, slow callers held, and an instance that is killed."""

import contextlib
import itertools
import json
from uuid import uuid4

import pytest
from sqlalchemy import select

from cds_service.store import tables
from cds_service.store.database import read_url
from cds_service.store.engine import open_engine, reading
from tests.outside.deploy.proxies import Nginx, before_two, calling, wait_for
from tests.support.servers import PostgreSQL, postgresql_programs

HOOK = "/cds-services/vitamin-b12-order-select"

pytestmark = [
    pytest.mark.skipif(bool(Nginx.missing()), reason=Nginx.missing()),
    pytest.mark.skipif(postgresql_programs() is None, reason="PostgreSQL is not installed"),
]


@pytest.fixture(scope="module")
def store_url():
    server = PostgreSQL(postgresql_programs())
    yield server.make_store("nginx")
    server.remove()


@pytest.fixture(scope="module")
def proxy(store_url, tmp_path_factory):
    with before_two(Nginx, tmp_path_factory.mktemp("instances"), (store_url, store_url)) as (running, _):
        yield running


def test_a_hook_passes_and_gets_its_cards(proxy, hook_body):
    status, answer = proxy.send(HOOK, hook_body)
    assert status == 200 and json.loads(answer)["cards"]


@pytest.mark.parametrize("path", ["/metrics", "/readyz", "/healthz", "/openapi.json", "/"])
def test_what_is_for_inside_is_not_outside(proxy, path):
    assert proxy.send(path)[0] == 404


def test_bodies_that_are_too_large_are_refused_in_the_words_of_the_service_and_hold_up_no_other_call(proxy, hook_body):
    for _ in range(5):
        status, answer = proxy.send(HOOK, hook_body.ljust(20_000_001))
        assert status == 413 and json.loads(answer)["resourceType"] == "OperationOutcome"
        assert proxy.send(HOOK, hook_body)[0] == 200


def test_bodies_that_never_end_are_held_by_nginx_and_not_by_the_service(proxy, hook_body):
    head = (
        f"POST {HOOK} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n{{"
    )
    with contextlib.ExitStack() as stalled:
        for _ in range(20):  # more than both instances have threads
            stalled.enter_context(proxy.connect_tls()).sendall(head.encode())
        assert proxy.send(HOOK, hook_body)[0] == 200


def test_an_instance_killed_under_load_fails_only_calls_that_it_had_begun_and_loses_no_feedback(
    store_url, tmp_path, hook_body
):
    hooks, kept, failed = [], [], []
    wards = itertools.cycle(f"127.0.1.{number}" for number in range(1, 100))  # so that none of them calls too often

    def call_hook():
        status, _ = proxy.send(HOOK, hook_body, source=next(wards))
        (hooks if status == 200 else failed).append(status)

    def send_feedback():
        card = str(uuid4())
        entry = {"card": card, "outcome": "overridden", "outcomeTimestamp": "2026-01-05T09:30:00Z"}
        status, _ = proxy.send(f"{HOOK}/feedback", json.dumps({"feedback": [entry]}).encode(), source=next(wards))
        (kept if status == 200 else failed).append(card if status == 200 else status)

    senders = [call_hook, call_hook, send_feedback, send_feedback]
    with before_two(Nginx, tmp_path, (store_url, store_url)) as (proxy, one), calling(*senders):
        wait_for(lambda: min(len(hooks), len(kept)) > 20)
        before = len(hooks), len(kept)
        one.kill()
        wait_for(lambda: len(hooks) > before[0] + 50 and len(kept) > before[1] + 50)
    assert len(failed) <= len(senders) and set(failed) <= {502}
    engine = open_engine(read_url(store_url))
    with reading(engine) as connection:
        found = list(connection.execute(select(tables.feedback.c.card)).scalars())
    engine.dispose()
    assert set(kept) <= set(found) and len(found) == len(set(found))
