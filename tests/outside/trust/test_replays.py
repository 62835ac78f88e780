"""Tokens used before, in one process (SEC-14, Z28)."""

from __future__ import annotations

import threading

from cds_service.trust.replay_protection import UsedTokensInMemory, fingerprint


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


def test_a_fingerprint_tells_path_and_body_apart():
    fingerprints = {fingerprint("/a", b"x"), fingerprint("/a", b"y"), fingerprint("/b", b"x"), fingerprint("/ax", b"")}
    assert len(fingerprints) == 4
