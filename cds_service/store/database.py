"""Opens the database: an engine for SQLite or PostgreSQL, set up so that what is committed is on disk."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, DisconnectionError, SQLAlchemyError
from sqlalchemy.pool import ConnectionPoolEntry

# So long a commit waits for the commit of another process; whoever sent the request is still there then.
_PATIENCE = timedelta(seconds=2)
_MILLISECOND = timedelta(milliseconds=1)
_POSTGRESQL = ("postgres", "postgresql", "postgresql+psycopg")


class StoreDown(Exception):
    """The store cannot be used now. The message says why, without a password, a parameter or data of a patient."""


def read_url(text: str) -> URL:
    """Parses the database URL of the setting, and completes it with the driver.

    Raises:
        ValueError: it is not a database URL, or one of a database that is not supported; without its password.
    """
    try:
        url = make_url(text)
    except (ArgumentError, ValueError):  # the latter for a port that is no number
        raise ValueError("the store is no database URL, such as sqlite:////var/lib/cds/store.sqlite3") from None
    if url.drivername == "sqlite" and url.database and url.database != ":memory:":
        return url
    if url.drivername in _POSTGRESQL and url.database:
        return url.set(drivername="postgresql+psycopg")
    raise ValueError("the store must be sqlite:///FILE or postgresql+psycopg://USER@HOST/DATABASE")


def open_engine(url: URL, *, durable: bool = True, patience: timedelta = _PATIENCE) -> Engine:
    """An engine for the database at ``url``; it connects when it is first used.

    If ``durable``, a commit has reached the disk when it returns. ``patience`` bounds how long a statement may take or
    wait for others.

    Raises:
        ValueError: the driver is not installed; says what to install.
    """
    if url.drivername == "sqlite":
        return _sqlite(url, durable, patience)
    settings = {
        "synchronous_commit": "on" if durable else "off",
        "statement_timeout": patience // _MILLISECOND,
        "lock_timeout": patience // _MILLISECOND,
        "idle_in_transaction_session_timeout": "1min",
    }
    url_options = dict(url.query)
    server_options = " ".join(f"-c {name}={value}" for name, value in settings.items())
    arguments: dict[str, Any] = {
        "connect_timeout": 2,  # seconds, the least that libpq knows
        "tcp_user_timeout": _PATIENCE // _MILLISECOND,
        "application_name": "cds-service",
        **url_options,
        "options": f"{url_options.get('options', '')} {server_options}".strip(),
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
        raise ValueError("PostgreSQL needs its driver: install psycopg[binary]") from None


def reading(engine: Engine) -> Connection:
    """A connection that only reads, so that in SQLite it waits for no writer."""
    return engine.connect().execution_options(cds_reads=True)


def file_of(engine: Engine) -> tuple[int, int] | None:
    """What tells the file of a SQLite database from another one that takes its place; ``None`` if there is none."""
    if engine.dialect.name != "sqlite":
        return None
    try:
        status = Path(str(engine.url.database)).stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino


def describe_error(error: Exception) -> str:
    """What went wrong, in a few words without data: the message of a failed statement may quote its parameters."""
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
    """Whether the error is that a pooled connection had died, so that a new connection may succeed."""
    return isinstance(error, DBAPIError) and error.connection_invalidated


def _sqlite(url: URL, durable: bool, patience: timedelta) -> Engine:
    engine = create_engine(
        url, hide_parameters=True, pool_size=2, max_overflow=2, pool_timeout=patience.total_seconds()
    )
    folder = Path(str(url.database)).parent

    @event.listens_for(engine, "do_connect")
    def make_file(*_: object) -> None:
        """Before SQLite does, so that folder and file are their owner's alone (Z96)."""
        if not folder.exists():
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        # Never one that is there: to close it would take away the locks that this process has on it (POSIX).
        with contextlib.suppress(OSError):  # SQLite says what is wrong
            os.close(os.open(str(url.database), os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))

    @event.listens_for(engine, "checkout")
    def refuse_another_file(_: Any, record: ConnectionPoolEntry, __: object) -> None:
        if record.info["file"] != file_of(engine):
            raise DisconnectionError  # the pool opens the file that is there now

    @event.listens_for(engine, "connect")
    def set_up(connection: Any, record: ConnectionPoolEntry) -> None:
        record.info["file"] = file_of(engine)
        connection.isolation_level = None  # transactions are begun below, not by the driver's guess
        connection.execute(f"PRAGMA busy_timeout={patience // _MILLISECOND}")
        _use_wal(connection, time.monotonic() + patience.total_seconds())
        connection.execute(f"PRAGMA synchronous={'FULL' if durable else 'NORMAL'}")
        connection.execute("PRAGMA foreign_keys=ON")

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        # A transaction that writes asks for the lock at its start: one that has read before cannot wait for it.
        reads = connection.get_execution_options().get("cds_reads")
        driver: Any = connection.connection.driver_connection
        statement = "BEGIN" if reads else "BEGIN IMMEDIATE"
        try:
            driver.execute(statement)
        except sqlite3.Error as error:  # what comes of an event is not made SQLAlchemy's own, as all else is
            raise DBAPIError.instance(statement, None, error, sqlite3.Error) from error

    return engine


def _use_wal(connection: sqlite3.Connection, deadline: float) -> None:
    """Turns on write-ahead logging, and waits while another process does: SQLite would fail at once.

    Raises:
        sqlite3.OperationalError: it is not on at ``deadline``, a moment of ``time.monotonic``.
    """
    while True:
        try:
            if connection.execute("PRAGMA journal_mode").fetchone()[0] != "wal":
                connection.execute("PRAGMA journal_mode=WAL")
            return
        except sqlite3.OperationalError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.02)
