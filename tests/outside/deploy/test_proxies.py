"""What both examples for a proxy promise: to which instance a call goes, and what one address can do to the others."""

import contextlib
import socketserver
import ssl
import subprocess
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.outside.deploy.proxies import HAProxy, Nginx

HOOK = "/cds-services/vitamin-b12-order-select"
CONNECTIONS = 200  # that one address may hold, in both examples
SILENT = 1100
HALF_A_HELLO = b"\x16\x03\x01\x02\x00\x01"  # of TLS
BUSY, OTHER = "127.0.0.2", "127.0.0.1"

pytestmark = pytest.mark.parametrize(
    "proxy",
    [
        pytest.param(kind, id=kind.program, marks=pytest.mark.skipif(bool(kind.missing()), reason=kind.missing()))
        for kind in (Nginx, HAProxy)
    ],
    indirect=True,
)


class Instance(socketserver.ThreadingTCPServer):
    """Reads a call whole and answers it, or, if it is ``poisoned``, ends the connection as a process does that dies.

    ``bodies`` are the calls that arrived whole, ``begun`` how many arrived at all.
    """

    allow_reuse_address = daemon_threads = True
    request_queue_size = 512

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Call)
        self.poisoned, self.bodies, self.begun = False, [], 0
        self.port = self.server_address[1]
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def close(self):
        self.shutdown()
        self.server_close()


class Call(socketserver.StreamRequestHandler):
    def handle(self):
        with contextlib.suppress(ConnectionError):
            while line := self.rfile.readline():
                self.answer(line)

    def answer(self, line):
        fields = {}
        while (field := self.rfile.readline()).strip():
            name, _, value = field.decode().partition(":")
            fields[name.lower()] = value.strip()
        if line.startswith(b"POST"):
            self.server.begun += 1
            self.server.bodies.append(self.rfile.read(int(fields.get("content-length", 0))))
            if self.server.poisoned:
                self.connection.close()
                raise ConnectionError
        self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}")


@pytest.fixture
def instances():
    with contextlib.closing(Instance()) as one, contextlib.closing(Instance()) as two:
        yield one, two


@pytest.fixture
def proxy(request, instances, tmp_path):
    with request.param(tmp_path / "proxy", (instances[0].port, instances[1].port)) as running:
        yield running


def test_a_call_that_an_instance_died_of_is_not_handed_on(proxy, instances):
    for instance in instances:
        instance.poisoned = True
    assert proxy.send(HOOK, b'{"poison": 1}')[0] == 502
    assert [body for instance in instances for body in instance.bodies] == [b'{"poison": 1}']


def test_a_call_goes_to_the_other_instance_where_one_is_not_there(proxy, instances):
    instances[0].close()
    statuses = [proxy.send(HOOK, b"{}")[0] for _ in range(10)]
    assert statuses == [200] * 10 and len(instances[1].bodies) == 10


@pytest.mark.parametrize("said", [b"", HALF_A_HELLO], ids=["nothing", "half-a-hello"])
def test_silent_connections_of_one_address_keep_nobody_else_out(proxy, said):
    silent = []
    try:
        for _ in range(SILENT):
            with contextlib.suppress(OSError):  # the others are let go at once
                silent.append(proxy.connect(BUSY))
                silent[-1].sendall(said)
        assert proxy.send(HOOK, b"{}", source=OTHER)[0] == 200
        held = sum(is_open(connection) for connection in silent)
        assert [proxy.send(HOOK, b"{}", source=OTHER)[0] for _ in range(20)] == [200] * 20
        assert 0 < held <= CONNECTIONS  # others were answered beside them, and not after they had been given up
    finally:
        for connection in silent:
            connection.close()


def is_open(connection):
    connection.settimeout(0)
    try:
        return connection.recv(1) != b""
    except BlockingIOError:
        return True
    except OSError:
        return False


def test_what_one_address_calls_too_often_is_429_and_others_are_answered(proxy):
    """Its calls come on connections that stay open, as those of an integration engine do."""
    calls = 1600

    def called(count):
        with contextlib.closing(proxy.connection(source=BUSY)) as connection:
            return [status_on(connection) for _ in range(count)]

    with ThreadPoolExecutor(8) as pool:
        statuses = [status for some in pool.map(called, [calls // 8] * 8) for status in some]
        others = [proxy.send(HOOK, b"{}", source=OTHER)[0] for _ in range(20)]
    assert set(statuses) == {200, 429} and statuses.count(200) >= CONNECTIONS
    assert others == [200] * 20


def status_on(connection):
    connection.request("POST", HOOK, b"{}", {"Content-Type": "application/json"})
    answer = connection.getresponse()
    answer.read()
    return answer.status


@pytest.mark.parametrize("length", ["Content-Length: 400000", "Transfer-Encoding: chunked"], ids=["length", "chunked"])
def test_bodies_that_do_not_arrive_whole_never_reach_an_instance(proxy, instances, length):
    """Half of each is sent at once, so that it fills what a proxy may pass on early, and the rest byte by byte."""
    head = f"POST {HOOK} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n{length}\r\n\r\n".encode()
    chunked = "chunked" in length
    start = b"%x\r\n%b\r\n" % (200_000, b" " * 200_000) if chunked else b" " * 200_000
    slow = []
    try:
        for _ in range(12):
            slow.append(proxy.connect_tls(BUSY))
            slow[-1].sendall(head + start)
        for _ in range(5):
            for connection in slow:
                with contextlib.suppress(OSError):
                    connection.sendall(b"1\r\n \r\n" if chunked else b" ")
            assert proxy.send(HOOK, b"{}", source=OTHER)[0] == 200
        assert sum(instance.begun for instance in instances) == 5
    finally:
        for connection in slow:
            connection.close()


def test_SEC_01_nothing_older_than_tls_1_2_is_spoken(proxy):
    """The client offers no other, down to where its own library lets it."""
    old = ["-cipher", "ALL:@SECLEVEL=0", "-connect", f"127.0.0.1:{proxy.port}"]
    for version in ("-tls1", "-tls1_1"):
        done = subprocess.run(["openssl", "s_client", version, *old], input=b"", capture_output=True, timeout=60)
        assert done.returncode != 0 and b"alert protocol version" in done.stderr, done.stderr
    for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
        assert proxy.speaks(version)


def test_J_01_what_is_not_tls_reaches_no_instance(proxy, instances):
    with contextlib.closing(proxy.connect()) as plain:
        plain.sendall(f"POST {HOOK} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\n{{}}".encode())
        with contextlib.suppress(ConnectionError):
            assert not plain.recv(100).startswith(b"HTTP/1.1 2")
    assert sum(instance.begun for instance in instances) == 0
    assert proxy.send(HOOK, b"{}")[0] == 200
