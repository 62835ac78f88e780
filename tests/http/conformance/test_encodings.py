"""Request bodies may be sent with Content-Encoding gzip, bounded by what they grow to (RFC 9110, J-09)."""

import gzip
import json
import os
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cds_service.protocol.encodings import TooLongError, decoded
from cds_service.protocol.faults import Fault

LIMIT = 20_000_000
FEEDBACK = "/cds-services/vitamin-b12-order-select/feedback"


@pytest.fixture
def plain(request_for):
    return json.dumps(request_for("kwame-mensah", "hydroxocobalamin-im-three-weekly")).encode()


@pytest.fixture
def zipped(post):
    return lambda body, encoding="gzip", **more: post(body, headers={"Content-Encoding": encoding}, **more)


@pytest.mark.parametrize("encoding", ["gzip", "GZIP", " gzip ", "x-gzip"])
def test_a_gzip_body_gets_the_cards_of_the_plain_one(post, zipped, cards_of, plain, encoding):
    def told(answer):
        return [card["summary"] for card in cards_of(answer)]

    assert told(post(plain))
    assert told(zipped(gzip.compress(plain), encoding)) == told(post(plain))


def test_identity_is_no_encoding(zipped, cards_of, plain):
    assert cards_of(zipped(plain, "identity"))


def test_feedback_may_be_gzip_and_is_bounded_by_its_own_limit(zipped, assert_outcome):
    assert zipped(gzip.compress(b'{"feedback": []}'), path=FEEDBACK).status_code in (200, 400)
    assert_outcome(zipped(gzip.compress(b'{"feedback": []}' + b" " * 1_000_000), path=FEEDBACK), 413)


@pytest.mark.parametrize("encoding", ["br", "deflate", "zstd", "gzip, gzip", "gzip, br", "aes128gcm"])
def test_other_encodings_are_415_and_say_what_is_accepted(zipped, assert_outcome, plain, encoding):
    answer = zipped(gzip.compress(plain), encoding)
    assert_outcome(answer, 415)
    assert answer.headers["Accept-Encoding"] == "gzip"


@pytest.mark.parametrize("broken", ["plain", "cut", "flipped", "followed", "empty"])
def test_bytes_that_are_not_one_whole_gzip_member_are_400(zipped, assert_outcome, plain, broken):
    good = gzip.compress(plain)
    body = {
        "plain": plain,
        "cut": good[:-4],
        "flipped": good[:-8] + bytes(byte ^ 255 for byte in good[-8:]),
        "followed": good + good,
        "empty": b"",
    }[broken]
    assert_outcome(zipped(body), 400)


def test_the_largest_body_is_answered_and_one_byte_more_is_413(zipped, cards_of, assert_outcome, plain):
    text = plain[:-1] + b',"more":"' + os.urandom(200_000).hex().encode() + b'"}'
    assert cards_of(zipped(gzip.compress(text.ljust(LIMIT), 1)))
    assert_outcome(zipped(gzip.compress(text.ljust(LIMIT + 1), 1)), 413)


def test_a_bomb_is_413_and_never_held_whole():
    bomb = gzip.compress(bytes(200_000_000), 9)
    assert len(bomb) < 1_000_000
    tracemalloc.start()
    try:
        with pytest.raises(TooLongError):
            decoded(bomb, "gzip", 1_000_000)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 5_000_000


def test_a_bomb_sent_to_the_service_is_413(zipped, assert_outcome):
    assert_outcome(zipped(gzip.compress(bytes(100_000_000), 1)), 413)


@given(st.binary(max_size=2000), st.integers(0, 2000))
def test_what_was_encoded_is_decoded_or_too_long(body, limit):
    encoded = gzip.compress(body)
    if len(body) <= limit:
        assert decoded(encoded, "gzip", limit) == body
    else:
        with pytest.raises(TooLongError):
            decoded(encoded, "gzip", limit)


@given(st.binary(max_size=500))
def test_any_bytes_are_decoded_or_refused(body):
    try:
        assert len(decoded(body, "gzip", 1000)) <= 1000
    except (Fault, TooLongError) as error:
        assert isinstance(error, TooLongError) or error.status == 400
