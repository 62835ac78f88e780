"""The text of an INSERT of rows that may be there already; SQLite and PostgreSQL have the same clause for it.

Each text is made once, when the module that uses it is imported.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from cds_service.store.held_connection import Values


def insert_new(table: str, columns: Sequence[str]) -> str:
    """An INSERT that passes over a row whose primary key is there already."""
    return f"{_insert(table, columns)} ON CONFLICT DO NOTHING"


def insert_or_add(table: str, keys: Sequence[str], column: str) -> str:
    """An INSERT of ``keys`` and a number; where the row of these keys is there already, the number is added to its."""
    conflict = ", ".join(map(_quoted, keys))
    total = f"{_quoted(column)} = {_quoted(table)}.{_quoted(column)} + excluded.{_quoted(column)}"
    return f"{_insert(table, (*keys, column))} ON CONFLICT ({conflict}) DO UPDATE SET {total}"


def in_order(rows: Iterable[Values], keys: int) -> list[Values]:
    """Rows in the order of their first ``keys`` values, so that two processes with the same rows never wait in a
    circle.
    """
    return sorted(rows, key=lambda row: [str(value) for value in row[:keys]])


def _insert(table: str, columns: Sequence[str]) -> str:
    marks = ", ".join("?" * len(columns))
    return f"INSERT INTO {_quoted(table)} ({', '.join(map(_quoted, columns))}) VALUES ({marks})"  # noqa: S608  (our own names)


def _quoted(name: str) -> str:
    return f'"{name}"'
