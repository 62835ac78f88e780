"""The connection by which a thread writes, on both databases: transactions, failures, a fork, another file."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from datetime import UTC, date, datetime, timedelta, timezone

import pytest
from sqlalchemy import Column, Date, MetaData, Table

from cds_service.store.database import DatabaseFault, read_url
from cds_service.store.engine import open_engine, reading
from cds_service.store.held_connection import HeldConnection
from cds_service.store.store import Store
from cds_service.store.tables import UtcDateTime

ADD = "INSERT INTO noted (number) VALUES (?)"


@pytest.fixture
def held(store_url):
    made = HeldConnection(read_url(store_url))
    with made.writing() as statements:
        statements.run("CREATE TABLE noted (number INTEGER PRIMARY KEY)")
    yield made
    made.close()


def numbers(held):
    return [number for (number,) in held.read("SELECT number FROM noted ORDER BY number")]


@pytest.mark.parametrize("durable", [True, False])
def test_a_commit_waits_for_the_disk_where_it_is_to_be_durable(store_url, durable):
    address = read_url(store_url)
    held = HeldConnection(address, durable=durable)
    if address.file is not None:
        assert held.read("PRAGMA journal_mode") == [("wal",)]
        assert held.read("PRAGMA synchronous") == [(2 if durable else 1,)]  # FULL, NORMAL
        assert held.read("PRAGMA busy_timeout") == [(2000,)]
    else:
        assert held.read("SHOW synchronous_commit") == [("on" if durable else "off",)]
        assert held.read("SHOW fsync") == [("on",)]
        assert held.read("SHOW statement_timeout") == held.read("SHOW lock_timeout") == [("2s",)]
    held.close()


def test_a_transaction_is_kept_whole_or_not_at_all(held):
    with held.writing() as statements:
        statements.run_each(ADD, [[1], [2]])
    with pytest.raises(DatabaseFault) as raised, held.writing() as statements:
        statements.run(ADD, [3])
        statements.run(ADD, [1])  # is there already
    assert not raised.value.is_operational and not raised.value.was_lost
    with pytest.raises(ZeroDivisionError), held.writing() as statements:
        statements.run(ADD, [1 // 0])
    assert numbers(held) == [1, 2]
    with held.writing() as statements:
        assert statements.run(ADD, [3]) == 1
    assert numbers(held) == [1, 2, 3]


def test_what_was_refused_is_said_without_what_was_to_be_written(held):
    with pytest.raises(DatabaseFault) as raised, held.writing() as statements:
        statements.run("INSERT INTO noted (number, words) VALUES (?, ?)", [1, "a secret"])
    assert str(raised.value).split()[0] in ("OperationalError", "UndefinedColumn")


def test_a_forked_process_has_a_connection_of_its_own(held):
    """By that of its parent it would see, and might end, what the parent has only begun."""
    with held.writing() as statements:
        statements.run(ADD, [1])
        child = os.fork()
        if child == 0:
            os._exit(len(numbers(held)))
        assert os.waitpid(child, 0)[1] == 0
    assert numbers(held) == [1]


def test_a_file_that_takes_the_place_of_the_one_that_is_open_is_written_to(tmp_path):
    path = tmp_path / "store.sqlite3"
    held = HeldConnection(read_url(f"sqlite:///{path}"))
    for number in (1, 2):
        with held.writing() as statements:
            statements.run("CREATE TABLE noted (number INTEGER PRIMARY KEY)")  # each time in an empty file
            statements.run(ADD, [number])
        for file in tmp_path.glob("store.sqlite3*"):
            file.rename(tmp_path / f"{number}-{file.name}")
    held.close()
    for number in (1, 2):
        with sqlite3.connect(tmp_path / f"{number}-store.sqlite3") as connection:
            assert connection.execute("SELECT number FROM noted").fetchall() == [(number,)]
        connection.close()


def test_a_connection_that_died_is_told_from_a_database_that_refuses(postgresql):
    held = HeldConnection(read_url(postgresql.make_store("died")))
    ((backend,),) = held.read("SELECT pg_backend_pid()")
    other = HeldConnection(read_url(postgresql.make_store("other")))
    other.read("SELECT pg_terminate_backend(?)", [backend])
    other.close()
    with pytest.raises(DatabaseFault) as raised:
        held.read("SELECT 1")
    assert raised.value.was_lost and raised.value.is_operational
    assert held.read("SELECT 1") == [(1,)]
    held.close()


def test_a_damaged_file_is_a_fault_of_the_database(tmp_path, damage):
    path = tmp_path / "store.sqlite3"
    held = HeldConnection(read_url(f"sqlite:///{path}"))
    with held.writing() as statements:
        statements.run("CREATE TABLE noted (number INTEGER PRIMARY KEY)")
    damage(path)
    with pytest.raises(DatabaseFault), held.writing():
        pass
    held.close()


@pytest.mark.parametrize(
    "moment",
    [
        datetime(2026, 1, 5, 9, 30, tzinfo=UTC),
        datetime(2026, 1, 5, 0, 30, 1, 2, tzinfo=timezone(timedelta(hours=5, minutes=45))),
        datetime(1, 1, 1, tzinfo=UTC),
        datetime(9999, 12, 31, 23, 59, 59, 999999, tzinfo=UTC),
    ],
)
def test_days_and_moments_are_written_as_sqlalchemy_writes_them(store_url, moment):
    """The rows of both stand in one table, and reports compare them."""
    engine = open_engine(read_url(store_url))
    noted = Table("noted", MetaData(), Column("at", UtcDateTime), Column("day", Date))
    noted.create(engine)
    with engine.begin() as connection:
        connection.execute(noted.insert(), {"at": moment, "day": date(2026, 1, 5)})
    held = HeldConnection(read_url(store_url))
    with held.writing() as statements:
        statements.run("INSERT INTO noted (at, day) VALUES (?, ?)", [moment, date(2026, 1, 5)])
    assert len(held.read("SELECT DISTINCT at, day FROM noted")) == 1
    held.close()
    with reading(engine) as connection:
        assert [tuple(row) for row in connection.execute(noted.select())] == [(moment, date(2026, 1, 5))] * 2
    engine.dispose()


def test_a_start_on_a_file_with_its_tables_needs_no_sqlalchemy(tmp_path):
    url = f"sqlite:///{tmp_path / 'store.sqlite3'}"
    Store(url).close()
    code = (
        "import sys; from cds_service.service.app import create_app; from cds_service.settings import Settings;"
        "client = create_app(Settings(loopback=True, store=sys.argv[1])).test_client();"
        "print(client.get('/readyz').status_code, 'sqlalchemy' in sys.modules, 'alembic' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code, url], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.split() == ["200", "False", "False"]


def test_options_are_refused_where_a_file_has_none():
    with pytest.raises(ValueError, match="PostgreSQL"):
        Store("sqlite:////tmp/store.sqlite3?mode=ro")
