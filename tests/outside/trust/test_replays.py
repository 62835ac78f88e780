"""Tokens used before, in one process (SEC-14, Z28)."""

from __future__ import annotations

import threading

from cds_service.trust.replay_protection import ReplaysInMemory, fingerprint


def test_a_token_serves_one_call_and_its_retries(ticks):
    replays = ReplaysInMemory(clock=ticks)
    assert replays.seen("iss", "jti", "call", 1300)
    assert replays.seen("iss", "jti", "call", 1300)
    assert not replays.seen("iss", "jti", "other", 1300)
    assert replays.seen("iss", "other", "other", 1300)
    assert replays.seen("other", "jti", "other", 1300)
    assert replays.seen("is", "s\0jti", "other", 1300)
    assert replays.seen("\ud800", "\udfff", "call", 1300)


def test_what_has_expired_is_forgotten(ticks):
    replays = ReplaysInMemory(clock=ticks)
    for number in range(100):
        replays.seen("iss", str(number), "call", 1300)
    assert len(replays) == 100
    ticks.now = 1300
    assert replays.seen("iss", "7", "other", 1600)
    assert len(replays) == 1


def test_what_is_held_is_bounded(ticks):
    replays = ReplaysInMemory(most=10, clock=ticks)
    for number in range(1000):
        assert replays.seen("iss", str(number), "call", 1300)
    assert len(replays) == 10
    assert not replays.seen("iss", "999", "other", 1300)


def test_of_many_at_once_one_passes():
    replays, passed = ReplaysInMemory(), []
    threads = [
        threading.Thread(target=lambda n=n: passed.append(replays.seen("iss", "jti", f"call {n}", 4e9)))
        for n in range(32)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(5)
    assert passed.count(True) == 1 and len(passed) == 32


def test_a_fingerprint_tells_path_and_body_apart():
    told = {fingerprint("/a", b"x"), fingerprint("/a", b"y"), fingerprint("/b", b"x"), fingerprint("/ax", b"")}
    assert len(told) == 4
