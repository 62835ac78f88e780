"""Every test that takes ``store_url`` runs on SQLite and on a real PostgreSQL."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from itertools import count

import pytest

from tests.support.servers import PostgreSQL, postgresql_programs

_databases = count()


def started():
    """A PostgreSQL of the tests' own; where none is installed the tests on it are skipped, but never by CI."""
    programs = postgresql_programs()
    if programs is None:
        reason = "no PostgreSQL server is installed (Debian: apt-get install postgresql)"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    return PostgreSQL(programs)


@pytest.fixture
def damage():
    """Overwrites the first page of a file of SQLite, all of whose data is in it."""

    def overwrite(path):
        with closing(sqlite3.connect(path)) as connection:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        with path.open("r+b") as file:
            file.write(b"\0" * 4096)

    return overwrite


@pytest.fixture(scope="session")
def postgresql():
    server = started()
    yield server
    server.remove()


@pytest.fixture
def own_postgresql():
    """A PostgreSQL that the test may stop and kill."""
    server = started()
    yield server
    server.remove()


@pytest.fixture(params=["sqlite", "postgresql"])
def store_url(request, tmp_path):
    """The URL of an empty database."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'store.sqlite3'}"
    return request.getfixturevalue("postgresql").make_store(f"test{next(_databases)}")
