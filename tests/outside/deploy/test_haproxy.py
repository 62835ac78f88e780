"""The example for HAProxy, run: only what clients call, a body whole or not at all, and an instance that is killed."""

import contextlib

import pytest

from tests.outside.deploy.proxies import HAProxy, before_two, calling, wait_for

HOOK = "/cds-services/vitamin-b12-order-select"
MOST_BYTES = 1_000_000  # of a body, in the example
CALLERS = 3

pytestmark = pytest.mark.skipif(bool(HAProxy.missing()), reason=HAProxy.missing())


def haproxy(folder):
    stores = f"sqlite:///{folder}/one.sqlite3", f"sqlite:///{folder}/two.sqlite3"
    return before_two(HAProxy, folder, stores, CDS_SERVICE_INSECURE="1")


@pytest.fixture(scope="module")
def proxy(tmp_path_factory):
    with haproxy(tmp_path_factory.mktemp("instances")) as (running, _):
        yield running


def test_a_hook_passes_and_gets_its_cards(proxy, hook_body):
    status, answer = proxy.send(HOOK, hook_body)
    assert status == 200 and b'"cards"' in answer


@pytest.mark.parametrize("path", ["/metrics", "/readyz", "/healthz", "/openapi.json", "/", "/cds-services-other"])
def test_what_is_for_inside_is_not_outside(proxy, path):
    status, answer = proxy.send(path)
    assert status == 404 and b"OperationOutcome" not in answer


def test_a_body_passes_up_to_a_megabyte_and_is_413_above(proxy, hook_body):
    assert proxy.send(HOOK, hook_body.ljust(MOST_BYTES))[0] == 200
    assert asked(proxy, f"Content-Length: {MOST_BYTES + 1}") == b"413"  # before any of it was sent


def test_a_body_without_a_length_is_held_to_the_same(proxy, hook_body):
    assert asked(proxy, "Transfer-Encoding: chunked", chunks(hook_body.ljust(MOST_BYTES)) + b"0\r\n\r\n") == b"200"
    endless = chunks(b" " * 2 * MOST_BYTES)
    assert asked(proxy, "Transfer-Encoding: chunked", endless) == b"413"


@pytest.mark.parametrize("length", ["Content-Length: 300000", "Transfer-Encoding: chunked"], ids=["length", "chunked"])
def test_a_body_that_stops_is_408(proxy, length):
    body = b" " * 200_000 if "Content-Length" in length else chunks(b" " * 200_000)
    assert asked(proxy, length, body) == b"408"


def test_a_head_that_would_leave_no_room_for_a_body_is_431(proxy):
    assert asked(proxy, f"X-Long: {'a' * 60_000}\r\nContent-Length: 2", b"{}") != b"431"
    assert asked(proxy, f"X-Long: {'a' * 70_000}\r\nContent-Length: 2", b"{}") == b"431"


def asked(proxy, fields, body=b""):
    """The status of the answer to a call with these header fields, and so much of its body."""
    with contextlib.closing(proxy.connect_tls(timeout=60)) as connection:
        head = f"POST {HOOK} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n{fields}\r\n\r\n"
        with contextlib.suppress(OSError):  # refused before all of it was sent; OpenSSL tells that in a way of its own
            connection.sendall(head.encode() + body)
        return connection.recv(100).split()[1]


def chunks(body, size=50_000):
    parts = (body[start : start + size] for start in range(0, len(body), size))
    return b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in parts)


def test_an_instance_killed_under_load_fails_no_call_but_those_it_had_begun(tmp_path, hook_body):
    statuses = []
    with (
        haproxy(tmp_path) as (proxy, one),
        calling(*[lambda: statuses.append(proxy.send(HOOK, hook_body)[0])] * CALLERS),
    ):
        wait_for(lambda: len(statuses) > 50)
        before = len(statuses)
        one.kill()
        wait_for(lambda: len(statuses) > before + 100)
    failed = [status for status in statuses if status != 200]
    assert len(failed) <= CALLERS and set(failed) <= {502}
    assert statuses[-50:] == [200] * 50
