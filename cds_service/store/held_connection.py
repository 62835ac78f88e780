"""The one connection by which a thread writes, held from one transaction to the next.

Statements go to the driver as they are: SQLAlchemy would cost more than the writing.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import cache, partial
from pathlib import Path
from typing import Any

from cds_service.store.database import Address, DatabaseFault, describe_cause, file_of
from cds_service.store.drivers import PATIENCE, connect_sqlite

Values = Sequence[str | int | date | None]
"""The values of the marks ``?`` of a statement, in order. A ``datetime`` among them is aware."""


@dataclass(frozen=True, slots=True)
class _Driver:
    """What differs between the databases. ``begin`` begins a transaction that writes, ``has_table`` asks for a table.

    ``error`` is the class of everything that the driver raises, ``operational`` of what is the database's own fault.
    """

    connect: Callable[[], Any]
    error: type[Exception]
    operational: type[Exception]
    begin: str
    has_table: str
    text: Callable[[str], str]
    values: Callable[[Values], Sequence[Any]]


class Statements:
    """Runs statements within one transaction, in which each mark ``?`` stands for a value."""

    def __init__(self, cursor: Any, driver: _Driver) -> None:
        self._cursor, self._driver = cursor, driver

    def run(self, text: str, values: Values = ()) -> int:
        """Runs one statement; how many rows it has written."""
        self._cursor.execute(self._driver.text(text), self._driver.values(values))
        return int(self._cursor.rowcount)

    def run_each(self, text: str, rows: Iterable[Values]) -> None:
        """Runs one statement for the values of each row."""
        self._cursor.executemany(self._driver.text(text), [self._driver.values(row) for row in rows])

    def read(self, text: str, values: Values = ()) -> list[tuple[Any, ...]]:
        """The rows that one statement finds."""
        self._cursor.execute(self._driver.text(text), self._driver.values(values))
        return list(self._cursor.fetchall())


class HeldConnection:
    """A connection that is made when it is first used, and anew after a failure, a fork, or where its file is another.

    One thread at a time may use it. If ``durable``, a transaction has reached the disk when it ends; ``patience``
    bounds how long a statement may take or wait for others.

    Raises:
        ValueError: the driver is not installed; says what to install.
    """

    def __init__(self, address: Address, *, durable: bool = True, patience: timedelta = PATIENCE) -> None:
        self._address = address
        self._driver = (
            _sqlite(address.file, durable, patience)
            if address.file is not None
            else _postgresql(address, durable, patience)
        )
        self._connection: Any = None
        self._made_for: tuple[int, tuple[int, int] | None] = (0, None)
        self._of_parents: list[Any] = []  # not to be closed: the process before the fork uses them

    @contextmanager
    def writing(self) -> Iterator[Statements]:
        """A transaction that writes: all that is run in it, or nothing if anything is raised.

        Raises:
            DatabaseFault: the driver refused something of it.
            OSError: the folder of SQLite's file cannot be made.
        """
        with self._watched() as cursor:
            cursor.execute(self._driver.begin)
            yield Statements(cursor, self._driver)
            cursor.execute("COMMIT")

    def read(self, text: str, values: Values = ()) -> list[tuple[Any, ...]]:
        """The rows that one statement finds. It waits for no writer.

        Raises:
            DatabaseFault: the driver refused it.
            OSError: the folder of SQLite's file cannot be made.
        """
        with self._watched() as cursor:
            return Statements(cursor, self._driver).read(text, values)

    def has_table(self, name: str) -> bool:
        """Whether there is a table of this name.

        Raises:
            DatabaseFault, OSError: as ``read``.
        """
        return bool(self.read(self._driver.has_table, [name]))

    def close(self) -> None:
        """Closes the connection; the next use makes another."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    @contextmanager
    def _watched(self) -> Iterator[Any]:
        """A cursor on the connection; after a failure what was begun is undone, and the connection is closed."""
        was_connected = False
        try:
            connection = self._opened()
            was_connected = True
            yield connection.cursor()
        except self._driver.error as error:
            was_lost = was_connected and bool(getattr(self._connection, "closed", False))
            self._drop()
            raise DatabaseFault(
                describe_cause(error, while_connecting=not was_connected),
                was_lost=was_lost,
                is_operational=isinstance(error, self._driver.operational),
            ) from error
        except BaseException:
            self._drop()
            raise

    def _opened(self) -> Any:
        present = os.getpid(), file_of(self._address)
        if self._connection is not None and self._made_for != present:
            if self._made_for[0] != present[0]:
                self._of_parents.append(self._connection)
                self._connection = None
            self._drop()
        if self._connection is None:
            self._connection = self._driver.connect()
            self._made_for = os.getpid(), file_of(self._address)
        return self._connection

    def _drop(self) -> None:
        # To close it is not enough: SQLite keeps a transaction for as long as a traceback refers to a statement of it.
        with suppress(self._driver.error):
            if self._connection is not None:
                self._connection.rollback()
        with suppress(self._driver.error):
            self.close()


def _sqlite(file: Path, durable: bool, patience: timedelta) -> _Driver:
    return _Driver(
        connect=partial(connect_sqlite, file, durable=durable, patience=patience),
        error=sqlite3.Error,
        operational=sqlite3.OperationalError,
        begin="BEGIN IMMEDIATE",  # a transaction that has read before it asks for the lock cannot wait for it
        has_table="SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ?",
        text=str,
        values=_as_sqlite_has_them,
    )


def _postgresql(address: Address, durable: bool, patience: timedelta) -> _Driver:
    from cds_service.store.engine import postgresql_connector

    try:
        import psycopg
    except ModuleNotFoundError:
        raise ValueError("PostgreSQL needs its driver: install psycopg[binary]") from None
    return _Driver(
        connect=postgresql_connector(address, durable=durable, patience=patience),
        error=psycopg.Error,
        operational=psycopg.OperationalError,
        begin="BEGIN",
        has_table="SELECT 1 FROM pg_class WHERE oid = to_regclass(?)",
        text=_with_marks_of_psycopg,
        values=lambda values: values,
    )


@cache
def _with_marks_of_psycopg(text: str) -> str:
    return text.replace("?", "%s")


def _as_sqlite_has_them(values: Values) -> list[str | int | None]:
    """Days and moments as SQLAlchemy writes and reads them: a moment in UTC, always with its microseconds."""
    return [
        value.astimezone(UTC).replace(tzinfo=None).isoformat(" ", "microseconds")
        if isinstance(value, datetime)
        else value.isoformat()
        if isinstance(value, date)
        else value
        for value in values
    ]
