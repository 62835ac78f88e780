"""Connects to a database by its driver, set up so that what is committed is on disk."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

# So long a commit waits for the commit of another process; whoever sent the request is still there then.
PATIENCE = timedelta(seconds=2)
_MILLISECOND = timedelta(milliseconds=1)


def connect_sqlite(file: Path, *, durable: bool, patience: timedelta) -> sqlite3.Connection:
    """A connection to a file of SQLite, which is made if it is not there, and is its owner's alone (Z96).

    It begins no transaction by itself. If ``durable``, a commit has reached the disk when it returns. ``patience``
    bounds how long a statement waits for others. One thread after another may use it.

    Raises:
        OSError: its folder cannot be made.
        sqlite3.Error: it cannot be opened.
    """
    _make_file(file)
    connection = sqlite3.connect(file, timeout=patience.total_seconds(), isolation_level=None, check_same_thread=False)
    try:
        _use_wal(connection, time.monotonic() + patience.total_seconds())
        connection.execute(f"PRAGMA synchronous={'FULL' if durable else 'NORMAL'}")
        connection.execute("PRAGMA foreign_keys=ON")
    except BaseException:
        connection.close()
        raise
    return connection


def postgresql_arguments(query: dict[str, Any], *, durable: bool, patience: timedelta) -> dict[str, Any]:
    """What libpq is given besides the place of the server; ``query`` are the options of the URL, which win.

    If ``durable``, a commit has reached the disk when it returns. ``patience`` bounds how long a statement may take or
    wait for others.
    """
    settings = {
        "synchronous_commit": "on" if durable else "off",
        "statement_timeout": patience // _MILLISECOND,
        "lock_timeout": patience // _MILLISECOND,
        "idle_in_transaction_session_timeout": "1min",
    }
    server_options = " ".join(f"-c {name}={value}" for name, value in settings.items())
    return {
        "connect_timeout": 2,  # seconds, the least that libpq knows
        "tcp_user_timeout": PATIENCE // _MILLISECOND,
        "application_name": "cds-service",
        **query,
        "options": f"{query.get('options', '')} {server_options}".strip(),
    }


def _make_file(file: Path) -> None:
    """Before SQLite does, so that folder and file are their owner's alone."""
    if not file.parent.exists():
        file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    # Never one that is there: to close it would take away the locks that this process has on it (POSIX).
    with contextlib.suppress(OSError):  # SQLite says what is wrong
        os.close(os.open(file, os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))


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
