"""Tokens seen before, shared by processes through the database (Z28, SEC-14)."""

from __future__ import annotations

import threading
import time

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cds_service.store.database import StoreDown, read_url
from cds_service.store.engine import open_engine
from cds_service.store.tables import token
from cds_service.store.used_tokens import UsedTokensInDatabase


@pytest.fixture
def replays(store_url):
    made = [UsedTokensInDatabase(store_url), UsedTokensInDatabase(store_url)]
    yield made
    for used_tokens in made:
        used_tokens.close()


def soon():
    return time.time() + 300


def test_SEC_14_Z28_a_token_is_good_once_and_for_the_same_call_again(replays):
    first, second = replays
    assert first.accept_use("iss", "jti", "call", soon())
    assert first.accept_use("iss", "jti", "call", soon()) and second.accept_use("iss", "jti", "call", soon())
    assert not first.accept_use("iss", "jti", "another call", soon())
    assert not second.accept_use("iss", "jti", "another call", soon())
    assert second.accept_use("iss", "jti", "call", soon())


def test_SEC_14_issuers_do_not_share_their_tokens(replays):
    first, second = replays
    assert first.accept_use("a", "jti", "1", soon()) and second.accept_use("b", "jti", "2", soon())


def test_SEC_14_of_many_at_once_one_wins(replays):
    for turn in range(10):
        start, results = threading.Barrier(8), []

        def ask(number, turn=turn, start=start, results=results):
            start.wait()
            results.append(replays[number % 2].accept_use("iss", f"jti-{turn}", f"call-{number}", soon()))

        threads = [threading.Thread(target=ask, args=(number,)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
        assert sorted(results) == [False] * 7 + [True]


def test_SEC_14_what_has_expired_is_removed(replays, store_url):
    first, _ = replays
    assert first.accept_use("iss", "old", "call", time.time() - 10)
    first._sweep()
    assert first.accept_use("iss", "new", "call", soon())
    engine = open_engine(read_url(store_url))
    with engine.connect() as connection:
        assert len(list(connection.execute(token.select()))) == 1
    engine.dispose()


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(issuer=st.text(max_size=300), jti=st.text(max_size=300))
def test_SEC_14_any_text_is_a_jti(replays, issuer, jti):
    first, _ = replays
    assert first.accept_use(issuer, jti, "call", soon())


def test_a_store_that_is_down_is_said(tmp_path):
    (tmp_path / "file").write_text("")
    replays = UsedTokensInDatabase(f"sqlite:///{tmp_path / 'file' / 'store.sqlite3'}")
    with pytest.raises(StoreDown):
        replays.accept_use("iss", "jti", "call", soon())
    (tmp_path / "file").unlink()
    assert replays.accept_use("iss", "jti", "call", soon())
    replays.close()
