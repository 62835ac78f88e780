"""Feedback, counts and keys in the store, on both databases."""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import func, select

from cds_service.store import tables
from cds_service.store.database import StoreDown, read_url
from cds_service.store.engine import open_engine, reading
from cds_service.store.entries import Entry, Origin
from cds_service.store.store import Store

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
OURS = Origin(7, "oneDecision", "FirstRule", "1.0.0")


def entry(card="c", outcome="accepted", at=NOW, suggestions=("s",), **more):
    return Entry(
        received_at=NOW,
        service="a-service",
        client="",
        card=card,
        outcome=outcome,
        outcome_at=at,
        origin=more.pop("origin", OURS),
        suggestions=dict.fromkeys(suggestions, OURS),
        raw="{}",
        **more,
    )


def rows(url, table):
    engine = open_engine(read_url(url))
    with reading(engine) as connection:
        rows = [dict(row._mapping) for row in connection.execute(select(table))]
    engine.dispose()
    return rows


@pytest.fixture
def store(store_url):
    made = Store(store_url, flush_seconds=0.05)
    yield made
    made.close()


def test_what_is_added_can_be_read_by_another_connection_at_once(store, store_url):
    store.add([entry(comment="x\u00e9\U0001f600")])
    (row,) = rows(store_url, tables.feedback)
    assert row["card"] == "c" and row["comment"] == "x\u00e9\U0001f600"
    assert row["outcome_at"] == NOW and row["received_at"].tzinfo is not None
    assert (row["finding"], row["decision"], row["rule"], row["version"]) == (7, "oneDecision", "FirstRule", "1.0.0")
    (accepted,) = rows(store_url, tables.accepted_suggestion)
    assert accepted["suggestion"] == "s" and accepted["finding"] == 7 and accepted["feedback"] == row["id"]


def test_a_duplicate_is_passed_over_and_another_outcome_is_history(store, store_url):
    for _ in range(3):
        store.add([entry(), entry()])
    assert len(rows(store_url, tables.feedback)) == 1
    store.add([entry(outcome="overridden", suggestions=())])
    store.add([entry(at=NOW + timedelta(seconds=1))])
    store.add([entry(suggestions=("s", "t"))])
    assert len(rows(store_url, tables.feedback)) == 4


def test_eight_threads_lose_and_double_nothing(store, store_url):
    def send(number):
        for index in range(25):
            store.add([entry(card=f"{number}-{index}"), entry(card=f"shared-{index}")])

    threads = [threading.Thread(target=send, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    cards = sorted(row["card"] for row in rows(store_url, tables.feedback))
    assert cards == sorted([f"{n}-{i}" for n in range(8) for i in range(25)] + [f"shared-{i}" for i in range(25)])


def test_several_instances_write_the_same_things_at_once(store_url):
    """Their rows and counts overlap in opposite orders: nobody waits in a circle, every count is added."""
    stores = [Store(store_url, flush_seconds=0.01) for _ in range(3)]
    failures = []

    def send(store, turn):
        try:
            for index in range(20):
                store.add([entry(card=f"card-{n}-{index}") for n in range(5)][::turn])
                for rule in ["A", "B", "C"][::turn]:
                    store.count("a-service", "oneDecision", rule, "1.0.0", "info")
        except StoreDown as error:
            failures.append(error)

    threads = [threading.Thread(target=send, args=(s, 1 if n % 2 else -1)) for n, s in enumerate(stores)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    for store in stores:
        store.close()
    assert failures == []
    assert len(rows(store_url, tables.feedback)) == 100
    assert {row["rule"]: row["times"] for row in rows(store_url, tables.shown)} == {"A": 60, "B": 60, "C": 60}


def test_counts_are_written_in_the_background_and_at_the_end(store_url):
    store = Store(store_url, flush_seconds=0.05)
    for _ in range(5):
        store.count("a-service", "oneDecision", "FirstRule", "1.0.0", "warning")
    deadline = time.monotonic() + 10
    while not rows(store_url, tables.shown) and time.monotonic() < deadline:
        time.sleep(0.02)
    (row,) = rows(store_url, tables.shown)
    assert row["times"] == 5 and row["day"] == datetime.now(UTC).date() and row["indicator"] == "warning"
    store.close()
    late = Store(store_url, flush_seconds=1000)
    late.count("a-service", "oneDecision", "FirstRule", "1.0.0", "warning")
    late.close()
    assert rows(store_url, tables.shown)[0]["times"] == 6


def test_the_key_is_made_once_and_shared(store_url):
    first, second = Store(store_url), Store(store_url)
    assert first.key == second.key and len(first.key) == 32
    assert first.keys == (first.key,)
    first.close()
    second.close()


def test_a_key_that_was_changed_stays_known_to_every_instance(store_url):
    old = Store(store_url, flush_seconds=0.05)
    new = Store(store_url, key=b"n" * 32)
    assert new.key == b"n" * 32 and set(new.keys) == {old.key, new.key}
    old.add([])  # the other instance looks again with its next batch
    deadline = time.monotonic() + 10
    while new.key not in old.keys and time.monotonic() < deadline:
        time.sleep(0.02)
    assert set(old.keys) == {old.key, new.key}
    old.close()
    new.close()


@pytest.mark.parametrize("how_many", [4])
def test_instances_that_start_at_once_agree_on_tables_and_key(store_url, how_many, tmp_path):
    """Real processes: they race for the first migration and for the key."""
    import subprocess
    import sys

    code = (
        "import sys\n"
        "from cds_service.store.store import Store\n"
        "sys.stdin.readline()\n"
        "store = Store(sys.argv[1])\n"
        "print(store.key.hex(), store.problem)\n"
        "store.close()\n"
    )
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", code, store_url], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for _ in range(how_many)
    ]
    time.sleep(0.5)  # let them import first
    for process in processes:
        process.stdin.write("go\n")
        process.stdin.flush()
    keys = {process.communicate(timeout=60)[0].strip() for process in processes}
    assert len(keys) == 1 and len(keys.pop()) == 64


def test_commits_are_durable(store_url):
    engine = open_engine(read_url(store_url))
    with engine.connect() as connection:
        if connection.dialect.name == "sqlite":
            assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
            assert connection.exec_driver_sql("PRAGMA synchronous").scalar() == 2  # FULL
        else:
            assert connection.exec_driver_sql("SHOW synchronous_commit").scalar() == "on"
            assert connection.exec_driver_sql("SHOW fsync").scalar() == "on"
    engine.dispose()


def test_requests_that_come_together_share_a_commit(store, store_url):
    """One that waits for a slow commit is taken with the others; all are there when all have their answer."""
    started = threading.Barrier(8)

    def send(number):
        started.wait()
        for index in range(10):
            store.add([entry(card=f"{number}-{index}")])

    threads = [threading.Thread(target=send, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    engine = open_engine(read_url(store_url))
    with reading(engine) as connection:
        assert connection.execute(select(func.count()).select_from(tables.feedback)).scalar() == 80
    engine.dispose()


def test_a_plain_path_is_that_of_a_file_of_sqlite(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for path in (f"{tmp_path}/cds.sqlite3", "trial/cds.sqlite3", "cds"):
        assert read_url(path) == read_url(f"sqlite:///{path}")
        store = Store(path)
        assert not store.problem and Path(path).is_file()
        store.close()


@pytest.mark.parametrize(
    "url",
    [
        *("", "sqlite://", "sqlite:///:memory:", ":memory:", "mysql://u:secret@h/d", "postgresql://u:secret@h"),
        *("://u:secret@h/d", "postgresql:cds", "password=secret host=/run/postgresql", "host=h password=secret"),
    ],
)
def test_a_url_that_cannot_be_served_is_said_without_its_password(url):
    with pytest.raises(ValueError) as raised:
        Store(url)
    assert "secret" not in str(raised.value)


def test_a_password_is_not_shown():
    store = Store("postgresql://cds:secret@127.0.0.1:1/none", wait_seconds=0.1)
    assert "secret" not in store.where and "secret" not in store.problem and store.problem
    store.close()
