"""SIGTERM: what was accepted is answered, what was counted is written, and the process is gone within a bound."""

import json
import threading
import time
from uuid import uuid4

from sqlalchemy import func, select

from cds_service.store import tables
from cds_service.store.database import read_url
from cds_service.store.engine import open_engine, reading
from tests.support.servers import Service, status_of

HOOK = "/cds-services/vitamin-b12-order-select"
CALLS = 4
STOP_SECONDS = 10
SLOW_TO_READ = 15_000_000  # bytes of blanks: enough work that a stop falls into it


def stored(url, column):
    engine = open_engine(read_url(url))
    with reading(engine) as connection:
        found = connection.execute(select(column)).scalar()
    engine.dispose()
    return found


def test_calls_in_flight_are_answered_and_their_cards_counted(tmp_path, hook_body):
    url = f"sqlite:///{tmp_path}/store.sqlite3"
    body = hook_body.rstrip()[:-1].ljust(SLOW_TO_READ) + b"}"
    said = []

    def call():
        said.append(status_of(service.base + HOOK, body, timeout=20))

    with Service(url, tmp_path / "log") as service:
        callers = [threading.Thread(target=call) for _ in range(CALLS)]
        for caller in callers:
            caller.start()
        time.sleep(0.15)
        answered_before = len(said)
        began = time.monotonic()
        service.process.terminate()
        code = service.process.wait(STOP_SECONDS + 5)
        seconds = time.monotonic() - began
        for caller in callers:
            caller.join(20)
    assert answered_before < CALLS, "nothing was in flight"
    assert [status for status, _ in said] == [200] * CALLS
    assert code == 0 and seconds < STOP_SECONDS
    cards = sum(len(json.loads(answer)["cards"]) for _, answer in said)
    assert cards and stored(url, func.sum(tables.shown.c.times)) == cards


def test_feedback_in_flight_is_kept_when_it_gets_its_200(tmp_path):
    url = f"sqlite:///{tmp_path}/store.sqlite3"
    kept, running = [], threading.Event()
    running.set()

    def send():
        while running.is_set():
            card = str(uuid4())
            entry = {"card": card, "outcome": "overridden", "outcomeTimestamp": "2026-01-05T09:30:00Z"}
            try:
                status, _ = status_of(f"{service.base}{HOOK}/feedback", json.dumps({"feedback": [entry]}).encode())
            except OSError:
                return  # it is gone
            if status == 200:
                kept.append(card)

    with Service(url, tmp_path / "log") as service:
        senders = [threading.Thread(target=send) for _ in range(4)]
        for sender in senders:
            sender.start()
        while len(kept) < 20:
            time.sleep(0.01)
        service.process.terminate()
        service.process.wait(STOP_SECONDS + 5)
        running.clear()
        for sender in senders:
            sender.join(20)
    assert stored(url, func.count(tables.feedback.c.card.distinct())) >= len(kept) >= 20
