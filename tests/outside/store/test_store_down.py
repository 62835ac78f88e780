"""A store that is down, hangs or comes back: hooks are answered all the while, feedback is refused in bounded time."""

from __future__ import annotations

import json
import os
import resource
import shutil
import signal
import sqlite3
import time
from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

import pytest
import requests
from joserfc.jwk import ECKey
from sqlalchemy import select, text
from sqlalchemy.exc import DatabaseError

from cds_service.service.app import create_app
from cds_service.settings import Settings
from cds_service.store import tables
from cds_service.store.database import read_url
from cds_service.store.engine import open_engine, reading
from cds_service.store.store import Store
from tests.support.servers import Service, children, status_of
from tests.support.trust_parts import BASE, ISSUER, Maker, public
from tests.support.waiting import eventually

SERVICE = "/cds-services/vitamin-b12-order-select"
FEEDBACK = f"{SERVICE}/feedback"


def client_of(url, **more):
    return create_app(Settings(loopback=True, store=url, **more)).test_client()


def send(client):
    entry = {"card": str(uuid4()), "outcome": "overridden", "outcomeTimestamp": "2026-01-05T09:30:00Z"}
    return client.post(FEEDBACK, json={"feedback": [entry]})


def assert_degraded(client, request_for, assert_outcome, seconds):
    began = time.monotonic()
    cards = client.post(SERVICE, json=request_for("kwame-mensah", "hydroxocobalamin-im-three-weekly")).json["cards"]
    assert len(cards) == 1 and time.monotonic() - began < 3  # so long the store is waited for
    refused = send(client)
    answer = assert_outcome(refused, 503)
    assert int(refused.headers["Retry-After"]) > 0
    assert answer["issue"][0]["code"] == "transient"
    ready = client.get("/readyz")
    assert ready.status_code == 503 and ready.json["store"] == {"reachable": False}
    assert ready.json["content"]["id"]
    assert int(ready.headers["Retry-After"]) > 0
    assert client.get("/healthz").status_code == 200
    assert time.monotonic() - began < seconds


def assert_whole(client, request_for):
    for _ in range(50):
        if client.get("/readyz").status_code == 200:
            break
        time.sleep(0.1)
    assert client.get("/readyz").json["store"] == {"reachable": True}
    assert send(client).status_code == 200


def test_a_folder_that_cannot_be_used(tmp_path, request_for, assert_outcome):
    (tmp_path / "file").write_text("")
    client = client_of(f"sqlite:///{tmp_path / 'file' / 'store.sqlite3'}")
    assert_degraded(client, request_for, assert_outcome, seconds=20)
    (tmp_path / "file").unlink()
    assert_whole(client, request_for)


def test_a_file_that_is_no_database(tmp_path, request_for, assert_outcome):
    (tmp_path / "store.sqlite3").write_text("this is no database" * 1000)
    client = client_of(f"sqlite:///{tmp_path / 'store.sqlite3'}")
    assert_degraded(client, request_for, assert_outcome, seconds=20)


def test_a_database_that_another_process_has_locked(tmp_path, request_for, assert_outcome):
    url = f"sqlite:///{tmp_path / 'store.sqlite3'}"
    client = client_of(url)
    assert send(client).status_code == 200
    other = sqlite3.connect(tmp_path / "store.sqlite3", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    assert_degraded(client, request_for, assert_outcome, seconds=30)
    other.execute("ROLLBACK")
    other.close()
    assert_whole(client, request_for)


def test_a_file_that_is_damaged_while_it_is_open_is_a_fault_of_the_database_at_the_begin_of_a_transaction(
    tmp_path, damage
):
    """What every caller waits for; the driver's own error ended the thread that keeps used tokens."""
    path = tmp_path / "store.sqlite3"
    engine = open_engine(read_url(f"sqlite:///{path}"))
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE t (n INTEGER)"))
    damage(path)
    with pytest.raises(DatabaseError), engine.begin():
        pass
    engine.dispose()


def test_postgresql_stopped_and_started_again(own_postgresql, request_for, assert_outcome):
    client = client_of(own_postgresql.make_store("stopped"))
    assert send(client).status_code == 200
    own_postgresql.stop()
    assert_degraded(client, request_for, assert_outcome, seconds=20)
    own_postgresql.start()
    assert_whole(client, request_for)
    own_postgresql.stop()
    own_postgresql.start()  # nobody noticed, and the connection is dead: the first feedback goes through all the same
    assert send(client).status_code == 200


def test_postgresql_that_hangs(own_postgresql, request_for, assert_outcome):
    """It takes connections and never answers: the worst kind. Only the first one waits."""
    client = client_of(own_postgresql.make_store("hung"))
    assert send(client).status_code == 200
    for process in children(own_postgresql.process.pid):
        os.kill(process, signal.SIGSTOP)
    try:
        assert_degraded(client, request_for, assert_outcome, seconds=30)
        began = time.monotonic()
        for _ in range(20):
            assert send(client).status_code == 503
        assert time.monotonic() - began < 30  # the store is waited for three seconds each time
    finally:
        for process in reversed(children(own_postgresql.process.pid)):
            os.kill(process, signal.SIGCONT)
    assert_whole(client, request_for)


def test_postgresql_that_hangs_where_it_keeps_used_tokens(own_postgresql, tmp_path, request_for):
    """Whose token cannot be looked up is told to come again; whether the service lives, and what it offers, is said."""
    key = ECKey.generate_key("P-384", {"kid": "key-ES384"})
    (tmp_path / "keys.json").write_text(json.dumps({"keys": [public(key)]}))
    clients = tmp_path / "clients.toml"
    clients.write_text(f'base-urls = ["{BASE}"]\n[clients.ehr]\nissuer = "{ISSUER}"\njwks-file = "keys.json"\n')
    url = own_postgresql.make_store("tokens")
    body = json.dumps(request_for("kwame-mensah", "hydroxocobalamin-im-three-weekly")).encode()
    maker = Maker({"ES384": key})

    def call():
        headers = {"Authorization": maker.bearer(), "Content-Type": "application/json"}
        return requests.post(service.base + SERVICE, data=body, headers=headers, timeout=20)

    def all_at_once(times):
        with ThreadPoolExecutor(times) as threads:
            return [answer.result() for answer in [threads.submit(call) for _ in range(times)]]

    named = {"CDS_SERVICE_CLIENTS": str(clients), "CDS_SERVICE_REPLAY_STORE": "database"}
    with Service(url, tmp_path / "log", **named) as service:
        assert [answer.status_code for answer in all_at_once(4)] == [200] * 4
        for process in children(own_postgresql.process.pid):
            os.kill(process, signal.SIGSTOP)
        try:
            for answer in all_at_once(12):
                assert answer.status_code == 503
                assert answer.headers["Retry-After"]
                assert answer.json()["issue"][0]["code"] == "transient"
                assert status_of(f"{service.base}/healthz")[0] == status_of(f"{service.base}/cds-services")[0] == 200
        finally:
            for process in reversed(children(own_postgresql.process.pid)):
                os.kill(process, signal.SIGCONT)
        eventually(lambda: call().status_code == 200)


def wait_until(service, store_reachable):
    """Until /readyz says whether feedback would be kept."""

    def status():
        status, said = status_of(f"{service.base}/readyz")
        return status if json.loads(said)["store"] == {"reachable": store_reachable} else 0

    return eventually(status)


def test_a_full_disk_is_not_ready_until_there_is_room_again(tmp_path):
    """A limit for the files of the process stands for the disk: /readyz finds it out by writing."""
    with Service(f"sqlite:///{tmp_path}/store.sqlite3", tmp_path / "log") as service:
        assert wait_until(service, store_reachable=True) == 200
        everyone = children(service.process.pid)
        for process in everyone:
            resource.prlimit(process, resource.RLIMIT_FSIZE, (4096, resource.RLIM_INFINITY))
        assert wait_until(service, store_reachable=False) == 503
        for process in everyone:
            resource.prlimit(process, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        assert wait_until(service, store_reachable=True) == 200


def delete_the_file(path, other):
    path.unlink()


def delete_all_files(path, other):
    for file in path.parent.glob(f"{path.name}*"):
        file.unlink()


def move_it_away(path, other):
    path.rename(path.parent / "moved.sqlite3")


def put_another_in_its_place(path, other):
    shutil.copy(other, path.parent / "copy")
    (path.parent / "copy").replace(path)


@pytest.mark.parametrize("lose", [delete_the_file, delete_all_files, move_it_away, put_another_in_its_place])
def test_feedback_that_is_acknowledged_after_the_file_was_lost_is_kept(tmp_path, lose):
    path, other = tmp_path / "store.sqlite3", tmp_path / "other.sqlite3"
    Store(f"sqlite:///{other}").close()
    kept = []
    with Service(f"sqlite:///{path}", tmp_path / "log") as service:

        def send(times):
            for _ in range(times):
                entry = {"card": str(uuid4()), "outcome": "overridden", "outcomeTimestamp": "2026-01-05T09:30:00Z"}
                status, _ = status_of(service.base + FEEDBACK, json.dumps({"feedback": [entry]}).encode())
                if status == 200:
                    kept.append(entry["card"])

        for _ in range(3):
            send(5)
            lose(path, other)
            kept.clear()
            send(10)
            assert wait_until(service, store_reachable=True) == 200
            assert len(kept) >= 9
    engine = open_engine(read_url(f"sqlite:///{path}"))
    with reading(engine) as connection:
        assert set(kept) <= set(connection.execute(select(tables.feedback.c.card)).scalars())
    engine.dispose()
    assert "the file of the store was deleted or replaced" in (tmp_path / "log").read_text()


def test_the_store_is_its_owners_alone(tmp_path):
    """In a folder that others may look into, too (Z96)."""
    tmp_path.chmod(0o755)
    client = client_of(f"sqlite:///{tmp_path}/store.sqlite3")
    assert send(client).status_code == 200
    files = list(tmp_path.glob("store.sqlite3*"))
    assert len(files) > 1
    assert {file.stat().st_mode & 0o777 for file in files} == {0o600}


def test_tables_that_vanish_are_made_again(store_url, request_for):
    client = client_of(store_url)
    engine = open_engine(read_url(store_url))
    with engine.begin() as connection:
        tables.metadata.drop_all(connection)
        connection.execute(text("DROP TABLE alembic_version"))
    engine.dispose()
    assert send(client).status_code == 503
    assert send(client).status_code == 200


def test_a_key_made_while_the_store_was_down_is_known_when_it_is_back(tmp_path, request_for):
    (tmp_path / "file").write_text("")
    url = f"sqlite:///{tmp_path / 'file' / 'store.sqlite3'}"
    client = client_of(url)
    body = request_for("kwame-mensah", "hydroxocobalamin-im-three-weekly")
    uuid = client.post(SERVICE, json=body).json["cards"][0]["uuid"]
    (tmp_path / "file").unlink()
    entry = {"card": uuid, "outcome": "overridden", "outcomeTimestamp": "2026-01-05T09:30:00Z"}
    assert client.post(FEEDBACK, json={"feedback": [entry]}).status_code == 200
    again = client_of(url)  # another instance, later
    entry["outcomeTimestamp"] = "2026-01-05T09:31:00Z"
    assert again.post(FEEDBACK, json={"feedback": [entry]}).status_code == 200
    store = Store(url)
    report = store.report()
    store.close()
    assert report.unmatched == 0
    assert {(r.decision, r.rule): r.overridden for r in report.rules} == {("imPlatelets", "TransfusionFirst"): 1}


def test_ready_with_the_store_says_so(store_url):
    client = client_of(store_url)
    state = json.loads(client.get("/readyz").data)
    assert state["status"] == "ready" and state["store"] == {"reachable": True}


@pytest.mark.parametrize("server", ["granian", "gunicorn", "gunicorn-preload"])
def test_counts_of_a_real_server_are_written_when_it_ends(store_url, server, tmp_path, request_for):
    """Whichever way its workers are started and leave."""
    commands = {
        "granian": ("-m", "cds_service", "serve", "--port", "{port}"),
        "gunicorn": (
            "-m",
            "gunicorn",
            "-w",
            "2",
            "--threads",
            "2",
            "-b",
            "127.0.0.1:{port}",
            "cds_service.service.app:wsgi()",
        ),
    }
    commands["gunicorn-preload"] = (*commands["gunicorn"], "--preload")
    body = json.dumps(request_for("kwame-mensah", "hydroxocobalamin-im-three-weekly")).encode()
    with Service(store_url, tmp_path / "log", commands[server]) as service:
        uuids = set()
        for _ in range(20):
            status, answer = status_of(service.base + SERVICE, body)
            assert status == 200
            uuids.add(json.loads(answer)["cards"][0]["uuid"])
        assert len(uuids) == 1  # one key for all workers
        entry = {"card": uuids.pop(), "outcome": "overridden", "outcomeTimestamp": "2026-01-05T09:30:00Z"}
        for _ in range(4):
            assert status_of(service.base + FEEDBACK, json.dumps({"feedback": [entry]}).encode()) == (200, b"")
    store = Store(store_url)
    (rule,) = store.report().rules
    store.close()
    assert (rule.shown, rule.overridden) == (20, 1)
