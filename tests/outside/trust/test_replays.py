"""Tokens used before, in one process (SEC-14, Z28)."""

from __future__ import annotations

import os
import signal
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

import requests

from cds_service.trust.replay_protection import UsedTokensInMemory, fingerprint
from cds_service.trust.token_journal import TokenJournal
from tests.support.servers import Service, children, is_there, wait_until_answers
from tests.support.trust_parts import SERVICE, write_clients
from tests.support.waiting import eventually


def test_a_token_serves_one_call_and_its_retries(ticks):
    used_tokens = UsedTokensInMemory(clock=ticks)
    assert used_tokens.accept_use("iss", "jti", "call", 1300)
    assert used_tokens.accept_use("iss", "jti", "call", 1300)
    assert not used_tokens.accept_use("iss", "jti", "other", 1300)
    assert used_tokens.accept_use("iss", "other", "other", 1300)
    assert used_tokens.accept_use("other", "jti", "other", 1300)
    assert used_tokens.accept_use("is", "s\0jti", "other", 1300)
    assert used_tokens.accept_use("\ud800", "\udfff", "call", 1300)


def test_what_has_expired_is_forgotten(ticks):
    used_tokens = UsedTokensInMemory(clock=ticks)
    for number in range(100):
        used_tokens.accept_use("iss", str(number), "call", 1300)
    assert len(used_tokens) == 100
    ticks.now = 1300
    assert used_tokens.accept_use("iss", "7", "other", 1600)
    assert len(used_tokens) == 1


def test_what_is_held_is_bounded(ticks):
    used_tokens = UsedTokensInMemory(max_tokens=10, clock=ticks)
    for number in range(1000):
        assert used_tokens.accept_use("iss", str(number), "call", 1300)
    assert len(used_tokens) == 10
    assert not used_tokens.accept_use("iss", "999", "other", 1300)


def test_of_many_at_once_one_passes():
    used_tokens, passed = UsedTokensInMemory(), []
    threads = [
        threading.Thread(target=lambda n=n: passed.append(used_tokens.accept_use("iss", "jti", f"call {n}", 4e9)))
        for n in range(32)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(5)
    assert passed.count(True) == 1 and len(passed) == 32


def test_what_one_process_has_seen_the_next_one_knows(ticks, tmp_path):
    """It may have been killed at any moment, with half a use written."""
    first = UsedTokensInMemory(clock=ticks, journal=TokenJournal(tmp_path / "uses"))
    assert first.accept_use("iss", "jti", "call", 1300)
    assert first.accept_use("iss", "later", "call", 9000)
    (hour, later) = sorted(tmp_path.glob("uses/*"))
    with later.open("ab") as file:
        file.write(b"half of a use")
    second = UsedTokensInMemory(clock=ticks, journal=TokenJournal(tmp_path / "uses"))
    assert second.accept_use("iss", "jti", "call", 1300)
    assert not second.accept_use("iss", "jti", "other", 1300)
    assert not second.accept_use("iss", "later", "other", 9000)
    ticks.now = 4000
    third = UsedTokensInMemory(clock=ticks, journal=TokenJournal(tmp_path / "uses"))
    assert len(third) == 1
    assert not hour.exists()


def test_uses_are_their_owners_alone_and_say_nothing_of_a_call(ticks, tmp_path):
    UsedTokensInMemory(clock=ticks, journal=TokenJournal(tmp_path / "uses")).accept_use("iss", "a-jti", "a-call", 1300)
    (file,) = tmp_path.glob("uses/*")
    assert (file.parent.stat().st_mode & 0o777, file.stat().st_mode & 0o777) == (0o700, 0o600)
    assert b"jti" not in file.read_bytes() and b"call" not in file.read_bytes()


def test_a_folder_that_cannot_be_written_stops_nobody(ticks, tmp_path, caplog):
    (tmp_path / "file").write_text("")
    used_tokens = UsedTokensInMemory(clock=ticks, journal=TokenJournal(tmp_path / "file"))
    for number in range(3):
        assert used_tokens.accept_use("iss", str(number), "call", 1300)
    assert len([record for record in caplog.records if "used tokens are forgotten" in record.message]) == 1


def test_SEC_14_a_token_is_no_good_for_another_call_after_its_worker_was_killed(tmp_path, keys, server, maker, body):
    path = write_clients(tmp_path / "clients.toml", keys, server)
    named = {"CDS_SERVICE_CLIENTS": str(path), "CDS_SERVICE_STATE": str(tmp_path / "state")}
    headers = {"Authorization": maker.bearer()}
    with Service(f"sqlite:///{tmp_path}/store.sqlite3", tmp_path / "log", **named) as service:
        assert requests.post(service.base + SERVICE, json=body, headers=headers, timeout=20).status_code == 200
        (_, worker) = children(service.process.pid)
        os.kill(worker, signal.SIGKILL)
        eventually(lambda: not is_there(worker))
        wait_until_answers(f"{service.base}/healthz", service.process)
        other = body | {"hookInstance": str(uuid4())}
        assert requests.post(service.base + SERVICE, json=other, headers=headers, timeout=20).status_code == 401
        assert requests.post(service.base + SERVICE, json=body, headers=headers, timeout=20).status_code == 200


def test_after_a_worker_was_killed_all_of_its_callers_are_let_in_though_its_keys_must_be_read_anew(
    tmp_path, keys, server, maker, body
):
    """They all come at once, and a set of keys takes a while."""
    path = write_clients(tmp_path / "clients.toml", keys, server)
    server.mode, server.slow = "slow", 0.7
    named = {"CDS_SERVICE_CLIENTS": str(path), "CDS_SERVICE_REPLAY_PROTECTION": "0"}
    headers = {"Authorization": maker.bearer()}
    with Service(f"sqlite:///{tmp_path}/store.sqlite3", tmp_path / "log", **named) as service:
        assert requests.post(service.base + SERVICE, json=body, headers=headers, timeout=20).status_code == 200
        (_, worker) = children(service.process.pid)
        os.kill(worker, signal.SIGKILL)
        eventually(lambda: not is_there(worker))
        wait_until_answers(f"{service.base}/healthz", service.process)

        def call(_):
            return requests.post(service.base + SERVICE, json=body, headers=headers, timeout=20).status_code

        with ThreadPoolExecutor(64) as callers:
            assert Counter(callers.map(call, range(64))) == {200: 64}


def test_a_fingerprint_tells_path_and_body_apart():
    fingerprints = {fingerprint("/a", b"x"), fingerprint("/a", b"y"), fingerprint("/b", b"x"), fingerprint("/ax", b"")}
    assert len(fingerprints) == 4
