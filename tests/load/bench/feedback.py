"""Feedback against a bare ``sqlite3`` insert of the same bytes, as durable and in the same folder.

``python -m tests.load.bench.feedback FOLDER`` prints how many are acknowledged a second, as JSON: of inserts and of
calls one after another, and of calls from as many clients at once as a worker has threads.
"""

from __future__ import annotations

import json
import sqlite3
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from functools import partial
from pathlib import Path
from uuid import uuid4

from cds_service.service.app import create_app
from cds_service.settings import Settings
from tests.load.bench.goals import INSERT, SERVICE, TOGETHER, Figures
from tests.load.bench.wsgi_calls import caller
from tests.support.bodies import SERVICE as ORDER_SELECT

_INSERTS, _CLIENTS, _TURNS = 40, 4, 10
"""Inserts or calls in a turn, and turns of each: they alternate, for the speed of a disk changes."""


def measure(folder: Path) -> dict[str, Figures]:
    """The rates by who was measured; the files are made in ``folder``."""
    app = create_app(Settings(loopback=True, store=f"sqlite:///{folder / 'feedback.sqlite3'}"))
    call = caller(app, f"/cds-services/{ORDER_SELECT}/feedback")
    with closing(sqlite3.connect(folder / "insert.sqlite3", isolation_level=None, check_same_thread=False)) as bare:
        bare.execute("PRAGMA journal_mode=WAL")
        bare.execute("PRAGMA synchronous=FULL")
        bare.execute("CREATE TABLE IF NOT EXISTS feedback (id INTEGER PRIMARY KEY, raw BLOB)")
        insert = partial(_insert, bare)
        spent = dict.fromkeys((INSERT, SERVICE, TOGETHER), 0.0)
        for turn in range(-1, _TURNS):  # the first one warms up
            for who, one, clients in ((INSERT, insert, 1), (SERVICE, call, 1), (TOGETHER, call, _CLIENTS)):
                seconds = _seconds(one, clients)
                spent[who] += seconds if turn >= 0 else 0
    return {who: {"per_second": _INSERTS * _TURNS / seconds} for who, seconds in spent.items()}


def _insert(connection: sqlite3.Connection, raw: bytes) -> None:
    connection.execute("INSERT INTO feedback (raw) VALUES (?)", (raw,))


def _seconds(one: Callable[[bytes], object], clients: int) -> float:
    sent = [_entry() for _ in range(_INSERTS)]
    with ThreadPoolExecutor(clients) as pool:
        began = time.perf_counter()
        list(pool.map(one, sent))
        return time.perf_counter() - began


def _entry() -> bytes:
    entry = {"card": str(uuid4()), "outcome": "overridden", "outcomeTimestamp": "2026-01-05T09:30:00Z"}
    reason = {"reason": {"code": "patient-refuses", "system": "http://example.org"}}
    return json.dumps({"feedback": [entry | {"overrideReason": reason}]}).encode()


if __name__ == "__main__":
    print(json.dumps(measure(Path(sys.argv[1]))))
