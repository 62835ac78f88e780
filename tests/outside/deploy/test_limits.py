"""What a caller that is slow, endless or many can do to a served process, and what it cannot."""

import contextlib
import socket
import time

import pytest

from tests.support.servers import Service, status_of
from tests.support.trust_parts import write_one_client
from tests.support.waiting import eventually

HOOK = "/cds-services/vitamin-b12-order-select"
HOOK_LINE = f"POST {HOOK} HTTP/1.1".encode()
HEADER_SECONDS = 10
BODY_SECONDS = 10
PATIENCE = HEADER_SECONDS + 5


@pytest.fixture(scope="module")
def service(tmp_path_factory):
    folder = tmp_path_factory.mktemp("limits")
    with Service(f"sqlite:///{folder}/store.sqlite3", folder / "log") as running:
        yield running


@pytest.fixture(scope="module")
def guarded(tmp_path_factory):
    folder = tmp_path_factory.mktemp("guarded")
    named = {"CDS_SERVICE_CLIENTS": str(write_one_client(folder))}
    with Service(f"sqlite:///{folder}/store.sqlite3", folder / "log", **named) as running:
        yield running


@pytest.fixture
def connect():
    opened = []

    def connected(to, first=b""):
        opened.append(socket.create_connection(("127.0.0.1", to.port), timeout=PATIENCE))
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # it may answer before it has read all
            opened[-1].sendall(first)
        return opened[-1]

    yield connected
    for connection in opened:
        connection.close()


def head(length, kind="json", more=""):
    return (
        f"POST {HOOK} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/{kind}\r\n"
        f"Content-Length: {length}\r\n{more}\r\n"
    ).encode()


def answer(connection):
    """The whole answer, to the end of the connection."""
    said = b""
    while more := connection.recv(65_536):
        said += more
    return said


def test_headers_without_end_are_431(service, connect):
    connection = connect(service, b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nX-Long: ")
    connection.sendall(b"a" * 150_000)
    assert connection.recv(100).startswith(b"HTTP/1.1 431 ")


def test_headers_of_a_large_token_are_read(service, connect):
    connection = connect(service, b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nX-Long: " + b"a" * 50_000 + b"\r\n\r\n")
    assert connection.recv(100).startswith(b"HTTP/1.1 200 ")


@pytest.mark.parametrize(
    ("request_line", "headers", "status"),
    [
        (b"GET /cds-services HTTP/1.1", b"", 400),
        (HOOK_LINE, b"Content-Length: 2\r\n", 400),
        (b"GET http://localhost/cds-services HTTP/1.1", b"", 400),
        (b"GET /cds-services HTTP/1.0", b"", 421),
        (HOOK_LINE, b"Host: evil.example\r\nContent-Length: 2\r\n", 421),
        (b"get /cds-services HTTP/1.1", b"Host: localhost\r\n", 405),
        (HOOK_LINE.replace(b"POST", b"post"), b"Host: localhost\r\nContent-Length: 2\r\n", 405),
        (b"Get /healthz HTTP/1.1", b"Host: localhost\r\n", 405),
        (b"GET /cds-services HTTP/1.1", b"Host: localhost\r\n", 200),
    ],
)
def test_no_host_and_a_method_in_lower_case_are_refused(service, connect, request_line, headers, status):
    connection = connect(service, request_line + b"\r\n" + headers + b"Connection: close\r\n\r\n")
    said = answer(connection)
    assert said.startswith(f"HTTP/1.1 {status} ".encode()) or said.startswith(f"HTTP/1.0 {status} ".encode())
    assert (b"OperationOutcome" in said) == (status >= 400)


def test_connections_that_say_too_little_are_let_go_and_others_answered_meanwhile(service, connect, hook_body):
    began = time.monotonic()
    slow = [connect(service, b"POST /cds-services HTTP/1.1\r\nHost: loc"), connect(service)]
    for _ in range(400):
        connect(service)
    status, _ = status_of(service.base + HOOK, hook_body)
    assert status == 200
    for connection in slow:
        assert connection.recv(1000) == b""
    assert time.monotonic() - began > HEADER_SECONDS - 1


def test_bodies_that_never_end_hold_up_nobody_and_are_given_up(service, connect, hook_body):
    """More of them than there are threads, each with a byte now and then."""
    slow = [connect(service, head(1000) + b"{") for _ in range(40)]
    for _ in range(3):
        for connection in slow:
            connection.sendall(b" ")
        assert status_of(f"{service.base}/healthz")[0] == 200
        assert status_of(f"{service.base}/cds-services")[0] == 200
        assert status_of(service.base + HOOK, hook_body)[0] == 200
    assert not any(is_answered(connection) for connection in slow), "they were still waited for meanwhile"
    for connection in slow:
        said = answer(connection)
        assert said.startswith(b"HTTP/1.1 408 ")
        assert f"within {BODY_SECONDS} seconds".encode() in said


def is_answered(connection):
    connection.setblocking(False)
    try:
        return bool(connection.recv(1, socket.MSG_PEEK))
    except BlockingIOError:
        return False
    finally:
        connection.settimeout(PATIENCE)


def test_who_has_no_token_is_answered_before_the_body_is_read(guarded, connect):
    waiting = [connect(guarded, head(1_000_000) + b"{") for _ in range(40)]
    for connection in waiting:
        said = answer(connection)
        assert said.startswith(b"HTTP/1.1 401 ")
        assert b"\r\nconnection: close\r\n" in said
    assert status_of(f"{guarded.base}/healthz")[0] == 200


def test_bodies_that_are_cut_off_are_no_defect(service, connect, hook_body):
    for _ in range(8):
        connect(service, head(1000) + b"{").close()
    chunked = connect(service, head(0).replace(b"Content-Length: 0", b"Transfer-Encoding: chunked") + b"Z\r\n")
    assert answer(chunked).startswith(b"HTTP/1.1 400 ")
    assert status_of(service.base + HOOK, hook_body)[0] == 200
    _, metrics = status_of(f"{service.base}/metrics")
    assert b"\ncds_service_defects_total 0.0\n" in metrics


@pytest.mark.parametrize("more", ["", "Authorization: Bearer nobody\r\n"])
@pytest.mark.parametrize("size", [300_000, 20_000_001, 30_000_000])
def test_who_is_refused_can_send_the_whole_body_and_then_reads_the_answer(guarded, size, more):
    """As a proxy does, which takes a connection that it cannot write to for a service that is dead."""
    for _ in range(5):
        with socket.create_connection(("127.0.0.1", guarded.port), timeout=PATIENCE) as connection:
            connection.sendall(head(size, more=more))
            for _ in range(size // 50_000):
                connection.sendall(b" " * 50_000)  # none of them fails
            connection.sendall(b" " * (size % 50_000))
            said = answer(connection)
        assert said.startswith(b"HTTP/1.1 401 ") and said.endswith(b"}")


def test_a_body_in_chunks_that_is_too_large_can_be_sent_on(service):
    with socket.create_connection(("127.0.0.1", service.port), timeout=PATIENCE) as connection:
        connection.sendall(head(0).replace(b"Content-Length: 0", b"Transfer-Encoding: chunked"))
        for _ in range(300):
            connection.sendall(b"186a0\r\n" + b" " * 100_000 + b"\r\n")
        connection.sendall(b"0\r\n\r\n")
        assert answer(connection).startswith(b"HTTP/1.1 413 ")


def test_what_is_sent_without_end_after_a_refusal_is_cut_off(guarded):
    with socket.create_connection(("127.0.0.1", guarded.port), timeout=PATIENCE) as connection:
        connection.sendall(head(0).replace(b"Content-Length: 0", b"Transfer-Encoding: chunked"))
        with pytest.raises(OSError, match=r"reset|pipe"):
            for _ in range(10_000):
                connection.sendall(b"186a0\r\n" + b" " * 100_000 + b"\r\n")


def test_who_is_refused_and_stays_silent_is_let_go(guarded):
    began = time.monotonic()
    with socket.create_connection(("127.0.0.1", guarded.port), timeout=PATIENCE) as connection:
        connection.sendall(head(1000) + b"{")
        assert answer(connection).startswith(b"HTTP/1.1 401 ")
    assert time.monotonic() - began < BODY_SECONDS


@pytest.mark.parametrize(("size", "kind", "status"), [(20_000_001, "json", 413), (15_000_000, "xml", 415)])
def test_who_is_refused_while_the_body_is_sent_still_gets_the_answer(service, connect, size, kind, status):
    for _ in range(10):
        connection = connect(service, head(size, kind, "Connection: close\r\n") + b" " * size)
        assert connection.recv(100).startswith(f"HTTP/1.1 {status} ".encode())


def test_a_body_in_chunks_that_grows_beyond_the_limit_is_413(service, connect):
    start = head(0).replace(b"Content-Length: 0", b"Transfer-Encoding: chunked")
    connection = connect(service, start + b"1400000\r\n" + b" " * 20_971_520)
    assert connection.recv(100).startswith(b"HTTP/1.1 413 ")


def test_more_large_bodies_than_there_is_room_for_are_503_and_others_are_answered(service, connect, hook_body):
    """Their beginnings alone, which is enough to hold the room."""
    for _ in range(3):
        connect(service, head(20_000_000) + b"{")
    eventually(lambda: is_refused(connect(service, head(20_000_000) + b"{")))
    assert status_of(service.base + HOOK, hook_body)[0] == 200


def is_refused(connection):
    """What a caller is told at once; empty if it is waited for."""
    connection.settimeout(0.5)
    try:
        said = connection.recv(65_536)
    except TimeoutError:
        return b""
    assert said.startswith(b"HTTP/1.1 503 ")
    assert b"\r\nretry-after: " in said
    return said
