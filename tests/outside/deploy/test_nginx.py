"""The example for nginx, run: TLS outside, slow callers held, an instance that is killed not noticed by any client."""

import contextlib
import json
import os
import shutil
import socket
import ssl
import subprocess
import threading
import time
import urllib.error
import urllib.request
from uuid import uuid4

import pytest
from sqlalchemy import select

from cds_service.store import tables
from cds_service.store.database import open_engine, read_url, reading
from tests.support.places import ROOT
from tests.support.servers import PostgreSQL, Service, free_port, postgresql_programs

EXAMPLE = ROOT / "deploy/nginx/cds-service.conf"
HOOK = "/cds-services/vitamin-b12-order-select"
LOAD_SECONDS = 4

pytestmark = [
    pytest.mark.skipif(shutil.which("nginx", path="/usr/sbin:/usr/bin") is None, reason="nginx is not installed"),
    pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not installed"),
    pytest.mark.skipif(postgresql_programs() is None, reason="PostgreSQL is not installed"),
]


@pytest.fixture(scope="module")
def store_url():
    server = PostgreSQL(postgresql_programs())
    yield server.make_store("nginx")
    server.remove()


@pytest.fixture(scope="module")
def instances(store_url, tmp_path_factory):
    folder = tmp_path_factory.mktemp("instances")
    with Service(store_url, folder / "one") as one, Service(store_url, folder / "two") as two:
        yield one, two


@pytest.fixture(scope="module")
def proxy(instances, tmp_path_factory):
    """The https port of nginx and the certificate to trust; only addresses and files of the example are changed."""
    folder = tmp_path_factory.mktemp("nginx")
    folder.chmod(0o755)
    key = ["-nodes", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-keyout", "cds.key"]
    name = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]
    made = ["openssl", "req", "-x509", *key, "-out", "cds.crt", "-days", "2", *name]
    subprocess.run(made, cwd=folder, check=True, capture_output=True)
    port, text = free_port(), EXAMPLE.read_text()
    for said, ours in {
        "127.0.0.1:8081": f"127.0.0.1:{instances[0].port}",
        "127.0.0.1:8082": f"127.0.0.1:{instances[1].port}",
        "listen 443 ssl": f"listen 127.0.0.1:{port} ssl",
        "cds.hospital.example": "localhost",
        "/etc/nginx/tls": str(folder),
    }.items():
        assert said in text, f"the example no longer says {said}"
        text = text.replace(said, ours)
    (folder / "site.conf").write_text(text)
    temporary = "".join(f"{kind}_temp_path {folder}/{kind};\n" for kind in ("client_body", "proxy"))
    user = "user root;" if os.geteuid() == 0 else ""  # the folders of a test are its user's own
    (folder / "nginx.conf").write_text(
        f"{user} daemon off; pid {folder}/pid; error_log {folder}/error.log; worker_processes 1;\n"
        f"events {{}}\nhttp {{ access_log off;\n{temporary}include {folder}/site.conf; }}\n"
    )
    program = shutil.which("nginx", path="/usr/sbin:/usr/bin")
    command = [program, "-p", str(folder), "-e", str(folder / "error.log"), "-c", str(folder / "nginx.conf")]
    tested = subprocess.run([*command, "-t"], capture_output=True, text=True)
    assert tested.returncode == 0 and "[warn]" not in tested.stderr, tested.stderr
    process = subprocess.Popen(command)
    for _ in range(200):
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            break
        time.sleep(0.02)
    yield port, folder / "cds.crt"
    process.terminate()
    process.wait(10)


@pytest.fixture(scope="module")
def send(proxy):
    port, certificate = proxy
    trusting = ssl.create_default_context(cafile=str(certificate))

    def sent(path, body=None, timeout=10):
        call = urllib.request.Request(
            f"https://localhost:{port}{path}", data=body, headers={"Content-Type": "application/json"}
        )
        try:
            with urllib.request.urlopen(call, timeout=timeout, context=trusting) as answer:  # noqa: S310
                return answer.status, answer.read()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read()

    return sent


def test_a_hook_passes_and_gets_its_cards(send, hook_body):
    status, answer = send(HOOK, hook_body)
    assert status == 200 and json.loads(answer)["cards"]


@pytest.mark.parametrize("path", ["/metrics", "/readyz", "/healthz", "/openapi.json", "/"])
def test_what_is_for_inside_is_not_outside(send, path):
    assert send(path)[0] == 404


def test_a_body_that_is_too_large_is_refused_in_the_words_of_the_service(send, hook_body):
    status, answer = send(HOOK, hook_body.ljust(20_000_001))
    assert status == 413 and json.loads(answer)["resourceType"] == "OperationOutcome"


def test_bodies_that_never_end_are_held_by_nginx_and_not_by_the_service(send, proxy, hook_body):
    port, certificate = proxy
    trusting = ssl.create_default_context(cafile=str(certificate))
    head = (
        f"POST {HOOK} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n{{"
    )
    stalled = []
    for _ in range(20):  # more than both instances have threads
        plain = socket.create_connection(("127.0.0.1", port), timeout=5)
        stalled.append(trusting.wrap_socket(plain, server_hostname="localhost"))
        stalled[-1].sendall(head.encode())
    time.sleep(0.3)
    try:
        assert send(HOOK, hook_body, timeout=3)[0] == 200
    finally:
        for connection in stalled:
            connection.close()


def test_an_instance_killed_under_load_fails_no_call_and_loses_no_feedback(send, instances, store_url, hook_body):
    """Last: one instance does not come back."""
    hooks, kept, wrong = [], [], []
    running = threading.Event()
    running.set()

    def call_hooks():
        while running.is_set():
            status, _ = send(HOOK, hook_body)
            (hooks if status == 200 else wrong).append(status)

    def send_feedback():
        while running.is_set():
            card = str(uuid4())
            entry = {"card": card, "outcome": "overridden", "outcomeTimestamp": "2026-01-05T09:30:00Z"}
            status, _ = send(f"{HOOK}/feedback", json.dumps({"feedback": [entry]}).encode())
            (kept if status == 200 else wrong).append(card)

    senders = [threading.Thread(target=work) for work in (call_hooks, call_hooks, send_feedback, send_feedback)]
    for sender in senders:
        sender.start()
    time.sleep(LOAD_SECONDS / 2)
    before = len(hooks), len(kept)
    instances[0].kill()
    time.sleep(LOAD_SECONDS / 2)
    running.clear()
    for sender in senders:
        sender.join(20)
    assert wrong == []
    assert 0 < before[0] < len(hooks) and 0 < before[1] < len(kept)
    engine = open_engine(read_url(store_url))
    with reading(engine) as connection:
        found = list(connection.execute(select(tables.feedback.c.card)).scalars())
    engine.dispose()
    assert set(kept) <= set(found) and len(found) == len(set(found))
