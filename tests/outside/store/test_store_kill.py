"""Feedback survives kill -9 at any moment after its 200: the service killed, and PostgreSQL killed under it."""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import threading
import time
import urllib.error
from http.client import HTTPException
from uuid import uuid4

import pytest
from sqlalchemy import select

from cds_service.store import tables
from cds_service.store.database import read_url
from cds_service.store.engine import open_engine, reading
from tests.support.servers import Service, children, status_of

FEEDBACK = "/cds-services/vitamin-b12-order-select/feedback"


class Sender(threading.Thread):
    """Sends feedback, one after another, for as long as it may; remembers what got its 200."""

    def __init__(self, service):
        super().__init__(daemon=True)
        self._service, self.stored, self.running, self.refused = service, [], True, []

    def run(self):
        while self.running:
            cards = [str(uuid4()) for _ in range(3)]
            entries = [
                {"card": card, "outcome": "overridden", "outcomeTimestamp": "2026-01-05T09:30:00Z"} for card in cards
            ]
            try:
                status, _ = status_of(self._service.base + FEEDBACK, json.dumps({"feedback": entries}).encode())
            except (OSError, HTTPException, urllib.error.URLError):
                time.sleep(0.01)  # the service is not there
                continue
            if status == 200:
                self.stored += cards
            else:
                self.refused.append(status)


def cards_in(url):
    engine = open_engine(read_url(url))
    with reading(engine) as connection:
        cards = list(connection.execute(select(tables.feedback.c.card)).scalars())
    engine.dispose()
    return cards


def wait_for_answers(sender, more):
    """Until so many more cards have their 200: each kill falls among answers."""
    reached = len(sender.stored) + more
    deadline = time.monotonic() + 20
    while len(sender.stored) < reached and time.monotonic() < deadline:
        time.sleep(0.001)
    assert len(sender.stored) >= reached


def assert_kept(url, sender):
    sender.running = False
    sender.join(20)
    cards = cards_in(url)
    assert set(sender.stored) <= set(cards) and len(cards) == len(set(cards))
    assert len(cards) % 3 == 0, "a call is kept whole or not at all"


@pytest.mark.parametrize("kills", [35])
def test_feedback_survives_kill_9_of_the_process_that_answered(store_url, tmp_path, kills):
    """Under a server that starts a new worker at once, so that there are many moments."""
    command = (
        "-m",
        "gunicorn",
        "--preload",
        "--threads",
        "2",
        "-b",
        "127.0.0.1:{port}",
        "cds_service.service.app:wsgi()",
    )
    chance = random.Random(kills)  # noqa: S311
    with Service(store_url, tmp_path / "log", command) as service:
        sender = Sender(service)
        sender.start()
        for _ in range(kills):
            wait_for_answers(sender, 3 * chance.randrange(1, 6))
            time.sleep(chance.random() * 0.006)
            for worker in children(service.process.pid)[1:]:
                with contextlib.suppress(ProcessLookupError):  # one of before that was just buried
                    os.kill(worker, signal.SIGKILL)
        wait_for_answers(sender, 3)
        assert_kept(store_url, sender)
    assert len(sender.stored) >= 3 * kills


@pytest.mark.parametrize("kills", [5])
def test_feedback_survives_kill_9_of_the_whole_service(store_url, tmp_path, kills):
    chance = random.Random(kills)  # noqa: S311
    service = Service(store_url, tmp_path / "log").start()
    sender = Sender(service)
    sender.start()
    for number in range(kills):
        wait_for_answers(sender, 3 * chance.randrange(1, 20))
        time.sleep(chance.random() * 0.006)
        service.kill()
        if number < kills - 1:
            service.start()
    assert_kept(store_url, sender)


@pytest.mark.parametrize("kills", [4])
def test_feedback_survives_kill_9_of_postgresql_itself(own_postgresql, tmp_path, kills):
    url = own_postgresql.make_store("killed")
    with Service(url, tmp_path / "log") as service:
        sender = Sender(service)
        sender.start()
        for _ in range(kills):
            wait_for_answers(sender, 30)
            own_postgresql.kill()
            own_postgresql.start()
        assert_kept(url, sender)
    assert set(sender.refused) <= {503}
