"""SQLAlchemy's way to the database, for what reads reports and changes tables; imported where that is asked for."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, DisconnectionError
from sqlalchemy.pool import ConnectionPoolEntry

from cds_service.store.database import WHAT_A_STORE_IS, Address, describe_cause, describe_error, file_of
from cds_service.store.drivers import PATIENCE, connect_sqlite, postgresql_arguments


def postgresql_url(text: str) -> URL:
    """The URL of a PostgreSQL database, completed with the driver.

    Raises:
        ValueError: it is no such URL; without its password.
    """
    try:
        url = make_url(text)
    except (ArgumentError, ValueError):  # the latter for a port that is no number
        raise ValueError(WHAT_A_STORE_IS) from None
    if not url.database:
        raise ValueError(WHAT_A_STORE_IS)
    return url.set(drivername="postgresql+psycopg")


def postgresql_connector(address: Address, *, durable: bool, patience: timedelta) -> Callable[[], Any]:
    """What connects to a database of PostgreSQL by its driver, as an engine would; it begins no transaction by itself.

    Raises:
        ModuleNotFoundError: the driver is not installed.
    """
    import psycopg

    url = make_url(address.url)
    _, place = url.get_dialect()().create_connect_args(url)
    arguments = dict(place) | postgresql_arguments(dict(url.query), durable=durable, patience=patience)
    return partial(psycopg.connect, **arguments, autocommit=True)


def open_engine(address: Address) -> Engine:
    """An engine for a database; it connects when it is first used. What it commits has reached the disk.

    Raises:
        ValueError: the driver is not installed; says what to install.
    """
    if address.file is not None:
        return _sqlite(address, address.file)
    url = make_url(address.url)
    try:
        return create_engine(
            url,
            connect_args=postgresql_arguments(dict(url.query), durable=True, patience=PATIENCE),
            hide_parameters=True,
            pool_size=2,
            max_overflow=2,
            pool_timeout=PATIENCE.total_seconds(),
        )
    except ModuleNotFoundError:
        raise ValueError("PostgreSQL needs its driver: install psycopg[binary]") from None


def reading(engine: Engine) -> Connection:
    """A connection that only reads, so that in SQLite it waits for no writer."""
    return engine.connect().execution_options(cds_reads=True)


def describe_sql_error(error: Exception) -> str:
    """What went wrong, in a few words without data."""
    if isinstance(error, DBAPIError) and error.orig is not None:
        return describe_cause(error.orig, while_connecting=error.statement is None)
    return describe_error(error)


def _sqlite(address: Address, file: Path) -> Engine:
    engine = create_engine(
        address.url,
        creator=lambda: connect_sqlite(file, durable=True, patience=PATIENCE),
        hide_parameters=True,
        pool_size=2,
        max_overflow=2,
        pool_timeout=PATIENCE.total_seconds(),
    )

    @event.listens_for(engine, "connect")
    def note_file(_: Any, record: ConnectionPoolEntry) -> None:
        record.info["file"] = file_of(address)

    @event.listens_for(engine, "checkout")
    def refuse_another_file(_: Any, record: ConnectionPoolEntry, __: object) -> None:
        if record.info["file"] != file_of(address):
            raise DisconnectionError  # the pool opens the file that is there now

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
