"""INSERT of rows that may be there already.

SQLite and PostgreSQL have the same clause for it, but SQLAlchemy has a class for each.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, Table
from sqlalchemy.dialects import sqlite

if TYPE_CHECKING:
    from sqlalchemy.dialects import postgresql


def insert_new(connection: Connection, table: Table, rows: Sequence[Mapping[str, Any]]) -> int:
    """Inserts the rows whose primary key is not there yet; returns how many, or -1 if the driver does not say."""
    if not rows:
        return 0
    return connection.execute(_insert_if_new(connection.dialect.name, table), _ordered(table, rows)).rowcount


def insert_or_add(connection: Connection, table: Table, rows: Iterable[Mapping[str, Any]], column: str) -> None:
    """Inserts rows; where the primary key is there already, adds the value of ``column`` to the one in the table."""
    statement = _insert(connection.dialect.name, table)
    total = table.c[column] + statement.excluded[column]
    statement = statement.on_conflict_do_update(index_elements=list(table.primary_key), set_={column: total})
    connection.execute(statement, _ordered(table, rows))


def _ordered(table: Table, rows: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """The rows in the order of their keys, so that two processes with the same rows never wait in a circle."""
    return sorted(rows, key=lambda row: [str(row[key.name]) for key in table.primary_key])


@cache
def _insert_if_new(dialect: str, table: Table) -> postgresql.Insert | sqlite.Insert:
    return _insert(dialect, table).on_conflict_do_nothing()


def _insert(dialect: str, table: Table) -> postgresql.Insert | sqlite.Insert:
    if dialect == "postgresql":
        from sqlalchemy.dialects import postgresql

        return postgresql.insert(table)
    return sqlite.insert(table)
