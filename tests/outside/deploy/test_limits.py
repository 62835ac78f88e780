"""What a caller that is slow, endless or many can do to a served process, and what it cannot."""

import socket
import time

import pytest

from tests.support.servers import Service, status_of

HOOK = "/cds-services/vitamin-b12-order-select"
HEADER_SECONDS = 10
PATIENCE = HEADER_SECONDS + 5


@pytest.fixture(scope="module")
def service(tmp_path_factory):
    folder = tmp_path_factory.mktemp("limits")
    with Service(f"sqlite:///{folder}/store.sqlite3", folder / "log") as running:
        yield running


@pytest.fixture
def connect(service):
    opened = []

    def connected(first=b""):
        opened.append(socket.create_connection(("127.0.0.1", service.port), timeout=PATIENCE))
        opened[-1].sendall(first)
        return opened[-1]

    yield connected
    for connection in opened:
        connection.close()


def test_headers_without_end_are_431(connect):
    connection = connect(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nX-Long: ")
    connection.sendall(b"a" * 150_000)
    assert connection.recv(100).startswith(b"HTTP/1.1 431 ")


def test_headers_of_a_large_token_are_read(connect):
    connection = connect(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nX-Long: " + b"a" * 50_000 + b"\r\n\r\n")
    assert connection.recv(100).startswith(b"HTTP/1.1 200 ")


def test_connections_that_say_too_little_are_let_go_and_others_answered_meanwhile(service, connect, hook_body):
    began = time.monotonic()
    slow = [connect(b"POST /cds-services HTTP/1.1\r\nHost: loc"), connect()]
    for _ in range(400):
        connect()
    status, _ = status_of(service.base + HOOK, hook_body, timeout=3)
    assert status == 200
    for connection in slow:
        assert connection.recv(1000) == b""
    assert HEADER_SECONDS - 1 < time.monotonic() - began < PATIENCE


def test_bodies_that_never_end_are_given_up_with_their_connection(service, connect, hook_body):
    head = (
        f"POST {HOOK} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n{{"
    )
    stalled = [connect(head.encode()) for _ in range(8)]
    for connection in stalled:
        connection.close()
    status, _ = status_of(service.base + HOOK, hook_body, timeout=3)
    assert status == 200


@pytest.mark.parametrize(("size", "kind", "status"), [(20_000_001, "json", 413), (15_000_000, "xml", 415)])
def test_who_is_refused_before_the_body_is_read_still_gets_the_answer(connect, size, kind, status):
    """And no reset under it, which a proxy would take for a dead service."""
    for _ in range(10):
        connection = connect(
            f"POST {HOOK} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/{kind}\r\n"
            f"Content-Length: {size}\r\nConnection: close\r\n\r\n".encode()
        )
        connection.sendall(b" " * size)
        assert connection.recv(100).startswith(f"HTTP/1.1 {status} ".encode())
