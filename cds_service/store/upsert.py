"""INSERT that meets its own row again: the two databases spell it alike, SQLAlchemy keeps one class for each."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, Table
from sqlalchemy.dialects import sqlite

if TYPE_CHECKING:
    from sqlalchemy.dialects import postgresql


def insert_new(connection: Connection, table: Table, rows: Sequence[Mapping[str, Any]]) -> int:
    """Inserts those rows whose key is not there yet; how many, or -1 where the driver does not say."""
    if not rows:
        return 0
    return connection.execute(_new(connection.dialect.name, table), _ordered(table, rows)).rowcount


def insert_or_add(connection: Connection, table: Table, rows: Iterable[Mapping[str, Any]], column: str) -> None:
    """Inserts rows; where the key is there already, ``column`` is added to what stands."""
    statement = _insert(connection.dialect.name, table)
    added = table.c[column] + statement.excluded[column]
    statement = statement.on_conflict_do_update(index_elements=list(table.primary_key), set_={column: added})
    connection.execute(statement, _ordered(table, rows))


def _ordered(table: Table, rows: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """By key: two processes that write the same rows then never wait for each other in a circle."""
    return sorted(rows, key=lambda row: [str(row[key.name]) for key in table.primary_key])


@cache
def _new(dialect: str, table: Table) -> postgresql.Insert | sqlite.Insert:
    return _insert(dialect, table).on_conflict_do_nothing()


def _insert(dialect: str, table: Table) -> postgresql.Insert | sqlite.Insert:
    if dialect == "postgresql":
        from sqlalchemy.dialects import postgresql

        return postgresql.insert(table)
    return sqlite.insert(table)
