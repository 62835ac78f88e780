"""Key sets: read once, read again with restraint, and what happens while their source fails (SEC-11 to SEC-13).

Counted in requests that reach a real server; time is a clock that the test moves.
"""

from __future__ import annotations

import contextlib
import json
import logging
import threading
import time
import warnings
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
import requests
from joserfc.jwk import ECKey, OctKey, RSAKey

from cds_service.net.addresses import Reach
from cds_service.net.download import DownloadError, download
from cds_service.service.bounded_warnings import BoundedWarnings
from cds_service.trust.keysets import (
    KeySet,
    KeySetBusyError,
    KeySetError,
    KeySetLimits,
    key_set_at,
    key_set_in,
    parse_key_set,
)
from tests.support.certificates import Certificate
from tests.support.servers import Service
from tests.support.trust_parts import SERVICE, KeyServer, public, write_clients

LIMITS = KeySetLimits(fresh=600, stale=3600, again=30, first_retry=1, last_retry=300, wait=0.5)
EC = ECKey.generate_key("P-256", {"kid": "one"})
NEW = ECKey.generate_key("P-256", {"kid": "two"})


@pytest.fixture
def held(server):
    """The server of key sets, which answers as soon as ``may_answer`` is set."""
    server.document, server.mode, server.may_answer = {"keys": [public(EC)]}, "held", threading.Event()
    yield server
    server.may_answer.set()


@pytest.fixture
def key_set(server, ticks):
    server.document = {"keys": [public(EC)]}
    return key_set_at(f"{server.url}/jwks", Reach.LOOPBACK, LIMITS, ticks)


def settle(key_set):
    """Waits for a reading beside the requests to end."""
    for _ in range(1000):
        if key_set._under_way is None:
            return
        time.sleep(0.01)
    pytest.fail("the reading did not end")


def test_SEC_13_a_set_is_read_once_and_again_when_it_is_old(key_set, server, ticks):
    for _ in range(50):
        assert key_set.find("one", "EC")
    assert len(server.asked) == 1
    ticks.now += 449
    assert key_set.find("one", "EC") and len(server.asked) == 1
    ticks.now += 1  # in good time, beside the request
    assert key_set.find("one", "EC")
    settle(key_set)
    assert len(server.asked) == 2
    ticks.now += 449
    assert key_set.find("one", "EC")
    assert len(server.asked) == 2


def test_SEC_12_a_new_key_is_taken_up(key_set, server, ticks):
    assert key_set.find("one", "EC")
    server.document["keys"].append(public(NEW))
    assert key_set.find("two", "EC") is None  # it was read this moment
    ticks.now += 30
    assert key_set.find("two", "EC")
    assert len(server.asked) == 2


def test_SEC_13_a_removed_key_is_refused_after_the_refresh(key_set, server, ticks):
    assert key_set.find("one", "EC")
    server.document["keys"] = [public(NEW)]
    ticks.now += 601
    assert key_set.find("one", "EC") is None
    assert key_set.find("two", "EC")


def test_SEC_13_a_removed_or_replaced_key_is_no_longer_remembered_either(verifier_for, server, maker, keys, ticks):
    from cds_service.trust.tokens import RefusedError

    verifier, authorization = verifier_for(limits=LIMITS, ticks=ticks), maker.bearer(exp=time.time() + 3000)
    for _ in range(2):
        verifier.verify(authorization, SERVICE)
    assert (verifier.verified, verifier.remembered) == (1, 1)
    server.document = {"keys": [public(ECKey.generate_key("P-384"), kid="key-ES384")]}
    ticks.now += 601
    with pytest.raises(RefusedError, match="signature"):
        verifier.verify(authorization, SERVICE)
    server.document = {"keys": [public(keys["RS384"])]}
    ticks.now += 601
    with pytest.raises(RefusedError, match="key"):
        verifier.verify(authorization, SERVICE)


def test_SEC_12_T_12_a_storm_of_unknown_kids_brings_one_reading_in_a_while(key_set, server, ticks):
    assert key_set.find("one", "EC")
    for moment in range(60):
        ticks.now += 1
        for number in range(50):
            assert key_set.find(f"kid-{moment}-{number}", "EC") is None
        assert key_set.find("one", "EC")
    assert len(server.asked) == 1 + 2  # 3,000 unknown kids in a minute


def test_SEC_12_a_storm_from_many_threads_brings_one_reading(key_set, server, ticks):
    assert key_set.find("one", "EC")
    ticks.now += 60
    answers = []

    def ask(number):
        unknown = None
        with contextlib.suppress(KeySetBusyError):  # another waits for the reading
            unknown = key_set.find(f"kid-{number}", "EC")
        answers.append((unknown, key_set.find("one", "EC")))

    threads = [threading.Thread(target=ask, args=(n,)) for n in range(32)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(5)
    assert len(answers) == 32 and all(unknown is None and known for unknown, known in answers)
    assert len(server.asked) == 2


def test_a_cold_start_under_load_brings_one_reading_and_who_is_put_off_may_call_again(key_set, server):
    answers = []

    def ask():
        while True:
            with contextlib.suppress(KeySetBusyError):
                answers.append(key_set.find("one", "EC"))
                return
            time.sleep(0.01)

    threads = [threading.Thread(target=ask) for _ in range(32)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert len(answers) == 32 and all(answers)
    assert len(server.asked) == 1


@pytest.mark.parametrize("kid", ["one", "unknown"])
def test_while_a_slow_set_is_read_one_thread_waits_and_the_others_are_told_at_once(held, ticks, kid):
    """Also where it is another set that is slow: the threads are few, and serve everybody."""
    waiting, limits = threading.Lock(), replace(LIMITS, wait=60)
    sets = [key_set_at(f"{held.url}/{name}", Reach.LOOPBACK, limits, ticks, waiting) for name in ("a", "b")]
    answers = []
    first = threading.Thread(target=lambda: answers.append(sets[0].find(kid, "EC")))
    first.start()
    while not waiting.locked():
        time.sleep(0.01)
    for number in range(40):
        with pytest.raises(KeySetBusyError):
            sets[number % 2].find(f"kid-{number}", "EC")
    assert first.is_alive() and answers == []
    held.may_answer.set()
    first.join(60)
    assert [answer is not None for answer in answers] == [kid == "one"]


def test_who_must_not_wait_is_told_that_the_set_has_to_be_read(held, ticks):
    key_set = key_set_at(f"{held.url}/jwks", Reach.LOOPBACK, replace(LIMITS, wait=60, patience=60), ticks)
    with pytest.raises(KeySetBusyError):
        key_set.find("one", "EC", may_wait=False)
    held.may_answer.set()
    assert key_set.find("one", "EC")
    assert key_set.find("one", "EC", may_wait=False)
    assert key_set.find("unknown", "EC", may_wait=False) is None  # it was read just now
    held.may_answer.clear()
    ticks.now += LIMITS.fresh + 1
    with pytest.raises(KeySetBusyError):
        key_set.find("one", "EC", may_wait=False)
    held.may_answer.set()


def test_while_a_slow_set_is_read_keys_that_are_held_serve_at_once(held, ticks):
    held.may_answer.set()
    key_set = key_set_at(f"{held.url}/jwks", Reach.LOOPBACK, replace(LIMITS, wait=60, patience=60), ticks)
    assert key_set.find("one", "EC")
    held.may_answer.clear()
    ticks.now += LIMITS.fresh + 1
    first = threading.Thread(target=key_set.find, args=("unknown", "EC"))
    first.start()
    while not key_set._waiting.locked():
        time.sleep(0.01)
    assert all(key_set.find("one", "EC") for _ in range(8))
    assert first.is_alive()
    held.may_answer.set()
    first.join(60)


def test_callers_with_random_kids_are_put_off_and_an_honest_one_comes_through(app_for, server, maker, body):
    """Over HTTP: 503 with Retry-After while nobody can tell, 401 when the set was read and has no such key."""
    client = app_for()
    assert client.post(SERVICE, json=body, headers={"Authorization": maker.bearer()}).status_code == 200
    server.mode = "slow"
    answers = []

    def storm():
        for number in range(1000):
            token = maker.bearer(header={"kid": f"{threading.get_ident()}-{number}"})
            answers.append(client.application.test_client().post(SERVICE, json=body, headers={"Authorization": token}))
            if any(answer.status_code == 503 for answer in answers):
                return
            time.sleep(0.02)

    threads = [threading.Thread(target=storm) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert {answer.status_code for answer in answers} == {401, 503}
    assert all(answer.headers["Retry-After"] == "10" for answer in answers if answer.status_code == 503)
    assert client.post(SERVICE, json=body, headers={"Authorization": maker.bearer()}).status_code == 200


def test_refusals_are_logged_at_a_bounded_rate(app_for, maker, body, caplog):
    client = app_for()
    for number in range(100):
        answer = client.post(SERVICE, json=body, headers={"Authorization": maker.bearer(header={"kid": f"k{number}"})})
        assert answer.status_code in (401, 503)
    assert len([record for record in caplog.records if "a call was" in record.getMessage()]) <= 40


def test_how_many_refusals_were_not_logged_is_said(caplog):
    now = [0.0]
    warnings_of = BoundedWarnings(logging.getLogger("cds_service"), most=3, seconds=10, clock=lambda: now[0])
    for _ in range(50):
        warnings_of.warn("refused: 100 %s")
    assert [record.getMessage() for record in caplog.records] == ["refused: 100 %s"] * 3
    now[0] = 10.0
    caplog.clear()
    warnings_of.warn("another")
    first, second = (record.getMessage() for record in caplog.records)
    assert first.startswith("47 more calls") and second == "another"


def test_while_the_source_is_down_old_keys_serve_for_a_bounded_time(key_set, server, ticks):
    assert key_set.find("one", "EC")
    server.mode = "error"
    for _ in range(41):
        ticks.now += 100
        assert key_set.find("one", "EC")
        settle(key_set)
    ticks.now += 100  # 600 fresh and 3,600 stale are over
    assert key_set.find("one", "EC") is None
    server.mode = "good"
    ticks.now += 300
    assert key_set.find("one", "EC")


def test_after_failures_it_asks_more_and_more_seldom(key_set, server, ticks):
    server.mode = "error"
    asked_at = []
    for second in range(1000):
        before = len(server.asked)
        assert key_set.find("one", "EC") is None
        if len(server.asked) > before:
            asked_at.append(second)
        ticks.now += 1
    assert asked_at == [0, 1, 3, 7, 15, 31, 63, 127, 255, 511, 811]


@pytest.mark.parametrize("mode", ["error", "html", "huge", "truncated", "slow", "drip", "redirect"])
def test_SEC_11_a_source_that_misbehaves_gives_no_key_and_holds_nobody_up(key_set, server, mode, caplog):
    other = KeyServer()
    try:
        other.document = {"keys": [public(EC)]}
        server.target = f"{other.url}/jwks"
        server.mode = mode
        began = time.monotonic()
        for _ in range(20):
            assert key_set.find("one", "EC") is None
        assert time.monotonic() - began < 20 * LIMITS.wait  # one wait, not twenty
        settle(key_set)
        assert other.asked == []
        assert len(server.asked) == 1
        assert caplog.text.count("cannot be read") == 1
        assert "html" not in caplog.text
    finally:
        other.close()


def test_a_slow_source_holds_up_nobody_whose_key_is_known(key_set, server, ticks):
    assert key_set.find("one", "EC")
    server.mode, server.slow = "slow", 15
    ticks.now += 500  # it is read again beside the requests
    began = time.monotonic()
    for _ in range(100):
        assert key_set.find("one", "EC")
    assert time.monotonic() - began < server.slow


def test_a_slow_source_holds_up_hardly_anybody_whose_key_is_known_but_old(server, ticks):
    server.document = {"keys": [public(EC)]}
    key_set = key_set_at(f"{server.url}/jwks", Reach.LOOPBACK, replace(LIMITS, wait=30), ticks)
    assert key_set.find("one", "EC")
    server.mode, server.slow = "slow", 15
    ticks.now += 700
    began = time.monotonic()
    assert key_set.find("one", "EC")
    assert time.monotonic() - began < server.slow  # nor as long as a key that is not known is waited for


def test_nothing_listens_there(server, ticks):
    server.close()
    key_set = key_set_at(f"{server.url}/jwks", Reach.LOOPBACK, LIMITS, ticks)
    assert key_set.find("one", "EC") is None


def test_SEC_11_this_machine_is_asked_only_if_it_may_be(server, ticks):
    server.document = {"keys": [public(EC)]}
    for host in ("127.0.0.1", "localhost"):
        url = server.url.replace("127.0.0.1", host)
        assert key_set_at(url, Reach.PUBLIC, LIMITS, ticks).find("one", "EC") is None
        assert server.asked == []
    assert key_set_at(server.url, Reach.LOOPBACK, LIMITS, ticks).find("one", "EC")
    assert key_set_at(server.url, Reach.PRIVATE, LIMITS, ticks).find("one", "EC")


@pytest.mark.parametrize("url", ["http://no-such-host.invalid/", "http://127.0.0.1:1/", "https://127.0.0.1:1/x?y=1"])
def test_what_cannot_be_reached_is_said_in_one_word(url):
    with pytest.raises(DownloadError, match="no answer"):
        download(url, reach=Reach.LOOPBACK, seconds=5, max_bytes=10)


def test_SEC_01_a_server_that_does_not_speak_tls_gives_no_keys(server):
    with pytest.raises(DownloadError, match="no answer: SSL"):
        download(server.url.replace("http:", "https:"), reach=Reach.LOOPBACK, seconds=2, max_bytes=10)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    return Certificate(tmp_path_factory.mktemp("tls"))


@pytest.fixture
def tls_server(certificate):
    opened = KeyServer(certificate.server_context)
    opened.document = {"keys": [public(EC)]}
    yield opened
    opened.close()


# The warning that nothing was verified is no error here: it would refuse the server in place of what is tested.
UNVERIFIED = pytest.mark.filterwarnings("ignore::urllib3.exceptions.InsecureRequestWarning")


@UNVERIFIED
def test_SEC_01_keys_of_a_server_whose_certificate_signs_itself_are_refused(tls_server, ticks, caplog):
    for host in ("localhost", "127.0.0.1"):
        key_set = key_set_at(f"https://{host}:{tls_server.port}/jwks", Reach.LOOPBACK, LIMITS, ticks)
        assert key_set.find("one", "EC") is None
    assert tls_server.asked == []
    assert caplog.text.count("cannot be read: no answer: SSLCertVerificationError") == 2


@UNVERIFIED
def test_SEC_01_keys_of_a_server_whose_certificate_is_over_are_refused(tmp_path, monkeypatch, ticks, caplog):
    """Though who made it is trusted."""
    over = Certificate(tmp_path, days=-1)
    monkeypatch.setenv("SSL_CERT_FILE", str(over.path))
    opened = KeyServer(over.server_context)
    opened.document = {"keys": [public(EC)]}
    key_set = key_set_at(f"https://localhost:{opened.port}/jwks", Reach.LOOPBACK, LIMITS, ticks)
    assert key_set.find("one", "EC") is None
    assert opened.asked == []
    assert "cannot be read: no answer: SSLCertVerificationError" in caplog.text
    opened.close()


def test_SEC_01_the_certificates_of_the_machine_are_trusted_for_their_names(
    tls_server, certificate, monkeypatch, ticks
):
    """What the operating system trusts, as hospitals set it up, named here by the variable of OpenSSL."""
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate.path))
    by_name = f"https://localhost:{tls_server.port}/jwks"
    assert key_set_at(by_name, Reach.LOOPBACK, LIMITS, ticks).find("one", "EC")
    assert tls_server.asked == ["/jwks"]
    with pytest.raises(DownloadError, match="no answer: SSLCertVerificationError"):
        download(f"{tls_server.url}/jwks", reach=Reach.LOOPBACK, seconds=2, max_bytes=10)
    assert tls_server.asked == ["/jwks"]


def small_rsa():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the library warns of such keys
        return public(RSAKey.generate_key(1024, {"kid": "small"}))


def test_keys_that_cannot_or_must_not_verify_are_passed_over():
    good = public(EC)
    entries = [
        good,
        EC.as_dict(private=True) | {"kid": "private"},
        OctKey.generate_key(256, {"kid": "secret"}).as_dict(private=True),
        small_rsa(),
        good | {"kid": None},
        good | {"kid": 7},
        good | {"kid": "odd", "crv": "P-999"},
        good | {"kid": "off", "y": good["x"]},
        good | {"kid": "bad", "x": "!"},
        {"kid": "empty"},
        {"kid": "future", "kty": "AKP", "pub": "x"},
        {"kid": "list", "kty": ["EC"]},
        "no key",
        None,
    ]
    document = json.dumps({"keys": entries}).encode()
    assert list(parse_key_set(document)) == [("one", "EC")]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert list(parse_key_set(document)) == [("one", "EC")]


def test_the_first_hundred_keys_of_a_set_are_read():
    """Each costs time, and who needs a hundred is not known."""
    many = [public(EC) | {"kid": f"key-{number}"} for number in range(1, 103)]
    read = parse_key_set(json.dumps({"keys": many}).encode())
    assert list(read) == [(f"key-{number}", "EC") for number in range(1, 101)]


@pytest.mark.parametrize(
    "document", ["", "[]", "{}", '{"keys": {}}', '{"keys": []}', '{"keys": [1]}', "[" * 100_000, '"x"', "\xff"]
)
def test_what_is_no_key_set(document):
    with pytest.raises(KeySetError):
        parse_key_set(document.encode("latin-1"))


@pytest.mark.parametrize("more", [{"use": "enc"}, {"alg": "ES384"}, {"key_ops": ["sign"]}])
def test_SEC_10_the_purpose_of_a_key_is_kept(verifier_for, server, maker, keys, more):
    from cds_service.trust.tokens import RefusedError

    verifier = verifier_for()
    server.document = {"keys": [public(keys["ES256"], **more)]}
    with pytest.raises(RefusedError, match="signature"):
        verifier.verify(maker.bearer("ES256"), SERVICE)


@pytest.mark.parametrize("more", [{"use": "sig"}, {"alg": "RS384"}, {"key_ops": ["verify"]}, {"x5c": ["MIIB"]}])
def test_SEC_10_keys_as_clients_write_them(verifier_for, server, maker, keys, more):
    verifier = verifier_for()
    server.document = {"keys": [public(keys["RS384"], **more)]}
    assert verifier.verify(maker.bearer("RS384"), SERVICE)


def test_keys_in_a_file_rotate_too(tmp_path, ticks):
    path = tmp_path / "keys.json"
    path.write_text(json.dumps({"keys": [public(EC)]}))
    key_set = key_set_in(path, LIMITS, ticks)
    assert key_set.find("one", "EC")
    path.write_text(json.dumps({"keys": [public(NEW)]}))
    ticks.now += 31
    assert key_set.find("two", "EC")
    assert key_set.find("one", "EC") is None
    path.unlink()
    ticks.now += 601
    assert key_set.find("two", "EC")  # stale for a while


def test_a_defect_in_reading_does_not_end_it_for_ever(ticks, caplog):
    answers = [ZeroDivisionError("token-that-must-not-be-repeated"), None]

    def read():
        if (error := answers.pop(0)) is not None:
            raise error
        return json.dumps({"keys": [public(EC)]}).encode()

    key_set = KeySet("x", read, LIMITS, ticks)
    assert key_set.find("one", "EC") is None
    assert "defect ZeroDivisionError" in caplog.text and "must-not" not in caplog.text
    ticks.now += 301
    assert key_set.find("one", "EC")


def test_callers_who_come_while_a_worker_reads_the_keys_for_the_first_time_are_all_answered(
    tmp_path, keys, server, maker, body
):
    """They wait without a thread each, so that nobody is refused after a start."""
    path = write_clients(tmp_path / "clients.toml", keys, server)
    server.mode = "slow"
    with Service(f"sqlite:///{tmp_path}/store", tmp_path / "log", CDS_SERVICE_CLIENTS=str(path)) as service:

        def call(_):
            headers = {"Authorization": maker.bearer()}
            return requests.post(service.base + SERVICE, json=body, headers=headers, timeout=30).status_code

        with ThreadPoolExecutor(8) as threads:
            assert set(threads.map(call, range(8))) == {200}
