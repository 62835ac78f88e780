"""The way to the database: one engine, set up so that what is committed is on disk. Imports nothing of ours."""

from __future__ import annotations

import sqlite3
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, SQLAlchemyError

# A commit waits this long for another process's; the caller of a request is still there then.
_PATIENCE = timedelta(seconds=2)
_MILLISECOND = timedelta(milliseconds=1)
_POSTGRESQL = ("postgres", "postgresql", "postgresql+psycopg")


class StoreDown(Exception):
    """The store cannot be used now. The text says why, without a password, a parameter or a patient's data."""


def read_url(text: str) -> URL:
    """The database URL of the setting.

    Raises:
        ValueError: it is none, or of a kind that is not served; the sentence repeats no password.
    """
    try:
        url = make_url(text)
    except ArgumentError:
        raise ValueError("the store is no database URL, such as sqlite:////var/lib/cds/store.sqlite3") from None
    if url.drivername == "sqlite" and url.database and url.database != ":memory:":
        return url
    if url.drivername in _POSTGRESQL and url.database:
        return url.set(drivername="postgresql+psycopg")
    raise ValueError("the store must be sqlite:///FILE or postgresql+psycopg://USER@HOST/DATABASE")


def open_engine(url: URL, *, durable: bool = True, patience: timedelta = _PATIENCE) -> Engine:
    """An engine; nothing is connected yet.

    ``durable``: a commit has reached the disk when it returns. ``patience`` bounds a statement.

    Raises:
        ValueError: the driver is not installed, with what to install.
    """
    if url.drivername == "sqlite":
        return _sqlite(url, durable, patience)
    settings = {
        "synchronous_commit": "on" if durable else "off",
        "statement_timeout": patience // _MILLISECOND,
        "lock_timeout": patience // _MILLISECOND,
        "idle_in_transaction_session_timeout": "1min",
    }
    given = dict(url.query)
    ours = " ".join(f"-c {name}={value}" for name, value in settings.items())
    arguments: dict[str, Any] = {
        "connect_timeout": 2,  # seconds, the least that libpq knows
        "tcp_user_timeout": _PATIENCE // _MILLISECOND,
        "application_name": "cds-service",
        **given,
        "options": f"{given.get('options', '')} {ours}".strip(),
    }
    try:
        return create_engine(
            url,
            connect_args=arguments,
            hide_parameters=True,
            pool_size=2,
            max_overflow=2,
            pool_timeout=patience.total_seconds(),
        )
    except ModuleNotFoundError:
        raise ValueError("PostgreSQL needs its driver, psycopg: install the extra postgresql") from None


def reading(engine: Engine) -> Connection:
    """A connection that only reads: in SQLite it waits for no writer."""
    return engine.connect().execution_options(cds_reads=True)


def why(error: Exception) -> str:
    """What went wrong, in a few words that hold no data: a statement's own error may quote what it was given."""
    if isinstance(error, DBAPIError):
        cause = error.orig
        if error.statement is None and cause is not None:  # could not even connect
            return " ".join(str(cause).split())[:200]
        state = getattr(cause, "sqlstate", None) or getattr(cause, "sqlite_errorname", None)
        return f"{type(cause).__name__} {state or ''}".strip()
    if isinstance(error, StoreDown):
        return str(error)
    if isinstance(error, OSError):
        return error.strerror or type(error).__name__
    return type(error).__name__


def is_stale(error: SQLAlchemyError) -> bool:
    """Whether the pooled connection had died, so that a new one may do better."""
    return isinstance(error, DBAPIError) and error.connection_invalidated


def _sqlite(url: URL, durable: bool, patience: timedelta) -> Engine:
    engine = create_engine(
        url, hide_parameters=True, pool_size=2, max_overflow=2, pool_timeout=patience.total_seconds()
    )
    folder = Path(str(url.database)).parent

    @event.listens_for(engine, "do_connect")
    def make_folder(*_: object) -> None:
        if not folder.exists():
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)

    @event.listens_for(engine, "connect")
    def set_up(connection: Any, _: object) -> None:
        connection.isolation_level = None  # transactions are begun below, not by the driver's guess
        connection.execute(f"PRAGMA busy_timeout={patience // _MILLISECOND}")
        _use_wal(connection, time.monotonic() + patience.total_seconds())
        connection.execute(f"PRAGMA synchronous={'FULL' if durable else 'NORMAL'}")
        connection.execute("PRAGMA foreign_keys=ON")

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        # A writer takes its turn at the start: one that read first could not wait for another's commit.
        reads = connection.get_execution_options().get("cds_reads")
        driver: Any = connection.connection.driver_connection
        driver.execute("BEGIN" if reads else "BEGIN IMMEDIATE")

    return engine


def _use_wal(connection: sqlite3.Connection, deadline: float) -> None:
    """Write-ahead logging; SQLite does not wait by itself while another process is making the same change."""
    while True:
        try:
            if connection.execute("PRAGMA journal_mode").fetchone()[0] != "wal":
                connection.execute("PRAGMA journal_mode=WAL")
            return
        except sqlite3.OperationalError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.02)
